"""From a column of two tables to how far apart the two are: a test, and distances. From many p-values to corrected.

Numbers are tested by Kolmogorov and Smirnov's two-sample test, values by Pearson's χ² of the contingency table, where
values that are expected fewer than five times count as one. Whether missing cells are as frequent is tested beside it,
and the smaller of the two p-values is doubled.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

SMALLEST = 1e-4  # share that an empty bin counts as in the population stability index, which is infinite otherwise
EXPECTED = 5.0
Array = NDArray[np.float64]


class Compared(NamedTuple):
    """One column. Distances: Jensen-Shannon (base 2, from 0 to 1), population stability index, and for numbers
    Wasserstein in standard deviations of the reference. `cells` are named bins with their shares."""

    name: str
    kind: str
    test: str
    statistic: float
    p_value: float
    distance: float
    psi: float
    wasserstein: float
    missing: tuple[float, float]
    cells: list[tuple[str, float, float]]


def compare(reference: pd.Series, current: pd.Series, numeric: bool, bins: int) -> Compared:
    """Both columns are of one kind; neither is without rows."""
    gone = reference.isna().to_numpy(), current.isna().to_numpy()
    missing = float(gone[0].mean()), float(gone[1].mean())
    one, other = reference[~gone[0]], current[~gone[1]]
    beside = share_test(gone[0], gone[1])
    wasserstein = math.nan
    if numeric:
        first, second = one.to_numpy(dtype=float), other.to_numpy(dtype=float)
        names, counts = binned(first, second, bins)
        test, statistic, p_value = "kolmogorov_smirnov", math.nan, 1.0
        if len(first) and len(second):
            found = stats.ks_2samp(first, second)
            statistic, p_value = float(found.statistic), float(found.pvalue)
            spread = float(first.std())
            if spread > 0:
                wasserstein = float(stats.wasserstein_distance(first, second)) / spread
    else:
        words = one.map(str), other.map(str)
        names = sorted({*words[0], *words[1]})
        counts = np.array([[int((cells == name).sum()) for name in names] for cells in words], dtype=float)
        test = "chi_squared"
        statistic, p_value = contingency(counts)
    if beside is not None:
        p_value = min(1.0, 2.0 * min(p_value, beside))
        names = [*names, "missing"]
        counts = np.column_stack([counts, [gone[0].sum(), gone[1].sum()]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    cells = [(name, float(a), float(b)) for name, a, b in zip(names, *shares, strict=True)]
    kind = "number" if numeric else "value"
    distance = float(jensenshannon(*shares, base=2))
    return Compared(
        str(reference.name), kind, test, statistic, p_value, distance, psi(*shares), wasserstein, missing, cells
    )


def binned(reference: Array, current: Array, bins: int) -> tuple[list[str], Array]:
    """Counts of both in intervals that the reference fills evenly; the outer ones are open."""
    if not len(reference):
        return ["any"], np.array([[0.0], [float(len(current))]])
    inner = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    ends = [-math.inf, *inner.tolist(), math.inf]
    names = [f"up to {inner[0]:.4g}"] + [f"to {edge:.4g}" for edge in inner[1:]] + [f"above {inner[-1]:.4g}"]
    counts = [np.histogram(np.searchsorted(inner, cells, side="left"), bins=np.arange(len(ends)))[0] for cells in
              (reference, current)]  # fmt: skip
    return names, np.array(counts, dtype=float)


def contingency(counts: Array) -> tuple[float, float]:
    """Pearson's χ² and its p-value; rare values are one. 1 where there is nothing to compare."""
    if not counts.sum(axis=1).all():
        return math.nan, 1.0
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    rare = (expected < EXPECTED).any(axis=0)
    merged = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)]) if rare.any() else counts
    merged = merged[:, merged.sum(axis=0) > 0]
    if merged.shape[1] < 2:
        return math.nan, 1.0
    found = stats.chi2_contingency(merged, correction=False)
    return float(found.statistic), float(found.pvalue)


def share_test(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float | None:
    """Fisher's exact test of how often cells are missing; None where none is, 1 where all are."""
    if not (one.any() or other.any()):
        return None
    table = [[int(one.sum()), int((~one).sum())], [int(other.sum()), int((~other).sum())]]
    return float(stats.fisher_exact(table).pvalue)


def psi(reference: Array, current: Array) -> float:
    """Population stability index: the symmetric relative entropy of the bins, empty ones at SMALLEST."""
    one, other = np.maximum(reference, SMALLEST), np.maximum(current, SMALLEST)
    return float(((other - one) * np.log(other / one)).sum())


def corrected(p_values: list[float], way: str) -> list[float]:
    """p-values that may be compared with the level as they are (Holm 1979; Benjamini and Hochberg 1995)."""
    if way == "none" or not p_values:
        return p_values
    if way == "benjamini_hochberg":
        return [float(p) for p in stats.false_discovery_control(p_values, method="bh")]
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values)[order] * (len(p_values) - np.arange(len(p_values)))
    found = np.empty(len(p_values))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(p) for p in found]


def record(found: Compared, adjusted: float, drifted: bool) -> dict[str, Any]:
    """One object of columns.json."""
    document: dict[str, Any] = {**found._asdict(), "adjusted_p_value": adjusted, "drifted": drifted}
    document["missing"] = {"reference": found.missing[0], "current": found.missing[1]}
    document["cells"] = [{"cell": name, "reference": a, "current": b} for name, a, b in found.cells]
    return document
