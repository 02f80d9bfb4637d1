"""From a run as it goes to its folder: its parts, its record, and the lock that keeps two runs out of one folder."""

import contextlib
import fcntl
import os
import shutil
import signal
import threading
import time
from queue import SimpleQueue
from typing import IO, Any

from mlp_lang.runner import journal
from mlp_lang.runner.content import remove
from mlp_lang.runner.resources import birth, having
from mlp_lang.runner.store import read_json, write_json

RECORD = "run.json"
REPORT = "report.html"
_PARTS = ("steps", "outputs", "facts", RECORD, REPORT, journal.JOURNAL)

LOOKS = 10
"""Times, a twentieth of a second apart, that a folder's lock is asked for: what a killed run was just starting holds it
for a moment longer."""


class FolderError(Exception):
    """A run folder that cannot be used; `code` is the diagnostic's."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.help = help


class RunFolder:
    """A folder that this run alone writes, until `release`."""

    def __init__(self, path: str, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock

    def step(self, name: str) -> str:
        return os.path.join(self.path, "steps", name)

    def write_record(self, record: dict[str, Any]) -> None:
        write_json(os.path.join(self.path, RECORD), record)

    def release(self) -> None:
        self._lock.close()


def home_folder(home: str | None) -> str:
    """Where cache, runs and tracking live: `home`, else MLP_HOME, else `.mlp` in the working directory."""
    return os.path.abspath(home or os.environ.get("MLP_HOME") or ".mlp")


def make_home(home: str) -> None:
    """Create it, invisible to git. Raises OSError."""
    os.makedirs(home, exist_ok=True)
    ignore = os.path.join(home, ".gitignore")
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="utf-8") as file:
            file.write("*\n")


def open_new(folder: str | None, home: str, pipeline: str) -> RunFolder:
    """A folder for a new run: `folder`, whose earlier run gives way, or the next `<pipeline>-<n>`.

    Raises FolderError where the place is taken by something else or by a run that still goes, and OSError.
    """
    if folder is None:
        runs = os.path.join(home, "runs")
        os.makedirs(runs, exist_ok=True)
        taken = [name.rpartition("-") for name in os.listdir(runs)]
        number = max((int(n) for p, _, n in taken if p == pipeline and n.isdecimal()), default=0) + 1
        while True:
            path = os.path.join(runs, f"{pipeline}-{number}")
            try:
                os.mkdir(path)
                return RunFolder(path, _lock(path))
            except FileExistsError:
                number += 1
    path = os.path.abspath(folder)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise FolderError(
            "MLP0914", f"`{folder}` is no folder, so no run can be kept there", "choose another with `-o DIR`"
        )
    os.makedirs(path, exist_ok=True)
    others = set(os.listdir(path)) - {".lock"}
    if others and journal.JOURNAL not in others and read_record(path) is None:
        raise FolderError(
            "MLP0914",
            f"`{folder}` holds files and no run of mlp, so it stays as it is",
            "choose an empty folder, or a new one, with `-o DIR`",
        )
    lock = _lock(path, LOOKS)
    for part in _PARTS:
        remove(os.path.join(path, part))
    return RunFolder(path, lock)


def open_again(folder: str, pipeline: str) -> RunFolder:
    """The folder of an earlier run of the same pipeline, its finished steps in place. Raises FolderError, OSError.

    What a killed run left half done goes: outputs that were being placed, and processes of steps that still live.
    """
    path = os.path.abspath(folder)
    record = read_record(path)
    if record is None:
        raise FolderError(
            "MLP0912",
            f"`{folder}` holds no run that could be resumed",
            "`mlp runs` lists the runs that there are",
        )
    if record["pipeline"] != pipeline:
        raise FolderError("MLP0912", f"`{folder}` holds a run of `{record['pipeline']}`, not of `{pipeline}`")
    lock = _lock(path, LOOKS)
    _end_leftovers(path)
    for part in ("outputs", "facts", RECORD, REPORT):
        remove(os.path.join(path, part))
    steps = os.path.join(path, "steps")
    for name in os.listdir(steps) if os.path.isdir(steps) else ():
        if name.startswith("."):
            remove(os.path.join(steps, name))
    return RunFolder(path, lock)


def _end_leftovers(path: str) -> None:
    """Kill what a killed run's steps left alive, should its warden have been killed, too, or not be done yet."""
    state = journal.state_of(path)
    for pid, born in state.processes.values() if state is not None else ():
        if born and birth(pid) == born:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
    for pid in having(f"TMPDIR={state.scratch}/") if state is not None and state.scratch else ():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def alive(folder: str) -> bool:
    """Whether a run is writing to a folder at this moment."""
    try:
        with open(os.path.join(folder, ".lock"), encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
    except OSError:
        pass
    return False


def read_record(folder: str) -> dict[str, Any] | None:
    """The record of the run in a folder, or None if there is none: run.json, or what its journal comes to.

    A run that has not ended says `running` if it is alive, and `killed` if it is not.
    """
    state = journal.state_of(folder)
    if state is not None:
        if state.tail is None and not alive(folder):
            state = journal.state_of(folder) or state  # it may have ended since it was read
            return state.record("killed")
        return state.record()
    record = read_json(os.path.join(folder, RECORD))
    return (
        record if isinstance(record, dict) and isinstance(record.get("pipeline"), str) and "steps" in record else None
    )


def _lock(path: str, looks: int = 1) -> IO[str]:
    lock = open(os.path.join(path, ".lock"), "w", encoding="utf-8")  # noqa: SIM115 - held until the run ends
    while True:
        looks -= 1
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError:
            if looks > 0:
                time.sleep(0.05)
                continue
            lock.close()
            raise FolderError(
                "MLP0914", f"another run is writing to `{path}`", "wait for it, or choose another folder"
            ) from None


class Scratch:
    """A folder for what is not finished; what earlier runs that were killed left is cleared away."""

    def __init__(self, home: str) -> None:
        parent = os.path.join(home, "scratch")
        os.makedirs(parent, exist_ok=True)
        for name in os.listdir(parent):
            _clear_if_dead(os.path.join(parent, name))
        self._discarded: SimpleQueue[str] = SimpleQueue()
        self._remover: threading.Thread | None = None
        number = os.getpid()
        while True:
            self.path = os.path.join(parent, str(number))
            try:
                os.mkdir(self.path)
                self._lock = _lock(self.path)
                if os.path.exists(os.path.join(self.path, ".lock")):
                    return
                self._lock.close()
            except (FileExistsError, FileNotFoundError, FolderError):
                pass  # another run has that name, or took the folder for a dead run's before it was locked
            number += 1000003

    def temporary(self, name: str) -> str:
        """A folder in it for temporary files. Raises OSError."""
        path = os.path.join(self.path, name, "tmp")
        os.makedirs(path, exist_ok=True)
        return path

    def discard(self, path: str) -> None:
        """Remove a folder in it without waiting: what steps leave takes longer to remove than small steps run."""
        if self._remover is None:
            self._remover = threading.Thread(target=self._discard, daemon=True)
            self._remover.start()
        self._discarded.put(path)

    def _discard(self) -> None:
        while path := self._discarded.get():
            remove(path)

    def remove(self) -> None:
        if self._remover is not None:
            self._discarded.put("")
            self._remover.join()
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _clear_if_dead(path: str) -> None:
    try:
        lock = _lock(path)
    except (FolderError, OSError):
        return
    shutil.rmtree(path, ignore_errors=True)
    lock.close()
