"""From counts and a share of the privacy loss to OpenDP's noisy counts, and to a choice among scores.

All losses are zero-concentrated and add up, adaptively (Bun and Steinke 2016, Lemma 1.7). Every number that goes in is
an integer, every draw is OpenDP's. `Ledger` adds up exactly what OpenDP states, and refuses to go beyond the total.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import opendp.prelude as dp
from numpy.typing import NDArray

WIDER = 1.0 + 1e-9  # scales are a little larger than the formulas say, so that rounding never makes one too small
ROWS = {"replace_one": 2, "add_remove": 1}
"""How many cells of a table of counts differ, each by one, between neighbours."""

dp.enable_features("contrib")


class Ledger:
    """What is spent of a total ρ. `parts` are what was released, as release.json tells it."""

    def __init__(self, total: float, neighbours: str) -> None:
        self.total = total
        self.moved = ROWS[neighbours]
        self.parts: list[dict[str, Any]] = []
        self._spent = Fraction()

    def counts(self, name: str, exact: NDArray[np.int64], rho: float) -> tuple[NDArray[np.float64], float]:
        """The counts with discrete Gaussian noise, and its scale: their distance in L2 is the root of `moved`."""
        distance = math.nextafter(math.sqrt(self.moved), math.inf)
        scale = distance / math.sqrt(2.0 * rho) * WIDER
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        measurement = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=scale)
        self._spend(name, exact.size, measurement.map(distance), "L2", distance, scale)
        return np.array(measurement(exact.ravel().tolist()), dtype=np.float64).reshape(exact.shape), scale

    def choice(self, name: str, scores: list[int], rho: float) -> int:
        """The place of about the largest score: OpenDP's noisy max, here with Gumbel noise.

        That is the exponential mechanism of pure loss 2·moved/scale, of concentrated loss an eighth of its square.
        """
        scale = 2.0 * self.moved / math.sqrt(8.0 * rho) * WIDER
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
        measurement = dp.m.make_noisy_max(*space, dp.zero_concentrated_divergence(), scale=scale)
        self._spend(name, 1, measurement.map(self.moved), "Linf", float(self.moved), scale)
        return int(measurement(scores))

    def _spend(self, name: str, dimension: int, loss: float, norm: str, distance: float, scale: float) -> None:
        self._spent += Fraction(loss)
        if self._spent > Fraction(self.total):
            raise ValueError("the measurements together cost more than their privacy loss allows")
        noise = {"norm": norm, "sensitivity": distance, "scale": scale}
        self.parts.append({"of": name, "dimension": int(dimension), "loss": loss, "noise": noise})


def pair_counts(one: NDArray[np.intp], other: NDArray[np.intp], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Rows of each combination of two columns."""
    flat = np.bincount(one * shape[1] + other, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.int64)


def score(exact: NDArray[np.int64], expected: NDArray[np.int64], penalty: int) -> int:
    """How far two columns are from what is expected of them: the L1 distance of integers, less a constant.

    A row that comes or goes moves one cell of `exact` by one, one that is replaced two; so the score moves by as much.
    """
    return int(np.abs(exact - expected).sum()) - penalty
