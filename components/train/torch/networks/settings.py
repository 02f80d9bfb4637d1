"""From a command line to the settings of a training that all PyTorch components have."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from common import entry
from common.entry import Refusal

PRECISIONS = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Settings(NamedTuple):
    """How a training goes; docs/components has a line for each, under the name of the input."""

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    schedule: str
    warmup_epochs: int
    gradient_clip: float
    precision: str
    patience: int
    min_delta: float
    seed: int
    backbone_learning_rate: float | None = None
    freeze: int = 0
    unfreeze_after: int | None = None


def add(arguments: argparse.ArgumentParser) -> None:
    """The options of every training."""
    arguments.add_argument("--epochs", type=int, default=50)
    arguments.add_argument("--batch-size", type=int, default=128)
    arguments.add_argument("--optimizer", choices=("adamw", "sgd"), default="adamw")
    arguments.add_argument("--learning-rate", type=float, default=1e-3)
    arguments.add_argument("--weight-decay", type=float, default=0.01)
    arguments.add_argument("--schedule", choices=("constant", "cosine", "one_cycle", "plateau"), default="cosine")
    arguments.add_argument("--warmup-epochs", type=int, default=0)
    arguments.add_argument("--gradient-clip", type=float, default=1.0)
    arguments.add_argument("--precision", choices=tuple(PRECISIONS), default="float32")
    arguments.add_argument("--patience", type=int, default=10)
    arguments.add_argument("--min-delta", type=float, default=0.0)
    arguments.add_argument("--validation-fraction", type=float, default=0.1)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    arguments.add_argument("--validation", type=Path)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--resume", type=Path)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--checkpoint", type=Path, required=True)
    arguments.add_argument("--events", type=Path, required=True)


def of(options: argparse.Namespace) -> Settings:
    """The settings that the options name. Raises Refusal for one out of its range."""
    found = Settings(*(getattr(options, name) for name in Settings._fields[:12]))
    least = {"epochs": 1, "batch_size": 1, "warmup_epochs": 0, "patience": 0, "seed": 0}
    wrong = next((name for name, low in least.items() if getattr(found, name) < low), None)
    if wrong is not None:
        raise Refusal(f"{wrong} must be {least[wrong]} or more, found {getattr(found, wrong)}")
    for name in ("weight_decay", "gradient_clip", "min_delta"):
        if not (math.isfinite(getattr(found, name)) and getattr(found, name) >= 0):
            raise Refusal(f"{name} must be 0 or more, found {getattr(found, name)}")
    if not (math.isfinite(found.learning_rate) and found.learning_rate > 0):
        raise Refusal(f"learning_rate must be positive, found {found.learning_rate}")
    if not 0.0 <= options.validation_fraction < 1.0:
        raise Refusal(f"validation_fraction must be 0 or more and below 1, found {options.validation_fraction}")
    return found


def numbers(text: str, name: str) -> list[int]:
    """A list of positive whole numbers in JSON: widths of layers."""
    found = entry.value(text)
    if not isinstance(found, list) or not all(isinstance(x, int) and x > 0 and x is not True for x in found):
        raise Refusal(f"{name} must be a list of positive whole numbers, found {text}")
    return found


def class_weights(text: str | None, classes: Sequence[Any], counts: Sequence[int]) -> torch.Tensor | None:
    """A weight a class: none, `balanced` (rows / (classes × rows of the class)), or a JSON object by class."""
    if text is None:
        return None
    if text.strip('"') == "balanced":  # of a type with alternatives, text comes as JSON
        rows = sum(counts)
        return torch.tensor([rows / (len(counts) * n) if n else 1.0 for n in counts], dtype=torch.float32)
    given = entry.value(text)
    if not isinstance(given, dict):
        raise Refusal(f"class_weights must be balanced or a map from class to weight, found {text}")
    spelled = {str(x).lower() if isinstance(x, bool) else str(x): place for place, x in enumerate(classes)}
    unknown = [name for name in given if name not in spelled]
    if unknown:
        raise Refusal(f"class_weights names the class {unknown[0]!r}, which the label does not have")
    weights = torch.ones(len(classes))
    for name, weight in given.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
            raise Refusal(f"the weight of class {name!r} must be a positive number")
        weights[spelled[name]] = float(weight)
    return weights
