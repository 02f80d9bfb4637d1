"""From a logistic regression and the private rows that it was fitted on to the same model with noisy coefficients.

docs/privacy-mechanisms.md has the proof. What leaves this step is made from four things: the schema, the program's
constants, the noisy coefficients, and library versions; nothing else of the given model or of the rows is copied.
"""

import argparse
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import noise
import numpy as np
import objective as objectives
import pandas as pd
from common import budget, encoding, entry, files, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Private
from objective import Array, Objective
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

PROBES = 16  # rows made from the schema, on which two encoders are compared
LIBRARIES = ("opendp", "scikit-learn", "numpy", "scipy")


class Settings(NamedTuple):
    """What the program says: privacy loss, mechanism, τ (the bound on the given solution's gradient), δ if a part."""

    epsilon: float
    mechanism: str
    tau: float
    delta: float | None = None


class Prepared(NamedTuple):
    """A problem whose solution lies within τ of `weights`, which are private: they leave with noise alone."""

    objective: Objective
    estimator: LogisticRegression
    encoder: Pipeline
    classes: tuple[Any, ...]
    weights: Array


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    settings = Settings(options.epsilon, options.mechanism, options.tau, options.delta)
    facts, private = check_budget(facts, settings)
    given, card = models.load_sklearn(options.model)
    check_estimator(given)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    frame = encoding.features(table, facts)
    prepared = prepare(given, frame, encoding.target(table, facts), facts, settings.tau)

    bound = objectives.sensitivity(prepared.objective, private.neighbours, settings.tau)
    try:
        spent = settings.epsilon, budget.share(private, settings.delta)
        mechanism = noise.calibrate(settings.mechanism, bound, prepared.weights.size, *spent)
    except ValueError as error:
        raise Refusal(str(error)) from None
    weights = np.array(mechanism.draw(prepared.weights.ravel().tolist())).reshape(prepared.weights.shape)
    document = statement(facts, private, settings, prepared, bound, mechanism)

    released = Pipeline([("encode", prepared.encoder), ("model", rebuild(prepared, weights))])
    described = models.Card("classifier", prepared.classes, tuple(frame.columns), card.component)
    models.save_sklearn(released, options.output_model, described, frame, facts)
    files.write_json(options.release, document)
    for line in told(document):
        print(line)
    with tracking.run() as log:
        log.parameters({"mechanism": mechanism.name, "neighbours": private.neighbours, "unit": private.unit})
        log.metrics({"epsilon": mechanism.epsilon, "delta": mechanism.delta, "noise_scale": mechanism.scale})
        log.file(options.release)
        log.folder(options.output_model, "model")


def check_budget(facts: Facts | None, settings: Settings) -> tuple[Facts, Private]:
    """The privacy declaration, if this release fits into its budget. Raises Refusal."""
    spends_delta = "Gaussian" if settings.mechanism == "gaussian" else None
    facts, private = budget.private(facts, settings.epsilon, spends_delta, settings.delta)
    if private.neighbours not in objectives.FACTOR:
        raise Refusal(f"neighbours {private.neighbours!r} is none of {', '.join(objectives.FACTOR)}")
    if settings.mechanism not in noise.MECHANISMS:
        raise Refusal(f"mechanism {settings.mechanism!r} is none of {', '.join(noise.MECHANISMS)}")
    if not (math.isfinite(settings.tau) and settings.tau > 0.0):
        raise Refusal(f"tau must be positive and finite, found {settings.tau}")
    return facts, private


def check_estimator(given: Any) -> None:
    """Refuse a model for which the proof does not hold, by what the model says of itself (never by what it learnt)."""
    steps = getattr(given, "steps", None)
    if not isinstance(given, Pipeline) or steps is None or [name for name, _ in steps] != ["encode", "model"]:
        raise Refusal("the model is not an encoder and an estimator as `sklearn.LogisticRegression` trains them")
    estimator = steps[1][1]
    if type(estimator) is not LogisticRegression:
        raise Refusal(f"the sensitivity is proven for sklearn.LogisticRegression, not for {type(estimator).__name__}")
    settings = estimator.get_params()
    wrong = {
        "fit_intercept": settings["fit_intercept"] is not False,
        "class_weight": settings["class_weight"] is not None,
        "penalty": settings.get("penalty", "deprecated") not in ("deprecated", "l2"),
        "l1_ratio": settings["l1_ratio"] not in (None, 0),
        "C": not (isinstance(settings["C"], int | float) and math.isfinite(settings["C"]) and settings["C"] > 0),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise Refusal(f"the model was trained with {name} = {settings[name]!r}; {MENDED[name]}")


MENDED = {
    "fit_intercept": "an intercept without penalty moves without bound: set fit_intercept = false, "
    "and the encoder adds a constant column that the penalty covers",
    "class_weight": "weights multiply the sensitivity, balanced ones come from the rows: leave class_weight out",
    "penalty": "the sensitivity is proven for the L2 penalty: leave penalty out",
    "l1_ratio": "the sensitivity is proven for the L2 penalty alone: leave l1_ratio out",
    "C": "without a penalty one row can move the model without bound: set C to a positive number",
}
"""What to do about each setting that voids the proof."""


def prepare(given: Pipeline, frame: pd.DataFrame, target: pd.Series, facts: Facts, tau: float) -> Prepared:
    """Bring model and rows to the form that the proof speaks of, and prove that the model solves the problem to τ.

    Raises Refusal if it does not. Messages tell no figure that was computed from rows.
    """
    if facts.classes is None or len(facts.classes) < 2:
        raise Refusal(f"the label {facts.label!r} has no vocabulary in the schema: list its classes there with `enum`")
    estimator = given.steps[1][1]
    encoder, constant = schema_encoder(given.steps[0][1], frame, facts)
    classes = tuple(sorted(facts.classes))
    problem = Objective(float(estimator.C), encoding.norm_bound(facts, constant), len(classes))
    encoded = np.asarray(encoder.transform(frame), dtype=np.float64)
    if not np.linalg.norm(encoded, axis=1).max(initial=0.0) <= problem.norm * (1.0 + objectives.SLACK):
        raise Refusal("an encoded row is longer than the schema allows; the encoder is not the schema's")
    places = {name: place for place, name in enumerate(classes)}
    labels = np.array([places[name] for name in target.tolist()], dtype=np.intp)
    weights = solution(estimator, problem, classes, encoded, labels)
    if not objectives.gradient_bound(problem, weights, encoded, labels) <= tau:
        raise Refusal(
            f"the model is not within tau = {tau:g} of the solution on these rows: give the stage the rows that the "
            "model was trained on, and train with a smaller tol and a larger max_iter (or allow a larger tau)"
        )
    return Prepared(problem, estimator, encoder, classes, weights)


def schema_encoder(given: Any, frame: pd.DataFrame, facts: Facts) -> tuple[Pipeline, bool]:
    """An encoder made anew from the schema, and whether it adds the constant column. Raises Refusal if `given` differs.

    The two are compared on rows made from the schema, so that the answer depends on no real row.
    """
    probes = models.example_rows(frame, facts, PROBES)
    try:
        expected = np.asarray(given.transform(probes), dtype=np.float64)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refusal("the model's encoder does not take the schema's features; train it on the same data") from None
    for constant in (True, False):
        encoder = encoding.encoder(frame, facts, constant=constant)
        made = np.asarray(encoder.transform(probes), dtype=np.float64)
        if made.shape == expected.shape and np.array_equal(made, expected):
            return encoder, constant
    raise Refusal(
        "the model's encoder is not the one that the schema gives: its scaling may have been learnt from rows"
    )


def solution(
    estimator: LogisticRegression, problem: Objective, classes: tuple[Any, ...], encoded: Array, labels: np.ndarray
) -> Array:
    """The model's weights; the schema's whole problem solved anew if some of its classes did not occur in training."""
    known = estimator.classes_.tolist()
    shape = (problem.vectors, encoded.shape[1])
    if tuple(known) == classes:
        weights = np.asarray(estimator.coef_, dtype=np.float64)
        if weights.shape != shape or not np.isfinite(weights).all() or np.any(estimator.intercept_):
            raise Refusal("the model's coefficients do not fit the schema's features and classes")
        return weights
    if not set(known) < set(classes):
        raise Refusal("the model has classes that the schema's label does not list")
    return objectives.solve(problem, np.zeros(shape), encoded, labels)


def rebuild(prepared: Prepared, weights: Array) -> LogisticRegression:
    """A LogisticRegression with these weights and no other learnt attribute (`n_iter_` tells of rows)."""
    estimator = LogisticRegression(**prepared.estimator.get_params())
    estimator.classes_ = np.array(prepared.classes)
    estimator.coef_ = weights
    estimator.intercept_ = np.zeros(len(weights))
    estimator.n_features_in_ = weights.shape[1]
    return estimator


def statement(
    facts: Facts, private: Private, settings: Settings, prepared: Prepared, bound: float, mechanism: noise.Mechanism
) -> dict[str, Any]:
    """The content of release.json, all of it computed from the program and the schema."""
    return {
        "data": facts.name,
        "mechanism": mechanism.name,
        "epsilon": mechanism.epsilon,
        "delta": mechanism.delta,
        "unit": private.unit,
        "neighbours": private.neighbours,
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": "coefficients of an L2-regularised logistic regression",
        "dimension": int(prepared.weights.size),
        "sensitivity": {"norm": "L2", "value": bound},
        "noise": {
            "norm": "L2" if mechanism.name == "gaussian" else "L1",
            "sensitivity": mechanism.distance,
            "scale": mechanism.scale,
        },
        "C": prepared.objective.C,
        "R": prepared.objective.norm,
        "lipschitz": prepared.objective.lipschitz,
        "tau": settings.tau,
        "classes": list(prepared.classes),
        "library": {"name": "opendp", "version": version("opendp")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def told(document: dict[str, Any]) -> list[str]:
    """What the step prints."""
    spent = f"epsilon = {document['epsilon']:g}"
    if document["delta"]:
        spent += f", delta = {document['delta']:g}"
    return [
        f"released {document['dimension']} coefficients, {spent} ({document['neighbours']}, {document['mechanism']})",
        f"sensitivity {document['sensitivity']['value']:.6g} (L2), noise scale {document['noise']['scale']:.6g}",
    ]


if __name__ == "__main__":
    arguments = entry.parser("Release a logistic regression privately by output perturbation.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--delta", type=float)
    arguments.add_argument("--mechanism", default="gaussian")
    arguments.add_argument("--tau", type=float, default=1e-4)
    arguments.add_argument("--output-model", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    entry.run(main, arguments)
