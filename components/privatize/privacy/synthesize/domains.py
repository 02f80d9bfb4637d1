"""From a schema to finite domains: what a column's cells are told apart as, how noisy counts coarsen it, and back.

*Fine* members are chosen by the schema alone: a vocabulary's values, every integer of a narrow range, else even
intervals; a missing cell is the last member. *Coarse* groups of neighbouring fine members are chosen by noisy counts,
which is free. Only `places` ever sees a row.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common.entry import Refusal
from common.facts import Column, Kind
from numpy.typing import NDArray

FINE = 256
"""Most members of a column of numbers."""


class Domain(NamedTuple):
    """One column. `edges` are those of intervals, None where members are values; `ordered` members may be grouped."""

    column: Column
    members: tuple[Any, ...]
    edges: NDArray[np.float64] | None
    ordered: bool

    @property
    def size(self) -> int:
        """How many members there are, missing included."""
        return len(self.members)

    def places(self, cells: pd.Series) -> NDArray[np.intp]:
        """The member of each cell."""
        last = self.size - 1
        if self.edges is not None:
            numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
            inner = np.searchsorted(self.edges[1:-1], numbers, side="right")
            return np.where(np.isnan(numbers), last, inner)
        known = {value: place for place, value in enumerate(self.members)}
        values = cells.astype(object).where(cells.notna(), None).tolist()
        return np.fromiter((known[value] for value in values), np.intp, len(values))

    def cells(self, places: NDArray[np.intp], draw: np.random.Generator) -> pd.Series:
        """Cells of the members: the value, or any number of the interval."""
        kind = self.column.kind
        if self.edges is None:
            values = [self.members[place] for place in places.tolist()]
            whole = not self.column.nullable and kind is not Kind.STRING
            return pd.Series(values, dtype=None if whole or kind in (Kind.INTEGER, Kind.NUMBER) else object)
        missing = places == self.size - 1 if self.column.nullable else np.zeros(len(places), dtype=bool)
        inner = np.minimum(places, len(self.edges) - 2)
        low, high = self.edges[inner], self.edges[inner + 1]
        found = draw.uniform(low, high)
        if kind is Kind.INTEGER:
            first, last = np.ceil(low), np.where(inner == len(self.edges) - 2, np.floor(high), np.ceil(high) - 1)
            found = np.minimum(np.floor(first + draw.random(len(places)) * (last - first + 1)), last)
        if missing.any():
            return pd.Series(np.where(missing, np.nan, found))
        return pd.Series(found.astype(np.int64) if kind is Kind.INTEGER else found)


def domain(column: Column) -> Domain:
    """A column's members by the schema. Raises Refusal if it says too little."""
    missing: tuple[Any, ...] = (None,) if column.nullable else ()
    if column.kind is Kind.MIXED:
        raise Refusal(f"column {column.name!r} mixes kinds of values, or the schema does not say its type")
    if column.kind is Kind.BOOLEAN:
        return Domain(column, (False, True, *missing), None, False)
    if column.categories is not None:
        return Domain(column, (*dict.fromkeys(column.categories), *missing), None, False)
    if column.minimum is None or column.maximum is None:
        raise Refusal(
            f"column {column.name!r} has neither bounds nor a vocabulary in the schema; give it some, or leave it out"
        )
    if "multipleOf" in column.rules:
        raise Refusal(
            f"column {column.name!r} has steps between its bounds; list its values with `enum`, or leave it out"
        )
    low, high = float(column.minimum), float(column.maximum)
    if column.kind is Kind.INTEGER and high - low < FINE:
        return Domain(column, (*range(int(low), int(high) + 1), *missing), None, True)
    if not high > low:
        raise Refusal(f"column {column.name!r} has no room between its bounds; leave it out")
    edges = np.linspace(low, high, FINE + 1)
    return Domain(column, (*range(FINE), *missing), edges, True)


def groups(made: Domain, counts: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """The coarse group of each fine member: neighbours of about even noisy counts, missing by itself."""
    values = made.size - made.column.nullable
    if not made.ordered or values <= most:
        return np.arange(made.size)
    inner = counts[:values] + 1e-9 * max(float(counts.sum()), 1.0)
    middle = (np.cumsum(inner) - inner / 2) / inner.sum()
    _, found = np.unique(np.minimum((middle * most).astype(np.intp), most - 1), return_inverse=True)
    return np.append(found, found.max() + 1) if made.column.nullable else found
