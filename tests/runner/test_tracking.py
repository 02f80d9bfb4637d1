"""MLflow as steps see it: one local store, made before any step; a parent run, and a run nested in it for each step."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.runner import RunResult

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]

LOGS = """
import mlflow, sys, os
given = os.environ["MLFLOW_RUN_ID"], os.environ["AZUREML_RUN_ID"]
with mlflow.start_run() as run:
    assert given == (run.info.run_id, run.info.run_id)
    mlflow.log_metric("m", float(sys.argv[1]))
    mlflow.log_text("said", "note.txt")
open(sys.argv[2], "w").write(run.info.run_id)
"""


def rows(home: Path, query: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(home / "mlflow.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.slow
def test_steps_log_to_their_own_runs_at_the_same_time(go: Go, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "log.py").write_text(LOGS)
    nodes = [step(f"s{i}", f"python log.py {i} ${{{{outputs.out}}}}", code=code) for i in range(4)]
    result = go(graph(*nodes, step("bad", "false")), tracking=True, jobs=4)
    assert states(result) == {**{f"s{i}": "completed" for i in range(4)}, "bad": "failed"}, result.diagnostics
    home = tmp_path / "home"
    parent = result.record["tracking"]["run_id"]
    query = "select name, status, run_uuid from runs order by name"
    found = {name: (status, run) for name, status, run in rows(home, query)}
    assert {name: status for name, (status, _) in found.items()} == {
        "demo-1": "FAILED",
        "bad": "FAILED",
        **{f"s{i}": "FINISHED" for i in range(4)},
    }
    for i in range(4):
        run = Path(result.steps[f"s{i}"].outputs["out"]).read_text()
        assert run == found[f"s{i}"][1]
        assert rows(home, f"select value from metrics where run_uuid = '{run}' and key = 'm'") == [(float(i),)]
        assert rows(home, f"select value from tags where run_uuid = '{run}' and key = 'mlflow.parentRunId'") == [
            (parent,)
        ]
        assert (home / "artifacts" / "demo" / run / "artifacts" / "note.txt").read_text() == "said"


@pytest.mark.slow
def test_several_first_runs_make_one_store(tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from runner.hand_made import graph, step\nfrom mlp_lang.runner import run\n"
        "made = graph(step('a', 'echo $MLFLOW_RUN_ID > ${{outputs.out}}'))\n"
        f"r = run(made, home={str(tmp_path / 'home')!r}, cache=False)\n"
        "assert r.status == 'completed' and not r.diagnostics, r.diagnostics\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [p.communicate(timeout=180)[1] for p in runs] == ["", "", ""]
    assert len(rows(tmp_path / "home", "select run_uuid from runs")) == 6


def test_a_run_that_is_all_cache_imports_nothing_heavy(go: Go, tmp_path: Path) -> None:
    made = graph(step("a", "echo x > ${{outputs.out}}"))
    assert go(made).status == "completed"
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from runner.hand_made import graph, step\nbefore = set(sys.modules)\n"
        "from mlp_lang.runner import run\n"
        f"r = run(graph(step('a', 'echo x > ${{{{outputs.out}}}}')), home={str(tmp_path / 'home')!r})\n"
        "import json; print(json.dumps([r.steps['a'].status.value, sorted(sys.modules)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout)
    assert status == "cached" and not (tmp_path / "home" / "mlflow.db").exists()
    heavy = {"mlflow", "numpy", "pandas", "asyncio", "azure.ai.ml", "psutil"}
    assert not heavy & set(modules)


def test_without_mlflow_steps_run_untracked(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store cannot be opened: its place is taken by a folder."""
    (tmp_path / "home" / "mlflow.lock").mkdir(parents=True)
    result = go(graph(step("a", 'test -z "$MLFLOW_RUN_ID" && echo x > ${{outputs.out}}')), tracking=True)
    assert result.status == "completed" and result.record["tracking"] is None
    assert [d.code for d in result.diagnostics] == ["MLP0913"]
