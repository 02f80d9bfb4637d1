"""The words of a program for the fields of Azure ML's definitions (environments, assets, endpoints, deployments).

As in vocabulary.py, each field is named once: the compiler reads blocks by these rows, and whoever turns YAML into a
program writes blocks by them. A field that no row names is said in an `azureml { … }` block, under Azure ML's own name.
"""

from typing import NamedTuple, TypeAlias

from mlp_lang.compiler.settings import Argument, Words
from mlp_lang.compiler.types import BOOL, FLOAT, INT, STRING, MapType, Type, Union
from mlp_lang.compiler.vocabulary import ANY_MAP, NATURAL, POSITIVE, SOURCES, STRINGS


class Folded(NamedTuple):
    """A closed vocabulary whose members Azure ML takes in any spelling of case; written as bare words."""

    members: tuple[str, ...]


class Port(NamedTuple):
    """The type of an asset: `file`, `folder`, or Azure ML's own word."""

    members: tuple[str, ...]


class Seconds(NamedTuple):
    """A duration, which Azure ML counts in parts of a second: 1, or 1000 where it counts milliseconds."""

    parts: int


class Flag(NamedTuple):
    """A boolean that Azure ML keeps as the text `true` or `false`."""


class Group(NamedTuple):
    """A block with rows of its own."""

    rows: "tuple[Row, ...]"


class Each(NamedTuple):
    """A block of blocks under names that the author gives."""

    rows: "tuple[Row, ...]"


class Free(NamedTuple):
    """A block, or a map, of literals under Azure ML's own names."""


class Given(NamedTuple):
    """A block of inputs: literals under the names of inputs; an asset among them may lie here (`path`)."""


class Local(NamedTuple):
    """A path, which says what travels: `code`, `conda`, `context` are copied, `data` and `component` referred to."""

    sort: str


class Via(NamedTuple):
    """What has a form of its own: `environment`, `model`, `compute`, `identity`, `source`, `component`, `job`."""

    form: str


Kind: TypeAlias = Type | Words | Folded | Port | Seconds | Flag | Group | Each | Free | Given | Local | Via


class Row(NamedTuple):
    """A word, where its field stands, what it may hold, and the kinds of definition that have it."""

    word: str
    path: tuple[str, ...]
    type: Kind
    kinds: frozenset[str] = frozenset()


VERSION = Union((STRING, INT))
ACCESS = Folded(("enabled", "disabled"))
FREE = Free()
SECONDS = Seconds(1)
MILLISECONDS = Seconds(1000)

_ENVIRONMENT = frozenset(["environment"])
_DATA = frozenset(["data"])
_MODEL = frozenset(["model"])
_MONITOR = frozenset(["monitor"])
_ASSET = _DATA | _MODEL
_ONLINE_ENDPOINTS = frozenset(["online", "kubernetes"])
_ENDPOINTS = _ONLINE_ENDPOINTS | {"batch"}
_MANAGED = frozenset(["managed"])
_ONLINE = frozenset(["managed", "kubernetes"])
_BATCH = frozenset(["batch"])
_FLAT = frozenset(["flat"])
_MODELS = _ONLINE | _BATCH | _FLAT
_PIPELINE = frozenset(["pipeline"])
_DEPLOYMENTS = _MODELS | _PIPELINE


def _same(words: str, type_: Kind, kinds: frozenset[str] = frozenset()) -> tuple[Row, ...]:
    """Words that are Azure ML's own."""
    return tuple(Row(word, (word,), type_, kinds) for word in words.split())


_ROUTE = Group((*_same("path", STRING), *_same("port", INT)))
_NAMED = (*_same("name", STRING), *_same("version", VERSION))
_DESCRIBED = (*_same("description", STRING), *_same("tags properties", ANY_MAP))

ENVIRONMENT: tuple[Row, ...] = (
    *_NAMED,
    *_DESCRIBED,
    *_same("image", STRING),
    Row("conda", ("conda_file",), Local("conda")),
    Row("build", ("build", "path"), Local("context")),
    Row("dockerfile", ("build", "dockerfile_path"), STRING),
    *_same("os_type", Folded(("linux", "windows"))),
    Row(
        "inference",
        ("inference_config",),
        Group(tuple(Row(word, (f"{word}_route",), _ROUTE) for word in ("liveness", "readiness", "scoring"))),
    ),
    *_same("datastore", STRING),
)
"""What the block of an `environment` may say, and a deployment's `environment { … }`."""

DATA: tuple[Row, ...] = (
    *_NAMED,
    *_DESCRIBED,
    Row("type", ("type",), Port(("file", "folder", "mltable"))),
    *_same("path", Local("data")),
    *_same("datastore", STRING),
    *_same("source", Via("source")),
)
"""What the block of `asset … = data("name")` may say."""

MODEL: tuple[Row, ...] = (
    *_NAMED,
    *_DESCRIBED,
    *_same("type", Folded(("mlflow_model", "custom_model", "triton_model"))),
    *_same("path", Local("data")),
    *_same("stage datastore", STRING),
    *_same("flavors", FREE),
)
"""What the block of `asset … = model("name")` may say, and a deployment's `model { … }`."""

MONITOR: tuple[Row, ...] = (
    Row(
        "compute",
        ("compute",),
        Group((Row("instance", ("instance_type",), STRING), Row("runtime", ("runtime_version",), STRING))),
    ),
    Row(
        "target",
        ("monitoring_target",),
        Group(
            (
                Row(
                    "task",
                    ("ml_task",),
                    Folded(("classification", "regression", "question_answering")),
                ),
                Row("deployment", ("endpoint_deployment_id",), STRING),
                Row("model", ("model_id",), STRING),
            )
        ),
    ),
    Row("signals", ("monitoring_signals",), FREE),
    Row("emails", ("alert_notification", "emails"), STRINGS),
)
"""What the block of `asset … = monitor()` may say."""

ENDPOINT: tuple[Row, ...] = (
    Row("auth", ("auth_mode",), Folded(("key", "aml_token", "aad_token"))),
    *_DESCRIBED,
    *_same("location", STRING),
    *_same("identity", Via("identity")),
    *_same("traffic mirror_traffic", MapType(INT), _ONLINE_ENDPOINTS),
    *_same("public_network_access", ACCESS, frozenset(["online"])),
    *_same("compute", Via("compute"), frozenset(["kubernetes"])),
    Row("default_deployment", ("defaults", "deployment_name"), STRING, _BATCH),
)
"""What the block of an `endpoint` may say."""

_PROBE = Group(
    (
        *_same("initial_delay period timeout", SECONDS),
        *_same("success_threshold failure_threshold", NATURAL),
    )
)
_REQUESTS = Group(
    (
        Row("request_timeout", ("request_timeout_ms",), MILLISECONDS),
        Row("max_queue_wait", ("max_queue_wait_ms",), MILLISECONDS),
        *_same("max_concurrent_requests_per_instance", POSITIVE),
    )
)
_SCALE = Group(
    (
        *_same("type", Folded(("default", "target_utilization"))),
        *_same("min_instances max_instances target_utilization_percentage", NATURAL),
        *_same("polling_interval", SECONDS),
    )
)
_COLLECTOR = Group(
    (
        Row(
            "collections",
            ("collections",),
            Each((*_same("enabled", Flag()), *_same("client_id", STRING), *_same("data", Union((STRING, ANY_MAP))))),
        ),
        *_same("rolling_rate", Folded(("minute", "hour", "day"))),
        *_same("sampling_rate", FLOAT),
        *_same("request_logging", Group(_same("capture_headers", STRINGS))),
    )
)
_AMOUNTS = Group(_same("cpu memory gpu", STRING))
_RETRY = Group((*_same("max_retries", NATURAL), *_same("timeout", SECONDS)))
_SETTINGS = Group(
    (
        *_same("default_compute", Via("compute")),
        *_same("default_datastore", STRING),
        *_same("continue_on_step_failure continue_run_on_failed_optional_input force_rerun", BOOL),
    )
)


def _batch(path: tuple[str, ...], kinds: frozenset[str]) -> tuple[Row, ...]:
    """The settings of a batch deployment, which its older form has at its top."""
    typed: tuple[tuple[str, Kind], ...] = (
        ("mini_batch_size", POSITIVE),
        ("output_action", Folded(("append_row", "summary_only"))),
        ("output_file_name", STRING),
        ("max_concurrency_per_instance", POSITIVE),
        ("error_threshold", INT),
        ("logging_level", Words(("debug", "info", "warning"))),
        ("retry_settings", _RETRY),
    )
    return tuple(Row(word, (*path, word), type_, kinds) for word, type_ in typed)


JOB: tuple[Row, ...] = (
    *_same("type", Folded(("pipeline",))),
    *_same("comment", STRING),
    *_same("component", Via("component")),
    *_same("properties", ANY_MAP),
    *_same("inputs", Given()),
    *_same("outputs", FREE),
)
"""What a deployment's `job_definition { … }` may say: the job of a component, with what it is given."""

DEPLOYMENT: tuple[Row, ...] = (
    *_same("name", STRING),
    *_DESCRIBED,
    *_same("model", Via("model"), _MODELS),
    *_same("environment", Via("environment"), _MODELS),
    Row("code", ("code_configuration", "code"), Local("code"), _MODELS),
    Row("scoring_script", ("code_configuration", "scoring_script"), STRING, _MODELS),
    Row("instance", ("instance_type",), STRING, _ONLINE),
    Row("instances", ("instance_count",), POSITIVE, _ONLINE),
    *_same("request_settings", _REQUESTS, _ONLINE),
    *_same("liveness_probe readiness_probe", _PROBE, _ONLINE),
    *_same("scale_settings", _SCALE, _ONLINE),
    Row("env", ("environment_variables",), FREE, _ONLINE | _FLAT),
    *_same("app_insights_enabled", BOOL, _ONLINE),
    *_same("model_mount_path", STRING, _ONLINE),
    *_same("data_collector", _COLLECTOR, _ONLINE),
    Row("egress", ("egress_public_network_access",), ACCESS, _MANAGED),
    *_same("private_network_connection", BOOL, _MANAGED),
    *_same("resources", Group(_same("requests limits", _AMOUNTS)), frozenset(["kubernetes"])),
    *_same("compute", Via("compute"), _BATCH | _FLAT),
    Row("instances", ("resources", "instance_count"), POSITIVE, _BATCH | _FLAT),
    Row("instance", ("resources", "instance_type"), STRING, _BATCH | _FLAT),
    *_batch(("settings",), _BATCH),
    *_batch((), _FLAT),
    Row("env", ("settings", "environment_variables"), FREE, _BATCH),
    *_same("component", Via("component"), _PIPELINE),
    *_same("job_definition", Via("job"), _PIPELINE),
    *_same("settings", _SETTINGS, _PIPELINE),
)
"""What the block of a `deployment` may say."""

TABLES: dict[str, tuple[Row, ...]] = {
    "environment": ENVIRONMENT,
    "data": DATA,
    "model": MODEL,
    "monitor": MONITOR,
    "endpoint": ENDPOINT,
    "deployment": DEPLOYMENT,
}

SCHEMAS: dict[str, str] = {
    "environment": "environment",
    "data": "data",
    "model": "model",
    "online": "managedOnlineEndpoint",
    "kubernetes endpoint": "kubernetesOnlineEndpoint",
    "batch endpoint": "batchEndpoint",
    "managed": "managedOnlineDeployment",
    "kubernetes": "kubernetesOnlineDeployment",
    "batch": "modelBatchDeployment",
    "flat": "batchDeployment",
    "pipeline": "pipelineComponentBatchDeployment",
    "schedule": "schedule",
}
"""Azure ML's schema of each kind of definition, by its name at azuremlschemas.azureedge.net."""

ENDPOINTS: dict[str, tuple[Argument, ...]] = dict.fromkeys(
    ("online", "kubernetes", "batch"), (Argument("name", STRING),)
)
ENDPOINTS["kubernetes"] = (Argument("name", STRING), Argument("compute", STRING))
ASSETS: dict[str, tuple[Argument, ...]] = {
    "data": (Argument("name", STRING),),
    "model": (Argument("name", STRING),),
    "monitor": (),
}
SERVES: dict[str, str] = {
    "managed": "online",
    "kubernetes": "kubernetes",
    "batch": "batch",
    "flat": "batch",
    "pipeline": "batch",
}
"""The kinds of deployment, each with the kind of endpoint that it belongs to."""

TYPES: dict[str, str] = {"kubernetes": "kubernetes", "batch": "model", "pipeline": "pipeline"}
"""What Azure ML says after `type:` of a deployment, where it says anything."""

IDENTITIES: dict[str, str] = {"system": "system_assigned", "managed": "user_assigned", "none": "none"}
"""The words for the identity of an endpoint, and Azure ML's."""

IDENTITY_FIELDS = ("resource_id", "client_id", "object_id")
IMPORT_SOURCES = SOURCES["transfer"]


def rows(table: str, kind: str) -> dict[str, Row]:
    """The rows of one kind of definition, by word."""
    return {row.word: row for row in TABLES[table] if not row.kinds or kind in row.kinds}
