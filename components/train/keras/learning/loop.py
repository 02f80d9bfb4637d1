"""From a Keras network and rows to the network that did best on validation, and what each epoch came to.

What an epoch draws (order of the rows, dropout, augmentation) depends on the seed and the epoch's number alone, so a
training that goes on from a checkpoint comes to the same weights as one that was never interrupted.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from common.entry import Refusal
from common.tracking import Tracking

from learning import checkpoints, settings
from learning.progress import Progress
from learning.rows import Rows
from learning.settings import Settings


class Plan(NamedTuple):
    """All that a training is given beside its network; `weights` has one for each class."""

    training: Rows
    validation: Rows | None
    weights: np.ndarray
    settings: Settings
    description: dict[str, Any]
    checkpoint: Path
    resume: Path | None


def fit(network: keras.Model, plan: Plan, log: Tracking | None) -> Progress:
    """Train in place. At the end the network has the weights that did best on validation, or without one the last.

    Raises Refusal for a loss that is no number, and for a checkpoint of another network.
    """
    optimizer = optimizer_of(plan.settings)
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=plan.settings.label_smoothing),
        jit_compile=False,
    )
    if not network.trainable_variables:
        raise Refusal("every layer is frozen; nothing is left to learn")
    network.optimizer.build(network.trainable_variables)
    progress, best = Progress(), list[np.ndarray]()
    if plan.resume is not None:
        best = resumed(plan.resume, network, network.optimizer, progress, plan.description)
    while not progress.over(plan.settings, plan.validation is not None):
        progress.epoch += 1
        figures = {"loss": _epoch(network, optimizer, plan, progress)}
        if plan.validation is not None:
            figures["val_loss"], figures["val_accuracy"] = measured(network, plan.validation, plan)
        figures["lr"] = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        progress.note(figures, plan.settings, log)
        if plan.validation is not None and progress.judge(figures["val_loss"], plan.settings):
            best = network.get_weights()
        arrays = {"network": network.get_weights(), "best": best, "optimizer": values(network.optimizer.variables)}
        numbers = {"progress": progress.numbers(), "network": plan.description}
        checkpoints.save(plan.checkpoint, progress.epoch, arrays, numbers)
    if best:
        network.set_weights(best)
    return progress


def optimizer_of(chosen: Settings) -> keras.Optimizer:
    """The optimiser; gradients are clipped by their norm over all weights, biases and norms are not decayed."""
    clip = chosen.gradient_clip or None
    common = {"learning_rate": chosen.learning_rate, "weight_decay": chosen.weight_decay or None}
    made: keras.Optimizer = {
        "adamw": lambda: keras.optimizers.AdamW(
            **{**common, "weight_decay": chosen.weight_decay}, global_clipnorm=clip
        ),
        "adam": lambda: keras.optimizers.Adam(**common, global_clipnorm=clip),
        "sgd": lambda: keras.optimizers.SGD(**common, momentum=0.9, nesterov=True, global_clipnorm=clip),
        "rmsprop": lambda: keras.optimizers.RMSprop(**common, global_clipnorm=clip),
    }[chosen.optimizer]()
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def resumed(
    folder: Path, network: keras.Model, optimizer: Any, progress: Progress, description: dict[str, Any]
) -> list[np.ndarray]:
    """Take a checkpoint's state over; gives the best weights so far. Raises Refusal for another network's."""
    arrays, numbers = checkpoints.load(folder)
    if numbers.get("network") != description:
        raise Refusal("the checkpoint is of another network than this training's; give the same inputs as it had")
    held = arrays.get("optimizer", [])
    if [x.shape for x in held] != [tuple(v.shape) for v in optimizer.variables]:
        raise Refusal("the checkpoint is of another optimiser than this training's; give the same inputs as it had")
    progress.take(numbers["progress"])
    network.set_weights(arrays["network"])
    for variable, value in zip(optimizer.variables, held, strict=True):
        variable.assign(value)
    return arrays.get("best", [])


def values(variables: list[Any]) -> list[np.ndarray]:
    return [np.asarray(keras.ops.convert_to_numpy(x)) for x in variables]


def order(chosen: Settings, epoch: int, rows: int) -> np.ndarray:
    """The order of an epoch's rows."""
    return np.random.default_rng([chosen.seed, epoch]).permutation(rows)


def reseed(network: keras.Model, chosen: Settings, epoch: int) -> None:
    """What dropout and augmentation draw from in an epoch."""
    for place, state in enumerate(x for x in network.variables if "seed_generator" in x.path):
        drawn = np.random.SeedSequence([chosen.seed, epoch, place]).generate_state(2, np.uint32)
        state.assign(drawn >> np.uint32(1))  # the backends' integers differ in width and sign


def losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Cross-entropy of each row."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: np.ndarray = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]
    return found


def measured(network: keras.Model, rows: Rows, plan: Plan) -> tuple[float, float]:
    """Mean weighted loss and accuracy over rows, without learning."""
    total = count = right = 0.0
    for start in range(0, len(rows.places), 4 * plan.settings.batch_size):
        inputs, targets = rows.batch(np.arange(start, min(len(rows.places), start + 4 * plan.settings.batch_size)))
        logits = np.asarray(network.predict_on_batch(inputs))
        weights = plan.weights[targets]
        total, count = total + float((losses(logits, targets) * weights).sum()), count + float(weights.sum())
        right += float((logits.argmax(axis=1) == targets).sum())
    return total / count, right / len(rows.places)


def _epoch(network: keras.Model, optimizer: keras.Optimizer, plan: Plan, progress: Progress) -> float:
    """One pass over the training rows; gives the mean loss of what was trained on."""
    chosen, size = plan.settings, plan.settings.batch_size
    rows = order(chosen, progress.epoch, len(plan.training.places))
    steps = math.ceil(len(rows) / size)
    reseed(network, chosen, progress.epoch)
    total = count = 0.0
    for step in range(steps):
        done = (progress.epoch - 1 + step / steps) / chosen.epochs
        optimizer.learning_rate = chosen.learning_rate * settings.factor(chosen.schedule, done) * progress.lowered
        inputs, targets = plan.training.batch(rows[step * size : (step + 1) * size])
        weights = plan.weights[targets]
        hot = np.eye(len(plan.weights), dtype=np.float32)[targets]
        network.reset_metrics()
        loss = network.train_on_batch(inputs, hot, sample_weight=weights / weights.mean(), return_dict=True)["loss"]
        total, count = total + float(loss) * float(weights.sum()), count + float(weights.sum())
    return total / count
