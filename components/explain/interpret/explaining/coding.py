"""From a table of mixed columns to numbers that SHAP and LIME take, and back to what the model takes.

A category becomes its place in the vocabulary, a missing one the place after it. A missing number becomes a number
below all others, twice as far from the lowest as the highest is; what comes back from nearer there is missing.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common.facts import Facts
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype


class Column(NamedTuple):
    """One column: `members` of a category in order (None last if it may be missing), else the range of its numbers."""

    name: str
    dtype: Any
    members: tuple[Any, ...] | None
    low: float
    high: float

    @property
    def missing(self) -> float:
        """What stands for a missing number."""
        return self.low - 2 * (self.high - self.low) - 1

    def encode(self, cells: pd.Series) -> np.ndarray:
        if self.members is None:
            return cells.astype(float).fillna(self.missing).to_numpy()
        places = {_key(member): place for place, member in enumerate(self.members)}
        return np.array([places[_key(cell)] for cell in cells.tolist()], dtype=float)

    def decode(self, numbers: np.ndarray) -> Any:
        if self.members is not None:
            places = np.clip(np.rint(numbers), 0, len(self.members) - 1).astype(int)
            return _typed([self.members[place] for place in places], self.dtype)
        gone = numbers < (self.low + self.missing) / 2
        inside = np.clip(numbers, self.low, self.high)
        if is_integer_dtype(self.dtype):
            inside = np.rint(inside)
        return np.where(gone, np.nan, inside) if gone.any() else inside.astype(self.dtype)


class Coding(NamedTuple):
    """The columns of a model's features."""

    columns: tuple[Column, ...]

    @property
    def categories(self) -> list[int]:
        """Places of the columns that are categories."""
        return [place for place, column in enumerate(self.columns) if column.members is not None]

    def encode(self, table: pd.DataFrame) -> np.ndarray:
        return np.column_stack([column.encode(table[column.name]) for column in self.columns])

    def decode(self, numbers: np.ndarray) -> pd.DataFrame:
        numbers = np.atleast_2d(np.asarray(numbers, dtype=float))
        return pd.DataFrame({c.name: c.decode(numbers[:, place]) for place, c in enumerate(self.columns)})


def coding(table: pd.DataFrame, facts: Facts | None) -> Coding:
    """How the columns of a table are coded; vocabularies are the schema's where it has them, else what occurs."""
    return Coding(tuple(_column(str(name), table[name], facts) for name in table.columns))


def _column(name: str, cells: pd.Series, facts: Facts | None) -> Column:
    known = facts.columns.get(name) if facts is not None else None
    numeric = is_numeric_dtype(cells.dtype) and not is_bool_dtype(cells.dtype)
    if numeric and (known is None or known.categories is None):
        numbers = cells.astype(float)
        low, high = (0.0, 0.0) if numbers.isna().all() else (float(numbers.min()), float(numbers.max()))
        return Column(name, cells.dtype, None, low, high)
    members: list[Any] = list(known.categories or ()) if known is not None else []
    held = {_key(member) for member in members}
    others = {_key(cell): cell for cell in cells.tolist() if not _gone(cell) and _key(cell) not in held}
    members += [others[key] for key in sorted(others)]
    if cells.isna().any() or (known is not None and known.nullable):
        members.append(None)
    return Column(name, cells.dtype, tuple(members), 0.0, float(max(len(members) - 1, 0)))


def _key(cell: Any) -> str:
    """One spelling for 1 and 1.0, and for all that is missing."""
    if _gone(cell):
        return "\0"
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _gone(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def _typed(cells: list[Any], dtype: Any) -> Any:
    """Cells in the column's own dtype where that can hold them: numbers that miss become floats."""
    if is_numeric_dtype(dtype) and not is_bool_dtype(dtype):
        numbers = np.array([np.nan if cell is None else cell for cell in cells], dtype=float)
        return numbers if np.isnan(numbers).any() else numbers.astype(dtype)
    if is_bool_dtype(dtype) and None not in cells:
        return np.array(cells, dtype=bool)
    return np.array(cells, dtype=object)
