"""From a plan of a training to a finished one that is told on the terminal, in MLflow and in TensorBoard's events."""

import argparse

import keras
from common import events, tracking

from learning import loop
from learning.loop import Plan
from learning.progress import Progress
from learning.saving import Save


def train(options: argparse.Namespace, network: keras.Model, plan: Plan, save: Save) -> None:
    """Fit, save and log."""
    with tracking.run() as log:
        described = {f"network_{name}": x for name, x in plan.description.items()}
        log.parameters({**plan.settings._asdict(), **described, "backend": keras.backend.backend()})
        progress = loop.fit(network, plan, log)
        save(network)
        events.write(options.events, enumerate(progress.history, start=1))
        finish(options, progress, log)


def finish(options: argparse.Namespace, progress: Progress, log: tracking.Tracking) -> None:
    """Log the saved model, the events and what the training came to."""
    log.metrics(progress.summary())
    log.folder(options.model, "model")
    log.folder(options.events, "events")
    for name, value in progress.summary().items():
        print(f"{name} = {value:.6g}", flush=True)
