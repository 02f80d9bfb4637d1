"""Which field of Azure ML's pipeline YAML is which word of the language: one row a field, one table a place.

The rows of jobs are those by which the compiler reads programs (`compiler/vocabulary.py`); here stands how their values
are spelled, and what is a statement of its own in the language. What no row names goes to `azureml { … }`.
"""

from enum import Enum
from typing import NamedTuple

from mlp_lang.compiler import vocabulary as compiler
from mlp_lang.compiler.settings import RAW, Raw, Words
from mlp_lang.compiler.types import BOOL, STRING, Type
from mlp_lang.compiler.vocabulary import Field


class Kind(Enum):
    """How the value of a field is spelled; `values.py` has one function for each."""

    VALUE = "value"  # a literal, a list, a map; a string may bind parameters and ports
    TEXT = "text"  # a string, whatever YAML takes it for
    WORD = "word"  # a member of a closed vocabulary: a bare word where it is one
    SECONDS = "seconds"  # a duration
    PATH = "path"  # of a file or folder, relative to the YAML's folder
    MODEL = "model"  # the path or the name of a model
    COMMAND = "command"  # text that may take several lines, binding ports of the component
    PORT = "port"  # a binding of the node's own input
    ENVIRONMENT = "environment"
    IDENTITY = "identity"
    DISTRIBUTION = "distribution"
    SERVICES = "services"
    STAGE = "stage"  # the name of a job
    ENTRY = "entry"  # of a Spark job
    SOURCE = "source"  # of a data import, or the sink of an export


class Row(NamedTuple):
    """A word, the path of its field in the mapping (dots between names), and what the compiler takes there."""

    word: str
    path: str
    kind: Kind = Kind.VALUE
    type: Type | Words | Raw = RAW


_SPELLED = {
    "timeout": Kind.SECONDS,
    "identity": Kind.IDENTITY,
    "distribution": Kind.DISTRIBUTION,
    "environment": Kind.ENVIRONMENT,
    "services": Kind.SERVICES,
    "input_data": Kind.PORT,
    "on_init": Kind.STAGE,
    "on_finalize": Kind.STAGE,
    "code": Kind.PATH,
    "model": Kind.MODEL,
    "command": Kind.COMMAND,
    "arguments": Kind.COMMAND,
    "append_to": Kind.COMMAND,
    "args": Kind.COMMAND,
    "source": Kind.SOURCE,
    "sink": Kind.SOURCE,
}
"""Words whose values are no plain ones."""


def _spelled(field: Field) -> Kind:
    return Kind.WORD if isinstance(field.type, Words) else _SPELLED.get(field.word, Kind.VALUE)


def _rows(fields: tuple[Field, ...], kind: str, drop: int = 0) -> tuple[Row, ...]:
    return tuple(
        Row(f.word, ".".join(f.path[drop:]), _spelled(f), f.type) for f in fields if kind in f.kinds and f.path
    )


def run_rows(kind: str) -> tuple[Row, ...]:
    """What the block `run` says of a kind of job."""
    return _rows(compiler.RUN, kind)


def define_rows(kind: str) -> tuple[Row, ...]:
    """What the block `define` says of what stands after `using`."""
    rows = _rows(compiler.DEFINE, kind)
    return tuple(r._replace(kind=Kind.ENTRY) if kind == "spark" and r.word == "entry" else r for r in rows)


SETTINGS = _rows(compiler.SETTINGS, "pipeline", drop=1)
SERVICE = _rows(compiler.SERVICES, "command")

PIPELINE = (
    Row("job_name", "name"),
    Row("experiment", "experiment_name"),
    Row("tags", "tags"),
    Row("properties", "properties"),
    Row("identity", "identity", Kind.IDENTITY),
)
"""`description`, `display_name`, `compute` and what is in `inputs`, `outputs`, `jobs` have statements of their own."""

COMPONENT = (
    Row("display_name", "display_name", type=STRING),
    Row("version", "version", Kind.TEXT),
    Row("deterministic", "is_deterministic", type=BOOL),
)
"""What a component that is defined in place says of itself, beside the rows for `define`."""

INPUT = (
    Row("mode", "mode", Kind.WORD),
    Row("path_on_compute", "path_on_compute"),
    Row("datastore", "datastore"),
)
"""The block of an input in `inputs`, and that of a `data`."""

OUTPUT = (
    Row("type", "type", Kind.WORD),
    Row("mode", "mode", Kind.WORD),
    Row("path", "path"),
    Row("name", "name"),
    Row("version", "version"),
    Row("description", "description"),
)
"""The block of an output in `outputs`, and that of a pipeline's `output`."""

SEARCH = (
    Row("trials", "limits.max_total_trials"),
    Row("concurrency", "limits.max_concurrent_trials"),
    Row("timeout", "limits.timeout", Kind.SECONDS),
    Row("trial_timeout", "limits.trial_timeout", Kind.SECONDS),
)
"""The block `search` of a `tune`, beside `goal`, `algorithm` and `stop`."""

SPACES = {
    "choice": ("choice", ("values",)),
    "uniform": ("uniform", ("min_value", "max_value")),
    "quniform": ("quniform", ("min_value", "max_value", "q")),
    "loguniform": ("log_uniform", ("min_value", "max_value")),
    "qloguniform": ("qlog_uniform", ("min_value", "max_value", "q")),
    "normal": ("normal", ("mu", "sigma")),
    "qnormal": ("qnormal", ("mu", "sigma", "q")),
    "lognormal": ("log_normal", ("mu", "sigma")),
    "qlognormal": ("qlog_normal", ("mu", "sigma", "q")),
    "randint": ("random_int", ("upper",)),
}
"""A distribution of a search space: its function in the language and the fields that are its arguments."""

STOPS = {
    "bandit": (
        "bandit",
        {
            "slack_factor": "slack_factor",
            "slack_amount": "slack_amount",
            "every": "evaluation_interval",
            "delay": "delay_evaluation",
        },
    ),
    "median_stopping": ("median", {"every": "evaluation_interval", "delay": "delay_evaluation"}),
    "truncation_selection": (
        "truncate",
        {"percent": "truncation_percentage", "every": "evaluation_interval", "delay": "delay_evaluation"},
    ),
}
"""An early termination policy: its function and which argument is which field."""

IDENTITIES = {azure: word for word, azure in compiler.IDENTITIES.items()} | {w: w for w in compiler.IDENTITIES}
"""The word for an identity by Azure ML's names for it, of which some have two."""

AUTOML_TASKS = (
    "classification",
    "regression",
    "forecasting",
    "text_classification",
    "text_classification_multilabel",
    "text_ner",
    "image_classification",
    "image_classification_multilabel",
    "image_object_detection",
    "image_instance_segmentation",
)
AUTOML_DATA = ("training_data", "validation_data", "test_data")
AUTOML_SETTINGS = (
    "target_column_name",
    "primary_metric",
    "positive_label",
    "log_verbosity",
    "n_cross_validations",
    "cv_split_column_names",
    "weight_column_name",
    "validation_data_size",
    "test_data_size",
    "environment_id",
)
AUTOML_BLOCKS = ("limits", "featurization", "training", "forecasting", "training_parameters")

PORT_TYPES = {
    "uri_file": "file",
    "uri_folder": "folder",
    "mltable": "mltable",
    "mlflow_model": "mlflow_model",
    "custom_model": "custom_model",
    "triton_model": "triton_model",
}
LITERAL_TYPES = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}

SILENT = ("$schema", "type")
"""Fields that say what stands in the file, which the language says by other means."""

VERBS = {
    "prepare": ("prep", "prepare", "preprocess", "preprocessing", "preprocessor", "clean", "cleanse", "cleaning",
                "split", "transform", "featurize"),
    "train": ("train", "training", "trainer", "fit", "finetune", "finetuning"),
    "evaluate": ("evaluate", "eval", "evaluation", "evaluator", "compute_metrics"),
    "explain": ("explain", "explanation", "explainer"),
}  # fmt: skip
"""Words of a name that show what a stage is for. `deploy`, `export` and `monitor` promise more than a name can show."""
NOISE = frozenset(["job", "step", "node", "task", "component", "stage", "model", "data", "pipeline"])
OTHER_VERBS = frozenset(["register", "deploy", "score", "predict", "test", "compare", "download", "upload", "export"])

WORDS = ("command", "parallel", "spark", "import", "copy_data", "import_data", "export_data", "automl")
"""What stands after `using` where the component is defined in place."""

CONTAINERS = frozenset(
    f.path[0] for f in (*compiler.RUN, *compiler.SETTINGS) if len(f.path) > 1 or f.type == compiler.ANY_MAP
)
"""Fields that hold others, or are maps: where they are empty, the YAML says nothing."""

PUBLIC_ESCAPES = (
    ("compute", "a pipeline", "it is a default compute under another name, beside `settings.default_compute`"),
    (
        "inputs",
        "a job",
        "an input that its component has not, or does not take so: a mistake, and `mlp import` warns of it",
    ),
)
"""All that has no word in a large collection of public pipelines; a test holds this to be true."""
