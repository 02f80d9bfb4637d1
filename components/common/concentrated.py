"""From (ε, δ) to zero-concentrated privacy: how much ρ may be spent, by OpenDP's certificate. Needs opendp."""

import math
from typing import Any


def total(epsilon: float, delta: float) -> float:
    """The largest ρ of which OpenDP certifies (ε, δ) (Canonne, Kamath and Steinke 2020).

    Raises ValueError if there is none.
    """
    import opendp.prelude as dp

    dp.enable_features("contrib")
    if not (math.isfinite(epsilon) and epsilon > 0.0):
        raise ValueError(f"epsilon must be positive and finite, found {epsilon}")
    if not 0.0 < delta < 1.0:
        raise ValueError(f"the Gaussian mechanism needs a delta between 0 and 1, found {delta}")
    space = dp.atom_domain(T=float, nan=False), dp.absolute_distance(T=float)

    def make(scale: float) -> Any:
        return dp.c.make_fix_delta(dp.c.make_zCDP_to_approxDP(dp.m.make_gaussian(*space, scale=scale)), delta=delta)

    # Bun and Steinke (2016), Proposition 1.3, solved for the scale; OpenDP's own conversion needs a little less
    tail = math.log(1.0 / delta)
    loose = (math.sqrt(tail + epsilon) + math.sqrt(tail)) / (math.sqrt(2.0) * epsilon)
    for depth in (4.0, 64.0, 1024.0):
        try:
            scale = dp.binary_search_param(make, d_in=1.0, d_out=(epsilon, delta), bounds=(loose / depth, loose * 2.0))
            if make(scale).check(1.0, (epsilon, delta)):
                return float(dp.m.make_gaussian(*space, scale=scale).map(1.0))
        except (dp.OpenDPException, ValueError):
            continue
    raise ValueError(f"OpenDP certifies no noise for epsilon = {epsilon:g}, delta = {delta:g}")
