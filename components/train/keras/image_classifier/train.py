"""From a folder of images to a Keras network that classifies them: built in, of keras.applications, or a backbone."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import entry, images, models
from common import facts as facts_of
from common import training as trainings
from common.entry import Refusal
from common.images import Shape
from learning import rows, settings, start

if TYPE_CHECKING:
    import keras


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    last = layers_of(options)
    facts = facts_of.load(options.facts)
    listed = images.listing(options.images, facts)
    classes = images.classes_of(listed, facts)
    usual = None
    if options.backbone is not None:
        _, card = models.native_of(options.backbone, "keras")
        if card.image is None:
            raise Refusal(f"the backbone {options.backbone} is a model of tables; give one of keras.image_classifier")
        usual = Shape(*card.image)
    shape = images.asked_shape(options.images, listed, usual, options.height, options.image_width, options.channels)
    start.prepare(options.backend)
    start.seed(options.seed)
    training, validation = rows.pictures(options.images, listed, shape, classes), None
    if options.validation is not None:
        held = images.listing(options.validation, facts)
        validation = rows.pictures(options.validation, held, shape, classes)
    else:
        kept, apart = trainings.parts(len(training.places), options.validation_fraction, options.seed)
        validation = None if apart is None else training.only(apart)
        training = training.only(kept)
    weights = settings.class_weights(options.class_weights, classes, training.targets[training.places])
    network, description = made(options, shape, len(classes), settings.POLICIES[chosen.precision])

    from learning import architectures, loop, saving, session

    architectures.tune(network, last)
    card = models.Card("image_classifier", classes, (), "keras.image_classifier", "keras", (*shape,))
    plan = loop.Plan(training, validation, weights, chosen, description, options.checkpoint, options.resume)

    def save(trained: "keras.Model") -> None:
        saving.images(trained, description, options.model, card)

    session.train(options, network, plan, save)


def layers_of(options: argparse.Namespace) -> int | None:
    """How many of the body's last layers learn, None for all. Raises Refusal where there is nothing to keep."""
    if entry.word(options.fine_tune) != "all" and options.backbone is None and options.weights is None:
        raise Refusal("fine_tune keeps what layers have learnt before; give `backbone` or `weights`, or leave it out")
    if options.weights is not None and options.application is None:
        raise Refusal("weights are those of an application; say which by `application`")
    if options.backbone is not None and options.application is not None:
        raise Refusal("a network is of an application or of a backbone; give one of them")
    told = entry.word(options.fine_tune)
    if told in ("all", "none"):
        return None if told == "all" else 0
    if not told.isdecimal():
        raise Refusal(f"fine_tune must be all, none or a number of layers, found {told!r}")
    return int(told)


def made(options: argparse.Namespace, shape: Shape, classes: int, policy: str) -> "tuple[keras.Model, dict[str, Any]]":
    """The network to train and its description."""
    import keras
    from learning import architectures, saving

    old = None
    description: dict[str, Any] = {
        "kind": "convnet",
        "width": options.width,
        "depth": options.depth,
        "norm": options.norm,
    }
    if options.application is not None:
        description = {"kind": "application", "application": options.application}
    if options.backbone is not None:
        old, description, _ = saving.load(options.backbone, "keras")
    description = {**description, "image": list(shape), "classes": classes, "dropout": options.dropout}
    augmentation = architectures.Augmentation(options.shift, options.rotate, options.flip, options.zoom)
    keras.config.set_dtype_policy(policy)
    network = architectures.build(description, augmentation, options.seed)
    if old is not None:
        architectures.body(network).set_weights(architectures.body(old).get_weights())
    if options.weights is not None:
        try:
            architectures.application_of(network).load_weights(options.weights)
        except (OSError, ValueError, KeyError) as error:
            raise Refusal(
                f"{options.weights.name} holds no weights of {options.application} without its head (.h5): {error}"
            ) from None
    return network, description


if __name__ == "__main__":
    arguments = entry.parser("Train a Keras network that classifies images.")
    arguments.add_argument("--images", type=Path, required=True)
    arguments.add_argument("--application")
    arguments.add_argument("--weights", type=Path)
    arguments.add_argument("--backbone", type=Path)
    arguments.add_argument("--fine-tune", default="all")
    arguments.add_argument("--width", type=int, default=32)
    arguments.add_argument("--depth", type=int, default=2)
    arguments.add_argument("--norm", choices=("none", "batch", "group"), default="batch")
    arguments.add_argument("--dropout", type=float, default=0.2)
    arguments.add_argument("--height", type=int)
    arguments.add_argument("--image-width", type=int)
    arguments.add_argument("--channels", type=int)
    arguments.add_argument("--shift", type=float, default=0.0)
    arguments.add_argument("--rotate", type=float, default=0.0)
    arguments.add_argument("--flip", type=entry.boolean, default=False)
    arguments.add_argument("--zoom", type=float, default=0.0)
    arguments.add_argument("--backend", choices=start.BACKENDS, default="tensorflow")
    arguments.add_argument("--precision", choices=tuple(settings.POLICIES), default="float32")
    settings.add(arguments)
    entry.run(main, arguments)
