"""From a schema and its encoder to the rows that the proof speaks of, shorter than the encoder's, and back.

Numbers are taken from the middle of their bounds, so that each adds at most 1/4 to the square of a row's norm, not 1.
The constant column makes this a change of coordinates: w·(x - m) with m₀ = 0 is w·x with w·m taken from the
constant's weight. Rows that are still longer than the norm allows are shortened to it.
"""

import math
from typing import NamedTuple

import numpy as np
from common.entry import Refusal
from common.facts import Facts
from objective import SLACK, Array
from sklearn.pipeline import Pipeline

NUMBERS = ("numbers", "nullable_numbers")


class Frame(NamedTuple):
    """`middle` is taken from every encoded row; what is left is shortened to `norm`. Both come from the schema."""

    middle: Array
    norm: float

    def of(self, encoded: Array) -> Array:
        """The encoded rows in this frame. Raises Refusal if a shortened one is not short enough."""
        rows = encoded - self.middle
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows * np.minimum(1.0, self.norm / np.maximum(lengths, self.norm))
        if not np.linalg.norm(rows, axis=1).max(initial=0.0) <= self.norm * (1.0 + SLACK):
            raise Refusal("an encoded row is not a row of numbers")
        return np.asarray(rows, dtype=np.float64)

    def back(self, weights: Array) -> Array:
        """Weights of the encoder's own columns that give the same scores. (Post-processing: nothing but weights.)"""
        moved = weights.copy()
        moved[:, 0] -= weights @ self.middle
        return moved


def norm_bound(facts: Facts) -> float:
    """The norm that no row in the frame exceeds: √(1 + vocabularies + numbers/4), by the schema."""
    assert facts.features is not None
    vocabularies = sum(facts.columns[name].categories is not None for name in facts.features)
    return math.sqrt(1.0 + vocabularies + (len(facts.features) - vocabularies) / 4.0)


def frame(encoder: Pipeline, facts: Facts, longest: float | None) -> Frame:
    """The frame of an encoder with a constant column; `longest` shortens rows to less than the schema's bound."""
    columns = encoder.steps[0][1]
    middle = np.zeros(1 + sum(part.stop - part.start for part in columns.output_indices_.values()))
    for group in NUMBERS:
        if group in columns.output_indices_:
            part = columns.output_indices_[group]
            middle[1 + part.start : 1 + part.stop] = 0.5
    bound = norm_bound(facts)
    return Frame(middle, bound if longest is None else min(bound, longest))
