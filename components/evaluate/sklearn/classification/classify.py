"""From a classifier and test rows to its metrics, verdicts on them, and a report."""

import argparse
from typing import Any

import numpy as np
from common import entry, evaluation, metrics, plots
from common.facts import Facts
from common.models import Model


def main(options: argparse.Namespace) -> None:
    model, features, truth, facts = evaluation.opened(options, "classifier")
    classes = class_names(model, truth, facts)
    predicted, proba = model.predict(features), model.scores(features)
    spelled = {str(name): name for name in classes}
    # One spelling for the table's, the schema's and the model's classes: 1, 1.0 and numpy's integers are one class.
    truth = np.array([spelled.get(str(x), x) for x in truth.tolist()])
    predicted = np.array([spelled.get(str(x), x) for x in predicted.tolist()])
    proba = reordered(proba, model, classes)
    positive = facts.positive if facts.positive is not None else classes[-1]
    found = metrics.classification(truth, predicted, proba, classes, positive)
    title = f"{facts.label} by {model.card.component or model.framework}"
    evaluation.finish(
        options,
        found,
        lambda folder: plots.classification(folder, truth, predicted, proba, classes, positive),
        title,
    )


def class_names(model: Model, truth: np.ndarray, facts: Facts) -> list[Any]:
    """The schema's classes, else the model's, else those that occur; more only if the table has more."""
    names = list(facts.classes or model.card.classes or ())
    known = {str(name) for name in names}
    names += sorted({x for x in truth.tolist() if str(x) not in known})
    return names


def reordered(proba: np.ndarray | None, model: Model, classes: list[Any]) -> np.ndarray | None:
    """Probabilities in the order of `classes`, nought for one that the model never saw; None if not known whose."""
    if proba is None or model.card.classes is None or proba.shape[1] != len(model.card.classes):
        return None
    places = {str(name): place for place, name in enumerate(model.card.classes)}
    columns = [proba[:, places[str(name)]] if str(name) in places else np.zeros(len(proba)) for name in classes]
    return np.column_stack(columns).astype(float)


if __name__ == "__main__":
    entry.run(main, evaluation.parser("Judge a classifier."))
