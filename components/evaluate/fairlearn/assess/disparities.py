"""From labels, predictions and sensitive columns to rates by group, and how far apart the groups are.

All rates are about one class, the positive: "selected" means that the model answers it. Groups are formed and compared
by Fairlearn's MetricFrame. A rate that is undefined in a group (a true positive rate where nobody is positive) is NaN
and left out of the comparison, where Fairlearn's own shorthands would count it as zero.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame
from numpy.typing import NDArray

MISSING = "missing"
RATES = ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate", "precision")
DIFFERENCES = (
    "demographic_parity_difference",
    "equalized_odds_difference",
    "equal_opportunity_difference",
    "accuracy_difference",
)
RATIOS = ("demographic_parity_ratio", "equalized_odds_ratio", "equal_opportunity_ratio", "accuracy_ratio")

Truths = NDArray[np.bool_]


class Comparison(NamedTuple):
    """One way to group the rows. `by_group` has a row a group (its index names it), a column a rate, and `rows`."""

    columns: tuple[str, ...]
    by_group: pd.DataFrame
    disparities: dict[str, float]

    @property
    def name(self) -> str:
        """`sex`, or `sex,race` for an intersection."""
        return ",".join(self.columns)

    def group_name(self, index: object) -> str:
        """`sex=Female`, or `sex=Female,race=White`."""
        values = index if isinstance(index, tuple) else (index,)
        return ",".join(f"{column}={value}" for column, value in zip(self.columns, values, strict=True))


def accuracy(truth: Truths, selected: Truths) -> float:
    """Share of right answers (positive or not)."""
    return float(np.mean(truth == selected))


def selection_rate(truth: Truths, selected: Truths) -> float:
    """Share of rows to which the model gives the positive class."""
    return float(np.mean(selected))


def true_positive_rate(truth: Truths, selected: Truths) -> float:
    """Share of the positive rows that are selected; NaN without positive rows."""
    return _share(selected, truth)


def false_positive_rate(truth: Truths, selected: Truths) -> float:
    """Share of the other rows that are selected; NaN without other rows."""
    return _share(selected, ~np.asarray(truth))


def precision(truth: Truths, selected: Truths) -> float:
    """Share of the selected rows that are positive; NaN if none is selected."""
    return _share(truth, selected)


def compare(truth: Truths, selected: Truths, sensitive: pd.DataFrame) -> Comparison:
    """Rates of each group that occurs, and the disparities between groups.

    Demographic parity compares selection rates, equal opportunity true positive rates, equalised odds true and false
    positive rates, whichever is worse (Hardt, Price and Srebro 2016). A difference is largest minus smallest, a ratio
    smallest over largest, NaN if the largest is 0 or no group has the rate.
    """
    functions = {function.__name__: function for function in (accuracy, selection_rate)}
    functions |= {f.__name__: f for f in (true_positive_rate, false_positive_rate, precision)}
    frame = MetricFrame(
        metrics=functions | {"rows": lambda truth, selected: float(len(truth))},
        y_true=np.asarray(truth),
        y_pred=np.asarray(selected),
        sensitive_features=sensitive.apply(_groups),
    )
    by_group = frame.by_group.dropna(subset=["rows"]).astype(float)  # combinations that nobody has are NaN throughout
    by_group = by_group[by_group["rows"] > 0]
    rates = {
        "demographic_parity": ["selection_rate"],
        "equalized_odds": ["true_positive_rate", "false_positive_rate"],
        "equal_opportunity": ["true_positive_rate"],
        "accuracy": ["accuracy"],
    }
    found = {}
    for name, compared in rates.items():
        found[f"{name}_difference"] = worst([_difference(by_group[rate]) for rate in compared], max)
        found[f"{name}_ratio"] = worst([_ratio(by_group[rate]) for rate in compared], min)
    return Comparison(tuple(str(c) for c in sensitive.columns), by_group, found)


def every_way(truth: Truths, selected: Truths, sensitive: pd.DataFrame) -> list[Comparison]:
    """A comparison for each sensitive column, then one for their intersection if there are several."""
    ways = [[name] for name in sensitive.columns]
    if len(ways) > 1:
        ways.append(list(sensitive.columns))
    return [compare(truth, selected, sensitive[way]) for way in ways]


def worst_of(comparisons: list[Comparison]) -> dict[str, float]:
    """The disparities of the worst single column: largest difference, smallest ratio. Intersections do not count."""
    single = [c for c in comparisons if len(c.columns) == 1]
    found = {name: worst([c.disparities[name] for c in single], max) for name in DIFFERENCES}
    return found | {name: worst([c.disparities[name] for c in single], min) for name in RATIOS}


def worst(values: list[float], choose: Callable[[list[float]], float]) -> float:
    """The largest or smallest value that is defined; NaN if none is."""
    defined = [value for value in values if not math.isnan(value)]
    return float(choose(defined)) if defined else math.nan


def _groups(cells: pd.Series) -> pd.Series:
    return cells.astype(object).where(cells.notna(), MISSING).map(str)


def _difference(rates: pd.Series) -> float:
    return float(rates.max() - rates.min())


def _ratio(rates: pd.Series) -> float:
    return float(rates.min() / rates.max()) if rates.max() > 0 else math.nan


def _share(hits: Truths, among: Truths) -> float:
    chosen = np.asarray(hits)[np.asarray(among)]
    return float(np.mean(chosen)) if len(chosen) else math.nan
