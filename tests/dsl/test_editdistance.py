"""Which names a misspelled one may have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlp_lang.dsl.editdistance import closest, distance


@pytest.mark.parametrize(
    ("name", "candidates", "meant"),
    [
        ("trian", ["train", "tune", "step"], ["train"]),
        ("Train", ["train", "trait"], ["train", "trait"]),
        ("max_itre", ["max_iter", "min_iter", "tol"], ["max_iter"]),
        ("fit_intercpt", ["fit_intercept", "intercept_scaling"], ["fit_intercept"]),
        ("C", ["c", "l1_ratio", "dual"], ["c"]),
        ("x", ["y"], []),
        ("accuracy", ["accuracy"], []),
        ("tabel", ["table", "label", "tables"], ["label", "table"]),
        ("epsilon", [], []),
        ("wholly_different", ["nothing_alike", "at_all"], []),
    ],
)
def test_closest(name: str, candidates: list[str], meant: list[str]) -> None:
    assert closest(name, candidates) == meant


words = st.text("abc", max_size=7)


def reference(left: str, right: str) -> int:
    """The recurrence as it is defined, over whole prefixes."""
    table = {(i, 0): i for i in range(len(left) + 1)} | {(0, j): j for j in range(len(right) + 1)}
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            ways = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (left[i - 1] != right[j - 1])]
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                ways.append(table[i - 2, j - 2] + 1)
            table[i, j] = min(ways)
    return table[len(left), len(right)]


@given(words, words, st.integers(0, 7))
def test_distance_is_restricted_damerau_levenshtein_up_to_its_limit(left: str, right: str, limit: int) -> None:
    assert distance(left, right, limit) == min(reference(left, right), limit + 1)
