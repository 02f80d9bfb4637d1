"""From a Gymnasium environment to a policy that proximal policy optimisation found (Schulman et al. 2017)."""

import argparse
from typing import Any

from common import entry
from common.entry import Refusal
from reinforcement import words
from reinforcement.training import Algorithm, Task, train


def configured(options: argparse.Namespace, task: Task) -> Any:
    """The clipped objective with Adam and generalised advantages; no penalty on the divergence, no clipped values."""
    from ray.rllib.algorithms.ppo import PPOConfig

    return PPOConfig().training(
        lambda_=options.gae_lambda,
        clip_param=options.clip_param,
        entropy_coeff=options.entropy_coeff,
        vf_loss_coeff=options.vf_loss_coeff,
        vf_clip_param=float("inf"),
        use_kl_loss=False,
        grad_clip=options.grad_clip,
        num_epochs=options.epochs,
        minibatch_size=options.minibatch_size,
    )


LEARNED = ("total_loss", "policy_loss", "vf_loss", "vf_explained_var", "entropy")
PPO = Algorithm("PPO", ("discrete", "box"), LEARNED, configured)


def parser() -> argparse.ArgumentParser:
    arguments = words.parser("Train a policy by PPO.")
    arguments.add_argument("--epochs", type=words.count(1), default=10)
    arguments.add_argument("--minibatch-size", type=words.count(1), default=128)
    arguments.add_argument("--clip-param", type=words.positive, default=0.2)
    arguments.add_argument("--entropy-coeff", type=float, default=0.0)
    arguments.add_argument("--vf-loss-coeff", type=words.positive, default=0.5)
    arguments.add_argument("--gae-lambda", type=words.share, default=0.95)
    arguments.add_argument("--grad-clip", type=words.positive, default=0.5)
    return arguments


def main(options: argparse.Namespace) -> None:
    if options.minibatch_size > options.batch_size:
        raise Refusal(f"minibatch_size = {options.minibatch_size} is larger than batch_size = {options.batch_size}")
    train(options, PPO)


if __name__ == "__main__":
    entry.run(main, parser())
