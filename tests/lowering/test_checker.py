"""The checker of Azure ML YAML: right definitions of every kind pass without a remark, single mistakes give one error.

`definitions/` holds the right ones; a mistake is one change in one of them. Those of docs/validation.md are judged too.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source
from mlp_lang.lowering.checker import check_yaml, is_definition

ROOT = Path(__file__).resolve().parents[2]
RIGHT = Path(__file__).parent / "definitions"
FILES = sorted(p.relative_to(RIGHT).as_posix() for p in RIGHT.rglob("*.y*ml") if p.name != "conda.yml")


def documented() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_validating", ROOT / "docs" / "validating.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(root: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> list[Diagnostic]:
    monkeypatch.chdir(root)
    return check_yaml(file)


def errors(found: list[Diagnostic]) -> list[Diagnostic]:
    return [d for d in found if d.severity is Severity.ERROR]


def line_of(finding: Diagnostic) -> str:
    return finding.span.source.line(finding.span.source.position(finding.span.start)[0])


def fixed(finding: Diagnostic) -> str:
    (edit,) = finding.fixes[0].edits
    text = edit.span.source.text
    return text[: edit.span.start] + edit.replacement + text[edit.span.end :]


@pytest.mark.parametrize("file", FILES)
def test_what_is_right_is_accepted_without_a_remark(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(RIGHT, file, monkeypatch) == []


# file, what is there, what takes its place, the code, a word of the line blamed
P, C = "pipeline.yml", "control.yml"
MISTAKES: list[tuple[str, str, str, str, str]] = [
    # every kind of job: a field that it has not
    (P, "distribution: {type: pytorch", "distributon: {type: pytorch", "MLP0812", "distributon"),
    (P, "process_count_per_instance", "process_count_per_instanc", "MLP0812", "process_count"),
    (P, "  mini_batch_size: \"20kb\"", "  mini_batch_sizes: \"20kb\"", "MLP0812", "mini_batch_sizes"),
    (P, "append_row_to: ${{outputs.scores}}", "append_row: ${{outputs.scores}}", "MLP0812", "append_row"),
    (P, "early_termination: {type: trunc", "early_terminaton: {type: trunc", "MLP0812", "early_terminaton"),
    (P, "truncation_percentage: 20", "truncation_percent: 20", "MLP0812", "truncation_percent"),
    (P, "featurization: {mode: auto}", "featurisation: {mode: auto}", "MLP0812", "featurisation"),
    (P, "training_parameters: {early_stopping", "training_parameters: {early_stoping", "MLP0812", "early_stoping"),
    (P, "data_copy_mode:", "data_copy_mod:", "MLP0812", "data_copy_mod"),
    (P, "query: select 1}", "querry: select 1}", "MLP0812", "querry"),
    (P, "    comment: one of many", "    comments: one of many", "MLP0812", "comments"),
    (P, "force_rerun: true", "force_reruns: true", "MLP0812", "force_reruns"),
    (C, "max_concurrency: 2", "max_concurency: 2", "MLP0812", "max_concurency"),
    (C, "false_block:", "false_blocks:", "MLP0812", "false_blocks"),
    # a field that is missing
    (P, "    objective: {goal: maximize, primary_metric: auc}\n", "", "MLP0813", "type: sweep"),
    (P, "    task: import_data\n", "", "MLP0813", "type: data_transfer"),
    (P, "    target_column_name: left\n", "", "MLP0813", "type: automl"),
    (
        P, "resources: {instance_type: standard_e4s_v3, runtime_version: \"3.4\"}",
        "resources: {instance_type: standard_e4s_v3}", "MLP0813", "resources",
    ),
    (C, "    body: ${{parent.jobs.round}}\n", "", "MLP0813", "type: do_while"),
    (C, "    limits: {max_iteration_count: 5}\n", "", "MLP0813", "type: do_while"),
    (C, "    condition: ${{parent.jobs.first.outputs.again}}\n", "", "MLP0813", "type: if_else"),
    ("spark.yml", "  spark.driver.memory: 2g\n", "", "MLP0813", "conf"),
    ("sweep.yml", "  environment: azureml:sklearn:3\n", "", "MLP0813", "code"),
    ("online-deployment.yml", "instance_type: Standard_DS3_v2\n", "", "MLP0813", "name: blue"),
    ("schedule.yml", "  interval: 1\n", "", "MLP0813", "type: recurrence"),
    ("environment.yml", "image: debian:12\n", "", "MLP0813", "$schema"),
    ("data.yml", "path: ./data/rows.csv\n", "", "MLP0813", "$schema"),
    # values
    (P, "goal: maximize", "goal: maximise", "MLP0814", "maximise"),
    (P, "mode: auto}", "mode: off}", "MLP0814", "off"),
    (
        P, "primary_metric: accuracy\n    target_column_name: left",
        "primary_metric: acuracy\n    target_column_name: left", "MLP0814", "acuracy",
    ),
    (P, "task: classification", "task: clasification", "MLP0814", "clasification"),
    (P, "[LightGBM, logistic_regression]", "[LightGBM, logistic_regresion]", "MLP0814", "logistic_regresion"),
    (P, "type: truncation_selection", "type: truncation", "MLP0814", "truncation"),
    (P, "{type: jupyter_lab, nodes: all}", "{type: jupyter_labs, nodes: all}", "MLP0814", "jupyter_labs"),
    (P, "instance_type: standard_e4s_v3", "instance_type: standard_e5s_v3", "MLP0814", "standard_e5s_v3"),
    (P, "shm_size: 8g", "shm_size: 8", "MLP0814", "shm_size"),
    (P, "timeout: 3600}", "timeout: 1h}", "MLP0814", "1h"),
    (P, "instance_count: 2", "instance_count: 0", "MLP0824", "instance_count"),
    (P, "error_threshold: -1", "error_threshold: -2", "MLP0814", "error_threshold"),
    (P, "mode: eval_mount", "mode: eval_mnt", "MLP0814", "eval_mnt"),
    (
        P, "{type: mltable, path: \"${{parent.inputs.table}}\", mode",
        "{type: uri_folder, path: \"${{parent.inputs.table}}\", mode", "MLP0814", "eval_mount",
    ),
    (P, "identity: {type: user_identity}", "identity: {type: user}", "MLP0814", "type: user"),
    (P, "component: azureml:anything:1", "component: anything:1", "MLP0814", "anything:1"),
    (P, "\"debian:12\"", "{}", "MLP0814", "image"),
    (P, "environment: azureml:sklearn:3\n  clean", "environment: sklearn:3\n  clean", "MLP0814", "sklearn:3"),
    (P, "  send:", "  Send-it:", "MLP0814", "Send-it"),
    (P, "default_datastore: azureml:w", "default_datastore: w", "MLP0814", "default_datastore"),
    (P, "data_transfer\n    task: export_data", "data_transfer\n    task: export_dat", "MLP0814", "export_dat"),
    (
        P, "sink: {type: database, connection: azureml:store, table_name: churn}",
        "sink: {type: file_system, connection: azureml:store, path: x}", "MLP0814", "sink",
    ),
    (P, "mode: direct}", "mode: upload}", "MLP0814", "upload"),
    (C, "max_iteration_count: 5", "max_iteration_count: 5000", "MLP0814", "max_iteration_count"),
    (C, "items: [{rate: 0.1}, {rate: 0.2}]", "items: many", "MLP0814", "items"),
    ("command.yml", "timeout: 60", "timeout: 0", "MLP0814", "timeout"),
    ("online-endpoint.yml", "auth_mode: key", "auth_mode: keys", "MLP0814", "keys"),
    ("online-endpoint.yml", "name: churn-scoring", "name: churn_scoring", "MLP0814", "churn_scoring"),
    ("online-endpoint.yml", "green: 10}\nmirror", "green: 20}\nmirror", "MLP0826", "traffic"),
    ("online-deployment.yml", "Standard_DS3_v2", "large", "MLP0824", "large"),
    ("online-deployment.yml", "{enabled: \"true\"}", "{enabled: true}", "MLP0814", "enabled"),
    ("batch-deployment.yml", "output_action: append_row", "output_action: append", "MLP0814", "append"),
    ("batch-deployment.yml", "mini_batch_size: 10", "mini_batch_size: none", "MLP0814", "mini_batch_size"),
    ("schedule.yml", "frequency: week", "frequency: weekly", "MLP0814", "weekly"),
    ("schedule.yml", "hours: [2, 14]", "hours: [2, 24]", "MLP0814", "hours"),
    ("schedule.yml", "[monday, friday]", "[monday, fryday]", "MLP0814", "fryday"),
    ("schedule.yml", "\"2026-01-05T10:00:00\"", "2026-01-05T10:00:00", "MLP0814", "start_time"),
    ("import-schedule.yml", "15 */6 * jan-jun MON,WED", "75 */6 * jan-jun MON,WED", "MLP0814", "75"),
    ("import-schedule.yml", "MON,WED", "MON,FOO", "MLP0814", "FOO"),
    ("monitor-schedule.yml", "type: data_drift", "type: data_drifts", "MLP0814", "data_drifts"),
    ("data.yml", "type: uri_file", "type: uri_files", "MLP0814", "uri_files"),
    ("model.yml", "type: custom_model", "type: custom", "MLP0814", "custom"),
    ("environment.yml", "tags: {python: \"3.11\"}", "os_type: linus", "MLP0814", "linus"),
    ("components/train.yml", "name: train", "name: Train-it", "MLP0814", "Train-it"),
    ("components/train.yml", "{type: boolean, default", "{type: bool, default", "MLP0814", "bool"),
    # files
    (P, "component: ./components/score.yml", "component: ./components/scores.yml", "MLP0815", "scores.yml"),
    (P, "trial: ./components/train.yml", "trial: ./components/trains.yml", "MLP0815", "trains.yml"),
    (P, "entry_script: udf.py", "entry_script: ufd.py", "MLP0815", "ufd.py"),
    (P, "code: ./src\n    entry", "code: ./source\n    entry", "MLP0815", "source"),
    ("components/clean.yml", "entry: {file: run.py}", "entry: {file: rnu.py}", "MLP0815", "rnu.py"),
    ("components/clean.yml", "py_files: [lib.py]", "py_files: [libs.py]", "MLP0815", "libs.py"),
    ("components/score.yml", "entry_script: entry.py", "entry_script: enter.py", "MLP0815", "enter.py"),
    ("environment.yml", "conda_file: ./conda.yml", "conda_file: ./cnda.yml", "MLP0815", "cnda"),
    ("batch-deployment.yml", "scoring_script: run.py", "scoring_script: score.py", "MLP0815", "score.py"),
    ("pipeline-deployment.yml", "./components/whole.yml", "./components/hole.yml", "MLP0815", "hole.yml"),
    ("schedule.yml", "job: ./pipeline.yml", "job: ./pipelines.yml", "MLP0815", "pipelines.yml"),
    ("import-schedule.yml", "./data-import.yml", "./data-imports.yml", "MLP0815", "data-imports"),
    # bindings, in every place that has them
    (
        P, "whatever: ${{parent.jobs.nested.outputs.model}}",
        "whatever: ${{parent.jobs.nested.outputs.modle}}", "MLP0816", "modle",
    ),
    (
        P, "training_data: ${{parent.jobs.clean.outputs.table}}",
        "training_data: ${{parent.jobs.clean.outputs.tabel}}", "MLP0816", "tabel",
    ),
    (P, "{path: \"${{parent.inputs.table}}\", type", "{path: \"${{parent.inputs.tabel}}\", type", "MLP0816", "tabel"),
    (P, "two: ${{parent.jobs.score.", "two: ${{parent.jobs.scor.", "MLP0816", "scor."),
    (
        P, "      scores: ${{parent.outputs.scores}}",
        "      scores: ${{parent.outputs.score}}", "MLP0816", "outputs.score}",
    ),
    (P, "on_init: warm", "on_init: worm", "MLP0816", "worm"),
    (C, "body: ${{parent.jobs.round}}", "body: ${{parent.jobs.ground}}", "MLP0816", "ground"),
    (C, "body: ${{parent.jobs.one}}", "body: one", "MLP0816", "body: one"),
    (
        C, "condition: ${{parent.jobs.round.outputs.again}}",
        "condition: ${{parent.jobs.round.outputs.agan}}", "MLP0816", "agan",
    ),
    (C, "condition: ${{parent.jobs.round.outputs.again}}", "condition: agan", "MLP0816", "agan"),
    (C, "true_block: ${{parent.jobs.more}}", "true_block: ${{parent.jobs.mor}}", "MLP0816", "mor}"),
    (C, "[\"${{parent.jobs.less}}\"", "[\"${{parent.jobs.lesser}}\"", "MLP0816", "lesser"),
    (
        C, "all: ${{parent.jobs.fan.outputs.model}}",
        "all: ${{parent.jobs.fan.outputs.models}}", "MLP0816", "outputs.models}",
    ),
    (C, "final: ${{parent.jobs.loop.outputs.model}}", "final: ${{parent.jobs.gate.outputs.model}}", "MLP0816", "gate"),
    ("schedule.yml", "inputs: {rate: 0.2}", "inputs: {rat: 0.2}", "MLP0816", "rat:"),
    # inputs and outputs that a component has not
    (P, "    search_space:\n      rate", "    search_space:\n      rats", "MLP0817", "rats"),
    (
        P, "      model: ${{parent.jobs.search.outputs.model}}",
        "      models: ${{parent.jobs.search.outputs.model}}", "MLP0817", "models",
    ),
    (P, "sink: {type: mltable}", "sinks: {type: mltable}", "MLP0817", "sinks"),
    (C, "mapping: {model: start}", "mapping: {modle: start}", "MLP0817", "modle"),
    (C, "mapping: {model: start}", "mapping: {model: strat}", "MLP0817", "strat"),
    (
        C, "[{rate: 0.1}, {rate: 0.2}]",
        "'[{\"rate\": 0.1, \"dept\": 3}, {\"rate\": 0.2, \"dept\": 3}]'", "MLP0817", "dept",
    ),
    # inputs without a value
    (P, "      rate: {type: uniform, min_value: 0.1, max_value: 0.9}\n", "", "MLP0818", "inputs"),
    (
        P, "    component: ./components/whole.yml\n    inputs:\n      table: ${{parent.inputs.table}}\n",
        "    component: ./components/whole.yml\n", "MLP0818", "nested",
    ),
    (P, "rate: 0.1\noutputs:", "rate:\noutputs:", "MLP0818", "rate"),
    (C, "items: [{rate: 0.1}, {rate: 0.2}]", "items: [{depth: 1}, {depth: 2}]", "MLP0818", "inputs"),
    # literals
    (P, "values: [2, 4]", "values: [2, few]", "MLP0819", "few"),
    (P, "  rate: 0.1\noutputs", "  rate: 1.5\noutputs", "MLP0819", "rate"),
    (C, "[{rate: 0.1}, {rate: 0.2}]", "[{rate: 0.1}, {rate: 2}]", "MLP0819", "rate: 2"),
    ("components/train.yml", "default: 3", "default: three", "MLP0819", "three"),
    ("components/train.yml", "min: 0, max: 1", "min: 2, max: 1", "MLP0819", "min: 2"),
    # types of assets
    (C, "start: ${{parent.jobs.first.outputs.model}}", "start: ${{parent.inputs.table}}", "MLP0820", "start"),
    (
        C, "condition: ${{parent.jobs.first.outputs.again}}",
        "condition: ${{parent.jobs.first.outputs.model}}", "MLP0820", "condition",
    ),
    (C, "mapping: {model: start}", "mapping: {model: rate}", "MLP0820", "mapping"),
    (P, "sink: {type: mltable}", "sink: {type: uri_file}", "MLP0820", "sink"),
    # who waits for whom
    (
        C, "start: ${{parent.jobs.first.outputs.model}}",
        "start: ${{parent.jobs.loop.outputs.model}}", "MLP0821", "start",
    ),
    # placeholders
    (P, "[[--rate ${{inputs.rate}}]]", "[[--rate ${{inputs.rat}}]]", "MLP0822", "rat"),
    (P, "args: --rows ${{inputs.rows}}", "args: --rows ${{inputs.row}}", "MLP0822", "inputs.row}"),
    ("components/score.yml", "--model ${{inputs.model}}", "--model ${{inputs.modle}}", "MLP0822", "modle"),
    ("components/score.yml", "input_data: ${{inputs.rows}}", "input_data: ${{inputs.row}}", "MLP0822", "input_data"),
    ("components/clean.yml", "--table ${{outputs.table}}", "--table ${{outputs.tabel}}", "MLP0822", "tabel"),
    ("sweep.yml", "search_space.depth", "search_space.dept", "MLP0822", "dept"),
    # no compute
    (P, "  default_compute: azureml:cpu-cluster\n", "  default_compute: serverles\n", "MLP0814", "serverles"),
    ("spark.yml", "compute: azureml:spark-pool\n", "", "MLP0828", "type: spark"),
    # what the pipeline gives out
    (
        P, "  scores: {type: uri_folder}\njobs:",
        "  scores: {type: uri_folder}\n  more: {type: uri_file}\njobs:", "MLP0829", "more",
    ),
    # a component of another kind
    (
        P, "    type: parallel\n    component: ./components/score.yml",
        "    type: command\n    component: ./components/score.yml", "MLP0833", "score.yml",
    ),
    ("pipeline-deployment.yml", "./components/whole.yml", "./components/train.yml", "MLP0833", "train.yml"),
    # searches
    (P, "min_value: 0.1, max_value: 0.9", "min_value: 0.9, max_value: 0.1", "MLP0834", "0.9"),
    (P, "values: [2, 4]", "values: []", "MLP0834", "depth"),
    (P, "{type: bandit, slack_factor: 0.2", "{type: median_stopping, slack_factor: 0.2", "MLP0812", "slack_factor"),
    ("sweep.yml", "sigma: 0.1", "sigma: -0.1", "MLP0834", "sigma"),
    ("sweep.yml", "sampling_algorithm: bayesian", "sampling_algorithm: grid", "MLP0834", "normal"),
    # conditions and loops
    (
        C, "    false_block: [\"${{parent.jobs.less}}\",",
        "    false_block: [\"${{parent.jobs.more}}\",", "MLP0835", "more",
    ),
    (C, "body: ${{parent.jobs.one}}", "body: ${{parent.jobs.gate}}", "MLP0835", "gate"),
    (C, "[{rate: 0.1}, {rate: 0.2}]", "[{rate: 0.1}, {rate: 0.2, depth: 2}]", "MLP0835", "items"),
    (C, "[{rate: 0.1}, {rate: 0.2}]", "[]", "MLP0835", "items"),
    (P, "on_init: warm", "on_init: clean", "MLP0835", "on_init"),
]  # fmt: skip


def mutate(root: Path, file: str, old: str, new: str) -> None:
    shutil.copytree(RIGHT, root)
    text = (root / file).read_text()
    assert text.count(old) >= 1
    (root / file).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(("file", "old", "new", "code", "blamed"), MISTAKES)
def test_one_mistake_gives_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, code: str, blamed: str
) -> None:
    mutate(tmp_path / "project", file, old, new)
    found = check(tmp_path / "project", file, monkeypatch)
    assert [d.code for d in errors(found)] == [code], [d.message for d in found]
    assert blamed in line_of(errors(found)[0])


# Doubtful, but nothing that the service refuses: a warning.
DOUBTFUL: list[tuple[str, str, str, str]] = [
    (P, "path: ./data, mode", "path: ./fetched, mode", "MLP0815"),
    (P, "    comment: one of many", "    colour: blue", "MLP0812"),
    (P, "max_concurrent_trials: 3, timeout", "max_concurrent_trials: 30, timeout", "MLP0834"),
    (P, "trial_timeout: 600", "trial_timeout: 60000", "MLP0834"),
    ("components/train.yml", "version: 1\n", "version: 1\nzone: north\n", "MLP0812"),
    ("online-deployment.yml", "endpoint_name: churn-scoring\n", "", "MLP0813"),
    ("environment.yml", "name: sklearn\n", "", "MLP0813"),
    ("model.yml", "path: ./data", "path: ./fetched", "MLP0815"),
]


@pytest.mark.parametrize(("file", "old", "new", "code"), DOUBTFUL)
def test_what_is_doubtful_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, code: str
) -> None:
    mutate(tmp_path / "project", file, old, new)
    found = check(tmp_path / "project", file, monkeypatch)
    assert [(d.code, d.severity) for d in found] == [(code, Severity.WARNING)]


DOCUMENTED = documented()


@pytest.mark.parametrize("case", DOCUMENTED.CASES, ids=lambda case: case.title)
def test_documented_mistakes_give_one_error_and_their_fix_mends_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: "DOCUMENTED.Case",  # type: ignore[name-defined]
) -> None:
    root = tmp_path / "churn"
    DOCUMENTED.write(case, root)
    (found,) = check(root, case.file, monkeypatch)
    assert found.severity is Severity.ERROR
    if found.fixes:
        (root / case.file).write_text(fixed(found))
        assert check(root, case.file, monkeypatch) == []


OTHER = [
    ("conda.yml", "channels: [conda-forge]\ndependencies: [python=3.11]\n", ["MLP0832"]),
    ("values.yml", "a: 1\n", ["MLP0832"]),
    ("typo.yml", "type: pipelin\njobz: {}\n", ["MLP0832"]),
    ("list.yml", "- 1\n", ["MLP0810"]),
    ("broken.yml", "a: [\n", ["MLP0810"]),
    ("template.yml", "name: {{NAME}}\n", ["MLP0832"]),
    ("workspace.yml", "$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json\nname: a\n", []),
    ("datastore.yml", "type: azure_blob\nname: a\naccount_name: b\n", []),
    ("legacy.yml", "type: CommandComponent@1-legacy\nname: a\n", []),
]


@pytest.mark.parametrize(("name", "text", "codes"), OTHER)
def test_other_files_give_one_finding_or_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, codes: list[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert [d.code for d in check(tmp_path, name, monkeypatch)] == codes
    assert is_definition(name) == (codes != ["MLP0832"])


@pytest.mark.parametrize("text", ["", "jobs:", "type: pipeline\njobs: [1]", "type: sweep\ntrial: 3", "command: {}",
    "type: pipeline\njobs: {a: {type: do_while, body: [1], mapping: 1}, b: {type: if_else, true_block: {}}, c: 1,"
    " d: {type: parallel_for, items: {x: 1}}, e: {type: spark, entry: 1, conf: 2}, f: {type: automl, task: [1]}}",
    "type: pipeline\ninputs: 1\noutputs: [2]\nsettings: x\njobs: {a: {component: [1], inputs: 3, outputs: 4}}",
    "name: a\ntrigger: {type: cron, expression: 5}\ncreate_job: [1]", "name: a\ntraffic: 3\nauth_mode: key",
    "type: model\nname: 1\nendpoint_name: []\nmodel: [1]\nsettings: 4\ncompute: {}",
    "a: &a [*a]", "? [1]\n: 2\ntype: pipeline", "type: !!binary abc"])  # fmt: skip
def test_no_text_makes_it_raise(tmp_path: Path, text: str) -> None:
    assert check_yaml(str(tmp_path / "x.yml"), Source("x.yml", text)) is not None


def test_a_component_that_is_itself_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "type: pipeline\nname: a\njobs: {again: {type: pipeline, component: ./a.yml}}\n"
    (tmp_path / "a.yml").write_text(text)
    assert errors(check(tmp_path, "a.yml", monkeypatch)) == []


@pytest.mark.slow
def test_azure_takes_what_is_right() -> None:
    loaders = {
        P: "job", C: "job", "command.yml": "job", "sweep.yml": "job", "spark.yml": "job", "automl.yml": "job",
        "components/train.yml": "component", "components/score.yml": "component",
        "components/clean.yml": "component", "components/whole.yml": "component",
        "online-endpoint.yml": "online_endpoint", "batch-endpoint.yml": "batch_endpoint",
        "online-deployment.yml": "online_deployment", "kubernetes-deployment.yml": "online_deployment",
        "batch-deployment.yml": "model_batch_deployment",
        "pipeline-deployment.yml": "pipeline_component_batch_deployment",
        "environment.yml": "environment", "data.yml": "data", "model.yml": "model", "compute.yml": "compute",
        "schedule.yml": "schedule", "import-schedule.yml": "schedule",
    }  # fmt: skip
    environment = os.environ | {"AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED": "true", "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    script = Path(__file__).parent / "azure_loads.py"
    command = [sys.executable, str(script), *(f"load_{kind}:{file}" for file, kind in loaders.items())]
    done = subprocess.run(command, cwd=RIGHT, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == dict.fromkeys(loaders, "")
