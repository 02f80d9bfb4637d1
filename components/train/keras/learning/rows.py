"""From folders of images and tables to inputs and targets that a network trains on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import encoding, images, tables
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
    known = {name: place for place, name in enumerate(classes)}
    if any(x not in known for x in read.labels.unique().tolist()):
        raise Refusal("a label is none of the classes of the training rows; give the label an `enum` in the schema")
    return Rows(read.inputs, np.array([known[x] for x in read.labels.tolist()]), np.arange(len(read.labels)))


def classes_of(labels: pd.Series, facts: Facts | None) -> tuple[Any, ...]:
    """The classes of a training: the schema's vocabulary, and without one the labels that there are."""
    known = facts.classes if facts is not None else None
    found = tuple(known) if known is not None else tuple(sorted(labels.unique().tolist()))
    if len(found) < 2:
        raise Refusal(f"the label has one class only ({found[0]!r}); a classifier needs two")
    return found


def split(places: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """A share of the rows, drawn by the seed, as validation; none for 0. Raises Refusal where too few are left."""
    held = round(len(places) * fraction) if fraction else 0
    if fraction and not 0 < held < len(places):
        raise Refusal(
            f"validation_fraction = {fraction:g} of {len(places)} rows leaves a part without rows; give more rows"
        )
    order = np.random.default_rng([seed, 0]).permutation(len(places))
    return (places[np.sort(order[held:])], places[np.sort(order[:held])]) if held else (places, None)
