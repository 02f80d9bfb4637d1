"""A synthetic table: sensitivities over all small tables, losses by formulas of our own, a tree that is the largest
where there is hardly noise, rows that follow the schema and the released counts; what the compiler says of it."""

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from common import concentrated, rows, tables
from common.entry import Refusal
from common.facts import parse
from component_steps import PEOPLE, PRIVATE, ROOT, compiled, mlp, module, put
from mlp_lang.compiler import check_file, compile_file
from mlp_lang.compiler.graph import FromInput
from mlp_lang.dsl.diagnostics import Severity
from scipy.optimize import minimize_scalar
from scipy.sparse.csgraph import minimum_spanning_tree

synthesize = module("privatize/privacy/synthesize/synthesize.py", "synthesize_step")
domains, measuring = synthesize.domains, synthesize.measuring
distribution, utility_of = synthesize.distribution, synthesize.utility

LOTS = {**PRIVATE, "epsilon": 100.0}
SCHEMA = {
    "type": "object",
    "properties": {
        **PEOPLE["schema"]["properties"],
        "income": {"enum": ["<=50K", ">50K"]},
        "gain": {"type": "integer", "minimum": 0, "maximum": 100000},
        "rate": {"type": ["number", "null"], "minimum": -1.5, "maximum": 2.5},
        "code": {"enum": [1, 3, None]},
    },
    "required": ["age", "sex", "income"],
}
FACTS = {**PEOPLE, "schema": SCHEMA, "private": PRIVATE}


def people(count: int = 3000, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    age = draw.integers(17, 91, count)
    male = draw.random(count) < 0.6
    frame = pd.DataFrame(
        {
            "age": age,
            "hours": np.where(draw.random(count) < 0.1, np.nan, np.round(draw.uniform(0, 100, count), 2)),
            "work": draw.choice(np.array(["State-gov", "Private", None], dtype=object), count, p=[0.2, 0.7, 0.1]),
            "grade": np.where(male, draw.integers(1, 3, count), 3),
            "member": draw.random(count) < 0.5,
            "sex": np.where(male, "Male", "Female"),
            "income": np.where(age + draw.normal(0, 5, count) > 55, ">50K", "<=50K"),
            "gain": np.where(draw.random(count) < 0.8, 0, draw.integers(0, 100001, count)),
            "rate": np.where(draw.random(count) < 0.2, np.nan, draw.uniform(-1.5, 2.5, count)),
            "code": draw.choice(np.array([1.0, 3.0, np.nan]), count),
        }
    )
    return frame.astype({"sex": object, "income": object})


def made(folder: Path, facts: dict[str, Any], frame: pd.DataFrame, **changes: Any) -> tuple[pd.DataFrame, Any, Any]:
    """The synthetic table as a step reads it, release.json and utility.json."""
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / "table.parquet", index=False)
    given = {"table": folder / "table.parquet", "facts": put(folder / "facts.json", facts), "epsilon": 1.0}
    given |= {"rows": None, "bins": 8, "leave_out": "[]", "seed": 0}
    out = {"synthetic": folder / "synthetic.parquet", "release": folder / "release.json", "report": folder / "report"}
    synthesize.main(argparse.Namespace(**{**given, **out, **changes}))
    found = tables.read(folder / "synthetic.parquet", parse(facts))
    documents = [json.loads((folder / name).read_text()) for name in ("release.json", "report/utility.json")]
    return found, documents[0], documents[1]


def distance(one: pd.Series, other: pd.Series) -> float:
    """Total variation of two columns of values."""
    shares = [
        cells.astype(object).where(cells.notna(), "missing").value_counts(normalize=True) for cells in (one, other)
    ]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


# --- what a row moves, what it costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_counts_and_scores_move_by_what_is_said_over_all_small_tables(relation: str) -> None:
    cells = list(itertools.product(range(2), range(3)))
    expected = np.array([[1, 0, 2], [0, 0, 1]])

    def seen(table: tuple[tuple[int, int], ...]) -> tuple[np.ndarray, int]:
        codes = np.array(table, dtype=int).reshape(-1, 2)
        exact = measuring.pair_counts(codes[:, 0], codes[:, 1], (2, 3))
        return exact, measuring.score(exact, expected, 5)

    squares, moves = set(), set()
    for table in itertools.product(cells, repeat=2):
        if relation == "replace_one":
            neighbours = [(table[0], other) for other in cells]
        else:
            neighbours = [(*table, other) for other in cells] + [table[:1]]
        for neighbour in neighbours:
            (one, first), (other, second) = seen(table), seen(neighbour)
            squares.add(int(((one - other) ** 2).sum()))
            moves.add(abs(first - second))
    assert max(squares) == measuring.ROWS[relation]
    assert max(moves) == measuring.ROWS[relation]


def cost(epsilon: float, delta: float) -> float:
    """The largest ρ that Canonne, Kamath and Steinke's Proposition 12 turns into (ε, δ), by bisection of our own."""

    def failure(rho: float) -> float:
        def at(log_alpha: float) -> float:
            alpha = 1 + math.exp(log_alpha)
            return (alpha - 1) * (alpha * rho - epsilon) + alpha * math.log1p(-1 / alpha) - math.log(alpha - 1)

        return math.exp(minimize_scalar(at, bounds=(-10, 12), method="bounded", options={"xatol": 1e-10}).fun)

    low, high = 0.0, epsilon + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if failure(middle) <= delta else (low, middle)
    return low


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_what_is_spent_is_what_formulas_of_our_own_give(tmp_path: Path, relation: str, epsilon: float) -> None:
    facts = {**FACTS, "private": {**PRIVATE, "neighbours": relation}}
    _, release, _ = made(tmp_path, facts, people(500), epsilon=epsilon)
    jsonschema.validate(release, json.loads((ROOT / "schemas/release.schema.json").read_text(encoding="utf-8")))
    columns = len(SCHEMA["properties"])
    moved = 2 if relation == "replace_one" else 1
    norms = [part["noise"]["norm"] for part in release["parts"]]
    assert norms == ["L2"] * columns + ["Linf"] * (columns - 1) + ["L2"] * (columns - 1)
    spent = 0.0
    for part in release["parts"]:
        scale, distance_ = part["noise"]["scale"], part["noise"]["sensitivity"]
        if part["noise"]["norm"] == "L2":  # Bun and Steinke (2016), Proposition 1.6
            assert distance_ == pytest.approx(math.sqrt(moved))
            spent += distance_**2 / (2 * scale**2)
        else:  # a choice of pure loss 2Δ/b, as a concentrated one (range-bounded: an eighth of the square)
            assert distance_ == moved
            spent += (2 * distance_ / scale) ** 2 / 8
    assert 0.999 < spent / cost(epsilon, 1e-6) <= 1.0001
    assert sum(part["loss"] for part in release["parts"]) <= concentrated.total(epsilon, 1e-6)


def test_the_ledger_refuses_what_is_too_much() -> None:
    ledger = measuring.Ledger(0.1, "replace_one")
    ledger.counts("a", np.array([1, 2]), 0.06)
    with pytest.raises(ValueError, match="cost more"):
        ledger.choice("b", [1, 2], 0.06)
    assert len(ledger.parts) == 1


def test_noise_is_of_the_stated_scale_and_choices_of_the_stated_odds() -> None:
    ledger = measuring.Ledger(1e9, "add_remove")
    noisy, scale = ledger.counts("a", np.zeros(20_000, dtype=np.int64), 0.02)
    assert scale == pytest.approx(5.0)
    assert noisy.std() == pytest.approx(5.0, rel=0.05)
    picked = [ledger.choice("b", [10, 0], 0.02) for _ in range(4000)]
    chance = 1 / (1 + math.exp(10 / ledger.parts[-1]["noise"]["scale"]))  # the exponential mechanism
    assert np.mean(picked) == pytest.approx(chance, abs=5 * math.sqrt(chance / 4000))


# --- after the noise --------------------------------------------------------------------------------------------------


def test_projections_are_nearest_and_fits_have_their_margins() -> None:
    draw = np.random.default_rng(0)
    for _ in range(50):
        noisy = draw.normal(5, 10, 12)
        found = distribution.projected(noisy, 40.0)
        assert found.min() >= 0
        assert found.sum() == pytest.approx(40.0)
        active = noisy[found > 0] - found[found > 0]  # the conditions of Karush, Kuhn and Tucker
        assert np.ptp(active) < 1e-9
        assert (noisy[found == 0] <= active[0] + 1e-9).all()
    lines, columns = np.array([10.0, 20.0, 0.0]), np.array([5.0, 25.0])
    table = distribution.fitted(draw.normal(5, 5, (3, 2)), lines, columns, 30.0)
    assert table.sum(axis=0) == pytest.approx(columns)
    assert table.sum(axis=1) == pytest.approx(lines, abs=1e-5)
    one, two = (
        distribution.Measured(np.array([10.0, 20]), np.array([1.0, 1])),
        distribution.Measured(np.array([16.0, 14]), np.array([2.0, 2])),
    )
    assert distribution.combined([one, two], 30.0) == pytest.approx([12.0, 18.0])


def test_the_tree_is_the_largest_where_there_is_hardly_noise() -> None:
    draw = np.random.default_rng(1)
    codes = [draw.integers(0, 3, 500)]
    for _ in range(6):  # each follows one before it, more or less
        source = codes[draw.integers(len(codes))]
        codes.append(np.where(draw.random(500) < draw.uniform(0.2, 0.9), source, draw.integers(0, 3, 500)))
    singles = [np.bincount(code, minlength=3).astype(float) for code in codes]
    ledger = measuring.Ledger(1e9, "replace_one")
    edges = synthesize.spanning(codes, singles, 500.0, 1e8, ledger, [str(i) for i in range(7)])
    scores = np.zeros((7, 7))
    for one, other in itertools.combinations(range(7), 2):
        expected = np.rint(np.outer(singles[one], singles[other]) / 500)
        scores[one, other] = np.abs(pd.crosstab(codes[one], codes[other]).to_numpy() - expected).sum()
    best = minimum_spanning_tree(1000 - scores)
    assert sum(scores[edge] for edge in edges) == pytest.approx((1000 - best.data).sum())
    assert len({place for edge in edges for place in edge}) == 7


def test_rows_have_the_counts_of_the_tree() -> None:
    draw = np.random.default_rng(2)
    singles = [np.array([30.0, 70.0]), np.array([50.0, 50.0]), np.array([20.0, 30.0, 50.0])]
    pairs = {(0, 1): np.array([[30.0, 0.0], [20.0, 50.0]]), (2, 1): np.array([[20.0, 0.0], [30.0, 0.0], [0.0, 50.0]])}
    found = distribution.sampled(singles, pairs, 10_000, draw)
    for (one, other), table in pairs.items():
        counts = measuring.pair_counts(found[one], found[other], table.shape)
        assert np.abs(counts / 100 - table).max() < 0.1
    assert distribution.ordered([(0, 1), (2, 1)], 4) == [(0, None), (1, 0), (2, 1), (3, None)]


@pytest.mark.parametrize(
    ("column", "size"), [("age", 74), ("gain", 256), ("rate", 257), ("code", 3), ("work", 3), ("member", 2)]
)
def test_members_of_columns_and_back(column: str, size: int) -> None:
    known = domains.domain(parse(FACTS).columns[column])
    cells = people(2000)[column]
    places = known.places(cells)
    assert known.size == size
    back = known.cells(places, np.random.default_rng(0))
    assert np.array_equal(known.places(back), places)
    if known.edges is None:
        assert distance(back, cells) == 0.0


def test_groups_are_about_even_and_of_neighbours() -> None:
    known = domains.domain(parse(FACTS).columns["rate"])
    counts = np.r_[np.full(10, 50.0), np.full(246, 1.0), 77.0]
    found = domains.groups(known, counts, 8)
    assert (np.diff(found) >= 0).all()
    assert found.max() <= 8
    assert (found == found[-1]).sum() == 1
    assert np.bincount(found, weights=counts)[:-1].max() < 2.2 * counts[:-1].sum() / 8


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relation", ["replace_one", "add_remove"])
def test_with_hardly_any_noise_the_rows_are_like_the_tables(tmp_path: Path, relation: str) -> None:
    frame = people()
    facts = {**FACTS, "private": {**LOTS, "neighbours": relation}}
    found, release, utility = made(tmp_path, facts, frame, epsilon=100.0, bins=20)
    rows.check(found, parse(FACTS))
    assert abs(len(found) - len(frame)) <= (0 if relation == "replace_one" else 5)
    for name in ("work", "grade", "member", "sex", "income", "code", "age"):
        assert distance(found[name], frame[name]) < 0.01, name
    for name in ("hours", "rate", "gain"):
        assert np.nanquantile(found[name], [0.1, 0.5, 0.9]) == pytest.approx(
            np.nanquantile(frame[name], [0.1, 0.5, 0.9]), abs=0.02 * np.nanmax(frame[name])
        )
    measured = {part["of"] for part in release["parts"]}
    assert "rows by grade, sex" in measured
    assert "rows by age, income" in measured
    joint = [f["grade"].astype(str) + f["sex"] for f in (found, frame)]
    assert distance(*joint) < 0.01
    assert {entry["of"]: entry["cells"] for entry in utility["counts"]}["grade by sex"] == 6
    assert max(entry["distance"] for entry in utility["counts"]) < 0.05


def test_at_one_epsilon_the_rows_are_of_use(tmp_path: Path) -> None:
    frame = people()
    found, _, utility = made(tmp_path, FACTS, frame, rows=5000)
    assert len(found) == 5000
    assert distance(found["sex"], frame["sex"]) < 0.05
    above = found["age"] > 60
    assert (found.loc[above, "income"] == ">50K").mean() - (found.loc[~above, "income"] == ">50K").mean() > 0.4
    noisy = [entry["noise"] for entry in utility["counts"] if entry["noise"] is not None]
    assert len(noisy) == len(SCHEMA["properties"]) - 1


def test_two_draws_differ_and_the_figures_of_the_report_are_of_released_counts(tmp_path: Path) -> None:
    """The report is a function of noisy counts and synthetic rows; noise has no seed."""
    first, *_ = made(tmp_path / "a", FACTS, people(300))
    second, *_ = made(tmp_path / "b", FACTS, people(300))
    assert not first.equals(second)
    pair = distribution.Measured(np.array([[10.0, -5.0], [0.0, 35.0]]), np.full((2, 2), 4.0))
    codes = [np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])]
    groups = [np.arange(2), np.arange(2)]
    found = utility_of.fits([np.array([10.0, 30.0])] * 2, {(0, 1): pair}, codes, groups, 40.0, ["a", "b"])
    assert [fit.distance for fit in found] == pytest.approx([0.25, 0.0, 0.3125])  # 7.5, 0, 0, 32.5 of 40 by projection
    assert found[2].noise == pytest.approx(2 * math.sqrt(2 / math.pi) * 4 / 80)


def test_one_column_takes_all(tmp_path: Path) -> None:
    facts = {"name": "one", "schema": {"properties": {"sex": {"enum": ["F", "M"]}}}, "private": PRIVATE}
    found, release, _ = made(tmp_path, facts, pd.DataFrame({"sex": ["F"] * 40 + ["M"] * 60}))
    assert len(release["parts"]) == 1
    assert len(found) == 100


@pytest.mark.parametrize(
    ("changes", "facts", "said"),
    [
        ({}, {"private": None}, "not declared private"),
        ({"epsilon": 3.0}, {}, "exceeds the budget"),
        ({}, {"private": {**PRIVATE, "delta": 0.0}}, "spends a delta"),
        ({"leave_out": '["age"]'}, {}, "'age' is required or has a role"),
        ({"leave_out": '["income"]'}, {}, "required or has a role"),
        ({"leave_out": '["nowhere"]'}, {}, "not in the schema"),
        ({"leave_out": "3"}, {}, "lists columns"),
        ({}, {"rate": {"type": "number"}}, "'rate' has neither"),
        ({}, {"gain": {"type": "integer", "minimum": 0, "maximum": 1000, "multipleOf": 5}}, "'gain' has steps"),
    ],
)
def test_refusals(tmp_path: Path, changes: dict[str, Any], facts: dict[str, Any], said: str) -> None:
    rules = {name: facts[name] for name in SCHEMA["properties"] if name in facts}
    facts = {**facts, "schema": {**SCHEMA, "properties": {**SCHEMA["properties"], **rules}}}
    with pytest.raises(Refusal, match=said):
        made(tmp_path, {**FACTS, **facts}, people(100), **changes)
    assert not (tmp_path / "synthetic.parquet").exists()
    assert not (tmp_path / "release.json").exists()


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline sample {
  compute = cpu

  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    positive = ">50K"
    sensitive = ["sex"]
    private {
      unit = row
      neighbours = add_remove
      epsilon = 2.0
      delta = %s
    }
  }

  prepare parts using tabular.split {
    table = people
  }

  privatize synthetic using privacy.synthesize {
    table = parts.train
    epsilon = %s
  }

  prepare again using tabular.split {
    table = %s
    stratify = true
  }

  train model using sklearn.DecisionTreeClassifier {
    table = again.train
  }

  export portable using onnx.model {
    model = model
    table = again.test
  }
}
"""


def program(folder: Path, delta: str = "1e-6", epsilon: str = "1.5", table: str = "synthetic.table") -> Path:
    (folder / "people.csv").write_text("39, 1, Private, 1, true, Male, >50K\n", encoding="utf-8")
    put(folder / "people.schema.json", PEOPLE["schema"])
    (folder / "sample.mlp").write_text(PROGRAM % (delta, epsilon, table), encoding="utf-8")
    return folder / "sample.mlp"


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"epsilon": "2.5"}, ["MLP0502"]),
        ({"delta": "0"}, ["MLP0507"]),
        ({"table": "parts.train"}, ["MLP0501"]),
    ],
)
def test_what_the_compiler_says(tmp_path: Path, changes: dict[str, str], codes: list[str]) -> None:
    found = check_file(program(tmp_path, **changes))
    assert [d.code for d in found if d.severity is Severity.ERROR] == codes


def test_the_facts_of_what_is_released_are_not_private(tmp_path: Path) -> None:
    """So the steps after it may do what private rows forbid: stratify, learn an encoding, show a wrong row."""
    graph = compile_file(program(tmp_path)).graphs[0]
    documents: dict[str, Any] = {facts.name: facts.document for facts in graph.facts}
    assert documents["people"]["private"] is not None
    assert documents["synthetic_table"]["private"] is None
    assert documents["synthetic_table"]["schema"] == documents["people"]["schema"]
    filled = {node.name: dict(node.inputs)["facts"] for node in graph.nodes if "facts" in dict(node.inputs)}
    assert filled["synthetic"] == FromInput("people_facts")
    assert filled["again"] == filled["model"] == FromInput("synthetic_table_facts")


@pytest.mark.slow
def test_the_program_loads(tmp_path: Path) -> None:
    compiled(program(tmp_path))


@pytest.mark.slow
def test_a_model_of_synthetic_rows_is_exported(tmp_path: Path) -> None:
    """The whole way, with a stratified split of what was private."""
    file = program(tmp_path)
    people()[list(PEOPLE["schema"]["properties"])].to_csv(tmp_path / "people.csv", index=False)
    done = mlp("run", file, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "people: epsilon 1.5 of 2, delta 1e-06 of 1e-06 spent" in done.stdout + done.stderr
