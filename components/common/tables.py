"""From a path to a typed DataFrame and back: CSV (UCI's habits included) or Parquet, told by the first bytes.

Columns come in the schema's order where there is one. Missing values are NaN in number columns and None elsewhere. A
cell that its column's type does not admit stays as the text that it was, for the row check (rows.py) to report.
"""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.entry import Refusal
from common.facts import Column, Facts, Kind
from common.files import write_file

PARQUET = b"PAR1"
COMMENT = "|"  # the UCI repository's test files begin with a line like `|1x3 Cross validator`
MISSING = "?"
WORDS = {"true": True, "false": False, "True": True, "False": False}


def read(path: Path | str, facts: Facts | None = None) -> pd.DataFrame:
    """The table at `path`.

    A CSV file may have a header or, if a schema gives the names, none. Blanks after separators are skipped, `?` and the
    empty cell are missing (`?` is not where the column's vocabulary has it), a first line that begins with `|` is
    dropped, and a full stop after a label that the vocabulary knows without it is cut off.

    Raises Refusal for a file that is missing, empty, not a table, or not the schema's table.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
        frame = _read_parquet(path) if start == PARQUET else _read_csv(path.read_bytes(), path, facts)
    except OSError as error:
        raise Refusal(f"table {path}: {error.strerror or error}") from None
    if frame.empty:
        raise Refusal(f"table {path} has no rows")
    return frame if facts is None or not facts.columns else typed(frame, facts, path)


def write_parquet(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a table as Parquet, whole or not at all, without its index."""
    plain = frame.reset_index(drop=True)
    write_file(Path(path), lambda temporary: plain.to_parquet(temporary, index=False, engine="pyarrow"))


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, partitioning=None).to_pandas(ignore_metadata=True)
    except pa.ArrowException as error:
        raise Refusal(f"table {path} begins like Parquet but cannot be read: {type(error).__name__}") from None


def _read_csv(content: bytes, path: Path, facts: Facts | None) -> pd.DataFrame:
    """All cells as text, missing ones as None; column names from the header, or from the schema."""
    if b"\0" in content[:65536]:
        raise Refusal(f"table {path} is neither CSV nor Parquet")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"table {path} is not UTF-8 (byte {error.start})") from None
    text = text.lstrip("\r\n")
    if text.startswith(COMMENT):
        text = text.partition("\n")[2].lstrip("\r\n")
    if not text.strip():
        raise Refusal(f"table {path} is empty")
    first = text.splitlines()[0]
    cells, known = header(first, path, facts)
    names = known or cells
    lines = _lines(text, separator_of(first), path)
    if known is None:
        lines = lines[1:]
    for number, line in enumerate(lines, start=1):
        if len(line) != len(names):
            raise Refusal(f"table {path} has {len(line)} cells in row {number}, its other rows have {len(names)}")
    columns = zip(*lines, strict=True) if lines else ((),) * len(names)
    frame = pd.DataFrame(
        {
            name: pd.Series([cell.strip() or None for cell in column], dtype=object)
            for name, column in zip(names, columns, strict=True)
        }
    )
    return frame if facts is not None and facts.columns else _guess(frame)


def _lines(text: str, separator: str, path: Path) -> list[list[str]]:
    """Every line that is not blank, as cells. The csv module is strict where pandas pads and cuts rows silently."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        return [line for line in reader if len(line) > 1 or any(map(str.strip, line))]
    except csv.Error as error:
        raise Refusal(f"table {path} is not well-formed CSV in line {reader.line_num}: {error}") from None


def separator_of(first: str) -> str:
    """The separator of a CSV file by its first line."""
    return "," if "," in first else next((s for s in ";\t" if s in first), ",")


def header(first: str, path: Path, facts: Facts | None) -> tuple[list[str], list[str] | None]:
    """The cells of a CSV file's first line, and the names of its columns if that line is a row and no header."""
    cells = [cell.strip() for cell in next(csv.reader([first], delimiter=separator_of(first), skipinitialspace=True))]
    known = _names(cells, path, facts)
    names = known or cells
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refusal(f"table {path} has more than one column {twice[0]!r}")
    return cells, known


def _names(cells: list[str], path: Path, facts: Facts | None) -> list[str] | None:
    """The columns' names for a file without header, None for one with."""
    known = list(facts.columns) if facts is not None else []
    if not known:
        if any(_is_number(cell) or not cell for cell in cells):
            raise Refusal(f"table {path} has no header row; give its data a schema, which names the columns")
        return None
    if 2 * len(set(cells) & set(known)) >= len(cells):
        return None
    if len(cells) != len(known):
        raise Refusal(f"table {path} has {len(cells)} columns and no header; the schema has {len(known)}")
    return known


def _guess(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers where every cell that is not missing is one; for tables of which no schema is known."""
    for name in frame.columns:
        cells = frame[name].where(frame[name] != MISSING, None)
        numbers = pd.to_numeric(cells, errors="coerce")
        if numbers.notna().any() and not (numbers.isna() & cells.notna()).any():
            frame[name] = numbers
        else:
            frame[name] = cells.where(cells.notna(), None).astype(object)
    return frame


def typed(frame: pd.DataFrame, facts: Facts, path: Path) -> pd.DataFrame:
    """Columns in the schema's order (unknown ones after them) and of the schema's types."""
    missing = [name for name in facts.columns if name not in frame.columns and name in needed(facts)]
    if missing:
        raise Refusal(f"table {path} lacks the column {missing[0]!r} of the schema")
    ordered = [name for name in facts.columns if name in frame.columns]
    ordered += [name for name in frame.columns if name not in facts.columns]
    typed = {}
    for name in ordered:
        column = facts.columns.get(name)
        typed[name] = frame[name] if column is None else _convert(frame[name], column, name == facts.label)
    return pd.DataFrame(typed, index=frame.index)


def needed(facts: Facts) -> set[str]:
    """Columns without which a step cannot do its work."""
    return {*facts.required, *(facts.features or ()), *facts.sensitive, *([facts.label] if facts.label else [])}


def _convert(cells: pd.Series, column: Column, label: bool) -> pd.Series:
    """One column in its type; cells that do not fit stay as they are, and then the column's dtype is object."""
    if _fits(cells, column):
        return cells
    cells = cells.astype(object)
    cells = cells.where(cells.notna(), None)
    vocabulary = column.categories or ()
    if MISSING not in vocabulary:
        cells = cells.where(cells != MISSING, None)
    match column.kind:
        case Kind.INTEGER | Kind.NUMBER:
            return _numbers(cells, column)
        case Kind.BOOLEAN:
            cells = cells.map(lambda cell: WORDS.get(cell, cell) if isinstance(cell, str) else cell).astype(object)
            return cells.astype(bool) if cells.map(lambda cell: isinstance(cell, bool)).all() else cells
        case Kind.MIXED if vocabulary:
            spelled = {spell(x): x for x in vocabulary}
            return cells.map(lambda cell: spelled.get(cell, cell) if isinstance(cell, str) else cell).astype(object)
    if label and column.categories is not None:
        bare = {f"{x}.": x for x in vocabulary if f"{x}." not in vocabulary}
        return cells.map(lambda cell: bare.get(cell, cell)).astype(object)
    return cells


def _fits(cells: pd.Series, column: Column) -> bool:
    """Whether a column, read from Parquet, is of its type already."""
    if column.kind is Kind.INTEGER:
        return bool(pd.api.types.is_integer_dtype(cells.dtype)) and isinstance(cells.dtype, np.dtype)
    return column.kind is Kind.NUMBER and cells.dtype == np.float64


def _numbers(cells: pd.Series, column: Column) -> pd.Series:
    numbers = pd.to_numeric(cells.map(lambda x: None if isinstance(x, bool | np.bool_) else x), errors="coerce")
    wrong = (numbers.isna() | np.isinf(numbers.astype(float))) & cells.notna()
    if wrong.any():
        return cells.where(wrong | cells.isna(), numbers).astype(object)
    numbers = numbers.astype(float)
    if column.kind is Kind.INTEGER and numbers.notna().all() and _whole(numbers):
        return numbers.astype(np.int64)
    return numbers


def _whole(numbers: pd.Series) -> bool:
    """Whether every number is an integer that a float holds exactly."""
    return bool(((numbers == np.floor(numbers)) & (numbers.abs() < 2**53)).all())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def spell(value: Any) -> str:
    """A member of a vocabulary as a CSV file spells it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
