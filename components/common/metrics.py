"""From labels, predictions and verdicts to numbers and to metrics.json (schemas/metrics.schema.json)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.metrics as scores

from common.files import write_json
from common.gates import Verdict

CLASSIFICATION = (
    "accuracy",
    "balanced_accuracy",
    "baseline_accuracy",
    "precision",
    "recall",
    "f1",
    "matthews_corrcoef",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "rows",
)
REGRESSION = (
    "r2",
    "rmse",
    "mae",
    "median_absolute_error",
    "mape",
    "max_error",
    "explained_variance",
    "baseline_rmse",
    "rows",
)
CLUSTERING = (
    "silhouette",
    "davies_bouldin",
    "calinski_harabasz",
    "adjusted_rand",
    "adjusted_mutual_information",
    "clusters",
    "largest_cluster",
    "rows",
)


def classification(
    truth: np.ndarray, predicted: np.ndarray, proba: np.ndarray | None, classes: Sequence[Any], positive: Any
) -> dict[str, float]:
    """The metrics named in CLASSIFICATION; NaN for one that is not defined here (no probabilities, one class seen).

    With two classes, precision, recall, f1, roc_auc and average_precision are those of `positive`; with more they are
    macro averages. `proba` is rows × classes in the order of `classes`. brier is the mean squared distance of the
    probabilities from the truth, halved for two classes so that it is the usual score. baseline_accuracy is the
    accuracy of always answering the most frequent class of `truth`.
    """
    labels = list(classes)
    binary = len(labels) == 2
    average: dict[str, Any] = {"average": "binary", "pos_label": positive} if binary else {"average": "macro"}
    if not binary:
        average["labels"] = labels
    precision, recall, f1, _ = scores.precision_recall_fscore_support(truth, predicted, zero_division=0, **average)
    found = {
        "accuracy": scores.accuracy_score(truth, predicted),
        "balanced_accuracy": balanced_accuracy(truth, predicted),
        "baseline_accuracy": max(Counter(truth.tolist()).values()) / len(truth),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "matthews_corrcoef": scores.matthews_corrcoef(truth, predicted),
    }
    found |= _probabilistic(truth, proba, labels, positive) | {"rows": len(truth)}
    return {name: float(found[name]) for name in CLASSIFICATION}


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean recall of the classes that occur in `truth`."""
    return float(np.mean([np.mean(predicted[truth == name] == name) for name in set(truth.tolist())]))


def _probabilistic(truth: np.ndarray, proba: np.ndarray | None, labels: list[Any], positive: Any) -> dict[str, float]:
    names = ("roc_auc", "average_precision", "log_loss", "brier")
    if proba is None or proba.shape[1] != len(labels):
        return dict.fromkeys(names, float("nan"))
    onehot = np.array([[x == name for name in labels] for x in truth], dtype=float)
    clipped = np.clip(proba, 1e-15, 1)
    clipped = clipped / clipped.sum(axis=1, keepdims=True)
    distance = float(np.mean(np.sum((proba - onehot) ** 2, axis=1)))
    found = {
        "log_loss": float(-np.mean(np.sum(onehot * np.log(clipped), axis=1))),
        "brier": distance / 2 if len(labels) == 2 else distance,
        "roc_auc": float("nan"),
        "average_precision": float("nan"),
    }
    if len(labels) == 2:
        place = labels.index(positive)
        if 0 < onehot[:, place].sum() < len(truth):
            found["roc_auc"] = scores.roc_auc_score(onehot[:, place], proba[:, place])
            found["average_precision"] = scores.average_precision_score(onehot[:, place], proba[:, place])
    elif (onehot.sum(axis=0) > 0).all() and (onehot.sum(axis=0) < len(truth)).all():
        found["roc_auc"] = scores.roc_auc_score(onehot, proba, average="macro")
        found["average_precision"] = scores.average_precision_score(onehot, proba, average="macro")
    return found


def regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The metrics named in REGRESSION; baseline_rmse is that of always answering the mean of `truth`."""
    found = {
        "r2": scores.r2_score(truth, predicted) if len(truth) > 1 else float("nan"),
        "rmse": scores.root_mean_squared_error(truth, predicted),
        "mae": scores.mean_absolute_error(truth, predicted),
        "median_absolute_error": scores.median_absolute_error(truth, predicted),
        "mape": scores.mean_absolute_percentage_error(truth, predicted),
        "max_error": scores.max_error(truth, predicted),
        "explained_variance": scores.explained_variance_score(truth, predicted) if len(truth) > 1 else float("nan"),
        "baseline_rmse": float(np.std(truth)),
        "rows": len(truth),
    }
    return {name: float(found[name]) for name in REGRESSION}


def clustering(encoded: np.ndarray, assigned: np.ndarray, truth: np.ndarray | None, sample: int) -> dict[str, float]:
    """The metrics named in CLUSTERING, NaN where there are not at least two clusters and fewer than rows.

    silhouette looks at every pair of rows, and so at `sample` of them where there are more (a choice that is the same
    every time). The adjusted figures compare with `truth`, NaN without it. largest_cluster is a share of the rows.
    """
    found = dict.fromkeys(CLUSTERING, float("nan"))
    sizes = Counter(assigned.tolist())
    found |= {"clusters": len(sizes), "largest_cluster": max(sizes.values()) / len(assigned), "rows": len(assigned)}
    if 1 < len(sizes) < len(assigned):
        found["davies_bouldin"] = scores.davies_bouldin_score(encoded, assigned)
        found["calinski_harabasz"] = scores.calinski_harabasz_score(encoded, assigned)
        chosen = np.arange(len(assigned))
        if len(assigned) > sample:
            chosen = np.random.default_rng(0).permutation(len(assigned))[:sample]
        if 1 < len(set(assigned[chosen].tolist())) < len(chosen):
            found["silhouette"] = scores.silhouette_score(encoded[chosen], assigned[chosen])
    if truth is not None:
        found["adjusted_rand"] = scores.adjusted_rand_score(truth, assigned)
        found["adjusted_mutual_information"] = scores.adjusted_mutual_info_score(truth, assigned)
    return {name: float(x) for name, x in found.items()}


def write(
    path: Path | str, values: Mapping[str, float], verdicts: Sequence[Verdict], groups: Mapping[str, Any] | None = None
) -> None:
    """Write metrics.json, whole or not at all; a metric that is not finite becomes null."""
    gates = [{"text": v.text, "hard": v.hard, "passed": v.passed, "values": v.values} for v in verdicts]
    write_json(Path(path), {"metrics": dict(values), "groups": dict(groups or {}), "gates": gates})
