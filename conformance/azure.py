"""From a YAML file to what azure-ai-ml makes of it: dictionary and REST object as plain data, and their anchors.

azure-ai-ml is imported once, here, with preview nodes on: the switch is read when its schemas are made, so this module
must be the first to import it. Nothing of what it logs, warns of or prints gets out; nothing goes over the network.
"""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

PREVIEW = "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"


class OnlineError(Exception):
    """azure-ai-ml needs a workspace, or a place in Azure, for what was asked."""


class Loaded(NamedTuple):
    """A definition as azure-ai-ml understands it.

    `bases` says, by the path of a part in either tree, which folder the relative paths in that part start from."""

    dictionary: Any
    rest: Any
    bases: Mapping[tuple[str, ...], str]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing out of what is logged, warned of or printed meanwhile."""
    printed = io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def start() -> None:
    """Import azure-ai-ml, preview nodes on and telemetry off; a second or so, once."""
    os.environ[PREVIEW] = "true"
    os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = "0"
    with quiet():
        import azure.ai.ml.entities._load_functions  # noqa: F401


def entity(loader: str, path: Path) -> Any:
    """What `load_<loader>` gives for a file. Raises what azure-ai-ml raises, which may be any exception."""
    with quiet():
        from azure.ai.ml.entities import _load_functions as loaders

        return getattr(loaders, f"load_{loader}")(path)


def is_valid(loaded: Any) -> bool:
    """Whether azure-ai-ml's own offline validation finds no error; True for an entity that has none."""
    with quiet():
        validate = getattr(loaded, "_validate", None)
        result = validate() if validate is not None else None
        return result is None or bool(result.passed)


def understood(*entities: Any) -> tuple[Loaded, ...]:
    """Both trees of pipeline jobs or components. Raises what azure-ai-ml raises.

    All dictionaries come before the first REST object: making one of AutoML changes, in azure-ai-ml, how search spaces
    look in every dictionary after it."""
    with quiet():
        dictionaries = [plain(loaded._to_dict()) for loaded in entities]
        return tuple(_understood(loaded, dictionary) for loaded, dictionary in zip(entities, dictionaries, strict=True))


def _understood(loaded: Any, dictionary: Any) -> Loaded:
    bases: dict[tuple[str, ...], str] = {(): _base(loaded)}
    rest = _offline(loaded)
    if isinstance(rest, OnlineError) or not isinstance(rest, dict):
        pass
    elif _is_component(loaded):
        _resolve(loaded, rest["properties"]["componentSpec"], ("properties", "componentSpec"), bases)
    elif hasattr(loaded, "jobs"):
        _resolve(loaded, rest["properties"], ("properties",), bases)
    _anchors(loaded, (), bases)
    return Loaded(dictionary, rest, bases)


def uploads(folder: str) -> frozenset[str]:
    """The files that Azure ML would upload from a code folder, by their names in it; caches of Python left out."""
    if not Path(folder).is_dir():
        return frozenset()
    with quiet():
        from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

        ignored = get_ignore_file(folder)
        found: list[Any] = get_upload_files_from_folder(folder, prefix="", ignore_file=ignored)
    names = (os.path.relpath(path, folder).replace(os.sep, "/") for path, _ in found)
    return frozenset(name for name in names if "__pycache__" not in name)


def plain(value: Any) -> Any:
    """The same as mappings, lists and scalars alone: what a YAML or JSON text can say."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return value.as_posix()
    if value is None or type(value) in (str, bool, int, float):
        return value
    for base in (str, bool, int, float):  # an enumeration's member is its value
        if isinstance(value, base):
            return base(value)
    for method in ("as_dict", "serialize"):
        if hasattr(value, method):
            return plain(getattr(value, method)())
    return str(value)


def _offline(loaded: Any) -> Any:
    """The REST object of a definition, or an OnlineError where azure-ai-ml makes none here."""
    if _is_component(loaded) or hasattr(loaded, "jobs"):
        return _rest(loaded)
    try:
        return _rest(loaded)
    except Exception as error:  # whatever it raises: endpoints and deployments need their place in Azure
        return OnlineError(f"{type(error).__name__}: {' '.join(str(error).split())[:100]}")


def _rest(loaded: Any) -> Any:
    return plain(loaded._to_rest_object())


def _resolve(parent: Any, tree: Any, path: tuple[str, ...], bases: dict[tuple[str, ...], str]) -> None:
    """Put each component's own REST object where a node's names the component.

    Before submission a node holds the component itself, and its REST object the text of that object in memory. What
    Azure ML gets is the id of a component registered under the REST object that stands here instead."""
    for name, node in _nodes(parent):
        job = tree.get("jobs", {}).get(name)
        if not isinstance(job, dict):
            continue
        holder = job["trial"] if isinstance(job.get("trial"), dict) else job
        below = (*path, "jobs", name, *(("trial",) if holder is not job else ()), "componentId")
        component = _component(node)
        if component is not None and "componentId" in holder:
            spec = _rest(component)
            bases[below] = _base(component)
            _resolve(component, spec["properties"]["componentSpec"], (*below, "properties", "componentSpec"), bases)
            holder["componentId"] = spec


def _anchors(parent: Any, path: tuple[str, ...], bases: dict[tuple[str, ...], str]) -> None:
    """The folders that relative paths in the dictionary start from: of each component, the folder of its file."""
    for name, node in _nodes(parent):
        component = _component(node)
        if component is not None:
            key = "trial" if getattr(node, "type", "") == "sweep" else "component"
            below = (*path, "jobs", name, key)
            bases[below] = _base(component)
            _anchors(component, below, bases)


def _nodes(parent: Any) -> list[tuple[str, Any]]:
    jobs = getattr(parent, "jobs", None)
    return list(jobs.items()) if isinstance(jobs, Mapping) else []


def _component(node: Any) -> Any:
    found = getattr(node, "_component", None)
    if found is None:
        found = getattr(node, "trial", None)
    return found if _is_component(found) else None


def _is_component(value: Any) -> bool:
    from azure.ai.ml.entities import Component

    return isinstance(value, Component)


def _base(loaded: Any) -> str:
    return os.path.realpath(str(getattr(loaded, "base_path", None) or "."))
