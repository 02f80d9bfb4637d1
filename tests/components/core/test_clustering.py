"""Judging clusters: hand-made ones against scikit-learn's figures, and the step from training to metrics.json."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as theirs
from common import metrics
from component_steps import Step, put, refused, succeeded

TRAIN, JUDGE = "train/sklearn/train.py", "evaluate/sklearn/clustering/cluster.py"
FACTS = {
    "name": "blobs",
    "schema": {
        "properties": {
            "a": {"type": "number", "minimum": -10, "maximum": 20},
            "b": {"type": "number", "minimum": -10, "maximum": 20},
            "y": {"enum": ["p", "q", "r"]},
        }
    },
    "label": "y",
}
OUTPUTS = ("--metrics", "m.json", "--report", "report")


def blobs(path: Path, count: int = 60) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    place = np.arange(count) % 3
    middle = np.array([[0, 0], [10, 0], [0, 10]])[place]
    frame = pd.DataFrame(middle + draw.normal(size=(count, 2)), columns=["a", "b"])
    frame["y"] = np.array(["p", "q", "r"])[place]
    frame.to_parquet(path, index=False)
    return frame


def test_figures_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    points, assigned, truth = draw.normal(size=(50, 3)), draw.integers(0, 4, 50), draw.integers(0, 2, 50)
    found = metrics.clustering(points, assigned, truth, 1000)
    assert tuple(found) == metrics.CLUSTERING
    assert found["silhouette"] == pytest.approx(theirs.silhouette_score(points, assigned))
    assert found["davies_bouldin"] == pytest.approx(theirs.davies_bouldin_score(points, assigned))
    assert found["calinski_harabasz"] == pytest.approx(theirs.calinski_harabasz_score(points, assigned))
    assert found["adjusted_rand"] == pytest.approx(theirs.adjusted_rand_score(truth, assigned))
    assert found["clusters"] == 4
    assert metrics.clustering(points, assigned, truth, 20)["silhouette"] != found["silhouette"]


@pytest.mark.parametrize("assigned", [[0] * 6, list(range(6))])
def test_one_cluster_and_a_cluster_a_row_have_no_figures(assigned: list[int]) -> None:
    found = metrics.clustering(np.arange(12.0).reshape(6, 2), np.array(assigned), None, 100)
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {*metrics.CLUSTERING[:5]}


@pytest.mark.slow
@pytest.mark.parametrize("label", ["y", None])
def test_the_step(step: Step, tmp_path: Path, label: str | None) -> None:
    facts = put(tmp_path / "facts.json", {**FACTS, "label": label, "features": ["a", "b"]})
    frame = blobs(tmp_path / "t")
    given = ("--table", "t", "--facts", facts)
    succeeded(step(TRAIN, "--estimator", "KMeans", *given, "--json", "n_clusters", "3", "--model", "model"))
    gate = {"hard": True, "text": "silhouette >= 0.5", "span": "t.mlp:1:1"}
    gates = json.dumps([{**gate, "condition": [">=", ["metric", "silhouette"], ["value", 0.5]]}])
    succeeded(step(JUDGE, "--model", "model", *given, "--gates", gates, *OUTPUTS))
    document = json.loads((tmp_path / "m.json").read_text())
    found = document["metrics"]
    scaled = (frame[["a", "b"]].to_numpy() + 10) / 30  # as the schema's bounds have it
    assert found["silhouette"] == pytest.approx(theirs.silhouette_score(scaled, frame["y"]))
    assert found["adjusted_rand"] == (1.0 if label else None)
    assert (found["clusters"], found["rows"]) == (3, 60)
    assert document["gates"][0]["passed"] is True
    page = (tmp_path / "report/index.html").read_text()
    assert all(f'src="{name}"' in page for name in ("sizes.png", "clusters.png"))
    assert {p.name for p in (tmp_path / "report").iterdir()} == {"index.html", "sizes.png", "clusters.png"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "options", "said"),
    [
        ("LogisticRegression", (), "the model is a classifier, a clusterer is expected"),
        ("DBSCAN", (), "sklearn.DBSCAN cannot place rows"),
        ("KMeans", ("--sample", "1"), "sample must be at least 2"),
    ],
)
def test_what_is_refused(step: Step, tmp_path: Path, estimator: str, options: tuple[str, ...], said: str) -> None:
    facts = put(tmp_path / "facts.json", FACTS)
    blobs(tmp_path / "t")
    given = ("--table", "t", "--facts", facts)
    succeeded(step(TRAIN, "--estimator", estimator, *given, "--model", "model"))
    assert said in refused(step(JUDGE, "--model", "model", *given, *options, *OUTPUTS))
    assert not (tmp_path / "m.json").exists()
