"""A definition on its way through every step: what passes, and where each kind of loss is noticed."""

import os
from pathlib import Path

import pytest
import yaml
from mlp_lang.compiler import compile_file
from mlp_lang.lowering import lower

from conformance.kinds import PIPELINE, Definition
from conformance.report import summary_lines
from conformance.rows import PLACEHOLDER, STEPS, Importer, Row, row

PROGRAM = """\
use "HERE/component.yml" as train

pipeline census {
  data rows: file = "HERE/rows.csv"

  step fit using train { rows = rows }

  output best = fit.model
}
"""
FILES = {
    "rows.csv": "a,b\n1,2\n",
    "src/main.py": "print('fits')\n",
    "component.yml": """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: train
version: "1"
display_name: Train
is_deterministic: true
inputs:
  rows: {type: uri_file}
  seed: {type: integer, default: 1}
outputs:
  model: {type: uri_folder}
code: ./src
command: python main.py --rows ${{inputs.rows}} --seed ${{inputs.seed}} --model ${{outputs.model}}
environment: azureml:an_environment:1
""",
}


def _program(target: Path, files: Path) -> str:
    return PROGRAM.replace("HERE", os.path.relpath(files, target.parent))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline job as somebody may have it: what such a program becomes, but with the files where they are."""
    folder = tmp_path_factory.mktemp("original")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    program = folder / "census.mlp"
    program.write_text(_program(program, folder))
    (graph,) = compile_file(program).graphs
    document = yaml.safe_load((lower(graph).write(folder / "build") / "pipeline.yml").read_text())
    document["inputs"]["rows"]["path"] = "./rows.csv"
    document["jobs"]["fit"]["component"] = "./component.yml"
    path = folder / "pipeline.yml"
    path.write_text(yaml.safe_dump(document))
    return path


def _through(original: Path, folder: Path, importer: Importer) -> Row:
    return row(Definition(original, PIPELINE, ""), "census", folder, importer)


def _import(change: tuple[str, str] = ("", "")) -> Importer:
    def importer(path: Path, target: Path) -> str:
        return _program(target, path.parent).replace(*change)

    return importer


@pytest.mark.slow
def test_a_program_that_says_the_same_passes_every_step(original: Path, tmp_path: Path) -> None:
    found = _through(original, tmp_path, _import())
    assert [(step.name, step.state, step.reason) for step in found.steps] == [(name, "ok", "") for name in STEPS]
    assert found.passed


# what an import gets wrong, the first step that notices, part of what it says
LOSSES = [
    (("step fit", "step  fit"), "format", "line 6"),
    (("fit.model", "fit.modle"), "check", "MLP"),
    (("{ rows = rows }", "{\n    rows = rows\n    seed = 9\n  }"), "dict", "jobs.fit.inputs.seed"),
    (("pipeline census", "pipeline senses"), "dict", "senses"),
    (("output best", "output worst"), "dict", "outputs"),
    (("rows.csv", "src/main.py"), "dict", "inputs.rows.path"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("change", "step", "said"), LOSSES)
def test_a_loss_is_noticed(original: Path, tmp_path: Path, change: tuple[str, str], step: str, said: str) -> None:
    failure = _through(original, tmp_path, _import(change)).failure
    assert failure is not None
    assert (failure.name, said in failure.reason) == (step, True), failure


def test_a_crash_of_a_part_is_a_finding(original: Path, tmp_path: Path) -> None:
    def importer(path: Path, target: Path) -> str:
        raise RuntimeError("so many\nlines")

    found = _through(original, tmp_path, importer)
    assert found.failure is not None
    assert found.failure.reason == "RuntimeError: so many lines"
    assert [step.state for step in found.steps[1:]] == ["untaken"] * (len(STEPS) - 1)


# what mlp says, is it of something that is put there later?
MISSING = [
    ("MLP0351: the code folder `a/<CODE_DIR>` does not exist", True),
    ("MLP0351: the scoring script `<SCORING_SCRIPT>` is not in the code folder", True),
    ("MLP0603: `<DATA_1>/x.csv` does not exist", True),
    ("MLP0351: the code folder `a/src` does not exist", False),
    ("MLP0351: the code folder `a/<src>` does not exist", False),
    ("MLP0351: the code folder `src` of `<NAME>` does not exist", False),
    ("MLP0204: `<CODE_DIR>` is a string", False),
]


@pytest.mark.parametrize(("said", "template"), MISSING)
def test_a_template_names_a_placeholder(said: str, template: bool) -> None:
    assert bool(PLACEHOLDER.match(said)) == template


def test_templates_are_counted_apart(original: Path, tmp_path: Path) -> None:
    def importer(path: Path, target: Path) -> str:
        return (
            'deployment blue = managed("scoring") {\n  code = "<CODE_DIR>"\n  scoring_script = "score.py"\n'
            '  instance = "Standard_DS3_v2"\n}\n'
        )

    found = _through(original, tmp_path, importer)
    assert (found.is_template, found.passed, found.failure) == (True, False, None)
    assert summary_lines([found])[0] == "0 of 0 pipeline jobs, and 1 template"
