"""Runs with a home of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler.graph import Graph
from mlp_lang.runner import RunResult, run


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunResult]:
    """`run` with a home of the test's own, untracked unless asked."""
    monkeypatch.chdir(tmp_path)

    def start(made: Graph, folder: Path | str | None = None, **options: Any) -> RunResult:
        options.setdefault("tracking", False)
        options.setdefault("home", tmp_path / "home")
        options.setdefault("backoff", 0.01)
        options.setdefault("report", False)
        return run(made, folder, **options)

    return start
