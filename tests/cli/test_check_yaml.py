"""`mlp check` on Azure ML YAML: files by name, folders if asked, standard input, every form of report, fixes."""

import json
import re
from pathlib import Path

import pytest
from cli_programs import Mlp

COMPONENT = """\
type: command
name: count
inputs:
  rows: {type: uri_file}
  limit: {type: integer, default: 10, max: 1000}
outputs:
  top: {type: uri_file}
command: head -n ${{inputs.limit}} ${{inputs.rows}} > ${{outputs.top}}
environment: azureml:shell:1
"""
RIGHT = """\
type: pipeline
settings: {default_compute: azureml:cpu-cluster}
inputs:
  rows: {type: uri_file, path: azureml:rows:1}
jobs:
  count:
    type: command
    component: ./count.yaml
    inputs:
      rows: ${{parent.inputs.rows}}
      limit: 5
"""
WRONG = RIGHT.replace("limit", "limt")
CONDA = "dependencies: [python=3.11]\n"
HAD = {"right.yml": RIGHT, "wrong.yml": WRONG, "count.yaml": COMPONENT, "env/conda.yml": CONDA}


@pytest.fixture
def project(folder: Path) -> Path:
    for name, text in HAD.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["right.yml"], 0, "^1 definition checked, nothing to report"),
        (["right.yml", "count.yaml"], 0, "^2 definitions checked"),
        (["right.yml", "good.mlp"], 0, "^1 program and 1 definition checked"),
        (["good.mlp"], 0, "^1 program checked"),
        (["wrong.yml"], 1, r"error\[MLP0817\].*\n *--> wrong.yml:11:7"),
        (["wrong.yml", "bad.mlp"], 1, "(?s)MLP0203.*MLP0817"),
        (["wrong.yml", "--profile", "any"], 1, "MLP0817"),
        (["env/conda.yml"], 1, r"error\[MLP0832\].*none of Azure ML's definitions"),
        (["absent.yml"], 2, "No such file"),
        (["--yaml", "wrong.yml"], 1, "MLP0817"),
        (["--yaml", "env"], 0, "^0 programs checked"),
        (["env"], 2, "No .mlp file in folder"),
    ],
)
def test_exit_codes(mlp: Mlp, project: Path, arguments: list[str], code: int, said: str) -> None:
    done = mlp("check", *arguments)
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert re.search(said, output), output
    assert "Traceback" not in output


def test_folders_mean_programs_and_yaml_if_asked(mlp: Mlp, project: Path) -> None:
    assert "MLP0817" not in mlp("check", ".").stdout
    found = mlp("check", ".", "--yaml").stdout
    assert "MLP0817" in found
    assert "conda.yml" not in found


def test_standard_input_is_yaml_if_asked(mlp: Mlp, project: Path) -> None:
    done = mlp("check", "--yaml", "-", input=WRONG)
    assert done.returncode == 1
    assert re.search(r"MLP0817.*\n *--> <stdin>:11:7", done.stdout)
    assert mlp("check", "--yaml", "-", input=RIGHT).returncode == 0


@pytest.mark.parametrize(
    ("form", "found"),
    [("json", '"MLP0817"'), ("sarif", '"ruleId": ?"MLP0817"'), ("github", "::error file=wrong.yml,line=11,")],
)
def test_forms_of_report(mlp: Mlp, project: Path, form: str, found: str) -> None:
    done = mlp("check", "wrong.yml", "--format", form)
    assert done.returncode == 1
    assert re.search(found, done.stdout), done.stdout
    if form != "github":
        json.loads(done.stdout)


def test_fixes_are_applied(mlp: Mlp, project: Path) -> None:
    done = mlp("check", "--fix", "wrong.yml")
    assert (done.returncode, (project / "wrong.yml").read_text()) == (0, RIGHT)
    assert "1 fix applied" in done.stderr


def test_warnings_count_if_strict(mlp: Mlp, project: Path) -> None:
    (project / "right.yml").write_text(RIGHT.replace("azureml:rows:1", "./fetched.csv"))
    assert mlp("check", "right.yml").returncode == 0
    assert mlp("check", "right.yml", "--strict").returncode == 1


def test_what_a_component_says_is_shown_where_it_says_it(mlp: Mlp, project: Path) -> None:
    (project / "count.yaml").write_text(COMPONENT.replace("inputs.rows}}", "inputs.row}}"))
    done = mlp("check", "right.yml")
    assert re.search(r"MLP0822.*\n *--> count.yaml:8:", done.stdout)
