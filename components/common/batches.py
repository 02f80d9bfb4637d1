"""From a table of any size to its rows a batch at a time, typed as `tables.read` does, and as Arrow to be written.

Parquet comes as its own Arrow record batches and is written as it came; CSV is read line by line, and written in the
types that the schema says. No more than one batch is held.
"""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from common import tables
from common.entry import Refusal
from common.facts import Facts, Kind

TYPES = {Kind.INTEGER: pa.int64(), Kind.NUMBER: pa.float64(), Kind.BOOLEAN: pa.bool_()}
"""How columns of CSV are written; any other is text."""


class Batch(NamedTuple):
    """Some rows in a row: `frame` for the row check, `kept` gives those of a mask as Arrow."""

    frame: pd.DataFrame
    kept: Callable[[np.ndarray], pa.Table]


class Batches(NamedTuple):
    """A table: the Arrow schema that every batch has, and the batches, to be gone through once."""

    schema: pa.Schema
    batches: Iterator[Batch]


def read(path: Path | str, facts: Facts, size: int) -> Batches:
    """The table at `path`, `size` rows at a time. Raises Refusal, also while it is read, for what is no table."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(65536)
    except OSError as error:
        raise Refusal(f"table {path}: {error.strerror or error}") from None
    if start.startswith(tables.PARQUET):
        return _parquet(path, facts, size)
    if b"\0" in start:
        raise Refusal(f"table {path} is neither CSV nor Parquet")
    return _csv(path, facts, size)


def _parquet(path: Path, facts: Facts, size: int) -> Batches:
    def batches() -> Iterator[Batch]:
        try:
            for batch in file.iter_batches(batch_size=size):
                table = pa.Table.from_batches([batch])
                frame = table.to_pandas(ignore_metadata=True)
                yield Batch(tables.typed(frame, facts, path), partial(_filtered, table))
        except (pa.ArrowException, OSError) as error:
            raise Refusal(f"table {path} cannot be read to its end: {type(error).__name__}") from None

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise Refusal(f"table {path} begins like Parquet but cannot be read: {type(error).__name__}") from None
    return Batches(file.schema_arrow, batches())


def _csv(path: Path, facts: Facts, size: int) -> Batches:
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise Refusal(f"table {path} is empty")
    cells, known = tables.header(first, path, facts)
    names = known or cells
    kinds = {name: TYPES.get(facts.columns[name].kind) if name in facts.columns else None for name in names}
    schema = pa.schema([(name, kind or pa.string()) for name, kind in kinds.items()])
    separator = tables.separator_of(first)
    reader = csv.reader(chain([first], lines), delimiter=separator, skipinitialspace=True)

    def batches() -> Iterator[Batch]:
        rows = (line for line in reader if len(line) > 1 or any(map(str.strip, line)))
        if known is None:
            next(rows)
        done = 0
        try:
            while part := list(islice(rows, size)):
                for number, line in enumerate(part, start=done + 1):
                    if len(line) != len(names):
                        cells = f"{len(line)} cells in row {number}, its header has {len(names)}"
                        raise Refusal(f"table {path} has {cells}; mend the row")
                done += len(part)
                columns = zip(names, zip(*part, strict=True), strict=True)
                texts = {name: pd.Series([c.strip() or None for c in cells], dtype=object) for name, cells in columns}
                frame = tables.typed(pd.DataFrame(texts), facts, path)
                yield Batch(frame, partial(_arrow, frame, schema, path))
        except csv.Error as error:
            raise Refusal(f"table {path} is not well-formed CSV in line {reader.line_num}: {error}") from None

    return Batches(schema, batches())


def _lines(path: Path) -> Iterator[str]:
    """The lines from the first that is neither blank nor a comment of the UCI repository's."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            begun = False
            for place, line in enumerate(line for line in stream if begun or line.strip()):
                if place == 0 and line.startswith(tables.COMMENT):
                    continue
                begun = True
                yield line
    except UnicodeDecodeError as error:
        raise Refusal(f"table {path} is not UTF-8 ({error.reason})") from None


def _filtered(table: pa.Table, kept: np.ndarray) -> pa.Table:
    return table.filter(pa.array(kept))


def _arrow(frame: pd.DataFrame, schema: pa.Schema, path: Path, kept: np.ndarray) -> pa.Table:
    frame = frame[kept]
    try:
        columns = [pa.array([_cell(c, f.type) for c in frame[f.name].tolist()], f.type) for f in schema]
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise Refusal(f"table {path} has cells that Parquet cannot hold: {type(error).__name__}") from None
    return pa.Table.from_arrays(columns, schema=schema)


def _cell(cell: Any, kind: pa.DataType) -> Any:
    if cell is None or cell is pd.NA or cell != cell:
        return None
    if pa.types.is_string(kind):
        return cell if isinstance(cell, str) else tables.spell(cell)
    return int(cell) if pa.types.is_integer(kind) else cell
