"""Paths of the Keras and TensorFlow components, made-up rows and pictures, and a way to run a training's script."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from component_steps import COMPONENTS, PEOPLE, Step, put, succeeded

KERAS = COMPONENTS / "train/keras"
if str(KERAS) not in sys.path:
    sys.path.insert(0, str(KERAS))
TABULAR = "train/keras/tabular_classifier/train.py"
IMAGES = "train/keras/image_classifier/train.py"
PATH = f"{COMPONENTS}:{KERAS}"


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Rows of PEOPLE: income follows age and hours; hours and work are missing here and there."""
    draw = np.random.default_rng(seed)
    age, hours = draw.integers(17, 91, rows), np.round(draw.uniform(0, 100, rows), 1)
    score = (age - 50) / 15 + (hours - 50) / 20 + draw.normal(0, 0.3, rows)
    return pd.DataFrame(
        {
            "age": age,
            "hours": np.where(draw.random(rows) < 0.05, np.nan, hours),
            "work": draw.choice(np.array(["State-gov", "Private", None], dtype=object), rows),
            "grade": draw.integers(1, 4, rows),
            "member": draw.random(rows) < 0.5,
            "sex": draw.choice(["Female", "Male"], rows),
            "income": np.where(score > 0.3, ">50K", "<=50K"),
        }
    )


def table(folder: Path, rows: int = 400, **facts: Any) -> tuple[object, ...]:
    """The options that name a table of people and its facts, both written to a folder."""
    people(rows).to_parquet(folder / "people.parquet")
    return "--table", "people.parquet", "--facts", put(folder / "facts.json", PEOPLE | facts)


def outputs(name: str = "out") -> tuple[str, ...]:
    return "--model", f"{name}/model", "--checkpoint", f"{name}/checkpoint", "--events", f"{name}/events"


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
