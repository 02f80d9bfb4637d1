"""Tables of components, by their type, as files; written in place they need no name."""

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
from mlp_lang.lowering.checker.tables.common import (
    AUTO_DELETE,
    COMPONENT_INPUT,
    COMPONENT_OUTPUT,
    COMPONENT_RESOURCES,
    DISTRIBUTION,
    NAMED,
    PROPERTY,
    QUEUE,
    READ_ONLY,
)

_COMPONENT: "dict[str, Kind]" = (
    NAMED
    | READ_ONLY
    | {"display_name": "text", "version": "scalar", "is_deterministic": "boolean", "type": "text"}
    | {"auto_delete_setting": AUTO_DELETE, "intellectual_property": PROPERTY}
)
_PORTS: "dict[str, Kind]" = {"inputs": MapOf(COMPONENT_INPUT), "outputs": MapOf(COMPONENT_OUTPUT)}
ARTIFACT = Table(
    "artifact",
    of("text", "feed", "name", "scope", "organization", "project")
    | {"version": "scalar", "type": frozenset(["artifact"])},
)
_INCLUDES: Kind = ListOf(("text", ARTIFACT))
LEVELS = frozenset(["DEBUG", "INFO", "WARNING"])
RETRIES = Table("retry_settings", {"timeout": POSITIVE, "max_retries": COUNT}, open=True)
THRESHOLD = Number(low=-1)
TASK = Table(
    "task",
    of("text", "entry_script", "program_arguments", "model", "append_row_to")
    | {"type": frozenset(["run_function", "model", "function"]), "code": "text", "environment": ("text", "mapping")},
    ("type", "environment"),
    open=True,
)
PARALLEL: "dict[str, Kind]" = {
    "task": TASK,
    "logging_level": LEVELS,
    "mini_batch_size": "text",
    "partition_keys": LIST,
    "input_data": "text",
    "retry_settings": RETRIES,
    "max_concurrency_per_instance": POSITIVE,
    "error_threshold": THRESHOLD,
    "mini_batch_error_threshold": THRESHOLD,
}
ENTRY: Kind = (
    Variants(
        "entry",
        "spark_job_entry_type",
        {"any": Table("entry", of("text", "file", "class_name") | of("any", "spark_job_entry_type"))},
        default="any",
    ),
)
SPARK: "dict[str, Kind]" = {
    "code": "text",
    "entry": ENTRY,
    "py_files": LIST,
    "jars": LIST,
    "files": LIST,
    "archives": LIST,
    "conf": "mapping",
    "args": "text",
    "environment": ("text", "mapping"),
}
_CODED: "dict[str, Kind]" = {
    "code": "text",
    "environment": ("text", "mapping"),
    "environment_variables": "mapping",
    "resources": COMPONENT_RESOURCES,
    "distribution": DISTRIBUTION,
    "queue_settings": QUEUE,
}
FLOW: "dict[str, Kind]" = {
    "variant": "text",
    "column_mappings": TEXTS,
    "connections": "mapping",
    "environment_variables": TEXTS,
}
_MOVED = frozenset(["merge_with_overwrite", "fail_if_conflict"])
_OUTSIDE = Table("source or sink", {"type": frozenset(["database", "file_system"])}, ("type",))


def _component(kind: str, fields: "dict[str, Kind]", required: tuple[str, ...]) -> Table:
    return Table(f"{kind} component", _COMPONENT | fields, required, open=True)


COPY = _component("data_transfer", _PORTS | {"task": frozenset(["copy_data"]), "data_copy_mode": _MOVED}, ("task",))
IMPORT = _component(
    "data_transfer", _PORTS | {"task": frozenset(["import_data"]), "source": _OUTSIDE}, ("task", "source")
)
EXPORT = _component("data_transfer", _PORTS | {"task": frozenset(["export_data"]), "sink": _OUTSIDE}, ("task", "sink"))
COMPONENTS: "dict[str, Table | Variants]" = {
    "command": _component(
        "command",
        _PORTS | _CODED | {"properties": "mapping", "command": "text", "additional_includes": _INCLUDES},
        ("command", "environment"),
    ),
    "parallel": _component("parallel", _PORTS | PARALLEL | {"resources": COMPONENT_RESOURCES}, ("type", "task")),
    "spark": _component("spark", _PORTS | SPARK | {"properties": "mapping", "additional_includes": LIST}, ("entry",)),
    "pipeline": _component("pipeline", _PORTS | {"jobs": "mapping"}, ("jobs",)),
    "import": _component(
        "import", {"source": MapOf(COMPONENT_INPUT), "output": COMPONENT_OUTPUT}, ("source", "output")
    ),
    "data_transfer": Variants(
        "data_transfer component", "task", {"copy_data": COPY, "import_data": IMPORT, "export_data": EXPORT}
    ),
    "promptflow_parallel": _component(
        "flow",
        FLOW | {"properties": TEXTS, "environment": ("text", "mapping"), "code": "text", "additional_includes": LIST},
        ("type",),
    ),
}
"""Of each type of component its table; a sweep's trial is a command."""

# What a flow is made of is promptflow's matter: those fields are left alone.
_OVERRIDES = Table("azureml", {"environment": "any", "is_deterministic": "boolean"})
_FLOW_FILE = of("text", "$schema", "name", "display_name", "description") | {"tags": TEXTS, "azureml": _OVERRIDES}
FLOW_DAG = Table(
    "flow",
    _FLOW_FILE
    | {"version": "scalar", "environment_variables": TEXTS, "additional_includes": LIST}
    | of("any", "inputs", "outputs", "nodes", "node_variants", "environment", "id", "type", "path", "properties"),
    open=True,
)
FLOW_RUN = Table(
    "run of a flow",
    _FLOW_FILE | FLOW | {"version": "scalar", "flow": "text"} | of("any", "data", "column_mapping", "properties"),
    open=True,
)
