"""From the operating system's cryptographic generator to uniform and normal numbers; nothing here has a seed.

A normal number is the sum of four, halved: with one alone, the low bits of a float can give away what was added to it
(Holohan and Braghin 2021, section 5.1).
"""

import os

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def uniform(many: int) -> Array:
    """Numbers in [0, 1), multiples of 2⁻⁵³."""
    drawn = np.frombuffer(os.urandom(8 * many), dtype=np.uint64)
    return (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(many: int) -> Array:
    """Independent standard normal numbers (Box and Muller 1958), in double precision."""
    total = np.zeros(many)
    for _ in range(4):
        radius = np.sqrt(-2.0 * np.log1p(-uniform(many)))
        total += radius * np.cos(2.0 * np.pi * uniform(many))
    return total / 2.0
