"""interpret.ebm: it learns what the library does on the schema's types, is saved without code, and is evaluated."""

import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from common import facts as facts_of
from common import models, tables
from common.entry import Refusal, Withheld
from common.trusted import INTERPRET
from component_steps import COMPONENTS, PEOPLE, PRIVATE, Step, compiled, module, put, succeeded
from interpret_steps import EBM, SHARED, SMALL, people, prepared, trained
from mlp_lang.compiler import check_file

pytestmark = pytest.mark.slow
FEATURES = ["age", "hours", "work", "grade", "member"]


def test_the_model_is_the_librarys_on_the_types_of_the_schema(step: Step, tmp_path: Path) -> None:
    from interpret.glassbox import ExplainableBoostingClassifier

    folder = trained(step, tmp_path, "--interactions", 2, "--ordinal", '["grade"]', "--seed", 3)
    rows = tables.read(tmp_path / "t", facts_of.parse(PEOPLE))
    own = ExplainableBoostingClassifier(
        feature_names=FEATURES,
        feature_types=["continuous", "continuous", "nominal", ["1", "2", "3"], "nominal"],
        interactions=2,
        outer_bags=2,
        max_rounds=60,
        n_jobs=1,
        random_state=3,
    ).fit(rows[FEATURES], rows["income"].to_numpy())
    model = models.load(folder)
    assert (model.framework, model.card.task, model.card.classes) == ("interpret", "classifier", ("<=50K", ">50K"))
    assert model.card.features == tuple(FEATURES)
    assert np.allclose(model.scores(rows[FEATURES]), own.predict_proba(rows[FEATURES]))
    assert model.predict(rows[FEATURES]).tolist() == own.predict(rows[FEATURES]).tolist()
    # Codes that come as floats, because another row of the table lacks one, are the same categories.
    assert np.allclose(
        model.scores(rows[FEATURES].assign(grade=rows["grade"].astype(float))), model.scores(rows[FEATURES])
    )
    conda = (folder / "requirements.txt").read_text()
    assert "interpret-core==" in conda
    example = json.loads((folder / "input_example.json").read_text())
    assert example["columns"] == FEATURES


@pytest.mark.parametrize(
    ("options", "changes", "expected"),
    [
        ((), {}, ("classifier", ("<=50K", ">50K"))),
        ((), {"label": "grade", "positive": None}, ("classifier", (1, 2, 3))),
        ((), {"label": "age", "positive": None}, ("regressor", None)),
    ],
)
def test_the_labels_kind_chooses_the_task(
    step: Step, tmp_path: Path, options: tuple[str, ...], changes: dict[str, object], expected: tuple[object, ...]
) -> None:
    given = prepared(tmp_path, 300, **changes)
    out = succeeded(step(EBM, *given, *SMALL, *options, "--interactions", 0, "--model", "m", PYTHONPATH=SHARED))
    card = models.load(tmp_path / "m").card
    assert (card.task, card.classes) == expected
    assert "importance of " in out
    judge = "classification" if expected[0] == "classifier" else "regression"
    script = {"classification": "classify", "regression": "regress"}[judge]
    outputs = ("--metrics", "metrics.json", "--report", "report")
    succeeded(step(f"evaluate/sklearn/{judge}/{script}.py", "--model", "m", *given, *outputs))
    found = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert found["rows"] == 300


def test_features_and_terms_can_be_left_out(step: Step, tmp_path: Path) -> None:
    options = ("--features", '["work", "age", "grade"]', "--exclude", '[["age"], ["age", "work"]]', "--interactions", 3)
    native = models.load(trained(step, tmp_path, *options)).native
    assert native.feature_names_in_ == ["age", "work", "grade"]
    assert {"work", "grade"} <= set(native.term_names_) <= {"work", "grade", "age & grade", "work & grade"}


def test_fairness_and_comparison_take_it(step: Step, tmp_path: Path) -> None:
    folder = trained(step, tmp_path)
    given = ("--table", "t", "--facts", "facts.json")
    succeeded(
        step("evaluate/fairlearn/assess/assess.py", "--model", folder, *given, "--metrics", "f.json", "--report", "f")
    )
    assert "demographic_parity_difference" in json.loads((tmp_path / "f.json").read_text())["metrics"]
    succeeded(step("train/sklearn/train.py", "--estimator", "DummyClassifier", *given, "--model", "dummy"))
    both = ("--model", folder, "--baseline", "dummy")
    compare = "evaluate/sklearn/compare/compare.py"
    succeeded(step(compare, *both, *given, "--samples", 200, "--metrics", "c.json", "--report", "c"))
    assert json.loads((tmp_path / "c.json").read_text())["metrics"]["lower"] > 0


def test_loading_runs_nothing_from_the_file() -> None:
    """skops makes an object by `__new__` and hands it its attributes: both must be plain, or scikit-learn's."""
    import interpret.glassbox._ebm._ebm as module
    from sklearn.base import BaseEstimator

    for name in INTERPRET:
        held = getattr(module, name.rpartition(".")[2])
        assert held.__new__ is object.__new__
        assert held.__setstate__ is BaseEstimator.__setstate__
        assert held.__getstate__ is BaseEstimator.__getstate__
        assert "__reduce__" not in {key for base in held.__mro__[:-1] for key in vars(base)}
        assert held.__setattr__ is object.__setattr__


def test_without_interpret_it_says_what_is_missing(step: Step, tmp_path: Path) -> None:
    folder = trained(step, tmp_path)
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'interpret' else find(name, *a)\n"
        "from common import models\n"
        "try: models.load(sys.argv[1])\n"
        "except models.Refusal as error: print(error, 'interpret' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=COMPONENTS, capture_output=True, text=True, check=False
    )
    assert "install interpret-core, which is missing here False" in done.stdout, done.stderr


def test_refusals(tmp_path: Path) -> None:
    """In this process, since the library's start takes seconds."""
    script = module(EBM, "interpret_ebm")
    facts = facts_of.parse(PEOPLE)
    frame = people(20)[FEATURES]
    given = dict.fromkeys(script.SETTINGS) | {"validation_size": 0.15, "n_jobs": 1, "seed": 0}
    given |= {"exclude": "[]", "ordinal": "[]"}
    for change, said in (
        ({"ordinal": '["age"]'}, "ordinal names 'age', which is no feature with a vocabulary"),
        ({"ordinal": "age"}, "is not JSON"),
        ({"exclude": '["age"]'}, "exclude must be a list of terms"),
        ({"exclude": '[["sex"]]'}, "exclude names 'sex'"),
        ({"learning_rate": 0.0}, "learning_rate = 0.0 is out of range"),
        ({"validation_size": 1.0}, "validation_size = 1.0 is out of range"),
        ({"n_jobs": 0}, "n_jobs = 0"),
    ):
        with pytest.raises(Refusal, match=re.escape(said)):
            script.build("classification", frame, facts, Namespace(**{**given, **change}))
    with pytest.raises(Refusal, match="features names 'nowhere'"):
        script.columns.chosen(frame, ["nowhere"])
    with pytest.raises(Refusal, match="the label does not hold numbers"):
        script.task_of("regression", people(3)["income"], facts)


@pytest.mark.parametrize(("private", "told"), [(None, Refusal), (PRIVATE, Withheld)])
def test_on_private_rows_the_librarys_words_are_withheld(private: object, told: type[Exception]) -> None:
    script = module(EBM, "interpret_ebm")
    facts = facts_of.parse({**PEOPLE, "private": private})
    frame = people(4)
    wrong = script.ExplainableBoostingClassifier(feature_types=["continuous"], n_jobs=1)
    with pytest.raises(told):
        script.fit(wrong, frame[FEATURES], frame["income"], facts)


PROGRAM = """
pipeline p {
  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    sensitive = ["sex"]
  }

  train machine using interpret.ebm {
    table = people
    interactions = 3
    exclude = [["age", "work"]]
  }

  evaluate quality using sklearn.classification {
    model = machine
    table = people
    require accuracy >= 0.5
  }

  output model = machine
}
"""


def test_a_program(tmp_path: Path) -> None:
    (tmp_path / "p.mlp").write_text(PROGRAM)
    put(tmp_path / "people.schema.json", PEOPLE["schema"])
    people(20).to_csv(tmp_path / "people.csv", index=False)
    compiled(tmp_path / "p.mlp")
    wrong = PROGRAM.replace("interactions = 3", "interactions = -1").replace('[["age", "work"]]', "[]")
    (tmp_path / "p.mlp").write_text(wrong)
    assert any("interactions" in d.message for d in check_file(tmp_path / "p.mlp"))
