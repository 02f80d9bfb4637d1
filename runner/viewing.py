"""From runs to the pages that show them: MLflow's on their tracking store, TensorBoard's on their event files.

Both are servers of those projects, on loopback, that live until Ctrl-C.
"""

import os
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import NamedTuple, TextIO
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from mlp_lang.runner import journal
from mlp_lang.runner.environment import extra_for, installed
from mlp_lang.runner.folder import home_folder, read_record
from mlp_lang.runner.places import run_folders
from mlp_lang.runner.process import Process, Warden, kept_environment

HOST = "127.0.0.1"
USUAL = {"mlflow": 5000, "tensorboard": 6006}
"""The ports at which these servers are looked for."""
EVENTS = "events.out.tfevents"
WAIT = 120.0
"""Seconds that a server may take to answer; importing its packages for the first time is slow."""
GRACE = 5.0


class ViewError(Exception):
    """What cannot be shown; the message says why and what to do."""


class View(NamedTuple):
    """A server to start: its arguments, where it answers, and the page to look at."""

    name: str
    arguments: list[str]
    port: int
    page: str


def tracked(run: str | None, port: int = 0, home: str | None = None) -> View:
    """MLflow's pages: of all that was tracked, or opened at one run's. Raises ViewError."""
    _require("mlflow", "mlp ui")
    where = home_folder(home)
    uri = f"sqlite:///{os.path.join(where, 'mlflow.db')}"
    page = ""
    if run is not None:
        found = (read_record(run) or {}).get("tracking")
        if found:
            uri, page = found["uri"], _page(found["uri"], found["run_id"])
    file = uri.removeprefix("sqlite:///")
    if uri.startswith("sqlite:///") and not os.path.exists(file):
        raise ViewError(f"nothing is tracked in `{file}`: run something with `mlp run`, and without --no-tracking")
    at = _port("mlflow", port)
    arguments = [sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", uri]
    arguments += ["--host", HOST, "--port", str(at), "--workers", "1"]
    return View("mlflow", arguments, at, page)


def boards(run: str | None, links: str, port: int = 0, home: str | None = None) -> View:
    """TensorBoard over the event files of all steps of a run, or of all runs; of a run that goes also of what has not
    ended. `links` is an empty folder, where links are made that give each its name. Raises ViewError.
    """
    _require("tensorboard", "mlp tensorboard")
    if run is not None:
        named = {"steps": os.path.join(run, "steps")}
        state = journal.state_of(run)
        if state is not None and state.scratch and os.path.isdir(state.scratch):
            named["running"] = state.scratch
    else:
        named = {os.path.basename(f): os.path.join(f, "steps") for f in run_folders(home_folder(home))}
    for name, folder in named.items():
        if os.path.isdir(folder):
            os.symlink(os.path.abspath(folder), os.path.join(links, name), target_is_directory=True)
    if "running" not in named and not any(_holds_events(folder) for folder in named.values()):
        whose = f"the steps of `{os.path.basename(run)}`" if run is not None else "the runs here"
        raise ViewError(f"{whose} left no event files: a step writes them to ./outputs, ./logs or one of its outputs")
    at = _port("tensorboard", port)
    arguments = [sys.executable, "-P", "-m", "tensorboard.main", "--logdir", links, "--host", HOST, "--port", str(at)]
    return View("tensorboard", arguments, at, "")


def show(view: View, browser: bool, out: TextIO) -> int:
    """Start a server, say where it answers, and stop it on Ctrl-C or SIGTERM; 0 then. Raises ViewError, OSError."""
    folder = tempfile.mkdtemp(prefix="mlp-view-")
    warden = Warden()
    log = os.path.join(folder, "log.txt")
    try:
        with open(log, "wb") as stream, _interrupts() as stop:
            environment = {**kept_environment(), "MLFLOW_ENABLE_TELEMETRY": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
            process = Process(view.arguments, folder, environment, stream, warden)
            ended = threading.Event()
            threading.Thread(target=_await, args=(process, ended, stop), daemon=True).start()
            if _answers(view.port, stop):
                url = f"http://{HOST}:{view.port}/{view.page}"
                print(f"{url}\nCtrl-C stops it", file=out, flush=True)
                if browser and _has_screen():
                    _open(url)
                stop.wait()
            died = ended.is_set()
            process.stop(signal.SIGTERM)
            if not ended.wait(GRACE):
                process.stop(signal.SIGKILL)
                ended.wait(GRACE)
        if died:
            raise ViewError(f"{view.name} ended by itself: {_tail(log)}")
        return 0
    finally:
        warden.dismiss()
        shutil.rmtree(folder, ignore_errors=True)


def _await(process: Process, ended: threading.Event, stop: threading.Event) -> None:
    process.wait()
    ended.set()
    stop.set()


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, while it is waited for."""
    stop = threading.Event()

    def told(_: int, __: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _answers(port: int, stop: threading.Event) -> bool:
    """Whether the server gives its page before it is stopped or ends."""
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + WAIT
    while not stop.is_set() and time.monotonic() < until:
        try:
            with opener.open(f"http://{HOST}:{port}/", timeout=5.0):
                return True
        except OSError:
            stop.wait(0.1)
    if not stop.is_set():
        raise ViewError(f"no answer at port {port} within {WAIT:.0f} seconds")
    return False


def _page(uri: str, run_id: str) -> str:
    """The part of the address that shows one run: it has the number of its experiment, which a record does not know."""
    try:
        with closing(sqlite3.connect(f"file:{quote(uri.removeprefix('sqlite:///'))}?mode=ro", uri=True)) as store:
            row = store.execute("select experiment_id from runs where run_uuid = ?", (run_id,)).fetchone()
    except sqlite3.Error:
        return ""
    return f"#/experiments/{row[0]}/runs/{run_id}" if row is not None else ""


def _port(name: str, asked: int) -> int:
    """A port of loopback that is free: the one asked for, else the usual one, else any. Raises ViewError."""
    for port in (asked,) if asked else (USUAL[name], 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if asked:
                    raise ViewError(f"port {asked} cannot be had: {error.strerror}") from None
                continue
            return int(probe.getsockname()[1])
    raise ViewError("no port is free")


def _require(package: str, command: str) -> None:
    if package not in installed():
        extra = extra_for([package])
        raise ViewError(f"{command} needs {package}: pip install " + (f"'{extra}'" if extra else package))


def _holds_events(folder: str) -> bool:
    return any(name.startswith(EVENTS) for _, _, names in os.walk(folder) for name in names)


def _has_screen() -> bool:
    """Whether a browser would be a window: one that takes the terminal instead would be in the way."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open(url: str) -> None:
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _tail(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1] if lines else "it said nothing"
