"""`mlp ui` and `mlp tensorboard`: the real servers, as people start and stop them."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from cli_programs import Mlp
from mlp_lang.runner.viewing import ViewError, boards, tracked

PROGRAM = """\
pipeline learn {
  step fit using command {
    define {
      output model: folder
      command = "python write.py ${model}"
      code = "src"
      environment = image("any")
    }
  }

  output model = fit.model
}
"""
WRITER = """\
import os, sys
import mlflow
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

for folder, name in (("logs", "loss"), (os.path.join(sys.argv[1], "board"), "score")):
    writer = EventFileWriter(folder)
    for step in range(3):
        value = Summary.Value(tag=name, simple_value=1.0 / (step + 1))
        writer.add_event(Event(step=step, wall_time=float(step), summary=Summary(value=[value])))
    writer.close()
if os.environ.get("MLFLOW_TRACKING_URI"):
    mlflow.log_metric("loss", 0.5)
"""


@pytest.fixture
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlp: Mlp) -> Path:
    """A folder in which a pipeline has run once that writes event files and logs to MLflow."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "write.py").write_text(WRITER)
    (tmp_path / "learn.mlp").write_text(PROGRAM)
    done = mlp("run", "learn.mlp")
    assert done.returncode == 0, done.stderr
    assert "tracking mlp ui .mlp/runs/learn-1" in done.stdout
    return tmp_path


@contextmanager
def served(*words: str) -> Iterator[str]:
    """The address that a command prints; it is stopped by Ctrl-C, and must end well and leave nothing behind."""
    tool = str(Path(sys.executable).with_name("mlp"))
    process = subprocess.Popen(
        [tool, *words, "--no-browser"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate()[1]
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(address.split(":")[2].split("/")[0]))) != 0


def get(address: str, body: dict[str, object] | None = None) -> str:
    from urllib.request import Request

    data = json.dumps(body).encode() if body is not None else None
    request = Request(address, data, {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
        return str(answer.read().decode())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_tensorboard_shows_the_files_of_all_steps(learned: Path) -> None:
    port = str(free_port())
    with served("tensorboard", "learn-1", "--port", port) as address:
        assert address == f"http://127.0.0.1:{port}/"
        assert _tags(address, 2) == {"steps/fit/artifacts/logs": ["loss"], "steps/fit/outputs/model/board": ["score"]}
    with served("tensorboard", "--port", port) as address:
        assert set(_tags(address, 2)) == {"learn-1/fit/artifacts/logs", "learn-1/fit/outputs/model/board"}


def _tags(address: str, number: int) -> dict[str, list[str]]:
    """What TensorBoard has read; it reads in the background."""
    for _ in range(600):
        found = json.loads(get(address + "data/plugin/scalars/tags"))
        if len(found) >= number:
            break
    return {run: list(tags) for run, tags in found.items()}


@pytest.mark.slow
def test_ui_opens_at_a_run(learned: Path) -> None:
    with served("ui", "learn-1", "--port", str(free_port())) as address:
        root, _, page = address.partition("#")
        match = re.fullmatch(r"/experiments/(\d+)/runs/(\w+)", page)
        assert match is not None, address
        found = json.loads(get(f"{root}api/2.0/mlflow/runs/get?run_id={match[2]}"))
        assert found["run"]["info"]["experiment_id"] == match[1] and found["run"]["info"]["run_name"] == "learn-1"
        asked = {"experiment_ids": [match[1]], "filter": "metrics.loss = 0.5"}
        assert len(json.loads(get(f"{root}api/2.0/mlflow/runs/search", asked))["runs"]) == 1


@pytest.mark.slow
def test_what_cannot_be_shown_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlp: Mlp) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.mlp").write_text(
        PROGRAM.replace('code = "src"\n', "").replace("python write.py ${model}", "touch ${model}/x")
    )
    assert mlp("run", "talk.mlp", "--no-tracking").returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for words, said in (
            (("ui",), "nothing is tracked"),
            (("ui", "nowhere"), "there is no run `nowhere`"),
            (("tensorboard", "learn-1"), "the steps of `learn-1` left no event files"),
            (("tensorboard",), "the runs here left no event files"),
        ):
            done = mlp(*words, "--no-browser")
            assert done.returncode == 2 and said in done.stderr, done.stderr
        (tmp_path / ".mlp" / "mlflow.db").touch()
        done = mlp("ui", "--no-browser", "--port", port)
        assert done.returncode == 2 and f"port {port} cannot be had" in done.stderr
    help_ = mlp("tensorboard", "--help").stdout
    assert "mlp tensorboard pets-3" in help_ and "Exit codes:" in help_
    offered = mlp(env={"_MLP_COMPLETE": "bash_complete", "COMP_WORDS": "mlp ui l", "COMP_CWORD": "2"})
    assert "learn-1" in offered.stdout


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from mlp_lang.runner import viewing

    monkeypatch.setattr(viewing, "installed", dict)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ViewError, match=r"mlp ui needs mlflow: pip install "):
        tracked(None)
    with pytest.raises(ViewError, match=r"mlp tensorboard needs tensorboard: pip install "):
        boards(None, str(tmp_path))


@pytest.mark.slow
def test_a_run_that_goes_shows_what_its_steps_write_now(tmp_path: Path) -> None:
    """The journal tells where the steps of a run work; what they write there is shown beside what has ended."""
    run, links, scratch = (tmp_path / name for name in ("run", "links", "scratch"))
    for folder in (run / "steps" / "done", links, scratch / "fit-1" / "code" / "logs"):
        folder.mkdir(parents=True)
    head = {"pipeline": "p", "parameters": {}, "data": {}}
    event = {"event": "run", "head": head, "steps": [], "scratch": str(scratch), "call": {}}
    (run / "journal.jsonl").write_text(json.dumps(event) + "\n")
    boards(str(run), str(links))
    assert sorted(link.name for link in links.iterdir()) == ["running", "steps"]
    assert (links / "running" / "fit-1" / "code" / "logs").is_dir()
