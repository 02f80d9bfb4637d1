"""From a folder of images to a network that classifies them, from scratch or from a backbone trained before."""

import argparse
from pathlib import Path
from typing import cast

from common import entry, images, models
from common import facts as facts_of
from common import training as trainings
from common.entry import Refusal
from common.images import Shape
from networks import architectures, augmentation, pictures, ranks, saving, session, settings, tabular, tasks
from networks.architectures import Network, Pictures
from networks.augmentation import Augmentation
from networks.loop import Plan, Report, Rows


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    facts = facts_of.load(options.facts)
    listed = images.listing(options.images, facts)
    classes = images.classes_of(listed, facts)
    session.deterministic(options.seed)
    backbone = None if options.backbone is None else saving.backbone(options.backbone)
    usual = None if backbone is None else backbone[1]
    shape = images.asked_shape(options.images, listed, usual, options.height, options.image_width, options.channels)
    training = pictures.read(options.images, listed, shape, classes)
    if options.validation is not None:
        held = images.listing(options.validation, facts)
        validation: Rows | None = pictures.read(options.validation, held, shape, classes)
    else:
        training, validation = tabular.split(training, options.validation_fraction, options.seed)
    weights = trainings.class_weights(options.class_weights, classes, training.targets)
    task = tasks.classification(weights, options.label_smoothing)
    network = made(options, None if backbone is None else backbone[0], shape, len(classes))
    if backbone is None:
        cast(Pictures, network).scale_by(training.inputs)
    chosen = chosen._replace(
        backbone_learning_rate=options.backbone_learning_rate,
        freeze=frozen(options.freeze, network, backbone is not None),
        unfreeze_after=options.unfreeze_after,
    )
    card = models.Card(
        "image_classifier", classes, (), "torch.image_classifier", "torch", (shape.height, shape.width, shape.channels)
    )
    change = augmentation.change(Augmentation(options.shift, options.rotate, options.flip, options.noise))

    def save(network: Network) -> None:
        saving.images(network, options.model, card)

    with ranks.place(options.device) as where:

        def plan(report: Report) -> Plan:
            return Plan(training, validation, task, chosen, where, report, change, options.checkpoint, options.resume)

        session.train(options, network, plan, save, where)


def made(options: argparse.Namespace, backbone: Network | None, shape: Shape, classes: int) -> Network:
    """A new network, or the backbone's stages with a new head."""
    if backbone is not None:
        return architectures.with_head(backbone, classes, options.dropout)
    return architectures.build(
        {
            "kind": options.architecture,
            "channels": shape.channels,
            "size": min(shape.height, shape.width),
            "outputs": classes,
            "width": options.width,
            "depth": options.depth,
            "dropout": options.dropout,
            "norm": options.norm,
        }
    )


def frozen(word: str, network: Network, has_backbone: bool) -> int:
    """How many stages keep their weights. Raises Refusal for new ones, which would never learn anything."""
    count = architectures.frozen(word, network)
    if count and not has_backbone:
        raise Refusal("freeze keeps what a backbone has learnt; give `backbone`, or leave freeze out")
    return count


if __name__ == "__main__":
    arguments = entry.parser("Train a network that classifies images.")
    arguments.add_argument("--images", type=Path, required=True)
    arguments.add_argument("--architecture", choices=("convnet", "resnet"), default="resnet")
    arguments.add_argument("--width", type=int, default=16)
    arguments.add_argument("--depth", type=int, default=2)
    arguments.add_argument("--norm", choices=("batch", "group"), default="batch")
    arguments.add_argument("--backbone", type=Path)
    arguments.add_argument("--freeze", default="none")
    arguments.add_argument("--unfreeze-after", type=int)
    arguments.add_argument("--backbone-learning-rate", type=float)
    arguments.add_argument("--dropout", type=float, default=0.0)
    arguments.add_argument("--height", type=int)
    arguments.add_argument("--image-width", type=int)
    arguments.add_argument("--channels", type=int)
    arguments.add_argument("--shift", type=float, default=0.0)
    arguments.add_argument("--rotate", type=float, default=0.0)
    arguments.add_argument("--flip", type=entry.boolean, default=False)
    arguments.add_argument("--noise", type=float, default=0.0)
    arguments.add_argument("--class-weights")
    arguments.add_argument("--label-smoothing", type=float, default=0.0)
    settings.add(arguments)
    entry.run(main, arguments)
