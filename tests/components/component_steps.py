"""Paths, small tables with facts, ways to run a component's script as a process and a program as a user would."""

import contextlib
import importlib.util
import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import yaml
from mlp_lang.compiler import compile_file
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering import lower
from mlp_lang.lowering.verify import verify

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ROOT / "components"
if str(COMPONENTS) not in sys.path:
    sys.path.insert(0, str(COMPONENTS))

PEOPLE: dict[str, Any] = {
    "name": "people",
    "schema": {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 17, "maximum": 90},
            "hours": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
            "work": {"type": ["string", "null"], "enum": ["State-gov", "Private", None]},
            "grade": {"enum": [1, 2, 3]},
            "member": {"type": "boolean"},
            "sex": {"enum": ["Female", "Male"]},
            "income": {"enum": ["<=50K", ">50K"]},
        },
        "required": ["age", "sex", "income"],
    },
    "label": "income",
    "positive": ">50K",
    "sensitive": ["sex"],
    "features": None,
    "private": None,
}
PRIVATE = {"unit": "row", "neighbours": "replace_one", "epsilon": 2.0, "delta": 1e-6}

Step = Callable[..., subprocess.CompletedProcess[str]]


def module(path: str, name: str) -> ModuleType:
    """A component's script as a module under a name of its own."""
    file = COMPONENTS / path
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def runs_in(folder: Path) -> Step:
    """Runs scripts in a folder of their own: `step("train/sklearn/train.py", "--table", "t")`."""

    def run(script: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
        return subprocess.run(
            [sys.executable, str(COMPONENTS / script), *map(str, arguments)],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(COMPONENTS), "MPLCONFIGDIR": str(folder / ".mpl"), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def here(folder: Path, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a script in this very process, whose imports of large frameworks it shares; what it needs is on the path."""
    told, wrong = io.StringIO(), io.StringIO()
    code: Any = 0
    words = [script, *map(str, arguments)]
    with (
        contextlib.chdir(folder),
        patch.object(sys, "argv", words),
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(wrong),
    ):
        try:
            runpy.run_path(str(COMPONENTS / script), run_name="__main__")
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(words, code, told.getvalue(), wrong.getvalue())


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The reason of a step that refused as the contract says; fails otherwise."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.rstrip("\n").rsplit("\n", 1)[-1]
    assert last.startswith("mlp: "), done.stderr
    return last.removeprefix("mlp: ")


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def put(path: Path, document: Any) -> Path:
    """Write JSON."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def document(folder: str) -> dict[str, Any]:
    """The component.yml of `components/<folder>`."""
    loaded: dict[str, Any] = yaml.safe_load((COMPONENTS / folder / "component.yml").read_text(encoding="utf-8"))
    return loaded


def compiled(program: Path) -> Path:
    """A program compiled to the YAML beside it, which azure-ai-ml loads without a word; fails with what is wrong."""
    done = compile_file(program)
    assert [d.message for d in done.diagnostics if d.severity is Severity.ERROR] == []
    build = lower(done.graphs[0]).write(program.parent / "build")
    assert [(d.code, d.message) for d in verify(build)] == []
    return build


def mlp(*words: object, cwd: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, as a user types it; runs and cache lie in `home`."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    variables |= {"MLP_HOME": str(home or cwd / "home"), "COLUMNS": "200"}
    start = "import sys; from mlp_lang.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Rows of PEOPLE: income follows age and hours; hours and work are missing here and there."""
    draw = np.random.default_rng(seed)
    age, hours = draw.integers(17, 91, rows), np.round(draw.uniform(0, 100, rows), 1)
    score = (age - 50) / 15 + (hours - 50) / 20 + draw.normal(0, 0.3, rows)
    return pd.DataFrame(
        {
            "age": age,
            "hours": np.where(draw.random(rows) < 0.05, np.nan, hours),
            "work": draw.choice(np.array(["State-gov", "Private", None], dtype=object), rows),
            "grade": draw.integers(1, 4, rows),
            "member": draw.random(rows) < 0.5,
            "sex": draw.choice(["Female", "Male"], rows),
            "income": np.where(score > 0.3, ">50K", "<=50K"),
        }
    )


def table(folder: Path, rows: int = 400, **facts: Any) -> tuple[object, ...]:
    """The options that name a table of people and its facts, both written to a folder."""
    people(rows).to_parquet(folder / "people.parquet")
    return "--table", "people.parquet", "--facts", put(folder / "facts.json", PEOPLE | facts)


def outputs(name: str = "out") -> tuple[str, ...]:
    return "--model", f"{name}/model", "--checkpoint", f"{name}/checkpoint", "--events", f"{name}/events"
