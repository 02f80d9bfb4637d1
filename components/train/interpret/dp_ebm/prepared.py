"""From private rows and their schema to what InterpretML is given: no type, bound, vocabulary or class comes from rows.

Rows whose content is the schema's stand under the private ones, with almost no weight. So every category and both
classes occur, whatever the private rows hold, and the heaviest weight is that of a private row, which is 1.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common.entry import Refusal
from common.facts import Column, Facts, Kind
from glassbox.columns import spelled

WEIGHT = 1e-9
ABSENT = "(missing)"


class Feature(NamedTuple):
    """What InterpretML is told of one column: `vocabulary` of a category in the schema's order, else its bounds.

    `absent` is what stands for a missing value: a member of the vocabulary of its own, or the middle of the bounds.
    """

    name: str
    vocabulary: tuple[str, ...] | None
    bounds: tuple[float, float] | None
    absent: Any

    @property
    def type(self) -> Any:
        return "continuous" if self.vocabulary is None else list(self.vocabulary)


class Prepared(NamedTuple):
    """Features, target (places among the schema's classes) and weights of private rows and made ones."""

    frame: pd.DataFrame
    target: np.ndarray
    weights: np.ndarray


def described(names: list[str], facts: Facts) -> list[Feature]:
    """The features by the schema. Raises Refusal for a column of which it says too little."""
    return [_feature(facts.columns.get(name), name) for name in names]


def classes_of(facts: Facts) -> list[Any]:
    """The label's two classes, in InterpretML's order. Raises Refusal for another label."""
    names = facts.classes
    if names is None:
        raise Refusal(
            f"the label {facts.label!r} has no vocabulary in the schema: list its two classes there with `enum`; "
            "no privacy is proven for a label of numbers"
        )
    if len(names) != 2:
        raise Refusal(f"the label {facts.label!r} has {len(names)} classes; the library's private machine takes two")
    if len({type(x) for x in names}) != 1:
        raise Refusal(f"the classes of the label {facts.label!r} mix kinds; use one")
    return sorted(names)


def prepare(frame: pd.DataFrame, target: pd.Series, features: list[Feature], classes: list[Any]) -> Prepared:
    """The rows that the machine is fitted on."""
    places = {name: place for place, name in enumerate(classes)}
    private = pd.DataFrame({feature.name: _cells(frame[feature.name], feature) for feature in features})
    size = max([2, *(len(feature.vocabulary or ()) for feature in features)])
    made = pd.DataFrame({feature.name: _made(feature, size) for feature in features})
    return Prepared(
        pd.concat([private, made], ignore_index=True),
        np.concatenate([[places[x] for x in target.tolist()], np.resize([0, 1], size)]).astype(np.int64),
        np.concatenate([np.ones(len(private)), np.full(size, WEIGHT)]),
    )


def _feature(column: Column | None, name: str) -> Feature:
    if column is None or not column.bounded or (column.kind is Kind.MIXED and column.categories is None):
        raise Refusal(
            f"column {name!r} has neither bounds nor a vocabulary in the schema; "
            "give it `minimum` and `maximum`, or `enum`, or leave it out of the features"
        )
    if column.categories is None and column.kind is not Kind.BOOLEAN:
        assert column.minimum is not None and column.maximum is not None
        low, high = float(column.minimum), float(column.maximum)
        return Feature(name, None, (low, high), (low + high) / 2)
    members = tuple(spelled(x) for x in (column.categories if column.categories is not None else (False, True)))
    if len(set(members)) < len(members) or ABSENT in members:
        raise Refusal(f"the vocabulary of column {name!r} has members that are spelled alike, or {ABSENT!r}")
    return Feature(name, (*members, ABSENT) if column.nullable else members, None, ABSENT)


def _cells(cells: pd.Series, feature: Feature) -> pd.Series:
    gaps = cells.isna()
    if feature.vocabulary is None:
        return cells.astype(float).where(~gaps, feature.absent)
    return pd.Series([feature.absent if gap else spelled(x) for x, gap in zip(cells.tolist(), gaps, strict=True)])


def _made(feature: Feature, size: int) -> Any:
    if feature.vocabulary is None:
        return np.full(size, feature.absent)
    return np.resize(np.array(feature.vocabulary, dtype=object), size)
