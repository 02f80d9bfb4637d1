"""The generated pipelines that bench times: programs that check, compile and have the size they claim."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from cli_programs import Mlp

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shape() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shape", ROOT / "bench" / "shape.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shape"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_a_generated_pipeline_is_a_canonical_program_of_its_size(
    shape: ModuleType, mlp: Mlp, tmp_path: Path, size: int
) -> None:
    program = tmp_path / "chain.mlp"
    program.write_text(shape.mlp(size, str(ROOT / "pipelines" / "data")))
    assert mlp("check", str(program)).stderr == "1 program checked, nothing to report\n"
    assert mlp("fmt", "--check", str(program)).returncode == 0
    graph = json.loads(mlp("compile", str(program), "--emit", "graph").stdout)
    assert len(graph["nodes"]) == size
    assert shape.wdl(size).count("  call ") == size
