"""From event folders of several stages to one log folder for TensorBoard, and a report of all scalars.

Event files are copied as they are, nothing else is. They are read by TensorBoard's own reader, so what cannot be read
here cannot be read there.
"""

import argparse
import html
import logging
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from common import entry, files, tracking
from common.entry import Refusal

MARK = ".tfevents."
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_FIGURES = 40


class Course(NamedTuple):
    """A scalar of one run over its steps, the last value of each step."""

    steps: list[int]
    values: list[float]

    def summary(self) -> dict[str, Any]:
        """What scalars.json says of it."""
        finite = [value for value in self.values if math.isfinite(value)]
        return {
            "points": len(self.values),
            "first": self.values[0],
            "last": self.values[-1],
            "smallest": min(finite, default=None),
            "largest": max(finite, default=None),
            "steps": self.steps,
            "values": self.values,
        }


def main(options: argparse.Namespace) -> None:
    folders = [Path(folder) for _, folder in sorted(options.events, key=lambda pair: int(pair[0]))]
    runs = dict(zip(named(entry.value(options.names), len(folders)), folders, strict=True))
    found = {name: event_files(name, folder) for name, folder in runs.items()}

    def fill(target: Path) -> None:
        for name, listed in found.items():
            for file in listed:
                copy = target / name / file.relative_to(runs[name])
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)

    files.write_folder(options.logs, fill)
    scalars = {name: course for run in runs for name, course in read(options.logs, run).items()}
    told: dict[str, dict[str, Course]] = {}
    for (run, tag), course in sorted(scalars.items()):
        told.setdefault(tag, {})[run] = course
    files.write_folder(options.report, lambda folder: report(folder, told))
    for name, listed in found.items():
        print(f"{name}: {len(listed)} event files")
    print(f"{len(told)} scalars: {', '.join(list(told)[:20])}{' …' if len(told) > 20 else ''}")
    with tracking.run() as log:
        log.folder(options.logs, "logs")
        log.folder(options.report, "report")


def named(names: Any, count: int) -> list[str]:
    """A folder's name for each input. Raises Refusal for what could not be one, or leads elsewhere."""
    if not isinstance(names, list):
        raise Refusal('names are a list: ["small", "large"]')
    names = names or [f"run{place}" for place in range(1, count + 1)]
    if len(names) != count:
        raise Refusal(f"{len(names)} names are given for {count} folders of events; give one for each, or none")
    for name in names:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refusal(f"the name {name!r} is no folder's; use letters, digits, full stops, dashes and underscores")
    twice = [name for name in names if [other.lower() for other in names].count(name.lower()) > 1]
    if twice:
        raise Refusal(f"the name {twice[0]!r} is given to two runs")
    return list(names)


def event_files(name: str, folder: Path) -> list[Path]:
    """The event files below a folder, in order; links that lead out of it are none. Raises Refusal without any."""
    root = folder.resolve()
    found = [
        file
        for file in sorted(folder.rglob("*"))
        if MARK in file.name and file.is_file() and file.resolve().is_relative_to(root)
    ]
    if not found:
        raise Refusal(f"there is no event file for {name!r}: its stage writes none to the output that is given here")
    return found


def read(logs: Path, run: str) -> dict[tuple[str, str], Course]:
    """The scalars of each folder of a run that holds event files, by the folder's name and their own."""
    from tensorboard.backend.event_processing import tag_types
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    found: dict[tuple[str, str], Course] = {}
    for folder in sorted({file.parent for file in (logs / run).rglob("*") if MARK in file.name}):
        # 0: every one, where TensorBoard's pages draw lots
        events = EventAccumulator(str(folder), size_guidance={tag_types.TENSORS: 0, tag_types.SCALARS: 0})
        try:
            events.Reload()
        except Exception as error:  # a file that is none of TensorBoard's: what it raises depends on the bytes
            raise Refusal(f"the event files of {run!r} cannot be read: {type(error).__name__}") from None
        where = folder.relative_to(logs).as_posix()
        tags = events.Tags()
        for tag in tags[tag_types.SCALARS]:
            add(found, (where, tag), [(event.step, event.value) for event in events.Scalars(tag)])
        for tag in tags[tag_types.TENSORS]:
            if events.summary_metadata[tag].plugin_data.plugin_name == "scalars":
                points = [(e.step, float(tensor_util.make_ndarray(e.tensor_proto))) for e in events.Tensors(tag)]
                add(found, (where, tag), points)
    return found


def add(found: dict[tuple[str, str], Course], key: tuple[str, str], points: list[tuple[int, float]]) -> None:
    """Put a course, if there is any point."""
    last = dict(points)
    if last:
        steps = sorted(last)
        found[key] = Course([int(step) for step in steps], [float(last[step]) for step in steps])


def report(folder: Path, told: Mapping[str, Mapping[str, Course]]) -> None:
    """index.html, a figure a scalar, and scalars.json."""
    drawn = []
    for number, (tag, runs) in enumerate(told.items()):
        if number == MOST_FIGURES:
            break
        figure, axes = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
        for run, course in runs.items():
            axes.plot(course.steps, course.values, label=run, marker="o" if len(course.steps) < 3 else None)
        axes.set(xlabel="step")
        axes.set_title(tag, fontsize="medium", parse_math=False)
        for text in axes.legend(fontsize="small").get_texts():
            text.set_parse_math(False)
        figure.savefig(folder / f"scalar-{number}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)
        drawn.append(f'<img src="scalar-{number}.png" alt="{html.escape(tag, quote=True)}">')
    rows = "".join(
        f"<tr><td>{html.escape(tag)}</td><td>{html.escape(run)}</td><td>{len(course.steps)}</td>"
        f"<td>{course.values[0]:.6g}</td><td>{course.values[-1]:.6g}</td></tr>\n"
        for tag, runs in told.items()
        for run, course in runs.items()
    )
    titles = "".join(f"<th>{title}</th>" for title in ("scalar", "run", "steps", "first", "last"))
    files.write_text(
        folder / "index.html",
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Scalars of the runs</title>\n<style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;padding:.1rem 1rem .1rem 0}img{max-width:100%}</style>\n"
        f"<h1>Scalars of the runs</h1>\n<table><tr>{titles}</tr>\n{rows}</table>\n{''.join(drawn)}\n</html>\n",
    )
    files.write_json(
        folder / "scalars.json",
        {tag: {run: course.summary() for run, course in runs.items()} for tag, runs in told.items()},
    )


if __name__ == "__main__":
    arguments: Any = entry.parser("Collect TensorBoard events of several stages.")
    arguments.add_argument("--events", nargs=2, action="append", required=True, metavar=("PLACE", "FOLDER"))
    arguments.add_argument("--names", default="[]")
    arguments.add_argument("--logs", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    entry.run(main, arguments)
