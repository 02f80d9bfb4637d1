"""Comparing two models: the interval against scipy's, and the step with gates and refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from common import facts as facts_of
from common import models, tables
from component_steps import Step, module, put, refused, succeeded
from scipy import stats

from .test_clustering import FACTS, blobs

TRAIN, SCRIPT = "train/sklearn/train.py", "evaluate/sklearn/compare/compare.py"
compare = module(SCRIPT, "core_compare")


def test_the_interval_is_scipys_up_to_chance() -> None:
    draw = np.random.default_rng(5)
    truth = draw.normal(size=300)
    first, second = truth + draw.normal(size=300), truth + draw.normal(scale=1.3, size=300)
    drawn = compare.differences(truth, first, second, compare.REGRESSORS["mae"], 4000, 1)
    theirs = stats.bootstrap(
        (np.abs(truth - first) - np.abs(truth - second),), np.mean, n_resamples=4000, method="percentile", rng=2
    ).confidence_interval
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx([theirs.low, theirs.high], abs=0.02)
    assert np.all(compare.differences(truth, first, first, compare.REGRESSORS["rmse"], 100, 0) == 0)


def test_a_class_has_one_number_however_it_is_spelled() -> None:
    first, second = compare.numbers(np.array([1, 0, 1]), np.array([1.0, 0.0, 0.0]))
    assert (first == second).tolist() == [True, True, False]


@pytest.mark.slow
def test_the_step(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", FACTS)
    frame: pd.DataFrame = blobs(tmp_path / "t")
    given = ("--table", "t", "--facts", facts)
    for name in ("LogisticRegression", "DummyClassifier"):
        succeeded(step(TRAIN, "--estimator", name, *given, "--model", name))
    both = ("--model", "LogisticRegression", "--baseline", "DummyClassifier")
    gates = json.dumps([{"hard": True, "text": "lower > 0", "span": "t", "condition": [">", ["metric", "lower"], ["value", 0]]}])  # fmt: skip  # noqa: E501
    outputs = ("--metrics", "m.json", "--report", "report")
    succeeded(step(SCRIPT, *both, *given, "--samples", "200", "--gates", gates, *outputs))
    document = json.loads((tmp_path / "m.json").read_text())
    found = document["metrics"]
    rows = tables.read(tmp_path / "t", facts_of.load(facts))
    expected = [float(np.mean(models.load(tmp_path / m).predict(rows[["a", "b"]]) == frame["y"])) for m in both[1::2]]
    assert [found["model_value"], found["baseline_value"]] == pytest.approx(expected)
    assert found["difference"] == pytest.approx(expected[0] - expected[1])
    assert 0 < found["lower"] <= found["difference"] <= found["upper"]
    assert document["gates"][0]["passed"] is True
    assert {p.name for p in (tmp_path / "report").iterdir()} == {"index.html", "differences.png"}
    again = ("--metrics", "again.json", "--report", "again")
    for options, said in (
        (("--metric", "rmse"), "is a classifier, a regressor is expected"),
        (("--samples", "10"), "samples = 10 is out of range"),
        (("--confidence", "1"), "confidence = 1.0 is out of range"),
    ):
        assert said in refused(step(SCRIPT, *both, *given, *options, *again))
