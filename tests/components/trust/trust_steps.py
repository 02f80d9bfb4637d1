"""Paths, made-up tables and a way to run a component's script as a step runs it."""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[3]
COMPONENTS = ROOT / "components"
PERTURBATION = COMPONENTS / "privatize/opendp/output_perturbation"
STATISTICS = COMPONENTS / "privatize/opendp/statistics"
FAIRLEARN = COMPONENTS / "evaluate/fairlearn/assess"
ONNX = COMPONENTS / "export/onnx/model"
DEPLOY = COMPONENTS / "deploy/azureml/online_deployment"
TRAFFIC = COMPONENTS / "deploy/azureml/traffic"
SCORING = DEPLOY / "scoring"

for folder in (COMPONENTS, PERTURBATION, STATISTICS, FAIRLEARN, ONNX, DEPLOY, TRAFFIC, SCORING):
    sys.path.insert(0, str(folder))

SCHEMA = {
    "type": "object",
    "properties": {
        "age": {"type": "integer", "minimum": 17, "maximum": 90},
        "hours": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
        "education": {"enum": ["School", "College", "University"]},
        "occupation": {"enum": ["Clerical", "Craft", "Sales", None]},
        "sex": {"enum": ["Female", "Male"]},
        "race": {"enum": ["A", "B", "C"]},
        "income": {"enum": ["<=50K", ">50K"]},
    },
    "required": ["age", "education", "sex", "race", "income"],
}
FACTS = {
    "name": "people",
    "schema": SCHEMA,
    "label": "income",
    "positive": ">50K",
    "sensitive": ["sex", "race"],
    "features": None,
    "private": {"unit": "row", "neighbours": "replace_one", "epsilon": 2.0, "delta": 1e-6},
}


def people(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Rows of SCHEMA: income follows age, education and hours; hours and occupation are missing here and there."""
    draw = np.random.default_rng(seed)
    age = draw.integers(17, 91, rows)
    hours = np.round(draw.uniform(0, 100, rows), 1)
    education = draw.choice(["School", "College", "University"], rows)
    sex = draw.choice(["Female", "Male"], rows)
    score = (age - 50) / 15 + (hours - 50) / 20 + 1.5 * (education == "University") + 0.5 * (sex == "Male")
    frame = pd.DataFrame(
        {
            "age": age,
            "hours": np.where(draw.random(rows) < 0.05, np.nan, hours),
            "education": education,
            "occupation": draw.choice(np.array(["Clerical", "Craft", "Sales", None], dtype=object), rows),
            "sex": sex,
            "race": draw.choice(["A", "B", "C"], rows, p=[0.7, 0.28, 0.02]),
            "income": np.where(score + draw.normal(0, 0.7, rows) > 0.5, ">50K", "<=50K"),
        }
    )
    return frame.astype(dict.fromkeys(("education", "occupation", "sex", "race", "income"), object))


def facts_document(**changes: Any) -> dict[str, Any]:
    """FACTS with changes, deep enough to change one of its sections."""
    return json.loads(json.dumps(FACTS)) | changes


class Done(NamedTuple):
    """How a script ended."""

    returncode: int
    stdout: str
    stderr: str


def script(folder: Path, name: str, *arguments: Any, **variables: str) -> Done:
    """Run a component's script as `__main__`, in this process: imports are paid once. `process` does the real thing."""
    texts = [name, *(str(x) for x in arguments)]
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        patch.dict(os.environ, _variables(variables), clear=True),
        patch.object(sys, "argv", texts),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            runpy.run_path(str(folder / name), run_name="__main__")
        except SystemExit as end:
            code = end.code
    return Done(int(code or 0), out.getvalue(), err.getvalue())


def process(folder: Path, name: str, *arguments: Any, **variables: str) -> Done:
    """Run a component's script in a process of its own, in its own folder, without MLflow tracking unless asked for."""
    environment = _variables(variables) | {"PYTHONPATH": str(COMPONENTS)}
    command = [sys.executable, name, *(str(x) for x in arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return Done(done.returncode, done.stdout, done.stderr)


def _variables(more: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "AZUREML_"))}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"} | more


def train(table: Path, facts: Path | None, model: Path, estimator: str = "LogisticRegression", **settings: Any) -> None:
    """Train with the library's own trainer. Settings are JSON values; text goes as text."""
    arguments: list[Any] = ["--estimator", estimator, "--table", table, "--model", model]
    arguments += ["--facts", facts] if facts else []
    for name, value in settings.items():
        arguments += ["--string", name, value] if isinstance(value, str) else ["--json", name, json.dumps(value)]
    done = script(COMPONENTS / "train/sklearn", "train.py", *arguments)
    assert done.returncode == 0, done.stderr


PRIVATE = {"fit_intercept": False, "C": 0.05, "tol": 1e-8, "max_iter": 5000}


class Folder:
    """A folder with a table of people, its facts, and whatever a test adds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def table(self, frame: pd.DataFrame, name: str = "table.parquet") -> Path:
        frame.to_parquet(self.path / name, index=False)
        return self.path / name

    def facts(self, name: str = "facts.json", **changes: Any) -> Path:
        (self.path / name).write_text(json.dumps(facts_document(**changes)))
        return self.path / name

    def __truediv__(self, name: str) -> Path:
        return self.path / name
