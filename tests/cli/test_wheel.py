"""The distribution: a wheel from the sdist, alone in a fresh environment, used from an empty folder."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_DISTRIBUTIONS = 12
"""That the core may install, itself included."""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the core alone."""
    home = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", home, cwd=home)
    (wheel,) = built.glob("*.whl")
    run(home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=home)
    return home / "bin" / "python"


def test_wheel_and_sdist_hold_every_tracked_file_of_the_parts(built: Path) -> None:
    parts = ("cli", "compiler", "components", "dsl", "lowering", "runner", "schemas")
    listed = run("git", "ls-files", *parts, cwd=ROOT).split()
    left_out = ("README.md", "ruff.toml", "mypy.ini")
    wanted = {f"mlp_lang/{path}" for path in listed if Path(path).name not in left_out and (ROOT / path).exists()}
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    assert wanted - inside == set()
    assert not [path for path in inside if "__pycache__" in path or not path.startswith("mlp_lang")]
    with tarfile.open(sdist) as archive_:
        assert wanted - {name.partition("/python/")[2] for name in archive_.getnames()} == set()


def test_the_core_is_small(python: Path, tmp_path: Path) -> None:
    listed = run(python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check", cwd=tmp_path).split()
    names = {line.partition("==")[0].lower() for line in listed} - {"pip", "setuptools"}  # venv's own
    assert "mlp-lang" in names
    assert len(names) <= MOST_DISTRIBUTIONS, sorted(names)


def test_the_core_alone_starts_checks_formats_compiles_and_explains(python: Path, tmp_path: Path) -> None:
    mlp = python.with_name("mlp")
    run(mlp, "init", "shop", cwd=tmp_path)
    shop = tmp_path / "shop"
    run(mlp, "fmt", "--check", ".", cwd=shop)
    run(mlp, "check", cwd=shop)
    run(mlp, "compile", "shop.mlp", "-o", "build", cwd=shop)
    assert (shop / "build" / "shop" / "pipeline.yml").is_file()
    assert "sklearn.SVC" in run(mlp, "components", cwd=shop)
    assert run(mlp, "explain", "MLP0203", cwd=shop).startswith("MLP0203: ")
    program = (shop / "shop.mlp").read_text()
    (shop / "shop.mlp").write_text(program.replace("test_size", "tset_size"))
    assert "did you mean `test_size`?" in run(mlp, "check", cwd=shop, code=1)


def test_the_core_says_what_a_command_needs(python: Path, tmp_path: Path) -> None:
    mlp = python.with_name("mlp")
    run(mlp, "init", "shop", cwd=tmp_path)
    done = subprocess.run([mlp, "run", "shop.mlp"], cwd=tmp_path / "shop", capture_output=True, text=True, check=False)
    assert done.returncode in (2, 3)
    assert "pip install" in done.stderr and "Traceback" not in done.stderr
    run(mlp, "compile", "shop.mlp", "--verify", cwd=tmp_path / "shop", code=2)
