"""Fixtures of every component's tests; component_steps has the functions."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from component_steps import Step, runs_in


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """Run a script in an empty folder: `step("train/sklearn/train.py", "--table", "t")`."""
    return runs_in(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def variables() -> Iterator[None]:
    """Scripts that run in this process set variables for their frameworks: not for the tests of other modules."""
    before = dict(os.environ)
    yield
    for name in [name for name in os.environ if not name.startswith("PYTEST")]:
        if name not in before:
            del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if not name.startswith("PYTEST")})
