"""From a table to the same table with fewer holes, outliers and repetitions, as Parquet.

In this order: columns are dropped, missing cells filled with constants, then from the other rows, numbers clipped, and
rows that are there twice dropped. Where a schema is known, the result is checked against it. The label is filled by a
constant that names it and by nothing else, and never clipped.

Constants and the schema's bounds do to a row what they do to it alone, which is 1-stable on private data. What other
rows decide (means, quantiles, repetitions) is not.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import entry, rows, tables, tracking
from common import facts as facts_of
from common.facts import Facts, Kind

AVERAGES = ("mean", "median", "most_frequent")


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    table = tables.read(options.table, facts)
    label = facts.label if facts is not None else None
    before = len(table)
    table = without(table, options.drop_columns, facts)
    table, filled = with_constants(table, options.fill)
    if options.impute:
        table, more = imputed(table, options.impute, label, facts)
        filled += more
    clipped = 0
    limits = limits_of(table, options, label, facts)
    for name, low, high in limits:
        cells = table[name].clip(low, high)
        clipped += int(((cells != table[name]) & table[name].notna()).sum())
        table[name] = cells
    if options.drop_duplicates:
        table = table.drop_duplicates(ignore_index=True)
    if facts is not None and facts.columns:
        table = tables.typed(table, facts, options.table)
        rows.check(table, facts)
    tables.write_parquet(table, options.cleaned)
    figures = {
        "rows": len(table),
        "dropped_rows": before - len(table),
        "filled_cells": filled,
        "clipped_cells": clipped,
    }
    for name, value in figures.items():
        print(f"{name} = {value}")
    with tracking.run() as log:
        log.parameters({name: value for name in ASKED if (value := getattr(options, name))})
        log.metrics(figures)


ASKED = ("drop_columns", "fill", "impute", "clip_bounds", "clip_iqr", "clip_quantile", "drop_duplicates")


def without(table: pd.DataFrame, names: list[str], facts: Facts | None) -> pd.DataFrame:
    """The table without some columns. Raises Refusal for one that later steps need to find."""
    for name in names:
        if name not in table.columns:
            raise entry.Refusal(f"the table has no column {name!r} to drop")
        if facts is not None and name in tables.needed(facts):
            raise entry.Refusal(
                f"column {name!r} is required, a feature, sensitive or the label, which later steps look for; "
                "leave it out of `features` on the data instead"
            )
    left = table.drop(columns=names)
    if not len(left.columns):
        raise entry.Refusal("no column is left; drop fewer")
    return left


def with_constants(table: pd.DataFrame, constants: dict[str, Any]) -> tuple[pd.DataFrame, int]:
    """Missing cells of the columns that `constants` names, filled; and how many."""
    filled = 0
    table = table.copy()
    for name, value in constants.items():
        if name not in table.columns:
            raise entry.Refusal(f"the table has no column {name!r} to fill")
        holes = table[name].isna()
        if holes.any() and pd.api.types.is_numeric_dtype(table[name].dtype) and isinstance(value, str | bool):
            raise entry.Refusal(f"column {name!r} holds numbers; give a number to fill it with")
        if holes.any():
            table[name] = table[name].where(~holes, value)
        filled += int(holes.sum())
    return table, filled


def imputed(table: pd.DataFrame, way: str, label: str | None, facts: Facts | None) -> tuple[pd.DataFrame, int]:
    """Missing cells filled from the column's other cells: numbers by `way`, everything else by the most frequent."""
    filled = 0
    for name in table.columns:
        holes = table[name].isna()
        if name == label or not holes.any():
            continue
        cells = table[name][~holes]
        if cells.empty:
            raise entry.Refusal(f"column {name!r} has no cell to impute from; name it in fill or drop_columns")
        column = facts.columns.get(name) if facts is not None else None
        numeric = is_number(table[name], name, facts)
        if not numeric or way == "most_frequent":
            counts = cells.value_counts(sort=False)
            value = min(counts[counts == counts.max()].index.tolist(), key=lambda cell: (str(type(cell)), cell))
        else:
            value = float(cells.mean() if way == "mean" else cells.median())
            value = round(value) if column is not None and column.kind is Kind.INTEGER else value
        table[name] = table[name].where(~holes, value)
        filled += int(holes.sum())
    return table, filled


def is_number(cells: pd.Series, name: str, facts: Facts | None) -> bool:
    """Whether a column measures something: it holds numbers, and the schema does not list them as a vocabulary."""
    column = facts.columns.get(name) if facts is not None else None
    kind = cells.dtype
    plain = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    return plain and (column is None or column.categories is None)


def limits_of(
    table: pd.DataFrame, options: argparse.Namespace, label: str | None, facts: Facts | None
) -> Iterator[tuple[str, float | None, float | None]]:
    """Columns of numbers with the least and the largest value that they keep, None for an open end."""
    if (options.clip_bounds, options.clip_iqr, options.clip_quantile).count(None) + (not options.clip_bounds) < 2:
        raise entry.Refusal("numbers are clipped one way; set one of clip_bounds, clip_iqr and clip_quantile")
    if options.clip_bounds and (facts is None or not facts.columns):
        raise entry.Refusal("there are no bounds to clip to; give the data a `schema`")
    return _limits(table, options, label, facts)


def _limits(
    table: pd.DataFrame, options: argparse.Namespace, label: str | None, facts: Facts | None
) -> Iterator[tuple[str, float | None, float | None]]:
    for name in table.columns:
        if name == label or not is_number(table[name], name, facts) or not table[name].notna().any():
            continue
        column = facts.columns.get(name) if facts is not None else None
        if options.clip_bounds:
            open_ended = column is None or {"exclusiveMinimum", "exclusiveMaximum"} & set(column.rules)
            if column is not None and (column.kind is Kind.INTEGER or not open_ended):
                yield name, column.minimum, column.maximum
            continue
        if options.clip_iqr:
            first, third = (float(table[name].quantile(q)) for q in (0.25, 0.75))
            if first == third:
                print(f"column {name!r} is not clipped: the middle half of its rows is of one value")
                continue
            reach = options.clip_iqr * (third - first)
            low, high = first - reach, third + reach
        elif options.clip_quantile:
            low, high = (float(table[name].quantile(q)) for q in (options.clip_quantile, 1 - options.clip_quantile))
        else:
            continue
        cells = table[name].dropna()
        whole = column.kind is Kind.INTEGER if column is not None else bool((cells == np.floor(cells)).all())
        yield name, math.floor(low) if whole else low, math.ceil(high) if whole else high


def listed(text: str) -> list[str]:
    """A JSON list of names."""
    names = entry.value(text)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise entry.Refusal(f"expected a list of columns, found {text}")
    return names


def mapped(text: str) -> dict[str, Any]:
    """A JSON object of constants by column."""
    constants = entry.value(text)
    if not isinstance(constants, dict) or not all(isinstance(v, str | bool | int | float) for v in constants.values()):
        raise entry.Refusal(f"fill is a map from columns to numbers, texts or truth values, found {text}")
    return constants


def ranged(name: str, high: float) -> Any:
    """An argparse type: a number above 0 and below `high`."""

    def read(text: str) -> float:
        value = entry.value(text)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < high:
            raise entry.Refusal(
                f"{name} must lie above 0{f' and below {high}' if high < math.inf else ''}, found {text}"
            )
        return float(value)

    return read


if __name__ == "__main__":
    arguments = entry.parser("Fill, clip and drop.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--drop-columns", type=listed, default=[])
    arguments.add_argument("--fill", type=mapped, default={})
    arguments.add_argument("--impute", choices=AVERAGES)
    arguments.add_argument("--clip-bounds", type=entry.boolean, default=False)
    arguments.add_argument("--clip-iqr", type=ranged("clip_iqr", math.inf))
    arguments.add_argument("--clip-quantile", type=ranged("clip_quantile", 0.5))
    arguments.add_argument("--drop-duplicates", type=entry.boolean, default=False)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--cleaned", type=Path, required=True)
    entry.run(main, arguments)
