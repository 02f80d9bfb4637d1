"""From training rows and hyper-parameters to one MLflow model: the schema's encoder and a fitted estimator.

The command line is that of docs/contracts.md: `--string NAME VALUE` for text, `--json NAME VALUE` for everything else.
"""

import argparse
import importlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import encoding, entry, models, rows, tables, tracking
from common import facts as facts_of
from common.facts import Facts
from sklearn.pipeline import Pipeline

HERE = Path(__file__).resolve().parent
TABLE = HERE / "estimators.json"


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    settings = given(options)
    chain = transformers(settings.pop("transform", None))
    description, parameters = interface(options.estimator, settings)
    estimator = build(options.estimator, description, parameters, facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    frame = encoding.features(table, facts)
    truth = None if description["task"] == "clusterer" else encoding.target(table, facts).to_numpy()
    if description["task"] == "clusterer" and facts is None:
        frame = table
    encode = encoding.encoder(frame, facts, constant=parameters.get("fit_intercept") is False)
    encoded = encode.transform(frame)

    started = time.perf_counter()
    if chain:
        encode, encoded = transformed(encode, chain, encoded, truth, description["task"], facts)
    fit(estimator, encoded, truth, facts)
    seconds = time.perf_counter() - started

    pipeline = Pipeline([("encode", encode), ("model", estimator)])
    classes = tuple(estimator.classes_.tolist()) if description["task"] == "classifier" else None
    card = models.Card(description["task"], classes, tuple(frame.columns), f"sklearn.{options.estimator}")
    figures = {"training_rows": len(frame), "training_seconds": seconds, **score(estimator, encoded, truth)}
    if options.validation is not None:
        figures["validation_score"] = validated(pipeline, options.validation, list(frame.columns), facts)
    models.save_sklearn(pipeline, options.model, card, frame, facts)
    for name, value in figures.items():
        print(f"{name} = {value:.6g}")
    with tracking.run() as log:
        named = {"transform": " ".join(type(one).__name__ for one in chain)} if chain else {}
        log.parameters({"estimator": options.estimator, **named, **parameters})
        log.metrics(figures)
        log.folder(options.model, "model")


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Hyper-parameters of the command line as values. Raises Refusal for one that is given twice."""
    found: dict[str, Any] = {}
    pairs = [(name, text) for name, text in options.string]
    pairs += [(name, entry.value(text)) for name, text in options.json]
    for name, value in pairs:
        if name in found:
            raise entry.Refusal(f"hyper-parameter {name!r} is given twice")
        found[name] = value
    return found


def interface(name: str, parameters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The table's entry of an estimator, and the hyper-parameters if the estimator has them all."""
    known = json.loads(TABLE.read_text(encoding="utf-8"))["estimators"]
    if name not in known:
        raise entry.Refusal(f"scikit-learn has no supervised estimator or clusterer {name!r}")
    description = known[name]
    if description["needs_estimator"]:
        raise entry.Refusal(f"{name} is made from another estimator, which a program cannot give yet")
    for parameter in parameters:
        if parameter not in description["parameters"]:
            raise entry.Refusal(f"{name} has no hyper-parameter {parameter!r}")
        if description["parameters"][parameter].get("object") and parameters[parameter] is not None:
            raise entry.Refusal(f"hyper-parameter {parameter!r} of {name} takes a Python object only")
    return description, parameters


def transformers(asked: Any) -> list[Any]:
    """The transformers that `transform` asks for, unfitted: names, or maps of one name to its parameters.

    Raises Refusal for a name or a parameter that transformers.json does not have.
    """
    if asked is None:
        return []
    known = json.loads((HERE / "transformers.json").read_text(encoding="utf-8"))["transformers"]
    made = []
    for one in asked if isinstance(asked, list) else [asked]:
        name, parameters = next(iter(one.items())) if isinstance(one, dict) and len(one) == 1 else (one, {})
        if not isinstance(name, str) or name not in known:
            raise entry.Refusal(f"transform: {name!r} is none of {', '.join(known)}, nor a map of one of them")
        if not isinstance(parameters, dict):
            raise entry.Refusal(f"transform: what {name} is set to is a map of its parameters")
        strange = [key for key in parameters if key not in known[name]["parameters"]]
        if strange:
            raise entry.Refusal(f"transform: {name} has no parameter {strange[0]!r} that can be set")
        if "random_state" in known[name]["parameters"]:
            parameters = {"random_state": 0, **parameters}
        made.append(getattr(importlib.import_module(known[name]["module"]), name)(**parameters))
    return made


def transformed(
    encode: Pipeline, chain: list[Any], encoded: np.ndarray, truth: Any, task: str, facts: Facts | None
) -> tuple[Pipeline, np.ndarray]:
    """The encoder with fitted transformers after it (before the constant, if it has one), and what it gives."""
    columns, *constant = encode.steps
    if constant:
        encoded = encoded[:, 1:]
    steps = []
    for place, one in enumerate(chain):
        if hasattr(one, "score_func") and task == "regressor":
            from sklearn.feature_selection import f_regression

            one.score_func = f_regression
        fit(one, encoded, truth, facts)
        encoded = one.transform(encoded)
        steps.append((f"transform_{place}", one))
    if constant:
        name, step = constant[0]
        encoded = step.fit_transform(encoded)
        constant = [(name, step)]
    return Pipeline([columns, *steps, *constant]), encoded


def build(name: str, description: dict[str, Any], parameters: dict[str, Any], facts: Facts | None) -> Any:
    """The estimator, unfitted; a random_state that is not set is 0, so that the same program gives the same model."""
    settings = dict(parameters)
    if "random_state" in description["parameters"]:
        settings.setdefault("random_state", 0)
    weights = settings.get("class_weight")
    classes = facts.classes if facts is not None else None
    if isinstance(weights, dict) and classes is not None:  # the keys of a JSON object are text, classes may be numbers
        spelled = {json.dumps(x) if not isinstance(x, str) else x: x for x in classes}
        unknown = [key for key in weights if key not in spelled]
        if unknown:
            raise entry.Refusal(f"class_weight names the class {unknown[0]!r}, which the label does not have")
        settings["class_weight"] = {spelled[key]: weight for key, weight in weights.items()}
    try:
        return getattr(importlib.import_module(description["module"]), name)(**settings)
    except (ImportError, AttributeError) as error:
        raise entry.Refusal(f"the installed scikit-learn lacks {name}: {error}") from None


def fit(estimator: Any, encoded: np.ndarray, truth: np.ndarray | None, facts: Facts | None) -> None:
    """Fit in place. What scikit-learn objects to becomes a Refusal.

    Its messages may quote rows. On private data the fit is rehearsed, once it failed, on rows that are made up: a
    message that comes then as well is about the hyper-parameters, and may be told.
    """
    try:
        estimator.fit(encoded, truth)
    except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
        if facts is None or facts.private is None:
            raise entry.Refusal(f"{type(estimator).__name__}: {error}") from None
        rehearse(estimator, encoded.shape[1], facts)
        raise entry.Withheld(f"{type(estimator).__name__} cannot be fitted: {type(error).__name__}") from None


def rehearse(estimator: Any, width: int, facts: Facts) -> None:
    """Fit a copy on noise with the same number of columns. Raises Refusal if that fails too."""
    from sklearn.base import clone

    noise = np.random.default_rng(0).random((200, width))
    classes = facts.classes
    truth = noise[:, 0] if classes is None else np.resize(np.array(classes, dtype=object), len(noise))
    if classes is not None:
        truth = pd.Series(list(truth)).infer_objects().to_numpy()
    try:
        clone(estimator).fit(noise, truth)
    except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
        raise entry.Refusal(f"{type(estimator).__name__}: {error}") from None


def score(estimator: Any, encoded: np.ndarray, truth: np.ndarray | None) -> dict[str, float]:
    """The estimator's own score on the training rows (accuracy, R²), or how many clusters it found."""
    if truth is None:
        labels = getattr(estimator, "labels_", None)
        return {} if labels is None else {"clusters": len(set(labels.tolist()) - {-1})}
    return {"training_score": float(estimator.score(encoded, truth))}


def validated(pipeline: Pipeline, path: Path, columns: list[str], facts: Facts | None) -> float:
    """The estimator's own score (accuracy, R²) on rows that it has not seen. Raises Refusal for a clusterer."""
    held = tables.read(path, facts)
    rows.check(held, facts)
    absent = [name for name in columns if name not in held.columns]
    if absent:
        raise entry.Refusal(f"validation lacks the column {absent[0]!r}, which the model was trained on")
    if not hasattr(pipeline, "score") or facts is None or facts.label is None:
        raise entry.Refusal("only what predicts a label can be validated; leave out validation")
    return float(pipeline.score(held[columns], encoding.target(held, facts).to_numpy()))


if __name__ == "__main__":
    arguments = entry.parser("Train a scikit-learn estimator.")
    arguments.add_argument("--estimator", required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--validation", type=Path)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--string", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    arguments.add_argument("--json", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    arguments.add_argument("--model", type=Path, required=True)
    entry.run(main, arguments)
