"""The step of objective perturbation: what it writes, what it keeps to itself, and everything that it refuses."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from common import encoding, models, tables
from common.entry import Refusal
from common.facts import parse
from component_steps import COMPONENTS, PEOPLE, PRIVATE, ROOT, Step, compiled, module, put, refused, succeeded
from mlp_lang.compiler import compile_file
from private_people import people

SCRIPT = "privatize/opendp/objective_perturbation/train.py"
PATHS = ":".join(str(COMPONENTS / x) for x in ("", "privatize/opendp/output_perturbation"))
train = module(SCRIPT, "train_by_objective_perturbation")
RELEASE = json.loads((ROOT / "schemas/release.schema.json").read_text())
COLUMNS = 1 + 1 + 1 + 1 + 2 + 3  # constant, age, hours, member, work, grade
NORM = math.sqrt(1 + 3 / 4 + 2)


@pytest.fixture
def given(tmp_path: Path) -> argparse.Namespace:
    """Options of a step that succeeds: table, facts, defaults."""
    people().to_parquet(tmp_path / "t.parquet", index=False)
    return argparse.Namespace(
        table=tmp_path / "t.parquet",
        facts=put(tmp_path / "facts.json", PEOPLE | {"private": PRIVATE}),
        epsilon=1.0,
        delta=None,
        C=0.1,
        max_norm=None,
        mechanism="gaussian",
        tau=1e-6,
        model=tmp_path / "model",
        release=tmp_path / "release.json",
    )


def changed(given: argparse.Namespace, **options: Any) -> argparse.Namespace:
    return argparse.Namespace(**vars(given) | options)


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
def test_release(given: argparse.Namespace, tmp_path: Path, mechanism: str, relation: str) -> None:
    put(tmp_path / "facts.json", PEOPLE | {"private": PRIVATE | {"neighbours": relation}})
    train.main(changed(given, mechanism=mechanism))
    document = json.loads(given.release.read_text())
    jsonschema.validate(document, RELEASE)
    factor = {"replace_one": 2.0, "add_remove": 1.0}[relation]
    linear, finish = document["parts"]
    assert document["R"] == pytest.approx(NORM)
    assert document["dimension"] == COLUMNS
    assert linear["noise"]["sensitivity"] == pytest.approx(factor * NORM)
    assert document["determinant"] == pytest.approx(math.log(1 + 0.1 * NORM**2 / 4))
    for total, part in (("epsilon", "loss"), ("delta", "delta")):
        assert linear[part] + finish[part] == pytest.approx(document[total], rel=1e-12)
    assert document["delta"] == (1e-6 if mechanism == "gaussian" else 0.0)
    model, card = models.load_sklearn(given.model)
    assert card.classes == ("<=50K", ">50K")
    assert card.component == "opendp.objective_perturbation"
    assert model[-1].coef_.shape == (1, COLUMNS)
    assert not model[-1].intercept_.any()
    test = people(500, seed=1)
    assert set(model.predict(test[list(card.features)])) <= {"<=50K", ">50K"}


def test_with_a_large_budget_the_model_is_the_one_without_noise(given: argparse.Namespace, tmp_path: Path) -> None:
    """Scores of held-out rows come near those of the same penalty on centred rows, fitted by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    facts = parse(put_facts(tmp_path, epsilon=1000.0))
    table, test = tables.read(given.table, facts), people(500, seed=1)
    train.main(changed(given, epsilon=1000.0))
    model, card = models.load_sklearn(given.model)
    columns = list(card.features)
    encoder = encoding.encoder(table[columns], facts, constant=True)
    middle = np.array([0] + [0.5 if "_" not in n else 0 for n in encoder.get_feature_names_out()[1:]])
    plain = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-10, max_iter=5000)
    plain.fit(encoder.transform(table[columns]) - middle, table["income"])
    expected = plain.decision_function(encoder.transform(test[columns]) - middle)
    assert model.decision_function(test[columns]) == pytest.approx(expected, abs=0.05)
    assert np.mean(model.predict(test[columns]) == test["income"]) > 0.85


def put_facts(folder: Path, **private: Any) -> dict[str, Any]:
    document = PEOPLE | {"private": PRIVATE | private}
    put(folder / "facts.json", document)
    return document


def test_rows_are_shortened_and_weights_come_back_to_the_encoders_columns(given: argparse.Namespace) -> None:
    import frame as frames

    facts = parse(json.loads(given.facts.read_text()))
    table = tables.read(given.table, facts)
    features = encoding.features(table, facts)
    encoder = encoding.encoder(features, facts, constant=True)
    encoded = np.asarray(encoder.transform(features))
    whole, short = (frames.frame(encoder, facts, longest) for longest in (None, 1.5))
    rows = whole.of(encoded)
    assert whole.norm == pytest.approx(NORM)
    assert np.linalg.norm(rows, axis=1).max() <= NORM
    weights = np.random.default_rng(0).normal(size=(1, COLUMNS))
    assert encoded @ whole.back(weights).T == pytest.approx(rows @ weights.T)
    lengths = np.linalg.norm(rows, axis=1)
    assert np.linalg.norm(short.of(encoded), axis=1) == pytest.approx(np.minimum(lengths, 1.5))
    assert frames.frame(encoder, facts, 99.0).norm == whole.norm
    # the bound is the schema's: rows at the ends of every column reach it, no encoded row exceeds it
    extremes = table[list(facts.features)].assign(age=90, hours=100.0, work="Private")
    assert np.linalg.norm(whole.of(np.asarray(encoder.transform(extremes))), axis=1).max() == pytest.approx(NORM)


def test_a_shorter_norm_needs_less_noise(given: argparse.Namespace) -> None:
    scales = []
    for number, longest in enumerate((None, 1.2)):
        names = {"model": given.model.with_name(f"m{number}"), "release": given.release.with_name(f"r{number}.json")}
        train.main(changed(given, max_norm=longest, **names))
        scales.append(json.loads(names["release"].read_text())["parts"][0]["noise"]["scale"])
    assert scales[1] < 0.7 * scales[0]


def test_nothing_of_the_rows_is_left_but_the_noisy_coefficients(given: argparse.Namespace, tmp_path: Path) -> None:
    """Two tables that share nothing but the schema: what is released differs in the coefficients alone."""
    people(700, seed=9).assign(work=None, income="<=50K").astype({"work": object}).to_parquet(
        tmp_path / "other.parquet"
    )
    found = []
    for name, table in (("a", given.table), ("b", tmp_path / "other.parquet"), ("c", given.table)):
        out = {"model": tmp_path / name / "model", "release": tmp_path / name / "release.json"}
        train.main(changed(given, table=table, **out))
        fitted = dict(vars(models.load_sklearn(out["model"])[0][-1]))
        coefficients = fitted.pop("coef_")
        assert not fitted.pop("intercept_").any()
        assert fitted.pop("classes_").tolist() == ["<=50K", ">50K"]
        texts = {
            file.name: file.read_bytes()
            for file in out["model"].rglob("*")
            if file.is_file() and file.name not in ("MLmodel", "model.skops")
        }
        found.append((fitted, texts, out["release"].read_bytes(), coefficients))
    assert found[0][:3] == found[1][:3]
    assert not np.any(found[0][3] == found[2][3])  # every run draws anew


@pytest.mark.parametrize(
    ("private", "options", "said"),
    [
        ({"epsilon": 0.5}, {}, "exceeds the budget"),
        ({"delta": 0.0}, {}, "delta"),
        ({}, {"delta": 2e-6}, "no part of the budget"),
        ({}, {"delta": 0.0}, "no part of the budget"),
        ({"unit": "person"}, {}, "unit 'person'"),
        ({}, {"epsilon": 0.0}, "epsilon must be positive"),
        ({}, {"epsilon": math.nan}, "epsilon must be positive"),
        ({}, {"C": 0.0}, "C must be positive"),
        ({}, {"C": math.inf}, "C must be positive"),
        ({}, {"C": 5.0}, "C must stay below"),
        ({}, {"max_norm": -1.0}, "max_norm must be positive"),
        ({}, {"tau": 0.0}, "tau must be positive"),
        ({}, {"tau": 1e-18}, "does not come within tau"),
        ({}, {"mechanism": "uniform"}, "none of gaussian, laplace"),
        ({}, {"facts": None}, "not declared private"),
    ],
)
def test_budgets_and_settings_that_are_refused(given, tmp_path: Path, private: Any, options: Any, said: str) -> None:
    put_facts(tmp_path, **private)
    with pytest.raises(Refusal, match=said):
        train.main(changed(given, **options))
    assert not given.model.exists()
    assert not given.release.exists()


def test_pure_epsilon_needs_no_delta(given: argparse.Namespace, tmp_path: Path) -> None:
    put_facts(tmp_path, delta=0.0)
    train.main(changed(given, mechanism="laplace"))
    assert given.release.exists()


def test_a_part_of_delta(given: argparse.Namespace) -> None:
    train.main(changed(given, delta=4e-7))
    document = json.loads(given.release.read_text())
    assert document["delta"] == 4e-7
    assert sum(part["delta"] for part in document["parts"]) == pytest.approx(4e-7, rel=1e-12)
    assert document["budget"]["delta"] == 1e-6


@pytest.mark.parametrize(
    ("label", "said"), [({"enum": ["<=50K"]}, "follow its schema|no vocabulary"), ({"type": "string"}, "no vocabulary")]
)
def test_labels_that_are_refused(given: argparse.Namespace, tmp_path: Path, label: Any, said: str) -> None:
    document = json.loads(json.dumps(PEOPLE)) | {"private": PRIVATE, "positive": None}
    document["schema"]["properties"]["income"] = label
    put(tmp_path / "facts.json", document)
    with pytest.raises(Refusal, match=said):
        train.main(given)


@pytest.mark.parametrize("mechanism", ["gaussian", "laplace"])
def test_several_classes_and_one_that_nobody_has(given: argparse.Namespace, tmp_path: Path, mechanism: str) -> None:
    document = json.loads(json.dumps(PEOPLE)) | {"private": PRIVATE, "positive": None}
    document["schema"]["properties"]["income"] = {"enum": ["low", "middle", "high", "highest"]}
    put(tmp_path / "facts.json", document)
    frame = people()
    middle = np.where(frame["grade"] == 2, "middle", "low")
    frame["income"] = np.where(frame["income"] == ">50K", "high", middle).astype(object)
    frame.to_parquet(given.table)
    train.main(changed(given, mechanism=mechanism, C=0.05, epsilon=2.0))
    document = json.loads(given.release.read_text())
    jsonschema.validate(document, RELEASE)
    assert document["classes"] == ["high", "highest", "low", "middle"]
    assert document["dimension"] == 4 * COLUMNS
    assert document["parts"][0]["noise"]["sensitivity"] == pytest.approx(2 * math.sqrt(2) * NORM)
    assert document["determinant"] == pytest.approx(3 * math.log(1 + 0.05 * NORM**2 / 4))
    model, card = models.load_sklearn(given.model)
    assert model[-1].coef_.shape == (4, COLUMNS)
    assert model.predict_proba(frame[list(card.features)]).shape == (3000, 4)
    assert np.mean(model.predict(frame[list(card.features)]) == frame["income"]) > 0.5


@pytest.mark.slow
def test_the_step_as_a_process(given: argparse.Namespace, step: Step) -> None:
    words = ["--table", given.table, "--facts", given.facts, "--model", given.model, "--release", given.release]
    told = succeeded(step(SCRIPT, *words, "--epsilon", 1.0, PYTHONPATH=PATHS))
    assert told.startswith(f"released {COLUMNS} coefficients, epsilon = 1, delta = 1e-06 (replace_one, gaussian)\n")
    assert "exceeds the budget" in refused(step(SCRIPT, *words, "--epsilon", 3.0, PYTHONPATH=PATHS))
    table = people(50)
    table.loc[3, "age"] = 12345
    table.to_parquet(given.table)
    text = refused(step(SCRIPT, *words, "--epsilon", 1.0, PYTHONPATH=PATHS))
    assert "age" in text
    assert "12345" not in text


# --- as the compiler sees it ------------------------------------------------------------------------------------------

PROGRAM = """compute cpu = cluster("cpu-cluster")

pipeline p {{
  compute = cpu

  param part: float(1e-9..5e-7) = 1e-7
  param any: float = 1e-7

  data d: table = "d.csv" {{
    schema = "d.schema.json"
    label = "income"
    private {{
      unit = row
      neighbours = {relation}
      epsilon = 2.0
      delta = {delta}
    }}
  }}

  {verb} model using opendp.objective_perturbation {{
    table = d
{lines}
  }}

  output model = model {{
    name = "m"
  }}
}}
"""


@pytest.mark.parametrize(
    ("relation", "delta", "verb", "lines", "codes"),
    [
        ("replace_one", "1e-6", "train", "    epsilon = 2.0", []),
        ("add_remove", "1e-6", "privatize", "    epsilon = 1.0\n    C = 0.01\n    max_norm = 2.0", []),
        ("replace_one", "0", "train", '    epsilon = 1.0\n    mechanism = "laplace"', []),
        ("replace_one", "0", "train", "    epsilon = 1.0", ["MLP0507"]),
        ("replace_one", "1e-6", "train", "    epsilon = 2.5", ["MLP0502"]),
        ("replace_one", "1e-6", "train", "    epsilon = 1.0\n    delta = 4e-7", []),
        ("replace_one", "1e-6", "train", "    epsilon = 1.0\n    delta = 2e-6", ["MLP0502"]),
        ("replace_one", "1e-6", "train", "    epsilon = 1.0\n    delta = part", []),
        ("replace_one", "1e-7", "train", "    epsilon = 1.0\n    delta = part", ["MLP0502"]),
        ("replace_one", "1e-6", "train", "    epsilon = 1.0\n    delta = any", ["MLP0503"]),
        ("replace_one", "0", "train", '    epsilon = 1.0\n    delta = 1e-7\n    mechanism = "laplace"', []),
        ("replace_one", "1e-6", "train", "    epsilon = 1.0\n    C = -1.0", ["MLP0205"]),
    ],
)
def test_what_the_compiler_says(tmp_path: Path, relation, delta, verb, lines, codes) -> None:
    put(tmp_path / "d.schema.json", PEOPLE["schema"])
    (tmp_path / "d.csv").write_text("")
    program = tmp_path / "p.mlp"
    program.write_text(PROGRAM.format(relation=relation, delta=delta, verb=verb, lines=lines))
    assert [d.code for d in compile_file(program).diagnostics if d.severity.name == "ERROR"] == codes
    if not codes and relation == "add_remove":
        compiled(program)
