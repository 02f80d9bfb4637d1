"""The scripts as processes, with the real libraries: what they leave behind, and how they refuse."""

import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from common import facts as facts_of
from common import models, rows, tables
from common.entry import Refusal
from component_steps import COMPONENTS, PEOPLE, PRIVATE, ROOT, Step, put, refused, succeeded

SPLIT = "prepare/tabular/split/split.py"
DATASET = "prepare/sklearn/dataset/dataset.py"
TRAIN = "train/sklearn/train.py"
CLASSIFY = "evaluate/sklearn/classification/classify.py"
REGRESS = "evaluate/sklearn/regression/regress.py"
SHIPPED = json.loads((COMPONENTS / "prepare/sklearn/dataset/datasets.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.slow


def people(path: Path, count: int = 300, seed: int = 0) -> Path:
    """Rows of PEOPLE in UCI's format; income follows age and hours."""
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        age, hours = int(draw.integers(17, 91)), round(float(draw.uniform(0, 100)), 1)
        rich = draw.random() < 1 / (1 + np.exp(-(age + hours - 105) / 6))
        work, sex = draw.choice(["State-gov", "Private", "?"]), draw.choice(["Female", "Male"])
        cells = [age, hours, work, int(draw.integers(1, 4)), "true", sex, ">50K" if rich else "<=50K"]
        lines.append(", ".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def gate(text: str, hard: bool, operator: str, metric: str, bound: Any) -> dict[str, Any]:
    condition = [operator, ["metric", metric], ["value", bound]]
    return {"text": text, "hard": hard, "span": "t.mlp:3:5", "condition": condition}


@pytest.mark.parametrize("neighbours", ["replace_one", "add_remove"])
def test_private_rows_from_csv_to_metrics(step: Step, tmp_path: Path, neighbours: str) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": {**PRIVATE, "neighbours": neighbours}})
    people(tmp_path / "people.csv")
    succeeded(step(SPLIT, "--table", "people.csv", "--facts", facts, "--train", "train", "--test", "test"))
    known = facts_of.load(facts)
    parts = [tables.read(tmp_path / name, known) for name in ("train", "test")]
    assert sum(map(len, parts)) == 300

    hyper = ("--json", "C", "1.0", "--json", "fit_intercept", "False", "--string", "solver", "lbfgs")
    said = succeeded(
        step(
            TRAIN, "--estimator", "LogisticRegression", "--table", "train", "--facts", facts, *hyper, "--model", "model"
        )
    )
    assert "training_score = " in said
    pipeline, card = models.load_sklearn(tmp_path / "model")
    features = ("age", "hours", "work", "grade", "member")
    assert card == models.Card("classifier", ("<=50K", ">50K"), features, "sklearn.LogisticRegression")
    assert pipeline["model"].C == 1.0
    assert pipeline["model"].random_state == 0
    assert pipeline["encode"].transform(parts[0][list(card.features)])[:, 0].tolist() == [1.0] * len(parts[0])

    gates = [gate("accuracy >= 0.7", True, ">=", "accuracy", "0.7"), gate("f1 >= 1", False, ">=", "f1", 1)]
    arguments = ("--model", "model", "--table", "test", "--facts", facts, "--metrics", "m.json", "--report", "report")
    said = succeeded(step(CLASSIFY, *arguments, "--gates", json.dumps(gates)))
    assert "passed: require accuracy >= 0.7 (accuracy = 0." in said
    assert "failed: expect f1 >= 1 (f1 = " in said
    document = json.loads((tmp_path / "m.json").read_text())
    jsonschema.validate(document, json.loads((ROOT / "schemas/metrics.schema.json").read_text()))
    by_hand = np.mean(pipeline.predict(parts[1][list(card.features)]) == parts[1]["income"])
    assert document["metrics"]["accuracy"] == pytest.approx(by_hand)
    figures = {path.name for path in (tmp_path / "report").iterdir()}
    assert figures == {"index.html", "confusion.png", "roc.png", "precision_recall.png", "calibration.png"}
    assert (tmp_path / "report/roc.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_of_private_rows_is_in_a_model_beside_its_parameters(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": PRIVATE})
    for name, seed in (("one", 1), ("two", 2)):
        people(tmp_path / name, seed=seed)
        succeeded(
            step(TRAIN, "--estimator", "SGDClassifier", "--table", name, "--facts", facts, "--model", f"{name}.model")
        )
    for file in ("input_example.json", "serving_input_example.json", "requirements.txt"):
        assert (tmp_path / "one.model" / file).read_bytes() == (tmp_path / "two.model" / file).read_bytes()
    signatures = [models.read_mlmodel(tmp_path / f"{name}.model")["signature"] for name in ("one", "two")]
    assert signatures[0] == signatures[1]
    example = json.loads((tmp_path / "one.model/input_example.json").read_text())
    frame = pd.DataFrame(example["data"], columns=example["columns"])
    known = facts_of.parse({**PEOPLE, "schema": {"properties": PEOPLE["schema"]["properties"]}})
    rows.check(frame, known)


@pytest.mark.parametrize(
    ("name", "estimator", "script", "metric", "bound"),
    [
        ("wine", "RandomForestClassifier", CLASSIFY, "accuracy", 0.9),
        ("digits", "LinearSVC", CLASSIFY, "accuracy", 0.9),
        ("breast_cancer", "GaussianNB", CLASSIFY, "roc_auc", 0.95),
        ("iris", "LinearDiscriminantAnalysis", CLASSIFY, "f1", 0.9),
        ("diabetes", "Ridge", REGRESS, "r2", 0.3),
    ],
)
def test_shipped_data_sets_from_name_to_report(
    step: Step, tmp_path: Path, name: str, estimator: str, script: str, metric: str, bound: float
) -> None:
    jsonschema.validate(SHIPPED[name], json.loads((ROOT / "schemas/facts.schema.json").read_text()))
    facts = put(tmp_path / "facts.json", SHIPPED[name])
    succeeded(step(DATASET, "--name", name, "--output", "table"))
    stratify = () if script == REGRESS else ("--stratify", "true")
    succeeded(step(SPLIT, "--table", "table", "--facts", facts, *stratify, "--train", "train", "--test", "test"))
    succeeded(step(TRAIN, "--estimator", estimator, "--table", "train", "--facts", facts, "--model", "model"))
    judged = json.dumps([gate("good", True, ">=", metric, bound)])
    outputs = ("--metrics", "m.json", "--report", "report")
    succeeded(step(script, "--model", "model", "--table", "test", "--facts", facts, "--gates", judged, *outputs))
    assert json.loads((tmp_path / "m.json").read_text())["metrics"][metric] >= bound


def test_a_failed_require_fails_the_step_after_writing_what_it_measured(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    people(tmp_path / "people")
    arguments = ("--table", "people", "--facts", facts)
    succeeded(step(TRAIN, "--estimator", "DummyClassifier", *arguments, "--model", "model"))
    gates = json.dumps([gate("accuracy >= 0.9", True, ">=", "accuracy", "0.9")])
    done = step(CLASSIFY, "--model", "model", *arguments, "--gates", gates, "--metrics", "m.json", "--report", "report")
    assert refused(done).startswith("require failed: accuracy >= 0.9 (accuracy = 0.")
    assert refused(done).endswith(", bound 0.9) at t.mlp:3:5")
    found = json.loads((tmp_path / "m.json").read_text())
    assert found["gates"][0]["passed"] is False
    assert found["metrics"]["accuracy"] == found["metrics"]["baseline_accuracy"]


def test_a_clusterer_needs_no_label(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    people(tmp_path / "people")
    arguments = ("--table", "people", "--facts", facts)
    assert "clusters = 3" in succeeded(
        step(TRAIN, "--estimator", "KMeans", *arguments, "--json", "n_clusters", "3", "--model", "model")
    )
    done = step(CLASSIFY, "--model", "model", *arguments, "--metrics", "m.json", "--report", "report")
    assert "is a clusterer, a classifier is expected" in refused(done)


HYPER = [
    (("--json", "C", "-1"), "LogisticRegression: The 'C' parameter of LogisticRegression must be a float in the range"),
    (("--string", "solver", "liblinar"), "The 'solver' parameter of LogisticRegression must be a str among"),
    (("--string", "solver", "lbfgs", "--json", "l1_ratio", "1.0"), "LogisticRegression: Solver lbfgs"),
    (("--json", "C", "one"), "'one' is not JSON"),
    (("--json", "C", "1", "--json", "C", "2"), "hyper-parameter 'C' is given twice"),
    (("--json", "class_weight", '{"rich": 2}'), "class_weight names the class 'rich'"),
    (("--depth", "3"), "command line: unrecognized arguments"),
]


@pytest.mark.parametrize("private", [None, PRIVATE], ids=["public", "private"])
@pytest.mark.parametrize(("given", "reason"), HYPER, ids=[reason[:24] for _, reason in HYPER])
def test_hyper_parameters_that_are_wrong_are_told_in_one_line(
    step: Step, tmp_path: Path, given: tuple[str, ...], reason: str, private: Any
) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": private})
    people(tmp_path / "people")
    done = step(
        TRAIN, "--estimator", "LogisticRegression", "--table", "people", "--facts", facts, *given, "--model", "m"
    )
    assert reason in refused(done)
    assert not (tmp_path / "m").exists()


def test_an_error_over_private_rows_is_told_without_its_message(step: Step, tmp_path: Path) -> None:
    """One class in the rows: scikit-learn's message quotes it."""
    (tmp_path / "people").write_text("39, 1, Private, 1, true, Male, >50K\n" * 5, encoding="utf-8")
    arguments = ("--estimator", "LogisticRegression", "--table", "people", "--facts")
    public = put(tmp_path / "public.json", PEOPLE)
    assert "only one class: '>50K'" in refused(step(TRAIN, *arguments, public, "--model", "m")).replace("np.str_(", "")
    private = put(tmp_path / "private.json", {**PEOPLE, "private": PRIVATE})
    said = refused(step(TRAIN, *arguments, private, "--model", "m"))
    assert said.endswith("the message is withheld because the data is private")
    assert ">50K" not in said


@pytest.mark.parametrize(
    ("way", "column", "apart"), [("--group", "grade", True), ("--time", "age", True), ("--stratify", "grade", False)]
)
def test_a_split_by_a_column(step: Step, tmp_path: Path, way: str, column: str, apart: bool) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    people(tmp_path / "people")
    given = ("--table", "people", "--facts", facts, way, column, "--test-size", "0.3")
    succeeded(step(SPLIT, *given, "--train", "train", "--test", "test"))
    train, test = (pd.read_parquet(tmp_path / name)[column] for name in ("train", "test"))
    assert len(train) + len(test) == 300
    assert set(train).isdisjoint(test) == apart
    assert column != "age" or train.max() < test.min()


def test_wrong_rows_stop_the_split_and_leave_no_output(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": PRIVATE})
    (tmp_path / "people").write_text("16, 1, Private, 1, true, Male, >50K\n" * 5, encoding="utf-8")
    said = refused(step(SPLIT, "--table", "people", "--facts", facts, "--train", "train", "--test", "test"))
    assert "column 'age' breaks minimum 17 in 5 rows;" in said
    assert {path.name for path in tmp_path.iterdir()} == {"facts.json", "people"}


def test_mlflow_gets_parameters_metrics_and_the_model_where_a_server_is_set(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    people(tmp_path / "people")
    uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    arguments = ("--table", "people", "--facts", facts)
    succeeded(
        step(TRAIN, "--estimator", "Perceptron", *arguments, "--json", "alpha", "0.01", "--model", "model", **uri)
    )
    outputs = ("--metrics", "m.json", "--report", "report")
    succeeded(step(CLASSIFY, "--model", "model", *arguments, *outputs, **uri))
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        parameters = dict(store.execute("select key, value from params").fetchall())
        metrics = dict(store.execute("select key, value from metrics").fetchall())
        assert store.execute("select status from runs").fetchall() == [("FINISHED",)] * 2
        (artifacts,) = set(store.execute("select artifact_uri from runs").fetchall()[:1])
    assert parameters == {"estimator": "Perceptron", "alpha": "0.01"}
    assert metrics["accuracy"] == json.loads((tmp_path / "m.json").read_text())["metrics"]["accuracy"]
    assert artifacts is not None
    assert len(list(tmp_path.glob("mlruns/**/MLmodel"))) == 1


def forged(folder: Path, flavor: dict[str, Any]) -> Path:
    folder.mkdir()
    put(folder / "MLmodel", {"flavors": flavor, "metadata": {"mlp": {"task": "classifier"}}})
    return folder


def test_models_that_could_run_code_are_refused(tmp_path: Path) -> None:
    import pickle

    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    pickled = forged(tmp_path / "pickled", {"sklearn": {"pickled_model": "m", "serialization_format": "pickle"}})
    (pickled / "m").write_bytes(pickle.dumps(1))
    with pytest.raises(Refusal, match=r"may run code when it is loaded; give it in ONNX or skops format"):
        models.load(pickled)

    # The MLmodel vouches for the type itself: only our own list counts.
    strange = forged(
        tmp_path / "strange",
        {
            "sklearn": {
                "pickled_model": "m",
                "serialization_format": "skops",
                "skops_trusted_types": ["subprocess.Popen"],
            }
        },
    )
    skops.io.dump(Pipeline([("model", LogisticRegression())]), strange / "m")
    text = {}
    with zipfile.ZipFile(strange / "m") as archive:
        text = {name: archive.read(name) for name in archive.namelist()}
    schema = text["schema.json"].decode().replace('"LogisticRegression"', '"Popen"')
    text["schema.json"] = schema.replace("sklearn.linear_model._logistic", "subprocess").encode()
    with zipfile.ZipFile(strange / "m", "w") as archive:
        for name, content in text.items():
            archive.writestr(name, content)
    with pytest.raises(Refusal, match=r"holds the type subprocess\.Popen"):
        models.load(strange)

    outside = forged(tmp_path / "outside", {"onnx": {"data": "../pickled/m"}})
    with pytest.raises(Refusal, match="not in the model's folder"):
        models.load(outside)
    with pytest.raises(Refusal, match="has no MLmodel file"):
        models.load(tmp_path)


def test_an_output_that_exists_is_not_overwritten(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    people(tmp_path / "people")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "theirs").touch()
    said = refused(step(TRAIN, "--estimator", "Perceptron", "--table", "people", "--facts", facts, "--model", "model"))
    assert "exists already and is not an empty folder" in said
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["theirs"]


def test_an_onnx_model_is_judged_like_the_one_it_was_made_from(step: Step, tmp_path: Path) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    facts = put(tmp_path / "facts.json", {**PEOPLE, "features": ["age", "grade"]})
    people(tmp_path / "people")
    arguments = ("--table", "people", "--facts", facts)
    succeeded(step(TRAIN, "--estimator", "LogisticRegression", *arguments, "--model", "model"))
    pipeline, card = models.load_sklearn(tmp_path / "model")
    folder = tmp_path / "portable"
    folder.mkdir()
    metadata = card.to_metadata()
    put(folder / "MLmodel", {"flavors": {"onnx": {"data": "model.onnx"}}, "metadata": metadata})
    inputs = [("age", FloatTensorType([None, 1])), ("grade", FloatTensorType([None, 1]))]
    (folder / "model.onnx").write_bytes(
        to_onnx(pipeline, initial_types=inputs, options={"zipmap": False}).SerializeToString()
    )
    found = {}
    for name in ("model", "portable"):
        outputs = ("--metrics", f"{name}.json", "--report", f"{name}.report")
        succeeded(step(CLASSIFY, "--model", name, *arguments, *outputs))
        found[name] = json.loads((tmp_path / f"{name}.json").read_text())["metrics"]
    assert found["portable"] == pytest.approx(found["model"], abs=1e-5)
