"""From a folder of images to a tf.data pipeline of one epoch: files are decoded as they are wanted, ahead of training.

A batch is shared out among all replicas: how many there are does not change what it means.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from common import images
from common.entry import Refusal
from common.images import Image, Shape

AHEAD = 2


class Change(NamedTuple):
    """What training alone does to images: shares of their size, degrees, mirroring."""

    shift: float
    rotate: float
    flip: bool

    @property
    def any(self) -> bool:
        return bool(self.shift or self.rotate or self.flip)


class Source(NamedTuple):
    """Files, each one's class, the shape that they are scaled to, and which of them count."""

    folder: Path
    listed: Sequence[Image]
    targets: np.ndarray
    shape: Shape
    places: np.ndarray

    def only(self, places: np.ndarray) -> "Source":
        return self._replace(places=places)


class Reader:
    """Decodes files inside a pipeline; what it refused is kept, for TensorFlow tells no more than a text of it."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = None

    def pixels(self, source: Source, places: tf.Tensor) -> tf.Tensor:
        def read(wanted: np.ndarray) -> np.ndarray:
            try:
                chosen = [source.listed[int(place)] for place in wanted]
                return images.read(source.folder, chosen, source.shape).astype(np.float32)
            except Refusal as refusal:
                self.refusal = refusal
                raise

        found = tf.numpy_function(read, [places], tf.float32, stateful=False)
        found.set_shape([None, *source.shape])
        return found


def batches(rows: Sequence[np.ndarray], replicas: int) -> Iterator[list[np.ndarray]]:
    """Each batch's part for each replica; a last batch with less than a row for each is left out."""
    for place, batch in enumerate(rows):
        if len(batch) < replicas and place:
            continue
        yield [batch[replica::replicas] for replica in range(replicas)]


def training(
    source: Source, order: np.ndarray, size: int, weights: np.ndarray, change: Change, seed: Sequence[int],
    replicas: int, mine: range, reader: Reader,
) -> tf.data.Dataset:  # fmt: skip
    """An epoch's images, classes and weights, of which those of a batch sum to 1 over all replicas.

    `mine` are this worker's replicas: an element is one replica's part of a batch, theirs in turn.
    """
    chosen = source.places[order]
    rows = [chosen[start : start + size] for start in range(0, len(chosen), size)]
    parts, shares, draws = [], [], []
    for step, split in enumerate(batches(rows, replicas)):
        whole = float(sum(weights[source.targets[part]].sum() for part in split))
        for replica in mine:
            parts.append(split[replica])
            shares.append((weights[source.targets[split[replica]]] / whole).astype(np.float32))
            draws.append(np.random.SeedSequence([*seed, step, replica]).generate_state(2, np.uint32).astype(np.int64))
    lengths = [len(part) for part in parts]
    ragged = tf.RaggedTensor.from_row_lengths
    made = tf.data.Dataset.from_tensor_slices(
        (ragged(np.concatenate(parts), lengths), ragged(np.concatenate(shares), lengths), np.stack(draws))
    )

    def load(places: tf.Tensor, share: tf.Tensor, drawn: tf.Tensor) -> tuple[tf.Tensor, ...]:
        pixels = reader.pixels(source, places)
        return changed(pixels, change, drawn) if change.any else pixels, tf.gather(source.targets, places), share

    return made.map(load, num_parallel_calls=AHEAD, deterministic=True).prefetch(AHEAD)


def judged(source: Source, size: int, reader: Reader) -> tf.data.Dataset:
    """Images and classes as they are, in order."""
    made = tf.data.Dataset.from_tensor_slices(source.places).batch(size)
    return made.map(
        lambda places: (reader.pixels(source, places), tf.gather(source.targets, places)),
        num_parallel_calls=AHEAD,
        deterministic=True,
    ).prefetch(AHEAD)


def changed(pixels: tf.Tensor, change: Change, drawn: tf.Tensor) -> tf.Tensor:
    """Every image moved, turned and mirrored by its own chance; what comes in from outside repeats the border."""
    many = tf.shape(pixels)[0]
    height, width = (float(x) for x in pixels.shape[1:3])
    chance = tf.random.stateless_uniform([many, 4], drawn, -1.0, 1.0)
    angle = chance[:, 0] * (change.rotate * np.pi / 180)
    mirrored = tf.where(chance[:, 3] < 0, -1.0, 1.0) if change.flip else tf.ones([many])
    cosine, sine = tf.cos(angle), tf.sin(angle)
    x, y = (width - 1) / 2, (height - 1) / 2
    a, b, d, e = cosine * mirrored, -sine, sine * mirrored, cosine
    right = x - a * x - b * y + chance[:, 1] * change.shift * width
    down = y - d * x - e * y + chance[:, 2] * change.shift * height
    nought = tf.zeros([many])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack([a, b, right, d, e, down, nought, nought], axis=1),
        output_shape=tf.shape(pixels)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


def told(reader: Reader, error: Any) -> Refusal:
    """The refusal behind an error of a pipeline."""
    return reader.refusal or Refusal(f"the pipeline of images failed: {type(error).__name__}")
