"""`mlp run`, `mlp serve` and `mlp compile --verify` with the real libraries, as processes."""

import json
from pathlib import Path

import jsonschema
import pytest
from cli_programs import Mlp

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def test_a_run_is_recorded_and_the_same_run_is_all_cache(mlp: Mlp, folder: Path) -> None:
    first = mlp("run", "good.mlp", "--format", "json")
    assert first.returncode == 0, first.stderr
    record = json.loads(first.stdout)
    jsonschema.validate(record, json.loads((ROOT / "schemas" / "run.schema.json").read_text()))
    assert {step["status"] for step in record["steps"]} == {"completed"}
    again = mlp("run", "good.mlp", "-o", "again")
    assert again.returncode == 0
    assert "4 cached" in again.stdout and "passed: quality require accuracy >= floor" in again.stdout
    assert {step["cached"] for step in json.loads((folder / "again" / "run.json").read_text())["steps"]} == {True}
    serve = mlp("serve", "again")
    assert serve.returncode == 3
    assert "Traceback" not in serve.stderr


def test_a_gate_that_does_not_hold_fails_the_run_and_says_which(mlp: Mlp, folder: Path) -> None:
    program = (folder / "good.mlp").read_text().replace("accuracy >= floor", "baseline_accuracy >= floor")
    (folder / "good.mlp").write_text(program)
    done = mlp("run", "good.mlp", "--param", "floor=0.99", "--no-tracking")
    assert done.returncode == 3
    assert "baseline_accuracy" in done.stderr and "0.99" in done.stderr and "good.mlp:" in done.stderr
    assert "Traceback" not in done.stderr


def test_azure_ai_ml_accepts_what_is_compiled(mlp: Mlp, folder: Path) -> None:
    done = mlp("compile", "good.mlp", "-o", "build", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pipeline_in_yaml_runs_with_what_is_given_and_mapped(mlp: Mlp, folder: Path) -> None:
    text = "type: pipeline\ninputs:\n  n: 1\n  d: {type: uri_file, path: 'azureml:words:2'}\njobs:\n  a:\n"
    text += "    type: command\n    command: echo ${{inputs.n}} $(cat ${{inputs.d}}) > ${{outputs.o}}\n"
    text += "    environment: {image: any}\n    outputs: {o: {type: uri_file}}\n"
    text += "    inputs: {n: '${{parent.inputs.n}}', d: {type: uri_file, path: '${{parent.inputs.d}}'}}\n"
    (folder / "p.yml").write_text(text)
    (folder / "words.txt").write_text("so")
    refused = mlp("run", "p.yml", "--no-tracking")
    assert refused.returncode == 3 and "p.yml:4:" in refused.stderr
    assert '"azureml:words:2" = "data/words"' in refused.stderr and not (folder / ".mlp").exists()
    mapped = ("--map", "azureml:words=words.txt")
    for more, said in (
        ((), "1 so"),
        (("--input", "n=5"), "5 so"),
        (("--input", "d=p.yml", "--param", "n=2"), "2 type"),
    ):
        done = mlp("run", "p.yml", "--no-tracking", *mapped, *more, "-o", f"out{len(more)}")
        assert done.returncode == 0, done.stderr
        assert (folder / f"out{len(more)}" / "steps/a/outputs/o").read_text().startswith(said)
    again = mlp("run", "--resume", "out2")
    assert again.returncode == 0, again.stderr
    for wrong in (("--input", "n=x", *mapped), ("--map", "nothing"), ("--profile", "p")):
        done = mlp("run", "p.yml", *wrong)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done.stderr
