"""From the data of a parallel job to its mini batches: lists of files, or pickled tables, and a list of them as JSON.

A process of its own, run by its path, so that pandas is there only while tables are cut. Usage: the specification of
the job, and the file to write; a line that begins with `mlp: ` says what cannot be done.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from glob import glob
from typing import Any
from urllib.parse import unquote, urlsplit


class RefusalError(Exception):
    """What cannot be done; the message is for a person."""


def main(spec: dict[str, Any], target: str) -> None:
    """Write the mini batches of `spec["data"]`, in an order that depends on the data alone. Raises RefusalError."""
    batches: list[dict[str, Any]] = []
    if spec["tabular"]:
        for index, (keys, part) in enumerate(_parts(spec)):
            path = os.path.join(os.path.dirname(target), f"{index}.pickle")
            part.to_pickle(path)
            batches.append({"number": index, "items": len(part), "files": [], "table": path, "keys": keys})
    else:
        for index, (keys, files) in enumerate(_groups(spec)):
            batches.append({"number": index, "items": len(files), "files": files, "table": "", "keys": keys})
    with open(target, "w", encoding="utf-8") as file:
        json.dump(batches, file)


def _groups(spec: dict[str, Any]) -> Iterator[tuple[dict[str, str], list[str]]]:
    root, keys, size = spec["data"], spec["keys"], spec["size"]
    document = described(root) if os.path.isdir(root) else {}
    files = [root] if not os.path.isdir(root) else listed(root, document) if document else _walk(root)
    if not keys:
        for start in range(0, len(files), size):
            yield {}, files[start : start + size]
        return
    forms = [how for what, how in map(_step, document.get("transformations") or ()) if what == _FROM_PATH]
    found: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        said = _named(str(_form(forms[0])), file) if forms else _folders(os.path.relpath(file, root))
        lacking = [key for key in keys if key not in said]
        if lacking:
            place = os.path.relpath(file, root)
            raise RefusalError(f"`{place}` lies in no folder `{lacking[0]}=…`, by which the data is to be split")
        found.setdefault(tuple(said[key] for key in keys), []).append(file)
    for values in sorted(found):
        yield dict(zip(keys, values, strict=True)), found[values]


def _folders(path: str) -> dict[str, str]:
    """What folders that are called `key=value` say of a file."""
    return dict(part.split("=", 1) for part in path.split(os.sep)[:-1] if "=" in part)


def _parts(spec: dict[str, Any]) -> Iterator[tuple[dict[str, str], Any]]:
    import pandas as pd

    frames = list(tables(spec["data"]))
    keys = spec["keys"]
    if not keys:
        for frame, size in frames:
            rows = max(1, int(len(frame) * spec["size"] / size)) if size else max(1, len(frame))
            for start in range(0, len(frame), rows):
                yield {}, frame.iloc[start : start + rows].reset_index(drop=True)
        return
    whole = pd.concat([frame for frame, _ in frames], ignore_index=True) if frames else pd.DataFrame()
    lacking = [key for key in keys if key not in whole.columns]
    if lacking:
        raise RefusalError(f"the table has no column `{lacking[0]}`, by which it is to be split")
    for values, part in whole.groupby(list(keys), sort=True, dropna=False):
        yield dict(zip(keys, map(str, values), strict=True)), part.reset_index(drop=True)


def tables(path: str) -> Iterator[tuple[Any, int]]:
    """The tables of an MLTable folder, or of a file, each with its size on the disk. Raises RefusalError."""
    if not os.path.isdir(path):
        yield _read(path, _by_name(path), {}), os.path.getsize(path)
        return
    document = described(path)
    steps = [_step(step) for step in document.get("transformations") or ()]
    reading = [(name, said) for name, said in steps if name.startswith("read_")]
    left: dict[str, int] = {}  # rows that `take` and `skip` still want of all files together
    for file in listed(path, document):
        name, said = reading[0] if reading else (_by_name(file), {})
        frame = _read(file, name, said)
        for what, how in steps:
            if not what.startswith("read_"):
                if what not in _CHANGES:
                    raise RefusalError(f"the MLTable asks for `{what}`, which is not done here")
                frame = _CHANGES[what](frame, how, file, left)
        yield frame, os.path.getsize(file)


def described(folder: str) -> dict[str, Any]:
    """What the file MLTable of a folder says. Raises RefusalError."""
    import yaml

    path = os.path.join(folder, "MLTable")
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RefusalError(f"`{path}` cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise RefusalError(f"`{path}` is no mapping")
    return document


def listed(folder: str, document: dict[str, Any]) -> list[str]:
    """The files that an MLTable names, in its order; all files of the folder if it names none. Raises RefusalError."""
    found: list[str] = []
    for entry in document.get("paths") or ():
        kind, said = next(iter(entry.items())) if isinstance(entry, dict) and entry else ("file", entry)
        place = _local(folder, str(said))
        if kind == "pattern":
            some = sorted(p for p in glob(place, recursive=True) if os.path.isfile(p))
        elif kind == "folder" or os.path.isdir(place):
            some = _walk(place)
        else:
            some = [place] if os.path.isfile(place) else []
        if not some:
            raise RefusalError(f"the MLTable names `{said}`, and there is no such file")
        found += some
    return list(dict.fromkeys(f for f in found if os.path.basename(f) != "MLTable")) or _walk(folder)


def _local(folder: str, said: str) -> str:
    parts = urlsplit(said)
    if parts.scheme == "file":
        return unquote(parts.path)
    if "://" in said or said.startswith("azureml:"):
        raise RefusalError(f"the MLTable names `{said}`, which is not on this machine")
    return os.path.normpath(os.path.join(folder, said))


def _walk(root: str) -> list[str]:
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.join(folder, name) for name in names if not name.startswith(".") and name != "MLTable"]
    return sorted(found)


def _step(step: Any) -> tuple[str, Any]:
    if isinstance(step, dict) and step:
        name, said = next(iter(step.items()))
        return str(name), said if said is not None else {}
    return str(step), {}


def _by_name(file: str) -> str:
    ends = {".parquet": "read_parquet", ".pq": "read_parquet", ".jsonl": "read_json_lines", ".tsv": "read_tsv"}
    return ends.get(os.path.splitext(file)[1].lower(), "read_delimited")


def _read(file: str, name: str, said: Any) -> Any:
    import pandas as pd

    how = said if isinstance(said, dict) else {}
    try:
        if name == "read_parquet":
            return pd.read_parquet(file)
        if name == "read_json_lines":
            return pd.read_json(file, lines=True)
        if name not in ("read_delimited", "read_tsv"):
            raise RefusalError(f"the MLTable asks for `{name}`, which is not done here")
        header = str(how.get("header", "all_files_same_headers"))
        return pd.read_csv(
            file,
            sep="\t" if name == "read_tsv" else how.get("delimiter") or ",",
            encoding={"utf8": "utf-8", "iso88591": "latin-1"}.get(how.get("encoding", "utf8"), how.get("encoding")),
            header=None if header.endswith("no_header") else 0,
        )
    except RefusalError:
        raise
    except Exception as error:
        raise RefusalError(f"`{file}` cannot be read as a table: {' '.join(str(error).split())}") from None


def _take(frame: Any, said: Any, file: str, left: dict[str, int]) -> Any:
    number = left.setdefault("take", int(said if not isinstance(said, dict) else said.get("count", 0)))
    taken = frame.head(number)
    left["take"] -= len(taken)
    return taken


def _skip(frame: Any, said: Any, file: str, left: dict[str, int]) -> Any:
    number = min(len(frame), left.setdefault("skip", int(said if not isinstance(said, dict) else said.get("count", 0))))
    left["skip"] -= number
    return frame.iloc[number:].reset_index(drop=True)


def _kept(frame: Any, said: Any, file: str, left: dict[str, int]) -> Any:
    return frame[_columns(frame, said)]


def _dropped(frame: Any, said: Any, file: str, left: dict[str, int]) -> Any:
    return frame.drop(columns=_columns(frame, said))


def _columns(frame: Any, said: Any) -> list[str]:
    names = [str(n) for n in said] if isinstance(said, list) else [str(said)]
    lacking = [n for n in names if n not in frame.columns]
    if lacking:
        raise RefusalError(f"the MLTable names the column `{lacking[0]}`, which the table does not have")
    return names


_TYPES = {"int": "int64", "float": "float64", "double": "float64", "string": "str", "boolean": "bool", "bool": "bool"}


def _converted(frame: Any, said: Any, file: str, left: dict[str, int]) -> Any:
    import pandas as pd

    frame = frame.copy()
    for one in said if isinstance(said, list) else [said]:
        kind = one.get("column_type")
        name = kind if isinstance(kind, str) else next(iter(kind or {"": ""}))
        for column in _columns(frame, one.get("columns")):
            try:
                if name == "datetime":
                    frame[column] = pd.to_datetime(frame[column])
                elif name in _TYPES:
                    frame[column] = frame[column].astype(_TYPES[name])
                else:
                    raise RefusalError(f"the MLTable makes `{column}` a `{name}`, which is not done here")
            except (ValueError, TypeError) as error:
                raise RefusalError(f"`{column}` of `{file}` is no `{name}`: {error}") from None
    return frame


def _from_path(frame: Any, said: Any, file: str, left: dict[str, int]) -> Any:
    return frame.assign(**_named(_form(said), file))


def _form(said: Any) -> str:
    return str(said.get("partition_format", "") if isinstance(said, dict) else said)


def _named(form: str, file: str) -> dict[str, str]:
    """What stands at the places of `{name}` in a partition format, which ends the file's path. Raises RefusalError."""
    pattern = "".join(
        f"(?P<{m[1]}>[^/]+)" if m[1] else re.escape(m[0]).replace(r"\*", "[^/]*")
        for m in re.finditer(r"\{(\w+)(?::[^}]*)?\}|[^{]+|\{", form.lstrip("/"))
    )
    match = re.search(f"(?:^|/){pattern}$", file)
    if match is None:
        raise RefusalError(f"`{file}` does not lie as the partition format `{form}` says")
    return match.groupdict()


_FROM_PATH = "extract_columns_from_partition_format"
_CHANGES: dict[str, Callable[[Any, Any, str, dict[str, int]], Any]] = {
    "take": _take,
    "skip": _skip,
    "keep_columns": _kept,
    "drop_columns": _dropped,
    "convert_column_types": _converted,
    _FROM_PATH: _from_path,
}
"""Of what an MLTable may ask for after reading, that which is done here."""


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        told = json.load(stream)
    try:
        main(told, sys.argv[2])
    except RefusalError as refusal:
        print(f"mlp: {refusal}", flush=True)
        sys.exit(1)
