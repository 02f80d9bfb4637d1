"""Sweeps and AutoML as azure-ai-ml loads them: what programs become is what it keeps, and what people wrote by hand."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering import lower

HERE = Path(__file__).parent
BASELINES = HERE.parent / "baselines"
PROGRAMS = sorted((HERE / "automl").glob("*.mlp"))


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CORE_COLLECT_TELEMETRY", "0")
    logging.getLogger("azure").setLevel(logging.CRITICAL)


def build(program: Path, out: Path) -> Path:
    result = compile_file(program)
    assert result.graphs, [(d.code, d.message) for d in result.diagnostics if d.severity is Severity.ERROR]
    built = lower(result.graphs[0])
    assert not built.diagnostics
    return built.write(out)


def load(path: Path) -> Any:
    """The job as azure-ai-ml has it, once it has accepted it; each look changes AutoML nodes, so it is loaded anew."""
    azure = pytest.importorskip("azure.ai.ml")
    assert azure.load_job(path)._validate().error_messages == {}
    azure.load_job(path)._to_rest_object()
    return azure.load_job(path)._to_dict()


def without_paths(value: Any) -> Any:
    """A loaded job without what depends on where the YAML lies."""
    if isinstance(value, dict):
        return {
            k: without_paths(v) for k, v in value.items() if not (k == "path" and "${{" not in str(v)) and k != "code"
        }
    return [without_paths(v) for v in value] if isinstance(value, list) else value


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_programs_load_as_the_pipelines_that_they_say(program: Path, corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(corpus / "cli/jobs/pipelines/automl" / program.stem, folder)
    shutil.copy(program, folder / "p.mlp")
    original = load(folder / "pipeline.yml")
    compiled = load(build(folder / "p.mlp", tmp_path / "build") / "pipeline.yml")
    for job in (original, compiled):
        for node in job["jobs"].values():
            node.pop("component", None)  # the definition is the author's, under its own tests
    assert without_paths(original) == without_paths(compiled)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ["tune", "automl"])
def test_every_field_that_is_written_is_kept(case: str, tmp_path: Path) -> None:
    import yaml

    path = build(BASELINES / case / "main.mlp", tmp_path / "build") / "pipeline.yml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    kept = load(path)["jobs"]
    for name, job in written.items():
        for field, value in job.items():
            if field not in ("trial", "inputs", "outputs"):
                assert lacking(value, kept[name].get(field)) == [], f"{name}.{field}"
    assert {job["type"] for job in written.values()} == {"sweep" if case == "tune" else "automl"}


def lacking(written: Any, kept: Any) -> list[str]:
    """What of a written value is not there any more; defaults may have come."""
    if isinstance(written, dict) and isinstance(kept, dict):
        return [f"{key}: {found}" for key, value in written.items() for found in lacking(value, kept.get(key))]
    if isinstance(written, list) and isinstance(kept, list) and len(written) == len(kept):
        return [found for one, other in zip(written, kept, strict=True) for found in lacking(one, other)]
    if isinstance(kept, str) and isinstance(written, dict | float | int):
        # what AutoML searches comes out as the text that is sent, once the library has sent anything
        head = written["type"] if isinstance(written, dict) else str(written)
        return [] if kept.startswith(head) else [f"{written!r} became {kept!r}"]
    return [] if written == kept else [f"{written!r} became {kept!r}"]


def test_automl_carries_no_order_without_data(tmp_path: Path) -> None:
    train = '  train {0} using automl.regression{1} {{\n    training_data = rows\n    target_column_name = "y"\n  }}\n'
    text = '  data rows: mltable = "azureml:rows:1"\n' + train.format("a", "") + train.format("b", " after a")
    program = tmp_path / "p.mlp"
    program.write_text(f"pipeline p {{\n{text}  output m = b\n}}\n", encoding="utf-8")
    (finding,) = lower(compile_file(program).graphs[0]).diagnostics
    assert (finding.code, "AutoML" in finding.message) == ("MLP0801", True)
