"""From a table and its schema to the names and types of features that InterpretML is told, so that it guesses none."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from common import entry
from common.entry import Refusal
from common.facts import Column, Facts, Kind
from pandas.api.types import is_bool_dtype, is_numeric_dtype


def chosen(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The named features, all of them if none is named. Raises Refusal for a name that is no feature."""
    for name in names:
        if name not in frame.columns:
            raise Refusal(f"features names {name!r}, which is not among the table's features")
    return frame[[name for name in frame.columns if name in names]] if names else frame


def types(frame: pd.DataFrame, facts: Facts | None, ordinal: Sequence[str] = ()) -> list[Any]:
    """InterpretML's type of each column: `continuous`, `nominal`, or a vocabulary in order for an ordinal one."""
    known = facts.columns if facts is not None else {}
    for name in ordinal:
        column = known.get(name)
        if name not in frame.columns or column is None or not column.categories:
            raise Refusal(f"ordinal names {name!r}, which is no feature with a vocabulary in the schema")
    return [_type(known.get(str(name)), frame[name], str(name) in ordinal) for name in frame.columns]


def listed(text: str, name: str) -> list[str]:
    """A list of names. Raises Refusal for anything else."""
    found = entry.value(text)
    if not isinstance(found, list) or not all(isinstance(x, str) for x in found):
        raise Refusal(f"{name} must be a list of columns")
    return found


def spelled(value: Any) -> str:
    """A category as InterpretML spells it: 1 and 1.0 are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _type(column: Column | None, cells: pd.Series, ordinal: bool) -> Any:
    if column is None:
        return "continuous" if is_numeric_dtype(cells.dtype) and not is_bool_dtype(cells.dtype) else "nominal"
    if ordinal:
        return [spelled(x) for x in column.categories or ()]
    if column.categories is not None or column.kind in (Kind.BOOLEAN, Kind.STRING):
        return "nominal"
    if column.kind is Kind.MIXED:
        return "continuous" if is_numeric_dtype(cells.dtype) else "nominal"
    return "continuous"
