"""From a privacy loss to a perturbed objective: how much noise its linear term and its solution need, and the draw.

The objective is that of `objective.py` with a random linear term, for rows x of norm at most R:

    F(w) = ½‖w‖² + C·( Σᵢ ℓ(w; xᵢ, yᵢ) + bᵀw )

docs/privacy-mechanisms.md ("Objective perturbation") proves what is computed here.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import noise
import numpy as np
import opendp.prelude as dp
from noise import Mechanism
from objective import FACTOR, SLACK, UNIT_ROUNDOFF, Array, Objective
from scipy.special import log_ndtr

SHARE = 0.01
"""Part of ε and δ that pays for the solution being approximate; the linear term gets the rest."""
ENOUGH = math.sqrt(3.0)
"""Standard deviations from which on one normal tail bounds two of the same variance together (case `replace_one`)."""


class Plan(NamedTuple):
    """A calibrated release of one problem's solution, made without looking at rows.

    `epsilon` and `delta` are those of the linear term b, whose noise has `scale` (σ, or s where the density falls as
    exp(-‖b‖/s)) for gradients that lie at most `distance` apart; `determinant` is the part of `epsilon` that the change
    of volume takes. `finish` releases a point within τ of the solution.
    """

    mechanism: str
    epsilon: float
    delta: float
    scale: float
    distance: float
    determinant: float
    finish: Mechanism


def calibrate(
    mechanism: str, problem: Objective, neighbours: str, size: int, epsilon: float, delta: float, tau: float
) -> Plan:
    """The least noise with which the whole release of `size` weights is (ε, δ)-private; `laplace` is pure ε.

    Raises ValueError if no noise can do it: C is then too large for ε.
    """
    spare = SHARE * epsilon, SHARE * delta
    finish = noise.calibrate(mechanism, 2.0 * tau * (1.0 + SLACK), size, *spare)
    spent = epsilon - finish.epsilon, (delta - finish.delta if mechanism == "gaussian" else 0.0)
    norm = problem.norm * (1.0 + SLACK)
    distance = FACTOR[neighbours] * problem.lipschitz * norm * (1.0 + SLACK)
    # the loss's second derivative in the scores: at most 1/4; for K classes of rank K - 1 and trace at most (K - 1)/K
    rank, part = (1, 4) if problem.vectors == 1 else (problem.classes - 1, problem.classes)
    volume = rank * math.log1p(problem.C * norm**2 / part) * (1.0 + SLACK)
    left = spent[0] - volume
    if not left > 0.0:
        most = part * math.expm1(spent[0] / rank) / norm**2
        raise ValueError(
            f"C = {problem.C:g} is too large for epsilon = {epsilon:g}; C must stay below {most:.3g}, best far below"
        )
    if mechanism == "gaussian":
        directions = (problem.classes - 1) ** int(FACTOR[neighbours])
        scale = _least(lambda sigma: directions * tail(left, distance / sigma), spent[1], distance / left)
    else:
        scale = distance / left
    return Plan(mechanism, *spent, scale * (1.0 + SLACK), distance, volume, finish)


def tail(epsilon: float, shift: float) -> float:
    """δ of the linear term's Gaussian noise for each direction in which rows can pull: E(1 - exp(ε - a²/2 - a|Z|))₊,
    Z standard normal, a = `shift` = distance/σ; 1 where that is no bound for two rows. It is twice the δ of the
    Gaussian mechanism (Balle and Wang 2018)."""
    upper, lower = epsilon / shift - shift / 2.0, epsilon / shift + shift / 2.0
    if upper < ENOUGH:
        return 1.0
    first = float(log_ndtr(-upper))
    return -2.0 * math.exp(first) * math.expm1(epsilon + float(log_ndtr(-lower)) - first)


def draw(plan: Plan, size: int) -> Array:
    """b, from OpenDP's Gaussian sampler alone. There is no seed, and every call draws anew.

    `laplace`: with Z in d dimensions and N in d + 1, both standard normal, s·‖N‖·Z has the density that falls as
    exp(-‖b‖/s): its length is s·Gamma(d), since χ_d·χ_{d+1} is a Gamma(d) variable.
    """
    if plan.mechanism == "gaussian":
        return _normal(size, plan.scale)
    return np.asarray(plan.scale * np.linalg.norm(_normal(size + 1, 1.0)) * _normal(size, 1.0), dtype=np.float64)


def rounding(linear: Array) -> float:
    """How far (Euclidean norm) the drawn floats may lie from the real numbers that they stand for."""
    return (linear.size + 16) * 2.0 * UNIT_ROUNDOFF * float(np.linalg.norm(linear))


def _normal(count: int, scale: float) -> Array:
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l2_distance(T=float)
    return np.array(dp.m.make_gaussian(*space, scale=scale)([0.0] * count), dtype=np.float64)


def _least(loss: Callable[[float], float], most: float, start: float) -> float:
    """The smallest scale, to twelve digits and from above, at which a decreasing `loss` is at most `most`."""
    high = start
    while loss(high) > most:
        high *= 2.0
    low = high / 2.0
    while loss(low) <= most:
        low /= 2.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if loss(middle) > most else (low, middle)
    return high
