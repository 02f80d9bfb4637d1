"""From a plan of a training to a finished one that is told on the terminal, in MLflow and in TensorBoard's events."""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from common import events, tracking
from common.training import Progress

from networks import loop
from networks.architectures import Network
from networks.loop import Plan
from networks.ranks import Place
from networks.settings import Settings

Make = Callable[[loop.Report], Plan]


def deterministic(seed: int) -> None:
    """The same program gives the same weights, as far as PyTorch can."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)


def train(
    options: argparse.Namespace, network: Network, make: Make, save: Callable[[Network], None], where: Place
) -> Progress:
    """Fit, save and log; all but the first process only fit."""
    if not where.first:
        return loop.fit(network, make(lambda *_: None))
    with tracking.run() as log:
        plan = make(_reporter(log, options.epochs))
        log.parameters(_parameters(plan.settings, network))
        progress = loop.fit(network, plan)
        save(network)
        log.metrics(summary(progress, plan))
        log.folder(options.model, "model")
        events.write(options.events, enumerate(progress.history, start=1))
        log.folder(options.events, "events")
    for name, value in summary(progress, plan).items():
        print(f"{name} = {value:.6g}", flush=True)
    return progress


def summary(progress: Progress, plan: Plan) -> dict[str, float]:
    """What a training came to, and from how many rows."""
    return {**progress.summary(), "training_rows": len(plan.training.targets)}


def _reporter(log: tracking.Tracking, epochs: int) -> loop.Report:
    width = len(str(epochs))

    def report(epoch: int, figures: dict[str, float]) -> None:
        told = "  ".join(f"{name} {value:.4g}" for name, value in figures.items() if name != "epoch_seconds")
        print(f"epoch {epoch:{width}}/{epochs}  {told}  ({figures['epoch_seconds']:.1f} s)", flush=True)
        log.metrics(figures, epoch)

    return report


def _parameters(settings: Settings, network: Network) -> dict[str, Any]:
    described = {f"network_{name}": x for name, x in network.description.items()}
    return {**settings._asdict(), **described, "parameters": sum(x.numel() for x in network.parameters())}
