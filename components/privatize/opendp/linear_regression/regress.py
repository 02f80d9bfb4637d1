"""From private rows with a bounded number as label to a linear regression that may leave.

docs/privacy-mechanisms.md has the proof ("Linear regression"). What leaves is made from noisy sums and the schema.
"""

import argparse
import math
from importlib.metadata import version
from pathlib import Path
from typing import Any

import frame as frames
import moments
import numpy as np
from common import budget, encoding, entry, files, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Kind, Private
from moments import Bounds, Released
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

COMPONENT = "opendp.linear_regression"
NEIGHBOURS = ("replace_one", "add_remove")
LIBRARIES = ("opendp", "scikit-learn", "numpy")


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    facts, private = budget.private(facts, options.epsilon, "Gaussian", options.delta)
    if private.neighbours not in NEIGHBOURS:
        raise Refusal(f"neighbours {private.neighbours!r} is none of {', '.join(NEIGHBOURS)}")
    if not (math.isfinite(options.ridge) and options.ridge > 0.0):
        raise Refusal(f"ridge must be positive and finite, found {options.ridge}")
    delta = budget.share(private, options.delta)
    low, high = label_bounds(facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    given = encoding.features(table, facts)
    target = encoding.target(table, facts).to_numpy(dtype=np.float64)

    encoder = encoding.encoder(given, facts, constant=True)
    frame = frames.frame(encoder, facts, None)
    bounds = bounds_of(facts)
    try:
        released = moments.calibrate(bounds, private.neighbours, options.epsilon, delta)
    except ValueError as error:
        raise Refusal(str(error)) from None
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    encoded = frame.of(np.asarray(encoder.transform(given), dtype=np.float64))
    noisy = released.draw(moments.vector(*moments.whole(encoded, (target - middle) / half)))
    weights = half * moments.solve(noisy, encoded.shape[1], released.scale, options.ridge)
    weights[0] += middle

    model = Pipeline([("encode", encoder), ("model", estimator(frame.back(weights[None])[0]))])
    models.save_sklearn(
        model, options.model, models.Card("regressor", None, tuple(given.columns), COMPONENT), given, facts
    )
    document = statement(facts, private, options.epsilon, delta, released, bounds, len(noisy))
    files.write_json(options.release, document)
    print(
        f"released {len(weights)} coefficients by {len(noisy)} noisy sums, epsilon = {options.epsilon:g}, "
        f"delta = {delta:g} ({private.neighbours}, gaussian)"
    )
    print(f"sensitivity {released.distance:.6g} (L2), noise scale {released.scale:.6g}")
    with tracking.run() as log:
        log.parameters({"mechanism": "gaussian", "ridge": options.ridge, "neighbours": private.neighbours})
        log.metrics({"epsilon": options.epsilon, "delta": delta, "noise_scale": released.scale})
        log.file(options.release)
        log.folder(options.model, "model")


def label_bounds(facts: Facts) -> tuple[float, float]:
    """The label's bounds in the schema. Raises Refusal unless it is a number that has them."""
    column = facts.columns.get(facts.label or "")
    if column is None:
        raise Refusal("the label is not in the schema; say `label = …` in the data's block")
    if column.kind not in (Kind.INTEGER, Kind.NUMBER) or column.categories is not None:
        raise Refusal(f"the label {facts.label!r} is not a number; a linear regression predicts one")
    if column.minimum is None or column.maximum is None:
        raise Refusal(f"the label {facts.label!r} has no bounds in the schema; give it `minimum` and `maximum`")
    if not column.minimum < column.maximum:
        raise Refusal(f"the label {facts.label!r} has one value only by its schema")
    return float(column.minimum), float(column.maximum)


def bounds_of(facts: Facts) -> Bounds:
    """How long a row can be, by the schema."""
    assert facts.features is not None
    vocabularies = sum(facts.columns[name].categories is not None for name in facts.features)
    return Bounds(vocabularies, len(facts.features) - vocabularies)


def estimator(weights: np.ndarray) -> LinearRegression:
    """A LinearRegression with these weights, the constant column's among them, and no other learnt attribute."""
    made = LinearRegression(fit_intercept=False)
    made.coef_, made.intercept_, made.n_features_in_ = weights, 0.0, len(weights)
    return made


def statement(
    facts: Facts, private: Private, epsilon: float, delta: float, released: Released, bounds: Bounds, size: int
) -> dict[str, Any]:
    """The content of release.json, all of it computed from the program and the schema."""
    return {
        "data": facts.name,
        "mechanism": "gaussian",
        "epsilon": epsilon,
        "delta": delta,
        "unit": private.unit,
        "neighbours": private.neighbours,
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": "sums of products of columns, of which a linear regression is made",
        "dimension": size,
        "sensitivity": {"norm": "L2", "value": released.distance},
        "noise": {"norm": "L2", "sensitivity": released.distance, "scale": released.scale},
        "R": math.sqrt(bounds.square),
        "library": {"name": "opendp", "version": version("opendp")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


if __name__ == "__main__":
    arguments = entry.parser("Train and release a linear regression privately from noisy sums of products.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--delta", type=float)
    arguments.add_argument("--ridge", type=float, default=1.5)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    entry.run(main, arguments)
