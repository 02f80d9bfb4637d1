"""From a plan of a training to a finished one that is told on the terminal, in MLflow and in TensorBoard's events."""

import argparse
import sys
from pathlib import Path
from types import ModuleType

import keras
from common import tracking
from common.files import write_folder

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
        finish(options, progress, log)


def finish(options: argparse.Namespace, progress: Progress, log: tracking.Tracking) -> None:
    """Log the saved model and what the training came to."""
    log.metrics(progress.summary())
    log.folder(options.model, "model")
    if not options.events.is_dir() or not any(options.events.iterdir()):
        write_events(options.events, progress)
    log.folder(options.events, "events")
    for name, value in progress.summary().items():
        print(f"{name} = {value:.6g}", flush=True)


def write_events(folder: Path, progress: Progress) -> None:
    """Every epoch's figures as TensorBoard events, whole or not at all."""
    # tensorboard takes TensorFlow's file system where there is one: this module says to do without
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    def fill(target: Path) -> None:
        writer = EventFileWriter(str(target))
        for epoch, figures in enumerate(progress.history, start=1):
            values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
            writer.add_event(Event(step=epoch, summary=Summary(value=values)))
        writer.close()

    write_folder(folder, fill)
