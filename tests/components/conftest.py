"""Fixtures of every component's tests; component_steps has the functions."""

from pathlib import Path

import pytest
from component_steps import Step, runs_in


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """Run a script in an empty folder: `step("train/sklearn/train.py", "--table", "t")`."""
    return runs_in(tmp_path)
