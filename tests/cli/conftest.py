"""The `mlp` command as people start it: a process, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_programs import BAD, GOOD, Mlp


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a good program, a bad one and one that is not canonical."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.mlp").write_text(GOOD)
    (tmp_path / "bad.mlp").write_text(BAD)
    (tmp_path / "ugly.mlp").write_text(GOOD.replace("  ", " "))
    return tmp_path


@pytest.fixture(scope="session")
def mlp() -> Mlp:
    """`mlp(*arguments, input=…, env=…)`: the installed script, run where the test stands."""
    script = Path(sys.executable).with_name("mlp")

    def start(
        *arguments: str, input: str | None = None, env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        known = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "MLP_DEBUG")}
        return subprocess.run(
            [script, *arguments],
            input=input,
            capture_output=True,
            encoding="utf-8",
            env=known | (env or {}),
            check=False,
            timeout=120,
        )

    return start
