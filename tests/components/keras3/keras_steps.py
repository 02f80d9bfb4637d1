"""Paths of the Keras and TensorFlow components, made-up pictures, and a way to run a training's script."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from component_steps import COMPONENTS, Step, succeeded

KERAS = COMPONENTS / "train/keras"
if str(KERAS) not in sys.path:
    sys.path.insert(0, str(KERAS))
TABULAR = "train/keras/tabular_classifier/train.py"
IMAGES = "train/keras/image_classifier/train.py"
PATH = f"{COMPONENTS}:{KERAS}"


def bars(folder: Path, classes: tuple[str, ...], many: int = 30, size: int = 8, seed: int = 0) -> Path:
    """Grey pictures whose class is how bright they are."""
    from common import images

    draw = np.random.default_rng(seed)
    labels = [name for name in classes for _ in range(many)]
    pixels = draw.integers(0, 60, (len(labels), size, size), dtype=np.uint8)
    for place, name in enumerate(labels):
        pixels[place] += np.uint8(classes.index(name) * 190 // len(classes))
    folder.mkdir()
    images.write(folder, pixels, labels)
    return folder


def accuracy(model: Path, folder: Path, size: int = 8) -> float:
    """How often a saved model is right about a folder of grey pictures, in onnxruntime."""
    from common import images, models

    listed = images.listing(folder)
    pixels = images.read(folder, listed, images.Shape(size, size, 1))
    return float((models.load(model).predict(pixels) == [x.label for x in listed]).mean())


def scalars(folder: Path) -> dict[str, list[float]]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, list[float]] = {}
    for file in sorted(folder.iterdir()):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                number = value.tensor.float_val[0] if value.tensor.float_val else value.simple_value
                found.setdefault(value.tag, []).append(number)
    return found


def weights(folder: Path) -> list[np.ndarray]:
    """The weights in a checkpoint's last epoch."""
    from safetensors.numpy import load_file

    found = load_file(sorted(folder.iterdir())[-1] / "state.safetensors")
    names = sorted((x for x in found if x.startswith("network.")), key=lambda x: int(x.rpartition(".")[2]))
    return [found[name] for name in names]


def description(model: Path) -> dict[str, Any]:
    """What a saved model's network was built from."""
    found: dict[str, Any] = json.loads((model / "native/network.json").read_text(encoding="utf-8"))["network"]
    return found


def trained(step: Step, script: str, *arguments: object, **variables: str) -> str:
    return succeeded(step(script, *arguments, PYTHONPATH=PATH, **variables))
