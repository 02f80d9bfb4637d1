"""interpret.dp_ebm: the noise is the proof's, nothing but noisy figures leaves, and what is unproven is refused."""

import json
import math
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from common import facts as facts_of
from common import models, tables
from common.entry import Refusal
from component_steps import PEOPLE, PRIVATE, ROOT, Step, compiled, module, put, refused, succeeded
from interpret_steps import DP_EBM, SHARED, people, prepared
from mlp_lang.compiler import check_file
from scipy import integrate, stats

pytestmark = pytest.mark.slow
RELEASE = json.loads((ROOT / "schemas/release.schema.json").read_text(encoding="utf-8"))
script = module(DP_EBM, "interpret_dp_ebm")
accountant, preparing = script.accountant, script.preparing
FACTS = {**PEOPLE, "private": PRIVATE}
FEATURES = ["age", "hours", "work", "grade", "member"]
STEPS = accountant.Steps(5, 300, 0.01)


def options(**changes: Any) -> Namespace:
    given = {"epsilon": 1.0, "composition": "gdp", "bin_budget": 0.1, "max_bins": 32, "max_rounds": 300}
    return Namespace(**{**given, "learning_rate": 0.01, "max_leaves": 3, "features": "[]", **changes})


def given(frame: pd.DataFrame) -> tuple[Any, Any]:
    facts = facts_of.parse(FACTS)
    features = preparing.described(FEATURES, facts)
    return features, preparing.prepare(frame[FEATURES], frame["income"], features, preparing.classes_of(facts))


def test_delta_is_that_of_two_shifted_normals() -> None:
    """By definition: how much of one density lies above e^ε times the other."""
    for epsilon, mu in ((0.1, 0.3), (1.0, 1.0), (2.0, 0.7), (8.0, 3.0)):
        above = lambda x, e=epsilon, m=mu: max(stats.norm.pdf(x, m) - math.exp(e) * stats.norm.pdf(x), 0.0)  # noqa: E731
        mass = integrate.quad(above, epsilon / mu + mu / 2, mu + 12)[0]
        assert accountant.delta_of(epsilon, mu) == pytest.approx(mass, rel=1e-6)


@pytest.mark.parametrize("composition", ["gdp", "classic"])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.01, 1e-6), (1.0, 1e-6), (8.0, 1e-5), (0.5, 1e-9)])
def test_the_noise_is_planned_here_and_drawn_by_the_library(composition: str, epsilon: float, delta: float) -> None:
    from interpret.utils._privacy import calc_gdp_noise_multi

    planned = accountant.plan(composition, epsilon, delta, 0.1, STEPS)
    accountant.certify(planned, epsilon, delta)
    asked = accountant.asked(planned, STEPS)
    share, half = asked.epsilon * asked.bin_budget_frac, asked.delta / 2
    assert calc_gdp_noise_multi(5, share, half) == pytest.approx(planned.binning, rel=1e-7)
    boosting = calc_gdp_noise_multi(1500, asked.epsilon - share, half) * STEPS.learning_rate
    assert boosting == pytest.approx(planned.boosting, rel=1e-7)
    if composition == "gdp":
        assert accountant.delta_of(epsilon, planned.mu) > 0.99 * delta
        with pytest.raises(Refusal, match="too small"):
            accountant.certify(accountant.of(planned.binning * 0.99, planned.boosting * 0.99, STEPS), epsilon, delta)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The library with noise that is the same for every table: its figures before noise are written down."""
    from interpret import develop
    from interpret.utils._native import Booster, Native

    monkeypatch.setitem(develop._develop_options, "acceleration", Native.AccelerationFlags_NONE)
    seen: dict[str, Any] = {"draws": [], "cuts": [], "sums": []}

    def noise(self: Any, rng: Any, stddev: float, count: int) -> np.ndarray:
        seen["draws"].append(count)
        place = len(seen["draws"])
        binning = place <= len(FEATURES)
        # Bins and their weights do not depend on rows (1e18 swallows them), and scores run far to both sides.
        return np.full(count, 1e18) if binning else np.random.default_rng(place).normal(0, 3e19, count)

    def cuts(self: Any) -> Any:
        found = of_cuts(self)
        seen["cuts"].append(found[0].copy())
        return found

    def sums(self: Any) -> np.ndarray:
        tensor = of_sums(self)
        edges = [0, *seen["cuts"][-1], len(tensor)]
        seen["sums"].append(np.array([tensor[a] for a in edges[:-1]]))
        return np.zeros_like(tensor)  # what is released is then the same for every table, as the proof supposes

    of_cuts, of_sums = Booster.get_term_update_splits, Booster.get_term_update
    monkeypatch.setattr(Native, "generate_gaussian_random", noise)
    monkeypatch.setattr(Booster, "get_term_update_splits", cuts)
    monkeypatch.setattr(Booster, "get_term_update", sums)
    yield seen


def figures(frame: pd.DataFrame, seen: dict[str, Any], seed: int) -> tuple[list[Any], list[Any], list[int]]:
    """Cuts, sums in the leaves before noise, and how many numbers were drawn, for a table."""
    for kept in seen.values():
        kept.clear()
    features, prepared_ = given(frame)
    asked = accountant.asked(accountant.plan("gdp", 1.0, 1e-6, 0.1, STEPS), STEPS)
    machine = script.build(asked, features, options(max_rounds=12, learning_rate=1.0)).set_params(random_state=seed)
    with pytest.warns(UserWarning, match="random_state"):
        machine.fit(prepared_.frame, prepared_.target, sample_weight=prepared_.weights)
    return list(seen["cuts"]), list(seen["sums"]), list(seen["draws"])


def test_one_row_moves_no_step_farther_than_its_sensitivity(watched: dict[str, Any]) -> None:
    """Over extreme and random replaced rows; and what is cut, and how often noise is drawn, knows no row."""
    frame = people(40, missing=True)
    ends = [
        {"age": age, "hours": hours, "work": work, "grade": grade, "member": member, "income": income}
        for age, hours, work, grade, member in ((17, 0.0, "State-gov", 1, False), (90, 100.0, None, 3, True))
        for income in PEOPLE["schema"]["properties"]["income"]["enum"]
    ]
    farthest = 0.0
    for seed in (1, 2):
        base = figures(frame, watched, seed)
        assert base[2][:5] == [62, 62, 3, 3, 2]  # two intervals a bin, the vocabulary with its gap
        for row in [*ends, *people(4, seed=9).to_dict("records")]:
            other = frame.copy()
            for name in (*FEATURES, "income"):
                other.loc[7, name] = row[name]
            found = figures(other, watched, seed)
            assert found[2] == base[2]
            assert all(np.array_equal(a, b) for a, b in zip(base[0], found[0], strict=True))
            moved = [float(np.linalg.norm(a - b)) for a, b in zip(base[1], found[1], strict=True)]
            farthest = max(farthest, *moved)
    assert 1.99 < farthest <= 2.0 * (1 + 1e-9)


def test_sums_in_single_precision_would_move_too_far(watched: dict[str, Any]) -> None:
    """Why the step switches the library's acceleration off: a row's label, turned over, moves a sum by more than 1."""
    from interpret import develop
    from interpret.utils._native import Native

    frame = people(20000)
    other = frame.copy()
    other.loc[5, "income"] = "<=50K" if frame["income"][5] == ">50K" else ">50K"
    for accelerated, most in ((Native.AccelerationFlags_ALL, 1.001), (Native.AccelerationFlags_NONE, 1 + 1e-9)):
        develop.set_option("acceleration", accelerated)
        base, found = figures(frame, watched, 1)[1], figures(other, watched, 1)[1]
        moved = max(float(np.abs(a - b).max()) for a, b in zip(base, found, strict=True))
        assert (1 + 1e-9 if most > 1 + 1e-8 else 0.5) < moved <= most


def test_the_step_switches_acceleration_off(monkeypatch: pytest.MonkeyPatch) -> None:
    from interpret import develop
    from interpret.utils._native import Native

    monkeypatch.setitem(develop._develop_options, "acceleration", Native.AccelerationFlags_ALL)
    features, rows = given(people(60))
    steps = accountant.Steps(len(features), 2, 0.01)
    planned = accountant.plan("gdp", 1.0, 1e-6, 0.1, steps)
    machine = script.fit(rows, features, planned, steps, options(max_rounds=2))
    assert develop.get_option("acceleration") == Native.AccelerationFlags_NONE
    assert float(machine.noise_scale_boosting_) == pytest.approx(planned.boosting, rel=1e-6)
    assert float(machine.noise_scale_binning_) == pytest.approx(planned.binning, rel=1e-6)


def test_the_vocabulary_and_the_classes_are_the_schemas(watched: dict[str, Any]) -> None:
    """One category, one class and no gap in the rows: as many numbers are drawn as for any other table."""
    narrow = people(30, missing=False).assign(work="Private", grade=2, member=True, income="<=50K")
    assert figures(narrow, watched, 1)[2] == figures(people(30), watched, 1)[2]


def test_the_librarys_private_regressor_is_not_offered_for_a_reason(watched: dict[str, Any]) -> None:
    """Its noise is for residuals within the target's width; nothing clips them, and the first are the targets."""
    from interpret.privacy import DPExplainableBoostingRegressor

    machine = DPExplainableBoostingRegressor(
        feature_names=["a"], feature_types=["continuous"], privacy_bounds={"a": (0, 1)}, privacy_target_min=9000,
        privacy_target_max=10000, max_rounds=1, learning_rate=1.0, n_jobs=1,
    ).fit(np.full((1, 1), 0.5), np.array([9999.0]))  # fmt: skip
    assert machine.min_target_ == 9000
    assert max(abs(x) for x in watched["sums"][0]) == pytest.approx(9999)


def test_release(step: Step, tmp_path: Path) -> None:
    """Two tables that share nothing but the schema: all but the noisy figures is the same."""
    found = []
    for name, seed in (("a", 1), ("b", 2)):
        options_ = prepared(tmp_path, 400, private=PRIVATE)
        frame = people(400, seed=seed)
        frame = frame if name == "a" else frame.assign(work="Private", grade=1, income="<=50K")
        frame.to_csv(tmp_path / "t", index=False)
        outputs = ("--model", name, "--release", f"{name}.json")
        out = succeeded(step(DP_EBM, *options_, "--epsilon", 1, "--max-rounds", 40, *outputs, PYTHONPATH=SHARED))
        assert "released at epsilon = 1, delta = 1e-06 (replace_one, gaussian), mu = 0.23670" in out
        found.append((models.load(tmp_path / name), (tmp_path / f"{name}.json").read_text()))
    (first, release), (second, again) = found
    assert release == again
    document = json.loads(release)
    jsonschema.validate(document, RELEASE)
    parts = document["parts"]
    assert math.hypot(*(part["loss"] for part in parts)) == pytest.approx(document["accountant"]["mu"])
    assert parts[0]["noise"]["sensitivity"] == pytest.approx(math.sqrt(2))
    assert (first.framework, first.card) == ("interpret", second.card)
    same, other = vars(first.native), vars(second.native)
    assert set(same) == set(other)
    learnt = {name for name in same if name.endswith("_")}
    assert learnt - {*script.NOISY, *script.OF_THE_PROGRAM} == {"classes_", "bag_weights_"}
    assert "_sklearn_version" not in learnt
    for name in set(same) - set(script.NOISY):
        assert repr(same[name]) == repr(other[name]), name
    rows = tables.read(tmp_path / "t", facts_of.parse(FACTS))[FEATURES]
    scores = first.scores(rows.assign(work=None, hours=np.nan))
    assert np.isfinite(scores).all()
    # A missing number is scored as the middle of its bounds, in which it was trained.
    assert np.allclose(first.scores(rows.assign(hours=np.nan)), first.scores(rows.assign(hours=50.0)))


def test_with_room_in_the_budget_it_learns(step: Step, tmp_path: Path) -> None:
    options_ = prepared(tmp_path, 3000, private={**PRIVATE, "epsilon": 8.0})
    outputs = ("--model", "m", "--release", "r.json")
    succeeded(step(DP_EBM, *options_, "--epsilon", 8, *outputs, PYTHONPATH=SHARED))
    facts = facts_of.parse(FACTS)
    fresh = people(2000, seed=5)
    fresh.to_csv(tmp_path / "fresh", index=False)
    rows = tables.read(tmp_path / "fresh", facts)
    right = models.load(tmp_path / "m").predict(rows[FEATURES]) == rows["income"]
    assert right.mean() > 0.85  # always one class: about two thirds


@pytest.mark.parametrize(
    ("change", "private", "arguments", "said"),
    [
        ({}, {"neighbours": "add_remove"}, {}, "the number of rows is private"),
        ({}, {"delta": 0.0}, {}, "spends a delta"),
        ({}, {"epsilon": 0.5}, {}, "exceeds the budget"),
        ({}, None, {}, "not declared private"),
        ({"label": "grade"}, {}, {}, "has 3 classes"),
        ({"label": "age"}, {}, {}, "no privacy is proven for a label of numbers"),
        ({}, {}, {"bin_budget": 1.0}, "bin_budget = 1.0 is out of range"),
        ({}, {}, {"learning_rate": 0.0}, "learning_rate = 0.0 is out of range"),
        ({}, {}, {"max_bins": 3}, "max_bins = 3 is below 4"),
    ],
)
def test_refusals(change: dict[str, Any], private: Any, arguments: dict[str, Any], said: str) -> None:
    declared = None if private is None else {**PRIVATE, **private}
    facts = facts_of.parse({**PEOPLE, "positive": None, **change, "private": declared})
    with pytest.raises(Refusal, match=said):
        script.check(facts, options(**arguments))
        preparing.classes_of(facts)


def test_schemas_that_say_too_little(step: Step, tmp_path: Path) -> None:
    schema = json.loads(json.dumps(PEOPLE["schema"]))
    schema["properties"]["hours"] = {"type": ["number", "null"]}
    given_ = prepared(tmp_path, 20, private=PRIVATE, schema=schema)
    done = step(DP_EBM, *given_, "--epsilon", 1, "--model", "m", "--release", "r.json", PYTHONPATH=SHARED)
    assert "column 'hours' has neither bounds nor a vocabulary" in refused(done)
    assert not (tmp_path / "m").exists()


PROGRAM = """
pipeline p {
  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    private {
      unit = row
      neighbours = replace_one
      epsilon = 2.0
      delta = 1e-6
    }
  }

  privatize machine using interpret.dp_ebm {
    table = people
    epsilon = 1.5
  }

  output model = machine
}
"""


def test_a_program(tmp_path: Path) -> None:
    put(tmp_path / "people.schema.json", PEOPLE["schema"])
    people(20).to_csv(tmp_path / "people.csv", index=False)
    program = tmp_path / "p.mlp"
    program.write_text(PROGRAM)
    compiled(program)
    for wrong in (
        PROGRAM.replace("epsilon = 1.5", "epsilon = 2.5"),
        PROGRAM.replace("replace_one", "add_remove"),
    ):
        program.write_text(wrong)
        assert any(d.code.startswith("MLP05") for d in check_file(program)), wrong
