"""From a table to encoded rows that a network trains on; a table that the schema describes is never held as a whole.

Where every column is bounded, the encoder needs no rows: the table is read a batch at a time, checked, encoded, and
laid down in a file of single-precision numbers that training reads from.
"""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import batches, encoding, rows, tables
from common import training as trainings
from common.entry import Refusal
from common.facts import Facts
from sklearn.pipeline import Pipeline

from networks.loop import Rows

BATCH = 65536


class Encoded(NamedTuple):
    """Rows as numbers, the label as the table has it, and what a saved model needs. `frame` is one row of features."""

    inputs: np.ndarray
    labels: pd.Series
    frame: pd.DataFrame
    encode: Pipeline


def read(path: Path, facts: Facts | None, encode: Pipeline | None = None) -> Encoded:
    """The table at `path`, encoded by a given encoder or its own. Raises Refusal for what breaks the schema."""
    if facts is None:
        raise Refusal("the label is not known; say `label = …` in the data's block")
    bounded = bool(facts.columns) and all(facts.columns[n].bounded for n in facts.features or ())
    if bounded or (encode is not None and facts.columns):
        return _by_batches(path, facts, encode)
    table = tables.read(path, facts)
    rows.check(table, facts)
    frame = encoding.features(table, facts)
    encode = encode or encoding.encoder(frame, facts)
    return Encoded(_encoded(encode, frame), encoding.target(table, facts), frame.head(1), encode)


def _by_batches(path: Path, facts: Facts, encode: Pipeline | None) -> Encoded:
    labels, first, many = [], None, 0
    with tempfile.TemporaryFile(prefix="mlp-rows-") as file:
        for batch in batches.read(path, facts, BATCH).batches:
            rows.check(batch.frame, facts)
            frame = encoding.features(batch.frame, facts)
            encode = encode or encoding.encoder(frame, facts)
            first = frame.head(1) if first is None else first
            labels.append(encoding.target(batch.frame, facts))
            file.write(_encoded(encode, frame).tobytes())
            many += len(frame)
        if first is None or encode is None:
            raise Refusal(f"table {path} has no rows")
        file.flush()
        inputs = np.memmap(file, dtype=np.float32, mode="r")  # keeps the file's pages after it is closed and gone
    return Encoded(inputs.reshape(many, -1), pd.concat(labels, ignore_index=True), first, encode)


def _encoded(encode: Pipeline, frame: pd.DataFrame) -> np.ndarray:
    return np.ascontiguousarray(encode.transform(frame), dtype=np.float32)


def split(training: Rows, fraction: float, seed: int) -> tuple[Rows, Rows | None]:
    """A share of the rows, drawn by the seed, as validation; none for 0. Raises Refusal where too few rows are left."""
    kept, held = trainings.parts(len(training.targets), fraction, seed)
    if held is None:
        return training, None
    return Rows(_part(training.inputs, kept), training.targets[kept]), Rows(
        _part(training.inputs, held), training.targets[held]
    )


def _part(inputs: np.ndarray, places: np.ndarray) -> np.ndarray:
    return _Selected(inputs, places) if isinstance(inputs, np.memmap) else inputs[places]  # type: ignore[return-value]


class _Selected:
    """Some rows of an array that stays where it is."""

    def __init__(self, inputs: np.ndarray, places: np.ndarray) -> None:
        self._inputs, self._places = inputs, places
        self.shape = (len(places), *inputs.shape[1:])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, wanted: Any) -> np.ndarray:
        return np.asarray(self._inputs[self._places[wanted]])
