"""The programs that ship with mlp: from text to a folder that both judges accept, the same bytes from anywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.lowering import lower
from mlp_lang.lowering.verify import verify

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
PROGRAMS = sorted(PIPELINES.glob("*.mlp"))

SCRIPT = """
import sys
from pathlib import Path
from mlp_lang.compiler import compile_file
from mlp_lang.lowering import lower
for graph in compile_file(Path(sys.argv[1])).graphs:
    lower(graph).write(Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_both_judges_take_it(path: Path, tmp_path: Path) -> None:
    shutil.copytree(PIPELINES, tmp_path / "pipelines")
    compilation = compile_file(tmp_path / "pipelines" / path.name)
    assert [d for d in compilation.diagnostics if d.severity.value == "error"] == []
    for graph in compilation.graphs:
        build = lower(graph)
        assert build.diagnostics == ()
        assert verify(build.write(tmp_path / "pipelines/build")) == []


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_same_bytes_from_anywhere(path: Path, tmp_path: Path) -> None:
    """Two copies of the program, two working directories, two ways to say where it is."""
    results = []
    for number, cwd in enumerate((".", "pipelines", "/")):
        copy = tmp_path / str(number)
        shutil.copytree(path.parent, copy / "pipelines")
        program = copy / "pipelines" / path.name
        where = (copy / cwd).resolve()
        said = os.path.relpath(program, where) if number < 2 else str(program)
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        out = str(copy / "pipelines/build")
        subprocess.run([sys.executable, "-c", SCRIPT, said, out], cwd=where, env=environment, check=True)
        build = copy / "pipelines/build"
        results.append({p.relative_to(build).as_posix(): p.read_bytes() for p in build.rglob("*") if p.is_file()})
    assert results[0]
    for other in results[1:]:
        assert [name for name in results[0] if results[0][name] != other.get(name)] == []
        assert set(other) == set(results[0])
