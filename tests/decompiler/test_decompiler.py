"""What programs are made of pipelines in YAML, and that nothing in YAML is too odd to be answered."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import mlp_lang.decompiler
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlp_lang.cli.commands.import_ import command
from mlp_lang.decompiler import Decompiled, decompile, decompile_text, programs
from mlp_lang.decompiler.vocabulary import PUBLIC_ESCAPES
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.dsl.formatter import format_file
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.decompiler.cases import CASES, EXPECTED, program

HERE = Path(mlp_lang.decompiler.__file__).parent
CATALOGUE = HERE.resolve().parent / "dsl/catalogue"
PAGES = sorted(CATALOGUE.glob("MLP087*.md"))


def made(text: str, path: str = "/nowhere/pipeline.yml", target: str | None = None) -> Decompiled:
    return decompile_text(text, path, target)


def job(text: str, **more: str) -> str:
    """The lines of the one stage that a pipeline with this job has."""
    head = more.get("head", "inputs: {n: 3, e: {type: uri_folder, path: azureml:e:1}}\n")
    indented = text.replace("\n", "\n    ")
    result = made(
        f"type: pipeline\ndisplay_name: p\n{head}jobs:\n  other: {{component: azureml:o:1}}\n  j:\n    {indented}\n"
    )
    assert result.text is not None, result.diagnostics
    return result.text


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_cases(case: Path) -> None:
    assert program(case) == (case / EXPECTED).read_text("utf-8"), f"run `python -m tests.decompiler {case.name}`"


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("3", "3"),
        ("0x1F", "31"),
        ("-7", "-7"),
        ("1_000", "1000"),
        ("0.10", "0.10"),
        ("1e-5", '"1e-5"'),  # YAML 1.1: a text
        ("1.0e-5", "1.0e-5"),
        (".5", "0.5"),
        ("10.", "10.0"),
        (".inf", '".inf"'),
        ("yes", "true"),
        ("'yes'", '"yes"'),
        ("~", "none"),
        ("2024-01-01", '"2024-01-01"'),
        ("'3'", '"3"'),
        ("${{parent.inputs.n}}", "n"),
        ("a ${{parent.inputs.n}} b", '"a ${n} b"'),
        ("${{parent.jobs.other.outputs.x}}", "other.x"),
        ("'${{parent.jobs.other.outputs.a-b}}'", 'other."a-b"'),
        ("${{parent.inputs.gone}}", '"${{parent.inputs.gone}}"'),
        ("$[[x]] $5 ${HOME}", '"$[[x]] $5 $${HOME}"'),
        (r'"a\"b\\c\td"', r'"a\"b\\c\td"'),
        (r'"\0\x1b\u2028"', r'"\u0000\u001b\u2028"'),
        ("{type: uri_file, path: a.csv}", 'file("a.csv")'),
        ("{path: ./a}", 'folder("a")'),
        ("{path: '${{parent.inputs.e}}'}", "e"),
    ],
)
def test_inputs(value: str, spelled: str) -> None:
    assert f"    x = {spelled}\n" in job(f"component: azureml:c:1\ninputs:\n  x: {value}")


@pytest.mark.parametrize(
    ("name", "component", "verb"),
    [
        ("train", "azureml:c:1", "train"),
        ("train_job", "azureml:c:1", "train"),
        ("data_prep", "azureml:c:1", "prepare"),
        ("evaluate_model", "azureml:c:1", "evaluate"),
        ("explain_01", "azureml:c:1", "explain"),
        ("a", "azureml:train_forest:1", "train"),
        ("a", "azureml:compute_metrics:1", "evaluate"),
        ("train_and_evaluate", "azureml:c:1", "step"),
        ("train_register_model", "azureml:c:1", "step"),
        ("convert_training_image", "azureml:c:1", "step"),
        ("deploy", "azureml:c:1", "step"),  # a `deploy` waits for gates; a name does not show that it should
        ("score", "azureml:c:1", "step"),
    ],
)
def test_verbs(name: str, component: str, verb: str) -> None:
    text = made(f"type: pipeline\njobs:\n  {name}: {{component: '{component}'}}").text
    assert text is not None
    assert re.search(rf"^  {verb} {name} using", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("jobs: [", "MLP0810"),
        ("\x01", "MLP0810"),
        ("- a", "MLP0810"),
        ("", "MLP0810"),
        ("a: &a\n  b: *a\njobs: {}", "MLP0810"),
        ("jobs: {? [a] : b}", "MLP0810"),
        ("a: " + "[" * 40 + "]" * 40, "MLP0810"),
        ("jobs: {a: {command: x}}\njobs: {}", "MLP0811"),
        ("type: command\njobs: {}", "MLP0870"),
        ("type: pipeline", "MLP0870"),
        ("jobs: 3", "MLP0814"),
        ("jobs: {a: 3}", "MLP0814"),
        ("jobs: {a: {type: automl, task: sing}}", "MLP0814"),
        ("jobs: {a: {type: unheard}}", "MLP0814"),
        ("jobs: {a: {type: pipeline}}", "MLP0814"),
        ("jobs: {a: {component: [b]}}", "MLP0814"),
        ("jobs: {a: {command: x, inputs: 3}}", "MLP0814"),
        ("inputs: 3\njobs: {}", "MLP0814"),
        ("jobs: {a: {type: if_else, true_block: '${{parent.jobs.b}}'}}", "MLP0816"),
        ("jobs: {a-b: {command: x}}", "MLP0871"),
        ("jobs: {not: {command: x}}", "MLP0871"),
        ("jobs: {a: {type: do_while, body: '${{parent.jobs.a}}'}}", "MLP0872"),
    ],
)
def test_what_is_no_pipeline(text: str, code: str) -> None:
    result = made(text)
    assert result.text is None
    assert {d.code for d in result.diagnostics if d.severity is Severity.ERROR} == {code}


BLOCK = re.compile(r"^```yaml\n# ([\w./-]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
@pytest.mark.parametrize("section", ["Wrong", "Right"])
def test_examples(page: Path, section: str) -> None:
    part = next(p for p in re.split(r"^## ", page.read_text(), flags=re.MULTILINE) if p.startswith(section))
    (example,) = BLOCK.findall(part)
    assert [d.code for d in made(example[1]).diagnostics] == ([page.stem] if section == "Wrong" else [])


def test_every_code_is_explained_and_no_other() -> None:
    used = {code for p in HERE.glob("*.py") for code in re.findall(r"MLP08[78]\d", p.read_text())}
    assert used == {p.stem for p in PAGES}


def test_comments_stay_beside_what_they_speak_of() -> None:
    text = made(
        """# Licence: MIT

type: pipeline
display_name: p
jobs:
  # above
  a: # behind the header
    # alternative: x
    component: azureml:c:1
    inputs:
      n: 1 # behind
      ## twice
      m: "#none" # "two"
      # last of a
  b: {component: azureml:c:1}
  # b's end
# the end
"""
    ).text
    assert text == (
        """# Licence: MIT

use "azureml:c:1" as c

pipeline p {
  # above
  # behind the header
  step a using c {
    # alternative: x
    n = 1  # behind
    # twice
    m = "#none"  # "two"
    # last of a
  }

  step b using c {}
  # b's end
}
# the end
"""
    )


def test_paths_are_those_of_the_program(tmp_path: Path) -> None:
    text = """type: pipeline
display_name: p
inputs: {d: {type: uri_folder, path: ./data}, r: {type: uri_folder, path: azureml:r:1}}
jobs:
  a: {component: "file:./c/a.yml", type: parallel}
  b: {command: x, code: ../src, environment: {image: i, conda_file: conda.yml}}
"""
    found = made(text, str(tmp_path / "jobs/pipeline.yml"), str(tmp_path / "programs/deep/p.mlp")).text
    assert found is not None
    for path in ("../../jobs/c/a.yml", "../../jobs/data", "../../src", "../../jobs/conda.yml", "azureml:r:1"):
        assert f'"{path}"' in found


def leaves() -> st.SearchStrategy[Any]:
    marks = st.integers(10**6, 10**7).map(lambda n: f"mark{n}")
    return (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(TEXTS) | marks
    )


TEXTS = [
    *("azureml:c:1", "./c.yml", "${{parent.inputs.a}}", "${{parent.jobs.b.outputs.o}}", "${{parent.outputs.o}}"),
    *("${{inputs.a}}", "${{parent.jobs.a}}", '["]', '[{"a": 1}]', "a\nb", " a", '"', "\\", "${", "$[[", "pytorch"),
]
FIELDS = [
    *("type", "component", "trial", "inputs", "outputs", "compute", "command", "environment", "code", "resources"),
    *("limits", "task", "search_space", "objective", "sampling_algorithm", "early_termination", "sweep", "identity"),
    *("distribution", "services", "source", "sink", "entry", "conf", "body", "condition", "true_block", "items"),
    *("mapping", "path", "mode", "a", "b", "training_data", "input_data", "retry_settings", "comment", "description"),
]
KINDS = [
    *("command", "parallel", "spark", "sweep", "automl", "pipeline", "import", "data_transfer", "if_else", "do_while"),
    *("parallel_for", "uri_folder", "choice", "loguniform", "integer", "string", "managed"),
]


def trees() -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves() | st.sampled_from(KINDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
        max_leaves=14,
    )


def jobs() -> st.SearchStrategy[Any]:
    kinds = st.fixed_dictionaries({"type": st.sampled_from(KINDS)})
    more = st.dictionaries(st.sampled_from(FIELDS), trees(), max_size=6)
    return st.tuples(more, kinds).map(lambda both: both[0] | both[1])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_yaml_says_is_answered(data: st.DataObject) -> None:
    """A program in canonical form or diagnostics; never a traceback."""
    document = data.draw(
        st.fixed_dictionaries(
            {"jobs": st.dictionaries(st.sampled_from(["a", "b", "c"]), jobs(), max_size=3) | trees()},
            optional={
                "inputs": st.dictionaries(st.sampled_from(["a", "b", "in", "a.b"]), trees(), max_size=3) | trees(),
                "outputs": st.dictionaries(st.sampled_from(["o", "a"]), trees(), max_size=2) | trees(),
                "settings": st.dictionaries(st.sampled_from(["default_compute", "on_init", "x"]), trees()) | trees(),
                "display_name": trees(),
                "description": trees(),
                "tags": trees(),
            },
        )
    )
    result = made(yaml.safe_dump(document, allow_unicode=True))
    if result.text is None:
        assert any(d.severity is Severity.ERROR for d in result.diagnostics)
    else:
        assert canonical(result.text)
        assert marks(document) <= set(re.findall(r"mark\d+", result.text))  # nothing is dropped


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_whatever_text_is_answered(text: str) -> None:
    result = made(text)
    assert result.text is not None or result.diagnostics


def marks(value: Any) -> set[str]:
    """The texts in a document that stand for values that someone gave."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return {mark for v in inner for mark in marks(v)}
    return {value} if isinstance(value, str) and value.startswith("mark") else set()


def canonical(text: str) -> bool:
    tree, problems = parse(Source("p.mlp", text))
    return not problems and format_file(tree) == text


def test_public_pipelines_become_programs(corpus: Path) -> None:
    """All of them, in canonical form; only these fields have no word."""
    escapes: set[str] = set()
    found = [one.sources[0] for one in programs(str(corpus), "out") if one.is_pipeline]
    assert len(found) >= 80
    for path in found:
        result = decompile(path)
        assert result.text is not None, path
        assert canonical(result.text), path
        escapes |= {e.field.partition(".")[0] for e in result.escapes}
    assert escapes == {name for name, _, _ in PUBLIC_ESCAPES}


class TestFolder:
    def test_targets_keep_the_layout_and_never_meet(self, tmp_path: Path) -> None:
        for name in ("a/pipeline.yml", "a/pipeline.yaml", "b/x.yml", ".hidden/x.yml", "c/other.yml"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("type: pipeline\njobs: {}\n" if "other" not in name else "type: command\n")
        made = [os.path.relpath(found.target, "/out") for found in programs(str(tmp_path), "/out")]
        assert made == ["a/pipeline.mlp", "a/pipeline_yml.mlp", "b/x.mlp"]

    def test_command_is_documented(self) -> None:
        assert "--force" in "".join(str(p.opts) for p in command.params)
