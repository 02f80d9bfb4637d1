"""Private linear regression: exact sensitivity by brute force, noise, the solution, and the step."""

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import moments
import numpy as np
import pytest
from common import encoding, models, tables
from common.entry import Refusal
from common.facts import parse
from component_steps import COMPONENTS, PEOPLE, PRIVATE, ROOT, Step, compiled, module, put, refused, succeeded
from mlp_lang.compiler import compile_file
from moments import Bounds
from private_people import people
from scipy import stats
from sklearn.linear_model import LinearRegression, Ridge

SCRIPT = "privatize/opendp/linear_regression/regress.py"
FOLDERS = ("", "privatize/opendp/output_perturbation", "privatize/opendp/objective_perturbation")
PATHS = ":".join(str(COMPONENTS / folder) for folder in FOLDERS)
regress = module(SCRIPT, "private_regression")
RELEASE = json.loads((ROOT / "schemas/release.schema.json").read_text())
FALSE_ALARM = 1e-9


# --- sensitivity ------------------------------------------------------------------------------------------------------


def extremes(bounds: Bounds) -> np.ndarray:
    """Rows whose numbers are at an end or in the middle of their bounds, with a member of each vocabulary or none."""
    vocabularies = itertools.product([(1, 0), (0, 1), (0, 0)], repeat=bounds.vocabularies)
    numbers = list(itertools.product([-0.5, 0.0, 0.5], repeat=bounds.numbers))
    return np.array([[1.0, *n, *itertools.chain(*v)] for v in vocabularies for n in numbers])


@pytest.mark.parametrize("bounds", [Bounds(0, 2), Bounds(2, 0), Bounds(1, 2), Bounds(2, 2)])
@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_no_row_moves_the_sums_beyond_the_sensitivity_and_some_nearly_do(relation: str, bounds: Bounds) -> None:
    rows = extremes(bounds)
    one = [
        moments.vector(*moments.whole(row[None], np.array([label]))) / moments.GRID**2
        for row in rows
        for label in (-1.0, 0.3, 1.0)
    ]
    found = np.array(one)
    if relation == "add_remove":
        most = np.linalg.norm(found, axis=1).max()
    else:
        most = max(np.linalg.norm(found - row, axis=1).max() for row in found)
    bound = moments.sensitivity(bounds, relation)
    assert 0.8 * bound <= most <= bound
    draw = np.random.default_rng(0)  # rows within the bounds are no worse
    inner = draw.uniform(-0.5, 0.5, (300, bounds.numbers))
    kinds = rows[draw.integers(len(rows), size=300)]
    kinds[:, 1 : 1 + bounds.numbers] = inner
    random = np.array([moments.vector(*moments.whole(row[None], draw.uniform(-1, 1, 1))) for row in kinds])
    assert np.linalg.norm(random[:150] - random[150:], axis=1).max() / moments.GRID**2 <= moments.sensitivity(
        bounds, "replace_one"
    )


@pytest.mark.parametrize(
    ("relation", "expected"), [("replace_one", 16 + 3.25 + 4 * 4 * 4), ("add_remove", (16 + 3.25) / 2 + 4 * 4)]
)
def test_closed_form(relation: str, expected: float) -> None:
    bounds = Bounds(2, 4)  # ‖x‖² = 4, Σx⁴ = 3.25
    assert (bounds.square, bounds.fourth) == (4, 3.25)
    assert moments.sensitivity(bounds, relation) == pytest.approx(math.sqrt(expected), rel=1e-8)
    assert moments.sensitivity(bounds, relation) > math.sqrt(expected)


def test_sums_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against Python's integers, over several blocks, and for values at the ends of the grid."""
    monkeypatch.setattr(moments, "BLOCK", 64)
    draw = np.random.default_rng(1)
    rows = np.hstack([np.ones((300, 1)), draw.uniform(-0.5, 0.5, (300, 2)), draw.integers(2, size=(300, 2))])
    rows[:2, 1] = -0.5, 0.5
    x, y = moments.whole(rows, draw.uniform(-1.2, 1.2, 300))
    assert (x.min(), x.max(), y.min(), y.max()) == (-4096, 8192, -8192, 8192)
    assert np.abs(x - rows * 8192).max() <= 0.5
    exact = x.astype(object)
    products = exact.T @ exact
    expected = [products[i, j] for i in range(5) for j in range(i, 5)] + list(2 * (exact.T @ y.astype(object)))
    assert moments.vector(x, y).tolist() == expected


# --- noise and solution -----------------------------------------------------------------------------------------------


def test_scale_is_that_of_the_gaussian_mechanism() -> None:
    released = moments.calibrate(Bounds(6, 5), "replace_one", 1.0, 1e-6)
    assert released.scale / released.distance == pytest.approx(4.531, abs=5e-4)
    assert released.measurement.map(released.distance * 2**26) <= 1 / (2 * 4.53**2)


@pytest.mark.slow
def test_noise_has_its_law() -> None:
    released = moments.calibrate(Bounds(1, 1), "add_remove", 1.0, 1e-6)
    centre = np.array([0, 5 * 2**26, -(2**40), 2**50])
    drawn = np.array([released.draw(centre) for _ in range(2000)]) - centre / 2**26
    assert stats.kstest(drawn.ravel(), stats.norm(scale=released.scale).cdf).pvalue > FALSE_ALARM
    for wrong in (0.8, 1.2):
        assert stats.kstest(drawn.ravel(), stats.norm(scale=released.scale * wrong).cdf).pvalue < FALSE_ALARM


def test_without_noise_it_is_a_ridge_regression() -> None:
    draw = np.random.default_rng(2)
    rows = np.hstack([np.ones((400, 1)), draw.uniform(-0.5, 0.5, (400, 3))])
    labels = np.clip(rows @ [0.1, 0.5, -0.7, 0.2] + 0.1 * draw.normal(size=400), -1, 1)
    sums = moments.vector(*moments.whole(rows, labels)) / moments.GRID**2
    found = moments.solve(sums, 4, 2.0, 1.5)
    expected = Ridge(alpha=1.5 * 2.0 * 2.0, fit_intercept=False).fit(rows, labels).coef_
    assert found == pytest.approx(expected, abs=1e-3)


def test_noise_that_drowns_everything_gives_small_weights_still() -> None:
    draw = np.random.default_rng(3)
    for _ in range(20):
        noisy = 1000.0 * draw.normal(size=20 * 21 // 2 + 20)
        assert np.linalg.norm(moments.solve(noisy, 20, 1000.0, 1.5)) < 1.5


# --- the step ---------------------------------------------------------------------------------------------------------

HOURS = PEOPLE | {"label": "pay", "positive": None, "private": PRIVATE}
HOURS["schema"] = json.loads(json.dumps(PEOPLE["schema"]))
HOURS["schema"]["properties"]["pay"] = {"type": "number", "minimum": 0, "maximum": 100}
del HOURS["schema"]["properties"]["income"]
HOURS["schema"]["required"] = ["age", "sex"]
COLUMNS = 1 + 1 + 1 + 1 + 2 + 3


def paid(rows: int = 4000, seed: int = 0):
    frame = people(rows, seed).drop(columns="income")
    draw = np.random.default_rng(seed)
    pay = 0.5 * frame["age"] + 0.3 * frame["hours"].fillna(50) + 5 * frame["grade"] + draw.normal(0, 5, rows)
    return frame.assign(pay=np.clip(np.round(pay, 2), 0, 100))


@pytest.fixture
def given(tmp_path: Path) -> argparse.Namespace:
    paid().to_parquet(tmp_path / "t.parquet", index=False)
    return argparse.Namespace(
        table=tmp_path / "t.parquet",
        facts=put(tmp_path / "facts.json", HOURS),
        epsilon=1.0,
        delta=None,
        ridge=1.5,
        model=tmp_path / "model",
        release=tmp_path / "release.json",
    )


def changed(given: argparse.Namespace, **options: Any) -> argparse.Namespace:
    return argparse.Namespace(**vars(given) | options)


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_release(given: argparse.Namespace, tmp_path: Path, relation: str) -> None:
    put(tmp_path / "facts.json", HOURS | {"private": PRIVATE | {"neighbours": relation}})
    regress.main(given)
    document = json.loads(given.release.read_text())
    jsonschema.validate(document, RELEASE)
    assert document["dimension"] == COLUMNS * (COLUMNS + 1) // 2 + COLUMNS
    assert document["R"] == pytest.approx(math.sqrt(1 + 3 / 4 + 2))
    model, card = models.load_sklearn(given.model)
    assert (card.task, card.component) == ("regressor", "opendp.linear_regression")
    test = paid(500, seed=1)
    left = test["pay"] - model.predict(test[list(card.features)])
    assert 1 - np.mean(left**2) / np.var(test["pay"]) > 0.5  # 0.82 without noise


def test_with_a_large_budget_it_is_least_squares(given: argparse.Namespace, tmp_path: Path) -> None:
    document = HOURS | {"private": PRIVATE | {"epsilon": 100.0}}
    put(tmp_path / "facts.json", document)
    regress.main(changed(given, epsilon=100.0))
    model, card = models.load_sklearn(given.model)
    facts, test = parse(document), paid(500, seed=1)
    table = tables.read(given.table, facts)
    encoder = encoding.encoder(table[list(card.features)], facts, constant=True)
    plain = LinearRegression(fit_intercept=False).fit(encoder.transform(table[list(card.features)]), table["pay"])
    expected = plain.predict(encoder.transform(test[list(card.features)]))
    left = model.predict(test[list(card.features)]) - expected
    assert np.sqrt(np.mean(left**2)) < 2.0  # of a label from 0 to 100


def test_nothing_of_the_rows_is_left_but_the_coefficients(given: argparse.Namespace, tmp_path: Path) -> None:
    paid(900, seed=7).assign(work=None, pay=3.0).astype({"work": object}).to_parquet(tmp_path / "other.parquet")
    found = []
    for name, table in (("a", given.table), ("b", tmp_path / "other.parquet"), ("c", given.table)):
        out = {"model": tmp_path / name / "model", "release": tmp_path / name / "release.json"}
        regress.main(changed(given, table=table, **out))
        fitted = dict(vars(models.load_sklearn(out["model"])[0][-1]))
        found.append((out["release"].read_bytes(), fitted.pop("coef_"), fitted))
    assert found[0][0] == found[1][0]
    assert found[0][2] == found[1][2]
    assert not np.any(found[0][1] == found[2][1])


@pytest.mark.parametrize(
    ("private", "options", "said"),
    [
        ({"epsilon": 0.5}, {}, "exceeds the budget"),
        ({"delta": 0.0}, {}, "delta"),
        ({"unit": "person"}, {}, "unit 'person'"),
        ({}, {"delta": 2e-6}, "no part of the budget"),
        ({}, {"epsilon": 0.0}, "epsilon must be positive"),
        ({}, {"ridge": 0.0}, "ridge must be positive"),
        ({}, {"ridge": math.inf}, "ridge must be positive"),
        ({}, {"facts": None}, "not declared private"),
    ],
)
def test_budgets_and_settings_that_are_refused(given, tmp_path: Path, private: Any, options: Any, said: str) -> None:
    put(tmp_path / "facts.json", HOURS | {"private": PRIVATE | private})
    with pytest.raises(Refusal, match=said):
        regress.main(changed(given, **options))
    assert not given.model.exists()


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ({"type": "number", "minimum": 0}, "no bounds"),
        ({"enum": ["low", "high"]}, "not a number"),
        ({"enum": [1, 2]}, "not a number"),
        ({"type": "number", "minimum": 3, "maximum": 3}, "one value only"),
    ],
)
def test_labels_that_are_refused(given: argparse.Namespace, tmp_path: Path, label: Any, said: str) -> None:
    document = json.loads(json.dumps(HOURS))
    document["schema"]["properties"]["pay"] = label
    put(tmp_path / "facts.json", document)
    with pytest.raises(Refusal, match=said):
        regress.main(given)


@pytest.mark.slow
def test_the_step_as_a_process(given: argparse.Namespace, step: Step) -> None:
    words = ["--table", given.table, "--facts", given.facts, "--model", given.model, "--release", given.release]
    told = succeeded(step(SCRIPT, *words, "--epsilon", 1.0, PYTHONPATH=PATHS))
    assert told.startswith(f"released {COLUMNS} coefficients by {COLUMNS * (COLUMNS + 1) // 2 + COLUMNS} noisy sums")
    table = paid(50)
    table.loc[3, "pay"] = 777.25
    table.to_parquet(given.table)
    text = refused(step(SCRIPT, *words, "--epsilon", 1.0, PYTHONPATH=PATHS))
    assert "pay" in text
    assert "777" not in text


PROGRAM = """compute cpu = cluster("cpu-cluster")

pipeline p {{
  compute = cpu

  data d: table = "d.csv" {{
    schema = "d.schema.json"
    label = "pay"
    private {{
      unit = row
      neighbours = replace_one
      epsilon = 2.0
      delta = {delta}
    }}
  }}

  train model using opendp.linear_regression {{
    table = d
    epsilon = {epsilon}
  }}

  output model = model {{
    name = "m"
  }}
}}
"""


@pytest.mark.parametrize(
    ("delta", "epsilon", "codes"), [("1e-6", "2.0", []), ("0", "1.0", ["MLP0507"]), ("1e-6", "2.5", ["MLP0502"])]
)
def test_what_the_compiler_says(tmp_path: Path, delta: str, epsilon: str, codes: list[str]) -> None:
    put(tmp_path / "d.schema.json", HOURS["schema"])
    (tmp_path / "d.csv").write_text("")
    program = tmp_path / "p.mlp"
    program.write_text(PROGRAM.format(delta=delta, epsilon=epsilon))
    assert [d.code for d in compile_file(program).diagnostics if d.severity.name == "ERROR"] == codes
    if not codes:
        compiled(program)
