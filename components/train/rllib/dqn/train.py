"""From a Gymnasium environment with discrete actions to a policy that deep Q-learning found (Mnih et al. 2015)."""

import argparse
from typing import Any

from common import entry
from common.entry import Refusal
from reinforcement import words
from reinforcement.training import Algorithm, Task, train


def configured(options: argparse.Namespace, task: Task) -> Any:
    """Double and dueling networks as asked for, and replay of what surprised first (Schaul et al. 2016)."""
    from ray.rllib.algorithms.dqn import DQNConfig

    replay = {
        "type": "PrioritizedEpisodeReplayBuffer",
        "capacity": options.buffer_size,
        "alpha": options.priority,
        "beta": 0.4,
    }
    config = DQNConfig().training(
        replay_buffer_config=replay,
        target_network_update_freq=options.target_update,
        # replay is not in a checkpoint: a resumed training fills it anew before it learns on
        num_steps_sampled_before_learning_starts=task.steps + options.learning_starts,
        epsilon=[[0, options.epsilon_start], [options.epsilon_steps, options.epsilon_end]],
        double_q=options.double,
        dueling=options.dueling,
        n_step=options.n_step,
        grad_clip=options.grad_clip,
    )
    return config.reporting(
        min_sample_timesteps_per_iteration=options.iteration_steps,
        min_time_s_per_iteration=0,
        min_train_timesteps_per_iteration=0,
    )


DQN = Algorithm("DQN", ("discrete",), ("qf_loss", "qf_mean", "qf_min", "qf_max", "td_error_mean"), configured)


def parser() -> argparse.ArgumentParser:
    arguments = words.parser("Train a policy by DQN.")
    arguments.add_argument("--buffer-size", type=words.count(1), default=50000)
    arguments.add_argument("--learning-starts", type=words.count(0), default=1000)
    arguments.add_argument("--target-update", type=words.count(1), default=500)
    arguments.add_argument("--epsilon-start", type=words.share, default=1.0)
    arguments.add_argument("--epsilon-end", type=words.share, default=0.05)
    arguments.add_argument("--epsilon-steps", type=words.count(1), default=10000)
    arguments.add_argument("--double", type=entry.boolean, default=True)
    arguments.add_argument("--dueling", type=entry.boolean, default=True)
    arguments.add_argument("--priority", type=words.share, default=0.6)
    arguments.add_argument("--n-step", type=words.count(1), default=1)
    arguments.add_argument("--grad-clip", type=words.positive, default=10.0)
    arguments.add_argument("--iteration-steps", type=words.count(1), default=1000)
    return arguments


def main(options: argparse.Namespace) -> None:
    if options.batch_size > options.buffer_size:
        raise Refusal(f"batch_size = {options.batch_size} is larger than buffer_size = {options.buffer_size}")
    train(options, DQN)


if __name__ == "__main__":
    entry.run(main, parser())
