"""From private rows to a logistic regression that may leave: trained on an objective with noise in it.

docs/privacy-mechanisms.md has the proof ("Objective perturbation"). What leaves this step is made from the schema, the
program's constants, the noisy coefficients and library versions; nothing else of the rows.
"""

import argparse
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import frame as frames
import noise
import numpy as np
import objective as objectives
import perturbation
from common import budget, encoding, entry, files, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Private
from objective import Array, Objective
from perturbation import Plan
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

COMPONENT = "opendp.objective_perturbation"
PARTS = ("the linear term of the objective", "its solution, known to within tau")
LIBRARIES = ("opendp", "scikit-learn", "numpy", "scipy")


class Settings(NamedTuple):
    """What the program says; None for `delta` is all that is declared, for `max_norm` the schema's own bound."""

    epsilon: float
    delta: float | None
    C: float
    max_norm: float | None
    mechanism: str
    tau: float


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    settings = Settings(options.epsilon, options.delta, options.C, options.max_norm, options.mechanism, options.tau)
    facts, private = check(facts, settings)
    classes = classes_of(facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    given = encoding.features(table, facts)
    target = encoding.target(table, facts)

    encoder = encoding.encoder(given, facts, constant=True)
    frame = frames.frame(encoder, facts, settings.max_norm)
    problem = Objective(settings.C, frame.norm, len(classes))
    shape = problem.vectors, len(frame.middle)
    try:
        plan = perturbation.calibrate(
            settings.mechanism,
            problem,
            private.neighbours,
            math.prod(shape),
            settings.epsilon,
            budget.share(private, settings.delta),
            settings.tau,
        )
    except ValueError as error:
        raise Refusal(str(error)) from None
    places = {name: place for place, name in enumerate(classes)}
    labels = np.array([places[name] for name in target.tolist()], dtype=np.intp)
    encoded = frame.of(np.asarray(encoder.transform(given), dtype=np.float64))
    solution = solve(problem, plan, encoded, labels, settings.tau)
    weights = np.array(plan.finish.draw(solution.ravel().tolist())).reshape(solution.shape)
    document = statement(facts, private, settings, problem, plan, math.prod(shape), classes)

    released = Pipeline([("encode", encoder), ("model", estimator(settings.C, classes, frame.back(weights)))])
    card = models.Card("classifier", classes, tuple(given.columns), COMPONENT)
    models.save_sklearn(released, options.model, card, given, facts)
    files.write_json(options.release, document)
    for line in told(document):
        print(line)
    with tracking.run() as log:
        log.parameters({"mechanism": plan.mechanism, "C": settings.C, "neighbours": private.neighbours})
        log.metrics({"epsilon": document["epsilon"], "delta": document["delta"], "noise_scale": plan.scale})
        log.file(options.release)
        log.folder(options.model, "model")


def check(facts: Facts | None, settings: Settings) -> tuple[Facts, Private]:
    """The privacy declaration, if this release fits into its budget. Raises Refusal."""
    if settings.mechanism not in noise.MECHANISMS:
        raise Refusal(f"mechanism {settings.mechanism!r} is none of {', '.join(noise.MECHANISMS)}")
    spends_delta = "Gaussian" if settings.mechanism == "gaussian" else None
    facts, private = budget.private(facts, settings.epsilon, spends_delta, settings.delta)
    if private.neighbours not in objectives.FACTOR:
        raise Refusal(f"neighbours {private.neighbours!r} is none of {', '.join(objectives.FACTOR)}")
    for name in ("C", "max_norm", "tau"):
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and value > 0.0):
            raise Refusal(f"{name} must be positive and finite, found {value}")
    return facts, private


def classes_of(facts: Facts) -> tuple[Any, ...]:
    """The label's classes in scikit-learn's order. Raises Refusal unless the schema lists two or more."""
    if facts.classes is None or len(facts.classes) < 2:
        raise Refusal(f"the label {facts.label!r} has no vocabulary in the schema: list its classes there with `enum`")
    return tuple(sorted(facts.classes))


def solve(problem: Objective, plan: Plan, encoded: Array, labels: np.ndarray, tau: float) -> Array:
    """A point within τ of the perturbed objective's solution. Raises Refusal, without figures, if it is not reached."""
    shape = problem.vectors, encoded.shape[1]
    linear = perturbation.draw(plan, math.prod(shape)).reshape(shape)
    found = objectives.solve(problem, np.zeros_like(linear), encoded, labels, linear)
    left = objectives.gradient_bound(problem, found, encoded, labels, linear)
    if not left + problem.C * perturbation.rounding(linear) <= tau:
        raise Refusal(f"the solver does not come within tau = {tau:g} of the solution: allow a larger tau")
    return found


def estimator(weight: float, classes: tuple[Any, ...], weights: Array) -> LogisticRegression:
    """A LogisticRegression with these weights and no other learnt attribute."""
    made = LogisticRegression(C=weight, fit_intercept=False)
    made.classes_ = np.array(classes)
    made.coef_ = weights
    made.intercept_ = np.zeros(len(weights))
    made.n_features_in_ = weights.shape[1]
    return made


def statement(
    facts: Facts,
    private: Private,
    settings: Settings,
    problem: Objective,
    plan: Plan,
    size: int,
    classes: tuple[Any, ...],
) -> dict[str, Any]:
    """The content of release.json, all of it computed from the program and the schema."""
    gaussian = plan.mechanism == "gaussian"
    linear = {"norm": "L2", "sensitivity": plan.distance, "scale": plan.scale}
    finish = {"norm": "L2" if gaussian else "L1", "sensitivity": plan.finish.distance, "scale": plan.finish.scale}
    losses = ((plan.epsilon, plan.delta, linear), (plan.finish.epsilon, plan.finish.delta, finish))
    parts = [
        {"of": of, "dimension": size, "loss": loss, "delta": delta, "noise": added}
        for of, (loss, delta, added) in zip(PARTS, losses, strict=True)
    ]
    return {
        "data": facts.name,
        "mechanism": plan.mechanism,
        "epsilon": settings.epsilon,
        "delta": budget.share(private, settings.delta) if gaussian else 0.0,
        "unit": private.unit,
        "neighbours": private.neighbours,
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": "coefficients of an L2-regularised logistic regression, by objective perturbation",
        "dimension": size,
        "parts": parts,
        "determinant": plan.determinant,
        "C": problem.C,
        "R": problem.norm,
        "lipschitz": problem.lipschitz,
        "tau": settings.tau,
        "classes": list(classes),
        "library": {"name": "opendp", "version": version("opendp")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def told(document: dict[str, Any]) -> list[str]:
    """What the step prints."""
    spent = f"epsilon = {document['epsilon']:g}" + (f", delta = {document['delta']:g}" if document["delta"] else "")
    linear, finish = (part["noise"]["scale"] for part in document["parts"])
    return [
        f"released {document['dimension']} coefficients, {spent} ({document['neighbours']}, {document['mechanism']})",
        f"noise scale {linear:.6g} in the objective, {finish:.6g} on its solution",
    ]


if __name__ == "__main__":
    arguments = entry.parser("Train and release a logistic regression privately by objective perturbation.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--delta", type=float)
    arguments.add_argument("--C", type=float, default=0.03)
    arguments.add_argument("--max-norm", type=float)
    arguments.add_argument("--mechanism", default="gaussian")
    arguments.add_argument("--tau", type=float, default=1e-6)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    entry.run(main, arguments)
