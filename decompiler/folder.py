"""From a folder to the programs that its YAML becomes: what each is made of, and where it goes.

A pipeline is a program of its own, beside its YAML. The other definitions of a folder (environments, assets,
endpoints, deployments, schedules) are one program together, named after the folder, in which they name each other.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from mlp_lang.decompiler.definitions import kind_of
from mlp_lang.decompiler.document import load
from mlp_lang.lowering.checker.document import Findings

_SKIPPED = frozenset({"node_modules", "__pycache__"})
_JOBS = re.compile(rb"^jobs[ \t]*:", re.MULTILINE)
_DEFINES = re.compile(
    rb"^\$schema[ \t]*:.*(endpoint|deployment|environment|data|model|schedule)\.schema\.json", re.I | re.MULTILINE
)


class Found(NamedTuple):
    """The sources of a program: one pipeline, or the definitions of a folder. `target` is where it goes."""

    sources: tuple[str, ...]
    target: str
    is_pipeline: bool


def programs(folder: str, out: str) -> list[Found]:
    """The programs for all below a folder, in the same layout below ``out``, sorted. Hidden folders are left out."""
    pipelines: list[str] = []
    groups: list[tuple[str, tuple[str, ...]]] = []
    for here, paths in _files(folder):
        jobs = [path for path in paths if _says(path, _JOBS)]
        pipelines += jobs
        defined = tuple(path for path in paths if path not in jobs and is_definition(path))
        if defined:
            groups.append((here, defined))
    found = []
    taken: set[str] = set()
    for path in pipelines:
        stem, ending = os.path.splitext(os.path.relpath(path, folder))
        found.append(Found((path,), _free(out, (stem, f"{stem}_{ending[1:]}"), taken), True))
    for here, defined in groups:
        name = os.path.basename(os.path.abspath(here)) or "definitions"
        stem = os.path.join(os.path.relpath(here, folder), name)
        found.append(Found(defined, _free(out, (stem, f"{stem}_definitions"), taken), False))
    return sorted(found, key=lambda one: (os.path.dirname(one.sources[0]), not one.is_pipeline, one.sources))


def definitions_below(folder: str) -> list[str]:
    """YAML files below a folder that define something beside a pipeline, components among them, sorted."""
    return [path for _, paths in _files(folder) for path in paths if is_definition(path, components=True)]


def is_definition(path: str, components: bool = False) -> bool:
    """Whether a YAML file defines something beside pipelines; one that says so and cannot be read does, too."""
    document = load(path, Findings(path))
    if document is None:
        return _says(path, _DEFINES)
    kind = None if "jobs" in document.root.fields() else kind_of(document.root)
    return kind is not None and (kind != "component" or components)


def _files(folder: str) -> Iterator[tuple[str, list[str]]]:
    """The folders below a folder, and the YAML files in each."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        named = sorted(name for name in files if name.endswith((".yml", ".yaml")))
        yield here, [os.path.normpath(os.path.join(here, name)) for name in named]


def _says(path: str, what: re.Pattern[bytes]) -> bool:
    try:
        with open(path, "rb") as file:
            return what.search(file.read()) is not None
    except OSError:
        return False


def _free(out: str, stems: tuple[str, str], taken: set[str]) -> str:
    """Where a program goes: by the first of its names that no other has."""
    target = next((t for t in (f"{stem}.mlp" for stem in stems) if t not in taken), f"{stems[1]}.mlp")
    taken.add(target)
    return os.path.normpath(os.path.join(out, target))
