"""ONNX export: the same answers, the same interface, nothing of the rows, and a refusal where that cannot be had."""

import importlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pandas as pd
import parity
import pytest
import yaml
from common import encoding, models, onnx_graph
from common.entry import Refusal
from common.facts import parse
from sklearn.pipeline import Pipeline
from trust_steps import COMPONENTS, ONNX, ROOT, Folder, facts_document, people, process, script, train

PARITY = json.loads((ROOT / "schemas/parity.schema.json").read_text())
ESTIMATORS = json.loads((COMPONENTS / "train/sklearn/estimators.json").read_text())["estimators"]


def export(folder: Folder, out: Folder, /, **arguments: Any) -> Any:
    given = {
        "model": folder / "plain",
        "table": folder / "test.parquet",
        "facts": folder / "facts.json",
        "output-model": out / "portable",
        "parity": out / "parity.json",
    } | {name.replace("_", "-"): value for name, value in arguments.items()}
    return script(ONNX, "export.py", *(x for k, v in given.items() if v is not None for x in (f"--{k}", v)))


def test_the_step(trained: Folder, here: Folder) -> None:
    done = export(trained, here)
    assert done.returncode == 0, done.stderr
    document = json.loads((here / "parity.json").read_text())
    jsonschema.validate(document, PARITY)
    assert document["passed"]
    assert document["label_agreement"] == 1.0
    assert (
        0 < document["max_abs_difference"] < 1e-5
    )  # floats differ from doubles: nought would mean nothing was compared
    graph = onnx.load(here / "portable/model.onnx")
    onnx.checker.check_model(graph, full_check=True)
    assert [i.name for i in graph.graph.input] == ["age", "hours", "education", "occupation"]
    assert [o.name for o in graph.graph.output] == ["label", "probabilities"]

    # The folder is an MLflow model with the interface of the given one, and the library reads it by itself.
    given, made = (yaml.safe_load((f / "MLmodel").read_text()) for f in (trained / "plain", here / "portable"))
    assert made["signature"] == given["signature"]
    assert made["metadata"] == given["metadata"]
    native, exported = models.load(trained / "plain"), models.load(here / "portable")
    rows = people(300, seed=5)[list(native.card.features)]
    assert exported.framework == "onnx"
    assert exported.predict(rows).tolist() == native.predict(rows).tolist()
    assert exported.scores(rows) == pytest.approx(native.scores(rows), abs=1e-5)


def test_the_model_depends_on_the_model_alone(trained: Folder, here: Folder) -> None:
    """Compared on other rows, the same model gives the same folder, but for an identity and a time that MLflow adds."""
    tables = [trained / "test.parquet", here.table(people(40, seed=9))]
    folders = [here / "a", here / "b"]
    for table, folder in zip(tables, folders, strict=True):
        assert (
            export(trained, here, table=table, output_model=folder, parity=here / f"{folder.name}.json").returncode == 0
        )
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    documents = [yaml.safe_load(f.pop(Path("MLmodel"))) for f in files]
    assert files[0] == files[1]
    for document in documents:
        for key in ("model_uuid", "utc_time_created", "model_id"):
            document.pop(key, None)
    assert documents[0] == documents[1]


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [
        ("LogisticRegression", {"fit_intercept": False}),
        ("RandomForestClassifier", {"n_estimators": 20}),
        ("HistGradientBoostingClassifier", {"max_iter": 20}),
        ("GradientBoostingClassifier", {"n_estimators": 20}),
        ("LinearSVC", {}),
        ("GaussianNB", {}),
        ("MLPClassifier", {"max_iter": 20}),
        ("KMeans", {"n_clusters": 3}),
    ],
)
def test_estimators(trained: Folder, here: Folder, estimator: str, settings: Any) -> None:
    train(trained / "train.parquet", trained / "public.json", here / "model", estimator, **settings)
    done = export(trained, here, model=here / "model")
    assert done.returncode == 0, done.stderr
    assert json.loads((here / "parity.json").read_text())["label_agreement"] == 1.0


@pytest.mark.parametrize("estimator", ["Ridge", "RandomForestRegressor", "HistGradientBoostingRegressor"])
def test_regressors(here: Folder, estimator: str) -> None:
    document = facts_document(private=None, positive=None)
    document["schema"]["properties"]["income"] = {"type": "number"}
    (here / "facts.json").write_text(json.dumps(document))
    frame = people(800).assign(income=lambda d: 1000.0 * d["age"] + (d["education"] == "University") * 5e4)
    here.table(frame, "train.parquet")
    train(here / "train.parquet", here / "facts.json", here / "model", estimator)
    done = export(here, here, model=here / "model", table=here / "train.parquet")
    assert done.returncode == 0, done.stderr
    document = json.loads((here / "parity.json").read_text())
    assert document["label_agreement"] is None
    assert document["scale"] > 5e4


COLUMNS = {
    "whole": {"type": "integer", "minimum": 0, "maximum": 10},
    "gaps": {"type": ["integer", "null"], "minimum": 0, "maximum": 1_000_000_007},
    "code": {"enum": [1, 2, 30]},
    "gap code": {"enum": [1, 2, None]},
    "flag": {"type": "boolean"},
    "word": {"enum": ["é 漢", "b", "c", None]},
    "free": {"type": ["number", "null"]},
    "text": {"type": ["string", "null"]},
    "label": {"type": "boolean"},
}


def test_columns_of_every_kind_and_missing_values(here: Folder) -> None:
    """Integers too long for a float, codes, booleans, null text, and columns that the encoder learnt from rows."""
    draw = np.random.default_rng(1)
    words = np.array(["é 漢", "b", "c", None], dtype=object)
    frame = pd.DataFrame(
        {
            "whole": draw.integers(0, 11, 500),
            "gaps": np.where(draw.random(500) < 0.2, np.nan, draw.integers(0, 10**9, 500)),
            "code": draw.choice([1, 2, 30], 500),
            "gap code": draw.choice([1.0, 2.0, np.nan], 500),
            "flag": draw.random(500) < 0.5,
            "word": draw.choice(words, 500),
            "free": np.where(draw.random(500) < 0.1, np.nan, draw.normal(1e6, 5, 500)),
            "text": draw.choice(np.array(["x", "y", None], dtype=object), 500),
        }
    )
    frame["label"] = (frame["whole"] > 5) ^ (frame["flag"] & (frame["code"] == 2)) ^ (frame["gaps"] > 5e8)
    schema = {"type": "object", "properties": COLUMNS}
    document = {"name": "kinds", "schema": schema, "label": "label", "positive": True, "sensitive": []}
    (here / "facts.json").write_text(json.dumps(document))
    here.table(frame)
    train(here / "table.parquet", here / "facts.json", here / "model", "DecisionTreeClassifier", max_depth=8)
    done = export(here, here, model=here / "model", table=here / "table.parquet")
    assert done.returncode == 0, done.stderr
    assert json.loads((here / "parity.json").read_text())["max_abs_difference"] < 1e-6
    kinds = {i.name: i.type.tensor_type.elem_type for i in onnx.load(here / "portable/model.onnx").graph.input}
    t = onnx.TensorProto
    assert (kinds["gaps"], kinds["code"], kinds["word"]) == (t.DOUBLE, t.INT64, t.STRING)


def test_beyond_the_tolerance_no_model_is_written(trained: Folder, here: Folder) -> None:
    done = export(trained, here, tolerance=0)
    assert done.returncode == 1
    assert "the exported model is not the model" in done.stderr
    assert json.loads((here / "parity.json").read_text())["passed"] is False
    assert not (here / "portable").exists()


def test_a_converter_that_differs_is_found_out(trained: Folder, here: Folder) -> None:
    """Nearest neighbours at equal distances are taken in another order: probabilities differ by whole fifths."""
    train(trained / "train.parquet", trained / "public.json", here / "model", "KNeighborsClassifier")
    here.table(people(2000, seed=5))
    done = export(trained, here, model=here / "model", table=here / "table.parquet")
    assert done.returncode == 1
    assert json.loads((here / "parity.json").read_text())["max_abs_difference"] > 0.1


class Answers:
    """Stands for a model in the comparison alone: what it would answer."""

    def __init__(self, task: str, labels: Any, scores: Any = None) -> None:
        self.card = models.Card(task, None, ())
        self.predict = lambda rows: np.array(labels)
        self.scores = lambda rows: None if scores is None else np.array(scores)


@pytest.mark.parametrize(
    ("native", "other", "difference", "agreement", "passed"),
    [
        (("classifier", ["a", "b"], [[1, 0], [0, 1]]), (["a", "b"], [[1, 0], [0, 1]]), 0.0, 1.0, True),
        (("classifier", ["a", "b"], [[1, 0], [0, 1]]), (["a", "a"], [[1, 0], [0, 1]]), 0.0, 0.5, False),
        (("classifier", ["a", "b"], [[1, 0], [0.5, 0.5]]), (["a", "a"], [[1, 0], [0.5, 0.5]]), 0.0, 1.0, True),
        (("classifier", ["a", "b"], [[1, 0], [0, 1]]), (["a", "b"], [[1, 0], [0.2, 0.8]]), 0.2, 1.0, False),
        (("classifier", ["a"], [[1, 0]]), (["a"], None), float("inf"), 1.0, False),
        (("classifier", ["a"], [[1, 0]]), (["a"], [[float("nan"), 0]]), float("inf"), 1.0, False),
        (("classifier", [True, False], None), ([1, 0], None), None, 0.0, False),
        (("clusterer", [0, 1], None), ([0, 1], None), None, 1.0, True),
        (("regressor", [1000.0, -2000.0], None), ([1000.1, -2000.0], None), 0.1, None, True),
        (("regressor", [1.0, 2.0], None), ([1.0, 2.1], None), 0.1, None, False),
        (("regressor", [float("inf")], None), ([float("inf")], None), 0.0, None, True),
    ],
)
def test_verdicts(native: Any, other: Any, difference: Any, agreement: Any, passed: bool) -> None:
    rows = pd.DataFrame({"x": range(len(native[1]))})
    found = parity.compare(Answers(*native), Answers(native[0], *other), rows, 1e-4, 0.999)
    assert found.max_abs_difference == (None if difference is None else pytest.approx(difference))
    if not isinstance(native[1][0], bool):  # booleans against 0 and 1 are equal, which the next line says
        assert (found.label_agreement, found.passed) == (agreement, passed)
    else:
        assert found.label_agreement == 1.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"tolerance": 2}, "tolerance must lie between 0 and 1"),
        ({"agreement": -1}, "agreement must lie between 0 and 1"),
        ({"tolerance": "nan"}, "tolerance must lie between 0 and 1"),
        ({"model": "nowhere"}, "is not an MLflow model"),
    ],
)
def test_refusals(trained: Folder, here: Folder, arguments: Any, said: str) -> None:
    done = export(trained, here, **arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("mlp: ")
    assert said in done.stderr
    assert not (here / "portable").exists()


def test_an_exported_model_is_not_exported_again(trained: Folder, here: Folder) -> None:
    assert export(trained, here).returncode == 0
    done = export(trained, here, model=here / "portable", output_model=here / "twice")
    assert done.returncode == 1
    assert "onnx model, a scikit-learn model is expected" in done.stderr


def test_a_vocabulary_with_empty_text_and_missing_values(here: Folder) -> None:
    frame = pd.DataFrame({"x": np.array(["", None, "b"] * 20, dtype=object)})
    pipeline = Pipeline([("encode", encoding.encoder(frame, None)), ("model", None)])
    pipeline.steps[1] = (
        "model",
        importlib.import_module("sklearn.tree").DecisionTreeClassifier().fit([[0], [1]], [0, 1]),
    )
    with pytest.raises(Refusal, match="empty text and missing values"):
        onnx_graph.convert(pipeline, "classifier", "m")


def test_a_vocabulary_of_fractions(here: Folder) -> None:
    schema = {"type": "object", "properties": {"x": {"enum": [0.5, 1.25]}, "y": {"enum": [0, 1]}}}
    facts = parse({"name": "t", "schema": schema, "label": "y"})
    frame = pd.DataFrame({"x": [0.5, 1.25]})
    tree = importlib.import_module("sklearn.tree").DecisionTreeClassifier().fit([[0, 1], [1, 0]], [0, 1])
    with pytest.raises(Refusal, match="fractions"):
        onnx_graph.convert(Pipeline([("encode", encoding.encoder(frame, facts)), ("model", tree)]), "classifier", "m")


@pytest.mark.slow
def test_the_step_as_a_process(trained: Folder, here: Folder) -> None:
    names = {"model": "plain", "table": "test.parquet", "facts": "facts.json"}
    given = [text for name, file in names.items() for text in (f"--{name}", trained / file)]
    done = process(ONNX, "export.py", *given, "--output-model", here / "portable", "--parity", here / "parity.json")
    assert (done.returncode, done.stderr) == (0, "")


CONVERTIBLE = [
    name
    for name, made in ESTIMATORS.items()
    if made["onnx"] and not made["needs_estimator"] and not name.startswith("MultiTask")  # these take several labels
]
UNEQUAL = {
    "GaussianProcessClassifier": "converts only classes that are numbers",
    "KNeighborsClassifier": "breaks ties of distance in another order",
    "KNeighborsRegressor": "breaks ties of distance in another order",
    "LinearDiscriminantAnalysis": "computes other probabilities",
    "RadiusNeighborsClassifier": "fails on rows without neighbours",
    "RadiusNeighborsRegressor": "fails on rows without neighbours",
}
"""Converters of skl2onnx that do not give what scikit-learn gives. The step refuses these exports, by their parity."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTIBLE)
def test_every_estimator_with_a_converter(here: Folder, name: str) -> None:
    """Either the export gives the same answers, or it is among those that are known not to, and is refused."""
    facts = parse(facts_document(private=None))
    frame = people(800)
    rows = encoding.features(frame, facts)
    encoder = encoding.encoder(rows, facts)
    encoded = encoder.transform(rows)
    draw = np.random.default_rng(0)
    task = ESTIMATORS[name]["task"]
    truth = {"classifier": frame["income"].to_numpy(), "clusterer": None}.get(task, np.exp(3 * encoded[:, 0]))
    if task == "regressor":
        truth = truth + draw.random(800)
    estimator = getattr(importlib.import_module(ESTIMATORS[name]["module"]), name)()
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    if name == "QuadraticDiscriminantAnalysis":
        estimator.set_params(reg_param=0.5)
    pipeline = Pipeline([("encode", encoder), ("model", estimator.fit(encoded, truth))])
    classes = tuple(estimator.classes_.tolist()) if task == "classifier" else None
    card = models.Card(task, classes, tuple(rows.columns), f"sklearn.{name}")
    native = models.Model(
        "sklearn",
        card,
        pipeline,
        lambda table: pipeline.predict(table),
        lambda table: pipeline.predict_proba(table) if hasattr(pipeline, "predict_proba") else None,
    )
    try:
        (here / "model.onnx").write_bytes(onnx_graph.convert(pipeline, task, name).SerializeToString())
        exported = models._load_onnx(here / "model.onnx", card)
        passed = parity.compare(native, exported, people(2000, seed=5)[rows.columns], 1e-4, 0.999).passed
    except Refusal:
        passed = False
    assert passed == (name not in UNEQUAL)
