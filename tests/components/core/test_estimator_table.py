"""estimators.json and datasets.json: what the installed scikit-learn says, in types that the language knows."""

import json
from typing import Any

import numpy as np
import pytest
import skops.io
from common.trusted import TRUSTED
from component_steps import COMPONENTS, module
from mlp_lang.compiler.typenames import type_of
from sklearn.datasets import make_classification

FOLDER = COMPONENTS / "train/sklearn"
TABLE: dict[str, Any] = json.loads((FOLDER / "estimators.json").read_text(encoding="utf-8"))
ESTIMATORS: dict[str, Any] = TABLE["estimators"]
PARAMETERS = [(name, key, one) for name, e in ESTIMATORS.items() for key, one in e["parameters"].items()]

# Estimators that a plain classification or regression table cannot please, and why.
OTHER_TARGETS = {
    "SelfTrainingClassifier": "wants an estimator at fit time",
    "CCA": "wants as many targets as components",
    "PLSCanonical": "wants as many targets as components",
    "IsotonicRegression": "wants one feature",
    "MultiTaskElasticNet": "wants several targets",
    "MultiTaskElasticNetCV": "wants several targets",
    "MultiTaskLasso": "wants several targets",
    "MultiTaskLassoCV": "wants several targets",
}
NOT_IN_SKOPS = {"Birch"}


def without_version(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "sklearn": ".".join(document["sklearn"].split(".")[:2])}


def test_the_table_is_what_the_installed_scikit_learn_says() -> None:
    generate = module("train/sklearn/generate.py", "generate_estimators")
    assert without_version(TABLE) == without_version(generate.table())
    assert generate.render(TABLE, "estimators") == (FOLDER / "estimators.json").read_text(encoding="utf-8")
    transformers = generate.transformers()
    committed = (FOLDER / "transformers.json").read_text(encoding="utf-8")
    assert without_version(json.loads(committed)) == without_version(transformers)
    assert generate.render(json.loads(committed), "transformers") == committed


def test_the_data_sets_are_what_the_installed_scikit_learn_ships() -> None:
    generate = module("prepare/sklearn/dataset/generate.py", "generate_datasets")
    committed = (COMPONENTS / "prepare/sklearn/dataset/datasets.json").read_text(encoding="utf-8")
    assert generate.render(generate.table()) == committed


def test_sizes() -> None:
    assert len(ESTIMATORS) == 111
    assert len(PARAMETERS) == 1060
    assert sum(one.get("object", False) for *_, one in PARAMETERS) == 29
    assert sum(e["needs_estimator"] for e in ESTIMATORS.values()) == 13


def test_every_type_is_one_of_the_language_and_every_parameter_has_a_sentence() -> None:
    for name, key, one in PARAMETERS:
        type_of(one["type"])
        assert one["description"].endswith("."), (name, key)


TYPES = [
    ("LogisticRegression", "C", "float(>0..)", 1.0),
    ("LogisticRegression", "max_iter", "int(0..)", 100),
    (
        "LogisticRegression",
        "solver",
        'enum("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")',
        "lbfgs",
    ),
    ("LogisticRegression", "class_weight", 'map[any] | enum("balanced") | none', None),
    ("RandomForestClassifier", "max_features", 'int(1..) | float(>0..1) | enum("log2", "sqrt") | none', "sqrt"),
    ("SGDClassifier", "validation_fraction", "float(>0..<1)", 0.1),
    ("HistGradientBoostingClassifier", "max_bins", "int(2..255)", 255),
    ("MLPClassifier", "hidden_layer_sizes", "list[any] | int(1..)", [100]),
    ("SVC", "random_state", "int(0..4294967295) | none", None),
]


@pytest.mark.parametrize(("name", "key", "type_", "default"), TYPES, ids=lambda x: x if isinstance(x, str) else "")
def test_types_and_defaults(name: str, key: str, type_: str, default: Any) -> None:
    found = ESTIMATORS[name]["parameters"][key]
    assert (found["type"], found["default"]) == (type_, default)


def test_deprecations_and_converters() -> None:
    gone = {f"{name}.{key}": one["deprecated"] for name, key, one in PARAMETERS if "deprecated" in one}
    assert gone["LogisticRegression.penalty"] == "1.8"
    assert gone["SVC.probability"] == "1.9"
    assert "LogisticRegression.C" not in gone
    assert ESTIMATORS["LogisticRegression"]["onnx"]
    assert not ESTIMATORS["LabelSpreading"]["onnx"]


@pytest.mark.slow
def test_every_estimator_fits_is_saved_and_loads_with_the_trusted_types_alone(recwarn: pytest.WarningsRecorder) -> None:
    train = module("train/sklearn/train.py", "core_train")
    features, classes = make_classification(80, 4, n_informative=3, n_redundant=0, random_state=0)
    features = (features - features.min(0)) / np.ptp(features, axis=0)
    fitted = 0
    for name, description in ESTIMATORS.items():
        if description["needs_estimator"] or name in OTHER_TARGETS:
            continue
        parameters = {"radius": 10.0} if name.startswith("RadiusNeighbors") else {}
        estimator = train.build(name, description, parameters, None)
        truth = {"classifier": classes, "regressor": classes + features[:, 0] + 0.1, "clusterer": None}[
            description["task"]
        ]
        train.fit(estimator, features, truth, None)
        fitted += 1
        if name in NOT_IN_SKOPS:
            continue
        saved = skops.io.dumps(estimator)
        held = skops.io.get_untrusted_types(data=saved)
        assert set(held) <= TRUSTED, name
        loaded = skops.io.loads(saved, trusted=held)
        if hasattr(estimator, "predict"):
            assert np.array_equal(loaded.predict(features), estimator.predict(features)), name
    assert fitted == 111 - 13 - len(OTHER_TARGETS)


def test_the_table_says_what_the_trainer_refuses() -> None:
    train = module("train/sklearn/train.py", "core_train_refusals")
    cases = [
        ("VotingClassifier", {}, "made from another estimator"),
        ("LogisticRegresion", {}, "no supervised estimator or clusterer 'LogisticRegresion'"),
        ("Ridge", {"alhpa": 1}, "no hyper-parameter 'alhpa'"),
        ("BaggingClassifier", {"estimator": "SVC"}, "takes a Python object only"),
    ]
    for name, parameters, reason in cases:
        with pytest.raises(train.entry.Refusal, match=reason):
            train.interface(name, parameters)
