"""The command line that trainings share: environment, workers, when to stop, the network, where things go."""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

from common import entry
from common.entry import Refusal

ACTIVATIONS = ("tanh", "relu", "silu", "linear")


class Stop(NamedTuple):
    """When a training is over: as soon as one holds. Iterations and steps are those of a resumed training, too."""

    iterations: int
    reward: float | None = None
    steps: int | None = None
    seconds: float | None = None

    def reached(self, iterations: int, steps: int, seconds: float, reward: float | None) -> str:
        """Why to stop, or the empty string."""
        if self.reward is not None and reward is not None and reward >= self.reward:
            return f"mean episode return {reward:.6g} reached {self.reward:.6g}"
        if self.steps is not None and steps >= self.steps:
            return f"{steps} steps of {self.steps}"
        if self.seconds is not None and seconds >= self.seconds:
            return f"{self.seconds:.6g} seconds are over"
        return f"{iterations} iterations of {self.iterations}" if iterations >= self.iterations else ""


def parser(description: str) -> entry.Parser:
    arguments = entry.parser(description)
    arguments.add_argument("--environment", required=True)
    arguments.add_argument("--module", type=Path)
    arguments.add_argument("--environment-config", type=_json)
    arguments.add_argument("--workers", type=_count(0), default=0)
    arguments.add_argument("--envs-per-worker", type=_count(1), default=8)
    arguments.add_argument("--max-iterations", type=_count(1), default=100)
    arguments.add_argument("--stop-reward", type=float)
    arguments.add_argument("--max-steps", type=_count(1))
    arguments.add_argument("--max-seconds", type=_positive)
    arguments.add_argument("--lr", type=_positive, required=True)
    arguments.add_argument("--gamma", type=_share, default=0.99)
    arguments.add_argument("--batch-size", type=_count(1), required=True)
    arguments.add_argument("--hidden", type=_json, default=[64, 64])
    arguments.add_argument("--activation", choices=ACTIVATIONS, required=True)
    arguments.add_argument("--seed", type=_count(0), default=0)
    arguments.add_argument("--checkpoint-every", type=_count(0), default=0)
    arguments.add_argument("--resume", type=Path)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--checkpoint", type=Path, required=True)
    arguments.add_argument("--events", type=Path, required=True)
    return arguments


def checked(options: argparse.Namespace) -> None:
    """Raises Refusal for what only the whole command line shows to be wrong."""
    layers = options.hidden
    sizes = isinstance(layers, list) and all(type(x) is int and x > 0 for x in layers)
    if not sizes or not layers:
        raise Refusal(f"hidden = {json.dumps(layers)}; a list of layers' sizes is expected, such as [64, 64]")
    for output in (options.model, options.checkpoint, options.events):
        if output.is_file() or (output.is_dir() and any(output.iterdir())):
            raise Refusal(f"output {output} exists already and is not an empty folder")


def stop(options: argparse.Namespace) -> Stop:
    return Stop(options.max_iterations, options.stop_reward, options.max_steps, options.max_seconds)


def _json(text: str) -> Any:
    try:
        return entry.value(text)
    except Refusal as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from None


def _count(least: int) -> Any:
    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return read


def _positive(text: str) -> float:
    return _number(text, "a number above 0", lambda x: 0 < x < float("inf"))


def _share(text: str) -> float:
    return _number(text, "a number from 0 to 1", lambda x: 0 <= x <= 1)


def _number(text: str, wanted: str, fits: Any) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value


count, positive, share = _count, _positive, _share
