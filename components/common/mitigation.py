"""What fairness mitigation answers with, as scikit-learn estimators of bare numbers: a mixture of classifiers, and
thresholds by group. They load from skops files wherever this package is, without Fairlearn, and run no code to load.

Both are randomised classifiers: a row gets the positive class with a probability p, and fairness holds for shares of
rows. Fairlearn throws a new coin at every prediction. Here the coin is a hash of the row itself (Cotter, Gupta and
Narasimhan, "On making stochastic classifiers deterministic", NeurIPS 2019, section 4), so a row has one answer,
alone or in any batch, today or tomorrow. Rows that are equal in every feature get the same answer.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

UNKNOWN = -1  # code of a missing member of a sensitive column, and of one that no vocabulary knows


def coins(encoded: np.ndarray) -> np.ndarray:
    """A number in [0, 1) for each row, by the row's content alone."""
    rows = np.ascontiguousarray(encoded, dtype="<f8") + 0.0  # -0 and 0 are one number
    return np.array([int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=7).digest()) / 2**56 for row in rows])


class _Randomised(ClassifierMixin, BaseEstimator):
    """A classifier of two classes by `shares`, the probability of each row to be given the second of `classes`."""

    classes_: np.ndarray

    def shares(self, encoded: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def predict_proba(self, encoded: np.ndarray) -> np.ndarray:
        """With which probability the randomised classifier gives each class."""
        shares = self.shares(np.asarray(encoded, dtype=float))
        return np.column_stack([1.0 - shares, shares])

    def predict(self, encoded: np.ndarray) -> np.ndarray:
        """The class on which the row's coin falls."""
        encoded = np.asarray(encoded, dtype=float)
        return np.asarray(self.classes_[(self.shares(encoded) > coins(encoded)).astype(int)])


class Mixture(_Randomised):
    """Classifiers of 0 and 1, one of which is drawn by `weights` and answers (Agarwal et al. 2018, section 3)."""

    def __init__(self, members: Sequence[Any], weights: Sequence[float], classes: Sequence[Any]) -> None:
        self.members = members
        self.weights = weights
        self.classes = classes

    def fit(self, encoded: Any = None, truth: Any = None) -> "Mixture":
        """Ready to predict; what its members have learnt is all that there is to learn."""
        self.classes_ = np.array(self.classes)
        self.n_features_in_ = self.members[0].n_features_in_
        return self

    def shares(self, encoded: np.ndarray) -> np.ndarray:
        found = np.zeros(len(encoded))
        for member, weight in zip(self.members, self.weights, strict=True):
            found += weight * np.asarray(member.predict(encoded), dtype=float)
        return np.clip(found, 0.0, 1.0)


class GroupThresholds(_Randomised):
    """A classifier of 0 and 1 whose score meets thresholds of the row's group (Hardt, Price and Srebro 2016).

    The last `columns` numbers of a row are the codes of its sensitive columns. `groups` has a row of codes a group;
    `rules` a row [p0, sign0, threshold0, p1, sign1, threshold1, ignored, constant] beside it: with probability
    `ignored` the answer is `constant`, else that of one of two thresholds, sign +1 meaning above and -1 below. A row of
    a group that was not there in training gets the answer of the classifier itself.
    """

    def __init__(
        self, base: Any, method: str, columns: int, groups: np.ndarray, rules: np.ndarray, classes: Sequence[Any]
    ) -> None:
        self.base = base
        self.method = method
        self.columns = columns
        self.groups = groups
        self.rules = rules
        self.classes = classes

    def fit(self, encoded: Any = None, truth: Any = None) -> "GroupThresholds":
        """Ready to predict; classifier and thresholds are given."""
        self.classes_ = np.array(self.classes)
        self.n_features_in_ = self.base.n_features_in_ + self.columns
        return self

    def shares(self, encoded: np.ndarray) -> np.ndarray:
        plain, codes = encoded[:, : -self.columns], codes_of(encoded[:, -self.columns :])
        score = soft(self.base, self.method, plain)
        found = np.asarray(self.base.predict(plain), dtype=float)
        for group, (p0, sign0, at0, p1, sign1, at1, ignored, constant) in zip(self.groups, self.rules, strict=True):
            mine = (codes == group).all(axis=1)
            kept = p0 * (sign0 * score[mine] > sign0 * at0) + p1 * (sign1 * score[mine] > sign1 * at1)
            found[mine] = ignored * constant + (1.0 - ignored) * kept
        return np.clip(found, 0.0, 1.0)


def codes_of(encoded: np.ndarray) -> np.ndarray:
    """Codes of sensitive columns as an encoder gives them."""
    return np.nan_to_num(encoded, nan=UNKNOWN).astype(np.int64)


def soft(estimator: Any, method: str, encoded: np.ndarray) -> np.ndarray:
    """The score to which thresholds apply: the probability of 1, or the decision function."""
    found = np.asarray(getattr(estimator, method)(encoded), dtype=float)
    return found[:, 1] if found.ndim == 2 else found
