"""Private statistics: sensitivities by brute force, noise against closed forms, accuracy as often as it says."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import mechanisms
import numpy as np
import opendp.prelude as dp
import pandas as pd
import pytest
import queries
from common.facts import parse
from scipy import stats
from trust_steps import ROOT, STATISTICS, Folder, facts_document, people, process, script

RELEASE = json.loads((ROOT / "schemas/release.schema.json").read_text())
ALL = {
    "rows": "true",
    "histograms": '["sex", "hours"]',
    "tables": '[["sex", "income"], ["occupation", "age", "income"]]',
    "sums": '["age", "hours"]',
    "means": '["age", "hours"]',
    "quantiles": '["age", "hours"]',
}
FALSE_ALARM = 1e-9


def describe(run: Any, table: Path, facts: Path | None, out: Path, /, **arguments: Any) -> Any:
    given = {"table": table, "facts": facts, "epsilon": 1.0, "statistics": out / "s.json", "release": out / "r.json"}
    flat = [text for n, v in (given | arguments).items() if v is not None for text in (f"--{n}", v)]
    return run(STATISTICS, "describe.py", *flat)


SMALL = parse(
    {
        "name": "small",
        "schema": {
            "properties": {
                "n": {"type": "integer", "minimum": -2, "maximum": 5},
                "up": {"type": "integer", "minimum": 3, "maximum": 5},
                "gap": {"type": ["integer", "null"], "minimum": 3, "maximum": 5},
                "x": {"type": ["number", "null"], "minimum": -1.5, "maximum": 0.7},
                "c": {"enum": ["a", "b", None]},
            }
        },
    }
).columns
CELLS: dict[str, list[Any]] = {
    "n": [-2, 0, 5],
    "up": [3, 4, 5],
    "gap": [3, 5, None],
    "x": [-1.5, 0.1, 0.7, None],
    "c": ["a", "b", None],
}


def asked(relation: str) -> list[tuple[str, queries.Query]]:
    found = [("c", queries.size())] if relation == "add_remove" else []
    for name in ("n", "up", "gap", "x"):
        column = SMALL[name]
        found += [(name, queries.total(column, queries.grid(column, c), relation)) for c in (False, True)]
        found += [(name, queries.counts([column], bins, relation)[0]) for bins in (3, 100)]
        found += [(name, queries.ranks(column, p, relation)[0]) for p in (0.25, 0.5, 0.9)]
        if column.nullable:
            found.append((name, queries.present(column)))
    return [*found, ("c", queries.counts([SMALL["c"]], 3, relation)[0])]


@pytest.mark.parametrize("relation", queries.RELATIONS)
def test_no_neighbour_moves_a_query_beyond_its_sensitivity_and_one_reaches_it(relation: str) -> None:
    """All tables of up to three rows of extreme and inner cells, and all their neighbours."""
    for name, query in asked(relation):
        column = SMALL[name]
        dtype = object if name == "c" else float

        def of(rows: Any, name: str = name, query: queries.Query = query, dtype: Any = dtype) -> np.ndarray:
            return np.array(query.of(pd.DataFrame({name: pd.Series(list(rows), dtype=dtype)})), dtype=np.int64)

        apart = []
        for rows in itertools.product(CELLS[name], repeat=2):
            for cell in CELLS[name]:
                others = [(cell, *rows[1:])] if relation == "replace_one" else [(*rows, cell)]
                apart += [of(rows) - of(other) for other in others]
        moves = np.abs(np.array(apart))
        assert moves.max() <= query.most, query.name
        assert moves.sum(axis=1).max() <= query.l1, query.name
        assert (moves**2).sum(axis=1).max() <= query.l2_squared, query.name
        if query.name.startswith("quantile"):
            assert moves.max() == query.most, query.name
        else:
            assert moves.sum(axis=1).max() == query.l1, (query.name, column)
            assert (moves**2).sum(axis=1).max() == query.l2_squared, query.name


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.75])
def test_scores_of_quantiles_are_opendps(probability: float) -> None:
    """For a probability that floats and decimals agree on, or up to the common factor of OpenDP's fraction."""
    column = parse(facts_document()).columns["age"]
    table = people(300)
    query, _ = queries.ranks(column, probability, "add_remove")
    domain = dp.vector_domain(dp.atom_domain(T=float, nan=False))
    theirs = dp.t.make_quantile_score_candidates(
        domain, dp.symmetric_distance(), queries.candidates(column), probability
    )
    scores = np.array(theirs(table["age"].astype(float).tolist()), dtype=float)
    factor = theirs.map(1) / query.most
    assert scores / factor == pytest.approx(np.array(query.of(table)))


@pytest.mark.parametrize("mechanism", mechanisms.MECHANISMS)
@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 1e-6), (0.1, 1e-9), (3.0, 1e-3)])
def test_losses_add_up_to_the_budget_and_scales_are_those_of_closed_forms(
    mechanism: str, epsilon: float, delta: float
) -> None:
    spent = mechanisms.budget(mechanism, epsilon, delta)
    wanted = [(query, query.name.startswith("quantile")) for _, query in asked("replace_one")]
    made = mechanisms.calibrate(spent, wanted)
    total = math.fsum(m.loss for m in made)
    assert spent.total * (1 - 1e-6) <= total <= spent.total
    if mechanism == "laplace":
        assert spent.total == epsilon
    else:  # the best α of exp((α-1)(αρ-ε))/(α-1)·(1-1/α)^α, on a grid, gives back δ
        alpha = 1 + np.exp(np.linspace(-6, 12, 200_000))
        log_delta = (alpha - 1) * (alpha * spent.total - epsilon) - np.log(alpha - 1) + alpha * np.log1p(-1 / alpha)
        assert log_delta.min() == pytest.approx(math.log(delta), abs=1e-3)
    share = spent.total / len(made)
    for noisy in made:
        query = noisy.query
        expected = {
            "L1": query.l1 / share,
            "L2": math.sqrt(query.l2_squared / (2 * share)),
            "Linf": 2 * query.most / (share if mechanism == "laplace" else math.sqrt(8 * share)),
        }[noisy.norm]
        assert noisy.scale == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("mechanism", mechanisms.MECHANISMS)
def test_noise_has_the_stated_scale_and_accuracy(mechanism: str) -> None:
    query, _ = queries.counts([SMALL["c"]], 3, "replace_one")
    noisy = mechanisms.calibrate(mechanisms.budget(mechanism, 0.5, 1e-6), [(query, False)])[0]
    drawn = np.array([noisy.draw([0, 10, 1000]) for _ in range(7000)]) - [0, 10, 1000]
    within = mechanisms.accuracy(noisy, 0.05)
    missed = int((np.abs(drawn) >= within).sum())
    assert stats.binom.sf(missed - 1, drawn.size, 0.05) > FALSE_ALARM
    assert stats.binom.cdf(int((np.abs(drawn) >= 0.7 * within).sum()), drawn.size, 0.05) > 1 - FALSE_ALARM
    variance = {"laplace": 2 * noisy.scale**2, "gaussian": noisy.scale**2}[mechanism]
    assert drawn.var() == pytest.approx(variance, rel=0.25 if mechanism == "laplace" else 0.1)
    assert len({tuple(noisy.draw([0, 0, 0])) for _ in range(20)}) > 1


@pytest.mark.parametrize("mechanism", mechanisms.MECHANISMS)
def test_choices_are_as_near_as_they_say(mechanism: str) -> None:
    column = parse(facts_document()).columns["age"]
    query, _ = queries.ranks(column, 0.5, "replace_one")
    scores = query.of(people(500))
    noisy = mechanisms.calibrate(mechanisms.budget(mechanism, 1.0, 1e-6), [(query, True)])[0]
    gaps = np.array([scores[noisy.draw(scores)] for _ in range(2000)]) - min(scores)
    missed = int((gaps > mechanisms.accuracy(noisy, 0.05)).sum())
    assert stats.binom.sf(missed - 1, len(gaps), 0.05) > FALSE_ALARM
    assert gaps.max() > 0


@pytest.mark.parametrize("mechanism", mechanisms.MECHANISMS)
@pytest.mark.parametrize("relation", queries.RELATIONS)
def test_release(here: Folder, mechanism: str, relation: str) -> None:
    private = {"unit": "row", "neighbours": relation, "epsilon": 2000.0, "delta": 1e-6}
    frame = people(800)
    table, facts = here.table(frame), here.facts(private=private)
    done = describe(script, table, facts, here.path, mechanism=mechanism, epsilon=2000.0, confidence=1 - 1e-9, **ALL)
    assert done.returncode == 0, done.stderr
    release, found = (json.loads((here / name).read_text()) for name in ("r.json", "s.json"))
    jsonschema.validate(release, RELEASE)
    assert release["delta"] == (1e-6 if mechanism == "gaussian" else 0.0)
    assert all("within" in entry["accuracy"] for entry in found["statistics"])

    columns = parse(facts_document()).columns
    for entry in found["statistics"]:
        within = entry["accuracy"]["within"]
        match entry["statistic"]:
            case "rows":
                assert abs(entry["value"] - 800) <= within
            case "sum":
                assert abs(entry["value"] - frame[entry["column"]].sum()) <= within + 800 * entry["resolution"]
            case "mean":
                assert abs(entry["value"] - frame[entry["column"]].mean()) <= within
            case "quantile":
                p = entry["probability"]
                query, unit = queries.ranks(columns[entry["column"]], p, relation)
                best = min(query.of(frame)) / unit
                cells = frame[entry["column"]].dropna()
                less, more = (cells < entry["value"]).sum(), (cells > entry["value"]).sum()
                assert abs((1 - p) * less - p * more) - best <= within + 1e-9
            case _:
                texts = frame[[c for c in entry["columns"] if c != "hours" and c != "age"]]
                for cell in entry["cells"]:
                    here_ = np.ones(len(frame), dtype=bool)
                    for name, value in cell["values"].items():
                        if isinstance(value, dict):
                            top = {"age": 90, "hours": 100}[name]
                            below = frame[name] <= top if value["to"] == top else frame[name] < value["to"]
                            here_ &= (frame[name] >= value["from"]) & below
                        else:
                            here_ &= frame[name].isna() if value is None else texts.get(name, frame[name]) == value
                    assert abs(cell["count"] - int(here_.sum())) < max(within, 1)


def test_what_is_released_of_the_rows_is_noisy(here: Folder) -> None:
    """release.json does not depend on rows; two releases of one table differ."""
    facts = here.facts()
    texts = []
    for seed in (1, 1, 2):
        done = describe(script, here.table(people(300, seed=seed)), facts, here.path, **ALL)
        assert done.returncode == 0, done.stderr
        texts.append(((here / "s.json").read_text(), (here / "r.json").read_text()))
    assert texts[0][0] != texts[1][0]
    assert texts[0][1] == texts[2][1]


@pytest.mark.slow
def test_the_step_as_a_process(here: Folder) -> None:
    done = describe(process, here.table(people(300)), here.facts(), here.path, **ALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("released 15 statistics by 15 queries, epsilon = 1 (replace_one, laplace)")


@pytest.mark.parametrize(
    ("private", "arguments", "said"),
    [
        (True, {}, "nothing that needs noise is asked for"),
        (True, {"sums": '["nowhere"]'}, "'nowhere' is not in the schema"),
        (True, {"sums": '["sex"]'}, "does not hold numbers"),
        (True, {"histograms": '["sex", "sex"]'}, "list of different columns"),
        (True, {"tables": '["sex"]'}, "list of different columns"),
        (True, {"tables": "[[]]"}, "one or more different columns"),
        (True, {"tables": '[["age", "hours", "education"]]', "bins": "10000"}, "more than 1000000 cells"),
        (True, {"sums": "age"}, "not JSON"),
        (True, {"quantiles": '["age"]', "probabilities": "[1.5]"}, "between 0 and 1"),
        (True, {"quantiles": '["age"]', "probabilities": "[0.3333333333]"}, "six decimal places"),
        (True, {"sums": '["age"]', "epsilon": 3.0}, "exceeds the budget"),
        (True, {"sums": '["age"]', "epsilon": "nan"}, "epsilon must be positive"),
        (True, {"sums": '["age"]', "mechanism": "uniform"}, "none of laplace, gaussian"),
        (True, {"sums": '["age"]', "confidence": 1}, "confidence must lie between"),
        (True, {"sums": '["age"]', "bins": 0}, "bins must lie between"),
        ({"epsilon": 2.0, "delta": 0.0}, {"sums": '["age"]', "mechanism": "gaussian"}, "spends a delta"),
        ({"epsilon": 2.0, "delta": 0.0, "unit": "person"}, {"sums": '["age"]'}, "unit 'person'"),
        (None, {"sums": '["age"]'}, "not declared private"),
    ],
)
def test_refusals(here: Folder, private: Any, arguments: dict[str, Any], said: str) -> None:
    facts = here.facts() if private is True else here.facts(private=private)
    refused(describe(script, here.table(people(50)), facts, here.path, **arguments), said, here.path)


@pytest.mark.parametrize(
    ("rules", "arguments", "said"),
    [
        ({"type": "integer", "minimum": 0}, {"sums": '["age"]'}, "no bounds"),
        ({"type": "integer", "minimum": 0}, {"histograms": '["age"]'}, "no bounds"),
        ({"type": "string"}, {"histograms": '["age"]'}, "no vocabulary"),
        ({"enum": [1, "one"]}, {"histograms": '["age"]'}, "mixes kinds"),
        ({"type": "integer", "minimum": 0, "maximum": 0}, {"sums": '["age"]'}, "no room"),
        ({"type": "number", "minimum": 1e9, "maximum": 1e9 + 1e-6}, {"means": '["age"]'}, "scale the column"),
        ({"type": "integer", "minimum": 0, "maximum": 40}, {"means": '["age"]'}, "do not follow its schema"),
    ],
)
def test_schemas_that_say_too_little(here: Folder, rules: Any, arguments: dict[str, Any], said: str) -> None:
    schema = json.loads(json.dumps(facts_document()["schema"]))
    schema["properties"]["age"] = rules
    facts = here.facts(schema=schema)
    refused(describe(script, here.table(people(50)), facts, here.path, **arguments), said, here.path)


def refused(done: Any, said: str, out: Path) -> None:
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("mlp: ")
    assert said in last
    assert not (out / "s.json").exists()
    assert not (out / "r.json").exists()
