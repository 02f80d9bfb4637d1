"""From a folder of images to a TensorFlow network that classifies them, trained by one worker or by several."""

import argparse
from pathlib import Path

from common import entry, images, models, tracking
from common import facts as facts_of
from common import training as trainings
from common.entry import Refusal
from common.files import write_folder
from learning import settings, start
from learning.progress import Progress


def main(options: argparse.Namespace) -> None:
    chosen = settings.of(options)
    facts = facts_of.load(options.facts)
    listed = images.listing(options.images, facts)
    classes = images.classes_of(listed, facts)
    shape = images.asked_shape(options.images, listed, None, options.height, options.image_width, options.channels)
    start.prepare("tensorflow")
    import workers

    place = workers.place()
    start.seed(options.seed)
    if options.norm == "batch" and place.workers > 1:
        raise Refusal("norm = batch would normalise each worker's images apart; say norm = group with several workers")
    import descent
    import numpy as np
    from learning import architectures, loop, saving, session
    from pipeline import Change, Source

    every = np.arange(len(listed))
    training = Source(options.images, listed, images.targets_of(options.images, listed, classes), shape, every)
    validation: Source | None = None
    if options.validation is not None:
        held = images.listing(options.validation, facts)
        targets = images.targets_of(options.validation, held, classes)
        validation = Source(options.validation, held, targets, shape, np.arange(len(held)))
    else:
        kept, apart = trainings.parts(len(every), options.validation_fraction, options.seed)
        validation = None if apart is None else training.only(apart)
        training = training.only(kept)
    weights = settings.class_weights(options.class_weights, classes, training.targets[training.places])
    description = {
        "kind": "convnet",
        "width": options.width,
        "depth": options.depth,
        "norm": options.norm,
        "image": list(shape),
        "classes": len(classes),
        "dropout": options.dropout,
    }
    with place.strategy.scope():
        network = architectures.build(description, None, options.seed)
        optimizer = loop.optimizer_of(chosen._replace(gradient_clip=0.0))
        optimizer.build(network.trainable_variables)
    change = Change(options.shift, options.rotate, options.flip)
    plan = descent.Plan(
        training, validation, weights, change, chosen, description, options.checkpoint, options.resume, place
    )
    if not place.chief:
        descent.fit(network, optimizer, plan, None)
        place.wait()
        return
    card = models.Card("image_classifier", classes, (), "tensorflow.image_classifier", "tensorflow", (*shape,))
    with tracking.run() as log:
        described = {f"network_{name}": x for name, x in description.items()}
        log.parameters({**chosen._asdict(), **described, "workers": place.workers})
        progress = descent.fit(network, optimizer, plan, log)
        saving.images(network, description, options.model, card)
        write_events(options.events, progress)
        session.finish(options, progress, log)
    place.wait()


def write_events(folder: Path, progress: Progress) -> None:
    """Every epoch's figures as TensorBoard events, whole or not at all."""
    import tensorflow as tf

    def fill(target: Path) -> None:
        writer = tf.summary.create_file_writer(str(target))
        with writer.as_default():
            for epoch, figures in enumerate(progress.history, start=1):
                for name, value in figures.items():
                    tf.summary.scalar(name, value, step=epoch)
        writer.close()

    write_folder(folder, fill)


if __name__ == "__main__":
    arguments = entry.parser("Train a TensorFlow network that classifies images.")
    arguments.add_argument("--images", type=Path, required=True)
    arguments.add_argument("--width", type=int, default=32)
    arguments.add_argument("--depth", type=int, default=2)
    arguments.add_argument("--norm", choices=("none", "batch", "group"), default="group")
    arguments.add_argument("--dropout", type=float, default=0.2)
    arguments.add_argument("--height", type=int)
    arguments.add_argument("--image-width", type=int)
    arguments.add_argument("--channels", type=int)
    arguments.add_argument("--shift", type=float, default=0.0)
    arguments.add_argument("--rotate", type=float, default=0.0)
    arguments.add_argument("--flip", type=entry.boolean, default=False)
    settings.add(arguments)
    entry.run(main, arguments)
