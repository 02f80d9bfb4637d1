"""From an algorithm's configuration to a trained policy: iterations until a criterion holds, each told and logged."""

import argparse
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from common import environments, tracking
from common.entry import Refusal
from common.environments import Actions, Source
from common.tracking import Tracking
from gymnasium.spaces import Discrete

from reinforcement import policy, session, state, words
from reinforcement.state import Checkpoint

ENVIRONMENT = "mlp_environment"
MODULE = "default_policy"
EPISODES = ("episode_return_mean", "episode_return_min", "episode_return_max", "episode_len_mean")
"""What is told of an iteration's episodes, by RLlib's names."""


class Task(NamedTuple):
    """What is to be learned: the environment with its spaces, and where a resumed training stood."""

    source: Source
    observation: tuple[int, ...]
    actions: Actions
    before: Checkpoint | None

    @property
    def steps(self) -> int:
        return self.before.steps if self.before else 0


class Algorithm(NamedTuple):
    """An algorithm of RLlib: `configured` makes its AlgorithmConfig but for what is common, `learned` names what the
    learner reports of it, `kinds` the actions that it can take."""

    name: str
    kinds: tuple[str, ...]
    learned: tuple[str, ...]
    configured: Callable[[argparse.Namespace, Task], Any]


def train(options: argparse.Namespace, algorithm: Algorithm) -> None:
    """Train as the command line says and write model, checkpoints and events. Raises Refusal before anything is trained
    for an environment that cannot be opened, actions that the algorithm cannot take, a checkpoint of something else."""
    words.checked(options)
    task = _task(options, algorithm)
    about = {
        "algorithm": algorithm.name,
        "environment": options.environment,
        "observation": list(task.observation),
        "actions": task.actions.kind,
        "action_size": task.actions.size,
        "hidden": options.hidden,
        "activation": options.activation,
    } | ({"dueling": options.dueling} if algorithm.name == "DQN" else {})
    if task.before is not None:
        _same(task.before.about, about)
    with tracking.run() as log, session.ray(options.workers) as folder:
        failure = folder / "failure.txt"
        log.parameters({k: v for k, v in vars(options).items() if k not in ("model", "checkpoint", "events")})
        built = _built(options, algorithm, task, failure)
        try:
            figures = _iterate(built, options, algorithm, task, about, log, failure)
            trained = policy.Trained(
                algorithm.name, built.get_module(MODULE), _weights(built), task.actions, task.observation, about
            )
        finally:
            built.stop()
        policy.save(trained, options.model)
        for name, value in figures.items():
            print(f"{name} = {value:.6g}")
        log.metrics(figures)
        log.folder(options.model, "model")


def _task(options: argparse.Namespace, algorithm: Algorithm) -> Task:
    source = environments.source(options.environment, options.module, options.environment_config)
    before = state.load(options.resume) if options.resume else None
    opened = environments.opened(source)
    try:
        actions = environments.actions(opened.action_space)
        if actions.kind not in algorithm.kinds:
            raise Refusal(
                f"actions of {options.environment!r} are {opened.action_space}, {algorithm.name} takes "
                f"{' or '.join(algorithm.kinds)} ones alone; use rllib.ppo"
            )
        return Task(source, tuple(opened.observation_space.shape or ()), actions, before)
    finally:
        opened.close()


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name, value in now.items():
        if name != "environment" and before.get(name) != value:  # another level of the same game is another environment
            raise Refusal(f"the checkpoint to resume has {name} = {before.get(name)}, this training has {value}")


def _built(options: argparse.Namespace, algorithm: Algorithm, task: Task, failure: Path) -> Any:
    """RLlib's algorithm, built anew; of a checkpoint it takes the state."""
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
    from ray.tune.registry import register_env

    source = task.source
    register_env(ENVIRONMENT, lambda _: Played(environments.opened(source), failure))
    config = algorithm.configured(options, task)
    config.environment(ENVIRONMENT)
    config.env_runners(num_env_runners=options.workers, num_envs_per_env_runner=options.envs_per_worker)
    # an environment that fails is told of, not started again and again
    config.fault_tolerance(restart_failed_env_runners=False, ignore_env_runner_failures=False)
    config.learners(num_learners=0)
    config.training(lr=options.lr, gamma=options.gamma, train_batch_size_per_learner=options.batch_size)
    config.rl_module(
        model_config=DefaultModelConfig(
            fcnet_hiddens=options.hidden, fcnet_activation=options.activation, vf_share_layers=False
        )
    )
    config.debugging(seed=options.seed, log_level="ERROR")
    try:
        built = config.build_algo()
    except ValueError as error:
        raise Refusal(f"RLlib does not take this configuration: {error}") from None
    if task.before is not None:
        _restore(built, task.before, options.lr)
    return built


class Played(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment as RLlib plays it: actions counted from 0 wherever they start, failures kept in a file.

    A worker of RLlib's that fails is gone without a word.
    """

    def __init__(self, environment: gymnasium.Env[Any, Any], failure: Path) -> None:
        super().__init__(environment)
        self._failure = failure
        self._start = 0
        if isinstance(environment.action_space, Discrete):
            self._start = environment.action_space.start
            self.action_space = Discrete(environment.action_space.n)

    def reset(self, **given: Any) -> Any:
        return self._told(lambda: self.env.reset(**given))

    def step(self, action: Any) -> Any:
        return self._told(lambda: self.env.step(action + self._start if self._start else action))

    def _told(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            self._failure.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
            raise


def _restore(built: Any, before: Checkpoint, lr: float) -> None:
    """Give a fresh algorithm the state of another; the learning rate is the one that is asked for now."""
    try:
        for optimizer in before.state["learner_group"]["learner"]["optimizer"].values():
            for group in optimizer["state"]["param_groups"]:
                group["lr"] = lr
        built.set_state(before.state)
    except Exception as error:  # a tree that RLlib cannot use: another version's, or no state at all
        raise Refusal(f"RLlib cannot take the checkpoint's state: {type(error).__name__}: {error}") from None


def _iterate(
    built: Any,
    options: argparse.Namespace,
    algorithm: Algorithm,
    task: Task,
    about: dict[str, Any],
    log: Tracking,
    failure: Path,
) -> dict[str, float]:
    """Train until it is over; the figures at the end."""
    from tensorboardX import SummaryWriter  # RLlib's own; PyTorch's imports TensorFlow where there is one

    criteria = words.stop(options)
    iterations = task.before.iterations if task.before else 0
    steps, reward = task.steps, None
    if why := criteria.reached(iterations, steps, 0.0, None):
        raise Refusal(f"the checkpoint to resume is done already: {why}; raise the limit")
    started = time.monotonic()
    figures: dict[str, float] = {}
    with SummaryWriter(str(options.events)) as events:
        while not why:
            figures = _figures(_iteration(built, failure), algorithm.learned)
            iterations += 1
            steps, seconds = int(figures["steps"]), time.monotonic() - started
            reward = figures.get("episode_return_mean")
            print(_line(iterations, figures, seconds), flush=True)
            log.metrics(figures, iterations)
            for name, value in figures.items():
                events.add_scalar(name, value, steps)
            why = criteria.reached(iterations, steps, seconds, reward)
            if why or (options.checkpoint_every and iterations % options.checkpoint_every == 0):
                state.save(options.checkpoint, Checkpoint(about, iterations, steps, built.get_state()))
    print(f"stopped: {why}", flush=True)
    return {**figures, "iterations": iterations, "training_seconds": time.monotonic() - started}


def _iteration(built: Any, failure: Path) -> dict[str, Any]:
    """One iteration's results. Raises Refusal where the environment failed, here or in a worker."""
    try:
        return dict(built.train())
    except Exception as error:
        if failure.exists():
            raise Refusal(f"the environment failed: {failure.read_text(encoding='utf-8')}") from None
        raise error


def _figures(result: Mapping[str, Any], learned: tuple[str, ...]) -> dict[str, float]:
    """The finite numbers of an iteration that are told: its episodes', if one ended, and the learner's."""
    of_episodes = result.get("env_runners") or {}
    of_learner = (result.get("learners") or {}).get(MODULE) or {}
    found = {name: of_episodes.get(name) for name in EPISODES}
    found |= {name: of_learner.get(name) for name in learned}
    numbers = {name: float(np.asarray(value)) for name, value in found.items() if value is not None}
    numbers["steps"] = float(result["num_env_steps_sampled_lifetime"])
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _line(iteration: int, figures: Mapping[str, float], seconds: float) -> str:
    reward = figures.get("episode_return_mean")
    told = "no episode has ended" if reward is None else f"mean return {reward:.1f}"
    return f"iteration {iteration}: {told}, {figures['steps']:.0f} steps, {seconds:.1f} s"


def _weights(built: Any) -> dict[str, np.ndarray]:
    """Everything that was learned, critics and target networks too."""
    found = built.get_state(components="learner_group/learner/rl_module")
    return {name: np.asarray(x) for name, x in found["learner_group"]["learner"]["rl_module"][MODULE].items()}
