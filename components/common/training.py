"""What every training over epochs has, whatever framework steps: its options, what it has come to, parts and weights.

Nothing here imports a framework: numpy and pandas alone.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from common import entry
from common.entry import Refusal
from common.facts import Facts

PLATEAU_PATIENCE, PLATEAU_FACTOR = 3, 0.3
"""Epochs without a better validation after which the schedule `plateau` lowers the learning rate, and to what share."""


class Settings(Protocol):
    """What is asked of a framework's settings here; they have more."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def min_delta(self) -> float: ...


class Progress:
    """What a training has come to; with weights and optimiser it is all that going on needs."""

    def __init__(self) -> None:
        self.epoch = 0
        self.best = math.inf
        self.best_epoch = 0
        self.waited = 0
        self.lowered = 1.0
        self.since_lowered = 0
        self.history: list[dict[str, float]] = []

    def numbers(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "best": None if math.isinf(self.best) else self.best}

    def take(self, numbers: Mapping[str, Any]) -> None:
        """Go on from what `numbers` gave."""
        for name in vars(self):
            setattr(self, name, numbers[name])
        self.best = math.inf if self.best is None else self.best

    def judge(self, loss: float, settings: Settings) -> bool:
        """Whether this epoch's validation loss is the best yet; counts the epochs without."""
        better = loss < self.best - settings.min_delta
        self.waited = 0 if better else self.waited + 1
        self.since_lowered = 0 if better else self.since_lowered + 1
        if better:
            self.best, self.best_epoch = loss, self.epoch
        if settings.schedule == "plateau" and self.since_lowered > PLATEAU_PATIENCE:
            self.lowered *= PLATEAU_FACTOR
            self.since_lowered = 0
        return better

    def summary(self) -> dict[str, float]:
        """What a training came to: its best epoch, or without validation its last."""
        best = self.history[(self.best_epoch or self.epoch) - 1]
        named = {f"best_{name}": x for name, x in best.items() if name != "lr"}
        return {**named, "best_epoch": self.best_epoch or self.epoch, "epochs": self.epoch}


def add(arguments: argparse.ArgumentParser) -> None:
    """The options that every training has with the same defaults."""
    arguments.add_argument("--learning-rate", type=float, default=1e-3)
    arguments.add_argument("--gradient-clip", type=float, default=1.0)
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


def check(settings: Settings, least: Mapping[str, int]) -> None:
    """Refuse a setting out of its range; `least` names the whole numbers with the least that each may be."""
    for name, low in least.items():
        if getattr(settings, name) < low:
            raise Refusal(f"{name} must be {low} or more, found {getattr(settings, name)}")
    for name in ("weight_decay", "gradient_clip", "min_delta"):
        if not (math.isfinite(getattr(settings, name)) and getattr(settings, name) >= 0):
            raise Refusal(f"{name} must be 0 or more, found {getattr(settings, name)}")
    if not (math.isfinite(settings.learning_rate) and settings.learning_rate > 0):
        raise Refusal(f"learning_rate must be positive, found {settings.learning_rate}")


def numbers(text: str, name: str) -> list[int]:
    """A list of positive whole numbers in JSON: widths of layers."""
    found = entry.value(text)
    if not isinstance(found, list) or not all(isinstance(x, int) and x > 0 and x is not True for x in found):
        raise Refusal(f"{name} must be a list of positive whole numbers, found {text}")
    return found


def classes_of(labels: pd.Series, facts: Facts | None) -> tuple[Any, ...]:
    """The label's vocabulary in the schema's order, or without one the sorted values of the rows."""
    known = facts.classes if facts is not None else None
    found = known if known is not None else tuple(sorted(labels.unique().tolist()))
    if len(found) < 2:
        raise Refusal(f"the label has one class only ({found[0]!r}); a classifier needs two")
    return tuple(found)


def places_of(labels: Sequence[Any], classes: Sequence[Any]) -> np.ndarray:
    """Each label's place among the classes."""
    known = {name: place for place, name in enumerate(classes)}
    if any(x not in known for x in labels):
        raise Refusal("a label is none of the classes of the training rows; give the label an `enum` in the schema")
    return np.array([known[x] for x in labels], dtype=np.int64)


def parts(many: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Places to train on, and a share drawn by the seed for validation; none for 0. Refuses where too few are left."""
    held = round(many * fraction) if fraction else 0
    if fraction and not 0 < held < many:
        raise Refusal(f"validation_fraction = {fraction:g} of {many} rows leaves a part without rows; give more rows")
    order = np.random.default_rng([seed, 0]).permutation(many)
    return np.sort(order[held:]), np.sort(order[:held]) if held else None


def class_weights(text: str | None, classes: Sequence[Any], targets: np.ndarray) -> np.ndarray | None:
    """A weight a class: none, `balanced` (rows / (classes × rows of the class)), or a JSON object by class."""
    if text is None:
        return None
    if entry.word(text) == "balanced":
        counts = np.bincount(targets, minlength=len(classes))
        return np.where(counts > 0, len(targets) / (len(classes) * np.maximum(counts, 1)), 1.0).astype(np.float32)
    given = entry.value(text)
    if not isinstance(given, dict):
        raise Refusal(f"class_weights must be balanced or a map from class to weight, found {text}")
    spelled = {str(x).lower() if isinstance(x, bool) else str(x): place for place, x in enumerate(classes)}
    unknown = [name for name in given if name not in spelled]
    if unknown:
        raise Refusal(f"class_weights names the class {unknown[0]!r}, which the label does not have")
    weights = np.ones(len(classes), dtype=np.float32)
    for name, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            raise Refusal(f"the weight of class {name!r} must be a positive number")
        weights[spelled[name]] = weight
    return weights
