"""From (ε, δ) to the noise of binning and boosting, and from noise to the (ε, δ) that it certifies.

Gaussian differential privacy (Dong, Roth and Su 2022): a Gaussian of deviation σ on a figure of L2 sensitivity Δ is
Δ/σ-GDP, adaptive steps compose as the root of the sum of squares, and μ-GDP is (ε, δ(ε)) for every ε at once.
docs/privacy-mechanisms.md has the proof for the two stages of the machine, and what InterpretML takes for granted.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from common.entry import Refusal
from scipy.special import log_ndtr, ndtr

HISTOGRAM = math.sqrt(2.0)  # a row that is replaced leaves one bin and enters another
ROUNDING = 1e-3  # by how much of itself the sensitivity of a sum of doubles may exceed that of the exact sum
RESIDUALS = 2.0 * (1 + ROUNDING)  # residuals p - y lie in [-1, 1]; the old row's and the new one's may share a leaf
MOST_ROWS = 3_000_000  # sums of n doubles within [-1, 1] are off by n² 2⁻⁵³ at most: twice that is below 2 ROUNDING
SLACK = 1e-6  # the share of μ that is left unspent, for rounding here and for the library's root finding


class Noise(NamedTuple):
    """Deviations of the noise on each histogram and on each leaf's sum, and the μ of binning and of boosting."""

    binning: float
    boosting: float
    mu_binning: float
    mu_boosting: float

    @property
    def mu(self) -> float:
        """The μ of the whole release."""
        return math.hypot(self.mu_binning, self.mu_boosting)


class Steps(NamedTuple):
    """How many noisy figures there are: one histogram a feature, one tree a feature and round."""

    features: int
    rounds: int
    learning_rate: float

    @property
    def trees(self) -> int:
        return self.features * self.rounds


def plan(composition: str, epsilon: float, delta: float, share: float, steps: Steps) -> Noise:
    """The noise to add; `share` is binning's part of μ² (`gdp`) or of ε (`classic`). Raises Refusal."""
    if composition == "classic":
        # InterpretML's formula, for the sensitivities of a replaced row: ε and δ are split between the two stages.
        binning = HISTOGRAM * _classic(steps.features, epsilon * share, delta / 2)
        boosting = RESIDUALS * steps.learning_rate * _classic(steps.trees, epsilon * (1 - share), delta / 2)
        return of(binning, boosting, steps)
    mu = largest_mu(epsilon, delta) * (1 - SLACK)
    mu_binning, mu_boosting = mu * math.sqrt(share), mu * math.sqrt(1 - share)
    return Noise(
        HISTOGRAM * math.sqrt(steps.features) / mu_binning,
        RESIDUALS * steps.learning_rate * math.sqrt(steps.trees) / mu_boosting,
        mu_binning,
        mu_boosting,
    )


def of(binning: float, boosting: float, steps: Steps) -> Noise:
    """What noise of these deviations spends."""
    return Noise(
        binning,
        boosting,
        HISTOGRAM * math.sqrt(steps.features) / binning,
        RESIDUALS * steps.learning_rate * math.sqrt(steps.trees) / boosting,
    )


def certify(noise: Noise, epsilon: float, delta: float) -> None:
    """Raises Refusal if the noise gives less than (ε, δ)."""
    if not delta_of(epsilon, noise.mu) <= delta:
        raise Refusal("the noise that InterpretML drew is too small for epsilon and delta; nothing is released")


def delta_of(epsilon: float, mu: float) -> float:
    """The least δ at ε of a μ-GDP mechanism (Dong, Roth and Su 2022, Corollary 2.13)."""
    first = float(ndtr(-epsilon / mu + mu / 2))
    return first - math.exp(min(epsilon + float(log_ndtr(-epsilon / mu - mu / 2)), 0.0))


def largest_mu(epsilon: float, delta: float) -> float:
    """The largest μ whose μ-GDP implies (ε, δ)."""
    return _root(lambda mu: delta_of(epsilon, mu) <= delta, 1e-9, 1e4)


class Asked(NamedTuple):
    """The arguments by which InterpretML, with its own sensitivity of 1 and its own split, draws the planned noise."""

    epsilon: float
    delta: float
    bin_budget_frac: float


def asked(noise: Noise, steps: Steps) -> Asked:
    """The arguments of `composition = "gdp"` for the planned noise; δ is split in halves there, ε by the share."""
    mu_binning = math.sqrt(steps.features) / noise.binning
    mu_boosting = steps.learning_rate * math.sqrt(steps.trees) / noise.boosting
    half = min(1e-5, min(mu_binning, mu_boosting) / 100)
    binning, boosting = _epsilon(mu_binning, half), _epsilon(mu_boosting, half)
    return Asked(binning + boosting, 2 * half, binning / (binning + boosting))


def _epsilon(mu: float, delta: float) -> float:
    return _root(lambda epsilon: delta_of(epsilon, mu) >= delta, 0.0, 1e6)


def _classic(queries: int, epsilon: float, delta: float) -> float:
    return math.sqrt(8 * queries * math.log(math.e + epsilon / delta)) / epsilon


def _root(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest number for which a condition holds that holds at `low` and fails from some point on, from below."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
