"""Fixtures of reinforcement learning: a way to train, a user's module of environments, one trained policy."""

from pathlib import Path

import pytest
from component_steps import succeeded
from rl_steps import WALKS, Train, trains_in


@pytest.fixture
def train(tmp_path: Path) -> Train:
    return trains_in(tmp_path)


@pytest.fixture
def walks(tmp_path: Path) -> Path:
    """The folder of the user's module `walks`."""
    (tmp_path / "user").mkdir()
    (tmp_path / "user/walks.py").write_text(WALKS, encoding="utf-8")
    return tmp_path / "user"


@pytest.fixture(scope="session")
def cartpole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which PPO learned to balance: model, checkpoint, events, its output and what MLflow has of it."""
    folder = tmp_path_factory.mktemp("cartpole")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    more = ("--stop-reward", 150, "--max-iterations", 40, "--checkpoint-every", 2)
    done = trains_in(folder)("ppo", "CartPole-v1", *more, MLFLOW_TRACKING_URI=uri)
    (folder / "printed").write_text(succeeded(done), encoding="utf-8")
    return folder
