"""From a classifier of images and test images to its metrics, verdicts on them, and a report."""

import argparse
from pathlib import Path

import numpy as np
from common import entry, evaluation, images, metrics, models, plots
from common import facts as facts_of
from common.images import Shape

WORST = 24


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    found = images.listing(options.images, facts)
    model = models.load(options.model)
    if model.card.task != "image_classifier" or model.card.image is None:
        raise entry.Refusal(
            "the model is no classifier of images of this library; use sklearn.classification for tables"
        )
    shape = Shape(*model.card.image)
    predicted, proba = answers(model, options.images, found, shape, options.batch_size)
    truth = np.array([image.label for image in found], dtype=object)
    classes = [str(name) for name in evaluation.known_classes(model, truth, None)]
    named = evaluation.reordered(proba, model, classes)
    positive = options.positive or (str(facts.positive) if facts and facts.positive is not None else classes[-1])
    if positive not in classes:
        raise entry.Refusal(f"the positive class {positive!r} is none of {', '.join(classes)}")
    values = metrics.classification(truth, predicted, named, classes, positive)

    def draw(folder: Path) -> list[tuple[str, str]]:
        figures = plots.classification(folder, truth, predicted, named, classes, positive)
        wrong = np.flatnonzero(truth != predicted)
        if named is not None:  # most certain of what is wrong first
            wrong = wrong[np.argsort(-named[wrong].max(axis=1), kind="stable")]
        if len(wrong):
            shown = images.read(options.images, [found[i] for i in wrong[:WORST]], shape)
            titles = [f"{truth[i]}, taken for {predicted[i]}" for i in wrong[:WORST]]
            figures.append(plots.gallery(folder, shown, titles, "wrong.png", "Wrong answers, the most certain first"))
        return figures

    evaluation.finish(options, values, draw, f"Images by {model.card.component or model.framework}")


def answers(
    model: models.Model, folder: Path, found: list[images.Image], shape: Shape, size: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels as text and probabilities of every image, a batch at a time."""
    labels: list[str] = []
    proba: list[np.ndarray] = []
    for batch in images.batches(folder, found, shape, size):
        pixels = batch.astype(np.float32)
        labels += [str(x) for x in model.predict(pixels).tolist()]
        scores = model.scores(pixels)
        if scores is not None:
            proba.append(scores)
        print(f"{len(labels)} of {len(found)} images", flush=True)
    return np.array(labels, dtype=object), np.concatenate(proba) if proba else None


if __name__ == "__main__":
    arguments = evaluation.parser("Judge a classifier of images.", "--images")
    arguments.add_argument("--positive")
    arguments.add_argument("--batch-size", type=int, default=256)
    entry.run(main, arguments)
