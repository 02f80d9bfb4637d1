"""From a regressor and test rows to its metrics, verdicts on them, and a report."""

import argparse

import numpy as np
from common import entry, evaluation, metrics, plots


def main(options: argparse.Namespace) -> None:
    model, features, truth, facts = evaluation.opened(options, "regressor")
    if truth.dtype.kind not in "iuf":
        raise entry.Refusal(
            f"the label {facts.label!r} does not hold numbers; a classifier is judged by sklearn.classification"
        )
    predicted = np.asarray(model.predict(features), dtype=float).reshape(len(truth))
    truth = truth.astype(float)
    if not np.isfinite(predicted).all():
        raise entry.Refusal(f"the model predicts {int((~np.isfinite(predicted)).sum())} values that are not finite")
    found = metrics.regression(truth, predicted)
    title = f"{facts.label} by {model.card.component or model.framework}"
    evaluation.finish(options, found, lambda folder: plots.regression(folder, truth, predicted), title)


if __name__ == "__main__":
    entry.run(main, evaluation.parser("Judge a regressor."))
