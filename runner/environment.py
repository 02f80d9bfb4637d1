"""From the environments of steps to what this interpreter lacks: nothing is installed, everything is checked first."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from mlp_lang.compiler.graph import Environment, Graph, Node, Value
from mlp_lang.runner import distribution, serving

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*([^;]*)(;.*)?\Z")
NEEDED = {
    "deploy": ("azureml-inference-server-http", "psutil"),
    "spark": ("pyspark",),
    "automl": ("flaml", "lightgbm", "xgboost-cpu", "scikit-learn"),
    "ray": ("ray",),
    "sweep": ("optuna",),
}
"""What a kind of step needs here, whatever its environment says."""
TRACKER = ("mlflow",)
"""What tells a sweep its trials' metrics, where no output of theirs does."""
SAME = {"xgboost-cpu": "xgboost"}
"""Distributions that another one replaces."""
AZURE_ONLY = frozenset(
    ["azureml-mlflow", "azureml-defaults", "azureml-core", "azureml-dataset-runtime", "azureml-telemetry"]
)
"""What scripts need to reach a workspace, and nothing here: tracking is local."""


class Requirement(NamedTuple):
    """`firm` ones come from pip and must be there; conda's may be libraries that are no Python distribution."""

    name: str  # normalised
    specifier: str
    text: str
    firm: bool


class Lack(NamedTuple):
    """A requirement that this interpreter does not meet; `installed` is None if the distribution is not there."""

    requirement: Requirement
    installed: str | None
    node: Node


def normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(path: Iterable[str] | None = None) -> dict[str, str]:
    """Distributions on the import path and their versions, read from the names of their metadata folders."""
    found: dict[str, str] = {}
    for folder in sys.path if path is None else path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in names:
            if entry.endswith((".dist-info", ".egg-info")):
                name, _, version = entry[: entry.rindex(".")].partition("-")
                found.setdefault(normalise(name), version.partition("-")[0])
    return found


class SpecificationError(Exception):
    """A file that specifies no environment; the message says why."""


def specified(file: str) -> Environment:
    """The environment that a file says: a conda file, a requirements file, an environment of Azure ML in YAML.

    Raises SpecificationError.
    """
    if file.endswith(".txt"):
        return Environment(conda={"dependencies": [{"pip": [f"-r {os.path.basename(file)}"]}]}, conda_file=file)
    if os.path.isdir(file):
        raise SpecificationError("a folder is no conda file, no requirements file and no environment")
    if not os.path.isfile(file):
        raise SpecificationError(f"`{file}` does not exist")
    document = _read(file)
    if "dependencies" in document:
        return Environment(conda=document, conda_file=file)
    conda = document.get("conda_file")
    image = document.get("image")
    if isinstance(conda, dict):
        return Environment(image=str(image) if image else None, conda=conda, conda_file=file)
    if isinstance(conda, str):
        full = os.path.normpath(os.path.join(os.path.dirname(file), conda))
        return Environment(image=str(image) if image else None, conda=_read(full), conda_file=full)
    build = document.get("build")
    if isinstance(build, dict) and isinstance(build.get("path"), str):
        context = os.path.normpath(os.path.join(os.path.dirname(file), str(build["path"])))
        return Environment(build_context=context, dockerfile=str(build.get("dockerfile_path") or "Dockerfile"))
    if image is None:
        raise SpecificationError("it has no `dependencies`, no `conda_file`, no `build` and no `image`")
    return Environment(image=str(image))


def requirements(environment: Environment) -> list[Requirement]:
    """What the conda specification of an environment asks for; nothing is known of an image."""
    conda, pip = dependencies(environment)
    result: list[Requirement] = []
    for item in conda:
        _add(result, item, firm=False)
    for line in pip:
        if not line.startswith("-"):
            _add(result, line, firm=True)
    return result


def dependencies(environment: Environment) -> tuple[list[str], list[str]]:
    """What conda and what pip is to install; `-r FILE` of pip is replaced by the lines of the file."""
    conda = environment.conda
    if conda is None and environment.conda_file is not None:
        conda = _read(environment.conda_file)
    found = conda.get("dependencies") if isinstance(conda, dict) else None
    folder = os.path.dirname(environment.conda_file) if environment.conda_file else ""
    packages: list[str] = []
    pip: list[str] = []
    for item in found if isinstance(found, list) else ():
        if isinstance(item, str):
            packages.append(item.partition("::")[2] or item)
        elif isinstance(item, dict):
            lines = item.get("pip")
            for line in lines if isinstance(lines, list) else ():
                if isinstance(line, str):
                    pip += _pip_lines(line, folder, 0)
    return packages, pip


_DEEPEST = 8
"""Requirements files that name one another."""


def _pip_lines(text: str, folder: str, depth: int) -> list[str]:
    line = re.sub(r"(?:^|\s)#.*", "", text).strip()
    match = re.match(r"(?:-r|--requirement)[\s=]+(\S+)\Z", line)
    if match is None or depth > _DEEPEST:
        return [line] if line else []
    file = os.path.normpath(os.path.join(folder, match[1]))
    try:
        with open(file, encoding="utf-8") as stream:
            lines = stream.read().replace("\\\n", " ").split("\n")
    except (OSError, ValueError):
        return []
    return [found for one in lines for found in _pip_lines(one, os.path.dirname(file), depth + 1)]


def check(graph: Graph, have: Mapping[str, str]) -> list[Lack]:
    """Requirements of all nodes that are not met, each once, at the first node that has it."""
    lacks: dict[tuple[str, str], Lack] = {}
    for node in graph.nodes:
        if serving.elsewhere(node):
            continue
        wanted = requirements(environment_of(node))
        wanted += [Requirement(name, "", name, True) for kind in _kinds(node) for name in NEEDED.get(kind, ())]
        if node.kind == "sweep" and not any(p.type.removesuffix("?") == "metrics" for p in node.component.outputs):
            wanted += [Requirement(name, "", name, True) for name in TRACKER]
        for requirement in wanted:
            version = have.get(requirement.name) or have.get(SAME.get(requirement.name, ""))
            if version is None or not _meets(version, requirement):
                lacks.setdefault((requirement.name, requirement.specifier), Lack(requirement, version, node))
    return list(lacks.values())


def _kinds(node: Node) -> tuple[str, ...]:
    settings = distribution.said(node).get("distribution", {})
    return ("deploy" if node.deployment is not None else node.kind, str(settings.get("type", "")).lower())


def environment_of(node: Node) -> Environment:
    """Where a node's work runs: a deployment's scoring environment, since here the server is what runs."""
    own = node.environment or node.component.environment
    return own if node.deployment is None else node.deployment.environment


def extra_for(names: Iterable[str]) -> str | None:
    """The extra of this distribution that brings all of `names`, as `mlp-lang[sklearn]`, or None."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("mlp-lang") or []
    except PackageNotFoundError:
        return None
    extras: dict[str, set[str]] = {}
    for line in lines:
        match = _NAME.match(line)
        extra = re.search(r"extra == ['\"]([^'\"]+)['\"]", line)
        if match and extra and normalise(match[1]) != "mlp-lang":
            extras.setdefault(extra[1], set()).add(normalise(match[1]))
    wanted = set(names)
    chosen: list[str] = []
    for name in sorted(extras, key=lambda e: (-len(extras[e] & wanted), e)):
        if extras[name] & wanted:
            chosen.append(name)
            wanted -= extras[name]
    return None if wanted or not chosen else f"mlp-lang[{','.join(sorted(chosen))}]"


def _add(result: list[Requirement], text: str, firm: bool) -> None:
    match = _NAME.match(text)
    if match is None:
        return
    name = normalise(match[1])
    if name in ("python", "pip") or name in AZURE_ONLY:
        return
    specifier = match[3].strip()
    if not firm and specifier.startswith("=") and not specifier.startswith("=="):
        specifier = f"=={specifier[1:].partition('=')[0]}.*"
    result.append(Requirement(name, specifier, text.strip(), firm))


def _meets(version: str, requirement: Requirement) -> bool:
    if not requirement.specifier or "@" in requirement.specifier:
        return True
    try:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet
        from packaging.version import InvalidVersion
    except ImportError:
        return True
    try:
        return SpecifierSet(requirement.specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _read(file: str) -> dict[str, Value]:
    try:
        found = os.stat(file)
    except OSError:
        return {}
    return _read_again(file, found.st_mtime_ns, found.st_size)


@lru_cache(64)
def _read_again(file: str, changed: int, size: int) -> dict[str, Value]:
    import yaml

    try:
        with open(file, "rb") as stream:
            document = yaml.safe_load(stream)
    except (OSError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}
