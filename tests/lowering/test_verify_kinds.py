"""The judge of builds, over all that a build may hold: every baseline is accepted, each corruption refused."""

import shutil
from pathlib import Path

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering import lower_all
from mlp_lang.lowering.checker import check_folder
from mlp_lang.lowering.verify import verify
from test_verify import line_of, relock

ROOT = Path(__file__).parents[2]
BASELINES = ROOT / "tests" / "baselines"
KINDS = Path(__file__).parent / "every_kind_of_job.mlp"
PROGRAMS = [*sorted(BASELINES.glob("*/main.mlp")), *sorted((ROOT / "pipelines").glob("*.mlp")), KINDS]
NOT_COMPILED = {
    *("cycle", "not_compiled_yet", "one_mistake_each", "private_budget", "private_leak", "recovers_from_syntax"),
    "ungated_deploy",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every program that compiles, each in a folder of its own beside the files that they share, with its builds."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(BASELINES / "files", root / "files")
    refused = set()
    for program in PROGRAMS:
        name = program.parent.name if program.name == "main.mlp" else program.stem
        folder = shutil.copytree(ROOT / "pipelines", root / name) if program.parent.name == "pipelines" else root / name
        folder.mkdir(exist_ok=True)
        target = Path(shutil.copy(program, folder))
        made = compile_file(target)
        if any(d.severity is Severity.ERROR for d in made.diagnostics):
            refused.add(name)
            continue
        for build in lower_all(made, str(target)):
            build.write(folder / "build")
    assert refused == NOT_COMPILED
    return root


def builds(project: Path) -> list[Path]:
    return sorted(path.parent for path in project.glob("*/build/*/mlp.lock"))


def test_every_build_is_accepted_without_a_remark(project: Path) -> None:
    assert len(builds(project)) > 10
    assert [(d.code, d.message) for folder in builds(project) for d in check_folder(str(folder))] == []


@pytest.mark.slow
def test_azure_accepts_every_build_without_a_remark(project: Path) -> None:
    pytest.importorskip("azure.ai.ml")
    assert [(d.code, d.message) for folder in builds(project) for d in verify(folder)] == []


TUNE, AUTOML, CONTROL = "tune/build/tune", "automl/build/automl", "control_flow/build/improving"
NESTED, JOBS, MAIN = "nested/build/outer", "every_kind_of_job/build/kinds", "definitions/build/main"
PIPELINE = "pipeline.yml"
BLUE = "deployments/scoring/blue/deployment.yml"
GREEN = "deployments/local/green/deployment.yml"
BY_MODEL = "deployments/nightly/by_model/deployment.yml"
BY_PIPELINE = "deployments/income-nightly/by_pipeline/deployment.yml"
SCORER = "environments/scorer/environment.yml"
WEEKLY, DRIFTING, IMPORTING = (f"schedules/{n}.yml" for n in ("cleaning_nightly", "drifting", "importing"))

# name, build, file, what is there, what takes its place (None: the file goes), the codes, a word of the line blamed
CORRUPTIONS: list[tuple[str, str, str, str, str | None, set[str], str]] = [
    ("search of an unknown parameter", TUNE, PIPELINE, "      limit:\n", "      limt:\n", {"MLP0817"}, "limt"),
    ("search with min over max", TUNE, PIPELINE, "min_value: 16", "min_value: 512", {"MLP0834"}, "512"),
    ("search that no input can take", TUNE, PIPELINE, "          - 100\n", "          - 1000\n", {"MLP0819"}, "1000"),
    ("search by an unknown space", TUNE, PIPELINE, "type: lognormal", "type: lognorml", {"MLP0814"}, "lognorml"),
    ("search without a goal", TUNE, PIPELINE, "      goal: maximize\n", "", {"MLP0813"}, "primary_metric"),
    (
        "two slacks", TUNE, PIPELINE,
        "slack_factor: 0.1", "slack_factor: 0.1\n      slack_amount: 1", {"MLP0834"}, "amount",
    ),
    (
        "trial that is not there", TUNE, PIPELINE,
        "trial: ./components/clean/", "trial: ./components/cl/", {"MLP0815"}, "cl/",
    ),
    ("metric of another task", AUTOML, PIPELINE, "metric: auc_weighted", "metric: r2_score", {"MLP0814"}, "r2_score"),
    ("unknown task", AUTOML, PIPELINE, "task: text_ner", "task: text_nr", {"MLP0814"}, "text_nr"),
    (
        "no data to train on", AUTOML, PIPELINE,
        "    training_data: ${{parent.inputs.rows}}\n", "", {"MLP0813"}, "type: automl",
    ),
    ("data of no input", AUTOML, PIPELINE, "parent.inputs.sales", "parent.inputs.sale", {"MLP0816"}, "sale"),
    ("field of another task", AUTOML, PIPELINE, "  forecasting:\n", "  forcasting:\n", {"MLP0812"}, "forcasting"),
    (
        "condition that runs nothing", CONTROL, PIPELINE,
        "true_block: ${{parent.jobs.when_bad}}", "true_block: ${{parent.jobs.when_bd}}", {"MLP0816"}, "when_bd",
    ),
    (
        "job that runs either way", CONTROL, PIPELINE,
        "      - ${{parent.jobs.good}}\n", "      - ${{parent.jobs.when_bad}}\n", {"MLP0835"}, "when_bad",
    ),
    (
        "condition that is an asset", CONTROL, PIPELINE,
        "parent.jobs.better.outputs.again", "parent.jobs.better.outputs.better", {"MLP0820"}, "condition",
    ),
    ("loop over an unknown output", CONTROL, PIPELINE, "better: model\n", "bettr: model\n", {"MLP0817"}, "bettr"),
    ("loop into an unknown input", CONTROL, PIPELINE, "better: model\n", "better: modl\n", {"MLP0817"}, "modl"),
    (
        "loop without a body", CONTROL, PIPELINE,
        "body: ${{parent.jobs.pair}}", "body: ${{parent.jobs.par}}", {"MLP0816"}, "par}",
    ),
    (
        "loop without end", CONTROL, PIPELINE,
        "max_iteration_count: 5", "max_iteration_count: 0", {"MLP0814"}, "max_iteration_count",
    ),
    ("items of an unknown input", CONTROL, PIPELINE, "rate: 0.1\n", "rte: 0.1\n", {"MLP0817", "MLP0835"}, "rte"),
    ("items that are no numbers", CONTROL, PIPELINE, "rate: 0.1\n", "rate: fast\n", {"MLP0819"}, "fast"),
    ("items of no input", CONTROL, PIPELINE, "parent.inputs.plans", "parent.inputs.plan", {"MLP0816"}, "plan}"),
    (
        "dangling job in a component", NESTED, "components/cleaning/component.yml",
        "parent.jobs.", "parent.jobs.x_", {"MLP0816"}, "x_",
    ),
    ("input that a pipeline has not", NESTED, PIPELINE, "      share: 0.3", "      shares: 0.3", {"MLP0817"}, "shares"),
    (
        "component that is not there", NESTED, "components/preparing/component.yml",
        "../cleaning/", "../cleanin/", {"MLP0815"}, "cleanin",
    ),
    ("parallel without a script", JOBS, PIPELINE, "      entry_script: clean.py\n", "", {"MLP0813"}, "task"),
    (
        "parallel with a script that is not there", JOBS, PIPELINE,
        "entry_script: clean.py", "entry_script: clen.py", {"MLP0815"}, "clen",
    ),
    (
        "parallel over no input", JOBS, PIPELINE,
        "${{inputs.rows}}\n  #", "${{inputs.row}}\n  #", {"MLP0822"}, "inputs.row}",
    ),
    ("spark without its configuration", JOBS, PIPELINE, "      spark.executor.instances: 2\n", "", {"MLP0813"}, "conf"),
    (
        "spark that mounts", JOBS, PIPELINE,
        "mode: direct\n    resources", "mode: upload\n    resources", {"MLP0814"}, "upload",
    ),
    ("spark without an entry", JOBS, PIPELINE, "    entry:\n      file: clean.py\n", "", {"MLP0813"}, "counted"),
    ("data copied by no mode", JOBS, PIPELINE, "merge_with_overwrite", "merge", {"MLP0814"}, "merge"),
    (
        "data imported as a folder", JOBS, PIPELINE,
        "        type: mltable\n        path: ${{parent.outputs",
        "        type: uri_folder\n        path: ${{parent.outputs", {"MLP0820"}, "uri_folder",
    ),
    ("environment of nothing", MAIN, SCORER, "image: mcr.microsoft.com/azureml/base:1\n", "", {"MLP0813"}, "$schema"),
    ("environment with an unknown field", MAIN, SCORER, "conda_file:", "conda:", {"MLP0812"}, "conda"),
    ("environment without its conda file", MAIN, "environments/scorer/conda.yaml", "", None, {"MLP0815"}, "conda.yaml"),
    ("data of no type", MAIN, "assets/people.yml", "type: uri_file", "type: uri_fle", {"MLP0814"}, "uri_fle"),
    ("data that is not there", MAIN, "assets/people.yml", "people.csv", "peple.csv", {"MLP0815"}, "peple"),
    ("model of no type", MAIN, "assets/income.yml", "mlflow_model", "mlflw_model", {"MLP0814"}, "mlflw"),
    ("endpoint that none can call", MAIN, "endpoints/scoring.yml", "aad_token", "add_token", {"MLP0814"}, "add_token"),
    (
        "batch endpoint with a field of others", MAIN, "endpoints/nightly.yml",
        "defaults:", "traffic:", {"MLP0812"}, "traffic",
    ),
    ("deployment of an unknown endpoint", MAIN, BLUE, "income-scoring", "income-scorin", {"MLP0823"}, "scorin"),
    (
        "deployment without its scoring script", MAIN, "deployments/scoring/blue/code/clean.py",
        "", None, {"MLP0815"}, "clean.py",
    ),
    ("deployment without a machine", MAIN, BLUE, "instance_type: Standard_DS3_v2\n", "", {"MLP0813"}, "$schema"),
    ("deployment that scales by no rule", MAIN, GREEN, "target_utilization", "target", {"MLP0814"}, "target"),
    (
        "batch deployment of an unknown endpoint", MAIN, BY_MODEL,
        "income-nightly", "income-nighly", {"MLP0823"}, "nighly",
    ),
    (
        "batch deployment to an online endpoint", MAIN, BY_MODEL,
        "income-nightly", "income-scoring", {"MLP0823"}, "scoring",
    ),
    ("batch deployment with no way to put out", MAIN, BY_MODEL, "append_row", "append", {"MLP0814"}, "append"),
    (
        "batch deployment of no component", MAIN, BY_PIPELINE,
        "component: azureml:hello@latest\n", "", {"MLP0813"}, "$schema",
    ),
    ("schedule with a bad cron", MAIN, IMPORTING, "0 1 * * *", "0 25 * * *", {"MLP0814"}, "25"),
    ("schedule on no day", MAIN, WEEKLY, "- friday", "- fryday", {"MLP0814"}, "fryday"),
    ("schedule of an unknown input", MAIN, WEEKLY, "    rows: 3", "    row: 3", {"MLP0816"}, "row: 3"),
    ("schedule of no job", MAIN, WEEKLY, "files/job.yml", "files/jb.yml", {"MLP0815"}, "jb.yml"),
    ("monitor with an unknown field", MAIN, DRIFTING, "monitoring_target:", "monitoring_targt:", {"MLP0812"}, "targt"),
    ("definition of no kind", MAIN, "endpoints/local.yml", "compute: azureml:k8s", "jobs: {}", {"MLP0812"}, "jobs"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "file", "old", "new", "codes", "blamed"), [c[1:] for c in CORRUPTIONS], ids=[c[0] for c in CORRUPTIONS]
)
def test_each_corruption_is_refused(
    project: Path, tmp_path: Path, build: str, file: str, old: str, new: str | None, codes: set[str], blamed: str
) -> None:
    start = build.split("/", 1)[0]
    shutil.copytree(project / "files", tmp_path / "files")
    shutil.copytree(project / start, tmp_path / start)
    path = tmp_path / build / file
    if new is None:
        path.unlink()
    else:
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")
    relock(tmp_path / build)
    findings = check_folder(str(tmp_path / build))
    assert {d.code for d in findings} == codes
    assert any(d.severity is Severity.ERROR for d in findings)
    assert blamed in "\n".join(line_of(d) for d in findings)
