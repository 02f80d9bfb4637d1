"""What a step finds when it starts: inputs by kind and mode, outputs, its code, its environment."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import (
    Asset,
    Facts,
    FromInput,
    FromNode,
    Literal,
    Node,
    OutputPort,
    Parameter,
    PipelineInput,
    Run,
    Template,
)
from mlp_lang.runner import RunResult

from runner.hand_made import component, graph, states, step

Go = Callable[..., RunResult]


def text(result: RunResult, name: str = "a", port: str = "out") -> str:
    assert result.status == "completed", result.diagnostics
    return Path(result.steps[name].outputs[port]).read_text()


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (Parameter("x", "bool", "boolean"), True, "True"),
        (Parameter("x", "bool", "boolean"), False, "False"),
        (Parameter("x", "int", "integer"), 7, "7"),
        (Parameter("x", "float", "number"), 1e-8, "1e-08"),
        (Parameter("x", "float", "number"), 0.1, "0.1"),
        (Parameter("x", "string", "string"), "two  words", "two  words"),
        (Parameter("x", "int | none", "string", encoding="json"), None, "null"),
        (Parameter("x", "list[int]", "string", encoding="json"), [1, 2], "[1, 2]"),
        (Parameter("x", "map[any]", "string", encoding="json"), {"a": "é"}, '{"a": "é"}'),
    ],
)
def test_literals_are_spelled_as_azure_spells_them(go: Go, parameter: Parameter, value: object, expected: str) -> None:
    def node(binding: object) -> Node:
        c = component("printf %s ${{inputs.x}} > ${{outputs.out}}", (parameter,), ("out",))
        return Node("a", "a", "step", "command", c, (("x", binding),))  # type: ignore[arg-type]

    literal = Literal(value)  # type: ignore[arg-type]
    assert text(go(graph(node(literal)))) == expected
    assert (
        text(go(graph(node(FromInput("p")), inputs=(PipelineInput(parameter._replace(name="p"), literal),))))
        == expected
    )


def test_defaults_fill_in_and_optional_groups_fall_out(go: Go) -> None:
    c = component(
        "echo ${{inputs.d}} $[[--maybe ${{inputs.maybe}}]] > ${{outputs.out}}",
        (
            Parameter("d", "int", "integer", default=3, has_default=True),
            Parameter("maybe", "string", "string", optional=True),
        ),
        ("out",),
    )
    bare = Node("a", "a", "step", "command", c, ())
    full = bare._replace(name="b", inputs=(("maybe", Literal("so")), ("d", Literal(4))))
    none = bare._replace(name="c", inputs=(("maybe", Literal(None)),))
    result = go(graph(bare, full, none))
    assert [text(result, n).strip() for n in "abc"] == ["3", "4 --maybe so", "3"]


def test_a_template_joins_text_and_references(go: Go) -> None:
    a = step("a", "echo A > ${{outputs.out}}")
    parts = Template(("at ", FromNode("a", "out"), " with ", FromInput("p")))
    b = step("b", "printf %s ${{inputs.t}} > ${{outputs.out}}", {"t": parts})
    p = PipelineInput(Parameter("p", "float", "number"), Literal(0.5))
    result = go(graph(b, a, inputs=(p,)))
    assert text(result, "b") == f"at {result.steps['a'].outputs['out']} with 0.5"


@pytest.mark.parametrize(("azure_type", "written", "seen"), [("boolean", "true", "True"), ("string", "so so", "so so")])
def test_an_output_that_is_a_value_is_handed_over_as_one(go: Go, azure_type: str, written: str, seen: str) -> None:
    a = step("a", f"echo {written} > ${{{{outputs.v}}}}", outputs=(OutputPort("v", azure_type, azure_type),))
    c = component("printf '%s' '${{inputs.v}}' > ${{outputs.out}}", (Parameter("v", azure_type, azure_type),), ("out",))
    b = Node("b", "b", "step", "command", c, (("v", FromNode("a", "v")),))
    assert text(go(graph(a, b)), "b") == seen


@pytest.mark.parametrize("referred", [False, True])
@pytest.mark.parametrize(
    ("mode", "own_copy"),
    [
        (None, False),
        ("ro_mount", False),
        ("eval_mount", False),
        ("download", True),
        ("eval_download", True),
        ("rw_mount", True),
    ],
)
def test_input_modes(go: Go, tmp_path: Path, mode: str | None, own_copy: bool, referred: bool) -> None:
    """What is downloaded or mounted for writing is the step's own: changing it changes nothing of the user's."""
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "sub" / "f.txt").write_text("kept")
    asset = Asset("uri_folder", str(data), True, None if referred else mode)
    shared = PipelineInput(Parameter("shared", "folder", "uri_folder"), asset)
    change = "echo lost > ${{inputs.d}}/sub/f.txt; " if own_copy else ""
    a = step(
        "a",
        change + "echo ${{inputs.d}} > ${{outputs.out}}; cat ${{inputs.d}}/sub/f.txt >> ${{outputs.out}}",
        {"d": FromInput("shared", mode=mode) if referred else asset},
    )
    where, content = text(go(graph(a, inputs=(shared,)))).split()
    assert (where == str(data)) is not own_copy
    assert content == ("lost" if own_copy else "kept")
    assert (data / "sub" / "f.txt").read_text() == "kept"


def test_direct_mode_hands_over_the_address(go: Go) -> None:
    remote = Asset("uri_file", "https://example.org/a.csv", False, "direct")
    assert (
        text(go(graph(step("a", "printf %s ${{inputs.d}} > ${{outputs.out}}", {"d": remote}))))
        == "https://example.org/a.csv"
    )


def test_folders_exist_and_files_do_not_before_the_step(go: Go) -> None:
    ports = (
        OutputPort("f", "file", "uri_file"),
        OutputPort("d", "folder", "uri_folder"),
        OutputPort("m", "model", "mlflow_model"),
    )
    there = "test ! -e ${{outputs.f}} && test -d ${{outputs.d}} && test -d ${{outputs.m}}"
    command = f"{there} && echo x | tee ${{{{outputs.f}}}} > ${{{{outputs.m}}}}/MLmodel"
    assert states(go(graph(step("a", command, outputs=ports)))) == {"a": "completed"}


def test_the_code_is_a_copy_with_includes_beside_it(go: Go, tmp_path: Path) -> None:
    code, shared = tmp_path / "code", tmp_path / "lib" / "shared"
    code.mkdir()
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("WORD = 'shared'\n")
    (code / "main.py").write_text("import shared, sys, pathlib\npathlib.Path(sys.argv[1]).write_text(shared.WORD)\n")
    (code / "component.yml").write_text("# a definition is no code\n")
    (code / "__pycache__").mkdir()
    command = "test ! -e component.yml && python main.py ${{outputs.out}} && echo spoiled > main.py"
    a = step("a", command, code=code, includes=("../lib/shared",))
    assert text(go(graph(a))) == "shared"
    assert "spoiled" not in (code / "main.py").read_text()


def test_what_a_step_leaves_in_outputs_and_logs_is_kept(go: Go) -> None:
    a = step("a", "mkdir outputs logs; echo plot > outputs/plot.txt; echo x > ${{outputs.out}}")
    for _ in range(2):
        result = go(graph(a))
        assert Path(result.folder, "steps/a/artifacts/outputs/plot.txt").read_text() == "plot\n"
    assert states(result) == {"a": "cached"}


def test_the_environment_of_a_step(go: Go, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text("echo trapped; exit 9")
    monkeypatch.setenv("BASH_ENV", str(trap))
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.invalid")
    monkeypatch.setenv("AZUREML_RUN_ID", "another")
    script = "import json,os,sys; json.dump({**os.environ, 'exe': sys.executable}, open(sys.argv[1], 'w'))"
    settings = Run(environment_variables={"MINE": "a b"}, distribution={"type": "pytorch"})
    a = step("a", f'python -c "{script}" ${{{{outputs.out}}}}', {"x": 5}, settings=settings)
    found = json.loads(text(result := go(graph(a))))
    assert Path(found["exe"]).samefile(sys.executable)
    assert found["MINE"] == "a b" and found["WORLD_SIZE"] == "1" and found["AZURE_ML_INPUT_x"] == "5"
    assert found["AZUREML_RUN_ID"].endswith("_a") and found["AZUREML_ROOT_RUN_ID"] == Path(result.folder).name
    assert found["AZUREML_EXPERIMENT_NAME"] == "demo"
    assert "PYTHONPATH" not in found and "MLFLOW_TRACKING_URI" not in found and "BASH_ENV" not in found


def test_facts_arrive_as_a_file(go: Go) -> None:
    document = {"name": "census", "label": "income"}
    item = PipelineInput(Parameter("census_facts", "file", "uri_file"), None, facts="census")
    a = step("a", "cat ${{inputs.f}} > ${{outputs.out}}", {"f": FromInput("census_facts")})
    made = graph(a, inputs=(item,))._replace(facts=(Facts("census", "census_facts", document),))  # type: ignore[arg-type]
    assert json.loads(text(go(made))) == document
    assert states(go(made)) == {"a": "cached"}


def test_an_output_that_is_a_link_becomes_the_steps_own(go: Go, tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("theirs")
    a = step("a", "ln -s ${{inputs.d}} ${{outputs.out}}", {"d": Asset("uri_file", str(data), True)})
    result = go(graph(a))
    data.write_text("changed")
    assert text(result) == "theirs" and not Path(result.steps["a"].outputs["out"]).is_symlink()
    assert os.access(data, os.W_OK) and data.stat().st_mode & 0o200
