"""From a table to the same with canaries at its end, and the list of what was planted.

A canary is a row that nobody ever was: its numbers at the schema's bounds or between them, its categories and its label
by chance. A coin decides over each, independently of all others. The two sides of a coin are neighbouring tables:

- `add_remove` (and data that is not private): the canary is there, or it is not;
- `replace_one`: the canary is there, or its twin is, the same row with another label. The number of rows stays.

Rows and coins come from schema and seed. So one row more, less or replaced in the given table is one in the planted.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import entry, files, rows, tables
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Column, Facts, Kind

TRIES = 50
INSIDE = 0.2  # share of the numbers of a canary that lie between the bounds and not at one of them


def main(options: argparse.Namespace) -> None:
    facts = known(facts_of.load(options.facts))
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    draw = np.random.default_rng([options.seed, 0xCA9A])
    made, twins = canaries(list(table.columns), facts, options.canaries, draw)
    rows.check(made, facts)
    included = draw.random(options.canaries) < 0.5
    relation = facts.private.neighbours if facts.private is not None else "add_remove"
    assert facts.label is not None
    if relation == "replace_one":
        shown = made.copy()
        shown[facts.label] = made[facts.label].where(included, twins)
    else:
        shown = made[included]
    planted = pd.concat([table, shown.astype(dict(table.dtypes), errors="ignore")], ignore_index=True)
    tables.write_parquet(planted, options.planted)
    document = {
        "data": facts.name,
        "neighbours": relation,
        "label": facts.label,
        "schema": facts.document["schema"],
        "canaries": [
            {"row": row, "twin": twin, "included": bool(there)}
            for row, twin, there in zip(records(made), records(twins.to_frame()), included, strict=True)
        ],
    }
    for canary in document["canaries"]:
        canary["twin"] = canary["twin"][facts.label]
    files.write_json(options.secrets, document)
    print(f"{options.canaries} coins for {relation}, {len(shown)} rows planted at the end of the table")


def known(facts: Facts | None) -> Facts:
    """Facts with a schema and a label that it bounds. Raises Refusal for what is missing."""
    if facts is None or not facts.columns or facts.label is None:
        raise Refusal("canaries are made from a schema; give the data a `schema` and a `label`")
    label = facts.columns[facts.label]
    if not label.bounded or (facts.classes is not None and len(facts.classes) < 2):
        raise Refusal(f"the label {facts.label!r} has neither bounds nor a vocabulary of two in the schema")
    return facts


def canaries(names: list[str], facts: Facts, count: int, draw: np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
    """`count` rows that differ in their features, and for each the label of its twin."""
    unbounded = [n for n in facts.feature_names(names) if n in facts.columns and not facts.columns[n].bounded]
    if unbounded:
        raise Refusal(
            f"column {unbounded[0]!r} has neither bounds nor a vocabulary in the schema to make canaries from"
        )
    assert facts.label is not None
    label = facts.columns[facts.label]
    features = facts.feature_names(names)
    made = pd.DataFrame(columns=names)
    for _ in range(TRIES):
        more = pd.DataFrame({name: cells(facts.columns.get(name), count, draw, name) for name in names})
        made = more if made.empty else pd.concat([made, more], ignore_index=True)
        made = made[~made[features].duplicated()].head(count).reset_index(drop=True)
        if len(made) == count:
            break
    else:
        raise Refusal(f"the schema's features have only about {len(made)} different extreme rows; plant fewer canaries")
    choices = ends(label)
    place = draw.integers(len(choices), size=count)
    other = (place + draw.integers(1, len(choices), size=count)) % len(choices)
    kind = made[facts.label].dtype
    made[facts.label] = pd.Series([choices[i] for i in place], dtype=kind)
    return made, pd.Series([choices[i] for i in other], dtype=kind, name=facts.label)


def ends(label: Column) -> list[Any]:
    """The labels that a canary may have: the classes, or a number's bounds."""
    if label.kind is Kind.BOOLEAN:
        return [False, True]
    if label.categories is not None:
        return list(label.categories)
    assert label.minimum is not None and label.maximum is not None
    return [_number(label.minimum, label), _number(label.maximum, label)]


def cells(column: Column | None, count: int, draw: np.random.Generator, name: str) -> Any:
    """Cells of one column, by the schema alone; none at all where it does not say what there could be."""
    if column is None or not column.bounded:
        if column is not None and not column.nullable:
            raise Refusal(f"column {name!r} has neither bounds nor a vocabulary in the schema to make canaries from")
        return pd.Series([None] * count, dtype=object)
    if column.kind is Kind.BOOLEAN:
        return draw.random(count) < 0.5
    if column.categories is not None:
        values = [column.categories[i] for i in draw.integers(len(column.categories), size=count)]
        return pd.Series(values, dtype=None if column.kind in (Kind.INTEGER, Kind.NUMBER) else object)
    assert column.minimum is not None and column.maximum is not None
    low, high = float(column.minimum), float(column.maximum)
    between = draw.uniform(low, high, count)
    found = np.where(draw.random(count) < INSIDE, between, np.where(draw.random(count) < 0.5, low, high))
    return np.rint(found).astype(np.int64) if column.kind is Kind.INTEGER else found


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON objects, missing cells as null."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): _plain(cell) for name, cell in row.items()} for row in plain.to_dict("records")]


def _plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def _number(value: float, column: Column) -> int | float:
    return int(value) if column.kind is Kind.INTEGER else float(value)


if __name__ == "__main__":
    arguments = entry.parser("Plant canaries in a training table.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--canaries", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--planted", type=Path, required=True)
    arguments.add_argument("--secrets", type=Path, required=True)
    entry.run(main, arguments)
