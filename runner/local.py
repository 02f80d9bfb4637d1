"""From mlp.toml and `--map` to what stands here for what is elsewhere: data, components, environments.

[local-data]
"azureml:census:3" = "data/census.csv"
"azureml://datastores/raw/paths/*" = "data/raw/"

[local-components]
"azureml:clean:1" = "components/clean/component.yml"

[local-environments]
"azureml:sklearn-1.5@latest" = "environments/sklearn.yml"
"""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from mlp_lang.compiler.commandline import PATH
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span, display_path

CONFIG = "mlp.toml"
PREFIX = "local-"
SECTIONS = ("data", "components", "environments")
HERE = "installed"
"""What an environment may be mapped to instead of a file: what this interpreter has is good for it."""
_LATEST = re.compile(r"/labels/latest\Z")
_VERSION = re.compile(r"(?:/versions/[^/]+|/labels/[^/]+)\Z")
_ASSET = re.compile(r"(azureml:[A-Za-z0-9][\w.-]*)(?::[^/:@]+|@[^/:@]+)?\Z")


class Mapped(NamedTuple):
    """A local path for an address, and where it is said."""

    path: str  # absolute, or `installed`
    span: Span


class Local:
    """What stands here for what is elsewhere. `home` is the folder of mlp.toml, or where it would lie."""

    def __init__(self, tables: Mapping[str, Mapping[str, Mapped]], home: str, file: str) -> None:
        self._tables = tables
        self.home = home
        self.file = file  # as people read it

    def find(self, section: str, address: str) -> Mapped | None:
        """What stands for an address: said of just this, else of the asset in any version, else of a pattern that ends
        in `*` (the longest). None also for what a pattern would lead out of its folder."""
        table = self._tables.get(section, {})
        for name in (address, _LATEST.sub("@latest", address), address.rstrip("/"), unversioned(address)):
            if name in table:
                return table[name]
        for pattern in sorted((p for p in table if p.endswith("*")), key=len, reverse=True):
            if address.startswith(pattern[:-1]):
                mapped = table[pattern]  # a file, or `installed`, stands for all of them
                return _below(mapped, address[len(pattern) - 1 :]) if os.path.isdir(mapped.path) else mapped
        return None

    def component(self, address: str) -> str | None:
        """The file of a registered component."""
        found = self.find("components", address)
        return found.path if found is not None else None


NOTHING = Local({}, "", CONFIG)


def unversioned(address: str) -> str:
    """An asset's address without its version or label."""
    match = _ASSET.match(address)
    return match[1] if match else _VERSION.sub("", address)


def line(section: str, address: str) -> str:
    """What to write into mlp.toml for something that is not mapped."""
    return f"{json.dumps(address)} = {json.dumps(_suggestion(section, address))}"


def _suggestion(section: str, address: str) -> str:
    plain = unversioned(address).rstrip("/*")
    name = re.split(r"[/:]", plain)[-1] or "name"
    if section == "components":
        return f"components/{name}/component.yml"
    return f"environments/{name}.yml" if section == "environments" else f"data/{name}"


def _below(mapped: Mapped, rest: str) -> Mapped | None:
    root = os.path.realpath(mapped.path)
    path = os.path.join(mapped.path, rest.lstrip("/")) if rest else mapped.path
    if not (os.path.realpath(path) + os.sep).startswith(root.rstrip(os.sep) + os.sep):
        return None
    return mapped._replace(path=path)


def read_local(start: str, words: Iterable[str] = ()) -> tuple[Local, list[Diagnostic]]:
    """The mappings for a program in the folder `start`: the nearest mlp.toml in it or above, and then `words`
    (`ADDRESS=PATH`, as `--map` takes them), which win. What is wrong is in the diagnostics."""
    problems: list[Diagnostic] = []
    tables: dict[str, dict[str, Mapped]] = {section: {} for section in SECTIONS}
    home = _nearest(os.path.abspath(start))
    file = os.path.join(home or os.path.abspath(start), CONFIG)
    shown = display_path(Path(file))
    if home is not None:
        _read(file, shown, tables, problems)
    for word in words:
        _word(word, tables, problems)
    return Local(tables, home or os.path.abspath(start), shown), problems


def _nearest(folder: str) -> str | None:
    while True:
        if os.path.isfile(os.path.join(folder, CONFIG)):
            return folder
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _read(file: str, shown: str, tables: dict[str, dict[str, Mapped]], problems: list[Diagnostic]) -> None:
    source = Source(shown, "")
    try:
        with open(file, "rb") as stream:
            data = stream.read()
        source = Source(shown, data.decode("utf-8"))
        document = tomllib.loads(source.text.replace("\r\n", "\n"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.append(Diagnostic("MLP0970", f"cannot read `{shown}`: {reason}", _at_line(source, str(error))))
        return
    for name, table in document.items():
        section = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX):
            continue  # another part's
        if section not in SECTIONS:
            known = ", ".join(f"[{PREFIX}{s}]" for s in SECTIONS)
            where = _text(source, f"[{name}]")
            problems.append(Diagnostic("MLP0970", f"`{shown}` has no section [{name}]", where, help=f"it has {known}"))
        elif not isinstance(table, dict):
            problems.append(Diagnostic("MLP0970", f"`{name}` must be a table", _text(source, name)))
        else:
            for address, path in table.items():
                _entry(section, address, path, os.path.dirname(file), _text(source, address), tables, problems)


def _word(word: str, tables: dict[str, dict[str, Mapped]], problems: list[Diagnostic]) -> None:
    """`--map`: what is mapped decides whether it is data, a component or an environment."""
    address, equals, path = word.rpartition("=")
    start = Span(Source(PATH, f"--map {word}"), 6, 6 + len(word))
    if not equals or not address or not path:
        message = f"`--map {word}` says nothing"
        problems.append(Diagnostic("MLP0970", message, start, help="write it as --map ADDRESS=PATH"))
        return
    stated, _, rest = address.partition("=") if address.startswith(tuple(f"{s}=" for s in SECTIONS)) else ("", "", "")
    sections = (stated,) if stated else _sections(address)
    for section in sections:
        _entry(section, rest or address, path, os.getcwd(), start, tables, problems if section == sections[0] else [])


def _sections(address: str) -> tuple[str, ...]:
    for section in SECTIONS:
        if f"/{section}/" in address and address.startswith("azureml:"):
            return (section,)
    return SECTIONS  # a name alone: whoever asks for it as one of them finds it


def _entry(
    section: str,
    address: str,
    path: object,
    folder: str,
    span: Span,
    tables: dict[str, dict[str, Mapped]],
    problems: list[Diagnostic],
) -> None:
    if not isinstance(path, str) or not path:
        problems.append(Diagnostic("MLP0970", f"`{address}` must be mapped to a path, in quotes", span))
        return
    if section == "environments" and path == HERE:
        tables[section][address] = Mapped(HERE, span)
        return
    full = os.path.normpath(os.path.join(folder, os.path.expanduser(path)))
    if not os.path.exists(full):
        message = f"`{address}` is mapped to `{path}`, which does not exist"
        problems.append(Diagnostic("MLP0970", message, span, help="paths are relative to the folder of mlp.toml"))
        return
    if section == "data" and address.endswith("*") and not os.path.isdir(full):
        message = f"`{address}` stands for many, and `{path}` is no folder"
        problems.append(Diagnostic("MLP0970", message, span))
        return
    tables[section][address] = Mapped(full, span)


def _text(source: Source, text: str) -> Span:
    at = source.text.find(text)
    return Span(source, max(at, 0), max(at, 0) + (len(text) if at >= 0 else 0))


def _at_line(source: Source, message: str) -> Span:
    found = re.search(r"at line (\d+)", message)
    starts = source.line_starts
    number = min(int(found[1]), len(starts)) if found else len(starts) if "end of document" in message else 1
    start = starts[number - 1]
    return Span(source, start, start + len(source.line(number)))
