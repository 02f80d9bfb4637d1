"""From a command line to the settings of a training that all Keras and TensorFlow components have."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import entry
from common.entry import Refusal

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "plateau")
POLICIES = {"float32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
PLATEAU_PATIENCE, PLATEAU_FACTOR = 3, 0.3
"""Epochs without a better validation after which the schedule `plateau` lowers the learning rate, and to what share."""


class Settings(NamedTuple):
    """How a training goes; docs/components has a line for each, under the name of the input."""

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    schedule: str
    gradient_clip: float
    label_smoothing: float
    patience: int
    min_delta: float
    seed: int
    precision: str = "float32"


def add(arguments: argparse.ArgumentParser) -> None:
    """The options of every training."""
    arguments.add_argument("--class-weights")
    arguments.add_argument("--epochs", type=int, default=30)
    arguments.add_argument("--batch-size", type=int, default=64)
    arguments.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw")
    arguments.add_argument("--learning-rate", type=float, default=1e-3)
    arguments.add_argument("--weight-decay", type=float, default=0.004)
    arguments.add_argument("--schedule", choices=SCHEDULES, default="cosine")
    arguments.add_argument("--gradient-clip", type=float, default=1.0)
    arguments.add_argument("--label-smoothing", type=float, default=0.0)
    arguments.add_argument("--patience", type=int, default=10)
    arguments.add_argument("--min-delta", type=float, default=0.0)
    arguments.add_argument("--validation-fraction", type=float, default=0.1)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--validation", type=Path)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--resume", type=Path)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--checkpoint", type=Path, required=True)
    arguments.add_argument("--events", type=Path, required=True)


def of(options: argparse.Namespace) -> Settings:
    """The settings that the options name. Raises Refusal for one out of its range."""
    found = Settings(*(getattr(options, name) for name in Settings._fields[:11]))
    found = found._replace(precision=getattr(options, "precision", found.precision))
    least = {"epochs": 1, "batch_size": 1, "patience": 0, "seed": 0}
    for name, low in least.items():
        if getattr(found, name) < low:
            raise Refusal(f"{name} must be {low} or more, found {getattr(found, name)}")
    for name in ("weight_decay", "gradient_clip", "min_delta"):
        if not (math.isfinite(getattr(found, name)) and getattr(found, name) >= 0):
            raise Refusal(f"{name} must be 0 or more, found {getattr(found, name)}")
    if not (math.isfinite(found.learning_rate) and found.learning_rate > 0):
        raise Refusal(f"learning_rate must be positive, found {found.learning_rate}")
    shares = {"label_smoothing": found.label_smoothing, "validation_fraction": options.validation_fraction}
    for name in ("dropout", "shift", "rotate", "zoom"):
        shares[name] = getattr(options, name, 0.0) / (360.0 if name == "rotate" else 1.0)
    wrong = next((name for name, share in shares.items() if not 0.0 <= share < 1.0), None)
    if wrong is not None:
        raise Refusal(f"{wrong} must be 0 or more and below {360 if wrong == 'rotate' else 1}")
    return found


def factor(schedule: str, done: float) -> float:
    """What the learning rate is multiplied with when a share of the training is done."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if schedule == "cosine" else 1.0


def word(text: str) -> str:
    """A word that a program gives beside other types comes as JSON, in quotes; at a command line it is bare."""
    found = entry.value(text) if text.startswith('"') else text
    return str(found)


def numbers(text: str, name: str) -> list[int]:
    """A list of positive whole numbers in JSON: widths of layers."""
    found = entry.value(text)
    if not isinstance(found, list) or not all(isinstance(x, int) and x > 0 and x is not True for x in found):
        raise Refusal(f"{name} must be a list of positive whole numbers, found {text}")
    return found


def class_weights(text: str | None, classes: Sequence[Any], targets: np.ndarray) -> np.ndarray:
    """A weight a class: ones, `balanced` (rows / (classes × rows of the class)), or a JSON object by class."""
    weights = np.ones(len(classes), dtype=np.float32)
    if text is None:
        return weights
    if word(text) == "balanced":
        counts = np.bincount(targets, minlength=len(classes))
        return np.where(counts > 0, len(targets) / (len(classes) * np.maximum(counts, 1)), 1.0).astype(np.float32)
    given = entry.value(text)
    if not isinstance(given, dict):
        raise Refusal(f"class_weights must be balanced or a map from class to weight, found {text}")
    spelled = {str(x).lower() if isinstance(x, bool) else str(x): place for place, x in enumerate(classes)}
    for name, weight in given.items():
        if name not in spelled:
            raise Refusal(f"class_weights names the class {name!r}, which the label does not have")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            raise Refusal(f"the weight of class {name!r} must be a positive number")
        weights[spelled[name]] = weight
    return weights
