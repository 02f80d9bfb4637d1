"""From a classifier and test rows to its metrics, verdicts on them, and a report."""

import argparse

import numpy as np
from common import entry, evaluation, metrics, plots


def main(options: argparse.Namespace) -> None:
    model, features, truth, facts = evaluation.opened(options, "classifier")
    classes = evaluation.known_classes(model, truth, facts)
    predicted, proba = model.predict(features), model.scores(features)
    spelled = {str(name): name for name in classes}
    # One spelling for the table's, the schema's and the model's classes: 1, 1.0 and numpy's integers are one class.
    truth = np.array([spelled.get(str(x), x) for x in truth.tolist()])
    predicted = np.array([spelled.get(str(x), x) for x in predicted.tolist()])
    proba = evaluation.reordered(proba, model, classes)
    positive = facts.positive if facts.positive is not None else classes[-1]
    found = metrics.classification(truth, predicted, proba, classes, positive)
    title = f"{facts.label} by {model.card.component or model.framework}"
    evaluation.finish(
        options,
        found,
        lambda folder: plots.classification(folder, truth, predicted, proba, classes, positive),
        title,
    )


if __name__ == "__main__":
    entry.run(main, evaluation.parser("Judge a classifier."))
