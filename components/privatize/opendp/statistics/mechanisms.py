"""From integer queries and a privacy loss to OpenDP's measurements: even shares, scales, accuracy; all certified by it.

Noise is discrete (Laplace or Gaussian on the integers), so that no floating point is near it. OpenDP takes the
operating system's randomness; there is no seed.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import opendp.prelude as dp
from common import concentrated
from queries import Integers, Query

MECHANISMS = ("laplace", "gaussian")
WIDER = 1.0 + 1e-9  # scales are a little larger than the formulas say, so that rounding never makes one too small
SUMMED = 10_000.0  # OpenDP adds up the discrete Gaussian's tail term by term, for hours where the scale is large

dp.enable_features("contrib")


class Budget(NamedTuple):
    """A total privacy loss in the measure that adds up over queries: ε for `laplace`, zero-concentrated ρ for
    `gaussian`."""

    mechanism: str
    epsilon: float
    delta: float
    total: float


class Noisy(NamedTuple):
    """A query's mechanism. `norm` and `distance` are its sensitivity, `loss` what OpenDP certifies that it costs."""

    query: Query
    norm: str
    distance: float
    scale: float
    loss: float
    measurement: Any

    def draw(self, found: Integers) -> Any:
        """One release: noisy integers, or the place of the chosen candidate. Another call is another release."""
        return self.measurement(found)


def budget(mechanism: str, epsilon: float, delta: float) -> Budget:
    """The total of (ε, δ): ε itself, or the largest ρ of which OpenDP certifies (ε, δ). Raises ValueError if there is
    none."""
    if not (math.isfinite(epsilon) and epsilon > 0.0):
        raise ValueError(f"epsilon must be positive and finite, found {epsilon}")
    if mechanism == "laplace":
        return Budget(mechanism, epsilon, 0.0, epsilon)
    if mechanism != "gaussian":
        raise ValueError(f"mechanism {mechanism!r} is none of {', '.join(MECHANISMS)}")
    return Budget(mechanism, epsilon, delta, concentrated.total(epsilon, delta))


def calibrate(spent: Budget, asked: Sequence[tuple[Query, bool]]) -> list[Noisy]:
    """A mechanism for each query (True: choose the place of its least number), each with an even share of the total.

    Raises ValueError if the losses that OpenDP states add up to more than the total, which exact arithmetic decides.
    """
    parts = len(asked)
    made = [_chooser(query, spent, parts) if chosen else _adder(query, spent, parts) for query, chosen in asked]
    if sum((Fraction(m.loss) for m in made), Fraction()) > Fraction(spent.total):
        raise ValueError("the statistics together cost more than their privacy loss allows")
    return made


def _adder(query: Query, spent: Budget, parts: int) -> Noisy:
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if spent.mechanism == "laplace":
        scale = query.l1 * parts / spent.total * WIDER
        measurement = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=scale)
        return Noisy(query, "L1", query.l1, scale, measurement.map(query.l1), measurement)
    distance = math.nextafter(math.sqrt(query.l2_squared), math.inf)
    scale = distance * math.sqrt(parts / (2.0 * spent.total)) * WIDER
    measurement = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=scale)
    return Noisy(query, "L2", distance, scale, measurement.map(distance), measurement)


def _chooser(query: Query, spent: Budget, parts: int) -> Noisy:
    """OpenDP's noisy max, of the negated numbers: loss 2·most/scale, in the concentrated measure its square by 8."""
    pure = spent.mechanism == "laplace"
    share = spent.total / parts
    scale = 2.0 * query.most / (share if pure else math.sqrt(8.0 * share)) * WIDER
    measure = dp.max_divergence() if pure else dp.zero_concentrated_divergence()
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
    measurement = dp.m.make_noisy_max(*space, measure, scale=scale, negate=True)
    return Noisy(query, "Linf", query.most, scale, measurement.map(query.most), measurement)


def accuracy(noisy: Noisy, alpha: float) -> float:
    """How far off a noisy integer is with probability at most alpha, by OpenDP's accuracy functions.

    For a choice, how much more than the least number the chosen one has: with noise of scale b on each of k numbers,
    one that is worse by t is chosen with probability at most exp(-t/b), so some of them with k·exp(-t/b).
    """
    if noisy.norm == "L1":
        return float(dp.discrete_laplacian_scale_to_accuracy(noisy.scale, alpha))
    if noisy.norm == "L2":
        if noisy.scale <= SUMMED:
            return float(dp.discrete_gaussian_scale_to_accuracy(noisy.scale, alpha))
        # the discrete tail from m on is below the continuous one from m - 1 on (Canonne, Kamath and Steinke 2020)
        return float(dp.gaussian_scale_to_accuracy(noisy.scale, alpha)) + 1.0
    return noisy.scale * math.log(noisy.query.size / alpha)
