"""From a sensitivity and a privacy loss to noise: scale and draw, both by OpenDP alone.

OpenDP adds discrete noise to the exact rational value of each number and rounds the sum to a float once, so that
floating point gives nothing away (its `make_gaussian` and `make_laplace` with their own finest granularity, the
default). Its sampler takes the operating system's randomness; there is no seed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import opendp.prelude as dp

MECHANISMS = ("gaussian", "laplace")

dp.enable_features("contrib")


class Mechanism(NamedTuple):
    """Calibrated noise. `scale` is σ or b; `distance` is the sensitivity in the mechanism's own norm (L2 or L1)."""

    name: str
    scale: float
    distance: float
    epsilon: float
    delta: float
    measurement: Any

    def draw(self, values: Sequence[float]) -> list[float]:
        """One release of `values`. Every call is a release of its own and costs `epsilon` and `delta` again."""
        return list(self.measurement(list(values)))


def calibrate(name: str, sensitivity: float, dimension: int, epsilon: float, delta: float) -> Mechanism:
    """The least noise that makes numbers with the given L2 sensitivity (ε, δ)-private, as OpenDP certifies it.

    `gaussian`: zero-concentrated privacy of the discrete Gaussian (Canonne, Kamath and Steinke 2020), converted at
    `delta`. `laplace`: pure ε, δ is ignored; the L1 sensitivity is at most √dimension times the L2 sensitivity
    (Cauchy-Schwarz).

    Raises ValueError for parameters that no noise can satisfy.
    """
    if not (math.isfinite(epsilon) and epsilon > 0.0):
        raise ValueError(f"epsilon must be positive and finite, found {epsilon}")
    if not (math.isfinite(sensitivity) and sensitivity > 0.0):
        raise ValueError(f"the sensitivity must be positive and finite, found {sensitivity}")
    if name == "gaussian":
        if not 0.0 < delta < 1.0:
            raise ValueError(f"the Gaussian mechanism needs a delta between 0 and 1, found {delta}")
        return _gaussian(sensitivity, epsilon, delta)
    if name == "laplace":
        # √d is rounded up: a sensitivity may be too large, never too small.
        return _laplace(sensitivity * math.nextafter(math.sqrt(dimension), math.inf), epsilon)
    raise ValueError(f"mechanism {name!r} is none of {', '.join(MECHANISMS)}")


def _gaussian(distance: float, epsilon: float, delta: float) -> Mechanism:
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l2_distance(T=float)

    def make(scale: float) -> Any:
        concentrated = dp.m.make_gaussian(*space, scale=scale)
        return dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(concentrated), delta=delta)

    # Bun and Steinke (2016), Proposition 1.3: ρ-zCDP gives ε = ρ + 2√(ρ ln(1/δ)); solved for ρ = distance²/(2σ²).
    # OpenDP converts more tightly, so the scale is a little below.
    tail = math.log(1.0 / delta)
    loose = distance / (math.sqrt(2.0) * epsilon) * (math.sqrt(tail + epsilon) + math.sqrt(tail))
    scale = _search(make, distance, (epsilon, delta), loose)
    return Mechanism("gaussian", scale, distance, epsilon, delta, make(scale))


def _laplace(distance: float, epsilon: float) -> Mechanism:
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l1_distance(T=float)

    def make(scale: float) -> Any:
        return dp.m.make_laplace(*space, scale=scale)

    scale = _search(make, distance, epsilon, distance / epsilon)
    return Mechanism("laplace", scale, distance, epsilon, 0.0, make(scale))


def _search(make: Callable[[float], Any], distance: float, loss: Any, about: float) -> float:
    """The smallest scale not above twice `about` that OpenDP certifies.

    Bounds are given because OpenDP's own search for them tries scales at which its arithmetic overflows.
    """
    for depth in (4.0, 64.0, 1024.0):
        try:
            bounds = (about / depth, about * 2.0)
            scale = float(dp.binary_search_param(make, d_in=distance, d_out=loss, bounds=bounds))
            if make(scale).check(distance, loss):
                return scale
        except (dp.OpenDPException, ValueError):
            continue
    raise ValueError(f"OpenDP certifies no noise scale up to {about * 2.0:g} for a privacy loss of {loss}")
