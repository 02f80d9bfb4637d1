"""Parallel and sweep jobs as Azure ML's YAML has them: in place and by component, with every field of their schemas."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mlp_lang.compiler.graph import Graph
from mlp_lang.decompiler import compile_yaml
from mlp_lang.runner import RunResult

Go = Callable[..., RunResult]
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text())


def compiled(folder: Path, text: str, files: dict[str, str]) -> Graph:
    for name, content in {"pipeline.yml": text, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    made = compile_yaml(folder / "pipeline.yml")
    assert made.graphs, made.diagnostics
    return made.graphs[0]


def step(result: RunResult, name: str) -> dict[str, Any]:
    assert result.status == "completed", result.diagnostics
    jsonschema.validate(result.record, SCHEMA)
    return dict(next(s for s in result.record["steps"] if s["name"] == name))


PARALLEL = """
type: pipeline
display_name: scoring
inputs:
  rows: {type: mltable, path: ./rows}
  workers: 2
jobs:
  score:
    type: parallel
    inputs:
      rows: {type: mltable, path: "${{parent.inputs.rows}}", mode: direct}
      offset: 10
    outputs:
      scores: {type: uri_file, mode: rw_mount}
    input_data: ${{inputs.rows}}
    mini_batch_size: "1kb"
    mini_batch_error_threshold: 0
    error_threshold: 0
    logging_level: WARNING
    max_concurrency_per_instance: ${{parent.inputs.workers}}
    retry_settings: {max_retries: 1, timeout: 30}
    resources: {instance_count: 2}
    environment_variables: {FACTOR: "3"}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      environment: {image: any}
      program_arguments: >-
        --offset ${{inputs.offset}}
        --scores ${{outputs.scores}}
        --progress_update_timeout 600
      append_row_to: ${{outputs.scores}}
"""
SCORE = """
import argparse, os
def init():
    global offset
    parser = argparse.ArgumentParser()
    parser.add_argument("--offset", type=int)
    offset = parser.parse_known_args()[0].offset
def run(mini_batch):
    return mini_batch.assign(y=mini_batch.x * int(os.environ["FACTOR"]) + offset)
"""
ROWS = {
    "rows/MLTable": "paths: [{file: ./rows.csv}]\ntransformations: [{read_delimited: {encoding: utf8}}]\n",
    "rows/rows.csv": "x,pad\n" + "".join(f"{i},{'a' * 60}\n" for i in range(100)),
}


def test_a_parallel_job_in_place(go: Go, tmp_path: Path) -> None:
    result = go(compiled(tmp_path, PARALLEL, {"src/score.py": SCORE, **ROWS}), jobs=4)
    found = step(result, "score")["batches"]
    assert (found["total"], found["workers"], found["items"], found["rows"]) == (7, 4, 100, 100)
    lines = Path(result.steps["score"].outputs["scores"]).read_text().splitlines()
    assert [int(line.split()[2]) for line in lines] == [3 * x + 10 for x in range(100)]


COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json
name: sizes
version: 1
type: parallel
inputs:
  files: {type: uri_folder}
  suffix: {type: string, optional: true}
outputs:
  sizes: {type: uri_folder}
input_data: ${{inputs.files}}
mini_batch_size: "2"
mini_batch_error_threshold: 1
max_concurrency_per_instance: 2
retry_settings: {max_retries: 0, timeout: 10}
task:
  type: run_function
  code: ./code
  entry_script: sizes.py
  environment: {image: any}
  program_arguments: --out ${{outputs.sizes}} $[[--suffix ${{inputs.suffix}}]]
  append_row_to: ${{outputs.sizes}}
"""
USES = """
type: pipeline
display_name: uses
inputs:
  files: {type: uri_folder, path: ./files}
jobs:
  plain:
    type: parallel
    component: ./sizes.yml
    inputs: {files: "${{parent.inputs.files}}"}
  changed:
    type: parallel
    component: ./sizes.yml
    mini_batch_size: "3"
    mini_batch_error_threshold: 0
    inputs: {files: "${{parent.inputs.files}}", suffix: " bytes"}
"""
SIZES = """
import os, sys
def run(mini_batch):
    suffix = sys.argv[4] if len(sys.argv) > 4 else ""
    return [f"{os.path.getsize(p)}{suffix} of {len(mini_batch)}" for p in mini_batch]
"""


def test_a_parallel_component_and_what_a_job_says_over_it(go: Go, tmp_path: Path) -> None:
    files = {"sizes.yml": COMPONENT, "code/sizes.py": SIZES, **{f"files/{n}": "x" * n for n in (1, 2, 3)}}
    result = go(compiled(tmp_path, USES, files))
    assert step(result, "plain")["batches"]["total"] == 2 and step(result, "changed")["batches"]["total"] == 1
    for name, expected in (
        ("plain", ["1 of 2", "2 of 2", "3 of 1"]),
        ("changed", [f"{n} bytes of 3" for n in (1, 2, 3)]),
    ):
        out = Path(result.steps[name].outputs["sizes"]) / "parallel_run_step.txt"
        assert out.read_text().splitlines() == expected


SWEEP = """
type: pipeline
display_name: hunt
inputs:
  start: 1.5
jobs:
  hunt:
    type: sweep
    trial: %s
    inputs:
      start: ${{parent.inputs.start}}
    search_space:
      x: {type: quniform, min_value: 0, max_value: 4, q: 1}
      tree:
        type: choice
        values:
          - {kind: deep, depth: {type: choice, values: [1, 2]}}
          - {kind: flat}
    objective: {goal: minimize, primary_metric: loss}
    sampling_algorithm: {type: random, seed: 3, rule: sobol}
    limits: {max_total_trials: 5, max_concurrent_trials: 2, timeout: 7200, trial_timeout: 600}
  after:
    type: command
    command: cat ${{inputs.model}} > ${{outputs.copy}}
    environment: {image: any}
    inputs:
      model: ${{parent.jobs.hunt.outputs.model}}
    outputs:
      copy: {type: uri_file}
"""
TRIAL = """
  command: >-
    python fit.py ${{inputs.start}} ${{inputs.x}} '${{inputs.tree}}' ${{outputs.model}}
  environment: {image: any}
  code: ./src
  inputs:
    start: {type: number}
    x: {type: number}
    tree: {type: string}
  outputs:
    model: {type: uri_file}
"""
FIT = """
import json, mlflow, os, sys
start, x, tree = float(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
loss = (x - start) ** 2 + len(tree)
with mlflow.start_run():
    mlflow.log_metric("loss", loss)
json.dump({"x": x, "tree": tree, "loss": loss}, open(sys.argv[4], "w"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["in place", "component"])
def test_a_sweep_in_yaml(go: Go, tmp_path: Path, form: str) -> None:
    indented = "".join(f"    {line}\n" for line in TRIAL.splitlines())
    files = {"src/fit.py": FIT, "trial.yml": "name: trial\nversion: 1\ntype: command\n" + _outdented(TRIAL)}
    made = compiled(tmp_path, SWEEP % ("./trial.yml" if form == "component" else "\n" + indented), files)
    result = go(made, tracking=True, jobs=2)
    found = step(result, "hunt")["trials"]
    assert len(found) == 5 and {t["primary_metric"] for t in found} == {"loss"}
    best = min(found, key=lambda t: t["metric"])
    model = json.loads(Path(result.steps["after"].outputs["copy"]).read_text())
    assert model == {"x": best["values"]["x"], "tree": best["values"]["tree"], "loss": best["metric"]}
    assert all(("depth" in t["values"]["tree"]) == (t["values"]["tree"]["kind"] == "deep") for t in found)


def _outdented(text: str) -> str:
    return "".join(f"{line.removeprefix('  ')}\n" for line in text.splitlines())


def test_the_iris_batch_prediction_of_azures_examples(go: Go, tmp_path: Path, corpus: Path) -> None:
    """Its scripts and model are what the corpus leaves out; all of the job is as published."""
    there = tmp_path / "iris"
    shutil.copytree(corpus / "cli/jobs/parallel/2a_iris_batch_prediction", there)
    (there / "script" / "iris_prediction.py").write_text(IRIS)
    (there / "neural-iris-mltable" / "MLTable").write_text(
        "paths:\n  - file: ./iris.csv\ntransformations:\n  - read_delimited: {delimiter: ',', encoding: ascii}\n"
    )
    rows = "".join(f"{5 + i % 3}.1,3.5,1.4,0.{i % 9}\n" for i in range(900))
    (there / "neural-iris-mltable" / "iris.csv").write_text(
        "sepal_length,sepal_width,petal_length,petal_width\n" + rows
    )
    (there / "environment" / "environment_parallel.yml").write_text("dependencies: [python]\n")
    made = compile_yaml(there / "pipeline.yml")
    assert made.graphs, made.diagnostics
    result = go(made.graphs[0], jobs=2)
    found = step(result, "batch_prediction")["batches"]
    assert found["total"] == 2 and found["rows"] == 900
    lines = Path(result.steps["batch_prediction"].outputs["job_output_file"]).read_text().splitlines()
    assert len(lines) == 900 and lines[0].split()[-1] in ("setosa", "other")


IRIS = """
import argparse, os
def init():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    global model
    model = parser.parse_known_args()[0].model
    assert os.path.isdir(model) and os.environ["AZUREML_PARALLEL_EXAMPLE"] == "2a_yaml"
def run(input_data):
    return input_data.assign(variety=["setosa" if w < 0.5 else "other" for w in input_data.petal_width])
"""
