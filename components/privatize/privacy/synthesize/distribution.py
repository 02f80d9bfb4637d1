"""From noisy counts of columns and of the pairs of a tree to a distribution that agrees with itself, and rows of it.

Nothing here sees a row of the table: it is all computed from what has been released.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
ROUNDS = 50
TINY = 1e-300


class Measured(NamedTuple):
    """Noisy counts, and the variance of each of them."""

    counts: Counts
    variance: Counts


def projected(noisy: Counts, total: float) -> Counts:
    """The nearest counts (in Euclidean distance) that are not negative and add up to `total`."""
    flat = np.sort(noisy.ravel())[::-1]
    excess = (np.cumsum(flat) - total) / np.arange(1, flat.size + 1)
    last = np.flatnonzero(flat - excess > 0).max()
    return np.maximum(noisy - excess[last], 0.0)


def combined(estimates: list[Measured], total: float) -> Counts:
    """One estimate of several of the same counts, weighted by the inverse of their variances."""
    weights = [1.0 / each.variance for each in estimates]
    mean = sum(w * each.counts for w, each in zip(weights, estimates, strict=True)) / sum(weights)
    return projected(np.asarray(mean), total)


def fitted(noisy: Counts, rows: Counts, columns: Counts, total: float) -> Counts:
    """Counts near the noisy ones whose margins are `rows` and `columns`, by iterative proportional fitting."""
    found = projected(noisy, total) + 1e-6 * np.outer(rows, columns) / max(total, 1.0) + 1e-12
    for _ in range(ROUNDS):
        found *= (rows / np.maximum(found.sum(axis=1), TINY))[:, None]
        found *= columns / np.maximum(found.sum(axis=0), TINY)
    return np.asarray(found)


def ordered(edges: list[tuple[int, int]], size: int) -> list[tuple[int, int | None]]:
    """Every column after the one that it depends on: (column, parent), None for the root of each tree."""
    near: dict[int, list[int]] = {place: [] for place in range(size)}
    for one, other in edges:
        near[one].append(other)
        near[other].append(one)
    found: list[tuple[int, int | None]] = []
    seen: set[int] = set()
    for root in range(size):
        todo: list[tuple[int, int | None]] = [] if root in seen else [(root, None)]
        while todo:
            place, parent = todo.pop(0)
            seen.add(place)
            found.append((place, parent))
            todo += [(other, place) for other in near[place] if other not in seen]
    return found


def sampled(
    singles: list[Counts], pairs: dict[tuple[int, int], Counts], size: int, draw: np.random.Generator
) -> list[NDArray[np.intp]]:
    """`size` rows: the members of each column. Counts are as expected, up to rounding by chance."""
    found: dict[int, NDArray[np.intp]] = {}
    for place, parent in ordered(list(pairs), len(singles)):
        if parent is None:
            found[place] = shuffled(singles[place], size, draw)
            continue
        table = pairs[(parent, place)] if (parent, place) in pairs else pairs[(place, parent)].T
        cells = np.empty(size, dtype=np.intp)
        for value in range(len(table)):
            mine = np.flatnonzero(found[parent] == value)
            cells[mine] = shuffled(table[value], len(mine), draw)
        found[place] = cells
    return [found[place] for place in range(len(singles))]


def shuffled(weights: Counts, size: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """`size` members in proportion to their weights, in random order (systematic sampling)."""
    total = float(weights.sum())
    shares = weights / total if total > 0 else np.full(len(weights), 1.0 / len(weights))
    ends = np.cumsum(shares)
    points = (np.arange(size) + draw.random()) / max(size, 1)
    return draw.permutation(np.minimum(np.searchsorted(ends, points, side="right"), len(weights) - 1))
