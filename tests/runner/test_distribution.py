"""Steps of several processes on one machine: what each is told, how they end, and that nothing of them is left."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler.graph import Literal, Node, OutputPort, Parameter, PipelineInput, Run
from mlp_lang.runner import RunResult, plan
from mlp_lang.runner.distribution import processes

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]
FOLDER = OutputPort("out", "folder", "uri_folder")


def distributed(command: str, kind: dict[str, Any], nodes: int | None = None, **fields: Any) -> Node:
    settings = Run(distribution=kind, instance_count=nodes, **fields.pop("run", {}))
    return step("a", command, outputs=(FOLDER,), settings=settings, **fields)


def script(tmp_path: Path, text: str) -> dict[str, Any]:
    code = tmp_path / "code"
    code.mkdir()
    (code / "main.py").write_text(text)
    return {"code": code}


def log(result: RunResult) -> str:
    return Path(result.folder, "steps/a/log.txt").read_text()


PLACES = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR")


def test_pytorch_processes_are_told_apart_as_in_azure_ml(go: Go) -> None:
    names = " ".join(f"${name}" for name in PLACES)
    a = distributed(
        f"echo {names} $MASTER_PORT > ${{{{outputs.out}}}}/$RANK; echo said $RANK",
        {"type": "pytorch", "process_count_per_instance": 2},
        nodes=2,
    )
    result = go(graph(a))
    assert result.status == "completed", log(result)
    found = [(Path(result.steps["a"].outputs["out"]) / str(rank)).read_text().split() for rank in range(4)]
    assert [row[:5] for row in found] == [
        ["0", "0", "0", "4", "127.0.0.1"],
        ["1", "1", "0", "4", "127.0.0.1"],
        ["2", "0", "1", "4", "127.0.0.1"],
        ["3", "1", "1", "4", "127.0.0.1"],
    ]
    assert len({row[5] for row in found}) == 1 and int(found[0][5]) > 1024
    assert sorted(log(result).splitlines()) == ["[1] said 1", "[2] said 2", "[3] said 3", "said 0"]
    assert Path(result.folder, "steps/a/command.txt").read_text().startswith("# pytorch: 2 × 2 processes")


@pytest.mark.parametrize(
    ("kind", "nodes", "count"),
    [
        ({"type": "pytorch"}, 3, 3),
        ({"type": "PyTorch", "process_count_per_instance": 2}, None, 2),
        ({"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1}, 1, 3),
        ({"type": "tensorflow"}, 2, 2),
        ({"type": "mpi", "process_count_per_instance": "2"}, 2, 4),
        ({"type": "ray"}, 1, 1),
        (None, 4, 1),
    ],
)
def test_how_many_processes(kind: dict[str, Any], nodes: int | None, count: int) -> None:
    assert processes(distributed("true", kind, nodes), graph()) == count


def test_the_component_may_say_how_and_the_pipeline_how_many(go: Go) -> None:
    document = {"distribution": {"type": "pytorch", "process_count_per_instance": "${{parent.inputs.n}}"}}
    a = step("a", "touch ${{outputs.out}}/$RANK", outputs=(FOLDER,), document=document)
    result = go(graph(a, inputs=(PipelineInput(Parameter("n", "int", "integer"), Literal(3)),)))
    assert sorted(f.name for f in Path(result.steps["a"].outputs["out"]).iterdir()) == ["0", "1", "2"]


@pytest.mark.parametrize("count", [0, -1, "many", 1.5])
def test_a_number_that_is_none_is_refused(go: Go, count: object) -> None:
    a = distributed("true", {"type": "pytorch", "process_count_per_instance": count})
    (found,) = go(graph(a)).diagnostics
    assert found.code == "MLP0942" and "process_count_per_instance" in found.message


def test_tensorflow_is_told_by_tf_config(go: Go) -> None:
    """Parameter servers wait for ever; they end with the workers."""
    a = distributed(
        """case $TF_CONFIG in *'"type": "ps"'*) name=ps; sleep 600 ;; *) name=w$$ ;; esac
        printf %s "$TF_CONFIG" > ${{outputs.out}}/$name""",
        {"type": "tensorflow", "worker_count": 2, "parameter_server_count": 1},
    )
    result = go(graph(a))
    assert result.status == "completed", log(result)
    told = [json.loads(file.read_text()) for file in Path(result.steps["a"].outputs["out"]).iterdir()]
    assert sorted(t["task"]["index"] for t in told) == [0, 1] and {t["task"]["type"] for t in told} == {"worker"}
    assert {len(t["cluster"]["worker"]) for t in told} == {2} and {len(t["cluster"]["ps"]) for t in told} == {1}
    assert told[0]["cluster"] == told[1]["cluster"]


def test_one_process_that_fails_ends_all(go: Go) -> None:
    a = distributed(
        "if test $RANK = 1; then echo no such layer >&2; exit 7; fi; sleep 600 & wait",
        {"type": "pytorch", "process_count_per_instance": 3},
    )
    result = go(graph(a))
    (found,) = result.diagnostics
    assert result.steps["a"].exit_code == 7 and found.code == "MLP0902"
    assert found.label == "process 1 of 3 failed with exit code 7; the others were ended: no such layer"
    assert not _left("sleep 600")


def test_a_deadline_and_ctrl_c_end_all(go: Go, tmp_path: Path) -> None:
    a = distributed("sleep 601 & wait", {"type": "pytorch", "process_count_per_instance": 2}, run={"timeout": 1})
    (found,) = go(graph(a)).diagnostics
    assert found.code == "MLP0903" and not _left("sleep 601")


def test_a_retry_is_told_another_port_and_what_failed_is_cached_never(go: Go) -> None:
    a = distributed(
        "test -e ../../seen && echo ok > ${{outputs.out}}/$RANK || { touch ../../seen; exit 1; }",
        {"type": "pytorch", "process_count_per_instance": 1},
        run={"retries": 1},
    )
    result = go(graph(a))
    assert states(result) == {"a": "completed"} and result.steps["a"].attempts == 2
    assert states(go(graph(a))) == {"a": "cached"}
    assert states(go(graph(distributed(a.component.command, {"type": "pytorch"}, 2)))) != {"a": "cached"}


def _left(command: str, seconds: float = 3.0) -> list[str]:
    """Processes with this command line that still run: the kernel may need a moment after the group was killed."""
    until = time.monotonic() + seconds
    while (found := _running(command)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _running(command: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
            if line == command:
                found.append(entry.name)
    return found


AVERAGE = """
import os, sys
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
mine = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(mine)
if dist.get_rank() == 0:
    open(os.path.join(sys.argv[1], "sum"), "w").write(str(mine.item()))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_torch_reduces_over_gloo(go: Go, tmp_path: Path) -> None:
    code = script(tmp_path, AVERAGE)
    kind = {"type": "pytorch", "process_count_per_instance": 2}
    result = go(graph(distributed("python main.py ${{outputs.out}}", kind, **code)))
    assert result.status == "completed", log(result)
    assert Path(result.steps["a"].outputs["out"], "sum").read_text() == "3.0"


@pytest.mark.slow
def test_torchrun_in_the_command_makes_its_own_processes(go: Go, tmp_path: Path) -> None:
    """One process a node, which is a launcher itself: as many programs are written."""
    line = (
        "torchrun --nnodes 2 --nproc_per_node 1 --node_rank $NODE_RANK --master_addr $MASTER_ADDR "
        "--master_port $MASTER_PORT main.py ${{outputs.out}}"
    )
    result = go(graph(distributed(line, {"type": "pytorch"}, 2, **script(tmp_path, AVERAGE))))
    assert result.status == "completed", log(result)
    assert Path(result.steps["a"].outputs["out"], "sum").read_text() == "3.0"


@pytest.mark.slow
def test_mpi(go: Go) -> None:
    line = "echo $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE > ${{outputs.out}}/$OMPI_COMM_WORLD_RANK"
    result = go(graph(distributed(line, {"type": "mpi", "process_count_per_instance": 2}, 2)))
    assert result.status == "completed", log(result)
    found = sorted(f.read_text().strip() for f in Path(result.steps["a"].outputs["out"]).iterdir())
    assert found == [f"{rank} of 4" for rank in range(4)]


@pytest.mark.slow
def test_mpi_that_fails_leaves_nothing(go: Go) -> None:
    line = "test $OMPI_COMM_WORLD_RANK != 0 || { sleep 1; exit 5; }; exec sleep 602"
    result = go(graph(distributed(line, {"type": "mpi", "process_count_per_instance": 2})))
    assert states(result) == {"a": "failed"} and not _left("sleep 602")


def test_without_mpi_nothing_runs(go: Go, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    made = graph(step("first", "true"), distributed("true", {"type": "mpi"}))
    result = go(made)
    (found,) = result.diagnostics
    assert found.code == "MLP0941" and found.help == "apt-get install openmpi-bin" and not result.steps
    assert [d.code for d in plan(made, home=tmp_path / "home").diagnostics] == ["MLP0941"]


PROGRAM = """
pipeline many {
  step a using command {
    define {
      output out: folder
      command = "touch ${out}/x; exec sleep 603"
      environment = image("any")
    }
    run {
      distribution = KIND(processes = 2)
    }
  }
  output o = a.out
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pytorch", "mpi"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_run_that_is_stopped_or_killed(tmp_path: Path, kind: str, number: signal.Signals) -> None:
    (tmp_path / "many.mlp").write_text(PROGRAM.replace("KIND", kind))
    tool = [sys.executable, "-c", "import sys; from mlp_lang.cli.main import main; sys.exit(main())"]
    arguments = [*tool, "run", "many.mlp", "--no-tracking"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(_running("sleep 603")) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(timeout=60) == (130 if number is signal.SIGINT else -signal.SIGKILL)
    assert not _left("sleep 603", seconds=10.0)


COUNT = """
import os, sys
import ray

ray.init()

@ray.remote
def double(x):
    return 2 * x

print(ray.get([double.remote(i) for i in range(3)]))
nodes = [node for node in ray.nodes() if node["Alive"]]
open(os.path.join(sys.argv[1], "nodes"), "w").write(str(len(nodes)))
"""


@pytest.mark.slow
def test_ray_has_a_cluster_of_its_own(go: Go, tmp_path: Path) -> None:
    code = script(tmp_path, COUNT)
    kind = {"type": "ray", "worker_node_additional_args": "--num-cpus=1"}
    result = go(graph(distributed("python main.py ${{outputs.out}}", kind, 2, **code)))
    assert result.status == "completed", log(result)
    assert Path(result.steps["a"].outputs["out"], "nodes").read_text() == "2"
    assert "[0, 2, 4]" in log(result)
    assert not [p for p in _commands() if "raylet" in p and "defunct" not in p]


def _commands() -> list[str]:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
