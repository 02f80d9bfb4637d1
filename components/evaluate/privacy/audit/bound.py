"""From guesses about coins to the least ε that they leave possible: a lower bound that holds with a stated confidence.

Steinke, Nasr and Jagielski, "Privacy auditing with one (1) training run" (NeurIPS 2023), Theorem 5.2: let a mechanism
be (ε, δ)-differentially private in each of m fair independent coins, and let somebody who sees its output guess r of
them. With q = e^ε / (1 + e^ε) and f(v) the probability that a binomial of r trials and success q reaches v,

    P[v or more guesses are right] <= f(v) + 2·m·δ·max over i >= 1 of (f(v - i) - f(v)) / i.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

SHARES = (0.1, 0.25, 0.5)
LARGEST = 40.0  # e^40 to 1: beyond any claim


class Guesses(NamedTuple):
    """`inside` guesses that a canary was planted, `outside` that it was not, of which `right` are right together."""

    inside: int
    outside: int
    right: int

    @property
    def made(self) -> int:
        """How many guesses these are; on the other coins nothing is said."""
        return self.inside + self.outside


def p_value(coins: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """How likely `right` or more of the guesses are right at most, if the mechanism is (epsilon, delta)-private."""
    success = 1.0 / (1.0 + math.exp(-epsilon))
    reached = binom.sf(right - 1, guesses, success)
    if delta == 0.0 or right == 0:
        return float(min(reached, 1.0))
    steps = np.arange(1, right + 1)
    gained = binom.sf(right - steps - 1, guesses, success) - reached
    return float(min(reached + 2.0 * coins * delta * np.max(gained / steps), 1.0))


def lower_bound(coins: int, guesses: int, right: int, delta: float, failure: float) -> float:
    """The largest ε that the guesses refute with a probability of error of at most `failure`; 0 if they refute none."""
    if p_value(coins, guesses, right, 0.0, delta) > failure:
        return 0.0
    low, high = 0.0, LARGEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(coins, guesses, right, middle, delta) <= failure else (low, middle)
    return low


def ways(coins: int) -> list[tuple[int, int]]:
    """How many of the highest and lowest scores to guess on; chosen before any score is seen. Equal ones are once."""
    found = [(coins - coins // 2, coins // 2)]
    for share in SHARES:
        some = max(round(share * coins), 1)
        found += [(some - some // 2, some // 2), (some, 0), (0, some)]
    return list(dict.fromkeys(found))


def guess(scores: NDArray[np.float64], included: NDArray[np.bool_]) -> list[Guesses]:
    """For each way: the highest scores are guessed to be planted, the lowest not to be. Ties go by place."""
    order = np.argsort(-scores, kind="stable")
    there = included[order]
    return [
        Guesses(high, low, int(there[:high].sum() + (~there[len(there) - low :]).sum()))
        for high, low in ways(len(scores))
    ]


def best(coins: int, made: Sequence[Guesses], delta: float, failure: float) -> tuple[float, Guesses]:
    """The largest bound of all ways of guessing, each held to its share of the failure (Bonferroni)."""
    bounds = [lower_bound(coins, g.made, g.right, delta, failure / len(made)) for g in made]
    place = int(np.argmax(bounds))
    return bounds[place], made[place]
