"""A runner that is killed at random moments, and many runs on one cache: nothing is lost, nothing done twice.

Runners are forked off this process, so that a start costs next to nothing and a kill falls anywhere in a run.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from mlp_lang.compiler.graph import FromNode, Graph, PipelineOutput
from mlp_lang.runner import run
from mlp_lang.runner.folder import read_record
from mlp_lang.runner.journal import events, state_of
from mlp_lang.runner.resources import having
from mlp_lang.runner.store import load, read_json
from mlp_lang.runner.upkeep import prune

from runner.hand_made import graph, step
from runner.test_record import SCHEMA

pytestmark = pytest.mark.slow
SEED, KILLS, STEPS, LATEST = 20240607, 110, 30, 0.25
"""LATEST: seconds after its start at which a runner is killed at the latest, a fourth of what a run needs undisturbed;
a little more after each kill that came before any step was finished, so that a busy machine gets on, too."""


def pipeline(effects: Path, steps: int = STEPS) -> Graph:
    """Each step notes that it runs, and adds its name to what two earlier ones gave; every third is never cached."""
    nodes = []
    for i in range(steps):
        inputs = {f"i{k}": FromNode(f"s{i - k}", "out") for k in (1, 4) if i >= k}
        read = " ".join(f"${{{{inputs.{name}}}}}" for name in inputs)
        command = (
            f"echo x >> {effects}/s{i}; cat {read} /dev/null > ${{{{outputs.out}}}}; echo s{i} >> ${{{{outputs.out}}}}"
        )
        nodes.append(step(f"s{i}", command, inputs, deterministic=i % 3 != 0))
    last = PipelineOutput("last", "file", "uri_file", FromNode(f"s{steps - 1}", "out"))
    return graph(*nodes, outputs=(last,))


def fork(work: Callable[[], object]) -> int:
    """Run something in a process of its own; its exit status says whether it raised."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.setpgid(0, 0)
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def going(place: Path, made: Graph, resume: bool) -> int:
    options = {"home": place / "home", "tracking": False, "jobs": 2, "report": False}
    return fork(lambda: run(made, place / "out", resume=resume, **options))


def counts(effects: Path) -> dict[str, int]:
    return {p.name: len(p.read_text().split()) for p in effects.iterdir()}


def finished(folder: Path) -> set[str]:
    return {e["step"] for e in events(str(folder)) if e["event"] == "finished" and e["record"]["digests"]}


def digests(folder: Path) -> dict[str, dict[str, str]]:
    record = read_record(str(folder))
    assert record is not None and record["status"] == "completed", record
    return {s["name"]: s["digests"] for s in record["steps"]}


def no_processes(place: Path) -> bool:
    for _ in range(400):
        if not having(f"TMPDIR={place}"):
            return True
        time.sleep(0.02)
    return False


def new_place(tmp_path: Path, number: int) -> tuple[Path, Graph]:
    place = tmp_path / str(number)
    (place / "effects").mkdir(parents=True)
    return place, pipeline(place / "effects")


def test_a_runner_that_is_killed_over_a_hundred_times_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    calm, made = new_place(tmp_path, 0)
    assert run(made, calm / "out", home=calm / "home", tracking=False, jobs=2, report=False).status == "completed"
    expected = digests(calm / "out")
    kills = pipelines = 0
    while kills < KILLS:
        pipelines += 1
        place, made = new_place(tmp_path, pipelines)
        done: set[str] = set()
        before: dict[str, int] = {}
        barren = 0
        while True:
            pid = going(place, made, resume=state_of(str(place / "out")) is not None)
            if kills < KILLS:
                time.sleep(chance.uniform(0, LATEST * 1.3**barren))
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            now = counts(place / "effects")
            assert all(now[name] == before[name] for name in done), "a finished step ran again"
            still = finished(place / "out")
            assert done <= still, "the journal forgot a step"
            barren = 0 if still > done else barren + 1
            done, before = still, now
            killed = os.WIFSIGNALED(status)
            kills += killed
            if not killed:
                assert os.WEXITSTATUS(status) == 0
                break
            if state_of(str(place / "out")) is None and (place / "out").exists():
                assert not any((place / "out").glob("steps/*"))  # killed before its first word: a new run, nothing lost
        assert digests(place / "out") == expected
        assert set(counts(place / "effects")) == set(expected)
        assert no_processes(place), "a step outlived its runner"
        assert not any((place / "home" / "scratch").iterdir())
        assert not list((place / "out").rglob(".new-*"))
        for entry in (place / "home" / "cache").glob("*/*"):
            assert load(str(entry), entry.name) is not None, "half an entry in the cache"
        record = read_json(str(place / "out" / "run.json"))
        jsonschema.validate(record, SCHEMA)
        assert record == read_record(str(place / "out"))
        assert (place / "out" / "outputs" / "last").read_bytes() == (calm / "out" / "outputs" / "last").read_bytes()


def test_eight_runs_on_one_cache_end_with_one_result(tmp_path: Path) -> None:
    """Steps that give something else each time they run: whoever was first decides, for all runs."""
    nodes = [step("s0", "date +%N > ${{outputs.out}}")]
    for i in range(1, 10):
        read = {"i": FromNode(f"s{i - 1}", "out")}
        nodes.append(step(f"s{i}", "cat ${{inputs.i}} > ${{outputs.out}}; date +%N >> ${{outputs.out}}", read))
    options = {"home": tmp_path / "home", "tracking": False, "jobs": 2, "report": False}
    made = graph(*nodes)
    pids = [fork(lambda i=i: run(made, tmp_path / f"out{i}", **options)) for i in range(8)]  # type: ignore[misc]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8
    first, *others = [digests(tmp_path / f"out{i}") for i in range(8)]
    assert all(other == first for other in others)
    again = run(made, tmp_path / "again", **options)  # type: ignore[arg-type]
    assert {o.status.value for o in again.steps.values()} == {"cached"} and digests(tmp_path / "again") == first
    assert not any((tmp_path / "home" / "scratch").iterdir())


def test_a_cache_that_is_cleared_all_the_time_costs_no_run_anything(tmp_path: Path) -> None:
    (tmp_path / "effects").mkdir()
    made = pipeline(tmp_path / "effects", 12)
    options = {"home": tmp_path / "home", "tracking": False, "jobs": 2, "report": False}
    pids = [fork(lambda i=i: run(made, tmp_path / f"out{i}", **options)) for i in range(4)]  # type: ignore[misc]
    left = set(pids)
    while left:
        prune(str(tmp_path / "home"), all_=True)
        for pid in tuple(left):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                assert status == 0
                left.discard(pid)
    first, *others = [digests(tmp_path / f"out{i}") for i in range(4)]
    assert all(other == first for other in others)
