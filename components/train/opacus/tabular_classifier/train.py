"""From private rows and a privacy loss to a multilayer perceptron that may be released, and what that cost."""

import argparse
from pathlib import Path

from common import entry, models
from common import training as trainings
from networks import architectures, saving, tabular
from networks import session as training
from networks.architectures import Network
from networks.loop import Rows
from private_sgd import session


def main(options: argparse.Namespace) -> None:
    facts, private, classes, account = session.opened(options)
    hidden = trainings.numbers(options.hidden, "hidden")
    read = tabular.read(options.table, facts)
    rows = Rows(read.inputs, trainings.places_of(read.labels.tolist(), classes))
    training.deterministic(options.seed)
    network = architectures.build(
        {
            "kind": "mlp",
            "inputs": read.inputs.shape[1],
            "outputs": len(classes),
            "hidden": hidden,
            "dropout": 0.0,
            "norm": options.norm,
            "activation": options.activation,
        }
    )
    card = models.Card("classifier", classes, tuple(read.frame.columns), "opacus.tabular_classifier", "torch")

    def save(network: Network) -> None:
        saving.table(network, options.model, card, read.frame, facts, read.encode)

    session.release(options, network, rows, private, facts, account, save)


if __name__ == "__main__":
    arguments = session.parser("Train a multilayer perceptron with differential privacy.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--hidden", default="[32]")
    arguments.add_argument("--norm", choices=("none", "layer"), default="none")
    arguments.add_argument("--activation", choices=("relu", "tanh"), default="tanh")
    entry.run(main, arguments)
