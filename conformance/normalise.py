"""From what azure-ai-ml makes of two definitions to two trees that are equal if Azure ML treats both as the same.

Each function is one thing that may differ though Azure ML sees no difference; its docstring gives the reason. Nothing
else is forgiven: order of lists, types of scalars, absent against empty, names and versions all count. (That
mappings have no order, and that comments are not read, needs no function.)
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

CODE_KEYS = frozenset(["code", "additional_includes", "codeId", "contextUri"])
"""Fields with nothing but code; the last two are those of REST objects, in the dictionary `code` and `path`."""
PATH_KEYS = frozenset(["path", "uri"]) | CODE_KEYS
"""Fields that azure-ai-ml takes for a local path if one is there: assets, artefacts, code, build contexts."""
OWN_NAMES = frozenset(["inputs", "outputs", "environment_variables", "tags", "properties", "conf"])
"""Maps whose keys their author names: a `path` among them is no field."""
TYPE_KEYS = ("type", "job_input_type", "jobInputType")
ASSET_TYPES = frozenset(["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"])
ELSEWHERE = re.compile(r"[\w+.-]+:|[\w.-]+@\w+$")
"""A scheme, or what follows `azureml:` in the name of something registered: `name:1`, `name@latest`."""
MAPPING = "OrderedDict("
"""How the text begins that azure-ai-ml makes of a mapping in the place of a path: an artefact to include."""
OWN_TAG = "mlp."
Path = tuple[str, ...]


class Copied(NamedTuple):
    """A build: its folder, and for the files it copied, path in the build -> source file.

    `uploads` gives the names of the files that Azure ML would upload from a folder: a copy that lacks one is no copy.
    Definitions (`.yml`) may be lacking: the build has them elsewhere, and Azure ML reads them, not the code."""

    folder: str
    copies: Mapping[str, str]
    uploads: Callable[[str], frozenset[str]] = lambda _: frozenset()

    def source(self, path: str) -> str:
        """What a path in the build was copied from; the path itself if it was not, or not as a whole."""
        inside = os.path.relpath(path, self.folder).replace(os.sep, "/")
        if inside in self.copies:
            return os.path.realpath(self.copies[inside])
        start = f"{inside}/"
        roots = set()
        tails = set()
        for target, source in self.copies.items():
            if target.startswith(start):
                tail = target[len(start) :]
                tails.add(tail)
                full = os.path.realpath(source).replace(os.sep, "/")
                roots.add(full[: -len(tail) - 1] if full.endswith(f"/{tail}") else full)
        if len(roots) != 1:
            return path
        root = roots.pop()
        lacking = sorted(n for n in self.uploads(root) - tails if not n.endswith((".yml", ".yaml")))
        return f"{root} without {lacking[0]}" if lacking else root


def normalised(
    tree: Any, bases: Mapping[Path, str], copied: Copied | None = None, exists: Callable[[str], bool] = os.path.exists
) -> Any:
    """A tree with everything applied. `bases` is `Loaded.bases`; `copied` is the build that the definition lies in."""
    tree = without_own_tags(tree)
    tree = without_reader(tree)
    tree = without_idle(tree)
    tree = without_digest(tree)
    tree = literals_as_text(tree)
    return anchored(tree, bases, copied, exists)


def anchored(
    tree: Any, bases: Mapping[Path, str], copied: Copied | None = None, exists: Callable[[str], bool] = os.path.exists
) -> Any:
    """Relative paths of local files and folders become full ones, of the original where the build made a copy.

    Azure ML uploads what such a path leads to, and never sees the path; where it is anchored is where the definition
    lies. azure-ai-ml's dictionary shows some of them with `azureml:` before the path, which says nothing. Under the
    same keys stand words that are no local paths (a folder in a file system, a route): what is in no asset, begins
    with no dot and leads nowhere stays as it is written, and so does a copy that mixes several folders."""

    def convert(path: Path, value: Any, base: str, asset: bool) -> Any:
        base = bases.get(path, base)
        if isinstance(value, dict):
            inside = any(str(value.get(key)) in ASSET_TYPES for key in TYPE_KEYS)
            return {key: convert((*path, key), item, base, inside or key in CODE_KEYS) for key, item in value.items()}
        if isinstance(value, list):
            return [convert((*path, str(i)), item, base, asset) for i, item in enumerate(value)]
        field = path[:-1] if path and path[-1].isdigit() else path
        is_path = bool(field) and field[-1] in PATH_KEYS and not OWN_NAMES.intersection(field[-2:-1])
        return local(value, base, asset) if is_path and isinstance(value, str) else value

    def local(value: str, base: str, asset: bool) -> str:
        bare = value.removeprefix("file:").removeprefix("azureml:")
        if not bare or "${{" in bare or bare.startswith(MAPPING) or ELSEWHERE.match(bare):
            return value
        full = os.path.realpath(PurePath(base, bare))
        if not (asset or bare.startswith(".") or exists(full)):
            return value
        return copied.source(full) if copied is not None else full

    return convert((), tree, bases.get((), "."), False)


def literals_as_text(tree: Any) -> Any:
    """A literal input of a job or node becomes text: `20` and `"20"` are the same.

    Inputs are text on the wire: azure-ai-ml's REST object of either is the string. So this changes dictionaries alone,
    and there the literal values of `inputs` alone: a tag, an environment variable, a default in a component stay."""

    def node(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        result = dict(value)
        if isinstance(result.get("inputs"), dict):
            result["inputs"] = {k: text(v) for k, v in result["inputs"].items()}
        if isinstance(result.get("jobs"), dict):
            result["jobs"] = {k: node(v) for k, v in result["jobs"].items()}
        if isinstance(result.get("component"), dict) and "jobs" in result["component"]:
            inner = result["component"]
            result["component"] = {**inner, "jobs": {k: node(v) for k, v in inner["jobs"].items()}}
        return result

    def text(value: Any) -> Any:
        return str(value) if isinstance(value, bool | int | float) else value

    return node(tree)


def without_reader(tree: Any) -> Any:
    """`_source` says nothing of `YAML.JOB` and `YAML.COMPONENT` apart: how azure-ai-ml came by a component in YAML.

    A component that a job refers to as `file:./c.yml` counts as the job's own, one as `./c.yml` does not; the service
    keeps the word for its statistics. That a component is registered (`REMOTE.…`) or built in Python counts."""
    if isinstance(tree, list):
        return [without_reader(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: "YAML" if key == "_source" and value in ("YAML.JOB", "YAML.COMPONENT") else without_reader(value)
        for key, value in tree.items()
    }


def without_idle(tree: Any) -> Any:
    """Parts that hold nothing but what Azure ML takes for granted go.

    `limits: {}` limits nothing. An output of which no more is said than that it is a folder is what an output is of
    which nothing is said; of a job's outputs the service knows from its component."""
    if isinstance(tree, list):
        return [without_idle(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    result = {}
    for key, value in tree.items():
        if key == "limits" and value in ({"job_limits_type": "Command"}, {"jobLimitsType": "Command"}, {}):
            continue
        item = without_idle(value)
        if key == "outputs" and isinstance(item, dict):
            item = {name: port for name, port in item.items() if port not in _IDLE_OUTPUTS}
            if not item:
                continue
        result[key] = item
    return result


_IDLE_OUTPUTS = ({"type": "uri_folder"}, {"job_output_type": "uri_folder"}, {"jobOutputType": "uri_folder"})


def without_digest(tree: Any) -> Any:
    """The digest that azure-ai-ml gives a component goes: it is one of its other fields, which are all compared, before
    paths are anchored and tags of ours are gone. The service only keeps it, for azure-ai-ml to see what has changed."""
    if isinstance(tree, list):
        return [without_digest(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {key: without_digest(value) for key, value in tree.items() if key != _DIGEST}


_DIGEST = "client_component_hash"


def without_own_tags(tree: Any) -> Any:
    """Tags that the compiler sets (`mlp.…`, where a part came from) go; nothing in Azure ML reads them."""
    if isinstance(tree, list):
        return [without_own_tags(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    result = {}
    for key, value in tree.items():
        if key == "tags" and isinstance(value, dict):
            kept = {k: v for k, v in value.items() if not k.startswith(OWN_TAG)}
            if kept or not value:
                result[key] = kept
        else:
            result[key] = without_own_tags(value)
    return result
