"""From training rows to a multilayer perceptron of Keras that classifies them, as one MLflow model with its encoder."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from common import entry, models
from common import facts as facts_of
from common import training as trainings
from learning import rows, settings, start

if TYPE_CHECKING:
    import keras


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    hidden = trainings.numbers(options.hidden, "hidden")
    facts = facts_of.load(options.facts)
    read = rows.table(options.table, facts)
    classes = trainings.classes_of(read.labels, facts)
    training, validation = rows.of_table(read, classes), None
    if options.validation is not None:
        validation = rows.of_table(rows.table(options.validation, facts, read.encode), classes)
    else:
        kept, held = trainings.parts(len(training.places), options.validation_fraction, options.seed)
        validation = None if held is None else training.only(held)
        training = training.only(kept)
    weights = settings.class_weights(options.class_weights, classes, training.targets[training.places])
    description = {
        "kind": "mlp",
        "inputs": read.inputs.shape[1],
        "classes": len(classes),
        "hidden": hidden,
        "norm": options.norm,
        "dropout": options.dropout,
    }
    start.prepare(options.backend)
    start.seed(options.seed)
    from learning import architectures, loop, saving, session

    card = models.Card("classifier", classes, tuple(read.frame.columns), "keras.tabular_classifier", "keras")
    plan = loop.Plan(training, validation, weights, chosen, description, options.checkpoint, options.resume)

    def save(network: "keras.Model") -> None:
        saving.table(network, description, options.model, card, read.frame, facts, read.encode)

    session.train(options, architectures.build(description, None, options.seed), plan, save)


if __name__ == "__main__":
    arguments = entry.parser("Train a multilayer perceptron of Keras that classifies rows.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--hidden", default="[128, 64]")
    arguments.add_argument("--dropout", type=float, default=0.0)
    arguments.add_argument("--norm", choices=("none", "batch", "layer"), default="none")
    arguments.add_argument("--backend", choices=start.BACKENDS, default="tensorflow")
    settings.add(arguments)
    entry.run(main, arguments)
