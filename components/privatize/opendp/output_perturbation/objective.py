"""From a linear model and the rows it was fitted on to how far it may move when one row changes.

The objective is that of scikit-learn's `LogisticRegression`, on rows x that hold their own constant column:

    F(w) = ½‖w‖² + C · Σᵢ ℓ(w; xᵢ, yᵢ)

with one weight vector and ℓ = log(1 + exp(-±wᵀx)) for two classes, and one weight vector a class and ℓ = the cross
entropy of the softmax for more. F is 1-strongly convex whatever the rows are, because of its first term.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, log_softmax, softmax

Array = NDArray[np.float64]

UNIT_ROUNDOFF = 2.0**-53
BLOCK = 1024  # rows that are added up at a time, so that the bound on rounding grows slowly with their number
DENSE = 1500  # columns up to which the Hessian is made as a whole
SLACK = 1e-9
"""Relative widening of R and of the sensitivity. It covers the rounding of encoded rows and of these formulas, a few
units in the last place (1e-16 each), a million times over."""

FACTOR = {"replace_one": 2.0, "add_remove": 1.0}
"""How many loss terms differ between neighbouring tables: the old row's and the new row's, or one."""


class Objective(NamedTuple):
    """F, but for the rows. `norm` is R, the largest Euclidean norm of an encoded row; `classes` counts the schema's."""

    C: float
    norm: float
    classes: int

    @property
    def vectors(self) -> int:
        """Number of weight vectors: one for two classes, else one a class."""
        return 1 if self.classes == 2 else self.classes

    @property
    def lipschitz(self) -> float:
        """Largest norm of ∂ℓ/∂(scores): 1 for the logistic loss, √2 for the softmax's (‖p - e_y‖, p a distribution)."""
        return 1.0 if self.classes == 2 else math.sqrt(2.0)


def sensitivity(objective: Objective, neighbours: str, tau: float) -> float:
    """Δ₂: how far apart (Euclidean norm over all weights) the solutions of two neighbouring tables can lie.

    Chaudhuri, Monteleoni and Sarwate, JMLR 12 (2011), Lemma 7: if F is λ-strongly convex, and F and F + g are minimised
    at w and w', then ‖w - w'‖ ≤ (1/λ)·max‖∇g‖. Here λ = 1, and g is the loss of the rows that differ: C·(ℓ(new) -
    ℓ(old)) for `replace_one`, ±C·ℓ for `add_remove`; ‖∇ℓ‖ ≤ L·‖x‖ ≤ L·R. (Their Corollary 8 is the first case, for an
    average over n rows: 2/(nΛ), with R = 1 and Λ = 1/(nC).) A solver stops near the minimum: where ‖∇F‖ ≤ τ, convexity
    puts the solution within τ of it, on each of the two tables, hence 2τ.

    `tau` must be a constant of the program, not something measured on the rows.
    """
    moved = FACTOR[neighbours] * objective.C * objective.lipschitz * objective.norm * (1.0 + SLACK)
    return (moved + 2.0 * tau) * (1.0 + SLACK)


def gradient(
    objective: Objective, weights: Array, rows: Array, labels: NDArray[np.intp], linear: Array | None = None
) -> Array:
    """∇F at `weights` (vectors × columns), from the definition; `labels` are places in the schema's sorted classes.

    With `linear`, of F + C·linearᵀw.
    """
    pull = _residuals(objective, weights, rows, labels).T @ rows
    return weights + objective.C * (pull if linear is None else pull + linear)


def gradient_bound(
    objective: Objective, weights: Array, rows: Array, labels: NDArray[np.intp], linear: Array | None = None
) -> float:
    """An upper bound on the exact ‖∇F(weights)‖: what floating point gives, plus what floating point can be wrong by.

    The error is bounded as in Higham, *Accuracy and Stability of Numerical Algorithms* (2002), §3.1: a sum of k
    products, in any order, is off by at most γ_k = ku/(1-ku) times the sum of their absolute values; a sum of sums over
    blocks by γ of a block's length plus the number of blocks. Errors of the scores pass through a function with
    Lipschitz constant at most 1 (1/4 for two classes), itself computed to a few units in the last place. `linear` as
    in `gradient`.
    """
    residuals = _residuals(objective, weights, rows, labels)
    count, columns = rows.shape
    term = np.zeros_like(weights) if linear is None else linear
    pull = np.zeros_like(weights)
    for start in range(0, count, BLOCK):
        pull += residuals[start : start + BLOCK].T @ rows[start : start + BLOCK]
    computed = weights + objective.C * (pull + term)
    added = min(count, BLOCK) + math.ceil(count / BLOCK)
    size = float(np.linalg.norm(weights))
    norm = objective.norm * (1.0 + SLACK)
    steep = 0.25 if objective.vectors == 1 else 1.0
    probabilities = steep * _gamma(columns) * norm * size + (2 * objective.classes + 16) * UNIT_ROUNDOFF
    pulled = float(np.linalg.norm(residuals, axis=1).sum())
    error = objective.C * norm * (count * probabilities + _gamma(added + 2) * (pulled + count * probabilities))
    error += 4 * UNIT_ROUNDOFF * (size + objective.C * (norm * pulled + float(np.linalg.norm(term))))
    return (float(np.linalg.norm(computed)) + error) * (1.0 + SLACK)


def solve(
    objective: Objective, start: Array, rows: Array, labels: NDArray[np.intp], linear: Array | None = None
) -> Array:
    """The minimiser of F, near enough for any reasonable τ: Newton's method, from `start`.

    For tables in which a class of the schema does not occur: scikit-learn then solves a smaller problem, whose shape
    would tell that the class is absent. And for objectives with a `linear` term, as in `gradient`.
    """
    shape = start.shape

    def value(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        loss = objective.C * float(_losses(objective, weights, rows, labels).sum())
        if linear is not None:
            loss += objective.C * float(linear.ravel() @ flat)
        return 0.5 * float(flat @ flat) + loss, gradient(objective, weights, rows, labels, linear).ravel()

    def bend(flat: Array) -> Array:
        p = expit(rows @ flat)
        return np.eye(flat.size) + objective.C * ((rows * (p * (1.0 - p))[:, None]).T @ rows)

    def curvature(flat: Array, direction: Array) -> Array:
        weights, move = flat.reshape(shape), direction.reshape(shape)
        scores, change = rows @ weights.T, rows @ move.T
        if objective.vectors == 1:
            p = expit(scores)
            bent = p * (1.0 - p) * change
        else:
            p = softmax(scores, axis=1)
            bent = p * (change - (p * change).sum(axis=1, keepdims=True))
        return direction + objective.C * (bent.T @ rows).ravel()

    def near(flat: Array, slope: Array) -> Array:
        hessian = LinearOperator((flat.size, flat.size), matvec=lambda d: curvature(flat, d.ravel()), dtype=np.float64)
        return np.asarray(cg(hessian, -slope, rtol=1e-6, maxiter=10 * flat.size)[0], dtype=np.float64)

    if objective.vectors == 1 and start.size <= DENSE:

        def step(flat: Array, slope: Array) -> Array:
            return np.asarray(np.linalg.solve(bend(flat), -slope), dtype=np.float64)

        found = _descend(start.ravel(), value, step)
        return _polish(found, lambda w: value(w)[1], step).reshape(shape)
    options = {"gtol": 1e-9, "maxiter": 1000}
    tried = minimize(value, start.ravel(), jac=True, hessp=curvature, method="trust-ncg", options=options)
    return _polish(np.asarray(tried.x, dtype=np.float64), lambda w: value(w)[1], near).reshape(shape)


Step = Callable[[Array, Array], Array]
"""Newton's step from a point with a gradient."""


def _descend(point: Array, value: Callable[[Array], tuple[float, Array]], step: Step) -> Array:
    """Newton's method, steps halved until F falls enough (Armijo); F is strongly convex, so that always ends."""
    for _ in range(200):
        height, slope = value(point)
        if np.linalg.norm(slope) <= 1e-9:
            break
        move = step(point, slope)
        size = 1.0
        while value(point + size * move)[0] > height + 1e-4 * size * float(slope @ move):
            size /= 2.0
            if size < 1e-6:  # F is too coarse in floats
                return point
        point = point + size * move
    return point


def _polish(point: Array, slope: Callable[[Array], Array], step: Step) -> Array:
    """Newton steps while the gradient shrinks: near the minimum F itself is too coarse in floats to judge by."""
    steep = slope(point)
    for _ in range(10):
        move = step(point, steep)
        nearer = slope(point + move)
        if not np.linalg.norm(nearer) < np.linalg.norm(steep):
            break
        point, steep = point + move, nearer
    return point


def _residuals(objective: Objective, weights: Array, rows: Array, labels: NDArray[np.intp]) -> Array:
    """∂ℓ/∂(scores) for each row: p - y."""
    scores = rows @ weights.T
    if objective.vectors == 1:
        return np.asarray(expit(scores) - (labels == 1)[:, None], dtype=np.float64)
    residuals = softmax(scores, axis=1)
    residuals[np.arange(len(labels)), labels] -= 1.0
    return np.asarray(residuals, dtype=np.float64)


def _losses(objective: Objective, weights: Array, rows: Array, labels: NDArray[np.intp]) -> Array:
    scores = rows @ weights.T
    if objective.vectors == 1:
        return np.asarray(np.logaddexp(0.0, np.where(labels == 1, -1.0, 1.0) * scores[:, 0]), dtype=np.float64)
    return np.asarray(-log_softmax(scores, axis=1)[np.arange(len(labels)), labels], dtype=np.float64)


def _gamma(terms: int) -> float:
    return terms * UNIT_ROUNDOFF / (1.0 - terms * UNIT_ROUNDOFF)
