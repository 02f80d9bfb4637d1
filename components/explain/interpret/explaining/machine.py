"""From an explainable boosting machine to its terms: importances, curves and contributions, read off, not estimated.

A machine is a sum of terms on the scale of its link: log-odds of its second class, a score a class with more of them,
the value itself for a regressor. Of two classes the first one's terms are the second one's with the sign turned.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from explaining.faces import Subject


class Term(NamedTuple):
    """A term's curve: bins as `values` (categories) or `edges` (one more than scores); two features have a matrix."""

    features: tuple[str, ...]
    edges: list[float] | None
    values: list[str] | None
    scores: Any
    deviations: Any
    missing: float | None


def output(subject: Subject) -> str:
    """What the terms add up to, in words."""
    if subject.task == "regressor":
        return "prediction"
    return f"{'log-odds' if len(subject.classes) == 2 else 'score'} of {subject.chosen}"


def terms(subject: Subject) -> list[Term]:
    """The curves of the explained class."""
    machine = subject.machine
    found = []
    for place, features in enumerate(machine.term_features_):
        names = tuple(str(machine.feature_names_in_[feature]) for feature in features)
        scores = _of(machine.term_scores_[place], len(features), subject)
        spread = np.abs(_of(machine.standard_deviations_[place], len(features), subject))
        if len(features) == 1:
            cuts = machine.bins_[features[0]][0]
            inner, bands = scores[1:-1], spread[1:-1]
            if isinstance(cuts, dict):
                held = {bin_: [word for word, at in cuts.items() if at == bin_] for bin_ in cuts.values()}
                values = [" or ".join(held[bin_]) for bin_ in sorted(held)]
                found.append(Term(names, None, values, inner.tolist(), bands.tolist(), float(scores[0])))
                continue
            low, high = machine.feature_bounds_[features[0]]
            edges = [float(low), *map(float, cuts), float(high)]
            found.append(Term(names, edges, None, inner.tolist(), bands.tolist(), float(scores[0])))
        else:
            inside = tuple(slice(1, -1) for _ in features)
            found.append(Term(names, None, None, scores[inside].tolist(), None, None))
    return found


def contributions(subject: Subject, rows: pd.DataFrame) -> tuple[np.ndarray, float]:
    """The terms of each row (rows × terms), and the intercept."""
    machine = subject.machine
    found = np.asarray(machine.eval_terms(rows), dtype=float)
    intercept = np.atleast_1d(np.asarray(machine.intercept_, dtype=float))
    if subject.task == "regressor":
        return found, float(intercept[0])
    if len(subject.classes) > 2:
        place = subject.classes.index(subject.chosen)
        return found[..., place], float(intercept[place])
    sign = _sign(subject)
    return sign * found, sign * float(intercept[0])


def _of(held: Any, dimensions: int, subject: Subject) -> np.ndarray:
    tensor = np.asarray(held, dtype=float)
    if tensor.ndim > dimensions:
        return np.asarray(tensor[..., subject.classes.index(subject.chosen)])
    return tensor if subject.task == "regressor" else _sign(subject) * tensor


def _sign(subject: Subject) -> float:
    return 1.0 if subject.classes.index(subject.chosen) == len(subject.classes) - 1 else -1.0
