"""Paths of the PyTorch components, made-up pictures, and a way to run a training's script."""

import sys
from pathlib import Path

import numpy as np
from component_steps import COMPONENTS, here, succeeded

TORCH = COMPONENTS / "train/torch"
if str(TORCH) not in sys.path:
    sys.path.insert(0, str(TORCH))
CLASSIFIER = "train/torch/tabular_classifier/train.py"
REGRESSOR = "train/torch/tabular_regressor/train.py"
IMAGES = "train/torch/image_classifier/train.py"
PATH = f"{COMPONENTS}:{TORCH}"


def pictures(folder: Path, classes: tuple[str, ...], many: int = 30, size: int = 8, seed: int = 0) -> Path:
    """Grey pictures with a bright bar whose place is the class."""
    from common import images

    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 80, (many * len(classes), size, size), dtype=np.uint8)
    labels = [name for name in classes for _ in range(many)]
    for place, name in enumerate(labels):
        pixels[place, classes.index(name) * size // len(classes)] = 230
    folder.mkdir()
    images.write(folder, pixels, labels)
    return folder


def trained(folder: Path, script: str, *arguments: object) -> str:
    return succeeded(here(folder, script, *arguments))
