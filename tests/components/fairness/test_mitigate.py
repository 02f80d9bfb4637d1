"""Mitigation: the same answers as Fairlearn's own mixtures and thresholds, saved without it; smaller gaps; refusals."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from common import encoding, mitigation, models
from common.entry import Refusal
from common.facts import parse
from component_steps import COMPONENTS, PEOPLE, PRIVATE, ROOT, compiled, document, mlp, module, put
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient
from mlp_lang.compiler import check_file
from mlp_lang.dsl.diagnostics import Severity
from sklearn.linear_model import LogisticRegression

mitigate = module("train/fairlearn/mitigate/mitigate.py", "mitigate_step")
CLASSES = ["<=50K", ">50K"]
SEX = {"enum": ["Female", "Male", "Other"]}
FACTS = {**PEOPLE, "schema": {**PEOPLE["schema"], "properties": {**PEOPLE["schema"]["properties"], "sex": SEX}}}


def people(rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Rows of FACTS, nobody of sex Other; income follows age, hours and sex, and so does work."""
    draw = np.random.default_rng(seed)
    male = draw.random(rows) < 0.55
    hours = np.round(np.clip(draw.normal(40 + 8 * male, 12), 0, 100), 1)
    age = draw.integers(17, 91, rows)
    score = (age - 55) / 18 + (hours - 44) / 10 + 0.8 * male + draw.normal(0, 0.8, rows)
    frame = pd.DataFrame(
        {
            "age": age,
            "hours": np.where(draw.random(rows) < 0.03, np.nan, hours),
            "work": np.where(draw.random(rows) < 0.3 + 0.4 * male, "Private", "State-gov"),
            "grade": draw.integers(1, 4, rows),
            "member": draw.random(rows) < 0.5,
            "sex": np.where(male, "Male", "Female"),
            "income": np.where(score > 0.3, ">50K", "<=50K"),
        }
    )
    return frame.astype(dict.fromkeys(("work", "sex", "income"), object))


def mitigated(folder: Path, facts: dict[str, Any] = FACTS, frame: pd.DataFrame | None = None, **changes: Any) -> Path:
    """Run the step's `main`; the model's folder."""
    (people() if frame is None else frame).to_parquet(folder / "people.parquet", index=False)
    defaults = {
        "method": "exponentiated_gradient",
        "constraint": "demographic_parity",
        "bound": 0.01,
        "estimator": "LogisticRegression",
        "hyper_parameters": "{}",
        "sensitive": None,
        "iterations": 20,
        "grid_size": 10,
        "objective": "accuracy",
    }
    paths = {"table": folder / "people.parquet", "facts": put(folder / "facts.json", facts), "model": folder / "model"}
    mitigate.main(argparse.Namespace(**{**defaults, **paths, **changes}))
    return folder / "model"


def gap(selected: np.ndarray, groups: pd.Series) -> float:
    rates = pd.Series(selected).groupby(groups.to_numpy()).mean()
    return float(rates.max() - rates.min())


@pytest.fixture(scope="module")
def encoded() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    facts, frame = parse(FACTS), people()
    features = encoding.features(frame, facts)
    found = np.asarray(encoding.encoder(features, facts).transform(features), dtype=float)
    return found, (frame["income"] == ">50K").astype(int).to_numpy(), frame["sex"].to_numpy()


@pytest.mark.parametrize("constraint", [DemographicParity, EqualizedOdds])
def test_a_mixture_gives_the_probabilities_of_fairlearns(constraint: Any, encoded: Any) -> None:
    rows, truth, groups = encoded
    theirs = ExponentiatedGradient(LogisticRegression(), constraint(difference_bound=0.01), max_iter=10)
    theirs.fit(rows, truth, sensitive_features=groups)
    name = {DemographicParity: "demographic_parity", EqualizedOdds: "equalized_odds"}[constraint]
    options = argparse.Namespace(method="exponentiated_gradient", constraint=name, bound=0.01, iterations=10)
    ours = mitigate.reduction(LogisticRegression(), rows, truth, pd.Series(groups), options, CLASSES)
    assert ours.predict_proba(rows)[:, 1] == pytest.approx(theirs._pmf_predict(rows)[:, 1])


@pytest.mark.parametrize("constraint", mitigate.THRESHOLDS)
@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy"])
def test_thresholds_give_the_probabilities_of_fairlearns(constraint: str, objective: str, encoded: Any) -> None:
    rows, truth, groups = encoded
    theirs = ThresholdOptimizer(
        estimator=LogisticRegression(),
        constraints=constraint,
        objective=f"{objective}_score",
        predict_method="predict_proba",
    ).fit(rows, truth, sensitive_features=groups)
    codes = (groups == "Male").astype(int)[:, None]
    options = argparse.Namespace(constraint=constraint, objective=objective)
    ours = mitigate.thresholds(LogisticRegression(), rows, truth, codes, pd.Series(groups), options, CLASSES)
    expected = theirs._pmf_predict(rows, sensitive_features=groups)[:, 1]
    assert ours.predict_proba(np.column_stack([rows, codes]))[:, 1] == pytest.approx(expected)


def test_a_row_has_one_answer_and_rows_have_their_shares() -> None:
    """Coins are even, and depend on a row's content alone: not on its place, nor on the rows beside it."""
    rows = np.random.default_rng(0).random((20_000, 3))
    found = mitigation.coins(rows)
    assert np.array_equal(mitigation.coins(rows[::-1])[::-1], found)
    assert np.array_equal(mitigation.coins(rows[5:6]), found[5:6])
    assert np.array_equal(mitigation.coins(np.array([[0.0, 1.0]])), mitigation.coins(np.array([[-0.0, 1.0]])))
    counts, _ = np.histogram(found, bins=10, range=(0, 1))
    assert abs(counts - 2000).max() < 250  # six standard deviations


@pytest.mark.parametrize(
    ("changes", "largest"),
    [
        ({"method": "exponentiated_gradient"}, 0.06),
        ({"method": "grid_search"}, 0.12),
        ({"method": "threshold_optimizer"}, 0.06),
        ({"method": "exponentiated_gradient", "estimator": "DecisionTreeClassifier"}, 0.12),
    ],
)
def test_the_gap_becomes_small_and_the_model_loads_without_fairlearn(
    tmp_path: Path, changes: dict[str, str], largest: float
) -> None:
    settings = {"hyper_parameters": '{"max_depth": 4}'} if "estimator" in changes else {}
    loaded = models.load(mitigated(tmp_path, **changes, **settings))
    test = people(3000, seed=1)
    plain = LogisticRegression()
    features = encoding.features(test, parse(FACTS))
    encode = encoding.encoder(features, parse(FACTS))
    plain.fit(encode.transform(encoding.features(people(), parse(FACTS))), people()["income"])
    before = gap(plain.predict(encode.transform(features)) == ">50K", test["sex"])
    selected = loaded.predict(test[list(loaded.card.features)])
    assert set(selected) <= set(CLASSES)
    assert before > 0.2
    assert gap(selected == ">50K", test["sex"]) < largest
    scores = loaded.scores(test[list(loaded.card.features)])
    assert scores is not None
    assert scores.shape == (3000, 2)
    asked = ("sex",) if changes["method"] == "threshold_optimizer" else ()
    assert loaded.card.features == ("age", "hours", "work", "grade", "member", *asked)
    signature = (tmp_path / "model/MLmodel").read_text(encoding="utf-8")
    assert ('\\"name\\": \\"sex\\"' in signature or '"name": "sex"' in signature) == bool(asked)
    for part in (tmp_path / "model").rglob("*"):
        assert part.suffix not in (".pkl", ".pickle", ".joblib", ".cloudpickle")


def test_thresholds_answer_for_groups_that_were_not_there(tmp_path: Path) -> None:
    """Nobody was of sex Other: such rows get the classifier's own answer. Missing members are a group of their own."""
    frame = people()
    loaded = models.load(mitigated(tmp_path, method="threshold_optimizer"))
    asked = frame[list(loaded.card.features)].assign(sex="Other")
    selected = loaded.predict(asked)
    assert 0 < (selected == ">50K").sum() < len(frame)
    assert set(np.asarray(loaded.scores(asked))[:, 1]) == {0.0, 1.0}
    gone = {**FACTS, "schema": {**FACTS["schema"], "required": [], "properties": {
        **FACTS["schema"]["properties"], "sex": {"enum": ["Female", "Male", None]}}}}  # fmt: skip
    frame.loc[frame.index % 5 == 0, "sex"] = None
    (tmp_path / "b").mkdir()
    loaded = models.load(mitigated(tmp_path / "b", gone, frame, method="threshold_optimizer"))
    groups = frame["sex"].fillna("missing")
    assert gap(loaded.predict(frame[list(loaded.card.features)]) == ">50K", groups) < 0.08


@pytest.mark.slow
def test_mlflows_own_loader_needs_neither_fairlearn_nor_our_folders(tmp_path: Path) -> None:
    """What the classes of ours are made of lies beside the model, as for no-code deployments; ours never imports it."""
    mitigated(tmp_path, method="threshold_optimizer")
    people(50, seed=2).to_parquet(tmp_path / "rows.parquet")
    script = (
        "import sys, mlflow.pyfunc, pandas; sys.modules['fairlearn'] = None; "
        "print(*mlflow.pyfunc.load_model('model').predict(pandas.read_parquet('rows.parquet')), sep='\\n')"
    )
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith("MLFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = models.load(tmp_path / "model")
    expected = loaded.predict(pd.read_parquet(tmp_path / "rows.parquet")[list(loaded.card.features)])
    assert done.stdout.split() == list(expected)


def test_a_grid_gives_a_plain_estimator(tmp_path: Path) -> None:
    """It needs no class of ours, and has the label's own classes: it can go wherever a LogisticRegression can."""
    native, card = models.load_sklearn(mitigated(tmp_path, method="grid_search"))
    assert type(native.steps[1][1]) is LogisticRegression
    assert card.classes == ("<=50K", ">50K")


@pytest.mark.parametrize(
    ("changes", "facts", "said"),
    [
        ({"estimator": "Nonsense"}, {}, "no classifier 'Nonsense'"),
        ({"estimator": "KNeighborsClassifier"}, {}, "takes no weights of rows"),
        ({"hyper_parameters": '{"C": -1}'}, {}, "LogisticRegression: "),
        ({"hyper_parameters": '{"depth": 1}'}, {}, "no hyper-parameter 'depth'"),
        ({"hyper_parameters": "[]"}, {}, "names and values"),
        ({"method": "threshold_optimizer", "constraint": "error_rate_parity"}, {}, "cannot make error_rate_parity"),
        ({"bound": 0.0}, {}, "bound must lie above 0"),
        ({"sensitive": '["age"]'}, {}, "'age' has no vocabulary"),
        ({"sensitive": '["income"]'}, {}, "the label 'income' cannot be"),
        ({"sensitive": '["nowhere"]'}, {}, "lacks the sensitive column 'nowhere'"),
        ({}, {"sensitive": []}, "no sensitive columns are known"),
        ({}, {"positive": None}, "say `label"),
    ],
)
def test_refusals(tmp_path: Path, changes: dict[str, Any], facts: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal, match=said):
        mitigated(tmp_path, {**FACTS, **facts}, **changes)
    assert not (tmp_path / "model").exists()


def test_a_group_of_one_class_has_no_thresholds(tmp_path: Path) -> None:
    frame = people()
    frame.loc[frame["sex"] == "Female", "income"] = "<=50K"
    with pytest.raises(Refusal, match="both classes in every group"):
        mitigated(tmp_path, frame=frame, method="threshold_optimizer")


def test_the_program_offers_the_estimators_that_take_weights() -> None:
    table = json.loads((COMPONENTS / "train/sklearn/estimators.json").read_text(encoding="utf-8"))["estimators"]
    offered = document("train/fairlearn/mitigate")["mlp"]["inputs"]["estimator"]["type"]
    names = json.loads(f"[{offered.removeprefix('enum(').removesuffix(')')}]")
    for name in (n for n, entry in table.items() if entry["task"] == "classifier" and not entry["needs_estimator"]):
        try:
            mitigate.build(name, {})
            takes = True
        except Refusal:
            takes = False
        assert takes == (name in names), name


def test_loading_the_types_of_our_own_acts_on_nothing() -> None:
    for kind in (mitigation.Mixture, mitigation.GroupThresholds):
        own = {name for parent in kind.__mro__ if parent.__module__ == "common.mitigation" for name in vars(parent)}
        assert not own & {"__reduce__", "__reduce_ex__", "__setstate__", "__new__", "__setattr__", "__del__"}


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    positive = ">50K"
    sensitive = ["sex"]
%s  }

  train model using fairlearn.mitigate {
    table = people
%s  }
%s}
"""
SECRET = (
    "    private {\n      unit = row\n      neighbours = replace_one\n      epsilon = 2.0\n      delta = 1e-6\n    }\n"
)
RELEASE = """
  privatize released using opendp.output_perturbation {
    model = model
    table = people
    epsilon = 1.0
  }
"""
EXPORTED = """
  export portable using onnx.model {
    model = model
    table = people
  }
"""


def program(folder: Path, private: str, settings: str, more: str) -> Path:
    (folder / "people.csv").write_text("39, 1, Private, 1, true, Male, >50K\n", encoding="utf-8")
    put(folder / "people.schema.json", FACTS["schema"])
    (folder / "sample.mlp").write_text(PROGRAM % (private, settings, more), encoding="utf-8")
    return folder / "sample.mlp"


@pytest.mark.slow
def test_a_program_compiles_and_loads(tmp_path: Path) -> None:
    settings = (
        '    method = "threshold_optimizer"\n    hyper_parameters = { C: 0.5 }\n    sensitive = ["sex", "work"]\n'
    )
    compiled(program(tmp_path, "", settings, ""))


@pytest.mark.parametrize(
    ("private", "settings", "more", "codes"),
    [
        ("", '    estimator = "KNeighborsClassifier"\n', "", ["MLP0206"]),
        ("", "    bound = 0\n", "", ["MLP0205"]),
        ("", '    sensitive = ["nowhere"]\n', "", ["MLP0601"]),
        (SECRET, "", "", []),
        (SECRET, "", RELEASE, ["MLP0505"]),
        (SECRET, "", EXPORTED, ["MLP0501"]),
    ],
)
def test_what_the_compiler_says(tmp_path: Path, private: str, settings: str, more: str, codes: list[str]) -> None:
    found = check_file(program(tmp_path, private, settings, more))
    assert [d.code for d in found if d.severity is Severity.ERROR] == codes


def test_on_private_data_no_message_quotes_a_row(tmp_path: Path) -> None:
    from common.entry import Withheld

    frame = people()
    frame.loc[frame["sex"] == "Female", "income"] = "<=50K"
    with pytest.raises(Withheld, match="cannot be fitted: ValueError"):
        mitigated(tmp_path, {**FACTS, "private": PRIVATE}, frame, method="threshold_optimizer")


@pytest.mark.slow
def test_income_before_and_after(tmp_path: Path) -> None:
    done = mlp("run", ROOT / "pipelines/fair_income.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout + done.stderr
    assert "not met: before expect demographic_parity_difference <= max_gap" in lines
    assert "passed: after require demographic_parity_difference < baseline_demographic_parity_difference" in lines
