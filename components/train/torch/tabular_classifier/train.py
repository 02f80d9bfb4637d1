"""From training rows to a multilayer perceptron that classifies them, as one MLflow model with its encoder."""

import argparse
from pathlib import Path

from common import entry, models
from common import facts as facts_of
from common import training as trainings
from networks import architectures, ranks, saving, session, settings, tabular, tasks
from networks.architectures import Network
from networks.loop import Plan, Report, Rows


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    facts = facts_of.load(options.facts)
    read = tabular.read(options.table, facts)
    classes = trainings.classes_of(read.labels, facts)
    training = Rows(read.inputs, trainings.places_of(read.labels.tolist(), classes))
    if options.validation is not None:
        held = tabular.read(options.validation, facts, read.encode)
        validation: Rows | None = Rows(held.inputs, trainings.places_of(held.labels.tolist(), classes))
    else:
        training, validation = tabular.split(training, options.validation_fraction, options.seed)
    weights = trainings.class_weights(options.class_weights, classes, training.targets)
    task = tasks.classification(weights, options.label_smoothing)
    session.deterministic(options.seed)
    network = architectures.build(
        {
            "kind": "mlp",
            "inputs": read.inputs.shape[1],
            "outputs": len(classes),
            "hidden": trainings.numbers(options.hidden, "hidden"),
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
