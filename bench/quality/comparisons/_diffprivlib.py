"""From a JSON request on stdin to accuracies of diffprivlib's logistic regression on stdout, in its own environment.

The request names an .npz with `rows` and `labels`, the norm of a row, and runs: ε, C, seed and the places to train on
and to judge by, as the caller splits them.
"""

import json
import sys
import warnings

import diffprivlib
import numpy as np
import sklearn
from diffprivlib.models import LogisticRegression

warnings.filterwarnings("ignore")
request = json.load(sys.stdin)
with np.load(request["file"]) as held:
    rows, labels = held["rows"], held["labels"]
found = []
for epsilon, weight, seed in request["runs"]:
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = len(order) * 4 // 5
    model = LogisticRegression(
        epsilon=epsilon,
        data_norm=request["norm"],
        C=weight,
        fit_intercept=False,  # the rows have their own constant column
        tol=1e-6,
        max_iter=2000,
        random_state=seed,
    ).fit(rows[order[:cut]], labels[order[:cut]])
    found.append(float(model.score(rows[order[cut:]], labels[order[cut:]])))
versions = {"diffprivlib": diffprivlib.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}
json.dump({"accuracies": found, "versions": versions}, sys.stdout)
