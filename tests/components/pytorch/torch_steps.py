"""Paths of the PyTorch components, made-up rows and pictures, and a way to run a training's script."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from component_steps import COMPONENTS, PEOPLE, here, put, succeeded

TORCH = COMPONENTS / "train/torch"
if str(TORCH) not in sys.path:
    sys.path.insert(0, str(TORCH))
CLASSIFIER = "train/torch/tabular_classifier/train.py"
REGRESSOR = "train/torch/tabular_regressor/train.py"
IMAGES = "train/torch/image_classifier/train.py"
PATH = f"{COMPONENTS}:{TORCH}"


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
