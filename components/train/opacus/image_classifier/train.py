"""From private images and a privacy loss to a network that may be released, from scratch or on a public backbone."""

import argparse
from pathlib import Path

from common import entry, images, models
from common.entry import Refusal
from common.images import Shape
from networks import architectures, pictures, saving
from networks import session as training
from networks.architectures import Network
from private_sgd import session


def main(options: argparse.Namespace) -> None:
    facts, private, _, account = session.opened(options)
    classes = images.vocabulary(facts) or ()
    training.deterministic(options.seed)
    network, shape = made(options, len(classes))
    # all of a backbone by default, for noise grows with what learns
    freeze = 0 if options.backbone is None else architectures.frozen(options.freeze, network)
    rows = pictures.read(options.images, images.listing(options.images, facts), shape, classes)
    taken = (shape.height, shape.width, shape.channels)
    card = models.Card("image_classifier", classes, (), "opacus.image_classifier", "torch", taken)

    def save(network: Network) -> None:
        saving.images(network, options.model, card)

    session.release(options, network, rows, private, facts, account, save, freeze)


def made(options: argparse.Namespace, classes: int) -> tuple[Network, Shape]:
    """The network and what it takes: both said by the program or by the backbone, never by the first image."""
    if options.backbone is not None:
        backbone, shape = saving.backbone(options.backbone)
        return architectures.with_head(backbone, classes, 0.0), shape
    if options.height is None or options.image_width is None:
        raise Refusal("the size of private images must be said, not looked up: give height and image_width")
    shape = Shape(options.height, options.image_width, options.channels)
    network = architectures.build(
        {
            "kind": options.architecture,
            "channels": shape.channels,
            "size": min(shape.height, shape.width),
            "outputs": classes,
            "width": options.width,
            "depth": options.depth,
            "dropout": 0.0,
            "norm": "group",
            "activation": options.activation,
        }
    )
    return network, shape


if __name__ == "__main__":
    arguments = session.parser("Train a network that classifies images with differential privacy.")
    arguments.add_argument("--images", type=Path, required=True)
    arguments.add_argument("--architecture", choices=("convnet", "resnet"), default="convnet")
    arguments.add_argument("--width", type=int, default=16)
    arguments.add_argument("--depth", type=int, default=2)
    arguments.add_argument("--activation", choices=("relu", "tanh"), default="tanh")
    arguments.add_argument("--backbone", type=Path)
    arguments.add_argument("--freeze", default="all")
    arguments.add_argument("--height", type=int)
    arguments.add_argument("--image-width", type=int)
    arguments.add_argument("--channels", type=int, choices=(1, 3), default=1)
    entry.run(main, arguments)
