"""From a network and image files to the network that did best on validation, by TensorFlow's own gradients.

What an epoch draws depends on the seed and the epoch's number alone. Gradients are summed over all replicas and then
clipped, so several workers learn what one does.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from common.tracking import Tracking
from learning import checkpoints, loop, settings
from learning.progress import Progress
from learning.settings import Settings
from pipeline import Change, Reader, Source, judged, told, training
from workers import Place


class Plan(NamedTuple):
    """All that a training is given beside its network; `weights` has one for each class."""

    training: Source
    validation: Source | None
    weights: np.ndarray
    change: Change
    settings: Settings
    description: dict[str, Any]
    checkpoint: Path
    resume: Path | None
    place: Place


def fit(network: keras.Model, optimizer: keras.Optimizer, plan: Plan, log: Tracking | None) -> Progress:
    """Train in place; network and optimiser were made in the strategy's scope. Only the chief writes checkpoints.

    Raises Refusal for a loss that is no number, a damaged image, and a checkpoint of another network.
    """
    progress, best, reader = Progress(), list[np.ndarray](), Reader()
    if plan.resume is not None:
        best = loop.resumed(plan.resume, network, optimizer, progress, plan.description)
    learn, forward = _learner(network, optimizer, plan), tf.function(lambda x: network(x, training=False))
    try:
        while not progress.over(plan.settings, plan.validation is not None):
            progress.epoch += 1
            figures = {"loss": _epoch(network, optimizer, learn, plan, progress, reader)}
            if plan.validation is not None:
                figures["val_loss"], figures["val_accuracy"] = _measured(forward, plan.validation, plan, reader)
            figures["lr"] = float(optimizer.learning_rate.numpy())
            progress.note(figures, plan.settings, log)
            now = network.get_weights()
            if plan.validation is not None and progress.judge(figures["val_loss"], plan.settings):
                best = now
            if plan.place.chief:
                arrays = {"network": now, "best": best, "optimizer": loop.values(optimizer.variables)}
                numbers = {"progress": progress.numbers(), "network": plan.description}
                checkpoints.save(plan.checkpoint, progress.epoch, arrays, numbers)
    except tf.errors.OpError as error:
        raise told(reader, error) from None
    if best:
        network.set_weights(best)
    return progress


def _learner(network: keras.Model, optimizer: keras.Optimizer, plan: Plan) -> Any:
    """One step: gradients of every replica's part, their sum, clipped, applied."""
    chosen, strategy, classes = plan.settings, plan.place.strategy, len(plan.weights)

    def part(pixels: tf.Tensor, targets: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        wanted = tf.one_hot(targets, classes) * (1 - chosen.label_smoothing) + chosen.label_smoothing / classes
        with tf.GradientTape() as tape:
            logits = network(pixels, training=True)
            loss = tf.reduce_sum(shares * tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
        learnt = [x.value for x in network.trainable_variables]
        replica = tf.distribute.get_replica_context()
        gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, tape.gradient(loss, learnt))
        if chosen.gradient_clip:
            gradients, _ = tf.clip_by_global_norm(gradients, chosen.gradient_clip)
        # the optimiser sums over replicas once more
        gradients = [x / replica.num_replicas_in_sync for x in gradients]
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(*batch: Any) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(part, args=batch), axis=None)

    return step


def _epoch(
    network: keras.Model, optimizer: keras.Optimizer, learn: Any, plan: Plan, progress: Progress, reader: Reader
) -> float:
    """One pass over the training images; gives the mean loss of the batches."""
    chosen, many = plan.settings, len(plan.training.places)
    loop.reseed(network, chosen, progress.epoch)
    drawn = loop.order(chosen, progress.epoch, many)
    replicas = plan.place.strategy.num_replicas_in_sync
    epoch = training(
        plan.training, drawn, chosen.batch_size, plan.weights, plan.change, (chosen.seed, progress.epoch), replicas,
        plan.place.replicas, reader,
    )  # fmt: skip
    shared = replicas > 1
    rows = plan.place.strategy.distribute_datasets_from_function(lambda _: epoch) if shared else epoch
    losses = []
    steps = math.ceil(many / chosen.batch_size)
    for step, batch in enumerate(rows):
        done = (progress.epoch - 1 + step / steps) / chosen.epochs
        optimizer.learning_rate = chosen.learning_rate * settings.factor(chosen.schedule, done) * progress.lowered
        losses.append(float(learn(*batch)))
    return float(np.mean(losses))


def _measured(forward: Any, source: Source, plan: Plan, reader: Reader) -> tuple[float, float]:
    """Mean weighted loss and accuracy over images, without learning; every worker finds the same."""
    total = count = right = 0.0
    for pixels, targets in judged(source, 4 * plan.settings.batch_size, reader):
        logits, wanted = forward(pixels).numpy(), targets.numpy()
        weights = plan.weights[wanted]
        total, count = total + float((loop.losses(logits, wanted) * weights).sum()), count + float(weights.sum())
        right += float((logits.argmax(axis=1) == wanted).sum())
    return total / count, right / len(source.places)
