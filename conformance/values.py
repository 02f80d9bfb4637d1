"""What the generated corpus writes where: plausible words by field name and type, and what is fixed by hand.

_FIXED is for places where azure-ai-ml checks more than its schema says, and for the maps whose keys mean something.
_LEFT_OUT is the short list of rows that no file has, each with the reason.
"""

import re
from typing import Any

WORDS: dict[str, Any] = {
    "app_insights_enabled": True,
    "arguments": "--count 3",
    "args": "--count 3",
    "class_name": "Main",
    "client_id": "00000000-0000-0000-0000-000000000001",
    "command": "python main.py",
    "comment": "a remark",
    "conda_file": "../stubs/conda.yml",
    "connection": "azureml:my_connection",
    "country_or_region_for_holidays": "US",
    "dataset_language": "eng",
    "datastore": "azureml:workspaceblobstore",
    "description": "What this is for",
    "display_name": "A name to show",
    "docker_args": "--ipc=host",
    "entry_script": "score.py",
    "expression": "0 6 * * 1",
    "frequency": "day",
    "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    "instance_type": "Standard_DS3_v2",
    "log_dir": "logs",
    "msi_resource_id": "my-identity",
    "nodes": "all",
    "object_id": "00000000-0000-0000-0000-000000000002",
    "path": "azureml://datastores/workspaceblobstore/paths/out/",
    "primary_metric": "accuracy",
    "query": "select * from orders",
    "shm_size": "2g",
    "ssh_public_keys": "ssh-rsa AAAA",
    "stored_procedure": "get_orders",
    "table_name": "orders",
    "target_column_name": "label",
    "timeout": 3600,
    "trial_timeout": 600,
    "type": "text",
    "time_zone": "UTC",
    "version": "1",
    "runtime_version": "3.3",
    "mini_batch_size": "10kb",
    "model_size": "medium",
    "validation_metric_type": "coco",
    "log_training_metrics": "enable",
    "log_validation_loss": "enable",
    "learning_rate_scheduler": "step",
    "optimizer": "adam",
    "input_data": "${{inputs.a_folder}}",
    "append_row_to": "${{outputs.a_file_out}}",
    "program_arguments": "--count 3",
    "partition_keys": "region",
    "logging_level": "DEBUG",
}
ALWAYS = frozenset(
    [
        "type",
        "task",
        "body",
        "component",
        "trial",
        "inputs",
        "outputs",
        "code",
        "command",
        "environment",
        "data_copy_mode",
        "entry",
        "conf",
        "name",
        "endpoint_name",
        "path",
        "trigger",
        "create_job",
        "training_data",
        "target_column_name",
        "resources",
        "input_data",
    ]
)
"""Fields that a file has on every turn, as azure-ai-ml needs them or files read better with them."""
TYPES: dict[str, Any] = {
    "string": "word",
    "name": "node_a",
    "datetime": "2026-01-31T06:00:00",
    "integer": 2,
    "number": 0.5,
    "boolean": True,
    "path": "../stubs/src",
    "file": "component.yml",
    "registry": "azureml://registries/azureml/components/a_component/versions/1",
    "asset": "azureml:an_asset:1",
    "resource": "azureml:cpu-cluster",
    "git": "git+https://github.com/example/code.git",
    "url": "https://example.org/code.zip",
    "any": "value",
}


def _input(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "path": path, **more}


LITERALS: dict[str, Any] = {
    "word": "text",
    "count": 20,
    "rate": 0.5,
    "flag": True,
    "spelled": "20",
    "wrapped": {"value": "text"},
    "wrapped_flag": {"value": True},
    "wrapped_count": {"value": 3},
}
ASSETS = {
    "a_file": _input("uri_file", "../stubs/data/a.csv", mode="ro_mount"),
    "a_folder": _input("uri_folder", "azureml:a_folder:1", mode="download"),
    "a_web_file": _input("uri_file", "https://example.org/a.csv", mode="direct", datastore="workspaceblobstore"),
    "a_local_folder": _input("uri_folder", "../stubs/data"),
    "a_table": _input("mltable", "../stubs/table", mode="eval_mount"),
    "a_named_table": _input("mltable", "azureml:a_table:1", mode="eval_download", datastore="workspaceblobstore"),
    "a_web_table": _input("mltable", "https://example.org/table/", mode="direct"),
    "a_model": _input("mlflow_model", "azureml:a_model:1", mode="download", datastore="workspaceblobstore"),
    "a_local_model": _input("custom_model", "../stubs/model", mode="ro_mount"),
    "a_web_model": _input("triton_model", "https://example.org/model/", mode="direct"),
}
INPUTS = {**LITERALS, **ASSETS}
OUTPUTS = {
    "a_folder_out": {"type": "uri_folder", "mode": "rw_mount", "path": WORDS["path"]},
    "a_file_out": {"type": "uri_file", "mode": "upload"},
    "a_named_out": {"type": "uri_folder", "mode": "upload", "name": "an_asset", "version": "3"},
    "a_model_out": {"type": "mlflow_model", "mode": "rw_mount"},
    "a_custom_model_out": {"type": "custom_model", "mode": "upload"},
    "a_triton_model_out": {"type": "triton_model"},
    "a_table_out": {"type": "mltable", "mode": "rw_mount"},
    "a_direct_out": {"type": "uri_folder", "mode": "direct"},
}
_EVERYTHING = {**OUTPUTS["a_named_out"], "path": WORDS["path"]}
QUERY = {
    "type": "database",
    "connection": "azureml:my_connection",
    "query": "select * from orders",
    "table_name": "orders",
}
PROCEDURE = {
    "type": "database",
    "connection": "azureml:my_connection",
    "stored_procedure": "get_orders",
    "stored_procedure_params": [{"name": "since", "value": "2026", "type": "int"}],
}
FILES = {"type": "file_system", "connection": "azureml:my_storage", "path": "orders/"}
DIRECT = {**LITERALS, **{n: {**value, "mode": "direct"} for n, value in ASSETS.items() if "model" not in n}}
"""What a Spark node takes: it mounts and downloads nothing, and azure-ai-ml forgets the mode of a model."""
CONF = {
    "spark.driver.cores": 1,
    "spark.driver.memory": "2g",
    "spark.executor.cores": 2,
    "spark.executor.memory": "2g",
    "spark.executor.instances": 2,
}
TABLE = {"type": "mltable", "path": "https://example.org/table/", "mode": "eval_mount"}

SEARCH_SPACE = {
    "count": {"type": "choice", "values": [16, 32]},
    "share": {"type": "choice", "values": [0.25, 0.5]},
    "word": {"type": "choice", "values": ["a", "b"]},
    "rate": {"type": "uniform", "min_value": 0.1, "max_value": 0.9},
    "rate_b": {"type": "loguniform", "min_value": -6.0, "max_value": -1.0},
    "rate_c": {"type": "quniform", "min_value": 1, "max_value": 9, "q": 2},
    "rate_d": {"type": "qloguniform", "min_value": 0, "max_value": 3, "q": 1},
    "rate_e": {"type": "normal", "mu": 0.0, "sigma": 1.0},
    "rate_f": {"type": "lognormal", "mu": 0, "sigma": 1},
    "rate_g": {"type": "qnormal", "mu": 10.0, "sigma": 2.0, "q": 1.0},
    "rate_h": {"type": "qlognormal", "mu": 1.5, "sigma": 0.5, "q": 1},
    "rate_i": {"type": "uniform", "min_value": 1, "max_value": 9},
    "rate_j": {"type": "quniform", "min_value": 0.1, "max_value": 0.9, "q": 0.1},
    "rate_k": {"type": "qnormal", "mu": 10, "sigma": 2, "q": 1},
    "rate_l": {"type": "randint", "upper": 10},
    "seed": {"type": "randint", "upper": 100},
}
SEARCH_SPACE["nested"] = {
    "type": "choice",
    "values": [
        {name: value for name, value in SEARCH_SPACE.items() if name.startswith("rate")} | {"n": 1, "x": 0.5, "w": "a"}
    ],
}
_DESCRIBED = {"description": "What this is for", "optional": True}
COMPONENT_INPUTS: dict[str, Any] = {
    "word": {"type": "string", "default": "a", "enum": ["a", "b"], **_DESCRIBED},
    "count": {"type": "integer", "default": 3, "min": 1, "max": 9},
    "rate": {"type": "number", "default": "0.5", "min": "0.1", "max": "0.9", "optional": True},
    "rate_b": {"type": "number", "default": 0.5, "min": 0.1, "max": 0.9},
    "flag": {"type": "boolean", "default": True},
    "a_folder": {"type": "uri_folder", "mode": "ro_mount", "intellectual_property": {"protection_level": "none"}},
    "a_file": {"type": "uri_file", "mode": "download", **_DESCRIBED},
    "a_table": {"type": "mltable", "mode": "eval_mount"},
    "a_model": {"type": "mlflow_model", "mode": "direct"},
}
COMPONENT_OUTPUTS: dict[str, Any] = {
    "a_folder_out": {"type": "uri_folder", "mode": "rw_mount", "description": "What this is for"},
    "a_model_out": {"type": "custom_model", "mode": "upload", "intellectual_property": {"protection_level": "none"}},
}
PRIMITIVE_OUTPUTS: dict[str, Any] = {
    **COMPONENT_OUTPUTS,
    "again": {"type": "boolean", "description": "Whether to go on", "early_available": True, "mode": "upload"}
    | {"intellectual_property": {"protection_level": "none"}},
}
_PORTS_ALONE = {name: value for name, value in COMPONENT_INPUTS.items() if name.startswith("a_")}
NAMED = {name: value for name, value in ASSETS.items() if not str(value["path"]).startswith("..")}
"""What each round of a `parallel_for` may take: local files are refused there."""
ITEMS = [{**LITERALS, **NAMED, "a_folder": {**NAMED["a_folder"]}}, {**LITERALS, **NAMED, "word": "other"}]
AUXILIARY: dict[str, dict[str, Any]] = {
    "do_while": {
        "body": {
            "type": "command",
            "component": "../stubs/command.yml",
            "inputs": {"a_folder": ASSETS["a_local_folder"]},
        }
    },
    "if_else": {
        "judge": {"type": "command", "component": "../stubs/command.yml"},
        "yes": {"type": "command", "component": "../stubs/command.yml"},
        "no": {"type": "command", "component": "../stubs/command.yml"},
    },
    "parallel_for": {"body": {"type": "command", "component": "../stubs/command.yml"}},
    "automl": {"prepare": {"type": "command", "component": "../stubs/command.yml"}},
}
"""Nodes that stand beside a node of a kind, because it refers to them."""

_FIXED: list[tuple[str, list[Any]]] = [
    (r"<export_data in place>\.inputs$", [{"source": ASSETS["a_file"]}]),
    (
        r"<export_data[^>]*>\.inputs$",
        [{"source": ASSETS["a_file"]}, {"source": ASSETS["a_file"]}, {"source": ASSETS["a_folder"]}],
    ),
    (r"<import>\.inputs$", [{"type": "azuresqldb", "connection": "azureml:my_connection", "query": "select 1"}]),
    (r"<import( in place)?>\.outputs$", [{"output": {**_EVERYTHING, "type": "mltable"}}]),
    (r"<import in place>\.output$", [{**OUTPUTS["a_named_out"], "type": "mltable", "path": WORDS["path"]}]),
    (r"<export_data in place>\.sink$", [QUERY, PROCEDURE]),
    (r"<(import_data|export_data)[^>]*>\.(source|sink)$", [QUERY, PROCEDURE, FILES]),
    (
        r"\.transformer_params$",
        [{"imputer": [{"fields": ["a"], "parameters": {"strategy": "constant", "fill_value": 0.5}}]}],
    ),
    (r"<spark[^>]*>\.inputs$", [DIRECT]),
    (r"spark[^>]*>?\.conf$", [CONF]),
    (r"spark[^>]*>?\.entry$", [{"file": "main.py"}]),
    (r"spark[^>]*>?\.(py_files|jars|files|archives)\[\]$", ["helper.py"]),
    (
        r"<spark[^>]*>\.outputs$",
        [{"a_folder_out": {**_EVERYTHING, "mode": "direct"}, "a_model_out": "${{parent.outputs.a_folder_out}}"}],
    ),
    (r"<spark[^>]*>\.resources\.instance_type$", ["standard_e4s_v3"]),
    (r"<copy_data[^>]*>\.inputs$", [ASSETS]),
    (r"<copy_data[^>]*>\.outputs$", [{"a_folder_out": OUTPUTS["a_named_out"] | {"path": WORDS["path"]}}]),
    (r"^pipeline(\.jobs\.\*<[^>]*>)?\.inputs$", [INPUTS]),
    (
        r"<import_data[^>]*>\.outputs$",
        [{"sink": OUTPUTS["a_table_out"]}, {"sink": OUTPUTS["a_table_out"]}, {"sink": _EVERYTHING}],
    ),
    (
        r"^pipeline\.jobs\.\*<[^>]* in place>\.outputs$",
        [{**OUTPUTS, "a_bare_out": "${{parent.outputs.a_folder_out}}"}],
    ),
    (r"^pipeline(\.jobs\.\*<[^>]*>)?\.outputs$", [OUTPUTS]),
    (r"^component/pipeline\.jobs$", [{"only": {"type": "command", "component": "../stubs/command.yml"}}]),
    (r"^component/import_data\.outputs$", [{"sink": {"type": "mltable"}}]),
    (r"^component/export_data\.inputs$", [{"source": {"type": "uri_file"}}]),
    (
        r"^component/import\.source$",
        [dict.fromkeys(("type", "connection", "query", "path"), COMPONENT_INPUTS["word"])],
    ),
    (r"^component/copy_data\.inputs$", [_PORTS_ALONE]),
    (r"^component/\w+\.inputs$", [COMPONENT_INPUTS]),
    (r"^component/(command|pipeline)\.outputs$", [PRIMITIVE_OUTPUTS]),
    (
        r"^component/copy_data\.outputs$",
        [{"a_folder_out": COMPONENT_OUTPUTS["a_model_out"] | {"description": "x"}}],
    ),
    (r"^component/\w+\.outputs$", [COMPONENT_OUTPUTS]),
    (r"^(data|model)\.path$|\.model<[^>]*>\.path$", ["../stubs/data"]),
    (r"^data\.type$", ["uri_folder"]),
    (r"^deployment/kubernetes_online\.type$", ["kubernetes"]),
    (r"^deployment/managed_online\.type$", ["managed"]),
    (r"code_configuration\.code$", ["../stubs/src"]),
    (r"code_configuration\.scoring_script$", ["score.py"]),
    (r"^schedule\.trigger<.*>\.(start|end)_time$", ["2026-01-31T06:00:00"]),
    (r"^schedule\.create_job<[^>]*>\.job$", ["../job/1.yml", "azureml:a_job"]),
    (r"\.settings\.on_(init|finalize)$", ["a_node"]),
    (r"^pipeline\.component<file>$", ["../stubs/pipeline.yml"]),
    (r"^pipeline\.settings\.on_init$", ["setup"]),
    (r"^pipeline\.settings\.on_finalize$", ["cleanup"]),
    (r"^pipeline\.settings\.default_datastore$", ["azureml:workspaceblobstore"]),
    (r"<do_while>\.body$", ["${{parent.jobs.body}}"]),
    (r"<do_while>\.condition$", ["${{parent.jobs.body.outputs.again}}"]),
    (r"<do_while>\.mapping$", [{"a_folder_out": ["a_folder", "a_local_folder"], "a_table_out": "a_table"}]),
    (r"<if_else>\.condition$", ["${{parent.jobs.judge.outputs.again}}", True]),
    (r"<if_else>\.true_block$", [["${{parent.jobs.yes}}"], ["${{parent.jobs.yes}}"]]),
    (r"<if_else>\.false_block$", [["${{parent.jobs.no}}"], ["${{parent.jobs.no}}"]]),
    (r"<parallel_for>\.body$", ["${{parent.jobs.body}}"]),
    (r"<parallel_for>\.items<map>$", [{"first": ITEMS[0], "second": ITEMS[1]}]),
    (r"<parallel_for>\.items<list>$", [ITEMS]),
    (r"<parallel_for>\.items<string>$", ['[{"word": "a"}, {"word": "b"}]', "${{parent.inputs.word}}"]),
    (r"<sweep>\.search_space$", [SEARCH_SPACE]),
    (
        r"<automl [^>]*>\.(training|validation|test)_data$",
        [TABLE, ASSETS["a_named_table"], "${{parent.jobs.prepare.outputs.a_table_out}}"],
    ),
]
FIXED = [(re.compile(pattern), values) for pattern, values in _FIXED]
_LEFT_OUT = [
    (
        r"<automl [^>]*>\.(training|validation|test)_data<mltable>\.path<path>",
        "azure-ai-ml makes a text of the mapping, with a path that leads nowhere from where the text goes",
    ),
    (
        r"\.environment<mapping>\.build\.path<url>",
        "azure-ai-ml names such an environment by chance, each time that it reads the file",
    ),
    (r"\*<mapping>\.value<number>$", "azure-ai-ml cuts such a number to a whole one, without a word"),
    (
        r"\.path_on_compute$",
        "azure-ai-ml fails with KeyError on any path there: the field looks for a folder it is not given",
    ),
    (r"\.stack_ensemble_settings", "azure-ai-ml fails with TypeError on any such mapping"),
    (r"\.msi_resource_id$", "azure-ai-ml fails with TypeError: its own class does not take what the schema reads"),
    (r"<parallel in place>\.comment$", "azure-ai-ml fails with TypeError: its own class does not take it"),
    (
        r"<automl image[^>]*>\.test_data(_size)?\b",
        "azure-ai-ml fails with TypeError: image tasks take no test data",
    ),
    (
        r"<spark[^>]*>\.inputs\.\*<custom_model",
        "azure-ai-ml forgets the mode of a model, and Spark takes none but direct",
    ),
    (r"spark[^>]*>?\.entry<mapping_2>", "refused: only a file is an entry"),
    (r"<spark in place>\.code<(asset|url|git|registry)>", "refused: the entry must be a file there"),
    (r"\.augmentations\b", "azure-ai-ml fails with TypeError: its own class does not take it"),
    (
        r"\.environment_variables<mapping>",
        "a slip of the schema: a mapping with the one key `value` is taken for that value",
    ),
    (r"<parallel>\.task\.code<path>", "azure-ai-ml loads it, but cannot load again what it dumps of it"),
    (
        r"<parallel in place>\.environment\b(?!_)",
        "azure-ai-ml fails with TypeError: its own class does not take it",
    ),
    (r"<automl text[^>]*>\.sweep", "azure-ai-ml loads it and fails to dump it"),
    (r"<import>\.inputs\.\*<(?!string)", "its inputs are the texts of its source"),
    (r"<import in place>\.identity", "azure-ai-ml fails with TypeError: an import takes no identity"),
    (r"_data in place>\.identity", "azure-ai-ml fails with TypeError: data transfer takes no identity"),
    (r"<export_data in place>\.sink<file_system>", "refused: only databases are exported to"),
    (r"<import>\.component<(import|file)>", "azure-ai-ml loads it, but cannot load again what it dumps of it"),
    (
        r"<copy_data[^>]*>\.inputs\.\*<(mapping|integer|number|string|boolean)>",
        "refused: it takes files and folders",
    ),
    (r"^component/import_data\.inputs", "refused: importing has no input"),
    (r"^component/export_data\.outputs", "refused: exporting has no output"),
    (r"^component/[a-z_]+\.inputs\.\*(<path[^>]*>)?\.default$", "refused: an asset has no default"),
    (r"^component/import\.source\.\*\.(min|max|default<(number|boolean)>)", "its sources are texts"),
    (r"^endpoint/batch\.identity", "azure-ai-ml fails with TypeError: its own class takes no identity"),
    (r"^deployment/kubernetes_online\.(environment|model)<registry>", "refused: not for Kubernetes"),
    (r"^deployment/model_batch\.settings\.instance_count", "refused beside `resources`"),
    (r"^schedule\.create_job<(command|spark)", "schedules of a lone job, which is no pipeline"),
    (r"^schedule\.create_job<pipeline>\.identity<user_identity>", "refused, though the schema has it"),
    (r"<parallel_for>\.items<(map|list)>.*\.path<path>$", "refused: no local files there"),
    (
        r"<export_data[^>]*>\.inputs\.\*<((?!uri_file)|uri_file.*\.datastore|uri_file.*<asset>)",
        "refused: it takes one input, a file or a folder",
    ),
    (r"<export_data[^>]*>\.outputs", "refused: exporting has no output"),
    (r"<import_data[^>]*>\.inputs", "refused: importing has no input"),
]
LEFT_OUT = [(re.compile(pattern), reason) for pattern, reason in _LEFT_OUT]


def fixed(path: str) -> list[Any] | None:
    """The values that a place takes, if they are fixed by hand."""
    return next((values for pattern, values in FIXED if pattern.search(path)), None)


def left_out(path: str) -> str:
    """The reason why no file has this row; "" if one must."""
    return next((reason for pattern, reason in LEFT_OUT if pattern.search(path)), "")


def word(name: str, type_: str) -> Any:
    """A value for a scalar."""
    if name in WORDS and type_ in ("string", "any", "integer", "boolean", "union"):
        value = WORDS[name]
        if type_ != "integer" or isinstance(value, int):
            return value
    return TYPES[type_]
