"""From folders of images and tables to inputs and targets that a network trains on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import encoding, images, tables, training
from common import rows as checks
from common.entry import Refusal
from common.facts import Facts
from common.images import Image, Shape
from sklearn.pipeline import Pipeline


class Rows(NamedTuple):
    """Inputs, which may lie in a file and be larger than memory, each row's class, and which rows count."""

    inputs: np.ndarray
    targets: np.ndarray
    places: np.ndarray

    def batch(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = self.places[chosen]
        return np.asarray(self.inputs[places], dtype=np.float32), self.targets[places]

    def only(self, places: np.ndarray) -> "Rows":
        return self._replace(places=places)


def pictures(folder: Path, listed: Sequence[Image], shape: Shape, classes: Sequence[Any]) -> Rows:
    """Every image, decoded once into a file of bytes."""
    targets = images.targets_of(folder, listed, classes)
    return Rows(images.laid_down(folder, listed, shape), targets, np.arange(len(listed)))


class Table(NamedTuple):
    """A table's features, encoded, and its labels."""

    frame: pd.DataFrame
    inputs: np.ndarray
    labels: pd.Series
    encode: Pipeline


def table(path: Path, facts: Facts | None, encode: Pipeline | None = None) -> Table:
    """The table at `path`, encoded by a given encoder or its own. Raises Refusal for what breaks the schema."""
    read = tables.read(path, facts)
    if facts is not None:
        checks.check(read, facts)
    labels, frame = encoding.target(read, facts), encoding.features(read, facts)
    if frame.empty:
        raise Refusal(f"table {path} has no rows")
    encode = encode or encoding.encoder(frame, facts)
    return Table(frame, np.asarray(encode.transform(frame), dtype=np.float32), labels, encode)


def of_table(read: Table, classes: Sequence[Any]) -> Rows:
    """Encoded rows with each label as its place among the classes."""
    return Rows(read.inputs, training.places_of(read.labels.tolist(), classes), np.arange(len(read.labels)))
