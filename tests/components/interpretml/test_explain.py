"""interpret.global and interpret.local: figures against scikit-learn's, sums against outputs; every kind of model."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from common import facts as facts_of
from common import models, tables
from component_steps import PEOPLE, PRIVATE, ROOT, Step, compiled, module, put, refused, succeeded
from interpret_steps import DP_EBM, EBM, GLOBAL, LOCAL, SHARED, SMALL, people, prepared, trained
from sklearn.inspection import partial_dependence, permutation_importance

pytestmark = pytest.mark.slow
SCHEMA = json.loads((ROOT / "schemas/explanation.schema.json").read_text(encoding="utf-8"))
FEATURES = ["age", "hours", "work", "grade", "member"]
GIVEN = ("--table", "t", "--facts", "facts.json")
whole, single = module(GLOBAL, "interpret_global"), module(LOCAL, "interpret_local")
faces, coding = whole.faces, whole.coding


def explained(folder: Path) -> tuple[dict[str, Any], str]:
    """The JSON, which follows its schema, and the page, which needs nothing else."""
    found = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, SCHEMA)
    shown = (folder / "index.html").read_text(encoding="utf-8")
    assert {file.name for file in folder.iterdir()} == {"explanation.json", "index.html"}
    assert not re.search(r"""(src|href)=["'](?!data:)|<script|@import|url\(""", shown)
    return found, shown


def run(script: Any, folder: Path, model: str, name: str, *options: object) -> tuple[dict[str, Any], str]:
    """An explanation in this process: the libraries start once for all of them."""
    arguments = faces.parser("x")
    defaults = {"--method": str, "--repeats": int, "--most-rows": int, "--grid": int, "--background": Path}
    defaults |= {"--rows": str, "--count": int, "--background-rows": int, "--samples": int}
    for option, kind in defaults.items():
        arguments.add_argument(option, type=kind)
    arguments.set_defaults(method="auto", repeats=3, most_rows=2000, grid=7, rows="[]", count=3, samples=400)
    arguments.set_defaults(background_rows=30)
    words = ("--model", folder / model, "--table", folder / "t", "--facts", folder / "facts.json", *options)
    script.main(arguments.parse_args([*map(str, words), "--explanation", str(folder / name)]))
    return explained(folder / name)


def rows_of(folder: Path) -> pd.DataFrame:
    return tables.read(folder / "t", facts_of.load(folder / "facts.json"))


def forest(step: Step, folder: Path, *options: object, name: str = "forest", **changes: Any) -> None:
    given = prepared(folder, 300, **changes)
    kind = "RandomForestRegressor" if changes.get("label") == "age" else "RandomForestClassifier"
    trees = ("--json", "n_estimators", 20, "--json", "max_depth", 4)
    succeeded(step("train/sklearn/train.py", "--estimator", kind, *given, *trees, *options, "--model", name))


def test_codes_lead_back_to_the_cells() -> None:
    frame = people(200)
    for facts in (facts_of.parse(PEOPLE), None):
        codes = coding.coding(frame[FEATURES], facts)
        back = codes.decode(codes.encode(frame[FEATURES]))
        pd.testing.assert_frame_equal(back, frame[FEATURES], check_dtype=True)
    age = codes.columns[0]
    assert age.decode(np.array([20.4, 1000.0, -1.0])).tolist() == [20, frame["age"].max(), frame["age"].min()]


def test_shuffling_and_partial_dependence_are_scikit_learns(step: Step, tmp_path: Path) -> None:
    forest(step, tmp_path)
    found, shown = run(whole, tmp_path, "forest", "g", "--seed", 4)
    native = models.load(tmp_path / "forest").native
    rows = rows_of(tmp_path)
    theirs = permutation_importance(
        native, rows[FEATURES], rows["income"], scoring="neg_log_loss", n_repeats=3, random_state=4
    )
    ours = {line["name"]: (line["value"], line["deviation"]) for line in found["importances"]}
    for name, mean, spread in zip(FEATURES, theirs.importances_mean, theirs.importances_std, strict=True):
        assert ours[name] == pytest.approx((mean, spread))
    assert [line["value"] for line in found["importances"]] == sorted([v for v, _ in ours.values()], reverse=True)
    curves = {curve["features"][0]: curve for curve in found["curves"]}
    for name, values in (("age", curves["age"]["values"]), ("work", ["State-gov", "Private"])):
        expected = partial_dependence(
            native, rows[FEATURES].astype({"age": float}), [name], custom_values={name: np.array(values, dtype=object)},
            kind="average", categorical_features=["work"],
        )["average"][0]  # fmt: skip
        assert curves[name]["scores"][: len(values)] == pytest.approx(expected.tolist())
    assert curves["work"]["values"] == ["State-gov", "Private", None]
    assert (found["output"], found["explained_class"]) == ("probability of >50K", ">50K")
    assert "probability of &gt;50K" in shown
    assert ">50K" not in shown


@pytest.mark.parametrize("method", ["shap", "lime"])
def test_single_rows_of_a_mixed_table(step: Step, tmp_path: Path, method: str) -> None:
    forest(step, tmp_path)
    people(200, seed=8).to_csv(tmp_path / "other", index=False)
    given = ("--method", method, "--rows", "[7, 0]", "--background", tmp_path / "other")
    found, _ = run(single, tmp_path, "forest", "l", *given)
    rows = rows_of(tmp_path)
    model = models.load(tmp_path / "forest")
    assert [line["row"] for line in found["explanations"]] == [7, 0]
    for line in found["explanations"]:
        row = rows[FEATURES].iloc[[line["row"]]]
        assert line["output"] == pytest.approx(model.scores(row)[0, 1])
        scores = {c["name"]: c["score"] for c in line["contributions"]}
        assert list(scores) == FEATURES
        # `member` and `hours` say nothing about the label; `age` says most.
        assert abs(scores["member"]) < max(abs(x) for x in scores.values())
        if method == "shap":
            assert line["base"] + sum(scores.values()) == pytest.approx(line["output"], abs=1e-6)
    again, _ = run(single, tmp_path, "forest", "again", *given)
    assert again == found


def test_shapley_values_of_a_sum_are_its_terms(tmp_path: Path) -> None:
    """An additive function has known Shapley values: each term less its mean over the background."""
    frame = people(40)[FEATURES]
    codes = coding.coding(frame, facts_of.parse(PEOPLE))
    terms = {"age": lambda x: x / 10.0, "work": lambda x: (x == "Private") * 3.0, "hours": lambda x: x.isna() * 5.0}

    def answer(numbers: np.ndarray) -> np.ndarray:
        table = codes.decode(numbers)
        return np.asarray(sum(term(table[name]) for name, term in terms.items()), dtype=float)

    options = faces.parser("x").parse_args(["--model", "m", "--table", "t", "--explanation", "e"])
    options.samples = 400
    found = single.shap(answer, codes, codes.encode(frame.iloc[:20]), codes.encode(frame.iloc[20:23]), options)
    for at, one in enumerate(found):
        for place, name in enumerate(FEATURES):
            expected = 0.0
            if name in terms:
                expected = float(terms[name](frame[name]).iloc[20 + at] - terms[name](frame[name].iloc[:20]).mean())
            assert one.scores[place] == pytest.approx(expected, abs=1e-6), name


def test_a_machine_is_read_off(step: Step, tmp_path: Path) -> None:
    trained(step, tmp_path, "--interactions", 1)
    machine = models.load(tmp_path / "ebm").native
    rows = rows_of(tmp_path)
    for asked, sign in ((">50K", 1.0), ("<=50K", -1.0)):
        found, _ = run(single, tmp_path, "ebm", f"l{sign}", "--explained-class", asked, "--count", 4)
        logits = sign * machine.decision_function(rows[FEATURES].head(4))
        assert found["method"] == "glassbox"
        assert [line["output"] for line in found["explanations"]] == pytest.approx(logits.tolist())
        assert [c["name"] for c in found["explanations"][0]["contributions"]] == machine.term_names_
        whole_, shown = run(whole, tmp_path, "ebm", f"g{sign}", "--explained-class", asked)
        assert (whole_["metric"], whole_["output"]) == ("mean_absolute_score", f"log-odds of {asked}")
        importances = {line["name"]: line["value"] for line in whole_["importances"]}
        assert importances == pytest.approx(dict(zip(machine.term_names_, machine.term_importances(), strict=True)))
        curves = {" & ".join(curve["features"]): curve for curve in whole_["curves"]}
        assert curves["work"]["values"] == ["Private", "State-gov"]
        assert curves["work"]["missing"] == pytest.approx(sign * machine.term_scores_[2][0])
        assert len(curves["age"]["edges"]) == len(curves["age"]["scores"]) + 1
        at = sum(cut <= 60 for cut in machine.bins_[0][0])
        assert curves["age"]["scores"][at] == pytest.approx(sign * machine.term_scores_[0][at + 1])
        assert sum(curve["kind"] == "pair" for curve in whole_["curves"]) == 1
        assert "data:image/png;base64," in shown
    shuffled, _ = run(whole, tmp_path, "ebm", "shuffled", "--method", "permutation")
    assert shuffled["metric"] == "log_loss"


@pytest.mark.parametrize(("label", "asked", "output"), [("grade", "2", "of 2"), ("age", None, "prediction")])
@pytest.mark.parametrize("kind", ["ebm", "forest"])
def test_three_classes_and_numbers(
    step: Step, tmp_path: Path, kind: str, label: str, asked: str | None, output: str
) -> None:
    """One class against the others; of numbers the value itself."""
    changes = {"label": label, "positive": None}
    if kind == "ebm":
        given = prepared(tmp_path, 300, **changes)
        succeeded(step(EBM, *given, *SMALL, "--interactions", 0, "--model", "ebm", PYTHONPATH=SHARED))
    else:
        forest(step, tmp_path, **changes)
    options = () if asked is None else ("--explained-class", asked)
    found, _ = run(whole, tmp_path, kind, "g", *options)
    assert found["output"].endswith(output)
    local, _ = run(single, tmp_path, kind, "l", *options)
    first = local["explanations"][0]
    total = first["base"] + sum(c["score"] for c in first["contributions"])
    assert total == pytest.approx(first["output"], abs=1e-6)
    lime, _ = run(single, tmp_path, kind, "lime", "--method", "lime", *options)
    assert lime["method"] == "lime"


def test_onnx_and_private_machines(step: Step, tmp_path: Path) -> None:
    forest(step, tmp_path, private={**PRIVATE, "epsilon": 8.0})
    outputs = ("--output-model", "portable", "--parity", "p.json")
    done = step("export/onnx/model/export.py", "--model", "forest", *GIVEN, *outputs)
    if done.returncode:  # the exporter's own spelling of its options is its tests' business
        pytest.fail(done.stderr)
    for name in ("forest", "portable"):
        run(single, tmp_path, name, f"l-{name}", "--count", 2)
    native, portable = (json.loads((tmp_path / f"l-{n}/explanation.json").read_text()) for n in ("forest", "portable"))
    for a, b in zip(native["explanations"], portable["explanations"], strict=True):
        assert [c["score"] for c in a["contributions"]] == pytest.approx(
            [c["score"] for c in b["contributions"]], abs=1e-4
        )
    succeeded(step(DP_EBM, *GIVEN, "--epsilon", 8, "--model", "dp", "--release", "r.json", PYTHONPATH=SHARED))
    for script in (whole, single):
        found, shown = run(script, tmp_path, "dp", f"dp-{script.__name__}")
        assert found["private"] is True
        assert "as private as they are" in shown


def test_the_steps_as_processes(step: Step, tmp_path: Path) -> None:
    trained(step, tmp_path)
    out = succeeded(step(GLOBAL, "--model", "ebm", *GIVEN, "--explanation", "g", PYTHONPATH=SHARED))
    assert out.startswith("importance of age = ")
    explained(tmp_path / "g")
    assert "positions are 0 to 599" in refused(
        step(LOCAL, "--model", "ebm", *GIVEN, "--rows", "[600]", "--explanation", "l", PYTHONPATH=SHARED)
    )
    assert not (tmp_path / "l").exists()


def test_refusals(step: Step, tmp_path: Path) -> None:
    forest(step, tmp_path)
    for script, options, said in (
        (whole, ("--method", "glassbox"), "needs an explainable boosting machine, found a sklearn model"),
        (single, ("--method", "glassbox"), "needs an explainable boosting machine, found a sklearn model"),
        (whole, ("--explained-class", "rich"), "explained_class = 'rich' is no class of the model"),
        (whole, ("--repeats", "0"), "repeats = 0 is below 1"),
        (single, ("--rows", "[-1]"), "rows names position -1"),
        (single, ("--rows", "[true]"), "rows must be a list of positions"),
        (single, ("--samples", "1"), "samples = 1 is below 50"),
    ):
        with pytest.raises(faces.Refusal, match=re.escape(said)):
            run(script, tmp_path, "forest", "x", *options)
        assert not (tmp_path / "x").exists()


PROGRAM = """
pipeline p {
  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    positive = ">50K"
  }

  train machine using sklearn.RandomForestClassifier {
    table = people
  }

  explain going_by using interpret.global {
    model = machine
    table = people
  }

  explain saying using interpret.local {
    model = machine
    table = people
    rows = [0, 3]
    explained_class = "<=50K"
  }

  output model = machine
}
"""


def test_a_program(tmp_path: Path) -> None:
    put(tmp_path / "people.schema.json", PEOPLE["schema"])
    people(20).to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "p.mlp").write_text(PROGRAM)
    compiled(tmp_path / "p.mlp")
