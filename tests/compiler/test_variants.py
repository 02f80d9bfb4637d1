"""Pipelines that are no jobs of stages: components (`kind = component`), jobs that run one (`component = hello`)."""

# ruff: noqa: E501 - a table is read by its columns

import pytest
from compiling import Bench

STEP = """
  step tidy using command {
    raw = raw

    define {
      output tidy: folder
      environment = "azureml:sklearn:1"
      command = "python tidy.py --raw ${raw} --out ${tidy}"
    }
  }
"""
INNER = """type: pipeline
name: inner
inputs:
  raw: {type: uri_folder}
  rate: {type: number, min: 0, max: 1}
  word: {type: string, optional: true}
outputs:
  tidy: {type: uri_folder}
jobs: {}
"""
USE = 'use "inner.yml" as inner\n'


def component(*lines: str, data: str = "data raw: folder") -> str:
    settings = "".join(f"  {line}\n" for line in ("kind = component", *lines))
    return f"pipeline clean {{\n{settings}\n  {data}\n{STEP}\n  output tidy = tidy\n}}\n"


def job(body: str, before: str = USE) -> str:
    return f"{before}\ncompute cpu = cluster('cpu')\n".replace("'", '"') + f"pipeline p {{\n  compute = cpu\n{body}}}\n"


def test_a_component_has_a_kind_and_a_version(bench: Bench) -> None:
    graph = bench.graph(component('version = "2"'))
    assert (graph.kind, graph.component_version, graph.default_compute) == ("component", "2", None)


def test_what_may_be_left_out_keeps_its_type(bench: Bench) -> None:
    text = component(data="data raw: folder\n  param rate: float(0..1)? = 0.5")  # unused, which is a warning
    rate = {i.parameter.name: i.parameter for i in bench.graph(text).inputs}["rate"]
    assert (rate.azure_type, rate.encoding, rate.optional, rate.default) == ("number", "plain", True, 0.5)
    assert (rate.minimum, rate.maximum) == (0, 1)


def test_a_job_runs_a_component(bench: Bench) -> None:
    bench.write(INNER, "inner.yml")
    graph = bench.graph(job('  component = inner\n  data raw: folder = "azureml:raw:1"\n  param rate = 0.5\n'))
    assert graph.nodes == ()
    assert graph.component is not None
    assert (graph.component.name, graph.component.kind) == ("inner", "pipeline")


FED = '  component = inner\n  data raw: folder = "azureml:raw:1"\n'
MISTAKES = [
    ("a compute of a component", 'compute cpu = cluster("c")\n' + component("compute = cpu"), [("MLP0372", "compute")]),
    ("settings of a component", component("settings {", "  force_rerun = true", "}"), [("MLP0372", "settings")]),
    ("a version of a job", component().replace("kind = component", 'version = "1"'), [("MLP0372", "version")]),
    ("no such kind", component().replace("= component", "= jb"), [("MLP0206", "jb")]),
    ("data with a path", component(data='data raw: folder = "azureml:x:1"'), [("MLP0373", "raw")]),
    ("a compute for a component", job("  component = cpu\n"), [("MLP0374", "cpu")]),
    ("a component of another kind", job("  component = clean\n", 'use "azureml:clean:1" as clean\n'), [("MLP0374", "clean")]),
    ("stages besides", job(FED + "  param rate = 0.5\n" + STEP), [("MLP0374", "component")]),
    ("an input that it has not", job(FED + "  param rate = 0.5\n  param rat = 1\n"), [("MLP0203", "rat")]),
    ("an input that it needs", job(FED), [("MLP0201", "p")]),
    ("an input out of range", job(FED + "  param rate: float(0..9) = 0.5\n"), [("MLP0205", "rate")]),
    ("what may be left out", component(data="data raw: folder?"), [("MLP0376", "raw")]),
    ("a schedule", component() + '\nschedule nightly for clean {\n  cron = "0 2 * * *"\n}\n', [("MLP0375", "clean")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_mistakes(bench: Bench, text: str, expected: list[tuple[str, str]]) -> None:
    bench.write(INNER, "inner.yml")
    assert bench.errors(text) == expected
