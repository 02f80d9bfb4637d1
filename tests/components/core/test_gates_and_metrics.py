"""Verdicts on metrics, the metrics themselves, and what is written of both."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from common import gates, metrics
from common.entry import Refusal
from component_steps import ROOT

METRICS = {"accuracy": 0.85, "gap": 0.2, "roc_auc": math.nan, "rows": 100.0}
ACCURACY, GAP = ["metric", "accuracy"], ["metric", "gap"]
CONDITIONS: dict[str, tuple[Any, bool, Any]] = {
    "at least": ([">=", ACCURACY, ["value", 0.8]], True, 0.8),
    "bound text is JSON": (["<=", GAP, ["value", "0.1"]], False, 0.1),
    "bound on the left": (["<", ["value", 0.1], GAP], True, 0.1),
    "arithmetic in the bound": (["<=", GAP, ["*", ["value", "0.1"], ["value", 2]]], True, 0.2),
    "arithmetic over metrics": ([">", ["-", ACCURACY, GAP], ["value", 0.6]], True, 0.6),
    "two metrics": ([">", ACCURACY, GAP], True, None),
    "and": (["and", [">=", ACCURACY, ["value", 0.8]], ["<=", GAP, ["value", 0.1]]], False, None),
    "or": (["or", [">=", ACCURACY, ["value", 0.8]], ["<=", GAP, ["value", 0.1]]], True, None),
    "not": (["not", ["==", GAP, ["value", 0.2]]], False, None),
    "neg": ([">", ["neg", GAP], ["value", -1]], True, -1),
    "remainder": (["==", ["%", ["metric", "rows"], ["value", 7]], ["value", 2]], True, 2),
    "floor": (["==", ["//", ["metric", "rows"], ["value", 7]], ["value", 14]], True, 14),
    "in": (["in", ["metric", "rows"], ["value", [99, 100]]], True, None),
    "undefined metric": ([">=", ["metric", "roc_auc"], ["value", 0.5]], False, 0.5),
    "undefined metric, negated": (["not", [">=", ["metric", "roc_auc"], ["value", 0.5]]], False, None),
    "boolean bound": (["or", ["value", "True"], [">=", ACCURACY, ["value", 1]]], True, None),
}  # fmt: skip


@pytest.mark.parametrize(("condition", "passed", "bound"), CONDITIONS.values(), ids=CONDITIONS.keys())
def test_conditions(condition: Any, passed: bool, bound: Any) -> None:
    (verdict,) = gates.judge([{"text": "t", "hard": True, "span": "s", "condition": condition}], METRICS)
    assert verdict.passed is passed
    assert verdict.bound == bound


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ([">=", ["metric", "acuracy"], ["value", 1]], "no metric 'acuracy'; this step computes accuracy, gap"),
        (["≥", ACCURACY, ["value", 1]], "is not a condition"),
        (["<=", GAP, ["value", "${{parent.inputs.max_gap}}"]], "was not bound"),
        (["<=", GAP, ["value", "many"]], "not supported between"),
        (["<=", ["/", GAP, ["value", 0]], ["value", 1]], "division by zero"),
    ],
)
def test_a_gate_that_cannot_be_judged_is_refused(condition: Any, reason: str) -> None:
    with pytest.raises(Refusal) as told:
        gates.judge([{"text": "t", "hard": True, "span": "a.mlp:1:1", "condition": condition}], METRICS)
    assert reason in str(told.value)


def test_a_failed_require_names_metric_bound_and_place_and_expect_only_speaks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    soft = {"text": "gap <= 0.1", "hard": False, "span": "i.mlp:57:1", "condition": ["<=", GAP, ["value", 0.1]]}
    hard = {**soft, "hard": True, "text": "gap <= max_gap", "span": "i.mlp:58:13"}
    gates.report(gates.judge([soft], METRICS))
    assert capsys.readouterr().out == "failed: expect gap <= 0.1 (gap = 0.2, bound 0.1)\n"
    with pytest.raises(Refusal) as told:
        gates.report(gates.judge([soft, hard], METRICS))
    assert str(told.value) == "require failed: gap <= max_gap (gap = 0.2, bound 0.1) at i.mlp:58:13"


TRUTH = np.array(["b", "a", "b", "b", "c", "a"])
GUESS = np.array(["b", "a", "a", "b", "c", "c"])
PROBA = np.array([[0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7], [0.3, 0.2, 0.5]])


def test_multiclass_metrics_by_hand() -> None:
    found = metrics.classification(TRUTH, GUESS, PROBA, ["a", "b", "c"], "c")
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert found["baseline_accuracy"] == pytest.approx(3 / 6)
    assert found["precision"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert found["log_loss"] == pytest.approx(-np.mean(np.log([0.8, 0.7, 0.3, 0.6, 0.7, 0.3])))
    right = PROBA[range(6), [1, 0, 1, 1, 2, 0]]
    assert found["brier"] == pytest.approx(np.mean((PROBA**2).sum(1) - 2 * right + 1))
    assert set(found) == set(metrics.CLASSIFICATION)


def test_binary_metrics_are_those_of_the_positive_class() -> None:
    truth, guess = np.array(["n", "y", "y", "n"]), np.array(["n", "y", "n", "n"])
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    found = metrics.classification(truth, guess, proba, ["n", "y"], "y")
    assert (found["precision"], found["recall"]) == (1.0, 0.5)
    assert found["roc_auc"] == pytest.approx(3 / 4)
    assert found["brier"] == pytest.approx(np.mean([0.1**2, 0.2**2, 0.6**2, 0.5**2]))
    assert metrics.classification(truth, guess, proba, ["n", "y"], "n")["recall"] == 1.0


@pytest.mark.parametrize(("truth", "proba"), [(["y", "y"], [[0.1, 0.9], [0.2, 0.8]]), (["y", "n"], None)])
def test_what_is_not_defined_is_nan_and_null_in_the_file(truth: list[str], proba: Any, tmp_path: Path) -> None:
    rows = np.array(proba) if proba else None
    found = metrics.classification(np.array(truth), np.array(["y", "n"]), rows, ["n", "y"], "y")
    assert math.isnan(found["roc_auc"])
    gate = {"text": "roc_auc > 0", "hard": True, "span": "s", "condition": [">", ["metric", "roc_auc"], ["value", 0]]}
    verdicts = gates.judge([gate], found)
    assert not verdicts[0].passed
    metrics.write(tmp_path / "m.json", found, verdicts)
    document = json.loads((tmp_path / "m.json").read_text())
    jsonschema.validate(document, json.loads((ROOT / "schemas/metrics.schema.json").read_text()))
    assert document["metrics"]["roc_auc"] is None
    assert document["gates"][0]["values"] == {"roc_auc": None}


def test_regression_metrics_by_hand() -> None:
    found = metrics.regression(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0]))
    assert found["mae"] == pytest.approx(1)
    assert found["rmse"] == pytest.approx(math.sqrt(5 / 3))
    assert found["baseline_rmse"] == pytest.approx(np.std([1, 2, 4]))
    assert found["r2"] == pytest.approx(1 - 5 / 3 / np.var([1, 2, 4]))
    assert set(found) == set(metrics.REGRESSION)
