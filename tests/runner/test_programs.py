"""The project's own programs, from text to a run with the real libraries."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.runner import RunResult

from runner.hand_made import states

Go = Callable[..., RunResult]
PROGRAMS = Path(__file__).parents[2] / "pipelines"
pytestmark = pytest.mark.slow


def compiled(path: Path, **options: object) -> object:
    made = compile_file(path, **options)  # type: ignore[arg-type]
    assert made.graphs, made.diagnostics
    return made.graphs[0]


def test_the_second_run_of_a_program_is_all_cache(go: Go) -> None:
    made = compiled(PROGRAMS / "wine.mlp")
    first, second = go(made), go(made)
    assert set(states(first).values()) == {"completed"}, first.diagnostics
    assert set(states(second).values()) == {"cached"}
    assert first.record["parity"][0]["label_agreement"] >= 0.99
    assert {s["name"]: s["digests"] for s in first.record["steps"]} == {
        s["name"]: s["digests"] for s in second.record["steps"]
    }


PROGRAM = """
pipeline judged {{
  param max_gap: float(0..1) = {gap}

  data census: table = "data/census.csv" {{
    schema = "data/census.schema.json"
    label = "income"
    positive = ">50K"
    sensitive = ["sex", "race"]
  }}

  prepare split using tabular.split {{
    table = census
    test_size = 0.2
    seed = 7
  }}

  train model using sklearn.{estimator} {{
    table = split.train
  }}

  evaluate quality using sklearn.classification {{
    model = model
    table = split.test
    require accuracy >= 0.80
  }}

  evaluate fairness using fairlearn.assess {{
    model = model
    table = split.test
    require demographic_parity_difference <= max_gap
  }}

  evaluate further using sklearn.classification after quality, fairness {{
    model = model
    table = split.test
  }}
}}
"""


@pytest.mark.parametrize(
    ("estimator", "gap", "failing", "metric"),
    [
        ("DummyClassifier", 0.9, "quality", "accuracy = "),  # the same answer for everybody: fair, and no good
        ("LogisticRegression", 0.001, "fairness", "demographic_parity_difference = "),
    ],
)
def test_a_gate_stops_what_is_not_good_enough(
    go: Go, tmp_path: Path, estimator: str, gap: float, failing: str, metric: str
) -> None:
    shutil.copytree(PROGRAMS / "data", tmp_path / "data")
    program = tmp_path / "judged.mlp"
    program.write_text(PROGRAM.format(estimator=estimator, gap=gap))
    result = go(compiled(program))
    assert states(result) == {
        "split": "completed",
        "model": "completed",
        "quality": "completed",
        "fairness": "completed",
        failing: "failed",
        "further": "skipped",
    }
    (found,) = result.diagnostics
    assert found.code == "MLP0901" and found.label.startswith(metric) and "bound" in found.label
    assert found.span.text.startswith("require")


def test_a_forest_grows_until_it_is_good_enough(go: Go) -> None:
    first = go(compiled(PROGRAMS / "forest.mlp"))
    assert first.status == "completed", first.diagnostics
    accuracy = {s["name"]: s["metrics"]["accuracy"] for s in first.record["steps"] if "accuracy" in s["metrics"]}
    grown = [value for name, value in accuracy.items() if name.startswith("grown.")]
    assert all(value < 0.95 for value in grown[:-1]) and grown[-1] >= 0.95
    assert states(first)["portable"] == "completed"
    drawn = [value for name, value in accuracy.items() if name.startswith("draws.")]
    varied = next(s["metrics"] for s in first.record["steps"] if s["name"] == "varied")
    assert varied == {"least_accuracy": min(drawn), "most_accuracy": max(drawn), "draws": 3}

    flawless = go(compiled(PROGRAMS / "forest.mlp", params={"enough": "1.0"}))
    assert flawless.status == "completed", flawless.diagnostics
    assert states(flawless)["grown.1.wood"] == "cached" and states(flawless)["grown.1.judged"] == "completed"
    last = [s["metrics"]["accuracy"] for s in flawless.record["steps"] if s["name"].endswith(".quality")][-1]
    assert (states(flawless)["portable"] == "omitted") == (last < 1.0)
