"""From a schema and what is asked to queries: integers of a table, and how far one row moves them.

Every query gives integers, so sums are exact and a sensitivity is a fact of integers: numbers are rounded to multiples
of a power of two first, chosen from the schema's bounds. A cell beyond its bounds counts as its bound. Nothing here but
the `of` of a query ever sees a row.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common.entry import Refusal
from common.facts import Column, Kind
from numpy.typing import NDArray

RELATIONS = ("replace_one", "add_remove")
FINENESS = 30  # bits from the finest multiple to the largest magnitude: 2^31 rows of 2^30 fit into 64 bits
MOST_CELLS = 1_000_000
MOST_CANDIDATES = 1001
MOST_DENOMINATOR = 1_000_000

Integers = list[int]


class Query(NamedTuple):
    """Integers of a table. Between neighbours they move by at most `l1` in sum, by the root of `l2_squared` in length,
    each by at most `most`."""

    name: str
    size: int
    l1: int
    l2_squared: int
    most: int
    of: Callable[[pd.DataFrame], Integers]


class Grid(NamedTuple):
    """Numbers as integers: x becomes round(x / step) - origin, between `low` and `high`."""

    step: float
    origin: int
    low: int
    high: int
    nullable: bool

    def of(self, cells: pd.Series) -> NDArray[np.int64]:
        """The cells that are not missing."""
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        present = numbers[~np.isnan(numbers)]
        return np.clip(np.rint(present / self.step) - self.origin, self.low, self.high).astype(np.int64)


def bounds(column: Column) -> tuple[float, float]:
    """Lowest and highest number of a column, by the schema. Raises Refusal if it does not say."""
    if column.kind not in (Kind.INTEGER, Kind.NUMBER):
        raise Refusal(f"column {column.name!r} does not hold numbers; ask for its histogram")
    if column.categories is not None:
        numbers = [float(x) for x in column.categories]
        return min(numbers), max(numbers)
    if column.minimum is None or column.maximum is None:
        raise Refusal(f"column {column.name!r} has no bounds in the schema; give it `minimum` and `maximum`")
    return float(column.minimum), float(column.maximum)


def grid(column: Column, centred: bool) -> Grid:
    """The column's numbers as integers: small integers as they are, others to 30 bits; `centred` on the middle."""
    low, high = bounds(column)
    size = high - low if centred else max(abs(low), abs(high))
    if not (math.isfinite(size) and size > 0.0):
        raise Refusal(f"column {column.name!r} has no room between its bounds, so there is nothing to release")
    step = 2.0 ** (math.frexp(size)[1] - FINENESS)
    if column.kind is Kind.INTEGER:
        step = max(step, 1.0)
    if max(abs(low), abs(high)) / step > 2.0**52:
        raise Refusal(f"the bounds of column {column.name!r} lie too close together for their size; scale the column")
    ends = round(low / step), round(high / step)
    origin = (ends[0] + ends[1]) // 2 if centred else 0
    return Grid(step, origin, ends[0] - origin, ends[1] - origin, column.nullable)


def moved(found: Grid, relation: str) -> int:
    """How far a sum of the grid's integers moves: one row comes or goes, or becomes another, a missing one being 0."""
    if relation == "add_remove":
        return max(abs(found.low), abs(found.high))
    return max(found.high, 0) - min(found.low, 0) if found.nullable else found.high - found.low


def total(column: Column, found: Grid, relation: str) -> Query:
    """The sum of a column's integers."""
    most = moved(found, relation)
    if most == 0:
        raise Refusal(f"column {column.name!r} has no room between its bounds, so there is nothing to release")
    return Query(
        f"sum of {column.name}", 1, most, most**2, most, lambda t: [int(found.of(t[column.name]).sum(dtype=np.int64))]
    )


def present(column: Column) -> Query:
    """How many cells of a column are not missing."""
    return Query(f"count of {column.name}", 1, 1, 1, 1, lambda t: [int(t[column.name].notna().sum())])


def size() -> Query:
    """How many rows there are; of use where that number is private."""
    return Query("number of rows", 1, 1, 1, 1, lambda t: [len(t)])


def cells(column: Column, bins: int) -> tuple[list[Any], Callable[[pd.Series], NDArray[np.intp]]]:
    """What a column's cells are told apart as, missing last, and the place of each cell; by the schema alone."""
    if column.kind is Kind.MIXED:
        raise Refusal(f"column {column.name!r} mixes kinds of values, or the schema does not say its type")
    members: list[Any] | None = list(column.categories) if column.categories is not None else None
    if column.kind is Kind.BOOLEAN:
        members = [False, True]
    elif column.kind is Kind.INTEGER and members is None:
        low, high = (int(x) for x in bounds(column))
        members = list(range(low, high + 1)) if high - low < bins else None
    if members is None:
        if column.kind is Kind.STRING:
            raise Refusal(f"column {column.name!r} has no vocabulary in the schema; list its values with `enum`")
        return _intervals(column, bins)
    labels = list(dict.fromkeys(members))
    places = {value: place for place, value in enumerate(labels)}
    if column.nullable:
        labels.append(None)

    def place(found: pd.Series) -> NDArray[np.intp]:
        values = found.astype(object).where(found.notna(), None).tolist()
        return np.fromiter((len(places) if x is None else places[x] for x in values), np.intp, len(values))

    return labels, place


def _intervals(column: Column, bins: int) -> tuple[list[Any], Callable[[pd.Series], NDArray[np.intp]]]:
    low, high = bounds(column)
    if not high > low:
        raise Refusal(f"column {column.name!r} has no room between its bounds, so there is nothing to release")
    edges = np.linspace(low, high, bins + 1)
    labels: list[Any] = [{"from": float(a), "to": float(b)} for a, b in pairwise(edges)]
    if column.nullable:
        labels.append(None)

    def place(found: pd.Series) -> NDArray[np.intp]:
        numbers = found.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isnan(numbers), bins, np.searchsorted(edges[1:-1], numbers, side="right"))

    return labels, place


def counts(columns: Sequence[Column], bins: int, relation: str) -> tuple[Query, list[list[Any]]]:
    """Rows of each combination of cells, in order, the last column's first. A row is in one of them: one number moves
    by one if it comes or goes, two do if it becomes another."""
    made = [cells(column, bins) for column in columns]
    shape = [len(labels) for labels, _ in made]
    names = [column.name for column in columns]
    if math.prod(shape) > MOST_CELLS:
        raise Refusal(f"a table of {' by '.join(names)} has more than {MOST_CELLS} cells; use fewer columns or bins")

    def of(table: pd.DataFrame) -> Integers:
        places = [place(table[name]) for name, (_, place) in zip(names, made, strict=True)]
        flat = np.ravel_multi_index(places, shape)
        found: Integers = np.bincount(flat, minlength=math.prod(shape)).tolist()
        return found

    rows = 2 if relation == "replace_one" else 1
    title = f"rows by {', '.join(names)}"
    return Query(title, math.prod(shape), rows, rows, 1, of), [labels for labels, _ in made]


def candidates(column: Column) -> list[float]:
    """The values among which a quantile is chosen: all integers within the bounds if those are few, else a grid."""
    low, high = bounds(column)
    if column.kind is Kind.INTEGER and high - low < MOST_CANDIDATES:
        return [float(x) for x in range(int(low), int(high) + 1)]
    spread = np.linspace(low, high, MOST_CANDIDATES)
    return sorted(set((np.rint(spread) if column.kind is Kind.INTEGER else spread).tolist()))


def ranks(column: Column, probability: float, relation: str) -> tuple[Query, int]:
    """For each candidate c, |(q-p)·#{x < c} - p·#{x > c}| with p/q the probability: 0 at the quantile; and q.

    A row that comes or goes moves one of the two counts by one, so a score by at most max(p, q-p). One that becomes
    another moves it by at most q, when it jumps across c; if it becomes missing, by less.
    """
    fraction = Fraction(repr(probability))
    if not 0 < fraction < 1 or fraction.denominator > MOST_DENOMINATOR:
        raise Refusal(f"a probability lies between 0 and 1 and has at most six decimal places, found {probability}")
    above, below = fraction.numerator, fraction.denominator - fraction.numerator
    values = np.array(candidates(column))

    def of(table: pd.DataFrame) -> Integers:
        numbers = table[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
        numbers = np.sort(numbers[~np.isnan(numbers)])
        less = np.searchsorted(numbers, values, side="left").astype(np.int64)
        more = len(numbers) - np.searchsorted(numbers, values, side="right").astype(np.int64)
        return [int(x) for x in np.abs(below * less - above * more)]

    most = fraction.denominator if relation == "replace_one" else max(above, below)
    size = len(values)
    name = f"quantile {probability:g} of {column.name}"
    return Query(name, size, most * size, most**2 * size, most, of), fraction.denominator
