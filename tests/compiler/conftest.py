"""A bench for each test: a folder with data, schemas, components and libraries beside the program."""

from pathlib import Path

import pytest
from compiling import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
