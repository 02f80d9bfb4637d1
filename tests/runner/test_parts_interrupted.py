"""Parallel jobs and sweeps that are stopped or killed: no worker and no trial lives on, and the run can be resumed."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import Graph
from mlp_lang.runner import RunResult
from mlp_lang.runner.folder import read_record

from runner import test_parallel, test_sweep
from runner.test_interruption import alive, wait_for

Go = Callable[..., RunResult]

RUN = """
import sys
from pathlib import Path
from mlp_lang.compiler import compile_file
from mlp_lang.runner import run
graph = compile_file(Path("main.mlp")).graphs[0]
sys.exit(run(graph, "out", home="home", tracking=False, jobs=2, grace=0.5).exit_code)
"""
WAITS = """
import os, subprocess, sys, time
def wait(place):
    child = subprocess.Popen(["sleep", "600"])
    name = os.path.join(place, f"{os.getpid()}.pids")
    with open(name + ".new", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    os.rename(name + ".new", name)
    while not os.path.exists(os.path.join(place, "go")):
        time.sleep(0.05)
    child.kill()
"""


def parallel(folder: Path) -> Graph:
    test_parallel.files(folder / "rows", "a", "b", "c")
    script = WAITS + f"def run(b):\n    wait({str(folder)!r})\n    return b\n"
    return test_parallel.program(folder, script, 'mini_batch_size = "1"')


def sweep(folder: Path) -> Graph:
    script = WAITS + f"wait({str(folder)!r})\n" + test_sweep.REPORTS
    return test_sweep.program(folder, script, "choice(1, 2, 4)", "algorithm = grid\nconcurrency = 2")


@pytest.mark.parametrize("kind", [parallel, sweep])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_lives_on_and_the_run_goes_on(
    go: Go, tmp_path: Path, kind: Callable[[Path], Graph], number: signal.Signals
) -> None:
    made = kind(tmp_path)
    runner = subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("*.pids"))) == 2, None)
    pids = [int(pid) for file in tmp_path.glob("*.pids") for pid in file.read_text().split()]
    assert len(pids) == 4 and all(map(alive, pids))
    runner.send_signal(number)
    assert runner.wait(60) == (-9 if number is signal.SIGKILL else 3)
    wait_for(lambda: not any(map(alive, pids)))
    record = read_record(str(tmp_path / "out"))
    assert record is not None and record["status"] == ("killed" if number is signal.SIGKILL else "cancelled")
    (tmp_path / "go").touch()
    result = go(made, tmp_path / "out", home=tmp_path / "home", resume=True)
    assert result.status == "completed", result.diagnostics
    assert not any((tmp_path / "home" / "scratch").iterdir())


def test_a_parallel_job_that_ran_out_of_its_limit_ends_what_hangs(go: Go, tmp_path: Path) -> None:
    """One mini batch fails beyond the limit while another would run for ten minutes."""
    test_parallel.files(tmp_path / "rows", "a", "b")
    script = "import os, time\ndef run(b):\n    if b[0].endswith('a'): time.sleep(600)\n    time.sleep(0.3); 1 / 0\n"
    made = test_parallel.program(
        tmp_path, script, 'mini_batch_size = "1"\nretries = 0\ntimeout = 1h\nmini_batch_error_threshold = 0'
    )
    result = go(made, jobs=2)
    assert result.status == "failed" and "1 mini batches failed, and 0 may" in result.diagnostics[0].label
    assert test_parallel.batches(result)["done"] == 1
