"""From private rows to a differentially private explainable boosting machine and a statement of what it gave away.

docs/privacy-mechanisms.md has the proof. What leaves this step is made from four things: the schema, the program's
constants, the noisy figures of the library's two stages, and library versions.
"""

import argparse
import math
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import accountant
import numpy as np
import prepared as preparing
from accountant import Noise, Steps
from common import budget, encoding, entry, files, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Private
from glassbox import columns
from interpret import develop
from interpret.privacy import DPExplainableBoostingClassifier
from interpret.utils._native import Native
from prepared import Feature, Prepared

LIBRARIES = ("interpret-core", "scikit-learn", "numpy", "scipy")
RELATIONS = ("replace_one",)
NOISY = (
    "bins_",
    "bin_weights_",
    "bagged_scores_",
    "term_scores_",
    "intercept_",
    "bagged_intercept_",
    "standard_deviations_",
)
"""Attributes of the fitted machine that were computed from noisy figures alone (of one bag deviations are nought)."""
OF_THE_PROGRAM = (
    "n_features_in_",
    "term_names_",
    "feature_names_in_",
    "feature_types_in_",
    "feature_bounds_",
    "term_features_",
    "noise_scale_binning_",
    "noise_scale_boosting_",
    "link_",
    "link_param_",
    "best_iteration_",
    "has_fitted_",
)
"""Attributes that follow from the schema and the program's constants."""


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    facts, private = check(facts, options)
    classes = preparing.classes_of(facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    if len(table) > accountant.MOST_ROWS:  # public, since neighbours have as many
        raise Refusal(f"the table has more than {accountant.MOST_ROWS} rows, for which rounding is not accounted for")
    frame = columns.chosen(encoding.features(table, facts), columns.listed(options.features, "features"))
    features = preparing.described([str(name) for name in frame.columns], facts)
    steps = Steps(len(features), options.max_rounds, options.learning_rate)
    planned = accountant.plan(options.composition, options.epsilon, private.delta, options.bin_budget, steps)
    print(f"training {steps.trees} noisy trees on {len(features)} features", flush=True)

    started = time.perf_counter()
    given = preparing.prepare(frame, encoding.target(table, facts), features, classes)
    fitted = fit(given, features, planned, steps, options)
    seconds = time.perf_counter() - started
    spent = accountant.of(float(fitted.noise_scale_binning_), float(fitted.noise_scale_boosting_), steps)
    accountant.certify(spent, options.epsilon, private.delta)
    machine = rebuild(fitted, features, classes, options, private)
    document = statement(facts, private, options, features, classes, steps, spent)

    card = models.Card("classifier", tuple(classes), tuple(frame.columns), "interpret.dp_ebm", "interpret")
    models.save_sklearn(machine, options.model, card, frame, facts)
    files.write_json(options.release, document)
    for line in told(document):
        print(line)
    with tracking.run() as log:
        log.parameters(
            {
                "mechanism": "gaussian",
                "neighbours": private.neighbours,
                "unit": private.unit,
                "composition": options.composition,
                "bin_budget": options.bin_budget,
                "max_bins": options.max_bins,
                "max_rounds": options.max_rounds,
                "max_leaves": options.max_leaves,
                "learning_rate": options.learning_rate,
            }
        )
        log.metrics(
            {
                "epsilon": options.epsilon,
                "delta": private.delta,
                "mu": spent.mu,
                "noise_scale_binning": spent.binning,
                "noise_scale_boosting": spent.boosting,
                "training_seconds": seconds,
            }
        )
        log.file(options.release)
        log.folder(options.model, "model")


def check(facts: Facts | None, options: argparse.Namespace) -> tuple[Facts, Private]:
    """The facts and their privacy declaration, if this release fits into it. Raises Refusal."""
    facts, private = budget.private(facts, options.epsilon, "Gaussian")
    if private.neighbours not in RELATIONS:
        raise Refusal(
            f"the proof is for neighbours = replace_one; under {private.neighbours} the number of rows is private, "
            "and the library cuts bins by it without noise"
        )
    if not 0 < options.bin_budget < 1:
        raise Refusal(f"bin_budget = {options.bin_budget} is out of range (0, 1)")
    if not (math.isfinite(options.learning_rate) and 0 < options.learning_rate <= 1):
        raise Refusal(f"learning_rate = {options.learning_rate} is out of range (0, 1]")
    for name, low in (("max_bins", 4), ("max_rounds", 1), ("max_leaves", 2)):
        if getattr(options, name) < low:
            raise Refusal(f"{name} = {getattr(options, name)} is below {low}")
    return facts, private


def build(asked: accountant.Asked, features: list[Feature], options: argparse.Namespace) -> Any:
    """The library's machine, unfitted, with the noise that is asked for; random_state = None draws afresh each time."""
    return DPExplainableBoostingClassifier(
        feature_names=[feature.name for feature in features],
        feature_types=[feature.type for feature in features],
        privacy_bounds={feature.name: feature.bounds for feature in features if feature.bounds is not None},
        max_bins=options.max_bins,
        max_rounds=options.max_rounds,
        learning_rate=options.learning_rate,
        max_leaves=options.max_leaves,
        epsilon=asked.epsilon,
        delta=asked.delta,
        bin_budget_frac=asked.bin_budget_frac,
        composition="gdp",
        n_jobs=1,
        random_state=None,
    )


def fit(given: Prepared, features: list[Feature], planned: Noise, steps: Steps, options: argparse.Namespace) -> Any:
    """The fitted machine. A warning of the library's, which would be of privacy, is an error here.

    The library's accelerated loops add residuals up in single precision, where one row can move a sum by more than its
    share: they are switched off.
    """
    develop.set_option("acceleration", Native.AccelerationFlags_NONE)
    machine = build(accountant.asked(planned, steps), features, options)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            with np.errstate(all="ignore"):  # a region of no noisy weight: `rebuild` puts nought there
                machine.fit(given.frame, given.target, sample_weight=given.weights)
    except (ValueError, TypeError, ArithmeticError, UserWarning) as error:
        raise entry.Withheld(f"the machine cannot be fitted: {type(error).__name__}") from None
    return machine


def rebuild(
    fitted: Any, features: list[Feature], classes: list[Any], options: argparse.Namespace, private: Private
) -> Any:
    """A machine with the fitted one's noisy figures and no other learnt attribute (`bag_weights_` counts rows).

    Missing values get the score of what stood for them in training.
    """
    declared = accountant.Asked(options.epsilon, private.delta, options.bin_budget)
    machine = build(declared, features, options)
    for name in (*OF_THE_PROGRAM, *NOISY):
        setattr(machine, name, getattr(fitted, name))
    machine.classes_ = np.array(classes)
    machine.bag_weights_ = np.ones(1)
    for place, feature in enumerate(features):
        cuts = machine.bins_[place][0]
        absent = (
            int(np.searchsorted(cuts, feature.absent, side="right")) + 1
            if feature.vocabulary is None
            else cuts.get(preparing.ABSENT, -1)
        )
        for scores in (machine.term_scores_[place], machine.bagged_scores_[place][0]):
            scores[~np.isfinite(scores)] = 0.0
            scores[0] = scores[absent]
    return machine


def statement(
    facts: Facts,
    private: Private,
    options: argparse.Namespace,
    features: list[Feature],
    classes: list[Any],
    steps: Steps,
    spent: Noise,
) -> dict[str, Any]:
    """The content of release.json, all of it computed from the program and the schema."""
    cells = sum(2 * (options.max_bins - 1) if f.vocabulary is None else len(f.vocabulary) for f in features)
    leaves = steps.trees * options.max_leaves
    parts = (
        ("histograms of the features", cells, spent.mu_binning, accountant.HISTOGRAM, spent.binning),
        (
            "sums of residuals in the leaves, times the learning rate",
            leaves,
            spent.mu_boosting,
            accountant.RESIDUALS * steps.learning_rate,
            spent.boosting,
        ),
    )
    return {
        "data": facts.name,
        "mechanism": "gaussian",
        "epsilon": options.epsilon,
        "delta": private.delta,
        "unit": private.unit,
        "neighbours": private.neighbours,
        "budget": {"epsilon": private.epsilon, "delta": private.delta},
        "of": "bins and curves of an explainable boosting machine",
        "dimension": cells + leaves,
        "accountant": {"name": "gaussian differential privacy", "mu": spent.mu},
        "parts": [
            {
                "of": of,
                "dimension": dimension,
                "loss": loss,
                "noise": {"norm": "L2", "sensitivity": sensitivity, "scale": scale},
            }
            for of, dimension, loss, sensitivity, scale in parts
        ],
        "classes": classes,
        "library": {"name": "interpret-core", "version": version("interpret-core")},
        "versions": {name: version(name) for name in LIBRARIES},
    }


def told(document: dict[str, Any]) -> list[str]:
    """What the step prints."""
    first, second = document["parts"]
    return [
        f"released at epsilon = {document['epsilon']:g}, delta = {document['delta']:g} ({document['neighbours']}, "
        f"gaussian), mu = {document['accountant']['mu']:.6g}",
        f"noise scale {first['noise']['scale']:.6g} on histograms, {second['noise']['scale']:.6g} on leaves",
    ]


if __name__ == "__main__":
    arguments = entry.parser("Train an explainable boosting machine privately.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--epsilon", type=float, required=True)
    arguments.add_argument("--composition", choices=("gdp", "classic"), default="gdp")
    arguments.add_argument("--bin-budget", type=float, default=0.1)
    arguments.add_argument("--max-bins", type=int, default=32)
    arguments.add_argument("--max-rounds", type=int, default=300)
    arguments.add_argument("--learning-rate", type=float, default=0.05)
    arguments.add_argument("--max-leaves", type=int, default=3)
    arguments.add_argument("--features", default="[]")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--release", type=Path, required=True)
    entry.run(main, arguments)
