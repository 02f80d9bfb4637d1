"""From a mapping and the table of what may stand in it to findings: unknown, missing and wrong fields.

The tables follow the YAML schemas that Azure ML publishes for its CLI; a field is named once, here.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from mlp_lang.lowering.checker.document import EXPRESSION, Findings, Place

Kind: TypeAlias = "str | frozenset[str] | Table"
"""`text`, `integer`, `positive`, `boolean`, `mapping`, `list`, `any`; the words that are allowed; or a table."""


class Table(NamedTuple):
    """What a mapping may hold. `required` fields must be there; `name` is what a message calls the mapping."""

    name: str
    fields: "Mapping[str, Kind]"
    required: tuple[str, ...] = ()


PORT_TYPES = frozenset(["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model", "path"])
PRIMITIVES = frozenset(["string", "number", "integer", "boolean"])
INPUT_MODES = frozenset(["ro_mount", "download", "direct", "eval_mount", "eval_download", "rw_mount", "mount"])
OUTPUT_MODES = frozenset(["rw_mount", "upload", "mount", "direct"])
_ASSET_TYPES = PORT_TYPES | PRIMITIVES | frozenset(["float", "Integer", "Boolean", "String", "enum"])


def _of(kind: Kind, *names: str) -> "dict[str, Kind]":
    return dict.fromkeys(names, kind)


_NAMED = _of("text", "$schema", "name", "display_name", "description", "id") | _of("mapping", "tags", "properties")
ENVIRONMENT = Table(
    "environment",
    _NAMED
    | _of("text", "image", "os_type", "datastore")
    | {"version": "any", "conda_file": "any", "inference_config": "mapping"}
    | {"build": Table("build", _of("text", "path", "dockerfile_path"), ("path",))},
)
RESOURCES = Table(
    "resources",
    _of("positive", "instance_count", "max_instance_count")
    | _of("text", "instance_type", "shm_size")
    | {"docker_args": "any", "properties": "mapping", "locations": "list", "instance_types": "list"},
)
IDENTITY = Table(
    "identity",
    _of("text", "client_id", "object_id", "msi_resource_id")
    | {"type": frozenset(["managed_identity", "managed", "user_identity", "aml_token"])},
    ("type",),
)
DISTRIBUTION = Table(
    "distribution",
    _of("positive", "process_count_per_instance", "worker_count")
    | _of("integer", "parameter_server_count", "port", "dashboard_port")
    | _of("text", "address", "head_node_additional_args", "worker_node_additional_args")
    | {"type": frozenset(["pytorch", "mpi", "tensorflow", "ray"]), "include_dashboard": "boolean"},
    ("type",),
)
_PORTS = _of("mapping", "inputs", "outputs")
_COMMAND = (
    _NAMED
    | _PORTS
    | _of("text", "command", "code")
    | {"type": frozenset(["command"]), "environment": "any", "queue_settings": "mapping"}
    | {"distribution": DISTRIBUTION, "resources": RESOURCES, "is_deterministic": "boolean"}
)
COMMAND_COMPONENT = Table(
    "component",
    _COMMAND | {"version": "any", "additional_includes": "list"},
    ("name", "command", "environment"),
)
COMMAND_JOB = Table(
    "job",
    _COMMAND
    | _of("text", "compute", "comment", "experiment_name")
    | _of("mapping", "environment_variables", "services")
    | {"component": "any", "identity": IDENTITY, "limits": Table("limits", _of("positive", "timeout"))},
)
SETTINGS = Table(
    "settings",
    _of("text", "default_compute", "default_datastore", "on_init", "on_finalize")
    | _of("boolean", "continue_on_step_failure", "continue_run_on_failed_optional_input", "force_rerun"),
)
PIPELINE = Table(
    "pipeline",
    _NAMED
    | _PORTS
    | _of("text", "compute", "experiment_name")
    | _of("mapping", "jobs", "services")
    | {"type": frozenset(["pipeline"]), "component": "any", "identity": IDENTITY, "settings": SETTINGS},
)
PIPELINE_COMPONENT = Table(
    "component",
    _NAMED
    | _PORTS
    | _of("mapping", "jobs", "settings")
    | {"type": frozenset(["pipeline"]), "version": "any", "is_deterministic": "boolean"},
    ("jobs",),
)
_PORT = _of("text", "path", "description") | {"type": _ASSET_TYPES}
_VALUED = _of("any", "default", "min", "max") | {"optional": "boolean", "enum": "list", "mode": INPUT_MODES}
JOB_INPUT = Table("input", _PORT | _VALUED | _of("text", "datastore", "path_on_compute") | {"value": "any"})
JOB_OUTPUT = Table("output", _PORT | {"mode": OUTPUT_MODES, "name": "text", "version": "any"})
COMPONENT_INPUT = Table("input", _PORT | _VALUED, ("type",))
COMPONENT_OUTPUT = Table("output", _PORT | {"mode": OUTPUT_MODES | frozenset(["link"])}, ("type",))
ENDPOINT = Table(
    "endpoint",
    _NAMED
    | _of("text", "location", "compute")
    | _of("mapping", "traffic", "mirror_traffic", "identity")
    | {"auth_mode": frozenset(["key", "aml_token", "aad_token"])}
    | {"public_network_access": frozenset(["enabled", "disabled"])},
    ("name",),
)
_PROBE = Table(
    "probe",
    _of("positive", "period", "timeout", "success_threshold", "failure_threshold") | _of("integer", "initial_delay"),
)
_REQUESTS = _of("positive", "request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms")
DEPLOYMENT = Table(
    "deployment",
    _NAMED
    | _of("text", "endpoint_name", "instance_type", "model_mount_path")
    | _of("mapping", "environment_variables", "scale_settings", "data_collector", "resources")
    | _of("boolean", "app_insights_enabled", "private_network_connection")
    | {"code_configuration": Table("code_configuration", _of("text", "code", "scoring_script"), ("code",))}
    | {"model": "any", "environment": "any", "instance_count": "positive", "type": frozenset(["managed", "kubernetes"])}
    | {"request_settings": Table("request_settings", _REQUESTS), "liveness_probe": _PROBE, "readiness_probe": _PROBE}
    | {"egress_public_network_access": frozenset(["enabled", "disabled"])},
    ("name", "endpoint_name"),
)
_TIMED = _of("any", "start_time", "end_time", "time_zone")
CRON = Table("trigger", _TIMED | {"type": frozenset(["cron"]), "expression": "text"}, ("type", "expression"))
_PATTERN = Table("schedule", _of("any", "hours", "minutes", "week_days", "month_days"), ("hours", "minutes"))
RECURRENCE = Table(
    "trigger",
    _TIMED
    | {"type": frozenset(["recurrence"]), "frequency": frozenset(["minute", "hour", "day", "week", "month"])}
    | {"interval": "positive", "schedule": _PATTERN},
    ("type", "frequency", "interval"),
)
SCHEDULE = Table(
    "schedule",
    _NAMED | {"trigger": "mapping", "create_job": "any"},
    ("name", "trigger", "create_job"),
)

_WANTED = {
    "text": "text",
    "integer": "a whole number",
    "positive": "a whole number from 1",
    "boolean": "true or false",
    "mapping": "a mapping",
    "list": "a list",
}


def check_fields(place: Place, table: Table, findings: Findings) -> None:
    """Report fields of a mapping that the table does not know, misses, or wants otherwise."""
    if not place.is_mapping:
        findings.report("MLP0814", f"{table.name} must be a mapping", place)
        return
    fields = place.fields()
    for name, field in fields.items():
        kind = table.fields.get(name)
        if kind is None:
            findings.unknown("MLP0812", f"unknown field `{name}` of a {table.name}", field.key, name, table.fields)
        else:
            _check_kind(name, field.value, kind, findings)
    for name in table.required:
        if name not in fields:
            findings.report("MLP0813", f"{table.name} has no `{name}`", place)


def _check_kind(name: str, place: Place, kind: Kind, findings: Findings) -> None:
    if isinstance(kind, Table):
        if not (place.is_scalar and EXPRESSION.search(place.text)):
            check_fields(place, kind, findings)
        return
    if kind == "any" or (place.is_scalar and EXPRESSION.search(place.text)):
        return
    if isinstance(kind, frozenset):
        if not place.is_scalar or (place.text not in kind and place.text.lower().replace("-", "_") not in kind):
            findings.unknown("MLP0814", f"`{name}` cannot be `{place.text}`", place, place.text, kind)
        return
    match kind:
        case "mapping":
            fine = place.is_mapping
        case "list":
            fine = not place.is_mapping and not place.is_scalar
        case "text":
            fine = place.is_scalar and place.value() is not None
        case "boolean":
            fine = place.is_scalar and isinstance(place.value(), bool)
        case _:
            value = place.value() if place.is_scalar else None
            fine = isinstance(value, int) and not isinstance(value, bool) and (kind == "integer" or value >= 1)
    if not fine:
        code = "MLP0824" if name in ("instance_count", "max_instance_count") else "MLP0814"
        found = f"`{place.text}`" if place.is_scalar else "a collection"
        findings.report(code, f"`{name}` must be {_WANTED[kind]}, found {found}", place)
