"""What goes wrong, and what is said of it: a code, a place, a remedy, and nothing half done."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import (
    Asset,
    Environment,
    FromInput,
    Graph,
    Literal,
    Node,
    OutputPort,
    Parameter,
    PipelineInput,
)
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.runner import RunResult
from mlp_lang.runner.environment import extra_for, installed, requirements
from mlp_lang.runner.failures import last_line, os_failed, step_failed

from runner.hand_made import component, graph, span_of, states, step

Go = Callable[..., RunResult]
TEXT = 'data census: table = "census.csv"\n'
SPAN = span_of(TEXT, '"census.csv"')


def reads(asset: Asset | None) -> Graph:
    """A step that reads the pipeline's datum `census`."""
    item = PipelineInput(Parameter("census", "table", "uri_file"), asset, span=SPAN)
    a = step("a", "cat ${{inputs.t}} > ${{outputs.out}}", {"t": FromInput("census")})
    typed = a.component._replace(inputs=(Parameter("t", "table", "uri_file"),))
    return graph(a._replace(component=typed), inputs=(item,))


@pytest.mark.parametrize(
    ("asset", "code", "message"),
    [
        (Asset("uri_file", "/nowhere/census.csv", True, span=SPAN), "MLP0906", "does not exist"),
        (Asset("uri_file", "azureml:census:3", False, span=SPAN), "MLP0906", "not on this machine"),
        (Asset("uri_file", "https://example.org/c.csv", False, span=SPAN), "MLP0906", "not on this machine"),
        (None, "MLP0907", "has no value"),
    ],
)
def test_inputs_that_are_not_there(go: Go, tmp_path: Path, asset: Asset | None, code: str, message: str) -> None:
    result = go(reads(asset))
    (found,) = result.diagnostics
    assert found.code == code and message in found.message and found.span == SPAN
    refused = asset is not None and not asset.local  # known before anything runs
    assert states(result) == ({} if refused else {"a": "failed"})
    local = tmp_path / "local.csv"
    local.write_text("1\n")
    assert go(reads(asset), data={"census": str(local)}).status == "completed"


def test_data_of_another_name_is_refused(go: Go) -> None:
    (found,) = go(reads(None), data={"cnesus": "x"}).diagnostics
    assert found.code == "MLP0907" and "census" in found.help


@pytest.mark.parametrize(
    ("command", "port", "code"),
    [
        ("true", OutputPort("out", "file", "uri_file"), "MLP0905"),
        ("rmdir ${{outputs.out}}", OutputPort("out", "folder", "uri_folder"), "MLP0905"),
        ("true", OutputPort("out", "model", "mlflow_model"), "MLP0905"),
        ("ln -s /nowhere ${{outputs.out}}", OutputPort("out", "file", "uri_file"), "MLP0905"),
        ("mkfifo ${{outputs.out}}", OutputPort("out", "file", "uri_file"), "MLP0908"),
        ("true", OutputPort("out", "folder", "uri_folder"), None),
    ],
)
def test_outputs_that_a_step_does_not_write(go: Go, command: str, port: OutputPort, code: str | None) -> None:
    result = go(graph(step("a", command, outputs=(port,))))
    assert [d.code for d in result.diagnostics] == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo out; echo 'mlp: first' >&2; echo 'mlp: last' >&2; exit 1", "last"),
        ("echo 'mlp: why' >&2; echo noise >&2; exit 1", "why"),
        ("echo only; exit 7", "only"),
        ("exit 1", ""),
        ("printf '\\377\\376 broken'; exit 1", "\ufffd\ufffd broken"),
        ("kill -9 $$", ""),
        ("no_such_program_at_all", "command not found"),
    ],
)
def test_a_failed_step_is_told_by_its_own_last_word(go: Go, command: str, said: str) -> None:
    result = go(graph(step("a", command)))
    (found,) = result.diagnostics
    assert found.code == "MLP0902" and said in found.label
    assert Path(result.folder, "steps/a/log.txt").exists() and not Path(result.folder, "steps/a/entry.json").exists()


def test_a_value_that_no_command_line_can_carry(go: Go) -> None:
    (found,) = go(graph(step("a", "echo `echo ${{inputs.x}}`", {"x": "$(id)"}))).diagnostics
    assert found.code == "MLP0909"


def test_a_registered_component_is_refused_before_anything_runs(go: Go, tmp_path: Path) -> None:
    remote = step("b", "", origin="registered", reference="azureml://registries/r/components/c/versions/1")
    result = go(graph(step("a", f"touch {tmp_path}/ran"), remote))
    assert [d.code for d in result.diagnostics] == ["MLP0910"] and not (tmp_path / "ran").exists()
    assert not (tmp_path / "home").exists()


CONDA = {
    "dependencies": [
        "python=3.11",
        "pip",
        "conda-forge::libgomp",
        {"pip": ["no-such-package-anywhere>=2", "pyyaml>=6"]},
    ]
}


def test_what_is_not_installed_is_said_before_anything_runs(go: Go, tmp_path: Path) -> None:
    environment = Environment(image="x", conda=CONDA)  # type: ignore[arg-type]
    result = go(graph(step("a", f"touch {tmp_path}/ran"), step("b", "true", environment=environment)))
    error = next(d for d in result.diagnostics if d.severity is Severity.ERROR)
    assert error.code == "MLP0904" and "no-such-package-anywhere" in error.message
    assert error.help == "pip install 'no-such-package-anywhere>=2'"
    assert not (tmp_path / "ran").exists() and not (tmp_path / "home").exists()


def test_another_version_is_a_warning(go: Go) -> None:
    environment = Environment(conda={"dependencies": [{"pip": ["pyyaml==1.0"]}]})
    result = go(graph(step("a", "echo x > ${{outputs.out}}", environment=environment)))
    assert result.status == "completed"
    assert [(d.code, d.severity) for d in result.diagnostics] == [("MLP0911", Severity.WARNING)]


def test_requirements_of_a_conda_specification() -> None:
    found = requirements(Environment(conda=CONDA))  # type: ignore[arg-type]
    assert [(r.name, r.specifier, r.firm) for r in found] == [
        ("libgomp", "", False),
        ("no-such-package-anywhere", ">=2", True),
        ("pyyaml", ">=6", True),
    ]
    assert installed()["pyyaml"][0].isdecimal()
    assert extra_for(["scikit-learn", "skops"]) == "mlp-lang[sklearn]" and extra_for(["unheard-of"]) is None


def test_a_place_that_cannot_be_written(go: Go, tmp_path: Path) -> None:
    made = graph(step("a", "echo x > ${{outputs.out}}"))
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert [d.code for d in go(made, home=tmp_path / "file" / "home").diagnostics] == ["MLP0908"]
    assert [d.code for d in go(made, home="/proc/home").diagnostics] == ["MLP0908"]
    assert [d.code for d in go(made, tmp_path / "file").diagnostics] == ["MLP0914"]
    assert [d.code for d in go(made, tmp_path / "full").diagnostics] == ["MLP0914"]
    assert sorted(p.name for p in (tmp_path / "full").iterdir()) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "MLP_HOME"), (errno.EROFS, "-o DIR"), (errno.EACCES, "-o DIR"), (errno.EIO, "")],
)
def test_what_the_file_system_says_becomes_a_remedy(number: int, remedy: str) -> None:
    found = os_failed(OSError(number, os.strerror(number), "/x/y"), None, graph(), "write")
    assert found.code == "MLP0908" and "/x/y" in found.message and remedy in found.help


def test_a_run_in_an_earlier_runs_folder_replaces_it(go: Go, tmp_path: Path) -> None:
    go(graph(step("old", "echo x > ${{outputs.out}}")), tmp_path / "out")
    go(graph(step("new", "echo x > ${{outputs.out}}")), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out" / "steps").iterdir()] == ["new"]


def test_the_end_of_a_long_log_is_enough(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"mlp: long ago\n" + b"x" * 10_000_000 + b"\nthe end\n")
    assert last_line(str(log)) == "the end" and last_line(str(tmp_path / "absent")) == ""


def test_a_gate_whose_text_has_brackets(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("mlp: require failed: (a + b) >= 0.1 * (1 + c) (a = 0.5, b = 1, bound 0.8) at x.mlp:1:1\n")
    node = Node("n", "n", "evaluate", "command", component("true"), (("x", Literal(1)),))
    found = step_failed(node, 1, str(log), 1)
    assert (found.code, found.label) == ("MLP0901", "a = 0.5, b = 1, bound 0.8")
    assert "require (a + b) >= 0.1 * (1 + c)" in found.message
