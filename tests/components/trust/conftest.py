"""Fixtures of the tests of releases, fairness, exports and deployments; see trust_steps for what they are made of."""

from pathlib import Path
from typing import Any

import pytest
from trust_steps import PRIVATE, Folder, people, train


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Azure as one job sees it; see azure_service."""
    import azure_service

    return azure_service.stand_in(monkeypatch)


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Training and test tables, facts (private and public), a model fit for release (`model`) and a plain one."""
    folder = Folder(tmp_path_factory.mktemp("people"))
    train_table, facts = folder.table(people(2000), "train.parquet"), folder.facts()
    folder.table(people(500, seed=1), "test.parquet")
    folder.facts("public.json", private=None)
    train(train_table, facts, folder / "model", **PRIVATE)
    train(train_table, folder / "public.json", folder / "plain")
    return folder
