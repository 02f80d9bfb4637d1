"""From an MLTable folder, or a file of rows, to one table of pandas.

Stands by itself, for processes that import nothing of mlp. Paths may not leave the folder: what counts for the cache is
what lies in it.
"""

import glob
import os
from collections.abc import Callable
from typing import Any


class TableError(Exception):
    """A table that cannot be read here; the message says why."""


def read(path: str) -> Any:
    """The rows. Raises TableError."""
    import pandas as pd

    if not os.path.isdir(path):
        return _file(path, _reader_of(path), {})
    document = _described(path)
    reading, changes = _steps(document)
    files = _files(path, document)
    if not files:
        raise TableError(f"`{path}` names no file with rows")
    parts = [_file(file, *(reading or (_reader_of(file), {}))) for file in files]
    table = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    for name, value in changes:
        table = _CHANGES[name](table, value)
    return table


def _described(folder: str) -> dict[str, Any]:
    import yaml

    path = os.path.join(folder, "MLTable")
    if not os.path.exists(path):
        return {}
    try:
        with open(path, "rb") as file:
            document = yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        raise TableError(f"`{path}` cannot be read: {' '.join(str(error).split())}") from None
    return document if isinstance(document, dict) else {}


def _steps(document: dict[str, Any]) -> tuple[tuple[str, dict[str, Any]] | None, list[tuple[str, Any]]]:
    reading = None
    changes = []
    for item in document.get("transformations") or ():
        name, value = next(iter(item.items())) if isinstance(item, dict) and item else (str(item), None)
        if name in _READERS:
            reading = (name, value if isinstance(value, dict) else {})
        elif name in _CHANGES:
            changes.append((name, value))
        else:
            raise TableError(f"the MLTable says `{name}`, which is not done here")
    return reading, changes


def _files(folder: str, document: dict[str, Any]) -> list[str]:
    root = os.path.realpath(folder)
    found: list[str] = []
    for item in document.get("paths") or [{"folder": "."}]:
        kind, value = next(iter(item.items())) if isinstance(item, dict) and item else ("file", item)
        text = str(value).removeprefix("file://")
        if "://" in text or text.startswith("azureml:"):
            raise TableError(f"the MLTable names `{text}`, which is not on this machine")
        place = os.path.join(root, text)
        if kind == "pattern":
            some = sorted(glob.glob(place, recursive=True))
        elif kind == "folder" or os.path.isdir(place):
            some = sorted(glob.glob(os.path.join(glob.escape(place), "**"), recursive=True))
        else:
            some = [place]
        for file in some:
            if os.path.commonpath([os.path.realpath(file), root]) != root:
                raise TableError(f"the MLTable names `{text}`, which lies outside of its folder")
            if not os.path.exists(file):
                raise TableError(f"the MLTable names `{text}`, which is not there")
            if os.path.isfile(file) and os.path.basename(file) != "MLTable":
                found.append(file)
    return found


def _file(path: str, reader: str, options: dict[str, Any]) -> Any:
    try:
        return _READERS[reader](path, options)
    except TableError:
        raise
    except Exception as error:
        raise TableError(f"`{path}` cannot be read: {' '.join(str(error).split())}") from None


def _reader_of(path: str) -> str:
    ending = os.path.splitext(path)[1].lower()
    return {".parquet": "read_parquet", ".jsonl": "read_json_lines", ".ndjson": "read_json_lines"}.get(
        ending, "read_delimited"
    )


def _delimited(path: str, options: dict[str, Any]) -> Any:
    import pandas as pd

    header = str(options.get("header", "all_files_same_headers"))
    encoding = {"utf8": "utf-8", "iso88591": "latin-1", "utf16": "utf-16", "utf32": "utf-32"}
    return pd.read_csv(
        path,
        sep=options.get("delimiter") or ("\t" if path.endswith(".tsv") else ","),
        header=None if header == "no_header" else 0,
        encoding=encoding.get(str(options.get("encoding", "utf8")), str(options.get("encoding", "utf8"))),
        dtype=str if options.get("infer_column_types") is False else None,
    )


def _parquet(path: str, _: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _json_lines(path: str, _: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.read_json(path, lines=True)


_READERS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "read_delimited": _delimited,
    "read_parquet": _parquet,
    "read_json_lines": _json_lines,
}


def _columns(table: Any, value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    for name in names:
        if name not in table.columns:
            raise TableError(f"the MLTable names the column `{name}`, which the table does not have")
    return list(names)


def _kept(table: Any, value: Any) -> Any:
    return table[_columns(table, value)]


def _dropped(table: Any, value: Any) -> Any:
    return table.drop(columns=_columns(table, value))


def _taken(table: Any, value: Any) -> Any:
    return table.head(int(value))


def _skipped(table: Any, value: Any) -> Any:
    return table.iloc[int(value) :].reset_index(drop=True)


def _sampled(table: Any, value: Any) -> Any:
    options = value if isinstance(value, dict) else {"probability": value}
    return table.sample(frac=float(options["probability"]), random_state=options.get("seed", 0)).sort_index()


def _converted(table: Any, value: Any) -> Any:
    import pandas as pd

    for item in value if isinstance(value, list) else [value]:
        kind = item.get("column_type")
        name = next(iter(kind)) if isinstance(kind, dict) else kind
        for column in _columns(table, item.get("columns")):
            try:
                if name == "datetime":
                    table = table.assign(**{column: pd.to_datetime(table[column])})
                else:
                    table = table.assign(**{column: table[column].astype(_TYPES[name])})
            except (KeyError, ValueError, TypeError) as error:
                raise TableError(f"the column `{column}` cannot be made `{name}`: {error}") from None
    return table


_TYPES = {"int": "int64", "float": "float64", "double": "float64", "string": "str", "boolean": "bool"}
_CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "keep_columns": _kept,
    "drop_columns": _dropped,
    "take": _taken,
    "skip": _skipped,
    "take_random_sample": _sampled,
    "convert_column_types": _converted,
}
