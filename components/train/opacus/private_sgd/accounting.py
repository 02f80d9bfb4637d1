"""From a privacy loss, a sampling rate and a number of steps to the noise that keeps within it, and back.

Each step takes every row with probability q, and adds Gaussian noise of deviation σ·C to a sum to which a row
contributes a norm of C at most. Opacus's accountants compose the steps for one row more or less. `rdp` is Rényi
accounting (Mironov, Talwar and Zhang 2019), proven for both directions; `prv` composes numerically (Gopi, Lee and
Wutschitz 2021). Opacus takes the direction in which the row is removed alone, this module also the other.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from common.entry import Refusal
from numpy.typing import NDArray
from opacus.accountants import RDPAccountant
from opacus.accountants.analysis.prv import (
    PoissonSubsampledGaussianPRV,
    TruncatedPrivacyRandomVariable,
    compose_heterogeneous,
    compute_safe_domain_size,
    discretize,
)
from opacus.accountants.analysis.prv.domain import Domain
from scipy.special import erfc

TOLERANCE = 0.005
"""How far the noise may lie above the least that suffices, as a share of it."""
LEAST, MOST = 0.2, 1e5
"""Noise multipliers that are looked at."""

Array = NDArray[np.float64]


class Account(NamedTuple):
    """A training's privacy: (epsilon, delta) for the neighbours asked for, and all that it follows from."""

    epsilon: float
    delta: float
    noise_multiplier: float
    sample_rate: float
    steps: int
    accountant: str


class Added(PoissonSubsampledGaussianPRV):
    """The privacy loss where the row is in the other table: of N(0, σ²) against the mixture, a draw from N(0, σ²)."""

    def cdf(self, t: Array) -> Array:
        q, sigma = self.sample_rate, self.noise_multiplier
        inside = np.exp(-np.asarray(t, dtype=np.float64)) + q - 1.0
        bound = sigma**2 * np.log(np.where(inside > 0, inside, 1.0) / q) + 0.5
        return np.where(inside > 0, 0.5 * erfc(bound / (sigma * math.sqrt(2.0))), 1.0)


def epsilon_of(accountant: str, noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """ε of a training at δ, for one row more or less. Raises ValueError where the accountant has no figure."""
    return ACCOUNTANTS[accountant](noise_multiplier, sample_rate, steps, delta)


def _rdp(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, sample_rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "optimal order is the largest alpha": a looser figure, still a bound
        return float(accountant.get_epsilon(delta=delta))


def _prv(noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """The larger of both directions' upper bounds."""
    error = 0.01 * min(1.0, max(0.05, _rdp(noise_multiplier, sample_rate, steps, delta)))
    kinds = (PoissonSubsampledGaussianPRV, Added)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logarithms of nought beyond the ends of a distribution
        try:
            return max(_composed(kind(sample_rate, noise_multiplier), steps, delta, error) for kind in kinds)
        except (RuntimeError, MemoryError, OverflowError) as strange:
            raise ValueError(f"the accountant prv has no figure here ({type(strange).__name__})") from None


def _composed(variable: PoissonSubsampledGaussianPRV, steps: int, delta: float, error: float) -> float:
    """Opacus's numerical composition of one privacy loss with itself, as its PRVAccountant sets it up."""
    delta_error = delta / 1000
    most = compute_safe_domain_size([variable], [steps], error, delta_error)
    domain = Domain.create_aligned(-most, most, error / math.sqrt(steps * math.log(12 / delta_error) / 2))
    cut = TruncatedPrivacyRandomVariable(variable, domain.t_min, domain.t_max)
    composed = compose_heterogeneous([discretize(cut, domain)], [steps])
    return float(composed.compute_epsilon(delta, delta_error, error)[2])


ACCOUNTANTS: dict[str, Callable[[float, float, int, float], float]] = {"rdp": _rdp, "prv": _prv}


class Question(NamedTuple):
    """What a training is to spend at most, for which neighbours, and how it samples."""

    epsilon: float
    delta: float
    neighbours: str
    sample_rate: float
    steps: int
    accountant: str

    def within(self) -> tuple[float, float]:
        """(ε, δ) for one row more or less that gives the one asked for.

        To replace a row is to take one out and to put one in, so a loss of (ε₁, δ₁) for one row more or less is one of
        (2·ε₁, (1 + exp ε₁)·δ₁) for a row replaced (Vadhan 2017, Lemma 2.2).
        """
        if self.neighbours == "add_remove":
            return self.epsilon, self.delta
        return self.epsilon / 2.0, self.delta / (1.0 + math.exp(self.epsilon / 2.0))

    def spent(self, noise_multiplier: float) -> float:
        """ε of the training for the neighbours asked for, at their δ; infinite where it is beyond the one asked for."""
        epsilon, delta = self.within()
        found = epsilon_of(self.accountant, noise_multiplier, self.sample_rate, self.steps, delta)
        if self.neighbours == "add_remove":
            return found
        return 2.0 * found if found <= epsilon else math.inf


def account(question: Question, noise_multiplier: float | None) -> Account:
    """The training's privacy with the noise that is given, or with the least noise that is within the loss.

    Raises Refusal where the given noise is too little, or no noise would do.
    """
    try:
        chosen = noise_multiplier if noise_multiplier is not None else _least(question)
        epsilon = question.spent(chosen)
    except ValueError as error:
        raise Refusal(f"{error}; use accountant = rdp, more noise or fewer steps") from None
    if not epsilon <= question.epsilon:
        raise Refusal(
            f"noise_multiplier = {chosen:g} spends more than epsilon = {question.epsilon:g} "
            f"({question.accountant}, {question.neighbours}); raise it, leave it out to have it found, or train less"
        )
    return Account(epsilon, question.delta, chosen, question.sample_rate, question.steps, question.accountant)


def _least(question: Question) -> float:
    """By bisection: ε falls as noise grows. What an accountant has no figure for counts as too little noise."""

    def enough(noise: float) -> bool:
        try:
            return question.spent(noise) <= question.epsilon
        except ValueError:
            return False

    low, high = LEAST, 1.0
    while not enough(high):
        low, high = high, 2.0 * high
        if high > MOST:
            raise ValueError(f"no noise keeps within epsilon = {question.epsilon:g}")
    while high - low > TOLERANCE * high:
        middle = (low + high) / 2.0
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
