"""From two models and rows to how far their answers lie apart (schemas/parity.schema.json)."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common.entry import Refusal
from common.models import Model


class Parity(NamedTuple):
    """`max_abs_difference` is of probabilities or values, None if the model gives labels alone.

    `scale` is 1 for probabilities, and for values the largest absolute value of the native model, at least 1: the
    difference passes if it is at most tolerance times scale. `label_agreement` is None for a regressor. `ties` are rows
    whose two likeliest classes lie within 2·tolerance: either label is right there, and neither counts against it.
    """

    rows: int
    max_abs_difference: float | None
    label_agreement: float | None
    ties: int
    scale: float
    tolerance: float
    agreement: float

    @property
    def passed(self) -> bool:
        """Whether differences and labels are within their bounds; not a number is a failure."""
        near = self.max_abs_difference is None or self.max_abs_difference <= self.tolerance * self.scale
        return bool(near and (self.label_agreement is None or self.label_agreement >= self.agreement))


def compare(native: Model, exported: Model, frame: pd.DataFrame, tolerance: float, agreement: float) -> Parity:
    """Both models on the same rows. Raises Refusal if the exported one cannot answer them."""
    try:
        others, other_scores = np.asarray(exported.predict(frame)), exported.scores(frame)
    except Refusal:
        raise
    except Exception as error:  # onnxruntime's errors have no class in common, and their texts may quote values
        raise Refusal(f"onnxruntime cannot run the exported model on these rows ({type(error).__name__})") from None
    answers, scores = np.asarray(native.predict(frame)), native.scores(frame)
    if native.card.task == "regressor":
        return Parity(len(frame), largest(answers, others), None, 0, _scale(answers), tolerance, agreement)
    same = np.array([_same(a, b) for a, b in zip(answers.tolist(), others.tolist(), strict=True)])
    tied = np.zeros(len(frame), dtype=bool)
    if scores is not None and scores.shape[1] > 1:
        likeliest = np.sort(scores, axis=1)
        tied = likeliest[:, -1] - likeliest[:, -2] <= 2 * tolerance
    difference = None if scores is None else largest(scores, other_scores)
    return Parity(len(frame), difference, float(np.mean(same | tied)), int(tied.sum()), 1.0, tolerance, agreement)


def largest(a: Any, b: Any) -> float:
    """Largest absolute difference; infinite if shapes differ, or if a number stands where the other has none."""
    if b is None or np.shape(a) != np.shape(b):
        return float("inf")
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))


def _scale(values: np.ndarray) -> float:
    finite = np.abs(np.asarray(values, dtype=float))
    return max(1.0, float(finite[np.isfinite(finite)].max(initial=0.0)))


def _same(a: Any, b: Any) -> bool:
    """Labels are equal as values or as text: ONNX has true and false as 1 and 0."""
    return bool(a == b or str(a) == str(b))
