"""Tables of endpoints and deployments, online and batch."""

from mlp_lang.lowering.checker.fields import (
    COUNT,
    LIST,
    POSITIVE,
    TEXTS,
    Kind,
    ListOf,
    MapOf,
    Number,
    Table,
    Variants,
    of,
)
from mlp_lang.lowering.checker.tables.common import NAMED, READ_ONLY, RESOURCES
from mlp_lang.lowering.checker.tables.components import THRESHOLD

_SERVED = NAMED | READ_ONLY | of("mapping", "tags", "properties")
_IDENTITY = Table(
    "identity",
    of("any", "principal_id", "tenant_id")
    | {
        "type": frozenset(["system_assigned", "user_assigned", "none"]),
        "user_assigned_identities": ListOf(TEXTS),
    },
)
_ENDPOINT = (
    _SERVED
    | of("text", "location")
    | of("any", "scoring_uri", "openapi_uri", "kind")
    | {"identity": _IDENTITY, "auth_mode": frozenset(["key", "aml_token", "aad_token"])}
)
_ROUTED = _ENDPOINT | {"traffic": MapOf(Number(low=0, high=100)), "mirror_traffic": MapOf(Number(low=0, high=50))}
_SWITCH = frozenset(["enabled", "disabled"])
ONLINE_ENDPOINT = Table("online endpoint", _ROUTED | {"compute": "text", "public_network_access": _SWITCH}, ("name",))
BATCH_ENDPOINT = Table(
    "batch endpoint",
    _ENDPOINT | {"defaults": Table("defaults", {"deployment_name": "text"})},
    ("name",),
)

_PROBE = Table(
    "probe",
    of(POSITIVE, "period", "timeout", "success_threshold", "failure_threshold") | of(COUNT, "initial_delay"),
)
_REQUESTS = of(POSITIVE, "request_timeout_ms", "max_concurrent_requests_per_instance") | of(COUNT, "max_queue_wait_ms")
_SCALE = Variants(
    "scale_settings",
    "type",
    {
        "default": Table("scale_settings", {"type": frozenset(["default"])}, ("type",)),
        "target_utilization": Table(
            "scale_settings",
            of(POSITIVE, "polling_interval", "target_utilization_percentage", "max_instances")
            | {"min_instances": COUNT, "type": frozenset(["target_utilization"])},
            ("type",),
        ),
    },
)
_ASSET = Table("data", of("text", "name", "path", "data_id") | {"version": "scalar"})
_COLLECTION = Table(
    "collection",
    {"enabled": "text", "data": ("text", _ASSET), "client_id": "text"},
    ("enabled",),
)
_COLLECTOR = Table(
    "data_collector",
    {
        "collections": MapOf(_COLLECTION),
        "rolling_rate": frozenset(["minute", "day", "hour"]),
        "sampling_rate": Number(whole=False, low=0, high=1),
        "request_logging": Table("request_logging", {"capture_headers": LIST}),
    },
)
_SHARE = Table("resources", of("text", "cpu", "memory", "gpu"))
_DEPLOYMENT = (
    _SERVED
    | of("text", "endpoint_name")
    | of("any", "model", "environment")
    | {
        "environment_variables": "mapping",
        "code_configuration": Table("code_configuration", of("text", "$schema", "code", "scoring_script")),
    }
)
ONLINE_DEPLOYMENT = Table(
    "online deployment",
    _DEPLOYMENT
    | of("text", "instance_type", "model_mount_path")
    | of(_PROBE, "liveness_probe", "readiness_probe")
    | {
        "type": frozenset(["managed", "kubernetes"]),
        "app_insights_enabled": "boolean",
        "private_network_connection": "boolean",
        "scale_settings": _SCALE,
        "request_settings": Table("request_settings", _REQUESTS),
        "instance_count": POSITIVE,
        "data_collector": _COLLECTOR,
        "egress_public_network_access": _SWITCH,
        "resources": Table("resources", of(_SHARE, "requests", "limits")),
    },
    ("name", "endpoint_name"),
)
_RETRIES = Table("retry_settings", {"max_retries": COUNT, "timeout": POSITIVE})
_BATCH_RUN: "dict[str, Kind]" = {
    "error_threshold": THRESHOLD,
    "retry_settings": _RETRIES,
    "mini_batch_size": POSITIVE,
    "logging_level": "text",
    "output_action": frozenset(["append_row", "summary_only"]),
    "output_file_name": "text",
    "max_concurrency_per_instance": POSITIVE,
}
_BATCH = _DEPLOYMENT | {"type": frozenset(["model", "pipeline"])}
BATCH_DEPLOYMENT = Variants(
    "batch deployment",
    "type",
    {
        "model": Table(
            "batch deployment",
            _BATCH
            | _BATCH_RUN
            | of("any", "component", "job_definition")
            | {
                "compute": "text",
                "resources": RESOURCES,
                "settings": Table(
                    "settings", _BATCH_RUN | {"instance_count": POSITIVE, "environment_variables": "mapping"}
                ),
            },
            ("name", "endpoint_name"),
        ),
        "pipeline": Table(
            "batch deployment",
            _SERVED
            | of("text", "endpoint_name")
            | of("any", "component", "job_definition")
            | {"type": frozenset(["model", "pipeline"]), "settings": "mapping"},
            ("name", "endpoint_name"),
        ),
    },
    default="model",
)
