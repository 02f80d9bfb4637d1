"""Order, parallelism and what a failure stops. Time is never measured: steps wait for one another's files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import FromNode, Gate, OutputPort, Run
from mlp_lang.runner import RunResult

from runner.hand_made import graph, span_of, states, step

Go = Callable[..., RunResult]
WAIT = "for i in $(seq 600); do test -e {0} && break; sleep 0.05; done; test -e {0}"


def test_independent_steps_run_at_the_same_time(go: Go, tmp_path: Path) -> None:
    """Each waits for the other's file: one after the other, neither could end."""
    a = step("a", f"touch {tmp_path}/a; {WAIT.format(tmp_path / 'b')} && echo x > ${{{{outputs.out}}}}")
    b = step("b", f"touch {tmp_path}/b; {WAIT.format(tmp_path / 'a')} && echo y > ${{{{outputs.out}}}}")
    assert states(go(graph(a, b), jobs=2)) == {"a": "completed", "b": "completed"}


def test_jobs_is_a_budget(go: Go, tmp_path: Path) -> None:
    """A lock folder that two steps could only make at the same time; four processes count as four jobs."""
    alone = f"mkdir {tmp_path}/lock && sleep 0.05 && rmdir {tmp_path}/lock && echo x > ${{{{outputs.out}}}}"
    many = Run(distribution={"type": "pytorch", "process_count_per_instance": 4})
    assert set(states(go(graph(*(step(f"s{i}", f"{alone}; : {i}") for i in range(4))), jobs=1)).values()) == {
        "completed"
    }
    heavy = [step(f"h{i}", f"{alone}; : {i}", settings=many) for i in range(3)]
    assert set(states(go(graph(*heavy), jobs=3)).values()) == {"completed"}


def test_order_follows_data_and_after(go: Go, tmp_path: Path) -> None:
    def write(name: str) -> str:
        return f"echo {name} >> {tmp_path}/order; echo x > ${{{{outputs.out}}}}"

    nodes = [
        step("last", write("last"), {"i": FromNode("middle", "out")}),
        step("middle", write("middle"), after=("first",)),
        step("first", write("first")),
    ]
    assert go(graph(*nodes), jobs=4).status == "completed"
    assert (tmp_path / "order").read_text().split() == ["first", "middle", "last"]


def test_a_failure_stops_what_needs_it_and_nothing_else(go: Go) -> None:
    result = go(
        graph(
            step("bad", "echo 'mlp: the reason' >&2; exit 3"),
            step("data", "echo x > ${{outputs.out}}", {"i": FromNode("bad", "out")}),
            step("further", "echo x > ${{outputs.out}}", after=("data",)),
            step("apart", "sleep 0.1; echo x > ${{outputs.out}}"),
        )
    )
    assert states(result) == {"bad": "failed", "data": "skipped", "further": "skipped", "apart": "completed"}
    assert (result.status, result.exit_code) == ("failed", 3)
    (found,) = result.diagnostics
    assert (found.code, found.label, result.steps["bad"].exit_code) == ("MLP0902", "the reason", 3)


PROGRAM = "evaluate quality using sklearn.classification {\n  model = released\n  require accuracy >= 0.80\n}\n"


def test_a_failed_gate_is_shown_where_it_is_written(go: Go) -> None:
    gate = Gate(True, "accuracy >= 0.80", ("accuracy",), span_of(PROGRAM, "require accuracy >= 0.80"))
    metrics = OutputPort("out", "metrics", "uri_file")
    judged = (
        '{"metrics": {"accuracy": 0.5}, "gates": [{"text": "accuracy >= 0.80", "hard": true, "passed": false, '
        '"values": {"accuracy": 0.5}}]}'
    )
    command = (
        f"echo '{judged}' > ${{{{outputs.out}}}}; "
        "echo 'mlp: require failed: accuracy >= 0.80 (accuracy = 0.5, bound 0.8) at demo.mlp:3:3' >&2; exit 1"
    )
    quality = step("quality", command, outputs=(metrics,), gates=(gate,), settings=Run(retries=3), verb="evaluate")
    result = go(graph(quality, step("blue", "true", outputs=(), after=("quality",))))
    assert states(result) == {"quality": "failed", "blue": "skipped"}
    (found,) = result.diagnostics
    assert found.code == "MLP0901" and found.span == gate.span and found.label == "accuracy = 0.5, bound 0.8"
    assert result.steps["quality"].attempts == 1  # a verdict is not asked for again
    assert result.record["steps"][0]["metrics"] == {"accuracy": 0.5}
    assert result.record["steps"][0]["error"]["place"] == "demo.mlp:3:3"


@pytest.mark.parametrize(
    ("retries", "status", "attempts"), [(0, "failed", 1), (1, "failed", 2), (2, "completed", 3), (5, "completed", 3)]
)
def test_retries(go: Go, tmp_path: Path, retries: int, status: str, attempts: int) -> None:
    """The step succeeds at its third attempt."""
    count = tmp_path / "count"
    command = f"echo x >> {count}; test $(wc -l < {count}) -ge 3 && echo done > ${{{{outputs.out}}}}"
    result = go(graph(step("a", command, settings=Run(retries=retries))))
    assert (states(result)["a"], result.steps["a"].attempts) == (status, attempts)


@pytest.mark.parametrize("command", ["sleep 300", "trap '' TERM; sleep 300 & wait; wait", "sleep 300 & sleep 300"])
def test_a_timeout_ends_a_step_and_all_that_it_started(go: Go, command: str) -> None:
    result = go(graph(step("a", command, settings=Run(timeout=1))), grace=0.2)
    assert states(result) == {"a": "failed"} and result.diagnostics[0].code == "MLP0903"


def test_a_step_leaves_no_process_behind(go: Go, tmp_path: Path) -> None:
    go(graph(step("a", f"sleep 301 & echo $! > {tmp_path}/pid; echo x > ${{{{outputs.out}}}}")))
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_thousand_steps_in_a_chain(go: Go) -> None:
    """Scheduling is linear: nothing here recurses or looks at all steps for each."""
    nodes = [step("s0", "echo 0 > ${{outputs.out}}")]
    skipped = [step(f"s{i}", "true", {"i": FromNode(f"s{i - 1}", "out")}) for i in range(2, 1000)]
    result = go(graph(*nodes, step("s1", "false", after=("s0",)), *skipped))
    assert list(states(result).values()) == ["completed", "failed"] + ["skipped"] * 998


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
