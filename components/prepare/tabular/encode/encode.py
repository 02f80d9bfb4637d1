"""From a table to one of numbers alone in its features, by the schema: no row has a part in how another is encoded.

A vocabulary becomes a column of 0 and 1 for each member (all 0 where the cell is missing) or the member's place in it,
from 0. A truth value becomes 0 or 1. A number is moved and scaled by the schema's bounds. A missing number or place
stays missing. The label, sensitive columns and all that is no feature come after the features as they were.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import encoding, entry, files, rows, tables, tracking
from common import facts as facts_of
from common.facts import Column, Facts, Kind

Scaling = Callable[[float, float], tuple[float, float]]
NUMBERS: dict[str, Scaling] = {
    "unit": lambda low, high: (low, high - low),
    "symmetric": lambda low, high: ((low + high) / 2, (high - low) / 2),
    # the mean and the deviation of a number that is spread evenly between its bounds
    "standard": lambda low, high: ((low + high) / 2, (high - low) / math.sqrt(12)),
}
"""What is taken from a number and what it is divided by then, from its bounds; `keep` is none of these."""


class Encoded(NamedTuple):
    """A column of the result and what JSON Schema says of it."""

    name: str
    cells: pd.Series
    rules: dict[str, Any]


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    if facts is None or not facts.columns or facts.features is None:
        raise entry.Refusal("columns are encoded by the schema; give the data a `schema`")
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    features = encoding.features(table, facts)
    for name in options.ordinal:
        if name not in features.columns or facts.columns[name].categories is None:
            raise entry.Refusal(f"{name!r} in `ordinal` is no feature with a vocabulary; give its column an `enum`")
    made: list[Encoded] = []
    for name in features.columns:
        places = options.categories == "ordinal" or name in options.ordinal
        made += encoded(features[name], facts.columns[name], places, options.numbers)
    rest = [name for name in table.columns if name not in features.columns]
    made += [Encoded(name, table[name], facts.columns[name].rules if name in facts.columns else {}) for name in rest]
    names = [column.name for column in made]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise entry.Refusal(f"two columns would be called {twice[0]!r}; rename one of the table")
    tables.write_parquet(pd.DataFrame({column.name: column.cells for column in made}), options.encoded)
    files.write_json(options.schema, schema_of(made, facts))
    figures = {"rows": len(table), "features": len(made) - len(rest)}
    for name, value in figures.items():
        print(f"{name} = {value}")
    with tracking.run() as log:
        log.parameters({"categories": options.categories, "numbers": options.numbers, "ordinal": options.ordinal})
        log.metrics(figures)
        log.file(options.schema)


def encoded(cells: pd.Series, column: Column, places: bool, numbers: str) -> list[Encoded]:
    """The columns that one becomes. Raises Refusal where the schema says too little."""
    name = column.name
    if column.categories is not None:
        members = list(column.categories)
        if not places:
            return [
                Encoded(f"{name}={tables.spell(m)}", (cells == m).fillna(False).astype(np.int64), {"enum": [0, 1]})
                for m in members
            ]
        found = cells.map({member: float(place) for place, member in enumerate(members)}).astype(float)
        return [_bounded(name, found, column.nullable, 0, len(members) - 1, whole=True)]
    if column.kind is Kind.BOOLEAN:
        found = cells.map({True: 1.0, False: 0.0}).astype(float)
        return [_bounded(name, found, column.nullable, 0, 1, whole=True)]
    if column.kind not in (Kind.INTEGER, Kind.NUMBER):
        raise entry.Refusal(
            f"column {name!r} is text without a vocabulary; give it an `enum` or leave it out of features"
        )
    if numbers == "keep":
        return [Encoded(name, cells, column.rules)]
    if column.minimum is None or column.maximum is None:
        raise entry.Refusal(
            f'column {name!r} has no `minimum` and `maximum` to scale by; give both or numbers = "keep"'
        )
    middle, width = NUMBERS[numbers](column.minimum, column.maximum)
    width = width or 1.0  # a number that can have but one value
    low, high = (column.minimum - middle) / width, (column.maximum - middle) / width
    scaled = ((cells.astype(float) - middle) / width).clip(low, high)
    return [_bounded(name, scaled, column.nullable, low, high, whole=False)]


def _bounded(name: str, cells: pd.Series, nullable: bool, low: float, high: float, whole: bool) -> Encoded:
    kind = "integer" if whole else "number"
    rules = {"type": [kind, "null"] if nullable else kind, "minimum": low, "maximum": high}
    return Encoded(name, cells.astype(np.int64) if whole and not nullable else cells, rules)


def schema_of(made: list[Encoded], facts: Facts) -> dict[str, Any]:
    """The JSON Schema of the result's rows, for a `data` block that reads them."""
    there = {column.name for column in made}
    properties = {column.name: column.rules for column in made}
    return {"type": "object", "properties": properties, "required": [n for n in facts.required if n in there]}


def listed(text: str) -> list[str]:
    """A JSON list of names."""
    names = entry.value(text)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise entry.Refusal(f"expected a list of columns, found {text}")
    return names


if __name__ == "__main__":
    arguments = entry.parser("Encode a table by its schema.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--categories", choices=("one_hot", "ordinal"), default="one_hot")
    arguments.add_argument("--ordinal", type=listed, default=[])
    arguments.add_argument("--numbers", choices=(*NUMBERS, "keep"), default="unit")
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--encoded", type=Path, required=True)
    arguments.add_argument("--schema", type=Path, required=True)
    entry.run(main, arguments)
