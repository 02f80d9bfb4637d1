"""The words of a program for the fields of Azure ML's jobs: each field is named once, here.

The compiler reads blocks by these tables, and whoever turns YAML into a program writes blocks by them. A row says the
word, where the field stands in the job (`("resources", "instance_count")`), what it may hold, and in which kinds of
job. A field that no row names is said in an `azureml { … }` block, under Azure ML's own name.
"""

from typing import Any, NamedTuple

from mlp_lang.compiler.settings import RAW, Argument, Raw, Words
from mlp_lang.compiler.types import BOOL, INT, STRING, ListType, MapType, Scalar, Type, Union

POSITIVE = Scalar("int", 1)
NATURAL = Scalar("int", 0)
DURATION = Scalar("duration", 1)
STRINGS = ListType(STRING)
ANY_MAP = MapType(Scalar("any"))


class Field(NamedTuple):
    """A word for a field of a job, or of a definition, and the kinds of job that have it."""

    word: str
    path: tuple[str, ...]
    type: Type | Words | Raw
    kinds: frozenset[str]


_RESOURCED = frozenset(["command", "parallel", "sweep"])
_CODED = frozenset(["command", "parallel", "spark", "sweep"])
_PARALLEL = frozenset(["parallel"])
_SPARK = frozenset(["spark"])
_ALL = frozenset(["command", "parallel", "spark", "sweep", "automl", "pipeline", "import", "data_transfer"])
_JOBS = frozenset(["command", "spark", "automl", "import", "data_transfer"])


def _same(words: str, type_: Type | Words | Raw, kinds: frozenset[str]) -> tuple[Field, ...]:
    """Words that are Azure ML's own."""
    return tuple(Field(word, (word,), type_, kinds) for word in words.split())


RUN: tuple[Field, ...] = (
    Field("nodes", ("resources", "instance_count"), POSITIVE, _RESOURCED | {"automl"}),
    Field("max_nodes", ("resources", "max_instance_count"), POSITIVE, _RESOURCED | {"automl"}),
    Field("instance", ("resources", "instance_type"), STRING, _CODED | {"automl"}),
    Field("shm", ("resources", "shm_size"), Union((Scalar("size", 1), STRING)), _RESOURCED | {"automl"}),
    Field("docker_args", ("resources", "docker_args"), Union((STRING, STRINGS)), _RESOURCED | {"automl"}),
    Field("locations", ("resources", "locations"), STRINGS, _RESOURCED | {"automl"}),
    Field("resource_properties", ("resources", "properties"), ANY_MAP, _RESOURCED | {"automl"}),
    Field("runtime", ("resources", "runtime_version"), STRING, _SPARK),
    Field("timeout", ("limits", "timeout"), DURATION, frozenset(["command"])),
    Field("timeout", ("retry_settings", "timeout"), DURATION, _PARALLEL),
    # Azure ML does not retry a command; what runs the pipeline here does
    Field("retries", (), NATURAL, frozenset(["command"])),
    Field("retries", ("retry_settings", "max_retries"), NATURAL, _PARALLEL),
    Field("distribution", ("distribution",), RAW, frozenset(["command", "sweep"])),
    # azure-ai-ml reads an identity of a sweep and forgets it
    Field("identity", ("identity",), RAW, (_CODED - {"sweep"}) | {"automl", "import", "data_transfer"}),
    Field("env", ("environment_variables",), ANY_MAP, frozenset(["command", "parallel", "sweep", "automl"])),
    Field("environment", ("environment",), RAW, _CODED),
    Field("tier", ("queue_settings", "job_tier"), STRING, frozenset(["command", "sweep", "automl"])),
    Field("priority", ("queue_settings", "priority"), STRING, frozenset(["command", "sweep", "automl"])),
    Field("services", ("services",), RAW, _JOBS),
    *_same("display_name", STRING, _ALL),
    *_same("description", STRING, _ALL),
    Field("job_name", ("name",), STRING, _ALL),
    Field("experiment", ("experiment_name",), STRING, _JOBS),
    *_same("tags properties", ANY_MAP, _ALL),
    *_same("mini_batch_size logging_level", STRING, _PARALLEL),
    *_same("input_data", RAW, _PARALLEL),
    *_same("error_threshold mini_batch_error_threshold", Scalar("int", -1), _PARALLEL),
    *_same("max_concurrency_per_instance", POSITIVE, _PARALLEL),
    *_same("partition_keys", STRINGS, _PARALLEL),
    *_same("conf", ANY_MAP, _SPARK),
    *_same("args", STRING, _SPARK),
)
"""What a `run` block may say of each kind of job."""

SETTINGS: tuple[Field, ...] = tuple(
    field._replace(path=("settings", *field.path))
    for field in (
        *_same("default_datastore on_init on_finalize", STRING, frozenset(["pipeline"])),
        *_same(
            "continue_on_step_failure continue_run_on_failed_optional_input force_rerun", BOOL, frozenset(["pipeline"])
        ),
    )
)
"""What the `settings` block of a pipeline may say."""

SERVICES: tuple[Field, ...] = (
    *_same("type nodes", Words(()), _JOBS),
    *_same("log_dir ssh_public_keys", STRING, _JOBS),
    *_same("port", INT, _JOBS),
    *_same("properties", ANY_MAP, _JOBS),
)
"""What a block inside `services` may say: one interactive service of a job."""

DEFINE: tuple[Field, ...] = (
    *_same("code environment", RAW, frozenset(["command", "spark"])),
    *_same("command", RAW, frozenset(["command"])),
    Field("code", ("task", "code"), RAW, _PARALLEL),
    Field("environment", ("task", "environment"), RAW, _PARALLEL),
    Field("entry", ("task", "entry_script"), STRING, _PARALLEL),
    Field("arguments", ("task", "program_arguments"), RAW, _PARALLEL),
    Field("append_to", ("task", "append_row_to"), RAW, _PARALLEL),
    Field("model", ("task", "model"), STRING, _PARALLEL),
    Field("task_type", ("task", "type"), Words(("run_function", "model", "function")), _PARALLEL),
    Field("entry", ("entry",), RAW, _SPARK),
    *_same("py_files jars files archives", STRINGS, _SPARK),
    *_same("conf", ANY_MAP, _SPARK),
    *_same("args", RAW, _SPARK),
    Field("source", ("source",), RAW, frozenset(["import", "import_data"])),
    Field("sink", ("sink",), RAW, frozenset(["export_data"])),
    Field("mode", ("data_copy_mode",), Words(("merge_with_overwrite", "fail_if_conflict")), frozenset(["copy_data"])),
)
"""What a component that a program declares may say of itself, beside its inputs and outputs."""

DISTRIBUTIONS: dict[str, tuple[tuple[Argument, str], ...]] = {
    "pytorch": ((Argument("processes", POSITIVE), "process_count_per_instance"),),
    "mpi": ((Argument("processes", POSITIVE), "process_count_per_instance"),),
    "tensorflow": (
        (Argument("workers", POSITIVE), "worker_count"),
        (Argument("parameter_servers", NATURAL), "parameter_server_count"),
    ),
    "ray": (
        (Argument("port", POSITIVE), "port"),
        (Argument("address", STRING), "address"),
        (Argument("include_dashboard", BOOL), "include_dashboard"),
        (Argument("dashboard_port", POSITIVE), "dashboard_port"),
        (Argument("head_node_additional_args", STRING), "head_node_additional_args"),
        (Argument("worker_node_additional_args", STRING), "worker_node_additional_args"),
    ),
}
"""The calls that `distribution` takes: each argument with the field that it becomes."""

IDENTITIES: dict[str, str] = {"managed": "managed_identity", "user": "user_identity", "aml_token": "aml_token"}
"""The words for an identity, and Azure ML's."""

IDENTITY_ARGUMENTS: tuple[tuple[Argument, str], ...] = (
    (Argument("client_id", STRING), "client_id"),
    (Argument("object_id", STRING), "object_id"),
    (Argument("resource_id", STRING), "msi_resource_id"),
)
"""What `managed(…)` takes."""

_DATABASE = ("connection", "query", "table_name", "stored_procedure")
SOURCES: dict[str, dict[str, tuple[tuple[Argument, str], ...]]] = {
    "import": {
        "database": (
            (Argument("type", STRING, True), "type"),
            (Argument("connection", STRING, True), "connection"),
            (Argument("query", STRING, True), "query"),
        ),
        "s3": ((Argument("connection", STRING, True), "connection"), (Argument("path", STRING, True), "path")),
    },
    "transfer": {
        "database": (
            *((Argument(word, STRING, word == "connection"), word) for word in _DATABASE),
            (Argument("stored_procedure_params", ListType(ANY_MAP)), "stored_procedure_params"),
        ),
        "file_system": ((Argument("path", STRING), "path"), (Argument("connection", STRING, True), "connection")),
    },
}
"""The calls that say where data comes from and goes to: of an `import`, and of `import_data` and `export_data`."""

TASKS: dict[str, str] = {"copy_data": "copy_data", "import_data": "import_data", "export_data": "export_data"}
"""The kinds of component that are a `data_transfer` in Azure ML, with its `task`."""

DESCRIBED = frozenset(["spark", "import", "data_transfer", "command", "automl"])
"""Kinds of job whose `##` is Azure ML's `description` where the job defines its component itself; else `comment`."""


def put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a field that may lie in mappings inside the document."""
    for key in path[:-1]:
        document = document.setdefault(key, {})
    document[path[-1]] = value


def merge(document: dict[str, Any], extra: dict[str, Any]) -> None:
    """Put fields into a document, mappings into mappings."""
    for key, value in extra.items():
        held = document.get(key)
        if isinstance(held, dict) and isinstance(value, dict):
            merge(held, value)
        else:
            document[key] = value


def words(fields: tuple[Field, ...], kind: str) -> dict[str, Field]:
    """The rows for one kind of job, by word."""
    return {field.word: field for field in fields if kind in field.kinds}
