"""From training rows to a multilayer perceptron that classifies them, as one MLflow model with its encoder."""

import argparse
from pathlib import Path

import numpy as np
from common import entry, models
from common import facts as facts_of
from networks import architectures, ranks, saving, session, settings, tabular, tasks
from networks.architectures import Network
from networks.loop import Plan, Report, Rows


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    facts = facts_of.load(options.facts)
    read = tabular.read(options.table, facts)
    classes = tabular.classes_of(read.labels, facts)
    training = Rows(read.inputs, tabular.places_of(read.labels.tolist(), classes))
    if options.validation is not None:
        held = tabular.read(options.validation, facts, read.encode)
        validation: Rows | None = Rows(held.inputs, tabular.places_of(held.labels.tolist(), classes))
    else:
        training, validation = tabular.split(training, options.validation_fraction, options.seed)
    counts = np.bincount(training.targets, minlength=len(classes)).tolist()
    task = tasks.classification(settings.class_weights(options.class_weights, classes, counts), options.label_smoothing)
    session.deterministic(options.seed)
    network = architectures.build(
        {
            "kind": "mlp",
            "inputs": read.inputs.shape[1],
            "outputs": len(classes),
            "hidden": settings.numbers(options.hidden, "hidden"),
            "dropout": options.dropout,
            "norm": options.norm,
        }
    )
    card = models.Card("classifier", classes, tuple(read.frame.columns), "torch.tabular_classifier", "torch")

    def save(network: Network) -> None:
        saving.table(network, options.model, card, read.frame, facts, read.encode)

    with ranks.place(options.device) as where:

        def plan(report: Report) -> Plan:
            return Plan(training, validation, task, chosen, where, report, None, options.checkpoint, options.resume)

        session.train(options, network, plan, save, where)


if __name__ == "__main__":
    arguments = entry.parser("Train a multilayer perceptron that classifies rows.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--hidden", default="[128, 64]")
    arguments.add_argument("--dropout", type=float, default=0.0)
    arguments.add_argument("--norm", choices=("none", "batch", "layer"), default="none")
    arguments.add_argument("--class-weights")
    arguments.add_argument("--label-smoothing", type=float, default=0.0)
    settings.add(arguments)
    entry.run(main, arguments)
