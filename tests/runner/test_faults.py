"""Disks that are full, memory that runs out, steps that never end: each has a code, and leaves what can be resumed."""

import builtins
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler.graph import FromNode, Graph, OutputPort, Run
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.runner import RunResult, resources
from mlp_lang.runner.folder import read_record
from mlp_lang.runner.journal import JOURNAL, events, state_of

from runner.hand_made import graph, states, step
from runner.test_interruption import wait_for

Go = Callable[..., RunResult]
CODES = {"MLP0902", "MLP0905", "MLP0908", "MLP0923"}


def pipeline() -> Graph:
    """Three steps; the second is never cached."""
    return graph(
        step("a", "echo a > ${{outputs.out}}"),
        step(
            "b", "cat ${{inputs.i}} > ${{outputs.out}}/f", {"i": FromNode("a", "out")}, (FOLDER,), deterministic=False
        ),
        step("c", "cat ${{inputs.i}}/f > ${{outputs.out}}", {"i": FromNode("b", "out")}),
    )


FOLDER = OutputPort("out", "folder", "uri_folder")


class FullDisk:
    """Every call that needs room on the disk fails from the `left`-th on, as on a disk that has filled up."""

    NEEDS = ("link", "rename", "replace", "mkdir", "write", "fdatasync")

    def __init__(self, left: int) -> None:
        self.left = left
        self.lock = threading.Lock()

    def check(self, name: object) -> None:
        with self.lock:
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name if isinstance(name, str) else None)

    @contextmanager
    def mounted(self, under: Path) -> Iterator[None]:
        kept = {name: getattr(os, name) for name in self.NEEDS}
        opened = builtins.open

        def needing(call: Callable[..., Any]) -> Callable[..., Any]:
            def checked(*arguments: Any, **options: Any) -> Any:
                if not isinstance(arguments[0], str) or arguments[0].startswith(str(under)):
                    self.check(arguments[0])
                return call(*arguments, **options)

            return checked

        def open_(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            if str(file).startswith(str(under)) and set(mode) & set("wxa"):
                self.check(str(file))
            return opened(file, mode, *rest, **options)

        try:
            for name, call in kept.items():
                setattr(os, name, needing(call))
            builtins.open = open_
            yield
        finally:
            for name, call in kept.items():
                setattr(os, name, call)
            builtins.open = opened


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_moment_ends_in_a_message_and_a_run_that_can_be_resumed(
    go: Go, tmp_path: Path
) -> None:
    """The disk is full from the n-th call that needs room on, for every n until the whole run fits."""
    for n in range(400):
        place = tmp_path / str(n)
        place.mkdir()
        with FullDisk(n).mounted(place):
            result = go(pipeline(), place / "out", home=place / "home", jobs=1)
        if result.status == "completed":
            break
        errors = [d.code for d in result.diagnostics if d.severity is Severity.ERROR]
        assert errors and set(errors) <= CODES, (n, result.diagnostics)
        assert "no space left on device" in " ".join(d.message for d in result.diagnostics), n
        for name in ("a", "b", "c"):  # whole, or not there
            made = place / "out" / "steps" / name / "outputs" / "out"
            assert not made.exists() or (made / "f" if name == "b" else made).read_text() == "a\n"
        again = go(pipeline(), place / "out", home=place / "home", resume=state_of(str(place / "out")) is not None)
        assert again.status == "completed", (n, again.diagnostics)
        assert not list(place.rglob(".new-*")) and not list((place / "home" / "scratch").iterdir())
        shutil.rmtree(place)
    assert 20 < n < 399


MOUNTS = [] if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode else ["tmpfs"]
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from runner.hand_made import graph, step
from mlp_lang.runner import run
big = step("big", "head -c 3000000 /dev/zero > ${{{{outputs.out}}}}")
result = run(graph(step("a", "echo a > ${{{{outputs.out}}}}"), big), "out", home="home", tracking=False, jobs=1)
print(result.status, *(d.code for d in result.diagnostics))
print(*(d.message + d.label + d.help + " ".join(d.notes) for d in result.diagnostics))
sys.exit(result.exit_code)
"""


def started(folder: Path, prefix: list[str], program: str = PROGRAM) -> "subprocess.CompletedProcess[str]":
    text = program.format(tests=str(Path(__file__).parents[1]))
    return subprocess.run(
        [*prefix, sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("kind", MOUNTS)
def test_a_full_file_system(tmp_path: Path, kind: str) -> None:
    script = 'mount -t tmpfs -o size=1m tmpfs . && cd "$PWD" && "$@"; code=$?; ls out/steps/a/outputs; exit $code'
    done = started(tmp_path, ["unshare", "-rm", "sh", "-c", script, "sh"])
    assert done.returncode == 3, done.stdout + done.stderr
    assert "failed MLP0902" in done.stdout and "B left" in done.stdout and "mlp cache prune" in done.stdout
    assert done.stdout.endswith("out\n") and "Traceback" not in done.stderr


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    done = started(tmp_path, ["sh", "-c", 'ulimit -f 400; exec "$@"', "sh"])
    assert done.returncode == 3 and "failed MLP0902" in done.stdout, done.stdout + done.stderr
    assert {s["status"] for s in (read_record(str(tmp_path / "out")) or {})["steps"]} == {"completed", "failed"}


def test_a_journal_that_cannot_be_written_stops_the_run(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`a` waits until it is ended; what comes after it is not begun."""
    write = os.write

    def full(file: int, data: bytes) -> int:
        if b'"finished"' in bytes(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    made = graph(
        step("quick", "echo x > ${{outputs.out}}"), step("slow", "sleep 300"), step("late", "true", after=("slow",))
    )
    result = go(made, tmp_path / "out", jobs=2, grace=0.2)
    assert result.status == "failed" and result.exit_code == 3
    assert [d.code for d in result.diagnostics] == ["MLP0923"] and "--resume" not in result.diagnostics[0].message
    assert states(result) == {"quick": "completed", "slow": "cancelled", "late": "cancelled"}
    assert not (tmp_path / "out" / "run.json").exists()
    assert (tmp_path / "out" / JOURNAL).read_bytes().endswith(b"\n")


EATER = f"{sys.executable} -c 'b = bytearray(400 << 20); import time; time.sleep(300)'"


def test_a_step_beyond_the_memory_limit_is_ended(go: Go, tmp_path: Path) -> None:
    made = graph(step("a", "echo x > ${{outputs.out}}"), step("eater", f"{EATER} & wait"))
    result = go(made, tmp_path / "out", memory=200_000_000)
    (found,) = result.diagnostics
    assert found.code == "MLP0922" and "200 MB" in found.message and "MB when it was ended" in found.label
    assert states(result) == {"a": "completed", "eater": "failed"}
    assert result.record["steps"][1]["resources"]["peak_memory"] > 200_000_000
    assert not (tmp_path / "out/steps/eater/outputs").exists()
    fine = graph(made.nodes[0], step("eater", "echo little > ${{outputs.out}}"))
    assert states(go(fine, tmp_path / "out", resume=True, memory=200_000_000)) == {"a": "cached", "eater": "completed"}


@pytest.mark.parametrize(("ended", "code"), [(0, "MLP0902"), (1, "MLP0922")])
def test_a_step_that_the_system_ends_for_memory_is_told_apart(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: int, code: str
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("low 0\noom 3\noom_kill 7\n")
    monkeypatch.setattr(resources, "_COUNTERS", ("/nowhere", str(counter)))
    command = f"echo 'oom_kill {7 + ended}' > {counter}; kill -9 $$"
    (found,) = go(graph(step("a", command)), tmp_path / "out").diagnostics
    assert found.code == code and ("memory" in found.message) == bool(ended)


def test_a_retry_waits_and_can_be_stopped_meanwhile(tmp_path: Path) -> None:
    program = """
import sys
sys.path.insert(0, {tests!r})
from runner.hand_made import graph, step
from mlp_lang.compiler.graph import Run
from mlp_lang.runner import run
result = run(graph(step("a", "exit 1", settings=Run(retries=5))), "out", home="home", tracking=False, backoff=1000)
print(result.status, result.steps["a"].status.value)
"""
    text = program.format(tests=str(Path(__file__).parents[1]))
    runner = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: any(e["event"] == "process" for e in events(str(tmp_path / "out"))), runner)
    runner.send_signal(signal.SIGINT)
    run, last = runner.communicate(timeout=60)[0].split()
    assert run == "cancelled" and last in ("cancelled", "failed")  # while it waits, or just before


def test_every_attempt_is_in_the_journal(go: Go, tmp_path: Path) -> None:
    count = tmp_path / "count"
    command = f"echo x >> {count}; test $(wc -l < {count}) -ge 3 && echo done > ${{{{outputs.out}}}}"
    go(graph(step("a", command, settings=Run(retries=5))), tmp_path / "out")
    said = [(e["event"], e.get("attempt")) for e in events(str(tmp_path / "out"))]
    attempts = [pair for n in (1, 2, 3) for pair in (("started", n), ("process", None))]
    assert said == [("run", None), *attempts, ("finished", None), ("ended", None)]


def test_a_torn_or_spoiled_line_of_the_journal_is_left_out(go: Go, tmp_path: Path) -> None:
    result = go(pipeline(), tmp_path / "out")
    journal = tmp_path / "out" / JOURNAL
    whole = journal.read_bytes()
    assert read_record(str(tmp_path / "out")) == result.record
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]) + b"not json\n" + lines[-2][: len(lines[-2]) // 2])
    killed = read_record(str(tmp_path / "out"))
    assert killed is not None and killed["status"] == "killed"
    assert [s["status"] for s in killed["steps"]] == ["completed", "completed", "running"]
    again = go(pipeline(), tmp_path / "out", resume=True)
    assert set(states(again).values()) == {"cached"}
    assert all(json.loads(line) for line in journal.read_bytes().splitlines() if line != b"not json")
