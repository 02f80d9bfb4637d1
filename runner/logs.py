"""From a run's folder to the lines that its steps printed, as they stand or as they come."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from mlp_lang.dsl.editdistance import closest
from mlp_lang.runner.folder import read_record

PAUSE = 0.2
"""Seconds between two looks at logs that are followed."""
_GOING = frozenset(["waiting", "running"])


class NoStepError(Exception):
    """The run has no such step; the message says which it has."""


def print_logs(
    folder: str,
    steps: Sequence[str],
    stream: TextIO,
    *,
    follow: bool = False,
    wait: Callable[[float], object] = time.sleep,
) -> bool:
    """Print the logs of some steps of a run, or of all; a step's name before each line if there are several.

    `tune/3` is trial 3 of a sweep, `score/3` what mini batch 3 of a parallel job printed.
    With `follow` until these steps, or the run, have ended. Says whether there was a log. Raises NoStepError.
    """
    record = read_record(folder) or {"steps": []}
    chosen = _chosen(record["steps"], steps)
    width = max((len(s["title"]) for s in chosen), default=0)
    tails = [
        _Tail(
            folder, s.get("place", s["name"]), f"{s['title']:<{width}} | " if len(chosen) > 1 else "", s.get("mark", "")
        )
        for s in chosen
    ]
    while True:
        going = follow and _going(record, [s["name"] for s in chosen])
        for tail in tails:
            tail.copy(stream, last=not going)
        stream.flush()
        if not going:
            return any(tail.there for tail in tails)
        wait(PAUSE)
        record = read_record(folder) or record


def _chosen(steps: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    if not names:
        return list(steps)
    known = {s["name"]: s for s in steps}
    for s in steps:
        known.setdefault(s["title"], s)
    parts = {name: [s for s in steps if s["name"].startswith(name.replace("/", ".") + ".")] for name in names}
    for name in names:
        if name not in known and not parts[name] and (part := _part(name, known)) is not None:
            known[name] = part
        if name not in known and not parts[name]:
            near = closest(name, known)
            hint = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(s['name'] for s in steps)}"
            raise NoStepError(f"the run has no step `{name}`; {hint}")
    found = [s for name in names for s in ([known[name]] if name in known else []) + parts[name]]
    return list({(s["name"], s.get("place"), s.get("mark")): s for s in found}.values())


def _part(name: str, known: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """A trial or a mini batch of a step: where its log is, and the mark of its lines there."""
    step, _, number = name.rpartition("/")
    if step not in known or not number.isdecimal():
        return None
    of = known[step]
    if any(t["number"] == int(number) for t in of.get("trials", ())):
        return {**of, "title": name, "place": f"{of['name']}/trials/{int(number)}"}
    if int(number) < (of.get("batches") or {}).get("total", 0) or (of["status"] == "running" and "trials" not in of):
        return {**of, "title": name, "mark": f"[{int(number)}] "}
    return None


def _going(record: dict[str, Any], names: Sequence[str]) -> bool:
    wanted = set(names)
    return record.get("status") == "running" and any(
        s["status"] in _GOING for s in record["steps"] if s["name"] in wanted
    )


class _Tail:
    """A log that is read on from where it was left; whole lines, so that those of several steps do not mix."""

    def __init__(self, folder: str, step: str, prefix: str, mark: str) -> None:
        self._mark = mark  # of the lines that are meant, if not all are
        self._path = os.path.join(folder, "steps", step, "log.txt")
        self._prefix = prefix
        self._at = 0
        self._rest = b""
        self.there = False

    def copy(self, stream: TextIO, *, last: bool) -> None:
        try:
            with open(self._path, "rb") as file:
                self.there = True
                if os.fstat(file.fileno()).st_size < self._at:
                    self._at, self._rest = 0, b""  # the step runs anew
                file.seek(self._at)
                data = self._rest + file.read()
                self._at = file.tell()
        except OSError:
            data = self._rest
        whole, feed, self._rest = data.rpartition(b"\n")
        if last and self._rest:
            whole, self._rest = whole + feed + self._rest, b""
        if whole:
            for line in whole.decode("utf-8", "replace").split("\n"):
                if line.startswith(self._mark):
                    stream.write(f"{self._prefix}{line}\n")
