"""`validation` of sklearn.<Estimator>: a score on rows that were not learnt from, which a search can go by."""

import json
from pathlib import Path

import pandas as pd
import pytest
from component_steps import ROOT, Step, mlp, put, refused, succeeded
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

TRAIN = "train/sklearn/train.py"


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    frame = load_iris(as_frame=True).frame
    frame.columns = ["a", "b", "c", "d", "target"]
    frame[::2].to_csv(tmp_path / "train.csv", index=False)
    frame[1::2].to_csv(tmp_path / "held.csv", index=False)
    bounds = {name: {"type": "number", "minimum": 0, "maximum": 10} for name in "abcd"}
    schema = {"type": "object", "properties": {**bounds, "target": {"enum": [0, 1, 2]}}, "required": ["target"]}
    put(tmp_path / "facts.json", {"name": "iris", "schema": schema, "label": "target"})
    return tmp_path


def test_the_score_is_that_of_scikit_learn_on_the_held_rows(step: Step, flowers: Path) -> None:
    said = succeeded(
        step(
            *(TRAIN, "--estimator", "LogisticRegression", "--table", "train.csv", "--validation", "held.csv"),
            *("--facts", "facts.json", "--model", "model"),
        )
    )
    found = {name: float(value) for name, value in (line.split(" = ") for line in said.splitlines())}
    train, held = pd.read_csv(flowers / "train.csv"), pd.read_csv(flowers / "held.csv")
    wanted = LogisticRegression(random_state=0).fit(train[[*"abcd"]].to_numpy() / 10, train.target)
    assert found["validation_score"] == pytest.approx(
        wanted.score(held[[*"abcd"]].to_numpy() / 10, held.target), abs=1e-5
    )


def test_what_cannot_be_validated(step: Step, flowers: Path) -> None:
    done = step(
        *(TRAIN, "--estimator", "KMeans", "--table", "train.csv", "--validation", "held.csv", "--model", "model"),
        *("--json", "n_clusters", "3"),
    )
    assert "only what predicts a label can be validated" in refused(done)
    assert not (flowers / "model").exists()
    pd.read_csv(flowers / "held.csv").drop(columns="a").to_csv(flowers / "less.csv", index=False)
    done = step(
        *(TRAIN, "--estimator", "LogisticRegression", "--table", "train.csv", "--validation", "less.csv"),
        *("--facts", "facts.json", "--model", "model"),
    )
    assert "column 'a'" in refused(done)


@pytest.mark.slow
def test_the_search_of_the_pipeline_beats_the_defaults_on_rows_that_neither_saw(tmp_path: Path) -> None:
    done = mlp("run", ROOT / "pipelines/tuned.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(next((tmp_path / "home/runs").glob("*/run.json")).read_text(encoding="utf-8"))
    metrics = {step["title"]: step["metrics"] for step in record["steps"]}
    assert metrics["gain"]["difference"] > 0
    assert metrics["quality"]["accuracy"] == metrics["gain"]["model_value"]
