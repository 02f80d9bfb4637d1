"""Which field of Azure ML's pipeline YAML is which word of the language: one row a field, one table a place.

A row is a word, the path of the field in its YAML mapping, how its value is spelled (`Kind`), and for which kinds of
node it is there. What no row names goes to `azureml { … }`.
"""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """How the value of a field is spelled; `values.py` has one function for each."""

    VALUE = "value"  # a literal, a list, a map; a string may bind parameters and ports
    WORD = "word"  # a member of a closed vocabulary: a bare word where it is one
    SECONDS = "seconds"  # a duration
    PATH = "path"  # of a file or folder, relative to the YAML's folder
    COMMAND = "command"  # text that may take several lines, binding ports of the component
    PORT = "port"  # a binding of the node's own input or output
    ENVIRONMENT = "environment"
    IDENTITY = "identity"
    DISTRIBUTION = "distribution"
    SERVICES = "services"
    STAGE = "stage"  # the name of a job
    ENTRY = "entry"  # of a Spark job
    SOURCE = "source"  # of a data import, or the sink of an export


class Row(NamedTuple):
    """`nodes` is empty where every kind of node has the field."""

    word: str
    path: str
    kind: Kind = Kind.VALUE
    nodes: tuple[str, ...] = ()


_COMPUTING = ("command", "parallel", "sweep", "spark", "automl")

PIPELINE = (
    Row("job_name", "name"),
    Row("experiment", "experiment_name"),
    Row("tags", "tags"),
    Row("properties", "properties"),
    Row("identity", "identity", Kind.IDENTITY),
)
"""`description`, `display_name`, `compute` and what is in `inputs`, `outputs`, `jobs` have statements of their own."""

SETTINGS = (
    Row("default_datastore", "default_datastore"),
    Row("continue_on_step_failure", "continue_on_step_failure"),
    Row("continue_run_on_failed_optional_input", "continue_run_on_failed_optional_input"),
    Row("force_rerun", "force_rerun"),
    Row("on_init", "on_init", Kind.STAGE),
    Row("on_finalize", "on_finalize", Kind.STAGE),
)

RUN = (
    Row("nodes", "resources.instance_count", nodes=_COMPUTING),
    Row("max_nodes", "resources.max_instance_count", nodes=_COMPUTING),
    Row("instance", "resources.instance_type", nodes=_COMPUTING),
    Row("runtime", "resources.runtime_version", nodes=("spark",)),
    Row("shm", "resources.shm_size", nodes=_COMPUTING),
    Row("docker_args", "resources.docker_args", nodes=_COMPUTING),
    Row("locations", "resources.locations", nodes=_COMPUTING),
    Row("resource_properties", "resources.properties", nodes=_COMPUTING),
    Row("timeout", "limits.timeout", Kind.SECONDS, ("command",)),
    Row("timeout", "retry_settings.timeout", Kind.SECONDS, ("parallel",)),
    Row("retries", "retry_settings.max_retries", nodes=("parallel",)),
    Row("distribution", "distribution", Kind.DISTRIBUTION, ("command",)),
    Row("identity", "identity", Kind.IDENTITY),
    Row("env", "environment_variables"),
    Row("environment", "environment", Kind.ENVIRONMENT),
    Row("tier", "queue_settings.job_tier"),
    Row("priority", "queue_settings.priority"),
    Row("input_data", "input_data", Kind.PORT, ("parallel",)),
    Row("mini_batch_size", "mini_batch_size", nodes=("parallel",)),
    Row("mini_batch_error_threshold", "mini_batch_error_threshold", nodes=("parallel",)),
    Row("error_threshold", "error_threshold", nodes=("parallel",)),
    Row("logging_level", "logging_level", nodes=("parallel",)),
    Row("partition_keys", "partition_keys", nodes=("parallel",)),
    Row("max_concurrency_per_instance", "max_concurrency_per_instance", nodes=("parallel",)),
    Row("conf", "conf", nodes=("spark",)),
    Row("args", "args", Kind.COMMAND, ("spark",)),
    Row("display_name", "display_name"),
    Row("description", "description"),
    Row("tags", "tags"),
    Row("properties", "properties"),
    Row("experiment", "experiment_name"),
    Row("job_name", "name"),
    Row("services", "services", Kind.SERVICES, ("command", "automl")),
)
"""The block `run` of a stage."""

COMMAND = (
    Row("code", "code", Kind.PATH),
    Row("environment", "environment", Kind.ENVIRONMENT),
    Row("command", "command", Kind.COMMAND),
)
SPARK = (
    Row("code", "code", Kind.PATH),
    Row("entry", "entry", Kind.ENTRY),
    Row("py_files", "py_files"),
    Row("jars", "jars"),
    Row("files", "files"),
    Row("archives", "archives"),
    Row("conf", "conf"),
    Row("args", "args", Kind.COMMAND),
    Row("environment", "environment", Kind.ENVIRONMENT),
)
PARALLEL = (
    Row("task_type", "task.type", Kind.WORD),
    Row("code", "task.code", Kind.PATH),
    Row("entry", "task.entry_script"),
    Row("model", "task.model", Kind.PATH),
    Row("environment", "task.environment", Kind.ENVIRONMENT),
    Row("arguments", "task.program_arguments", Kind.COMMAND),
    Row("append_to", "task.append_row_to", Kind.COMMAND),
)
DEFINE = {
    "command": COMMAND,
    "sweep": COMMAND,
    "spark": SPARK,
    "parallel": PARALLEL,
    "import": (Row("source", "source", Kind.SOURCE),),
    "copy_data": (Row("mode", "data_copy_mode", Kind.WORD),),
    "import_data": (Row("source", "source", Kind.SOURCE),),
    "export_data": (Row("sink", "sink", Kind.SOURCE),),
}
"""The block `define` of a stage, by what stands after `using`."""

COMPONENT = (
    Row("display_name", "display_name"),
    Row("version", "version"),
    Row("deterministic", "is_deterministic"),
)
"""What a component that is defined in place says of itself, beside the rows of DEFINE."""

INPUT = (
    Row("type", "type", Kind.WORD),
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

DISTRIBUTIONS = {
    "pytorch": {"processes": "process_count_per_instance"},
    "mpi": {"processes": "process_count_per_instance"},
    "tensorflow": {"workers": "worker_count", "parameter_servers": "parameter_server_count"},
    "ray": {
        word: word
        for word in (
            "port",
            "address",
            "include_dashboard",
            "dashboard_port",
            "head_node_additional_args",
            "worker_node_additional_args",
        )
    },
}

IDENTITIES = {
    "user": "user",
    "user_identity": "user",
    "managed": "managed",
    "managed_identity": "managed",
    "aml_token": "aml_token",
}
MANAGED = {"client_id": "client_id", "object_id": "object_id", "resource_id": "msi_resource_id"}

SOURCES = {
    "database": ("database", False),
    "file_system": ("file_system", False),
    "azuresqldb": ("database", True),
    "azuresynapseanalytics": ("database", True),
    "snowflake": ("database", True),
    "s3": ("s3", False),
}
"""A source or sink by its `type`: its function, and whether the type is the function's first argument."""
SOURCE_FIELDS = ("connection", "path", "query", "table_name", "stored_procedure", "stored_procedure_params")

SERVICE = (
    Row("type", "type", Kind.WORD),
    Row("port", "port"),
    Row("nodes", "nodes"),
    Row("log_dir", "log_dir"),
    Row("ssh_public_keys", "ssh_public_keys"),
    Row("properties", "properties"),
)

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
