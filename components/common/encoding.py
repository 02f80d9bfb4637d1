"""From facts to an encoder of features: standard scikit-learn transformers, set up by the schema and never by rows.

Numbers are scaled from the schema's bounds to [0, 1] and clipped, so a row outside its bounds cannot leave the
interval; a missing number becomes 0.5. A category becomes a unit vector over the schema's vocabulary, a missing or
unknown one the zero vector. With `constant`, a column of ones stands first: it is the intercept of a linear model
fitted without one. So an encoded row has at most the Euclidean norm `norm_bound(facts)`.

Without a schema, and for public columns that the schema does not bound, the encoder learns from the rows: means and
deviations, and the categories that it sees.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler

from common.entry import Refusal
from common.facts import Column, Facts, Kind

NUMBERS = (Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN)


def norm_bound(facts: Facts, constant: bool = True) -> float:
    """R, the largest Euclidean norm of an encoded row: √(features + 1), each feature adding at most 1 to the square.

    Computed from the schema alone. `constant` counts the column of ones. Raises Refusal if a feature has no bounds.
    """
    columns = _feature_columns(facts)
    for column in columns:
        if not column.bounded:
            raise Refusal(_unbounded(column))
    return math.sqrt(len(columns) + constant)


def features(frame: pd.DataFrame, facts: Facts | None) -> pd.DataFrame:
    """The feature columns of a table, as the encoder and every saved model take them."""
    if facts is None:
        return frame
    names = facts.feature_names(list(frame.columns))
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise Refusal(f"the table lacks the feature column {absent[0]!r}")
    if not names:
        raise Refusal("no feature is left: every column is the label or sensitive; list `features` on the data")
    return frame[names]


def target(frame: pd.DataFrame, facts: Facts | None) -> pd.Series:
    """The label column, without missing values. Raises Refusal if there is none."""
    if facts is None or facts.label is None:
        raise Refusal("the label is not known; say `label = …` in the data's block")
    if facts.label not in frame.columns:
        raise Refusal(f"the table lacks the label column {facts.label!r}")
    column = frame[facts.label]
    if column.isna().any():
        raise Refusal(f"the label {facts.label!r} is missing in {int(column.isna().sum())} rows")
    return column


def encoder(frame: pd.DataFrame, facts: Facts | None, constant: bool = False) -> Pipeline:
    """A fitted encoder of the features in `frame`; rows are looked at only where the schema says too little.

    Raises Refusal if the data is private and the schema says too little.
    """
    known = facts.columns if facts is not None else {}
    groups: dict[str, list[str]] = {}
    for name in frame.columns:
        column = known.get(str(name))
        bounded = column is not None and column.bounded
        if not bounded and facts is not None and facts.private is not None:
            raise Refusal(_unbounded(column) if column else f"the private column {name!r} is not in the schema")
        groups.setdefault(_group(column, frame[name], bounded), []).append(str(name))
    transformers = [
        (group, _transformer(group, [known.get(n) for n in names]), names) for group, names in groups.items()
    ]
    encode = ColumnTransformer(transformers, sparse_threshold=0, verbose_feature_names_out=False)
    steps: list[tuple[str, Any]] = [("columns", encode)]
    if constant:
        steps.append(("constant", PolynomialFeatures(degree=1, include_bias=True)))
    # What is bounded learns from rows made of the schema; only what is not sees the table's.
    learned = any(group.startswith("learned") for group in groups)
    sample = _extremes(frame, known, len(frame) if learned else 0)
    return Pipeline(steps).fit(sample)


def _extremes(frame: pd.DataFrame, known: dict[str, Column], rows: int) -> pd.DataFrame:
    """A table whose bounded columns run from lowest to highest value of the schema; the others are the table's own."""
    size = max(rows, 2)
    made = {}
    for name in frame.columns:
        column = known.get(str(name))
        if column is None or not column.bounded:
            made[name] = frame[name].to_numpy()
        elif column.categories is not None:
            kind = object if column.kind is Kind.STRING else None
            made[name] = np.resize(np.array(column.categories, dtype=kind), size)
        else:
            low, high = (0, 1) if column.kind is Kind.BOOLEAN else (column.minimum, column.maximum)
            made[name] = np.resize(np.array([low, high], dtype=float), size)
    return pd.DataFrame(made)


def _group(column: Column | None, cells: pd.Series, bounded: bool) -> str:
    if not bounded:
        numeric = pd.api.types.is_numeric_dtype(cells.dtype)
        return "learned_numbers" if numeric else "learned_categories"
    assert column is not None
    if column.categories is not None:
        if column.kind is Kind.MIXED:
            raise Refusal(f"column {column.name!r} mixes text and numbers in one vocabulary; use one of them")
        return "categories" if column.kind is Kind.STRING else "codes"
    return "nullable_numbers" if column.nullable else "numbers"


def _transformer(group: str, columns: list[Column | None]) -> Any:
    match group:
        case "numbers":
            return MinMaxScaler(clip=True)
        case "nullable_numbers":
            return Pipeline(
                [("scale", MinMaxScaler(clip=True)), ("fill", SimpleImputer(strategy="constant", fill_value=0.5))]
            )
        case "learned_numbers":
            return Pipeline([("fill", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
        case "learned_categories":
            return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    vocabulary = [_codes(column, group) for column in columns if column is not None]
    return OneHotEncoder(categories=vocabulary, handle_unknown="ignore", sparse_output=False)


def _codes(column: Column, group: str) -> np.ndarray:
    """A column's vocabulary in order, in the dtype in which its cells come."""
    members: list[Any] = list(column.categories or ())
    members.sort()
    if group == "categories":
        return np.array(members, dtype=object)
    return np.array(members, dtype=np.int64 if all(float(code).is_integer() for code in members) else np.float64)


def _feature_columns(facts: Facts) -> list[Column]:
    if not facts.columns or facts.features is None:
        raise Refusal("the norm of the features cannot be bounded: the data has no schema")
    return [facts.columns[name] for name in facts.features]


def _unbounded(column: Column) -> str:
    return (
        f"column {column.name!r} has neither bounds nor a vocabulary in the schema; "
        "give it `minimum` and `maximum`, or `enum`, or leave it out of the features"
    )
