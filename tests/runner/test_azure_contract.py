"""What a step finds is what azure-ai-ml itself makes of the same definition: code files, texts of values, commands."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_component, load_job
from azure.ai.ml._utils._asset_utils import get_upload_files_from_folder
from azure.ai.ml.entities._component.code import ComponentIgnoreFile
from mlp_lang.compiler.graph import Component
from mlp_lang.decompiler import compile_yaml
from mlp_lang.runner import RunResult
from mlp_lang.runner.code import lay_out

pytestmark = pytest.mark.filterwarnings("ignore")
Go = Callable[..., RunResult]

COMMAND = "ls -R"
TREE = ("main.py", "notes.txt", "data/a.csv", "data/b.csv", "data/deep/c.csv", "logs/x.log", "pkg/mod.py", "pkg/x.log")
SHARED = ("lib/shared/__init__.py", "lib/shared/a.log", "lib/shared/data/d.csv", "lib/one.py", "lib/two.log")


def tree(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def azure_files(definition: Path) -> dict[str, set[str]]:
    """What azure-ai-ml would upload, and what is in the archives among it."""
    component = load_component(definition)
    with component._generate_additional_includes_obj().merge_local_code_and_additional_includes() as folder:
        ignore = ComponentIgnoreFile(folder)
        if Path(folder).is_file():
            return {Path(folder).name: set()}
        found = {name for _, name in get_upload_files_from_folder(folder, ignore_file=ignore)}
        return {name: names_in(Path(folder, name)) for name in found}


def names_in(file: Path) -> set[str]:
    if file.suffix != ".zip":
        return set()
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def our_files(definition: Path, target: Path) -> dict[str, set[str]]:
    made = compile_yaml(definition)
    component: Component = made.graphs[0].nodes[0].component
    target.mkdir()
    lay_out(component, str(target))
    return {f.relative_to(target).as_posix(): names_in(f) for f in target.rglob("*") if f.is_file()}


@pytest.mark.parametrize(
    ("ignores", "code", "includes"),
    [
        ({}, "./src", []),
        ({".amlignore": "*.log\ndata/\n"}, "./src", []),
        ({".gitignore": "*.log\n"}, "./src", []),
        ({".amlignore": "notes.txt\n", ".gitignore": "*.py\n"}, "./src", []),
        ({".amlignore": "data\n!data/a.csv\n"}, "./src", []),
        ({".amlignore": "data/*\n!data/deep\n"}, "./src", []),
        ({".amlignore": "/data/a.csv\n**/deep/\n# no.py\n\n"}, "./src", []),
        ({".amlignore": "pkg/*.log\n[ab].csv\nlog?\n"}, "./src", []),
        ({"pkg/.amlignore": "*.py\n"}, "./src", []),
        ({}, "./src/main.py", []),
        ({}, "./src", ["lib/shared", "lib/one.py"]),
        ({".amlignore": "*.log\n"}, "./src", ["lib/shared", "lib/two.log"]),
        ({".amlignore": "shared/data\n"}, "./src", ["lib/shared"]),
        ({"pkg/.amlignore": "*.py\n"}, "./src", ["lib/one.py"]),
        ({"../lib/shared/.amlignore": "data\n"}, "./src", ["lib/shared"]),
        ({}, None, ["lib/shared", "lib/one.py"]),
        ({}, "./src/main.py", ["lib/shared"]),
        ({}, "./src", ["lib/shared.zip"]),
        ({".amlignore": "*.log\n"}, "./src", ["lib/shared.zip"]),
    ],
)
def test_the_code_folder_holds_what_azure_would_upload(
    tmp_path: Path, ignores: dict[str, str], code: str | None, includes: list[str]
) -> None:
    tree(tmp_path / "src", *TREE)
    tree(tmp_path, *SHARED)
    for name, text in ignores.items():
        (tmp_path / "src" / name).write_text(text)
    document: dict[str, Any] = {"type": "command", "name": "x", "command": COMMAND, "environment": "azureml:e:1"}
    document |= {"code": code} if code else {}
    document |= {"additional_includes": includes} if includes else {}
    definition = tmp_path / "component.yml"
    definition.write_text(yaml.safe_dump(document))
    assert our_files(definition, tmp_path / "made") == azure_files(definition)


LITERALS = """
type: pipeline
settings: {default_compute: azureml:cpu}
inputs:
  sure: true
  never: false
  small: 1.0e-08
  half: 0.5
  two: 2.0
  round: 3
  big: 100000000000000000000.0
  name: plain
  quoted: "1.50"
jobs:
  say:
    type: command
    environment: azureml:e:1
    command: >-
      echo ${{inputs.sure}} ${{inputs.never}} ${{inputs.small}} ${{inputs.half}} ${{inputs.two}} ${{inputs.round}}
      ${{inputs.big}} ${{inputs.name}} ${{inputs.quoted}} $[[--left ${{inputs.left}}]] ${{inputs.own}}
      ${{inputs.flag}} > ${{outputs.out}}
    inputs:
      sure: ${{parent.inputs.sure}}
      never: ${{parent.inputs.never}}
      small: ${{parent.inputs.small}}
      half: ${{parent.inputs.half}}
      two: ${{parent.inputs.two}}
      round: ${{parent.inputs.round}}
      big: ${{parent.inputs.big}}
      name: ${{parent.inputs.name}}
      quoted: ${{parent.inputs.quoted}}
      own: 0.25
      flag: true
    outputs:
      out: {type: uri_file}
"""


def resolved(job: dict[str, Any], inputs: dict[str, Any]) -> dict[str, str]:
    """The texts that azure-ai-ml sends for the inputs of a job, those of the pipeline filled in."""
    texts = {}
    for name, sent in job["inputs"].items():
        text = sent["value"]
        if text.startswith("${{parent.inputs."):
            text = inputs[text.removeprefix("${{parent.inputs.").removesuffix("}}")]
        texts[name] = text
    return texts


def test_values_stand_in_the_command_as_azure_sends_them(go: Go, tmp_path: Path) -> None:
    definition = tmp_path / "pipeline.yml"
    definition.write_text(LITERALS)
    sent = load_job(definition)._to_rest_object().properties
    inputs = {name: item.value for name, item in sent.inputs.items()}
    texts = resolved(sent.jobs["say"], inputs)
    (graph,) = compile_yaml(definition).graphs
    result = go(graph)
    assert result.status == "completed", result.diagnostics
    order = ("sure", "never", "small", "half", "two", "round", "big", "name", "quoted", "own", "flag")
    assert Path(result.steps["say"].outputs["out"]).read_text().split() == [str(texts[name]) for name in order]


def test_what_a_step_runs_is_what_azure_sends_it(go: Go, tmp_path: Path) -> None:
    """The command of a node in the request, its placeholders filled, is the line that bash gets here."""
    component = {
        "type": "command",
        "name": "fit",
        "environment": "azureml:e:1",
        "inputs": {
            "rows": {"type": "uri_folder"},
            "rate": {"type": "number", "default": 0.1},
            "words": {"type": "string", "optional": True},
            "loud": {"type": "boolean", "default": True},
        },
        "outputs": {"model": {"type": "custom_model"}},
        "command": "ls ${{inputs.rows}} $[[--words ${{inputs.words}}]] ; echo --rate ${{inputs.rate}}"
        " ${{inputs.loud}} > ${{outputs.model}}/m",
    }
    (tmp_path / "fit.yml").write_text(yaml.safe_dump(component))
    (tmp_path / "rows").mkdir()
    definition = tmp_path / "pipeline.yml"
    rows = {"type": "uri_folder", "path": "./rows"}
    job = {"type": "command", "component": "./fit.yml", "inputs": {"rows": rows, "rate": 1e-05}}
    definition.write_text(yaml.safe_dump({"type": "pipeline", "jobs": {"fit": job}}))
    loaded = load_component(tmp_path / "fit.yml")
    template = loaded._to_rest_object().properties.component_spec["command"]
    sent = load_job(definition)._to_rest_object().properties.jobs["fit"]["inputs"]
    (graph,) = compile_yaml(definition).graphs
    result = go(graph)
    assert result.status == "completed", result.diagnostics
    line = Path(result.folder, "steps/fit/command.txt").read_text().strip()
    expected = template.replace("$[[--words ${{inputs.words}}]]", "")
    expected = expected.replace("${{inputs.rate}}", sent["rate"]["value"]).replace("${{inputs.loud}}", "True")
    expected = expected.replace("${{inputs.rows}}", str(tmp_path / "rows"))
    head, _, tail = expected.partition("${{outputs.model}}")
    assert line.startswith(head) and line.endswith(tail) and "${{" not in line
