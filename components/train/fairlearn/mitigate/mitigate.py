"""From training rows and a fairness constraint to a classifier whose rates are alike between groups.

The reductions are Fairlearn's of Agarwal, Beygelzimer, Dudík, Langford and Wallach ("A reductions approach to fair
classification", ICML 2018): `exponentiated_gradient` is their Algorithm 1, `grid_search` their section 3.4. Thresholds
by group are those of Hardt, Price and Srebro ("Equality of opportunity in supervised learning", NeurIPS 2016).
"""

import argparse
import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import encoding, entry, mitigation, models, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from common.facts import Facts, Kind
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import all_estimators
from sklearn.utils.validation import has_fit_parameter

REDUCTIONS = {
    "demographic_parity": "DemographicParity",
    "equalized_odds": "EqualizedOdds",
    "true_positive_rate_parity": "TruePositiveRateParity",
    "false_positive_rate_parity": "FalsePositiveRateParity",
    "error_rate_parity": "ErrorRateParity",
}
THRESHOLDS = tuple(name for name in REDUCTIONS if name != "error_rate_parity")
MOST_MEMBERS = 50  # values of a sensitive column without a vocabulary


def main(options: argparse.Namespace) -> None:
    facts = known(facts_of.load(options.facts))
    estimator = build(options.estimator, entry.value(options.hyper_parameters))
    if options.method == "threshold_optimizer" and options.constraint not in THRESHOLDS:
        raise Refusal(f"threshold_optimizer cannot make {options.constraint}; use one of {', '.join(THRESHOLDS)}")
    if not 0.0 < options.bound <= 1.0:
        raise Refusal(f"bound must lie above 0 and not above 1, found {options.bound}")
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    sensitive = chosen(options.sensitive, table, facts)
    frame = encoding.features(table, facts)
    features = list(frame.columns)
    answers = encoding.target(table, facts).to_numpy()
    classes = two_classes(answers, facts)
    truth = (answers == classes[1]).astype(int)
    groups = joined(table[sensitive])
    encode: Any = encoding.encoder(frame, facts)
    encoded = np.asarray(encode.transform(frame), dtype=float)
    print(f"{options.method} for {options.constraint} over {groups.nunique()} groups of {', '.join(sensitive)}")
    for group, share in pd.Series(truth).groupby(groups.to_numpy()).mean().items():
        if facts.private is None:
            print(f"  {group}: {share:.4f} of the rows are {classes[1]}")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            if options.method == "threshold_optimizer":
                codes, coder = coded(table[sensitive], facts)
                model = thresholds(estimator, encoded, truth, codes, groups, options, classes)
                frame = table[[*features, *(name for name in sensitive if name not in features)]]
                encode = both(frame, encode, features, coder, sensitive)
            else:
                model = reduction(estimator, encoded, truth, groups, options, classes)
    except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
        if facts.private is not None:
            raise entry.Withheld(f"{options.estimator} cannot be fitted: {type(error).__name__}") from None
        raise Refusal(f"{options.estimator}: {error}{_advice(error)}") from None

    pipeline = Pipeline([("encode", encode), ("model", model)])
    selected = np.asarray(pipeline.predict(frame)) == classes[1]
    figures = {
        "training_rows": len(frame),
        "training_score": float((selected == truth).mean()),
        "training_violation": violation(options.constraint, truth, selected, groups),
        "members": len(getattr(model, "members", (model,))),
    }
    card = models.Card("classifier", tuple(classes), tuple(frame.columns), f"fairlearn.mitigate ({options.method})")
    models.save_sklearn(pipeline, options.model, card, frame, facts)
    for name, value in figures.items():
        print(f"{name} = {value:.6g}")
    with tracking.run() as log:
        said = (
            "method",
            "constraint",
            "bound",
            "estimator",
            "hyper_parameters",
            "iterations",
            "grid_size",
            "objective",
        )
        log.parameters({name: getattr(options, name) for name in said} | {"sensitive": ", ".join(sensitive)})
        log.metrics(figures)
        log.folder(options.model, "model")


def known(facts: Facts | None) -> Facts:
    """Facts that name a label and its positive class. Raises Refusal for what is missing."""
    if facts is None or facts.label is None or facts.positive is None:
        raise Refusal("fairness is of one class; say `label = …` and `positive = …` in the data's block")
    return facts


def build(name: str, parameters: Any) -> Any:
    """The unfitted classifier. Raises Refusal for one that does not exist or takes no weights of rows."""
    found = dict(all_estimators(type_filter="classifier")).get(name)
    if found is None:
        raise Refusal(f"scikit-learn has no classifier {name!r}")
    if not has_fit_parameter(found, "sample_weight"):
        raise Refusal(f"{name} takes no weights of rows, which mitigation sets; LogisticRegression does for one")
    if not isinstance(parameters, dict):
        raise Refusal('hyper_parameters are names and values: { "C": 0.5 }')
    try:
        estimator = found()
        takes = estimator.get_params()
        wrong = [key for key in parameters if key not in takes]
        if wrong:
            raise Refusal(f"{name} has no hyper-parameter {wrong[0]!r}")
        chance = {"random_state": 0} if "random_state" in takes else {}
        return estimator.set_params(**(chance | parameters))
    except TypeError as error:
        raise Refusal(f"{name}: {error}") from None


def chosen(text: str | None, table: pd.DataFrame, facts: Facts) -> list[str]:
    """The sensitive columns. Raises Refusal if there are none, or not in the table."""
    names = entry.value(text) if text else list(facts.sensitive)
    if not isinstance(names, list) or not names:
        raise Refusal("no sensitive columns are known; say `sensitive = […]` in the data's block or in this stage")
    for name in names:
        if name not in table.columns:
            raise Refusal(f"the table lacks the sensitive column {name!r}")
        if name == facts.label:
            raise Refusal(f"the label {name!r} cannot be a sensitive column")
        if isinstance(members(table[name], facts), int):
            raise Refusal(f"sensitive column {name!r} has no vocabulary; groups need one: list its values with `enum`")
    return [str(name) for name in names]


def members(cells: pd.Series, facts: Facts) -> list[Any] | int:
    """The values that a sensitive column may have: by the schema, or what occurs if that is little; else how many."""
    column = facts.columns.get(str(cells.name))
    if column is not None and (column.categories is not None or column.kind is Kind.BOOLEAN):
        return sorted(column.categories or (False, True), key=str)
    seen = cells.dropna().unique().tolist()
    if facts.private is not None or len(seen) > MOST_MEMBERS or pd.api.types.is_float_dtype(cells.dtype):
        return len(seen)
    return sorted(seen, key=str)


def two_classes(answers: np.ndarray, facts: Facts) -> list[Any]:
    """The other class and the positive one. Raises Refusal for a label with more or fewer."""
    names = list(facts.classes or sorted(set(answers.tolist()), key=str))
    if len(names) != 2 or facts.positive not in names:
        raise Refusal(f"fairness mitigation takes two classes; {facts.label!r} has {len(names)}")
    if len(set(answers.tolist())) < 2:
        raise Refusal(f"all rows are of one class of {facts.label!r}; give rows of both")
    return [next(name for name in names if name != facts.positive), facts.positive]


def joined(cells: pd.DataFrame) -> pd.Series:
    """One word a row for its group, missing being a value."""
    words = cells.astype(object).where(cells.notna(), "missing").map(str)
    return words.agg(" and ".join, axis=1) if len(cells.columns) > 1 else words.iloc[:, 0]


# --- reductions -------------------------------------------------------------------------------------------------------


def reduction(
    estimator: Any, encoded: np.ndarray, truth: np.ndarray, groups: pd.Series, options: argparse.Namespace, classes: Any
) -> Any:
    """Exponentiated gradient's mixture, or the best classifier of a grid."""
    from fairlearn import reductions

    constraint = getattr(reductions, REDUCTIONS[options.constraint])(difference_bound=options.bound)
    if options.method == "grid_search":
        search = reductions.GridSearch(estimator, constraint, grid_size=options.grid_size)
        search.fit(encoded, truth, sensitive_features=groups.to_numpy())
        return renamed(search.predictors_[search.best_idx_], encoded, classes)
    gradient = reductions.ExponentiatedGradient(
        estimator, constraint, eps=options.bound, max_iter=options.iterations
    ).fit(encoded, truth, sensitive_features=groups.to_numpy())
    print(f"  gap of the saddle point {gradient.best_gap_:.4g} after {gradient.last_iter_ + 1} rounds")
    used = [(m, float(w)) for m, w in zip(gradient.predictors_, gradient.weights_, strict=False) if w > 0.0]
    total = sum(weight for _, weight in used)
    return mitigation.Mixture([member for member, _ in used], [weight / total for _, weight in used], classes).fit()


def renamed(member: Any, encoded: np.ndarray, classes: list[Any]) -> Any:
    """A classifier of 0 and 1 as one of the label's classes: a plain estimator where its names are all that changes."""
    plain = copy.deepcopy(member)
    wanted = np.array(classes)[np.asarray(member.predict(encoded), dtype=int)]
    try:
        if list(plain.classes_) == [0, 1]:
            plain.classes_ = np.array(classes)
            if np.array_equal(np.asarray(plain.predict(encoded)), wanted):
                return plain
    except Exception as error:  # an estimator that keeps its classes elsewhere; the mixture of one stands in for it
        print(f"  {type(member).__name__} keeps its own names of classes ({type(error).__name__})")
    return mitigation.Mixture([member], [1.0], classes).fit()


# --- thresholds -------------------------------------------------------------------------------------------------------


def thresholds(
    estimator: Any,
    encoded: np.ndarray,
    truth: np.ndarray,
    codes: np.ndarray,
    groups: pd.Series,
    options: argparse.Namespace,
    classes: list[Any],
) -> mitigation.GroupThresholds:
    """Fairlearn's thresholds of each group as plain numbers beside the classifier."""
    from fairlearn.postprocessing import ThresholdOptimizer

    method = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
    fitted = ThresholdOptimizer(
        estimator=estimator,
        constraints=options.constraint,
        objective=f"{options.objective}_score",
        predict_method=method,
    ).fit(encoded, truth, sensitive_features=groups.to_numpy())
    found = fitted.interpolated_thresholder_
    rules, keys = [], []
    for group, rule in found.interpolation_dict.items():
        numbers = [rule.get("p_ignore", 0.0), rule.get("prediction_constant", 0.0)]
        first, second = rule.operation0, rule.operation1
        rules.append([rule.p0, *_threshold(first), rule.p1, *_threshold(second), *numbers])
        keys.append(codes[int(np.flatnonzero(groups.to_numpy() == group)[0])])
    return mitigation.GroupThresholds(
        found.estimator_, method, codes.shape[1], np.array(keys), np.array(rules, dtype=float), classes
    ).fit()


def _threshold(operation: Any) -> list[float]:
    """Sign and threshold; an infinite threshold is the largest number, which sorts scores as it does."""
    sign = 1.0 if operation.operator == ">" else -1.0
    return [sign, float(np.nan_to_num(operation.threshold))]


def coded(cells: pd.DataFrame, facts: Facts) -> tuple[np.ndarray, OrdinalEncoder]:
    """Codes of the sensitive columns, and the encoder that gives them; a new value and a missing one are UNKNOWN."""
    known_values = [np.array(members(cells[name], facts), dtype=object) for name in cells.columns]
    coder = OrdinalEncoder(
        categories=known_values, handle_unknown="use_encoded_value", unknown_value=mitigation.UNKNOWN
    )
    size = max(len(values) for values in known_values)
    coder.fit(pd.DataFrame({n: np.resize(v, size) for n, v in zip(cells.columns, known_values, strict=True)}))
    return mitigation.codes_of(np.asarray(coder.transform(cells), dtype=float)), coder


def both(frame: pd.DataFrame, encode: Any, features: list[str], coder: OrdinalEncoder, sensitive: list[str]) -> Any:
    """An encoder of the features and, after them, of the sensitive columns; either is fitted and stays as it is."""
    parts = [("features", FrozenEstimator(encode), features), ("groups", FrozenEstimator(coder), sensitive)]
    return ColumnTransformer(parts, sparse_threshold=0).fit(frame)


def violation(constraint: str, truth: np.ndarray, selected: np.ndarray, groups: pd.Series) -> float:
    """Largest difference of a rate between groups, of the worst rate where a constraint speaks of two."""
    among = {
        "demographic_parity": [np.ones(len(truth), dtype=bool)],
        "equalized_odds": [truth == 1, truth == 0],
        "true_positive_rate_parity": [truth == 1],
        "false_positive_rate_parity": [truth == 0],
        "error_rate_parity": [np.ones(len(truth), dtype=bool)],
    }[constraint]
    told = selected != truth if constraint == "error_rate_parity" else selected
    found = []
    for rows_of in among:
        rates = pd.Series(told[rows_of]).groupby(groups.to_numpy()[rows_of]).mean()
        found.append(float(rates.max() - rates.min()))
    return max(found)


def _advice(error: Exception) -> str:
    if "Degenerate labels" in str(error):
        return "; thresholds need rows of both classes in every group: name fewer sensitive columns"
    return ""


if __name__ == "__main__":
    arguments = entry.parser("Train a classifier under a fairness constraint.")
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--method", default="exponentiated_gradient")
    arguments.add_argument("--constraint", default="demographic_parity", choices=tuple(REDUCTIONS))
    arguments.add_argument("--bound", type=float, default=0.01)
    arguments.add_argument("--estimator", default="LogisticRegression")
    arguments.add_argument("--hyper-parameters", default="{}")
    arguments.add_argument("--sensitive")
    arguments.add_argument("--iterations", type=int, default=50)
    arguments.add_argument("--grid-size", type=int, default=20)
    arguments.add_argument("--objective", default="accuracy", choices=("accuracy", "balanced_accuracy"))
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--model", type=Path, required=True)
    entry.run(main, arguments)
