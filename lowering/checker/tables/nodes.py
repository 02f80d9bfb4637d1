"""Tables of the jobs of a pipeline, by their type, and of the jobs that run alone."""

from typing import NamedTuple

from mlp_lang.lowering.checker.fields import POSITIVE, Kind, ListOf, MapOf, Number, Table, Variants, of
from mlp_lang.lowering.checker.tables.automl import AUTOML
from mlp_lang.lowering.checker.tables.common import (
    CODED,
    JOB,
    JOB_OUTPUT,
    LIMITS,
    PORTS,
    RESOURCES,
    SETTINGS,
    STORE,
)
from mlp_lang.lowering.checker.tables.components import FLOW, PARALLEL, SPARK
from mlp_lang.lowering.checker.tables.sweep import EARLY_TERMINATION, OBJECTIVE, SAMPLING, SEARCH_SPACE
from mlp_lang.lowering.checker.tables.sweep import LIMITS as SWEEP_LIMITS

_NODE: "dict[str, Kind]" = JOB | PORTS | {"comment": "text", "component": ("text", "mapping")}
_SPARK_SIZES = frozenset(f"standard_e{n}s_v3" for n in (4, 8, 16, 32, 64))
_SPARK_RESOURCES = Table("resources", {"instance_type": _SPARK_SIZES, "runtime_version": "scalar"})
_SPARK_NODE_RESOURCES = _SPARK_RESOURCES._replace(required=("instance_type", "runtime_version"))
_SEARCH: "dict[str, Kind]" = {
    "sampling_algorithm": SAMPLING,
    "search_space": SEARCH_SPACE,
    "objective": OBJECTIVE,
    "early_termination": EARLY_TERMINATION,
    "limits": SWEEP_LIMITS,
    "queue_settings": CODED["queue_settings"],
    "resources": RESOURCES,
    "trial": ("text", "mapping"),
}


class NodeKind(NamedTuple):
    """A type of job in a pipeline: its table, the field that names its component, what it needs without one."""

    table: "Table | Variants"
    component: str = "component"
    alone: tuple[str, ...] = ()


def _node(kind: str, fields: "dict[str, Kind]", required: tuple[str, ...] = ()) -> Table:
    return Table(f"{kind} job", _NODE | fields, required, open=True)


def _transfer(task: str, fields: "dict[str, Kind]", required: tuple[str, ...] = ()) -> Table:
    return _node("data_transfer", fields | {"task": frozenset([task])}, required)


_COPY_MODES = frozenset(["merge_with_overwrite", "fail_if_conflict"])
_DATABASES = frozenset(["azuresqldb", "azuresynapseanalytics", "snowflake"])
_IMPORT_SOURCE = Variants(
    "source",
    "type",
    {
        kind: Table("source", of("text", "connection", field) | {"type": frozenset([kind])}, ("connection", field))
        for kind, field in [*((database, "query") for database in sorted(_DATABASES)), ("s3", "path")]
    },
)
_COMMAND = CODED | {"command": "text", "limits": LIMITS, "parent_job_name": "text"}
_BLOCK: Kind = ("text", ListOf("text"))
_CONTROL = of("text", "$schema", "type")
_LOOP_LIMITS = Table("limits", {"max_iteration_count": Number(low=1, high=1000)}, ("max_iteration_count",))
NODES: "dict[str, NodeKind]" = {
    "command": NodeKind(_node("command", _COMMAND), alone=("command", "environment")),
    "sweep": NodeKind(_node("sweep", _SEARCH, ("objective", "limits")), "trial"),
    "parallel": NodeKind(
        _node(
            "parallel",
            PARALLEL
            | FLOW
            | {"resources": RESOURCES, "environment_variables": "mapping", "environment": ("text", "mapping")},
        ),
        alone=("task",),
    ),
    "spark": NodeKind(_node("spark", SPARK | {"resources": _SPARK_NODE_RESOURCES}), alone=("entry",)),
    "pipeline": NodeKind(_node("pipeline", {"settings": SETTINGS})),
    "import": NodeKind(_node("import", {"source": _IMPORT_SOURCE, "output": JOB_OUTPUT}), alone=("source", "output")),
    "data_transfer": NodeKind(
        Variants(
            "data_transfer job",
            "task",
            {
                "copy_data": _transfer("copy_data", {"data_copy_mode": _COPY_MODES}),
                "import_data": _transfer("import_data", {"source": STORE}, ("source",)),
                "export_data": _transfer("export_data", {"sink": STORE}, ("sink",)),
            },
        ),
        "",
    ),
    "automl": NodeKind(AUTOML, ""),
    "if_else": NodeKind(
        Table(
            "if_else",
            _CONTROL | {"condition": ("boolean", "text"), "true_block": _BLOCK, "false_block": _BLOCK},
            ("condition",),
        ),
        "",
    ),
    "do_while": NodeKind(
        Table(
            "do_while",
            _CONTROL
            | {"body": "text", "condition": "text", "limits": _LOOP_LIMITS}
            | {"mapping": MapOf(("text", ListOf("text")))},
            ("body", "mapping", "limits"),
        ),
        "",
    ),
    "parallel_for": NodeKind(
        Table(
            "parallel_for",
            _CONTROL | {"body": "text", "items": "any", "max_concurrency": POSITIVE, "outputs": "mapping"},
            ("body", "items"),
        ),
        "",
    ),
}
"""Of each type of job in a pipeline what it may say, with a component and without."""

PIPELINE = Table(
    "pipeline",
    JOB | PORTS | {"jobs": "mapping", "component": "text", "settings": SETTINGS, "type": frozenset(["pipeline"])},
    ("type",),
)
COMMAND_JOB = Table(
    "command job",
    JOB | PORTS | _COMMAND | {"type": frozenset(["command"])},
    ("command", "environment"),
)
SWEEP_JOB = Table(
    "sweep job",
    JOB | PORTS | _SEARCH | {"type": frozenset(["sweep"])},
    ("type", "trial", "objective", "limits"),
)
TRIAL = Table("trial", CODED | of("text", "$schema", "command"), ("command", "environment"))
SPARK_JOB = Table(
    "spark job",
    JOB | PORTS | SPARK | {"type": frozenset(["spark"]), "properties": "mapping", "resources": _SPARK_RESOURCES},
    ("type", "entry"),
)
IMPORT_JOB = Table(
    "import job",
    JOB | {"type": frozenset(["import"]), "source": _IMPORT_SOURCE, "output": JOB_OUTPUT},
    ("type", "source", "output"),
)
