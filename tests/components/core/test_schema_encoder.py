"""The encoder: set up by the schema alone, bounded by the norm that it claims."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from common import encoding, models
from common import facts as facts_of
from common.entry import Refusal
from component_steps import PEOPLE, PRIVATE
from hypothesis import given, settings
from hypothesis import strategies as some

FACTS = facts_of.parse({**PEOPLE, "private": PRIVATE})
NAMES = ["age", "hours", "work", "grade", "member"]
ORDINARY = pd.DataFrame(
    {
        "age": [17, 90],
        "hours": [50.0, np.nan],
        "work": pd.Series(["Private", None], dtype=object),
        "grade": [3, 1],
        "member": [True, False],
    }
)
ANY_ROWS = some.lists(
    some.tuples(
        some.integers(-(2**50), 2**50),
        some.one_of(some.none(), some.floats(allow_infinity=False, allow_nan=False, width=32)),
        some.sampled_from(["Private", "State-gov", "unheard of", "", None]),
        some.integers(-3, 9),
        some.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def frame_of(rows: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=NAMES)
    return frame.astype({"age": np.int64, "hours": float, "work": object, "grade": np.int64, "member": bool})


def test_what_a_row_becomes() -> None:
    found = encoding.encoder(ORDINARY, FACTS, constant=True).transform(ORDINARY)
    # constant, age, member | hours | work: Private, State-gov | grade: 1, 2, 3
    assert sorted(found[0].tolist()) == sorted([1, 0, 1, 0.5, 1, 0, 0, 0, 1])
    assert sorted(found[1].tolist()) == sorted([1, 1, 0, 0.5, 0, 0, 1, 0, 0])
    assert found[:, 0].tolist() == [1, 1]
    assert encoding.encoder(ORDINARY, FACTS).transform(ORDINARY).shape == (2, 8)


@settings(deadline=None, max_examples=40)
@given(rows=ANY_ROWS)
def test_no_row_is_longer_than_the_bound(rows: list[Any]) -> None:
    frame = frame_of(rows)
    bound = encoding.norm_bound(FACTS)
    assert bound == math.sqrt(len(NAMES) + 1)
    encoded = encoding.encoder(ORDINARY, FACTS, constant=True).transform(frame)
    assert np.isfinite(encoded).all()
    assert (np.linalg.norm(encoded, axis=1) <= bound * (1 + 1e-12)).all()


def test_the_bound_is_reached() -> None:
    facts = facts_of.parse({**PEOPLE, "features": ["age", "work"], "private": PRIVATE})
    top = ORDINARY[["age", "work"]].assign(age=90, work="Private")
    encoded = encoding.encoder(top, facts, constant=True).transform(top)
    assert np.linalg.norm(encoded, axis=1) == pytest.approx([encoding.norm_bound(facts)] * 2)


@settings(deadline=None, max_examples=20)
@given(rows=ANY_ROWS)
def test_rows_do_not_shape_the_encoder_nor_the_example(rows: list[Any]) -> None:
    other = frame_of(rows)
    same = encoding.encoder(other, FACTS, constant=True).transform(ORDINARY)
    assert (same == encoding.encoder(ORDINARY, FACTS, constant=True).transform(ORDINARY)).all()
    assert models.example_rows(other, FACTS).equals(models.example_rows(ORDINARY, FACTS))


def test_missing_values_in_any_spelling_encode_alike() -> None:
    encode = encoding.encoder(ORDINARY, FACTS)
    spellings = [None, np.nan, ""]
    found = [encode.transform(ORDINARY.assign(work=pd.Series([x, x], dtype=object))) for x in spellings]
    found.append(encode.transform(ORDINARY.assign(work=pd.array([None, None], dtype="str"))))
    assert all((x == found[0]).all() for x in found)


UNBOUNDED = {"x": {"type": "number"}, "y": {"enum": ["a", "b"]}}


def test_an_unbounded_column_is_learned_on_public_data_and_refused_on_private() -> None:
    document: dict[str, Any] = {"name": "t", "schema": {"properties": UNBOUNDED}, "label": "y"}
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    learned = encoding.encoder(frame, facts_of.parse(document)).transform(frame)
    assert learned.mean() == pytest.approx(0)
    private = facts_of.parse({**document, "private": PRIVATE})
    for refusing in (lambda: encoding.encoder(frame, private), lambda: encoding.norm_bound(private)):
        with pytest.raises(Refusal, match=r"column 'x' has neither bounds nor a vocabulary"):
            refusing()


def test_without_a_schema_the_rows_are_all_there_is() -> None:
    frame = pd.DataFrame({"n": [1.0, np.nan, 3.0], "w": pd.Series(["a", "b", None], dtype=object)})
    encoded = encoding.encoder(frame, None).transform(frame)
    assert np.isfinite(encoded).all()
    assert encoded.shape[0] == 3


@pytest.mark.parametrize(
    ("change", "features"),
    [
        ({}, ["age", "hours", "work", "grade", "member"]),
        ({"features": ["sex", "age"]}, ["sex", "age"]),
        ({"sensitive": []}, ["age", "hours", "work", "grade", "member", "sex"]),
    ],
)
def test_features_are_all_but_label_and_sensitive_unless_listed(change: Any, features: list[str]) -> None:
    facts = facts_of.parse({**PEOPLE, **change})
    assert list(facts.features or ()) == features
    assert facts.classes == ("<=50K", ">50K")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": "salary"}, "label column 'salary' is not in the schema"),
        ({"features": ["income"]}, "cannot be a feature"),
        ({"positive": "rich"}, "positive class 'rich'"),
        ({"private": {"epsilon": "much", "delta": 0}}, "bad `private` section"),
        ({"private": {**PRIVATE, "neighbours": "both"}}, "neither replace_one nor add_remove"),
        ({"schema": {"properties": {"age": 3}}}, "'age' is not an object"),
    ],
)
def test_contradictory_facts_are_refused(change: Any, reason: str) -> None:
    with pytest.raises(Refusal, match=reason.replace("(", r"\(")):
        facts_of.parse({**PEOPLE, **change})
