"""From the environments of steps to what this interpreter lacks: nothing is installed, everything is checked first."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from mlp_lang.compiler.graph import Environment, Graph, Node, Value
from mlp_lang.runner import serving

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*([^;]*)(;.*)?\Z")
SERVER = ("azureml-inference-server-http", "psutil")
"""What a deploy stage needs here, whatever its scoring environment says."""
SAMPLER = ("optuna",)
"""What a sweep needs here, whatever its trials need."""
TRACKER = ("mlflow",)
"""What tells a sweep its trials' metrics, where no output of theirs does."""
AZURE_ONLY = frozenset(["azureml-mlflow", "azureml-defaults", "azureml-core", "azureml-dataset-runtime"])
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


def requirements(environment: Environment) -> list[Requirement]:
    """What the conda specification of an environment asks for; nothing is known of an image."""
    conda = environment.conda
    if conda is None and environment.conda_file is not None:
        conda = _read(environment.conda_file)
    dependencies = conda.get("dependencies") if isinstance(conda, dict) else None
    result: list[Requirement] = []
    for item in dependencies if isinstance(dependencies, list) else ():
        if isinstance(item, str):
            _add(result, item.partition("::")[2] or item, firm=False)
        elif isinstance(item, dict):
            lines = item.get("pip")
            for line in lines if isinstance(lines, list) else ():
                if isinstance(line, str) and not line.lstrip().startswith(("-", "#")):
                    _add(result, line, firm=True)
    return result


def check(graph: Graph, have: Mapping[str, str]) -> list[Lack]:
    """Requirements of all nodes that are not met, each once, at the first node that has it."""
    lacks: dict[tuple[str, str], Lack] = {}
    for node in graph.nodes:
        if serving.elsewhere(node):
            continue
        wanted = requirements(environment_of(node))
        if node.deployment is not None:
            wanted += [Requirement(name, "", name, True) for name in SERVER]
        if node.kind == "sweep":
            reports = any(p.type.removesuffix("?") == "metrics" for p in node.component.outputs)
            wanted += [Requirement(name, "", name, True) for name in (*SAMPLER, *(() if reports else TRACKER))]
        for requirement in wanted:
            version = have.get(requirement.name)
            if version is None or not _meets(version, requirement):
                lacks.setdefault((requirement.name, requirement.specifier), Lack(requirement, version, node))
    return list(lacks.values())


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
