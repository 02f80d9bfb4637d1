"""From training rows to a multilayer perceptron that predicts their label, a number, as one MLflow model."""

import argparse
from pathlib import Path

import numpy as np
from common import entry, models
from common import facts as facts_of
from common import training as trainings
from common.entry import Refusal
from networks import architectures, ranks, saving, session, settings, tabular, tasks
from networks.architectures import Network
from networks.loop import Plan, Report, Rows
from networks.saving import Scale


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    facts = facts_of.load(options.facts)
    read = tabular.read(options.table, facts)
    training = Rows(read.inputs, numbers(read.labels.to_numpy()))
    if options.validation is not None:
        held = tabular.read(options.validation, facts, read.encode)
        validation: Rows | None = Rows(held.inputs, numbers(held.labels.to_numpy()))
    else:
        training, validation = tabular.split(training, options.validation_fraction, options.seed)
    scale = Scale(float(training.targets.mean()), float(training.targets.std()) or 1.0)
    task = tasks.regression(options.loss, scale.deviation)
    session.deterministic(options.seed)
    network = architectures.build(
        {
            "kind": "mlp",
            "inputs": read.inputs.shape[1],
            "outputs": 1,
            "hidden": trainings.numbers(options.hidden, "hidden"),
            "dropout": options.dropout,
            "norm": options.norm,
        }
    )
    card = models.Card("regressor", None, tuple(read.frame.columns), "torch.tabular_regressor", "torch")

    def save(network: Network) -> None:
        saving.table(network, options.model, card, read.frame, facts, read.encode, scale)

    with ranks.place(options.device) as where:

        def plan(report: Report) -> Plan:
            known = None if validation is None else scaled(validation, scale)
            given = scaled(training, scale)
            return Plan(given, known, task, chosen, where, report, None, options.checkpoint, options.resume)

        session.train(options, network, plan, save, where)


def numbers(labels: np.ndarray) -> np.ndarray:
    """The label as numbers. Raises Refusal where it is not one."""
    try:
        return labels.astype(np.float64)
    except (TypeError, ValueError):
        raise Refusal("the label is not a number in every row; a regressor predicts numbers") from None


def scaled(rows: Rows, scale: Scale) -> Rows:
    """Rows whose label has mean 0 and deviation 1 in training."""
    return Rows(rows.inputs, ((rows.targets - scale.middle) / scale.deviation).astype(np.float32))


if __name__ == "__main__":
    arguments = entry.parser("Train a multilayer perceptron that predicts a number.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--hidden", default="[128, 64]")
    arguments.add_argument("--dropout", type=float, default=0.0)
    arguments.add_argument("--norm", choices=("none", "batch", "layer"), default="none")
    arguments.add_argument("--loss", choices=("squared", "absolute", "huber"), default="squared")
    settings.add(arguments)
    entry.run(main, arguments)
