"""Private linear regressions of a number beside diffprivlib's: R² on held-out rows of the census table.

Both get the same encoded rows, splits, bounds of the label and neighbours (one row replaced); no setting is chosen.
"""

from importlib.metadata import version

import frame as frames
import moments
import numpy as np
import regress
from comparisons import _census as census_of
from comparisons import _peer
from comparisons._census import DELTA, Census
from figures import Comparison, Line, mean
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

LABEL = "hours-per-week"
EPSILONS = (0.5, 1.0, 2.0, 8.0)
NUMBERS = ["age", "fnlwgt", "education-num", "capital-gain", "capital-loss"]
WORST = -1.0
SEEDS = tuple(range(20))
RIDGE = 1.5  # the component's default


def measure() -> Comparison:
    """Both at all ε on the columns of numbers, ours on all columns too, and least squares without noise."""
    few, all_columns = census_of.census(LABEL, NUMBERS), census_of.census(LABEL)
    low, high = regress.label_bounds(few.facts)
    ours, theirs = "`opendp.linear_regression`", "diffprivlib (δ = 0)"
    found: dict[str, dict[str, list[float]]] = {}
    peer = ""
    exact = [[without_noise(table, seed) for seed in SEEDS] for table in (few, all_columns)]
    for epsilon in EPSILONS:
        runs = [(epsilon, 1.0, seed) for seed in SEEDS]
        # its intercept is its own: the rows come without the constant column
        scores, peer = _peer.scores(few.rows[:, 1:], few.labels, runs, model="linear", bounds=[low, high])
        measured = {
            ours: [linear_regression(few, epsilon, seed) for seed in SEEDS],
            theirs: scores,
            "without noise": exact[0],
            f"{ours}, all columns": [linear_regression(all_columns, epsilon, seed) for seed in SEEDS],
            "without noise, all columns": exact[1],
        }
        for name, values in measured.items():
            found.setdefault(name, {})[f"{epsilon:g}"] = [max(value, WORST) for value in values]
    columns = tuple(f"ε = {epsilon:g}" for epsilon in EPSILONS)
    text = (
        f"R² of {LABEL} on 6,400 held-out rows of the census table, 25,600 to train on; mean and 95 % interval of "
        f"{len(SEEDS)} splits with new noise each.\nNeighbours replace one row; δ = {DELTA:g} where it is spent. The "
        "five columns of numbers unless it says all, which diffprivlib's functional\nmechanism cannot take (R² far "
        f"below {WORST:g}). An R² below {WORST:g} counts as {WORST:g}. Settings are the defaults."
    )
    lines = tuple(Line(name, tuple(mean(values) for values in cells.values())) for name, cells in found.items())
    claims = tuple(
        (
            f"ours is at least as good as diffprivlib in the mean at ε = {e}",
            bool(np.mean(found[ours][e]) >= np.mean(found[theirs][e])),
        )
        for e in found[ours]
    )
    versions = {"diffprivlib": peer} | {name: version(name) for name in ("opendp", "scikit-learn", "numpy")}
    return Comparison("Private linear regressions", text, columns, lines, claims, {"r2": found, "versions": versions})


def linear_regression(table: Census, epsilon: float, seed: int) -> float:
    """The component's own sums, noise and solution."""
    fit, judge = table.split(seed)
    low, high = regress.label_bounds(table.facts)
    middle, half = (low + high) / 2, (high - low) / 2
    rows = frames.frame(table.encoder, table.facts, None).of(table.rows)
    released = moments.calibrate(regress.bounds_of(table.facts), "replace_one", epsilon, DELTA)
    noisy = released.draw(moments.vector(*moments.whole(rows[fit], (table.labels[fit] - middle) / half)))
    weights = moments.solve(noisy, rows.shape[1], released.scale, RIDGE)
    return float(r2_score(table.labels[judge], middle + half * (rows[judge] @ weights)))


def without_noise(table: Census, seed: int) -> float:
    fit, judge = table.split(seed)
    model = Ridge(alpha=1e-3, fit_intercept=False).fit(table.rows[fit], table.labels[fit])
    return float(model.score(table.rows[judge], table.labels[judge]))
