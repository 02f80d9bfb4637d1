"""From rows and labels to noisy sums of their products, and from those to a linear regression.

All that looks at rows is a vector of integers: the upper triangle of XᵀX and WEIGHT times Xᵀy, on a grid. So its
sensitivity is exact, and OpenDP's discrete noise is all that is added. docs/privacy-mechanisms.md ("Linear regression")
has the proof.
"""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import noise
import numpy as np
import opendp.prelude as dp
from numpy.typing import NDArray
from objective import SLACK, Array

Integers = NDArray[np.int64]

GRID = 2**13
"""Steps of a column from 0 to 1. Products have 2²⁶, so that floats add up 2²⁷ of them without an error."""
WEIGHT = 2
"""How much more of the noise's allowance Xᵀy gets than XᵀX: its noise is smaller by this factor."""
BLOCK = 2**20


class Bounds(NamedTuple):
    """What the schema says of every row: how many vocabularies and numbers make one, beside the constant."""

    vocabularies: int
    numbers: int

    @property
    def square(self) -> Fraction:
        """Largest ‖x‖²: 1 for the constant and each vocabulary, 1/4 for each number."""
        return 1 + self.vocabularies + Fraction(self.numbers, 4)

    @property
    def fourth(self) -> Fraction:
        """Largest Σⱼ xⱼ⁴."""
        return 1 + self.vocabularies + Fraction(self.numbers, 16)


class Released(NamedTuple):
    """The calibrated noise: its `scale` and the sensitivity `distance`, in units of a product of columns."""

    distance: float
    scale: float
    measurement: Any

    def draw(self, vector: Integers) -> Array:
        """One release of the integers, in units of a product of columns."""
        return np.array(self.measurement(vector.tolist()), dtype=np.float64) / GRID**2


def whole(rows: Array, labels: Array) -> tuple[Integers, Integers]:
    """Rows (numbers in [-½, ½], everything else 0 or 1) and labels in [-1, 1] as steps of the grid.

    Rounding and cutting are monotone, and the ends are on the grid: so the bounds hold for what is rounded, too.
    """
    x = np.clip(np.rint(rows * GRID), -GRID // 2, GRID).astype(np.int64)
    return x, np.clip(np.rint(labels * GRID), -GRID, GRID).astype(np.int64)


def vector(x: Integers, y: Integers) -> Integers:
    """The upper triangle of XᵀX, row by row, then WEIGHT·Xᵀy; exact."""
    columns = x.shape[1]
    products, moments = np.zeros((columns, columns), np.int64), np.zeros(columns, np.int64)
    for start in range(0, len(x), BLOCK):
        part = x[start : start + BLOCK].astype(np.float64)
        products += (part.T @ part).astype(np.int64)
        moments += (part.T @ y[start : start + BLOCK].astype(np.float64)).astype(np.int64)
    return np.concatenate([products[np.triu_indices(columns)], WEIGHT * moments])


def sensitivity(bounds: Bounds, neighbours: str) -> float:
    """Δ₂ of `vector`, in units of a product of columns, rounded up."""
    square, fourth = bounds.square, bounds.fourth
    most = {
        "replace_one": square**2 + fourth + WEIGHT**2 * 4 * square,
        "add_remove": (square**2 + fourth) / 2 + WEIGHT**2 * square,
    }[neighbours]
    return math.sqrt(most) * (1.0 + SLACK)


def calibrate(bounds: Bounds, neighbours: str, epsilon: float, delta: float) -> Released:
    """The least discrete Gaussian noise of which OpenDP certifies (ε, δ). Raises ValueError if there is none."""
    distance = sensitivity(bounds, neighbours)
    unit = noise.calibrate("gaussian", 1.0, 1, epsilon, delta).scale
    scale = unit * distance * (1.0 + SLACK)
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
    measurement = dp.m.make_gaussian(*space, scale=scale * GRID**2)
    certified = dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(measurement), delta=delta)
    if not certified.check(distance * GRID**2, (epsilon, delta)):
        raise ValueError(f"OpenDP does not certify the noise for epsilon = {epsilon:g}, delta = {delta:g}")
    return Released(distance, scale, measurement)


def solve(noisy: Array, columns: int, scale: float, ridge: float) -> Array:
    """The weights of a ridge regression on noisy products. Nothing but released numbers comes in.

    XᵀX has no negative eigenvalues, so those of the noisy one are cut to 0; the penalty is `ridge` times σ√d, the size
    of the noise's own eigenvalues (Wigner; Wang 2018 chooses the penalty from the noise as well).
    """
    upper = np.zeros((columns, columns))
    upper[np.triu_indices(columns)] = noisy[: columns * (columns + 1) // 2]
    products = upper + np.triu(upper, 1).T
    moments = noisy[columns * (columns + 1) // 2 :] / WEIGHT
    values, directions = np.linalg.eigh(products)
    penalty = ridge * scale * math.sqrt(columns)
    return np.asarray(directions @ ((directions.T @ moments) / (np.maximum(values, 0.0) + penalty)), dtype=np.float64)
