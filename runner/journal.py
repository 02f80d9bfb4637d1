"""From the events of a run to its journal, one JSON line an event, and from a journal back to the run's record.

`journal.jsonl` lies in the run's folder and only grows. A line is written whole, before anything relies on it, so a
killed run's journal says what had been started and what had finished; what a finished step gave is beside it, in
`steps/<name>/`. run.json is what the events come to.

| event | written | says |
|---|---|---|
| `run` | when a run begins, or goes on | how it was called, and all of the record that is known before |
| `added` | when a turn of a loop begins | `loop`, the turn's `steps`, which of them it `gives`, `alone` or not |
| `started` | before an attempt at a step | `step`, `attempt` |
| `process` | once its process is there | `pid`, and `birth`, by which a later process of that number is told apart |
| `finished` | when a step has ended and its results are in place | `key`, and the step's part of the record |
| `ended` | at the end | the rest of the record |
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mlp_lang.runner.trials import sweep_of

JOURNAL = "journal.jsonl"
FINDINGS = ("release", "parity", "endpoint")
"""What a finished step says beside its own part of the record, and the record collects."""


class Journal:
    """The journal of one run, appended to by any thread. Once it cannot be written, `problem` says why and it stops."""

    def __init__(self, folder: str) -> None:
        """Open it, less a last line that a kill cut off. Raises OSError."""
        path = os.path.join(folder, JOURNAL)
        self._lock = threading.Lock()
        self.problem: OSError | None = None
        self.state = State()
        for event in events(folder):
            self.state.apply(event)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        whole = _whole(self._file)
        os.ftruncate(self._file, whole)
        os.lseek(self._file, whole, os.SEEK_SET)

    def append(self, event: str, *, sync: bool = False, **content: Any) -> None:
        """Write one event; with `sync` it also outlives a failure of power. Raises nothing: see `problem`."""
        document = {"event": event, "at": now(), **content}
        line = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self.state.apply(document)
            if self.problem is not None or self._file < 0:
                return
            start = os.lseek(self._file, 0, os.SEEK_CUR)
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
                if sync:
                    os.fdatasync(self._file)
            except OSError as error:
                error.filename = error.filename or JOURNAL
                self.problem = error
                _undo(self._file, start)

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1


class State:
    """What the events so far come to."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.call: dict[str, Any] = {}
        self.steps: dict[str, dict[str, Any]] = {}
        self.roots: list[str] = []
        self.inside: dict[str, list[str]] = {}  # loop -> steps of its turns
        self.said: dict[str, dict[str, Any]] = {}  # step -> release, parity, endpoint
        self.processes: dict[str, tuple[int, str]] = {}  # of steps that have not finished
        self.scratch = ""  # the folder in which the TMPDIR of all steps lies
        self.tail: dict[str, Any] | None = None
        self.last = ""

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take one event in; what cannot be understood is left out."""
        self.last = str(event.get("at", self.last))
        name = event.get("step")
        match event.get("event"):
            case "run":
                self.head, self.call, self.tail = dict(event["head"]), dict(event.get("call") or {}), None
                self.steps = {step["name"]: dict(step) for step in event["steps"]}
                self.roots, self.inside = list(self.steps), {}
                self.said = {}
                self.scratch = str(event.get("scratch", ""))
            case "added":
                loop = self.steps[event["loop"]]
                self.steps.update({step["name"]: dict(step) for step in event["steps"]})
                self.inside.setdefault(loop["name"], []).extend(step["name"] for step in event["steps"])
                if event["alone"]:
                    loop["needs"] = [name for name in loop["needs"] if not name.startswith(f"{loop['name']}.")]
                loop["needs"] += event["gives"]
            case "started" if name in self.steps:
                self.steps[name].update(status="running", attempts=event["attempt"])
            case "process" if sweep_of(str(name)) in self.steps:
                self.processes[str(name)] = (event["pid"], event["birth"])
            case "trial" if name in self.steps:
                trial = event["trial"]
                others = [t for t in self.steps[name].get("trials", ()) if t["number"] != trial["number"]]
                self.steps[name]["trials"] = sorted([*others, trial], key=lambda t: int(t["number"]))
                if trial["status"] != "running":
                    self.processes.pop(f"{name}/trials/{trial['number']}", None)
            case "finished" if name in self.steps:
                self.steps[name].update(event["record"])
                self.said[name] = {kind: event[kind] for kind in FINDINGS if event.get(kind) is not None}
                self.processes.pop(str(name), None)
            case "ended":
                self.tail = {key: value for key, value in event.items() if key not in ("event", "at")}

    def record(self, otherwise: str = "running") -> dict[str, Any]:
        """run.json; `otherwise` is the status of a run whose end is not in the journal."""
        tail = self.tail or {}
        said = [(name, self.said[name]) for name in self.steps if name in self.said]
        privacy = {**self.head["privacy"], "released": [{**s["release"], "step": n} for n, s in said if "release" in s]}
        return {
            **{key: value for key, value in self.head.items() if key != "privacy"},
            "status": tail.get("status", otherwise),
            "seconds": tail.get("seconds", _between(self.head["started"], self.last)),
            "steps": [self.steps[name] for name in in_order(self.roots, self.inside)],
            "outputs": tail.get("outputs", {}),
            "privacy": privacy,
            "parity": [{**s["parity"], "step": n} for n, s in said if "parity" in s],
            "endpoints": [s["endpoint"] for _, s in said if "endpoint" in s],
            "tracking": tail.get("tracking"),
        }


def in_order(names: Iterable[str], inside: Mapping[str, list[str]]) -> Iterator[str]:
    """Names of steps, each loop followed by the steps of its turns."""
    for name in names:
        yield name
        yield from in_order(inside.get(name, ()), inside)


def events(folder: str) -> Iterable[dict[str, Any]]:
    """The events in a journal, in order, none if there is no journal; lines that are no events are left out."""
    try:
        with open(os.path.join(folder, JOURNAL), "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in lines[:-1]:  # what follows the last line feed was cut off
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            yield event


def state_of(folder: str) -> State | None:
    """What the journal of a folder comes to, or None if it holds no run."""
    state = State()
    try:
        for event in events(folder):
            state.apply(event)
    except (KeyError, TypeError, AttributeError):
        return None
    return state if state.head else None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _between(start: str, end: str) -> float:
    try:
        return round(max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()), 3)
    except ValueError:
        return 0.0


def _whole(file: int) -> int:
    """Bytes up to and with the last line feed."""
    size = os.lseek(file, 0, os.SEEK_END)
    while size > 0:
        start = max(0, size - 65536)
        found = os.pread(file, size - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0


def _undo(file: int, start: int) -> None:
    with contextlib.suppress(OSError):
        os.ftruncate(file, start)
