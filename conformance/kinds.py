"""From the files of a folder to the definitions among them, by kind.

A kind is a row of KINDS: how azure-ai-ml loads it, and where a build has it. Pipelines are told by
loading them, as `load_job` decides what a pipeline job is; other definitions by the schema that they name.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from conformance import azure

PIPELINE_SCHEMA = "pipelineJob.schema.json"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Kind(NamedTuple):
    """A kind of definition: `load_<loader>` reads it; `written` are the places in a build where it may come back."""

    name: str
    loader: str
    schemas: str
    written: tuple[str, ...]


PIPELINE = Kind("pipeline job", "job", r"pipelineJob\.schema", ("pipeline.yml",))
PIPELINE_COMPONENT = Kind(
    "pipeline component", "component", r"pipelineComponent\.schema", ("component.yml", "pipeline.yml")
)
_ENDPOINTS = ("endpoints/*.yml",)
_DEPLOYMENTS = ("deployments/*/*/deployment.yml",)
_ASSETS = ("assets/*.yml",)
KINDS = (
    PIPELINE,
    PIPELINE_COMPONENT,
    Kind(
        "component",
        "component",
        r"(command|parallel|sweep|spark|automl|import|dataTransfer\w*)Component\.schema",
        ("components/*/component.yml",),
    ),
    Kind("online endpoint", "online_endpoint", r"\w*OnlineEndpoint\.schema", _ENDPOINTS),
    Kind("online deployment", "online_deployment", r"\w*OnlineDeployment\.schema", _DEPLOYMENTS),
    Kind("batch endpoint", "batch_endpoint", r"batchEndpoint\.schema", _ENDPOINTS),
    Kind(
        "pipeline component deployment",
        "pipeline_component_batch_deployment",
        r"pipelineComponentBatchDeployment\.schema",
        _DEPLOYMENTS,
    ),
    Kind("model batch deployment", "model_batch_deployment", r"modelBatchDeployment\.schema", _DEPLOYMENTS),
    Kind("batch deployment", "batch_deployment", r"batchDeployment\.schema", _DEPLOYMENTS),
    Kind("environment", "environment", r"environment\.schema", ("environments/*/environment.yml",)),
    Kind("data", "data", r"data\.schema", _ASSETS),
    Kind("model", "model", r"model\.schema", _ASSETS),
    Kind("schedule", "schedule", r"schedule\.schema", ("schedules/*.yml",)),
)


class Definition(NamedTuple):
    """A file that azure-ai-ml loads as a kind; `schema` is what it names, "" if nothing."""

    path: Path
    kind: Kind
    schema: str


def definitions(folder: Path, only: str = "") -> Iterator[Definition | Path]:
    """Every definition in a folder, in the order of the paths; a mere Path is a YAML file that was looked at."""
    for path in yaml_files(folder):
        if only and not _chosen(path.relative_to(folder).as_posix(), only):
            continue
        yield path
        document = read(path)
        if isinstance(document, dict):
            schema = str(document.get("$schema", ""))
            kind = _kind(path, document, schema)
            if kind is not None:
                yield Definition(path, kind, schema)


def yaml_files(folder: Path) -> list[Path]:
    """The YAML files below a folder, builds and hidden folders left out."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        found += [Path(root, name) for name in files if name.endswith((".yml", ".yaml"))]
    return sorted(found)


def read(path: Path) -> Any:
    """The first document of a YAML file; None if it is no YAML."""
    try:
        return yaml.load(path.read_bytes(), _Loader)
    except (OSError, yaml.YAMLError, ValueError):
        return None


def _chosen(path: str, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return pattern in path or fnmatchcase(path, pattern)


def _kind(path: Path, document: dict[str, Any], schema: str) -> Kind | None:
    if str(document.get("type", "")).lower() == "pipeline" and "Deployment" not in schema:
        return _pipeline_kind(path, schema)
    stem = schema.rpartition("/")[2]
    for kind in KINDS[2:]:
        if re.match(kind.schemas, stem):
            return kind if _loads(kind.loader, path) else None
    return None


def _pipeline_kind(path: Path, schema: str) -> Kind | None:
    """A pipeline job loads as one, and says so in its schema or validates; else it may be a component."""
    if "Component" not in schema:
        try:
            job = azure.entity("job", path)
            if job.type == "pipeline" and (PIPELINE_SCHEMA in schema or azure.is_valid(job)):
                return PIPELINE
        except Exception:  # whatever azure-ai-ml raises says that it is none
            pass
    return PIPELINE_COMPONENT if _loads("component", path) else None


def _loads(loader: str, path: Path) -> bool:
    try:
        azure.entity(loader, path)
    except Exception:  # whatever azure-ai-ml raises says that it is none
        return False
    return True
