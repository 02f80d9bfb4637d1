"""Tables that several definitions share: names, resources, identity, ports, environments, services."""

from mlp_lang.lowering.checker.fields import (
    COUNT,
    INTEGER,
    LIST,
    POSITIVE,
    TEXTS,
    Kind,
    ListOf,
    MapOf,
    Table,
    Variants,
    of,
)

ASSETS = frozenset(["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"])
PORT_TYPES = ASSETS | {"path"}
PRIMITIVES = frozenset(["string", "number", "integer", "boolean"])
INPUT_MODES = frozenset(["ro_mount", "download", "direct", "eval_mount", "eval_download"])
OUTPUT_MODES = frozenset(["rw_mount", "upload", "mount", "direct"])
PORT_MODES = INPUT_MODES | OUTPUT_MODES | {"link"}

# What the service adds to a definition that is read back from it: ignored when it is sent again.
READ_ONLY = of("any", "creation_context", "status", "log_files", "latest_version", "parameters", "provisioning_state")
NAMED = of("text", "name", "description") | of(TEXTS, "tags") | of("any", "id", "$schema")
JOB = (
    NAMED
    | READ_ONLY
    | of("text", "display_name", "experiment_name", "compute")
    | {"properties": TEXTS, "identity": "any", "services": "any", "type": "text"}
)

BUILD = Table("build", of("text", "path", "dockerfile_path"))
_ROUTE = Table("route", {"port": INTEGER, "path": "text"}, ("port", "path"))
_ROUTES = ("liveness_route", "scoring_route", "readiness_route")
AUTO_DELETE = Table(
    "auto_delete_setting",
    {"value": "text", "condition": frozenset(["created_greater_than", "last_accessed_greater_than"])},
)
PROPERTY = Table("intellectual_property", {"publisher": "text", "protection_level": frozenset(["all", "none"])})
PORT_PROPERTY = Table("intellectual_property", {"protection_level": frozenset(["all", "none"])})
ENVIRONMENT = Table(
    "environment",
    NAMED
    | READ_ONLY
    | of("text", "image", "datastore")
    | {"version": "scalar", "conda_file": ("text", "mapping"), "tags": "mapping", "build": BUILD}
    | {"os_type": frozenset(["linux", "windows"]), "auto_delete_setting": AUTO_DELETE}
    | {"intellectual_property": PROPERTY}
    | {"inference_config": Table("inference_config", of(_ROUTE, *_ROUTES), _ROUTES)},
)
_RESOURCES = (
    of(POSITIVE, "instance_count", "max_instance_count")
    | of("text", "instance_type", "shm_size")
    | {"docker_args": ("text", LIST), "properties": "mapping", "locations": LIST}
)
RESOURCES = Table("resources", _RESOURCES)
COMPONENT_RESOURCES = Table("resources", _RESOURCES, open=True)
_MANAGED = of("text", "client_id", "object_id", "msi_resource_id")
_KINDS_OF_MANAGED = frozenset(["managed", "managed_identity"])
IDENTITY = Variants(
    "identity",
    "type",
    {
        "managed": Table("identity", _MANAGED | {"type": _KINDS_OF_MANAGED}, ("type",)),
        "managed_identity": Table("identity", _MANAGED | {"type": _KINDS_OF_MANAGED}, ("type",)),
        "aml_token": Table("identity", {"type": frozenset(["aml_token"])}, ("type",)),
        "user_identity": Table("identity", {"type": frozenset(["user_identity"])}, ("type",)),
    },
)


def _distribution(name: str, fields: "dict[str, Kind]") -> Table:
    return Table(f"{name} distribution", fields | {"type": frozenset([name])}, ("type",))


DISTRIBUTION = Variants(
    "distribution",
    "type",
    {
        "pytorch": _distribution("pytorch", of(POSITIVE, "process_count_per_instance")),
        "mpi": _distribution("mpi", of(POSITIVE, "process_count_per_instance")),
        "tensorflow": _distribution("tensorflow", {"worker_count": POSITIVE, "parameter_server_count": COUNT}),
        "ray": _distribution(
            "ray",
            of(INTEGER, "port", "dashboard_port")
            | of("text", "address", "head_node_additional_args", "worker_node_additional_args")
            | {"include_dashboard": "boolean"},
        ),
    },
)
QUEUE = Table(
    "queue_settings",
    {
        "job_tier": frozenset(["spot", "basic", "standard", "premium", "null"]),
        "priority": frozenset(["low", "medium", "high"]),
    },
)
_SERVICE = (
    of(INTEGER, "port")
    | of("any", "endpoint", "status", "error_message", "$schema")
    | {
        "nodes": frozenset(["all"]),
        "properties": "mapping",
    }
)


def _service(kind: str, *texts: str) -> Table:
    return Table(f"{kind} service", _SERVICE | of("text", *texts) | {"type": frozenset([kind])})


SERVICE = Variants(
    "service",
    "type",
    {
        "ssh": _service("ssh", "ssh_public_keys"),
        "tensor_board": _service("tensor_board", "log_dir"),
        "vs_code": _service("vs_code"),
        "jupyter_lab": _service("jupyter_lab"),
        "custom": Table("service", _SERVICE | {"type": "text"}),
        "studio": Table("service", _SERVICE | {"type": "text"}),
        "tracking": Table("service", _SERVICE | {"type": "text"}),
    },
    default="custom",
)
SERVICES = MapOf(SERVICE)
JOB |= {"identity": IDENTITY, "services": SERVICES}
CODED: "dict[str, Kind]" = {
    "code": "text",
    "environment": ("text", "mapping"),
    "environment_variables": "mapping",
    "resources": RESOURCES,
    "distribution": DISTRIBUTION,
    "queue_settings": QUEUE,
}
"""What is said of a command beside the command itself."""

LIMITS = Table("limits", of(POSITIVE, "timeout"))
SETTINGS = Table(
    "settings",
    of("text", "default_compute", "default_datastore", "on_init", "on_finalize")
    | of("boolean", "continue_on_step_failure", "continue_run_on_failed_optional_input", "force_rerun"),
    open=True,
)
JOB_INPUT = Table(
    "input",
    of("text", "path", "datastore", "path_on_compute") | {"type": ASSETS, "mode": INPUT_MODES, "value": "scalar"},
)
JOB_OUTPUT = Table(
    "output", of("text", "$schema", "path", "name") | {"type": ASSETS, "mode": OUTPUT_MODES, "version": "scalar"}
)
_PORT: "dict[str, Kind]" = {
    "type": PORT_TYPES,
    "description": "text",
    "mode": PORT_MODES,
    "intellectual_property": PORT_PROPERTY,
}
_ASSET_INPUT = Table("input", _PORT | {"optional": "boolean", "default": "text"}, ("type",))
_PARAMETER_INPUT = Table(
    "input",
    of("scalar", "default", "min", "max")
    | {"type": PRIMITIVES, "description": "text", "optional": "boolean", "enum": LIST},
    ("type",),
)
_ASSET_OUTPUT = Table("output", _PORT, ("type",))
_VALUE_OUTPUT = Table(
    "output", _PORT | of("boolean", "early_available", "is_control") | {"type": PRIMITIVES}, ("type",), open=True
)
COMPONENT_INPUT = Variants(
    "input", "type", dict.fromkeys(PORT_TYPES, _ASSET_INPUT) | dict.fromkeys(PRIMITIVES, _PARAMETER_INPUT)
)
COMPONENT_OUTPUT = Variants(
    "output", "type", dict.fromkeys(PORT_TYPES, _ASSET_OUTPUT) | dict.fromkeys(PRIMITIVES, _VALUE_OUTPUT)
)
PORTS: "dict[str, Kind]" = {"inputs": "mapping", "outputs": "mapping"}

_PARAMETER = Table("parameter", of("text", "name", "value", "type"))
DATABASE = Table(
    "database",
    of("text", "table_name", "query", "stored_procedure", "connection")
    | {"type": frozenset(["database"]), "stored_procedure_params": ListOf(_PARAMETER)},
    ("type", "connection"),
)
FILE_SYSTEM = Table(
    "file system", of("text", "path", "connection") | {"type": frozenset(["file_system"])}, ("connection",)
)
STORE = Variants("source or sink", "type", {"database": DATABASE, "file_system": FILE_SYSTEM}, "file_system")
"""Where data come from and go to: outside of Azure ML, over a connection."""
