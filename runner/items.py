"""From what a run-time `for each` goes over to its items: a label and what each entry is, as bindings of the body.

Items are a list or map of maps, as the program has them, as JSON in a parameter or in a step's output. Where the loop
takes one entry, they may also be the files and folders in a folder, or what an MLTable lists; of an MLTable of
delimited text or of JSON lines each row is an item.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Asset, Binding, FromInput, FromNode, Literal, Node, Parameter, Value
from mlp_lang.compiler.yaml_files import BadYaml, load_yaml
from mlp_lang.runner.bindings import PRIMITIVES, BindingError, Sources, located, reference_of
from mlp_lang.runner.expand import body_of

MLTABLE = "MLTable"
LARGEST = 64 << 20
"""Bytes of a file that is read for items."""
MOST = 10_000
"""Items of one loop: more are a mistake, and would be a process each."""
LONGEST = 40
"""Letters of a label, which names folders."""
_REMOTE = re.compile(r"(?:azureml:|[A-Za-z][A-Za-z0-9+.-]+://)")


class Item(NamedTuple):
    """One turn of a loop: `label` names it, `given` are inputs of the body."""

    label: str
    given: dict[str, Binding]


def items_of(loop: Node, where: Sources) -> list[Item]:
    """The items of a flat `parallel_for` whose needs are met. Raises BindingError."""
    control = loop.control
    assert control is not None
    folder = loop.component.folder
    raw: Any
    if isinstance(control.items, Literal):
        raw = control.items.value
    elif control.items is None:
        raise _unusable(loop, "it has no items")
    else:
        found = located(control.items, Parameter("items", "string", "string", optional=True), where, loop)
        if found is None:
            raise _unusable(loop, "they have no value")
        raw = found.text
        if found.path is not None:
            raw, folder = _read(loop, found.path)
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _unusable(loop, f"they are no JSON: {error}") from None
    if isinstance(raw, list):
        pairs = [(str(number), item) for number, item in enumerate(raw, 1)]
    elif isinstance(raw, dict):
        pairs = [(str(key), item) for key, item in raw.items()]
    else:
        raise _unusable(loop, "they are neither a list nor a map")
    if len(pairs) > MOST:
        raise _unusable(loop, f"they are {len(pairs):,}, and more than {MOST:,} are taken for a mistake")
    labels: set[str] = set()
    return [Item(_label(key, labels), _given(loop, key, item, folder)) for key, item in pairs]


def _label(key: str, taken: set[str]) -> str:
    """A key as a part of names and paths, which it may have been written to break."""
    label = short = re.sub(r"[^A-Za-z0-9_-]", "_", key)[:LONGEST] or "_"
    number = 2
    while label in taken:
        label = f"{short}_{number}"
        number += 1
    taken.add(label)
    return label


def _given(loop: Node, key: str, item: Any, folder: str) -> dict[str, Binding]:
    assert loop.control is not None
    parameters = {p.name: p for p in body_of(loop).component.inputs}
    if not isinstance(item, dict):
        raise _unusable(loop, f"item {key} is no map", "each item is a map from inputs of the body to values")
    wanted = loop.control.keys
    lacking = [name for name in wanted if name not in item]
    if lacking:
        has = ", ".join(f"`{k}`" for k in item) or "nothing"
        raise _unusable(loop, f"item {key} has no `{lacking[0]}`, which the body takes; it has {has}")
    given: dict[str, Binding] = {}
    for name, value in item.items():
        if name not in parameters:
            has = ", ".join(f"`{k}`" for k in parameters) or "none"
            raise _unusable(loop, f"item {key} has `{name}`, which is no input of the body", f"its inputs are {has}")
        given[name] = _binding(value, parameters[name], folder)
    return given


def _binding(value: Value, parameter: Parameter, folder: str) -> Binding:
    match value:
        case {"path": str() as path, **rest}:
            return _asset(path, str(rest.get("type") or parameter.azure_type), folder, rest.get("mode"))
        case str() if (bound := reference_of(value)) is not None:
            return bound
        case str() if parameter.azure_type not in PRIMITIVES:
            return _asset(value, parameter.azure_type, folder)
        case _:
            return Literal(value)


def _asset(path: str, kind: str, folder: str, mode: object = None) -> Asset:
    remote = _REMOTE.match(path) is not None
    place = path if remote else os.path.normpath(os.path.join(folder, path))
    return Asset(kind, place, not remote, mode if isinstance(mode, str) else None)


def _read(loop: Node, path: str) -> tuple[Any, str]:
    """Items in a file or folder, and the folder that paths in them are relative to."""
    try:
        if not os.path.isdir(path):
            return _text(path), os.path.dirname(path)
        if os.path.isfile(os.path.join(path, MLTABLE)):
            return _table(loop, path), path
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        documents = [name for name in names if name.endswith(".json")]
        if len(documents) == 1 and names == documents:
            return _text(os.path.join(path, documents[0])), path
        key = _single(loop, f"the {len(names)} files and folders in `{os.path.basename(path)}`")
        return {name: {key: os.path.join(path, name)} for name in names}, path
    except OSError as error:
        raise _unusable(loop, f"`{error.filename}`: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError, csv.Error, BadYaml) as error:
        raise _unusable(loop, str(error)) from None


def _text(path: str) -> str:
    if os.path.getsize(path) > LARGEST:
        raise ValueError(f"the file that holds them has more than {LARGEST >> 20} MiB")
    with open(path, encoding="utf-8-sig") as file:
        return file.read()


def _single(loop: Node, what: str) -> str:
    """The one input that a file, which has no entries, can go to."""
    assert loop.control is not None
    if len(loop.control.keys) == 1:
        return loop.control.keys[0]
    takes = ", ".join(f"`{k}`" for k in loop.control.keys) or "no entry that is known before"
    raise _unusable(loop, f"{what} are items for one input, and the body takes {takes}")


def _table(loop: Node, folder: str) -> Any:
    document = load_yaml(os.path.join(folder, MLTABLE))
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, list):
        raise ValueError("their MLTable lists no paths")
    files = list(_listed(folder, paths))
    steps = document.get("transformations") or []
    rows = [row for step in steps for row in _rows(loop, step, files)]
    if rows or any(_kind(step)[0] in _READERS for step in steps):
        return rows
    key = _single(loop, f"the {len(files)} paths of an MLTable")
    return [{key: path} for path in files]


def _listed(folder: str, paths: list[Any]) -> Iterator[str]:
    root = os.path.realpath(folder)
    for entry in paths:
        said = next(iter(entry.values()), None) if isinstance(entry, dict) and len(entry) == 1 else None
        if not isinstance(said, str) or _REMOTE.match(said):
            raise ValueError(f"their MLTable has the path {json.dumps(entry)}, no local file, folder or pattern")
        if "pattern" in entry:
            import glob

            found = sorted(glob.glob(said, root_dir=folder, recursive=True))
        else:
            found = [said]
        for name in found:
            path = os.path.normpath(os.path.join(folder, name))
            if os.path.commonpath([root, os.path.realpath(path)]) != root:
                raise ValueError(f"their MLTable has the path `{name}`, which leads out of its folder")
            yield path


_READERS = ("read_delimited", "read_json_lines")


def _kind(step: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(step, str):
        return step, {}
    if isinstance(step, dict) and len(step) == 1:
        name, options = next(iter(step.items()))
        return str(name), options if isinstance(options, dict) else {}
    return "", {}


def _rows(loop: Node, step: Any, files: list[str]) -> Iterator[dict[str, Any]]:
    """The rows that a table is read to, as far as the loop takes their columns."""
    assert loop.control is not None
    name, options = _kind(step)
    wanted = loop.control.keys
    for path in files if name in _READERS else ():
        lines = _text(path).splitlines()
        rows: Iterator[Any]
        if name == "read_delimited":
            rows = csv.DictReader(lines, delimiter=str(options.get("delimiter", ","))[:1] or ",")
        else:
            rows = (json.loads(line) for line in lines if line.strip())
        for row in rows:
            if isinstance(row, dict) and wanted:
                yield {key: row[key] for key in wanted if key in row}
            else:
                yield row


def _unusable(loop: Node, why: str, help: str = "") -> BindingError:
    items = loop.control.items if loop.control is not None else None
    span = items.span if isinstance(items, Literal | FromInput | FromNode) else None
    return BindingError("MLP0960", f"the items of `{loop.title or loop.name}` cannot be used: {why}", help, span)
