"""The split: 1-stable on private data, by position or by a coin a row."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from common import facts as facts_of
from common.entry import Refusal
from component_steps import PEOPLE, PRIVATE, module
from hypothesis import given, settings
from hypothesis import strategies as some

split = module("prepare/tabular/split/split.py", "core_split")

ROWS = some.lists(
    some.tuples(some.one_of(some.none(), some.integers(0, 5)), some.sampled_from(["a", "b", None])),
    min_size=4,
    max_size=40,
)
SHARES = some.sampled_from([0.1, 0.25, 0.5, 0.8])
SEEDS = some.integers(0, 10_000)
REPLACE_ONE = facts_of.parse({**PEOPLE, "private": PRIVATE})
ADD_REMOVE = facts_of.parse({**PEOPLE, "private": {**PRIVATE, "neighbours": "add_remove"}})


def parts(table: list[Any], share: float, seed: int, facts: Any) -> tuple[list[Any], list[Any]]:
    frame = pd.DataFrame(table, columns=["n", "w"])  # one None changes the dtype of a column
    tested = split.choose(frame, share, seed, split.Ways(), facts)
    return (
        [r for r, t in zip(table, tested, strict=True) if not t],
        [r for r, t in zip(table, tested, strict=True) if t],
    )


@given(table=ROWS, share=SHARES, seed=SEEDS, place=some.integers(0, 39), row=some.tuples(some.just(99), some.just("z")))
def test_replacing_a_row_changes_one_row_of_one_part(
    table: list[Any], share: float, seed: int, place: int, row: Any
) -> None:
    place %= len(table)
    other = [*table[:place], row, *table[place + 1 :]]
    before, after = parts(table, share, seed, REPLACE_ONE), parts(other, share, seed, REPLACE_ONE)
    differing = [sum(a != b for a, b in zip(x, y, strict=True)) for x, y in zip(before, after, strict=True)]
    assert sorted(differing) == [0, 1]


@given(table=ROWS, share=SHARES, seed=SEEDS, place=some.integers(0, 40), row=ROWS.map(lambda rows: rows[0]))
def test_adding_a_row_leaves_every_other_row_in_its_part(
    table: list[Any], share: float, seed: int, place: int, row: Any
) -> None:
    place %= len(table) + 1
    other = [*table[:place], row, *table[place:]]
    before, after = parts(table, share, seed, ADD_REMOVE), parts(other, share, seed, ADD_REMOVE)
    added = [Counter(y) - Counter(x) for x, y in zip(before, after, strict=True)]
    lost = [Counter(x) - Counter(y) for x, y in zip(before, after, strict=True)]
    assert sorted(c.total() for c in added) == [0, 1]
    assert not any(lost)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_the_parts_have_their_sizes(seed: int) -> None:
    frame = pd.DataFrame({"n": range(2000)})
    assert split.choose(frame, 0.2, seed, split.Ways(), REPLACE_ONE).sum() == 400
    coins = split.choose(frame, 0.2, seed, split.Ways(), ADD_REMOVE).sum()
    assert abs(coins - 400) < 6 * np.sqrt(2000 * 0.2 * 0.8)  # six standard deviations of the binomial


def test_coins_of_equal_rows_are_independent() -> None:
    same = pd.DataFrame({"n": [1] * 4000})
    assert abs(split.choose(same, 0.5, 3, split.Ways(), ADD_REMOVE).sum() - 2000) < 6 * np.sqrt(1000)


def test_a_stratified_split_keeps_shares() -> None:
    frame = pd.DataFrame({"income": ["<=50K"] * 70 + [">50K"] * 30})
    public = facts_of.parse(PEOPLE)
    tested = split.choose(frame, 0.2, 5, split.Ways(split.stratum("true", public)), public)
    assert Counter(frame["income"][tested]) == {"<=50K": 14, ">50K": 6}


@pytest.mark.parametrize(
    ("text", "column"),
    [(None, None), ("false", None), ("null", None), ("True", "income"), ("sex", "sex"), ('"sex"', "sex")],
)
def test_how_stratify_is_spelled(text: str | None, column: str | None) -> None:
    assert split.stratum(text, facts_of.parse(PEOPLE)) == column


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_beyond_its_bounds_is_refused(share: float) -> None:
    with pytest.raises(Refusal, match="test_size"):
        split.choose(pd.DataFrame({"n": [1, 2]}), share, 0, split.Ways(), None)


@given(
    groups=some.lists(some.sampled_from(["a", "b", "c", "d", None]), min_size=2, max_size=60).filter(
        lambda g: len(set(g)) > 1
    ),
    share=SHARES,
    seed=SEEDS,
)
def test_a_group_is_in_one_part_alone_and_no_part_is_empty(groups: list[Any], share: float, seed: int) -> None:
    frame = pd.DataFrame({"who": pd.Series(groups, dtype=object)})
    tested = split.choose(frame, share, seed, split.Ways(group="who"), None)
    parts = [{g for g, t in zip(groups, tested, strict=True) if t == side} for side in (True, False)]
    assert not parts[0] & parts[1]
    assert all(parts)


def test_groups_come_near_the_share() -> None:
    frame = pd.DataFrame({"who": np.repeat(np.arange(200), 5)})
    assert split.choose(frame, 0.2, 1, split.Ways(group="who"), None).sum() == 200


@pytest.mark.parametrize(
    ("moments", "share", "latest"),
    [
        ([5, 1, 4, 2, 3], 0.4, [0, 2]),
        ([1, 2, 3, 3, 3], 0.2, [2, 3, 4]),  # a moment is not cut in two
        (["2024-03-01", "2023-12-31T23:59:59+00:00", "2024-01-01T00:30:00+02:00"], 0.3, [0]),
        (["2024-01-01T00:00:00+02:00", "2023-12-31T23:00:00Z", "2023-12-31"], 0.3, [1]),  # as UTC, not as text
    ],
)
def test_by_time_the_latest_rows_are_the_test(moments: list[Any], share: float, latest: list[int]) -> None:
    tested = split.choose(pd.DataFrame({"at": moments}), share, 0, split.Ways(time="at"), None)
    assert np.flatnonzero(tested).tolist() == latest


WAYS = split.Ways._fields
FRAME = pd.DataFrame({"income": ["<=50K", ">50K"] * 5, "at": ["2024", "soon"] * 5, "one": [1] * 10})


@pytest.mark.parametrize(
    ("ways", "facts", "said"),
    [
        *[(split.Ways(**{w: "income"}), f, "not 1-stable") for w in WAYS for f in (REPLACE_ONE, ADD_REMOVE)],
        (split.Ways(group="income", time="at"), None, "one way, found group and time"),
        (split.Ways(group="who"), None, "no column 'who' for group"),
        (split.Ways(group="one"), None, "one group of 'one'"),
        (split.Ways(time="at"), None, "5 rows have no moment in 'at'"),
    ],
)  # fmt: skip
def test_ways_that_are_refused(ways: Any, facts: Any, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        split.choose(FRAME, 0.2, 5, ways, facts)
