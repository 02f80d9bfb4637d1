"""The pipeline explained_automl: FLAML in place of AutoML, judged and explained; and the table that it takes."""

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
import yaml
from component_steps import PEOPLE, ROOT, Step, compiled, mlp, put, refused, succeeded
from interpret_steps import people

pytestmark = pytest.mark.slow
PIPELINE = ROOT / "pipelines/explained_automl.mlp"
WRITE = "prepare/tabular/mltable/write.py"


def test_it_runs_from_end_to_end(tmp_path: Path) -> None:
    pytest.importorskip("flaml")
    done = mlp("run", PIPELINE, "--param", "trials=2", "--param", "bags=2", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    steps = {step["title"]: step for step in record["steps"]}
    assert {step["status"] for step in steps.values()} == {"completed"}
    assert steps["quality"]["metrics"]["accuracy"] >= 0.9
    assert steps["quality"]["metrics"]["roc_auc"] > 0.95  # the loaded model gives probabilities
    schema = json.loads((ROOT / "schemas/explanation.schema.json").read_text(encoding="utf-8"))
    found = {}
    for file in tmp_path.rglob("steps/*/**/explanation.json"):
        name = file.relative_to(tmp_path).parts[file.relative_to(tmp_path).parts.index("steps") + 1]
        found[name] = json.loads(file.read_text(encoding="utf-8"))
        jsonschema.validate(found[name], schema)
    assert {name: (one["kind"], one["method"]) for name, one in found.items()} == {
        "whole": ("global", "permutation"),
        "cases": ("local", "shap"),
        "curves": ("global", "glassbox"),
    }
    assert found["whole"]["model"]["framework"] == "pyfunc"
    assert found["whole"]["explained_class"] == "malignant"
    for case in found["cases"]["explanations"]:
        total = case["base"] + sum(part["score"] for part in case["contributions"])
        assert total == pytest.approx(case["output"], abs=1e-6)


def test_azure_ai_ml_takes_it(tmp_path: Path) -> None:
    program = tmp_path / "p.mlp"
    program.write_text(PIPELINE.read_text(encoding="utf-8"), encoding="utf-8")
    compiled(program)


def test_a_table_as_mltable(step: Step, tmp_path: Path) -> None:
    frame = people(50)
    frame.to_csv(tmp_path / "t", index=False)
    given = ("--table", "t", "--facts", put(tmp_path / "facts.json", PEOPLE))
    for extra, columns in (((), set(frame) - {"sex"}), (("--all-columns", "true"), set(frame))):
        out = tmp_path / f"m{len(extra)}"
        succeeded(step(WRITE, *given, *extra, "--mltable", out))
        said = yaml.safe_load((out / "MLTable").read_text(encoding="utf-8"))
        assert said["paths"] == [{"file": "./rows.parquet"}]
        assert set(pd.read_parquet(out / "rows.parquet")) == columns
    frame.assign(age=5).to_csv(tmp_path / "t", index=False)
    assert "age" in refused(step(WRITE, *given, "--mltable", tmp_path / "wrong"))
    assert not (tmp_path / "wrong").exists()
