"""scikit-learn's handwritten digits as a folder of images would give them: bytes, and each class's place."""

import numpy as np
from networks.loop import Rows
from sklearn.datasets import load_digits


def digits(names: tuple[int, ...] = tuple(range(10))) -> Rows:
    """The images of some digits, in the order in which scikit-learn has them."""
    held = load_digits()
    kept = np.isin(held.target, names)
    pixels = np.clip(held.images[kept] * 16, 0, 255).astype(np.uint8)[..., None]
    return Rows(pixels, np.searchsorted(names, held.target[kept]).astype(np.int64))


def split(rows: Rows, train: int, seed: int) -> tuple[Rows, Rows]:
    """So many rows to train on, drawn by the seed, and the rest."""
    order = np.random.default_rng(seed).permutation(len(rows.targets))
    first, rest = order[:train], order[train:]
    return Rows(rows.inputs[first], rows.targets[first]), Rows(rows.inputs[rest], rows.targets[rest])
