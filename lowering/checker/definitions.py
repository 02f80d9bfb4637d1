"""From any YAML file to findings, by recognising which of Azure ML's definitions it is."""

import os
import re
from collections.abc import Callable

from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source
from mlp_lang.lowering.checker.assets import (
    check_data,
    check_data_import,
    check_environment_file,
    check_model_file,
)
from mlp_lang.lowering.checker.components import check_component, kind_of_component
from mlp_lang.lowering.checker.document import Field, Findings, Place, said
from mlp_lang.lowering.checker.fields import check_fields
from mlp_lang.lowering.checker.jobs import check_job
from mlp_lang.lowering.checker.pipelines import Scope, check_pipeline
from mlp_lang.lowering.checker.schedules import check_bound, check_schedule
from mlp_lang.lowering.checker.serving import check_batch_deployment, check_deployment, check_endpoint
from mlp_lang.lowering.checker.tables.components import FLOW_DAG, FLOW_RUN

# The last part of `$schema`, without `.schema.json`, in small letters, to the kind of definition.
_SCHEMAS = {
    "pipelinejob": "pipeline job",
    "commandjob": "command job",
    "sweepjob": "sweep job",
    "sparkjob": "spark job",
    "automljob": "automl job",
    "importjob": "import job",
    "paralleljob": "left alone",
    "commandcomponent": "component",
    "parallelcomponent": "component",
    "sparkcomponent": "component",
    "pipelinecomponent": "component",
    "datatransfercomponent": "component",
    "importcomponent": "component",
    "managedonlineendpoint": "online endpoint",
    "kubernetesonlineendpoint": "online endpoint",
    "onlineendpoint": "online endpoint",
    "batchendpoint": "batch endpoint",
    "managedonlinedeployment": "online deployment",
    "kubernetesonlinedeployment": "online deployment",
    "onlinedeployment": "online deployment",
    "batchdeployment": "batch deployment",
    "modelbatchdeployment": "batch deployment",
    "pipelinecomponentbatchdeployment": "batch deployment",
    "environment": "environment",
    "data": "data",
    "model": "model",
    "dataimport": "data import",
    "schedule": "schedule",
    "monitorschedule": "schedule",
    "importschedule": "schedule",
    "flow": "flow",
    "run": "flow run",
}
# What Azure ML has too, and mlp says nothing of.
_LEFT = re.compile(
    r"compute|workspace|datastore|azure(blob|file|datalake)|registry|connection|feature|index|package|hub|project"
    r"|onelake|serverless|marketplace|mltable|code|asset|finetuning|distillation|template|capabilityhost|labeling"
)
_TYPES = {
    "pipeline": "pipeline job",
    "command": "command job",
    "sweep": "sweep job",
    "spark": "spark job",
    "automl": "automl job",
    "import": "import job",
    "parallel": "component",
    "data_transfer": "component",
    "promptflow_parallel": "component",
    "managed": "online deployment",
    "kubernetes": "online deployment",
    "uri_file": "data",
    "uri_folder": "data",
    "mltable": "data",
    "custom_model": "model",
    "mlflow_model": "model",
    "triton_model": "model",
}
_LEFT_TYPES = re.compile(
    r"amlcompute|computeinstance|virtualmachine|kubernetes_compute|synapsespark|aml_?token|azure_\w+|finetuning"
    r"|distillation|git|python_feed|container_registry|snowflake|s3|api_key|custom|serverless|open_ai|gen\d|one_lake",
    re.IGNORECASE,
)
# Fields that only one kind of definition has, the most telling first.
_KEYS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset(["create_job"]), "schedule"),
    (frozenset(["create_monitor"]), "schedule"),
    (frozenset(["import_data", "trigger"]), "schedule"),
    (frozenset(["jobs"]), "pipeline job"),
    (frozenset(["search_space", "trial"]), "sweep job"),
    (frozenset(["endpoint_name", "instance_type"]), "online deployment"),
    (frozenset(["endpoint_name", "scale_settings"]), "online deployment"),
    (frozenset(["endpoint_name", "mini_batch_size"]), "batch deployment"),
    (frozenset(["endpoint_name", "compute"]), "batch deployment"),
    (frozenset(["endpoint_name", "settings"]), "batch deployment"),
    (frozenset(["endpoint_name", "model"]), "online deployment"),
    (frozenset(["endpoint_name", "component"]), "batch deployment"),
    (frozenset(["instance_type", "model"]), "online deployment"),
    (frozenset(["code_configuration", "compute"]), "batch deployment"),
    (frozenset(["code_configuration"]), "online deployment"),
    (frozenset(["auth_mode", "defaults"]), "batch endpoint"),
    (frozenset(["auth_mode"]), "online endpoint"),
    (frozenset(["name", "traffic"]), "online endpoint"),
    (frozenset(["command", "environment"]), "command job"),
    (frozenset(["nodes", "inputs", "outputs"]), "flow"),
    (frozenset(["image"]), "environment"),
    (frozenset(["build"]), "environment"),
)
_LEFT_KEYS = ("replication_locations", "managed_network", "model_id", "connection_type", "credentials", "user_assigned")
# YAML that goes with definitions and is none: conda files, MLTable, MLmodel, compose files and the like.
_OTHER: tuple[frozenset[str], ...] = (
    frozenset(["dependencies"]),
    frozenset(["channels"]),
    frozenset(["paths", "transformations"]),
    frozenset(["artifact_path", "flavors"]),
    frozenset(["services", "version"]),
)


def kind_of(root: Place) -> str | None:
    """Which of Azure ML's definitions a file is: a key of `CHECKS`, `left alone`, or None if it is none of them."""
    fields = root.fields()
    kind = _by_schema(fields)
    type_ = said(fields, "type")
    if kind is None and type_:
        kind = _TYPES.get(type_.lower()) or ("left alone" if _LEFT_TYPES.fullmatch(type_) else None)
        if "Component" in type_ or "-legacy" in type_:
            kind = "left alone"
    if kind is None:
        kind = next((kind for keys, kind in _KEYS if keys <= set(fields)), None)
    if kind is None and any(name in fields for name in _LEFT_KEYS):
        kind = "left alone"
    if kind is None and "path" in fields and {"name", "version"} & set(fields):
        kind = "data" if not type_ else None
    if kind in ("command job", "spark job", "pipeline job", "import job") and _by_schema(fields) is None:
        return _job_or_component(fields, kind)
    return kind


def _by_schema(fields: dict[str, Field]) -> str | None:
    last = said(fields, "$schema").strip().rstrip("/").rsplit("/", 1)[-1].lower()
    name = last.removesuffix(".json").removesuffix(".schema")
    if name in _SCHEMAS:
        return _SCHEMAS[name]
    return "left alone" if name and _LEFT.search(name) else None


def _job_or_component(fields: dict[str, Field], kind: str) -> str:
    """A component and a job of one type differ in what is declared: ports with types and no data, no compute."""
    if {"compute", "experiment_name", "settings", "limits"} & set(fields):
        return kind
    if {"is_deterministic", "additional_includes", "version"} & set(fields):
        return "component"
    sides = [fields[side].value.fields() if side in fields else {} for side in ("inputs", "outputs")]
    if any(not f.value.is_mapping or "path" in f.value.fields() for side in sides for f in side.values()):
        return kind
    return "component" if sides[0] or (sides[1] and "name" in fields) else kind


def _component(root: Place, findings: Findings) -> None:
    kind = kind_of_component(root.fields()) or "command"
    check_component(root, kind, findings, named=True)
    if kind == "pipeline":
        Scope(root, findings).check()


def start_schedule(root: Place, findings: Findings, partial: bool = True) -> None:
    """A schedule and the job that it starts, unless something else led to that before."""
    started = check_schedule(root, findings, partial)
    if started is None:
        return
    seen = findings.has_read(started[1])
    job = findings.load(started[1], started[0])
    if job is None:
        return
    if not seen:
        check_definition(job, findings, job.path)
    inputs = job.fields()
    create = root.fields()["create_job"].value.fields()
    known = set(inputs["inputs"].value.fields()) if "inputs" in inputs else set()
    check_bound(create, known, findings)


def _left_alone(root: Place, findings: Findings) -> None:
    """Nothing is said of it."""


CHECKS: dict[str, Callable[[Place, Findings], None]] = {
    "pipeline job": check_pipeline,
    "command job": lambda root, findings: check_job(root, "command", findings),
    "sweep job": lambda root, findings: check_job(root, "sweep", findings),
    "spark job": lambda root, findings: check_job(root, "spark", findings),
    "automl job": lambda root, findings: check_job(root, "automl", findings),
    "import job": lambda root, findings: check_job(root, "import", findings),
    "component": _component,
    "online endpoint": lambda root, findings: void(check_endpoint(root, findings, partial=True)),
    "batch endpoint": lambda root, findings: void(check_endpoint(root, findings, batch=True, partial=True)),
    "online deployment": lambda root, findings: check_deployment(root, None, findings),
    "batch deployment": check_batch_deployment,
    "environment": check_environment_file,
    "data": check_data,
    "data import": check_data_import,
    "model": check_model_file,
    "schedule": start_schedule,
    "flow": lambda root, findings: check_fields(root, FLOW_DAG, findings),
    "flow run": lambda root, findings: check_fields(root, FLOW_RUN, findings),
    "left alone": _left_alone,
}


def void(_: object) -> None:
    """Drop what a check gives beside its findings."""


def check_definition(root: Place, findings: Findings, named: str) -> None:
    """Everything about one file, whichever definition it is; one that is none is one finding."""
    kind = kind_of(root)
    if kind is not None:
        CHECKS[kind](root, findings)
        return
    fields = root.fields()
    if "type" in fields:
        place = fields["type"].value
        message = f"`{place.text}` is no type of Azure ML's definitions"
        findings.unknown("MLP0832", message, place, place.text, _TYPES)
    else:
        what = next((" ".join(sorted(keys)) for keys in _OTHER if keys <= set(fields)), "")
        help = f"it has the fields of another file: {what}" if what else "say which by `$schema` or `type`"
        findings.report("MLP0832", f"`{findings.shown(named)}` is none of Azure ML's definitions", root, help=help)


def check_yaml(path: str, source: Source | None = None, shown_from: str | None = None) -> list[Diagnostic]:
    """What is wrong with a YAML file and with what it names. Paths are shown from `shown_from`, else from here.

    `source` is its text where it is not read from the disk; what it names is looked for beside `path` all the same.
    """
    here = shown_from or os.getcwd()
    findings = Findings(os.path.join(here, "_"), missing_data=Severity.WARNING)
    root = findings.load(path) if source is None else findings.read(path, source)
    if root is not None:
        check_definition(root, findings, path)
    return findings.diagnostics


def is_definition(path: str) -> bool:
    """Whether a YAML file in a folder is one of Azure ML's definitions, and not of something else."""
    findings = Findings(path)
    root = findings.load(path)
    return root is None or kind_of(root) is not None
