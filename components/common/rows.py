"""From a table and the JSON Schema of its rows to what is wrong: column, rule and count, whole columns at a time.

The keywords mean what JSON Schema 2020-12 says: 1.0 is an integer, true is not a number, a bound says nothing of text,
and 1 equals 1.0 in an enum.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from common.entry import Refusal
from common.facts import Facts

Rule = Callable[[Any, Any], bool]


class Violation(NamedTuple):
    """`cells` cells of `column` break `rule`; `row` (from 1) and `value` show the first, None on private data."""

    column: str
    rule: str
    cells: int
    row: int | None = None
    value: Any = None

    def __str__(self) -> str:
        many = f"{self.cells} row{'s' if self.cells != 1 else ''}"
        shown = "" if self.row is None else f", first in row {self.row}: {self.value!r}"
        return f"column {self.column!r} breaks {self.rule} in {many}{shown}"


def check(frame: pd.DataFrame, facts: Facts | None) -> None:
    """Raise Refusal if a row breaks the schema; nothing to check without one."""
    if facts is None or not facts.columns:
        return
    found = violations(frame, facts)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        told = "; ".join(str(violation) for violation in found[:3])
        raise Refusal(f"rows of {facts.name!r} do not follow its schema: {told}{more}; mend the table or its schema")


def violations(frame: pd.DataFrame, facts: Facts) -> list[Violation]:
    """Everything that is wrong, in the schema's order. Shows values only where the data is public."""
    schema = facts.document.get("schema") or {}
    found = [Violation(name, "required", len(frame)) for name in facts.required if name not in frame.columns]
    if schema.get("additionalProperties") is False:
        found += [
            Violation(name, "additionalProperties", len(frame)) for name in frame.columns if name not in facts.columns
        ]
    for name, column in facts.columns.items():
        if name in frame.columns:
            found += _column(frame[name], column.rules, private=facts.private is not None)
    return found


def broken(cells: pd.Series, rules: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Each rule of a column that some cell breaks, and where. Raises Refusal for a keyword that is not known."""
    unknown = [keyword for keyword in rules if keyword not in RULES and keyword not in ANNOTATIONS]
    if unknown:
        supported = ", ".join(RULES)
        raise Refusal(f"the schema of column {cells.name!r} has the keyword {unknown[0]!r}; supported are {supported}")
    fast = cells.dtype.kind in "iuf" if isinstance(cells.dtype, np.dtype) else False
    codes, values = (None, None) if fast else _distinct(cells)
    for keyword, expected in rules.items():
        if keyword in ANNOTATIONS:
            continue
        if fast:
            wrong = NUMERIC[keyword](cells.to_numpy(), expected)
        else:
            assert codes is not None and values is not None
            wrong = np.array([not RULES[keyword](value, expected) for value in values], dtype=bool)[codes]
        if wrong.any():
            yield f"{keyword} {expected}" if keyword not in ("enum", "pattern") else keyword, wrong


def _column(cells: pd.Series, rules: dict[str, Any], private: bool) -> list[Violation]:
    found = []
    for rule, wrong in broken(cells, rules):
        first = int(wrong.argmax())
        place = (None, None) if private else (first + 1, _plain(cells.iloc[first]))
        found.append(Violation(str(cells.name), rule, int(wrong.sum()), *place))
    return found


def _distinct(cells: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Distinct cells as Python values, missing as None, and for each row the place of its own (1, 1.0, true differ)."""
    seen: dict[tuple[type, Any], int] = {}
    plain = [_plain(cell) for cell in cells.tolist()]
    codes = np.fromiter((seen.setdefault((type(cell), cell), len(seen)) for cell in plain), np.int64, len(plain))
    return codes, [cell for _, cell in seen]


def _plain(cell: Any) -> Any:
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, np.generic):
        return cell.item()
    try:
        hash(cell)
    except TypeError:
        return repr(cell)
    return cell


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "number": _number,
    "integer": lambda v: _number(v) and float(v).is_integer(),
    "string": lambda v: isinstance(v, str),
}


def _typed(value: Any, expected: Any) -> bool:
    return any(
        TYPES.get(name, lambda _: False)(value) for name in ([expected] if isinstance(expected, str) else expected)
    )


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _multiple(value: Any, step: Any) -> bool:
    quotient = value / step
    return math.isfinite(quotient) and float(quotient).is_integer()


RULES: dict[str, Rule] = {
    "type": _typed,
    "enum": lambda v, members: any(_equal(v, m) for m in members),
    "const": _equal,
    "minimum": lambda v, bound: not _number(v) or v >= bound,
    "maximum": lambda v, bound: not _number(v) or v <= bound,
    "exclusiveMinimum": lambda v, bound: not _number(v) or v > bound,
    "exclusiveMaximum": lambda v, bound: not _number(v) or v < bound,
    "multipleOf": lambda v, step: not _number(v) or _multiple(v, step),
    "minLength": lambda v, length: not isinstance(v, str) or len(v) >= length,
    "maxLength": lambda v, length: not isinstance(v, str) or len(v) <= length,
    "pattern": lambda v, pattern: not isinstance(v, str) or re.search(pattern, v) is not None,
}
"""What a cell must satisfy, keyword by keyword."""

ANNOTATIONS = {
    "title",
    "description",
    "default",
    "examples",
    "format",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
}
"""Keywords that assert nothing."""


def _numeric_type(cells: np.ndarray, expected: Any) -> np.ndarray:
    names = {expected} if isinstance(expected, str) else set(expected)
    missing = np.isnan(cells)
    if "number" in names:
        wrong = np.zeros(len(cells), dtype=bool)
    elif "integer" in names:
        wrong = ~missing & (cells != np.floor(cells))
    else:
        wrong = ~missing
    return wrong if "null" in names else wrong | missing


def _numeric_enum(cells: np.ndarray, members: Any) -> np.ndarray:
    wrong = ~np.isin(cells, [m for m in members if _number(m)])
    return wrong & ~np.isnan(cells) if None in members else wrong


NUMERIC: dict[str, Callable[[np.ndarray, Any], np.ndarray]] = {
    "type": _numeric_type,
    "enum": _numeric_enum,
    "const": lambda cells, value: _numeric_enum(cells, [value]),
    "minimum": lambda cells, bound: cells < bound,
    "maximum": lambda cells, bound: cells > bound,
    "exclusiveMinimum": lambda cells, bound: cells <= bound,
    "exclusiveMaximum": lambda cells, bound: cells >= bound,
    "multipleOf": lambda cells, step: ~np.isnan(cells) & (cells / step != np.floor(cells / step)),
    "minLength": lambda cells, _: np.zeros(len(cells), dtype=bool),
    "maxLength": lambda cells, _: np.zeros(len(cells), dtype=bool),
    "pattern": lambda cells, _: np.zeros(len(cells), dtype=bool),
}
"""The same for a whole column of numbers, NaN as missing: where the rule is broken."""
