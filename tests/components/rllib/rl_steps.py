"""What the tests of reinforcement learning share: a user's module of environments and ways to train."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from component_steps import COMPONENTS, runs_in

TRAINERS = COMPONENTS / "train/rllib"
if str(TRAINERS) not in sys.path:
    sys.path.insert(0, str(TRAINERS))

PATH = {"PYTHONPATH": os.pathsep.join([str(COMPONENTS), str(TRAINERS)])}
WALKS = '''
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete


class Corridor(gymnasium.Env):
    """Cells in a row; 1 goes left, 2 goes right, each step costs 1 until the last cell."""

    metadata = {"render_modes": ["rgb_array"]}
    action_space = Discrete(2, start=1)

    def __init__(self, cells=4, broken_after=None, render_mode=None):
        self.cells, self.broken_after, self.render_mode = cells, broken_after, render_mode
        self.observation_space = Discrete(cells)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.steps = 0, 0
        return self.at, {}

    def step(self, action):
        assert action in (1, 2)
        self.steps += 1
        if self.broken_after and self.steps > self.broken_after:
            raise RuntimeError("the floor gave way")
        self.at = max(0, self.at + (1 if action == 2 else -1))
        return self.at, -1.0, self.at == self.cells - 1, self.steps >= 20, {}

    def render(self):
        picture = np.zeros((8, 8 * self.cells, 3), dtype=np.uint8)
        picture[:, 8 * self.at : 8 * self.at + 8] = 255
        return picture


class Echo(gymnasium.Env):
    """One step an episode: the closer the action is to the observation, the better."""

    observation_space = Box(-1, 1, (2,))
    action_space = Box(np.array([-2.0, 0.0], dtype=np.float32), np.array([2.0, 1.0], dtype=np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.seen, {}

    def step(self, action):
        assert self.action_space.contains(action), action
        return self.seen, -float(np.sum((action - self.seen) ** 2)), True, False, {}


gymnasium.register("Long-v0", entry_point=lambda **given: Corridor(cells=9, **given))
'''
Train = Callable[..., subprocess.CompletedProcess[str]]
PPO = ("--lr", "1e-3", "--batch-size", "1024", "--activation", "tanh")
DQN = ("--lr", "5e-3", "--batch-size", "32", "--activation", "relu")


def trains_in(folder: Path) -> Train:
    """Trains in a folder: `train("ppo", "CartPole-v1", "--seed", 1)` writes model, checkpoint and events there."""
    run = runs_in(folder)

    def train(name: str, environment: str, *more: object, **variables: str) -> subprocess.CompletedProcess[str]:
        outputs = ("--model", "model", "--checkpoint", "checkpoint", "--events", "events")
        own = PPO if name == "ppo" else DQN
        given = ("--environment", environment, *own, *outputs, *more)
        return run(f"train/rllib/{name}/train.py", *given, **PATH, **variables)

    return train
