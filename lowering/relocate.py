"""From a component's YAML as its author wrote it to the same document with its local paths pointing into a build.

Nothing else changes. Which fields hold paths depends on where they stand, not on the kind: `code`, environments,
`additional_includes`, a parallel `task`, a `flow`, and for each job of a pipeline its component and its data.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where each sort of path goes: functions from the path as it is written to what the build says instead."""

    code: Callable[[str], str]
    include: Callable[[str], str]
    conda: Callable[[str], str]
    context: Callable[[str], str]
    component: Callable[[str], str]
    folder: Callable[[str], str]
    data: Callable[[str], str]


def is_local(path: object) -> bool:
    """Whether a value of a definition is a path on this machine, and no reference, address or expression."""
    return (
        isinstance(path, str)
        and bool(path)
        and "${{" not in path
        and "://" not in path
        and not path.startswith(("azureml:", "git+", "/subscriptions/"))
    )


def sources(folder: str) -> Place:
    """Paths made absolute: what a document says wherever it is written."""

    def absolute(path: str) -> str:
        return os.path.normpath(os.path.join(folder, path.removeprefix("file:")))

    return Place(*[absolute] * len(Place._fields))


def relocate(document: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """A definition (of a component, or of a job that is its own) with every local path replaced."""
    made: dict[str, Any] = {}
    for key, value in document.items():
        if key in _PATHS and is_local(value):
            made[key] = getattr(place, _PATHS[key])(value)
        elif key == "additional_includes" and isinstance(value, list):
            made[key] = [place.include(path) if is_local(path) else path for path in value]
        elif key == "environment" and isinstance(value, Mapping):
            made[key] = _environment(value, place)
        elif key in ("task", "component", "trial") and isinstance(value, Mapping):
            made[key] = relocate(value, place)
        elif key == "jobs" and isinstance(value, Mapping):
            made[key] = {n: _job(job, place) if isinstance(job, Mapping) else job for n, job in value.items()}
        else:
            made[key] = value
    return made


_PATHS = {"code": "code", "component": "component", "trial": "component", "flow": "folder"}


def _job(job: Mapping[str, Any], place: Place) -> dict[str, Any]:
    made = relocate(job, place)
    inputs = made.get("inputs")
    if isinstance(inputs, Mapping):
        made["inputs"] = {name: _input(value, place) for name, value in inputs.items()}
    return made


def _input(value: Any, place: Place) -> Any:
    if isinstance(value, Mapping) and is_local(value.get("path")):
        return {**value, "path": place.data(value["path"])}
    return value


def _environment(environment: Mapping[str, Any], place: Place) -> dict[str, Any]:
    made = dict(environment)
    if is_local(made.get("conda_file")):
        made["conda_file"] = place.conda(made["conda_file"])
    build = made.get("build")
    if isinstance(build, Mapping) and is_local(build.get("path")):
        made["build"] = {**build, "path": place.context(build["path"])}
    return made
