"""From training rows to an explainable boosting machine as an MLflow model, told names and types by the schema."""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from common import encoding, entry, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts
from glassbox import columns
from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

ESTIMATORS = {"classification": ExplainableBoostingClassifier, "regression": ExplainableBoostingRegressor}
SETTINGS = (
    "interactions",
    "max_bins",
    "max_interaction_bins",
    "max_rounds",
    "learning_rate",
    "outer_bags",
    "validation_size",
    "early_stopping_rounds",
    "smoothing_rounds",
    "min_samples_leaf",
    "max_leaves",
    "n_jobs",
)
"""Hyper-parameters under the library's own names; what is not given keeps the library's default for the task."""


def main(options: argparse.Namespace) -> None:
    facts = facts_of.load(options.facts)
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    target = encoding.target(table, facts)
    frame = columns.chosen(encoding.features(table, facts), columns.listed(options.features, "features"))
    task = task_of(options.task, target, facts)
    estimator = build(task, frame, facts, options)
    print(f"training on {len(frame)} rows, {frame.shape[1]} features, {options.outer_bags} bags", flush=True)

    started = time.perf_counter()
    fit(estimator, frame, target, facts)
    seconds = time.perf_counter() - started

    classes = tuple(estimator.classes_.tolist()) if task == "classification" else None
    kind = "classifier" if task == "classification" else "regressor"
    card = models.Card(kind, classes, tuple(frame.columns), "interpret.ebm", "interpret")
    models.save_sklearn(estimator, options.model, card, frame, facts)
    figures = {
        "training_rows": len(frame),
        "training_seconds": seconds,
        "terms": len(estimator.term_names_),
        "training_score": float(estimator.score(frame, target.to_numpy())),
    }
    for name, value in figures.items():
        print(f"{name} = {value:.6g}")
    importances = sorted(
        zip(estimator.term_importances(), estimator.term_names_, strict=True), key=lambda pair: (-pair[0], pair[1])
    )
    for importance, name in importances[:10]:
        print(f"importance of {name} = {importance:.4g}")
    with tracking.run() as log:
        told = {name: value for name, value in vars(options).items() if name in SETTINGS and value is not None}
        log.parameters({"estimator": type(estimator).__name__, "seed": options.seed, **told})
        log.metrics(figures)
        log.folder(options.model, "model")


def task_of(asked: str, target: pd.Series, facts: Facts | None) -> str:
    """`classification` or `regression`, as asked or by the label's kind. Raises Refusal for text as numbers."""
    classes = facts.classes if facts is not None else None
    numeric = pd.api.types.is_numeric_dtype(target.dtype) and not pd.api.types.is_bool_dtype(target.dtype)
    if asked == "auto":
        return "regression" if classes is None and numeric else "classification"
    if asked == "regression" and not numeric:
        raise Refusal("the label does not hold numbers; use task = classification")
    return asked


def build(task: str, frame: pd.DataFrame, facts: Facts | None, options: argparse.Namespace) -> Any:
    """The machine, unfitted. Raises Refusal for a setting out of range or a term that cannot be."""
    settings = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    rate = settings.get("learning_rate")
    if rate is not None and not 0 < rate <= 1:
        raise Refusal(f"learning_rate = {rate} is out of range (0, 1]")
    if not 0 < settings["validation_size"] < 1:
        raise Refusal(f"validation_size = {settings['validation_size']} is out of range (0, 1)")
    if settings["n_jobs"] == 0:
        raise Refusal("n_jobs = 0 is no number of processes; use -1 for all cores")
    names = [str(name) for name in frame.columns]
    return ESTIMATORS[task](
        feature_names=names,
        feature_types=columns.types(frame, facts, columns.listed(options.ordinal, "ordinal")),
        exclude=[tuple(names.index(name) for name in term) for term in excluded(options.exclude, names)] or None,
        random_state=options.seed,
        **settings,
    )


def excluded(text: str, names: list[str]) -> list[list[str]]:
    """The terms to leave out. Raises Refusal for one that is not one feature or two."""
    terms = entry.value(text)
    if not isinstance(terms, list) or not all(isinstance(term, list) and len(term) in (1, 2) for term in terms):
        raise Refusal("exclude must be a list of terms, each a list of one or two features")
    for name in (name for term in terms for name in term):
        if name not in names:
            raise Refusal(f"exclude names {name!r}, which is not among the features")
    return terms


def fit(estimator: Any, frame: pd.DataFrame, target: pd.Series, facts: Facts | None) -> None:
    """Fit in place. What InterpretML objects to becomes a Refusal; on private data its words are withheld."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # missing values and pairs: the component's page says both
            estimator.fit(frame, target.to_numpy())
    except (ValueError, TypeError, ArithmeticError) as error:
        if facts is None or facts.private is None:
            raise Refusal(f"{type(estimator).__name__}: {error}") from None
        raise entry.Withheld(f"{type(estimator).__name__} cannot be fitted: {type(error).__name__}") from None


if __name__ == "__main__":
    arguments = entry.parser("Train an explainable boosting machine.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--task", choices=("auto", *ESTIMATORS), default="auto")
    arguments.add_argument("--features", default="[]")
    arguments.add_argument("--ordinal", default="[]")
    arguments.add_argument("--exclude", default="[]")
    arguments.add_argument("--interactions", type=int)
    arguments.add_argument("--learning-rate", type=float)
    arguments.add_argument("--smoothing-rounds", type=int)
    arguments.add_argument("--max-bins", type=int, default=1024)
    arguments.add_argument("--max-interaction-bins", type=int, default=64)
    arguments.add_argument("--max-rounds", type=int, default=50000)
    arguments.add_argument("--outer-bags", type=int, default=14)
    arguments.add_argument("--validation-size", type=float, default=0.15)
    arguments.add_argument("--early-stopping-rounds", type=int, default=100)
    arguments.add_argument("--min-samples-leaf", type=int, default=4)
    arguments.add_argument("--max-leaves", type=int, default=2)
    arguments.add_argument("--n-jobs", type=int, default=-1)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--model", type=Path, required=True)
    entry.run(main, arguments)
