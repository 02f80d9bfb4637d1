"""From a JSON request on stdin to scores of diffprivlib's models on stdout, in diffprivlib's own environment.

The request names an .npz with `rows` and `labels`, the model (`logistic`, with the norm of a row; `linear`, with the
bounds of the label) and runs: ε, C, and the seed that splits the rows as the caller does. A score is an accuracy or R².
"""

import json
import sys
import warnings
from typing import Any

import diffprivlib
import numpy as np
import sklearn
from diffprivlib.models import LinearRegression, LogisticRegression


def model(request: dict[str, Any], epsilon: float, weight: float, seed: int) -> Any:
    if request["model"] == "linear":
        bounds = {"bounds_X": (0.0, 1.0), "bounds_y": tuple(request["bounds"])}
        return LinearRegression(epsilon=epsilon, **bounds, random_state=seed)
    settings = {"fit_intercept": False, "tol": 1e-6, "max_iter": 2000}  # the rows have their own constant column
    return LogisticRegression(epsilon=epsilon, data_norm=request["norm"], C=weight, random_state=seed, **settings)


warnings.filterwarnings("ignore")
asked = json.load(sys.stdin)
with np.load(asked["file"]) as held:
    rows, labels = held["rows"], held["labels"]
found = []
for epsilon, weight, seed in asked["runs"]:
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = len(order) * 4 // 5
    fitted = model(asked, epsilon, weight, seed).fit(rows[order[:cut]], labels[order[:cut]])
    found.append(float(fitted.score(rows[order[cut:]], labels[order[cut:]])))
versions = {"diffprivlib": diffprivlib.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}
json.dump({"scores": found, "versions": versions}, sys.stdout)
