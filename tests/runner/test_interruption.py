"""A run that is stopped or killed at any moment: nothing lives on, nothing is half there, and it can be resumed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import FromNode, Graph
from mlp_lang.runner import RunResult
from mlp_lang.runner.folder import read_record

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]

PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from runner.test_interruption import pipeline
from pathlib import Path
from mlp_lang.runner import choose_progress, run
made = pipeline(Path({folder!r}))
result = run(made, "out", home="home", tracking=False, jobs=2, grace=0.5, progress=choose_progress())
print(result.status)
sys.exit(result.exit_code)
"""
STUBBORN = "trap '' TERM; "
POLITE = "trap 'exit 0' TERM; "


def pipeline(folder: Path, stubborn: str = "") -> Graph:
    """`first` is quick and never the same twice; `long` waits for a file; `last` needs both."""
    first = step("first", f"echo x >> {folder}/count; date +%N > ${{{{outputs.out}}}}", deterministic=False)
    waits = (
        f"sleep 300 & echo $! > {folder}/child; echo $$ > {folder}/shell; "
        f"while ! test -e {folder}/go; do sleep 0.05; done"
    )
    long = step(
        "long",
        f"echo half > ${{{{outputs.out}}}}; {stubborn}{waits}; echo whole > ${{{{outputs.out}}}}",
        {"i": FromNode("first", "out")},
    )
    return graph(first, long, step("last", "cat ${{inputs.i}} > ${{outputs.out}}", {"i": FromNode("long", "out")}))


def start(folder: Path, program: str = PROGRAM) -> "subprocess.Popen[str]":
    """A runner in a process of its own, returned once `long` runs."""
    text = program.format(tests=str(Path(__file__).parents[1]), folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", text], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: (folder / "shell").exists() and (folder / "shell").read_text() != "", process)
    return process


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    for _ in range(1200):
        if condition():
            return
        assert process is None or process.poll() is None, process.stderr.read() if process and process.stderr else ""
        time.sleep(0.05)
    raise AssertionError("it never happened")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(folder: Path) -> list[int]:
    return [int((folder / name).read_text()) for name in ("child", "shell")]


def record(folder: Path) -> dict[str, str]:
    document = read_record(str(folder / "out"))
    assert document is not None
    return {"run": document["status"], **{s["name"]: s["status"] for s in document["steps"]}}


def resumed(go: Go, folder: Path) -> RunResult:
    (folder / "go").touch()
    result = go(pipeline(folder), folder / "out", home=folder / "home", resume=True)
    assert result.status == "completed", result.diagnostics
    assert Path(result.steps["last"].outputs["out"]).read_text() == "whole\n"
    assert (folder / "count").read_text() == "x\n"  # what was finished is not done again, deterministic or not
    assert states(result)["first"] == "cached"
    assert not any((folder / "home" / "scratch").iterdir())
    return result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stubborn", ["", STUBBORN, POLITE])
def test_a_signal_stops_every_step_and_the_run_can_be_resumed(
    go: Go, tmp_path: Path, number: signal.Signals, stubborn: str
) -> None:
    program = PROGRAM.replace("pipeline(Path({folder!r}))", f"pipeline(Path({{folder!r}}), {stubborn!r})")
    runner = start(tmp_path, program)
    runner.send_signal(number)
    out, err = runner.communicate(timeout=60)
    assert (runner.returncode, out.split()) == (3, ["cancelled"]), err
    assert not any(alive(pid) for pid in pids(tmp_path))
    assert record(tmp_path) == {"run": "cancelled", "first": "completed", "long": "cancelled", "last": "cancelled"}
    assert f"{number.name}: stopping 1 steps" in err
    if not stubborn:
        resumed(go, tmp_path)


def test_a_killed_runner_leaves_no_orphans_and_the_run_can_be_resumed(go: Go, tmp_path: Path) -> None:
    runner = start(tmp_path)
    runner.kill()
    runner.communicate(timeout=60)
    wait_for(lambda: not any(alive(pid) for pid in pids(tmp_path)))
    assert record(tmp_path) == {"run": "killed", "first": "completed", "long": "running", "last": "waiting"}
    assert not (tmp_path / "out" / "run.json").exists()  # it comes with the end
    assert not (tmp_path / "out" / "steps" / "long" / "outputs").exists()  # whole or not at all
    resumed(go, tmp_path)


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    program = PROGRAM.replace("pipeline(Path({folder!r}))", f"pipeline(Path({{folder!r}}), {STUBBORN!r})").replace(
        "0.5", "600.0"
    )
    runner = start(tmp_path, program)
    runner.send_signal(signal.SIGINT)
    assert runner.stderr is not None
    for line in runner.stderr:
        if "stopping" in line:
            break
    runner.send_signal(signal.SIGINT)
    runner.communicate(timeout=60)
    assert runner.returncode == 3 and not any(alive(pid) for pid in pids(tmp_path))


def test_two_runs_do_not_write_one_folder(go: Go, tmp_path: Path) -> None:
    runner = start(tmp_path)
    for resume in (False, True):
        result = go(pipeline(tmp_path), tmp_path / "out", resume=resume)
        assert [d.code for d in result.diagnostics] == ["MLP0914"]
    (tmp_path / "go").touch()
    assert runner.communicate(timeout=60)[0].split() == ["completed"]


@pytest.mark.parametrize("step_name", ["first", "long"])
def test_what_was_changed_in_the_folder_is_not_resumed(go: Go, tmp_path: Path, step_name: str) -> None:
    (tmp_path / "go").touch()
    result = go(pipeline(tmp_path), tmp_path / "out", cache=False)
    victim = Path(result.steps[step_name].outputs["out"])
    victim.unlink()
    victim.write_text("forged\n")
    again = go(pipeline(tmp_path), tmp_path / "out", cache=False, resume=True)
    assert states(again)[step_name] == "completed" and victim.read_text() != "forged\n"


def test_resuming_is_refused_where_there_is_no_such_run(go: Go, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    other = graph(step("a", "echo x > ${{outputs.out}}"))._replace(name="other")
    assert go(other, tmp_path / "there").status == "completed"
    for folder in ("empty", "absent", "there"):
        result = go(pipeline(tmp_path), tmp_path / folder, resume=True)
        assert [d.code for d in result.diagnostics] == ["MLP0912"] and result.folder == ""
    assert not (tmp_path / "absent").exists()


def test_signal_handlers_are_put_back(go: Go) -> None:
    before = signal.getsignal(signal.SIGINT)
    go(graph(step("a", "echo x > ${{outputs.out}}")))
    assert signal.getsignal(signal.SIGINT) is before
