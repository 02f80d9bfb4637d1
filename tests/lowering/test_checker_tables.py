"""The tables of the checker say what azure-ai-ml's schemas say: fields, what is required, words.

A field that azure-ai-ml adds, or a word, is a failure here. Where the tables differ on purpose, a line below says why.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.lowering.checker.fields import Kind, ListOf, MapOf, Number, Table, Variants
from mlp_lang.lowering.checker.tables import assets, common, components, nodes, schedules, serving
from mlp_lang.lowering.checker.tables.automl import AUTOML

pytestmark = pytest.mark.slow

NODE = nodes.NODES
COMPONENT = components.COMPONENTS
AUTOML_NODES = {
    "classification": "AutoMLClassificationNodeSchema",
    "regression": "AutoMLRegressionNodeSchema",
    "forecasting": "AutoMLForecastingNodeSchema",
    "text_classification": "AutoMLTextClassificationNode",
    "text_classification_multilabel": "AutoMLTextClassificationMultilabelNode",
    "text_ner": "AutoMLTextNerNode",
    "image_classification": "ImageClassificationMulticlassNodeSchema",
    "image_classification_multilabel": "ImageClassificationMultilabelNodeSchema",
    "image_object_detection": "ImageObjectDetectionNodeSchema",
    "image_instance_segmentation": "ImageInstanceSegmentationNodeSchema",
}


def variant(kind: "Table | Variants", name: str) -> Table:
    assert isinstance(kind, Variants)
    return kind.tables[name]


# Where azure-ai-ml's schemas are, and the table that each is judged by.
JOBS = "pipeline.pipeline_job:PipelineJobSchema"
ROOTS: list[tuple[str, Kind]] = [
    (JOBS, nodes.PIPELINE),
    ("job.command_job:CommandJobSchema", nodes.COMMAND_JOB),
    ("_sweep.sweep_job:SweepJobSchema", nodes.SWEEP_JOB),
    ("job.parameterized_command:ParameterizedCommandSchema", nodes.TRIAL),
    ("job.spark_job:SparkJobSchema", nodes.SPARK_JOB),
    ("job.import_job:ImportJobSchema", nodes.IMPORT_JOB),
    ("component.command_component:CommandComponentSchema", COMPONENT["command"]),
    ("component.command_component:AnonymousCommandComponentSchema", COMPONENT["command"]),
    ("component.parallel_component:ParallelComponentSchema", COMPONENT["parallel"]),
    ("component.spark_component:SparkComponentSchema", COMPONENT["spark"]),
    ("pipeline.pipeline_component:PipelineComponentSchema", COMPONENT["pipeline"]),
    ("component.import_component:ImportComponentSchema", COMPONENT["import"]),
    ("component.data_transfer_component:DataTransferCopyComponentSchema", components.COPY),
    ("component.data_transfer_component:DataTransferImportComponentSchema", components.IMPORT),
    ("component.data_transfer_component:DataTransferExportComponentSchema", components.EXPORT),
    ("component.flow:FlowComponentSchema", COMPONENT["promptflow_parallel"]),
    ("component.flow:FlowSchema", components.FLOW_DAG),
    ("component.flow:RunSchema", components.FLOW_RUN),
    ("_endpoint:ManagedOnlineEndpointSchema", serving.ONLINE_ENDPOINT),
    ("_endpoint:KubernetesOnlineEndpointSchema", serving.ONLINE_ENDPOINT),
    ("_endpoint:BatchEndpointSchema", serving.BATCH_ENDPOINT),
    ("_deployment.online.online_deployment:ManagedOnlineDeploymentSchema", serving.ONLINE_DEPLOYMENT),
    ("_deployment.online.online_deployment:KubernetesOnlineDeploymentSchema", serving.ONLINE_DEPLOYMENT),
    ("_deployment.batch.batch_deployment:BatchDeploymentSchema", variant(serving.BATCH_DEPLOYMENT, "model")),
    ("_deployment.batch.model_batch_deployment:ModelBatchDeploymentSchema", variant(serving.BATCH_DEPLOYMENT, "model")),
    (
        "_deployment.batch.pipeline_component_batch_deployment_schema:PipelineComponentBatchDeploymentSchema",
        variant(serving.BATCH_DEPLOYMENT, "pipeline"),
    ),
    ("assets.environment:EnvironmentSchema", assets.ENVIRONMENT_FILE),
    ("assets.environment:AnonymousEnvironmentSchema", common.ENVIRONMENT),
    ("assets.data:DataSchema", assets.DATA),
    ("assets.model:ModelSchema", assets.MODEL),
    ("_data_import.data_import:DataImportSchema", assets.DATA_IMPORT),
    ("schedule.schedule:JobScheduleSchema", schedules.JOB_SCHEDULE),
    ("schedule.create_job:PipelineCreateJobSchema", schedules.CREATE_JOB),
    ("schedule.create_job:CommandCreateJobSchema", schedules.CREATE_JOB),
    ("schedule.create_job:SparkCreateJobSchema", schedules.CREATE_JOB),
    ("_data_import.schedule:ImportDataScheduleSchema", schedules.IMPORT_SCHEDULE),
    ("monitoring.schedule:MonitorScheduleSchema", schedules.MONITOR_SCHEDULE),
    *(("pipeline.component_job:" + n, NODE[k].table) for k, n in [
        ("command", "CommandSchema"), ("sweep", "SweepSchema"), ("parallel", "ParallelSchema"),
        ("spark", "SparkSchema"), ("import", "ImportSchema"), ("pipeline", "PipelineSchema"),
    ] if n != "PipelineSchema"),
    ("pipeline.pipeline_component:PipelineSchema", NODE["pipeline"].table),
    ("pipeline.pipeline_command_job:PipelineCommandJobSchema", NODE["command"].table),
    ("pipeline.pipeline_parallel_job:PipelineParallelJobSchema", NODE["parallel"].table),
    ("pipeline.pipeline_spark_job:PipelineSparkJobSchema", NODE["spark"].table),
    ("pipeline.pipeline_import_job:PipelineImportJobSchema", NODE["import"].table),
    ("pipeline.control_flow_job:DoWhileSchema", NODE["do_while"].table),
    ("pipeline.control_flow_job:ParallelForSchema", NODE["parallel_for"].table),
    ("pipeline.condition_node:ConditionNodeSchema", NODE["if_else"].table),
    *(
        (f"pipeline.{module}:{name}", variant(NODE["data_transfer"].table, task))
        for task, names in {
            "copy_data": ("DataTransferCopySchema", "PipelineDataTransferCopyJobSchema"),
            "import_data": ("DataTransferImportSchema", "PipelineDataTransferImportJobSchema"),
            "export_data": ("DataTransferExportSchema", "PipelineDataTransferExportJobSchema"),
        }.items()
        for module, name in zip(("component_job", "pipeline_datatransfer_job"), names, strict=True)
    ),
    *((f"pipeline.automl_node:{name}", AUTOML.tables[task]) for task, name in AUTOML_NODES.items()),
]  # fmt: skip

# Fields that a table has and azure-ai-ml's schema of it has not, by the table's name.
_NODE = frozenset(
    ["name", "display_name", "description", "tags", "experiment_name", "id", "identity", "services", "compute"]
)
BEYOND: dict[str, tuple[frozenset[str], str]] = {
    "pipeline job": (_NODE | {"settings"}, "azure-ai-ml hands on what it does not know of a job with a component"),
    "sweep job": (_NODE | {"component"}, "azure-ai-ml hands on what it does not know of a job with a component"),
    "parallel job": (
        _NODE | {"variant", "column_mappings", "connections"},
        "azure-ai-ml hands on what it does not know of a job with a component; a flow's own fields are among it",
    ),
    "import job": (frozenset(["compute"]), "a job alone has it"),
    "batch deployment": (frozenset(["id", "properties"]), "those of a model have it"),
    "input": (frozenset(["value"]), "one table for an asset and a literal"),
    "batch endpoint": (frozenset(["kind"]), "what the service adds to any endpoint"),
    "output": (frozenset(["is_control"]), "what is handed on as it is, and a condition goes by it"),
    "settings": (frozenset(["continue_run_on_failed_optional_input"]), "the service has it"),
    "flow": (
        frozenset(["environment", "id", "inputs", "outputs", "node_variants", "nodes", "path", "properties", "type"]),
        "promptflow has it",
    ),
    "run of a flow": (frozenset(["column_mapping", "data", "properties"]), "promptflow has it"),
}
# What differs otherwise: patterns of a schema and of its field, and why.
DIFFERENT: list[tuple[str, str, str]] = [
    ("*ComponentSchema", "name", "a component that is used by its file needs no name"),
    ("*Node*", "training_data", "AutoML has nothing to learn from without it"),
    ("ConditionNodeSchema", "condition", "azure-ai-ml refuses it later"),
    ("DoWhileSchema", "body", "azure-ai-ml refuses it later"),
    ("ParallelForSchema", "body", "azure-ai-ml refuses it later"),
    ("DataTransfer*Schema", "t*", "an export may leave it out, so a copy may as far as the table goes"),
    ("PipelineJobSchema", "type", "without it azure-ai-ml reads a command"),
    ("ImportJobSchema", "type", "without it nothing says that it is an import"),
    ("*ScheduleSchema", "trigger", "a schedule without a trigger is none"),
    ("JobScheduleSchema", "create_job", "a schedule that starts nothing is none"),
    ("ImportDataScheduleSchema", "import_data", "a schedule that starts nothing is none"),
    ("MonitorScheduleSchema", "create_monitor", "a schedule that starts nothing is none"),
    ("MonitorDefinitionSchema", "compute", "the service wants it"),
    ("ParallelComponentSchema", "task", "a parallel component without a task does nothing"),
    ("PipelineComponentSchema", "jobs", "a pipeline component without jobs does nothing"),
    ("PipelineComponentBatchDeploymentSchema", "*name", "the service wants it"),
    ("PipelineSchema", "component", "said of each job that has neither a component nor what replaces one"),
    ("SweepSchema", "trial", "said of each job that has neither a component nor what replaces one"),
    ("MLTableInputSchema", "type", "AutoML's data are judged as any other input"),
    ("SparkResourceConfigurationForNodeSchema", "*", "a job without a component may leave it out"),
]


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    script = Path(__file__).parent / "azure_schemas.py"
    environment = os.environ | {"AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED": "true", "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    command = [sys.executable, str(script), *dict.fromkeys(name for name, _ in ROOTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loaded: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return loaded


def several(kind: Kind) -> list[Kind]:
    """The alternatives of a kind."""
    named = isinstance(kind, Table | Variants | MapOf | ListOf | Number)
    return [kind] if named or not isinstance(kind, tuple) else list(kind)


def tables(kind: Kind, schema: dict[str, Any]) -> Iterator[tuple[Table, str]]:
    """The tables by which a mapping of a schema is judged, each with the field that chose it."""
    for one in several(kind):
        if isinstance(one, Table):
            yield one, ""
        elif isinstance(one, Variants):
            kinds = schema[one.key]["kinds"] if one.key in schema else ["any"]
            said = [w for k in kinds for w in k["words"]] if all(isinstance(k, dict) for k in kinds) else [one.default]
            for word in said:
                if word in one.tables:
                    yield one.tables[word], one.key


class Comparison:
    """Walks schemas and tables side by side."""

    def __init__(self, schemas: dict[str, dict[str, Any]]) -> None:
        self.schemas = schemas
        self.paired: dict[int, tuple[Table, list[str]]] = {}
        self.wrong: list[str] = []
        self.used: set[int] = set()
        self.chosen: set[tuple[int, str]] = set()
        self.words: dict[tuple[int, str], tuple[str, frozenset[str], set[str]]] = {}

    def say(self, schema: str, field: str, what: str) -> None:
        for number, (schemas, fields, _) in enumerate(DIFFERENT):
            if fnmatch(schema, schemas) and fnmatch(field, fields):
                self.used.add(number)
                return
        self.wrong.append(f"{schema}.{field}: {what}")

    def pair(self, name: str, table: Table, key: str) -> None:
        self.chosen.add((id(table), key))
        _, names = self.paired.setdefault(id(table), (table, []))
        if name in names:
            return
        names.append(name)
        for field, said in self.schemas[name].items():
            if field in table.fields:
                if not said["ignored"] and (id(table), field) not in self.chosen:
                    self.compare(name, field, said["kinds"], table.fields[field], id(table))
            else:
                self.say(name, field, f"no such field of a {table.name}")

    def compare(self, schema: str, field: str, theirs: list[Any], ours: Kind, place: int) -> None:
        kinds = several(ours)
        if "any" in kinds:
            return
        for kind in theirs:
            if not self.takes(schema, field, kind, ours, place):
                self.say(schema, field, f"{kind} is not taken: {[str(k)[:60] for k in kinds]}")
        words = {w for k in theirs if isinstance(k, dict) for w in k.get("words", [])}
        for kind in kinds:
            if isinstance(kind, frozenset):
                seen = self.words.setdefault((place, field), (schema, kind, set()))
                seen[2].update(words if words else kind)

    def takes(self, schema: str, field: str, theirs: Any, ours: Kind, place: int) -> bool:
        kinds = several(ours)
        if isinstance(theirs, str):
            wanted = {"text": ("text", "scalar"), "version": ("scalar",), "boolean": ("boolean", "scalar"), "any": ()}
            if theirs in ("integer", "number"):
                return "scalar" in kinds or any(
                    isinstance(k, Number) and (k.whole <= (theirs == "integer")) for k in kinds
                )
            mapping = any(isinstance(k, MapOf | Table | Variants) or k == "mapping" for k in kinds)
            words = any(isinstance(k, frozenset) for k in kinds)
            return (
                theirs == "any" or any(w in kinds for w in wanted[theirs]) or (theirs == "text" and (mapping or words))
            )
        if "words" in theirs:
            given = set(theirs["words"])
            taken = [k for k in kinds if isinstance(k, frozenset) and given <= k]
            keyed = [k for k in kinds if isinstance(k, Variants)]
            return bool(taken or keyed) or "text" in kinds or ("boolean" in kinds and given == {"true", "false"})
        if "list" in theirs:
            for kind in kinds:
                if isinstance(kind, ListOf):
                    self.compare(schema, f"{field}[]", theirs["list"], kind.kind, place)
            return any(isinstance(k, ListOf) or k == "list" for k in kinds)
        if "map" in theirs:
            for kind in kinds:
                if isinstance(kind, MapOf):
                    self.compare(schema, f"{field}{{}}", theirs["map"], kind.kind, place)
            return any(isinstance(k, MapOf | Table | Variants) or k == "mapping" for k in kinds)
        name = theirs["table"]
        for table, key in tables(ours, self.schemas[name]):
            self.pair(name, table, key)
        return any(isinstance(k, MapOf | Table | Variants) or k == "mapping" for k in kinds)

    def finish(self) -> None:
        for (_, field), (schema, ours, theirs) in self.words.items():
            if ours != theirs:
                self.say(schema, field, f"words differ: {sorted(ours ^ theirs)}")
        for table, names in self.paired.values():
            known = {field for name in names for field in self.schemas[name]}
            for field in sorted(set(table.fields) - known):
                beyond = BEYOND.get(table.name, (frozenset(), ""))[0] | common.READ_ONLY.keys()
                if field not in beyond:
                    self.wrong.append(f"{table.name}.{field}: in none of {names}")
            required = set.intersection(
                *({f for f, said in self.schemas[n].items() if said["required"]} for n in names)
            )
            for field in sorted(required ^ set(table.required)):
                if (id(table), field) in self.chosen:
                    continue
                self.say(
                    names[0], field, f"required there, not here: {table.name}" if field in required else "required here"
                )


def test_the_tables_are_azures(schemas: dict[str, dict[str, Any]]) -> None:
    comparison = Comparison(schemas)
    for name, kind in ROOTS:
        schema = name.partition(":")[2]
        for table, key in tables(kind, schemas[schema]):
            comparison.pair(schema, table, key)
    comparison.finish()
    assert not comparison.wrong, "\n".join(sorted(comparison.wrong))
    unused = [line for number, line in enumerate(DIFFERENT) if number not in comparison.used]
    assert not unused, "a difference that is none any more"
