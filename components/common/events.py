"""From figures by step to TensorBoard's event files, by tensorboard's own writer. Needs tensorboard."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

from common.files import write_folder


def write(folder: Path, figures: Iterable[tuple[int, Mapping[str, float]]]) -> None:
    """A folder with one file of scalars, whole or not at all; `figures` are steps with their values by name."""
    # tensorboard takes TensorFlow's file system where there is one, seconds to import: this module says to do without
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    def fill(target: Path) -> None:
        writer = EventFileWriter(str(target))
        for step, values in figures:
            scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
            writer.add_event(Event(step=step, summary=Summary(value=scalars)))
        writer.close()

    write_folder(folder, fill)
