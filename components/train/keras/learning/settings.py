"""From a command line to the settings of a training that all Keras and TensorFlow components have."""

import argparse
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from common import training
from common.entry import Refusal

OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "plateau")
POLICIES = {"float32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


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
    arguments.add_argument("--weight-decay", type=float, default=0.004)
    arguments.add_argument("--schedule", choices=SCHEDULES, default="cosine")
    arguments.add_argument("--label-smoothing", type=float, default=0.0)
    training.add(arguments)


def of(options: argparse.Namespace) -> Settings:
    """The settings that the options name. Raises Refusal for one out of its range."""
    found = Settings(*(getattr(options, name) for name in Settings._fields[:11]))
    found = found._replace(precision=getattr(options, "precision", found.precision))
    training.check(found, {"epochs": 1, "batch_size": 1, "patience": 0, "seed": 0})
    shares = {"label_smoothing": found.label_smoothing, "validation_fraction": options.validation_fraction}
    for name in ("dropout", "shift", "rotate", "zoom"):
        shares[name] = getattr(options, name, 0.0) / (360.0 if name == "rotate" else 1.0)
    wrong = next((name for name, share in shares.items() if not 0.0 <= share < 1.0), None)
    if wrong is not None:
        raise Refusal(f"{wrong} must be 0 or more and below {360 if wrong == 'rotate' else 1}")
    return found


def class_weights(text: str | None, classes: Sequence[Any], targets: np.ndarray) -> np.ndarray:
    """A weight a class, 1 where nothing is said."""
    given = training.class_weights(text, classes, targets)
    return np.ones(len(classes), dtype=np.float32) if given is None else given


def factor(schedule: str, done: float) -> float:
    """What the learning rate is multiplied with when a share of the training is done."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if schedule == "cosine" else 1.0
