"""Fairness by hand-counted tables, against Fairlearn's own shorthands, and as a step with gates."""

import json
import math
from typing import Any

import disparities
import fairlearn.metrics as theirs
import numpy as np
import pandas as pd
import pytest
import yaml
from trust_steps import FAIRLEARN, Folder, people, script, train


def table(text: str) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """`a 1 0` a line: group (letters, one a sensitive column), truth, selected."""
    cells = [line.split() for line in text.strip().splitlines()]
    groups = pd.DataFrame([list(line[0]) for line in cells], columns=[f"s{i}" for i in range(len(cells[0][0]))])
    return np.array([c[1] == "1" for c in cells]), np.array([c[2] == "1" for c in cells]), groups


HAND = """
    a 1 1
    a 1 0
    a 0 1
    a 0 0
    b 1 1
    b 1 1
    b 0 0
    b 0 0
    b 0 0
"""


def test_rates_and_disparities_that_were_counted_by_hand() -> None:
    found = disparities.compare(*table(HAND))
    assert found.by_group.loc["a"].to_dict() == {
        "accuracy": 0.5,
        "selection_rate": 0.5,
        "true_positive_rate": 0.5,
        "false_positive_rate": 0.5,
        "precision": 0.5,
        "rows": 4.0,
    }
    assert found.by_group.loc["b", "selection_rate"] == pytest.approx(0.4)
    assert found.disparities == pytest.approx(
        {
            "demographic_parity_difference": 0.1,
            "demographic_parity_ratio": 0.8,
            "equalized_odds_difference": 0.5,
            "equalized_odds_ratio": 0.0,
            "equal_opportunity_difference": 0.5,
            "equal_opportunity_ratio": 0.5,
            "accuracy_difference": 0.5,
            "accuracy_ratio": 0.5,
        }
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("columns", [1, 2])
def test_agrees_with_fairlearn_where_every_rate_is_defined(seed: int, columns: int) -> None:
    draw = np.random.default_rng(seed)
    truth, selected = draw.random(400) < 0.5, draw.random(400) < 0.4
    groups = pd.DataFrame({f"s{i}": draw.choice(["x", "y", "z"], 400) for i in range(columns)})
    found = disparities.compare(truth, selected, groups).disparities
    for name in ("demographic_parity", "equalized_odds", "equal_opportunity"):
        for kind in ("difference", "ratio"):
            expected = getattr(theirs, f"{name}_{kind}")(truth, selected, sensitive_features=groups)
            assert found[f"{name}_{kind}"] == pytest.approx(expected), name


def test_a_rate_that_a_group_does_not_have_is_left_out() -> None:
    """Nobody in group b is positive: its true positive rate is undefined, not zero."""
    found = disparities.compare(*table("a 1 1\na 0 0\nb 0 0\nb 0 1\nc 1 1\nc 0 0"))
    assert math.isnan(found.by_group.loc["b", "true_positive_rate"])
    assert found.disparities["equal_opportunity_difference"] == 0.0
    assert found.disparities["equalized_odds_difference"] == 0.5


def test_nobody_is_selected() -> None:
    found = disparities.compare(*table("a 1 0\na 0 0\nb 1 0\nb 0 0")).disparities
    assert found["demographic_parity_difference"] == 0.0
    assert math.isnan(found["demographic_parity_ratio"])


def test_the_bare_metric_is_the_worst_single_column_and_intersections_are_reported_beside() -> None:
    """Each column alone looks fair; their intersection does not."""
    ways = disparities.every_way(*table("ax 1 1\nay 1 0\nbx 1 0\nby 1 1"))
    assert [c.name for c in ways] == ["s0", "s1", "s0,s1"]
    assert [c.disparities["demographic_parity_difference"] for c in ways] == [0.0, 0.0, 1.0]
    assert disparities.worst_of(ways)["demographic_parity_difference"] == 0.0
    ways = disparities.every_way(*table("ax 1 1\nay 1 1\nbx 1 0\nby 1 1"))
    worst = disparities.worst_of(ways)
    assert worst["demographic_parity_difference"] == 0.5
    assert worst["demographic_parity_ratio"] == 0.5


def test_missing_members_are_a_group() -> None:
    groups = pd.DataFrame({"s": ["a", None, "a", None]}, dtype=object)
    found = disparities.compare(np.array([True, True, False, False]), np.array([True, True, False, True]), groups)
    assert sorted(found.by_group.index) == ["a", "missing"]


def gate(bound: Any, metric: str = "demographic_parity_difference") -> str:
    condition = ["<=", ["metric", metric], ["value", bound]]
    return json.dumps([{"hard": True, "text": f"{metric} <= max_gap", "span": "x.mlp:3:5", "condition": condition}])


def assess(folder: Folder, out: Folder, /, **arguments: Any) -> Any:
    given = {
        "model": folder / "plain",
        "table": folder / "test.parquet",
        "facts": folder / "facts.json",
        "metrics": out / "metrics.json",
        "report": out / "report",
    } | {name.replace("_", "-"): value for name, value in arguments.items()}
    return script(FAIRLEARN, "assess.py", *(x for k, v in given.items() if v is not None for x in (f"--{k}", v)))


def test_a_baseline_is_judged_on_the_same_rows(trained: Folder, here: Folder) -> None:
    """Metrics with a baseline's beside them; the names are those that gates may use."""
    named = yaml.safe_load((FAIRLEARN / "component.yml").read_text(encoding="utf-8"))["mlp"]["metrics"]
    condition = ["<=", ["metric", "accuracy"], ["metric", "baseline_accuracy"]]
    text = "accuracy <= baseline_accuracy"
    wanted = json.dumps([{"hard": True, "text": text, "span": "x.mlp:3:5", "condition": condition}])
    done = assess(trained, here, baseline=trained / "plain", gates=wanted)
    assert done.returncode == 0, done.stderr
    found = json.loads((here / "metrics.json").read_text())["metrics"]
    assert sorted(found) == sorted(named)
    for name in (name for name in named if name.startswith("baseline_")):
        assert found[name] == found[name.removeprefix("baseline_")]
    other = Folder(here / "other")
    assert assess(trained, other).returncode == 0
    assert json.loads((other / "metrics.json").read_text())["metrics"]["baseline_accuracy"] is None


def test_the_step(trained: Folder, here: Folder) -> None:
    done = assess(trained, here, gates=gate("0.9"), minimum_group=40)
    assert done.returncode == 0, done.stderr
    assert "passed: require demographic_parity_difference <= max_gap" in done.stdout
    assert "race=C" in done.stdout  # 2 % of 500 rows are few
    document = json.loads((here / "metrics.json").read_text())
    frame = people(500, seed=1)
    from common import models

    model = models.load(trained / "plain")
    selected = model.predict(frame[list(model.card.features)]) == ">50K"
    expected = theirs.demographic_parity_difference(
        frame["income"] == ">50K", selected, sensitive_features=frame["race"]
    )
    assert document["groups"]["demographic_parity_difference[race]"] == pytest.approx(expected)
    assert document["groups"]["selection_rate[sex=Female]"] == pytest.approx(selected[frame["sex"] == "Female"].mean())
    assert document["groups"]["rows[sex=Female,race=A]"] == ((frame["sex"] == "Female") & (frame["race"] == "A")).sum()
    singles = [document["groups"][f"demographic_parity_difference[{name}]"] for name in ("sex", "race")]
    assert document["metrics"]["demographic_parity_difference"] == max(singles)
    assert document["gates"][0]["passed"] is True

    import yaml

    stated = yaml.safe_load((FAIRLEARN / "component.yml").read_text())["mlp"]["metrics"]
    assert sorted(document["metrics"]) == sorted(stated)
    groups = json.loads((here / "report/groups.json").read_text())
    assert {g["group"] for g in groups if g["small"]} >= {"race=C"}
    page = (here / "report/index.html").read_text()
    pictures = sorted(p.name for p in (here / "report").glob("*.png"))
    assert len(pictures) == 3
    assert all(f'src="{name}"' in page for name in pictures)


def test_a_tighter_gate_fails_after_the_outputs_are_written(trained: Folder, here: Folder) -> None:
    done = assess(trained, here, gates=gate(0.0001))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "mlp: require failed: demographic_parity_difference <= max_gap (demographic_parity_difference = "
    )
    assert last.endswith("bound 0.0001) at x.mlp:3:5")
    assert json.loads((here / "metrics.json").read_text())["gates"][0]["passed"] is False
    assert (here / "report/index.html").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sensitive": []}, "sensitive"),
        ({"positive": None}, "positive"),
        ({"label": None, "positive": None}, "label"),
    ],
)
def test_facts_that_are_missing(trained: Folder, here: Folder, changes: Any, said: str) -> None:
    done = assess(trained, here, facts=here.facts(**changes))
    assert (done.returncode, done.stderr.startswith("mlp: ")) == (1, True)
    assert said in done.stderr
    assert not (here / "metrics.json").exists()


def test_a_model_of_something_else(trained: Folder, here: Folder) -> None:
    train(trained / "train.parquet", trained / "public.json", here / "model", "KMeans", n_clusters=2)
    done = assess(trained, here, model=here / "model")
    assert done.returncode == 1
    assert "none of the classes of 'income'" in done.stderr


def test_text_from_rows_and_facts_does_not_become_markup(trained: Folder, here: Folder) -> None:
    import report
    from common.facts import parse

    groups = pd.DataFrame({"s": ["<script>alert(1)</script>", "b"]})
    comparison = disparities.compare(np.array([True, False]), np.array([True, False]), groups)
    facts = parse({"name": "<b>", "label": "y", "positive": "<i>"})
    report.write(here.path, facts, {"accuracy": 1.0}, [comparison], 30)
    page = (here / "index.html").read_text()
    assert "<script>" not in page
    assert "<b>&lt;i&gt;</b>" in page
