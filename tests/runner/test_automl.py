"""AutoML jobs: FLAML in place of Azure ML's service, said so, on the data and within the limits of the job."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from mlp_lang.compiler.graph import Asset, Binding, Component, Environment, Graph, Literal, Node, OutputPort, Parameter
from mlp_lang.runner import RunResult
from mlp_lang.runner.automl import unable
from mlp_lang.runner.automl_process import classified, estimators, measured, not_followed

from runner.hand_made import graph, step

Go = Callable[..., RunResult]
ROOT = Path(__file__).parents[2]
TABLES = ("training_data", "validation_data", "test_data")


def job(task: str, inputs: dict[str, Any], **extra: Any) -> Node:
    """An AutoML stage as the compiler makes it: its tables and columns are inputs, its blocks are in `extra`."""
    parameters: list[Parameter] = []
    bindings: list[tuple[str, Binding]] = []
    for name, value in inputs.items():
        kind = "mltable" if name in TABLES else "string"
        encoding = "json" if isinstance(value, list | int | float) else "plain"
        parameters.append(Parameter(name, kind, kind, encoding=encoding))
        bindings.append((name, Asset("mltable", str(value), True) if name in TABLES else Literal(value)))
    model = OutputPort("best_model", "mlflow_model", "mlflow_model")
    made = Component(
        name=f"automl.{task}",
        azure_name=f"automl_{task}",
        version="1",
        display_name="",
        description="",
        origin="bundled",
        kind="automl",
        folder="",
        source="tasks.json",
        inputs=tuple(parameters),
        outputs=(model,),
        command="",
        code=None,
        includes=(),
        environment=Environment(),
        extra={"task": task, **extra},
        in_place=True,
    )
    return Node("m", "m", "train", "automl", made, tuple(bindings))


def table(folder: Path, frame: pd.DataFrame, description: str = "") -> Path:
    folder.mkdir()
    frame.to_csv(folder / "rows.csv", index=False)
    said = description or "paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n"
    (folder / "MLTable").write_text(said)
    return folder


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    x = chance.normal(size=count)
    kind = chance.choice(["red", "blue"], count)
    label = np.where(x + (kind == "red") * 0.5 + chance.normal(size=count) * 0.3 > 0, "yes", "no")
    return pd.DataFrame({"x": x, "kind": kind, "noise": chance.normal(size=count), "y": label})


def log(result: RunResult) -> str:
    return Path(result.folder, "steps/m/log.txt").read_text()


LIMITS = {"max_trials": 4, "timeout_minutes": 2}


@pytest.mark.slow
def test_classification_gives_a_model_that_mlflow_loads(go: Go, tmp_path: Path) -> None:
    import mlflow

    inputs = {
        "training_data": table(tmp_path / "train", rows(300)),
        "test_data": table(tmp_path / "test", rows(200, seed=1)),
        "target_column_name": "y",
        "primary_metric": "accuracy",
    }
    training = {"blocked_training_algorithms": ["logistic_regression"], "enable_vote_ensemble": True}
    made = graph(job("classification", inputs, limits=LIMITS, training=training))
    result = go(made, tracking=True)
    assert result.status == "completed", log(result)
    model = mlflow.pyfunc.load_model(result.steps["m"].outputs["best_model"])
    unseen = rows(100, seed=2)
    assert (model.predict(unseen.drop(columns="y")) == unseen["y"]).mean() > 0.8
    assert model.metadata.get_input_schema().input_names() == ["x", "kind", "noise"]

    assert "FLAML" in log(result) and "stands in for Azure ML's AutoML" in log(result)
    assert "not followed here: training.enable_vote_ensemble" in log(result)
    warned = [d for d in result.diagnostics if d.code == "MLP0940"]
    assert len(warned) == 1 and "FLAML" in warned[0].message
    (record,) = result.record["steps"]
    assert record["stands_in"] == "FLAML" and record["metrics"]["test_accuracy"] > 0.8
    report = json.loads(Path(result.steps["m"].outputs["automl.json"]).read_text())
    assert report["trials"] == 4 and report["stands_in"].startswith("FLAML ") and report["estimator"] != "lrl1"
    schema = json.loads((ROOT / "schemas" / "run.schema.json").read_text())
    Draft202012Validator(schema).validate(result.record)

    again = go(made)
    assert again.steps["m"].status.value == "cached" and again.record["steps"][0]["metrics"] == record["metrics"]


@pytest.mark.slow
def test_regression_compares_on_the_rows_that_are_given(go: Go, tmp_path: Path) -> None:
    import mlflow

    chance = np.random.default_rng(3)
    frame = pd.DataFrame({"a": chance.normal(size=200), "w": 1.0})
    frame["y"] = 3 * frame["a"] + chance.normal(size=200) * 0.1
    inputs = {
        "training_data": table(tmp_path / "train", frame[:150]),
        "validation_data": table(tmp_path / "check", frame[150:]),
        "target_column_name": "y",
        "weight_column_name": "w",
        "primary_metric": "spearman_correlation",
    }
    training = {"allowed_training_algorithms": ["light_gbm", "decision_tree"]}
    result = go(graph(job("regression", inputs, limits={"max_trials": 3}, training=training)))
    assert result.status == "completed", log(result)
    assert result.record["steps"][0]["metrics"]["spearman_correlation"] > 0.8
    model = mlflow.pyfunc.load_model(result.steps["m"].outputs["best_model"])
    assert model.metadata.get_input_schema().input_names() == ["a"]
    assert "not followed here: the algorithm decision_tree" in log(result)


@pytest.mark.slow
def test_forecasting_goes_on_after_the_last_row(go: Go, tmp_path: Path) -> None:
    import mlflow

    day = pd.date_range("2024-01-01", periods=126)
    frame = pd.DataFrame({"day": day, "y": 10 + 3 * np.sin(np.arange(126) * 2 * np.pi / 7)})
    mixed = frame[:119].sample(frac=1, random_state=0)
    inputs = {
        "training_data": table(tmp_path / "train", mixed),
        "test_data": table(tmp_path / "test", frame[119:]),
        "target_column_name": "y",
    }
    forecasting = {"time_column_name": "day", "forecast_horizon": 7}
    result = go(graph(job("forecasting", inputs, limits=LIMITS, forecasting=forecasting)))
    assert result.status == "completed", log(result)
    metrics = result.record["steps"][0]["metrics"]
    assert set(metrics) >= {"normalized_root_mean_squared_error", "test_normalized_root_mean_squared_error"}
    model = mlflow.pyfunc.load_model(result.steps["m"].outputs["best_model"])
    assert len(model.predict(frame[119:][["day"]])) == 7


@pytest.mark.parametrize(
    ("task", "extra", "why"),
    [
        ("image_classification", {}, "images"),
        ("text_ner", {}, "texts"),
        ("forecasting", {}, "which column holds the time"),
        (
            "forecasting",
            {"forecasting": {"time_column_name": "t", "time_series_id_column_names": ["shop"]}},
            "many series",
        ),
    ],
)
def test_what_cannot_stand_in_is_refused_before_anything_runs(
    go: Go, tmp_path: Path, task: str, extra: dict[str, Any], why: str
) -> None:
    node = job(task, {"training_data": tmp_path}, **extra)
    result = go(graph(step("first", "true"), node))
    (found,) = [d for d in result.diagnostics if d.code == "MLP0910"]
    assert why in found.message and found.help and not result.steps
    assert unable(job("regression", {})) is None


def test_without_flaml_nothing_runs(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlp_lang.runner import environment

    have = {name: version for name, version in environment.installed().items() if name != "flaml"}
    monkeypatch.setattr(environment, "installed", lambda: have)
    result = go(graph(step("first", "true"), job("regression", {"training_data": tmp_path})))
    (found,) = [d for d in result.diagnostics if d.code == "MLP0904"]
    assert "`flaml`" in found.message and found.help.startswith("pip install ") and not result.steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "description", "said"),
    [
        ({"target_column_name": "z"}, "", "`training_data` has no column `z`; it has `x`, `kind`, `noise`, `y`"),
        ({}, "paths:\n  - file: https://example.org/rows.csv\n", "which is not on this machine"),
        ({}, "paths:\n  - file: ../secret.csv\n", "which lies outside of its folder"),
        ({}, "paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delta_lake: {}\n", "is not done here"),
    ],
)
def test_what_is_wrong_with_the_table_is_said(
    go: Go, tmp_path: Path, inputs: dict[str, Any], description: str, said: str
) -> None:
    (tmp_path / "secret.csv").write_text("x,y\n1,2\n")
    where = table(tmp_path / "train", rows(20), description)
    node = job("classification", {"training_data": where, "target_column_name": "y", **inputs}, limits=LIMITS)
    result = go(graph(node))
    (found,) = [d for d in result.diagnostics if d.code == "MLP0902"]
    assert said in found.label


def test_what_the_job_says_and_the_search_does_not() -> None:
    settings = {
        "task": "classification",
        "limits": {"max_trials": 3, "exit_score": 0.9},
        "featurization": {"mode": "custom"},
        "training": {"allowed_training_algorithms": ["svm", "bernoulli_naive_bayes"]},
        "positive_label": "yes",
    }
    assert not_followed(settings) == [
        "limits.exit_score",
        "featurization.mode",
        "the algorithm bernoulli_naive_bayes",
        "positive_label",
    ]
    assert estimators("classification", settings["training"]) == ["svc"]  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        estimators("classification", {"allowed_training_algorithms": ["decision_tree"]})


def test_metrics_are_azure_mls() -> None:
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    found = classified(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), shares, [0, 1])
    assert found["accuracy"] == 0.75 and found["auc_weighted"] == 1.0
    assert found["norm_macro_recall"] == pytest.approx(0.5)
    numbers = measured([0.0, 10.0], [1.0, 9.0], 10.0)
    assert numbers["normalized_root_mean_squared_error"] == pytest.approx(0.1)
    assert numbers["spearman_correlation"] == pytest.approx(1.0)


def graph_of(text: str, tmp_path: Path) -> Graph:
    from mlp_lang.compiler import compile_file

    file = tmp_path / "p.mlp"
    file.write_text(text)
    made = compile_file(file)
    assert len(made.graphs) == 1, made.diagnostics
    return made.graphs[0]


PROGRAM = """
pipeline churn {
  param trials: int = 2
  data rows: mltable = "rows"
  train best using automl.classification {
    training_data = rows
    target_column_name = "y"
    n_cross_validations = 2
    primary_metric = "norm_macro_recall"
    limits {
      max_trials = trials
    }
    training {
      allowed_training_algorithms = ["random_forest"]
    }
  }
  output model = best
}
"""


@pytest.mark.slow
def test_a_program(go: Go, tmp_path: Path) -> None:
    table(tmp_path / "rows", rows(120))
    result = go(graph_of(PROGRAM, tmp_path))
    assert result.status == "completed", Path(result.folder, "steps/best/log.txt").read_text()
    assert Path(result.folder, "outputs/model/MLmodel").exists()
    report = json.loads(Path(result.steps["best"].outputs["automl.json"]).read_text())
    assert report["estimator"] == "rf" and report["trials"] == 2
