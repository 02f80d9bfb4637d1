"""Drift: tests and distances against computations of our own, corrections, false alarms at their level, refusals."""

import argparse
import json
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest
from common.entry import Refusal
from component_steps import PEOPLE, compiled, document, module, put
from mlp_lang.compiler import check_file
from mlp_lang.dsl.diagnostics import Severity

drift = module("monitor/drift/tabular/drift.py", "drift_step")
compared = drift.compared


def people(count: int = 1500, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """Rows of PEOPLE; `shift` makes them older and more of them privately employed."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": np.clip(draw.normal(45 + shift, 12, count).round(), 17, 90).astype(int),
            "hours": np.where(draw.random(count) < 0.1, np.nan, np.round(draw.uniform(0, 100, count), 1)),
            "work": np.where(draw.random(count) < 0.5 + shift / 50, "Private", "State-gov"),
            "grade": draw.integers(1, 4, count),
            "member": draw.random(count) < 0.5,
            "sex": draw.choice(["Female", "Male"], count),
            "income": draw.choice(["<=50K", ">50K"], count),
        }
    )
    return frame.astype({"work": object, "sex": object, "income": object})


def judged(folder: Path, reference: pd.DataFrame, current: pd.DataFrame, facts: Any = PEOPLE, **changes: Any) -> Any:
    """metrics.json and columns.json by column."""
    folder.mkdir(exist_ok=True)
    for name, table in (("reference", reference), ("current", current)):
        table.to_parquet(folder / f"{name}.parquet", index=False)
    given = {
        "reference": folder / "reference.parquet",
        "current": folder / "current.parquet",
        "columns": None,
        "alpha": 0.05,
        "correction": "benjamini_hochberg",
        "least_distance": 0.1,
        "bins": 10,
        "classifier": False,
        "seed": 0,
        "facts": None if facts is None else put(folder / "facts.json", facts),
        "gates": None,
        "metrics": folder / "metrics.json",
        "report": folder / "report",
    }
    drift.main(argparse.Namespace(**{**given, **changes}))
    listed = json.loads((folder / "report/columns.json").read_text())
    return json.loads((folder / "metrics.json").read_text()), {entry["name"]: entry for entry in listed}


def test_numbers_by_computations_of_our_own() -> None:
    draw = np.random.default_rng(0)
    one, other = pd.Series(draw.normal(0, 1, 400), name="x"), pd.Series(draw.normal(0.3, 1, 300), name="x")
    found = compared.compare(one, other, True, 5)
    points = np.concatenate([one, other])
    below = [np.searchsorted(np.sort(cells), points, side="right") / len(cells) for cells in (one, other)]
    assert found.statistic == pytest.approx(np.abs(below[0] - below[1]).max())
    # the limit of Kolmogorov's distribution (exact at these sizes to some per cent)
    root = found.statistic * math.sqrt(400 * 300 / 700)
    limit = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k**2 * root**2) for k in range(1, 50))
    assert found.p_value == pytest.approx(limit, rel=0.2)
    grid = np.sort(points)
    both = [np.searchsorted(np.sort(cells), grid, side="right")[:-1] / len(cells) for cells in (one, other)]
    area = (np.abs(both[0] - both[1]) * np.diff(grid)).sum()
    assert found.wasserstein == pytest.approx(area / one.std(ddof=0))
    edges = np.quantile(one, [0.2, 0.4, 0.6, 0.8])
    shares = [np.bincount(np.searchsorted(edges, cells), minlength=5) / len(cells) for cells in (one, other)]
    assert pytest.approx(np.array(shares)) == np.array([cell[1:] for cell in found.cells]).T
    middle = (shares[0] + shares[1]) / 2
    divergence = sum((share * np.log2(share / middle)).sum() / 2 for share in shares)
    assert found.distance == pytest.approx(math.sqrt(divergence))
    assert found.psi == pytest.approx(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def test_values_by_hand() -> None:
    one, other = pd.Series(["a"] * 30 + ["b"] * 70, name="x"), pd.Series(["a"] * 50 + ["b"] * 50, name="x")
    found = compared.compare(one, other, False, 10)
    assert found.statistic == pytest.approx(2 * 10**2 / 40 + 2 * 10**2 / 60)  # (observed - expected)² / expected
    assert found.p_value == pytest.approx(2 * (1 - NormalDist().cdf(math.sqrt(found.statistic))))
    assert found.cells == [("a", 0.3, 0.5), ("b", 0.7, 0.5)]
    assert math.isnan(found.wasserstein)


@pytest.mark.parametrize(
    ("counts", "columns"),
    [
        ([[50, 50, 1], [50, 50, 2]], 3),  # the rare value stays a column of its own, as the only one
        ([[50, 50, 1, 2], [50, 50, 2, 0]], 3),
        ([[0, 0], [5, 5]], 0),
        ([[1, 1], [1, 1]], 0),
    ],
)
def test_rare_values_count_as_one(counts: list[list[int]], columns: int) -> None:
    statistic, p_value = compared.contingency(np.array(counts, dtype=float))
    if not columns:
        assert (math.isnan(statistic), p_value) == (True, 1.0)
        return
    merged = np.array([[*row[:2], sum(row[2:])] for row in counts], dtype=float)
    expected = np.outer(merged.sum(axis=1), merged.sum(axis=0)) / merged.sum()
    assert statistic == pytest.approx(((merged - expected) ** 2 / expected).sum())


def test_missing_cells_are_tested_beside() -> None:
    draw = np.random.default_rng(1)
    cells = pd.Series(draw.normal(0, 1, 500), name="x")
    holes = cells.where(draw.random(500) > 0.3)
    found = compared.compare(cells, holes, True, 5)
    assert found.p_value < 1e-20
    assert found.cells[-1] == ("missing", 0.0, pytest.approx(found.missing[1]))
    assert compared.compare(cells, cells.where(cells.index < 0), True, 5).p_value < 1e-50  # nothing is left
    assert compared.compare(cells.where(cells.index < 0), cells, True, 5).p_value < 1e-50
    gone = cells.where(cells.index < 0)
    assert compared.compare(gone, gone, True, 5).p_value == 1.0


def test_corrections() -> None:
    found = [0.01, 0.04, 0.03, 0.005]
    assert compared.corrected(found, "none") == found
    assert compared.corrected(found, "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert compared.corrected(found, "benjamini_hochberg") == pytest.approx([0.02, 0.04, 0.04, 0.02])


@pytest.mark.parametrize("correction", ["holm", "benjamini_hochberg"])
def test_alike_tables_hardly_ever_drift(tmp_path: Path, correction: str) -> None:
    """Where nothing drifts both corrections hold the chance of a single alarm at the level: 5 % of 60, six columns."""
    alarms = 0
    for seed in range(60):
        one, other = people(200, seed), people(200, 1000 + seed)
        names = ["age", "hours", "work", "grade", "sex", "income"]
        kinds = {"age": True, "hours": True}
        values = [compared.compare(one[n], other[n], n in kinds, 10).p_value for n in names]
        alarms += min(compared.corrected(values, correction)) <= 0.05
    assert alarms <= 3 + 4 * math.sqrt(2.85)


@pytest.mark.slow
def test_what_drifts_is_named(tmp_path: Path) -> None:
    found, columns = judged(tmp_path, people(), people(seed=1, shift=12.0), classifier=True)
    values = found["metrics"]
    assert tuple(values) == drift.METRICS == tuple(document("monitor/drift/tabular")["mlp"]["metrics"])
    assert [name for name, entry in columns.items() if entry["drifted"]] == ["age", "work"]
    assert values["drifted_columns"] == 2
    assert values["drifted_share"] == pytest.approx(2 / 7)
    assert values["largest_distance"] == pytest.approx(max(entry["distance"] for entry in columns.values()))
    assert values["classifier_auc"] > 0.7
    assert values["classifier_p_value"] < 1e-9
    assert found["groups"]["distance[age]"] == pytest.approx(columns["age"]["distance"])
    files = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"index.html", "columns.json", "distances.png", "column-0.png", "column-6.png"} <= files


@pytest.mark.slow
def test_alike_tables_cannot_be_told_apart(tmp_path: Path) -> None:
    found, columns = judged(tmp_path, people(), people(seed=1), classifier=True)
    assert not any(entry["drifted"] for entry in columns.values())
    assert found["metrics"]["drifted_share"] == 0.0
    assert 0.4 < found["metrics"]["classifier_auc"] < 0.6
    assert found["metrics"]["classifier_p_value"] > 0.01


@pytest.mark.slow
def test_drift_of_two_columns_together_is_seen_by_the_classifier_alone(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    one = pd.DataFrame({"x": draw.normal(0, 1, 2000), "y": draw.normal(0, 1, 2000)})
    other = one.assign(y=np.sign(one["x"]) * one["y"].abs()).sample(frac=1, random_state=0)
    found, columns = judged(tmp_path, one, other, None, classifier=True)
    assert not any(entry["drifted"] for entry in columns.values())
    assert found["metrics"]["classifier_auc"] > 0.65


def test_new_values_and_cells_of_other_types_are_drift_and_no_error(tmp_path: Path) -> None:
    current = people(seed=1)
    current["sex"] = np.where(np.arange(len(current)) % 3 == 0, "Other", current["sex"])
    current["age"] = np.where(np.arange(len(current)) % 3 == 0, "old", current["age"].astype(str))
    _, columns = judged(tmp_path, people(), current)
    assert columns["sex"]["drifted"]
    assert columns["age"]["drifted"]
    assert columns["age"]["missing"] == {"reference": 0.0, "current": pytest.approx(1 / 3, abs=0.01)}


def test_a_requirement_fails_after_everything_is_written(tmp_path: Path) -> None:
    condition = ["<=", ["metric", "drifted_share"], ["value", 0]]
    gate = json.dumps([{"hard": True, "text": "drifted_share <= 0", "span": "x.mlp:1:1", "condition": condition}])
    with pytest.raises(Refusal, match="require failed: drifted_share <= 0"):
        judged(tmp_path, people(), people(seed=1, shift=12.0), gates=gate)
    assert json.loads((tmp_path / "metrics.json").read_text())["gates"][0]["passed"] is False


@pytest.mark.parametrize(
    ("reference", "current", "facts", "changes", "said"),
    [
        (people(50), people(50).drop(columns="sex"), PEOPLE, {"columns": '["age", "sex"]'}, "lacks the column 'sex'"),
        (people(50), people(50).drop(columns="age"), None, {}, "current table lacks the column 'age'"),
        (people(50), people(0), None, {}, "current.parquet has no rows"),
        (people(50), people(50), PEOPLE, {"columns": "[]"}, "no column to compare"),
        (people(50).assign(age=5), people(50), PEOPLE, {}, "do not follow its schema"),
        (people(60).assign(id=[f"{i}" for i in range(60)]), people(50).assign(id="1"), None, {}, "more than 50 values"),
    ],
)
def test_refusals(tmp_path: Path, reference: Any, current: Any, facts: Any, changes: Any, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        judged(tmp_path, reference, current, facts, **changes)


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data before: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    positive = ">50K"
    sensitive = ["sex"]
  }

  data now: table = "now.csv"

  monitor watched using drift.tabular {
    reference = before
    current = now
    columns = ["age", "%s"]
    correction = "holm"
    require drifted_share <= 0.2
    expect classifier_auc <= 0.6
  }
}
"""


@pytest.mark.parametrize(("column", "codes"), [("work", []), ("wrk", ["MLP0601"])])
def test_what_the_compiler_says(tmp_path: Path, column: str, codes: list[str]) -> None:
    assert [d.code for d in check_file(program(tmp_path, column)) if d.severity is Severity.ERROR] == codes


@pytest.mark.slow
def test_the_program_compiles_and_loads(tmp_path: Path) -> None:
    compiled(program(tmp_path, "work"))


def program(folder: Path, column: str) -> Path:
    for name in ("people.csv", "now.csv"):
        (folder / name).write_text("39, 1, Private, 1, true, Male, >50K\n", encoding="utf-8")
    put(folder / "people.schema.json", PEOPLE["schema"])
    (folder / "sample.mlp").write_text(PROGRAM % column, encoding="utf-8")
    return folder / "sample.mlp"
