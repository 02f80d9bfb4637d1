"""From a command line to the settings of a training that all PyTorch components have."""

import argparse
from typing import NamedTuple

import torch
from common import training
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
    arguments.add_argument("--weight-decay", type=float, default=0.01)
    arguments.add_argument("--schedule", choices=("constant", "cosine", "one_cycle", "plateau"), default="cosine")
    arguments.add_argument("--warmup-epochs", type=int, default=0)
    arguments.add_argument("--precision", choices=tuple(PRECISIONS), default="float32")
    arguments.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    training.add(arguments)


def of(options: argparse.Namespace) -> Settings:
    """The settings that the options name. Raises Refusal for one out of its range."""
    found = Settings(*(getattr(options, name) for name in Settings._fields[:12]))
    training.check(found, {"epochs": 1, "batch_size": 1, "warmup_epochs": 0, "patience": 0, "seed": 0})
    if not 0.0 <= options.validation_fraction < 1.0:
        raise Refusal(f"validation_fraction must be 0 or more and below 1, found {options.validation_fraction}")
    return found
