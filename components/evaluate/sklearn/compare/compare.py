"""From two models and rows to the difference of a metric with a bootstrap interval, verdicts on it, and a report.

The interval is the percentile interval of B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (Chapman &
Hall, 1993), chapter 13: rows are drawn with replacement, both models are judged on the same draw, and the interval lies
between the quantiles of the differences.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from common import entry, evaluation, metrics, plots

Figure = Callable[[np.ndarray, np.ndarray], float]
CLASSIFIERS: dict[str, Figure] = {
    "accuracy": lambda truth, predicted: float(np.mean(truth == predicted)),
    "balanced_accuracy": metrics.balanced_accuracy,
}
REGRESSORS: dict[str, Figure] = {
    "rmse": lambda truth, predicted: float(np.sqrt(np.mean((truth - predicted) ** 2))),
    "mae": lambda truth, predicted: float(np.mean(np.abs(truth - predicted))),
}


def main(options: argparse.Namespace) -> None:
    for name, value, good in (
        ("samples", options.samples, options.samples >= 100),
        ("confidence", options.confidence, 0 < options.confidence < 1),
        ("seed", options.seed, options.seed >= 0),
    ):
        if not good:
            raise entry.Refusal(f"{name} = {value} is out of range; samples >= 100, 0 < confidence < 1, seed >= 0")
    task, figure = (
        ("classifier", CLASSIFIERS[options.metric])
        if options.metric in CLASSIFIERS
        else ("regressor", REGRESSORS[options.metric])
    )
    predicted = []
    for path in (options.model, options.baseline):
        model, features, truth, facts = evaluation.opened(argparse.Namespace(**{**vars(options), "model": path}), task)
        found = np.asarray(model.predict(features)).reshape(len(truth))
        predicted.append(found)
    if task == "regressor" and truth.dtype.kind not in "iuf":
        raise entry.Refusal(f"the label {facts.label!r} does not hold numbers; compare by accuracy")
    truth, first, second = numbers(truth, *predicted) if task == "classifier" else np.array([truth, *predicted], float)
    drawn = differences(truth, first, second, figure, options.samples, options.seed)
    tail = (1 - options.confidence) / 2
    values = {"model": figure(truth, first), "baseline": figure(truth, second)}
    result = {
        "difference": values["model"] - values["baseline"],
        "lower": float(np.quantile(drawn, tail)),
        "upper": float(np.quantile(drawn, 1 - tail)),
        **{f"{name}_value": value for name, value in values.items()},
        "rows": float(len(truth)),
    }
    title = f"{options.metric} of {facts.label}: model less baseline"
    evaluation.finish(options, result, lambda folder: drawing(folder, drawn, result, title), title)


def numbers(*columns: np.ndarray) -> list[np.ndarray]:
    """Columns of classes as whole numbers, one a class; 1, 1.0 and true are one class."""
    codes: dict[Any, int] = {}
    return [np.array([codes.setdefault(name, len(codes)) for name in column.tolist()]) for column in columns]


def differences(
    truth: np.ndarray, first: np.ndarray, second: np.ndarray, figure: Figure, samples: int, seed: int
) -> np.ndarray:
    """The metric of the first less that of the second, on `samples` draws of rows with replacement."""
    draw = np.random.default_rng(seed)
    found = np.empty(samples)
    for place in range(samples):
        rows = draw.integers(0, len(truth), len(truth))
        found[place] = figure(truth[rows], first[rows]) - figure(truth[rows], second[rows])
    return found


def drawing(folder: Path, drawn: np.ndarray, result: dict[str, float], title: str) -> list[tuple[str, str]]:
    """The differences' distribution, with the interval's ends and zero."""
    figure, axes = plt.subplots(figsize=plots.SIZE, layout="constrained")
    axes.hist(drawn, bins=40)
    axes.axvline(0, color="grey", linewidth=1)
    for end in ("lower", "upper"):
        axes.axvline(result[end], color="black", linestyle="--", linewidth=1)
    axes.set(xlabel="difference", ylabel="draws")
    figure.savefig(folder / "differences.png", dpi=110, metadata=plots.PLAIN)
    plt.close(figure)
    return [("differences.png", title)]


if __name__ == "__main__":
    arguments = evaluation.parser("Compare two models.")
    arguments.add_argument("--baseline", type=Path, required=True)
    arguments.add_argument("--metric", choices=(*CLASSIFIERS, *REGRESSORS), default="accuracy")
    arguments.add_argument("--samples", type=int, default=2000)
    arguments.add_argument("--confidence", type=float, default=0.95)
    arguments.add_argument("--seed", type=int, default=0)
    entry.run(main, arguments)
