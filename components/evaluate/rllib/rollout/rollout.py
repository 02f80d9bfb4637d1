"""From a policy in ONNX and a Gymnasium environment to the returns of its episodes, verdicts on them, and a report."""

import argparse
import csv
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from common import entry, environments, evaluation, models, plots
from common.entry import Refusal
from common.environments import Actions, Source
from common.files import write_file

METRICS = (
    "mean_return",
    "std_return",
    "min_return",
    "max_return",
    "median_return",
    "mean_length",
    "success_rate",
    "episodes",
)
MOST_FRAMES = 500
MILLISECONDS = 40
RECORDING = "episode.gif"


class Episode(NamedTuple):
    """How an episode went. `frames` are pictures (height × width × 3) of it, if it was recorded."""

    total: float
    length: int
    frames: list[np.ndarray]


def main(options: argparse.Namespace) -> None:
    model = models.load(options.model)
    policy = model.card.policy
    if model.card.task != "policy" or policy is None:
        given = model.card.task or model.framework
        raise Refusal(f"the model is a {given}, a policy of rllib.ppo or rllib.dqn is expected")
    source = environments.source(options.environment, options.module, options.environment_config)
    environment = environments.opened(source)
    actions = fitting(environment, policy)
    episodes = [
        played(environment, model.native, actions, options.seed + number, options.max_episode_steps)
        for number in range(options.episodes)
    ]
    environment.close()
    for number, episode in enumerate(episodes, 1):
        print(f"episode {number}: return {episode.total:.6g}, {episode.length} steps", flush=True)
    frames = recorded(source, model.native, actions, options) if options.record else []
    found = judged(episodes, options.success_return)

    def draw(folder: Path) -> list[tuple[str, str]]:
        table(folder / "episodes.csv", episodes, options.seed)
        figures = plots.returns(folder, np.array([e.total for e in episodes]), options.success_return)
        if frames:
            animate(folder / RECORDING, frames)
            figures.append((RECORDING, "The first episode"))
        return figures

    evaluation.finish(options, found, draw, f"{options.environment} by {model.card.component or 'a policy'}")


def fitting(environment: gymnasium.Env[Any, Any], policy: dict[str, Any]) -> Actions:
    """The environment's actions. Raises Refusal for a policy of other observations or actions."""
    actions = environments.actions(environment.action_space)
    seen, shape = tuple(policy["observation"]["shape"]), environment.observation_space.shape
    if seen != shape:
        raise Refusal(f"the policy takes observations of shape {seen}, the environment gives {shape}")
    known = policy["action"]
    theirs = (known["kind"], known.get("choices", 0), known.get("start", 0), tuple(known.get("shape", ())))
    ours = (actions.kind, actions.choices, actions.start, actions.shape)
    if theirs != ours:
        raise Refusal(f"the policy's actions are {theirs}, the environment's {ours} (kind, choices, start, shape)")
    return actions


def played(environment: gymnasium.Env[Any, Any], session: Any, actions: Actions, seed: int, most: int) -> Episode:
    """One episode of greedy actions, broken off after `most` steps. Raises Refusal for an error of the environment."""
    drawn = environment.render_mode == "rgb_array"
    name = session.get_inputs()[0].name
    total, length = 0.0, 0
    frames: list[np.ndarray] = []
    try:
        observation, _ = environment.reset(seed=seed)
        while length < most:
            if drawn and len(frames) < MOST_FRAMES:
                frames.append(np.asarray(environment.render(), dtype=np.uint8))
            feed = {name: np.asarray(observation, dtype=np.float32)[np.newaxis]}
            action = environments.acted(actions, session.run(None, feed)[0][0])
            observation, reward, terminated, truncated, _ = environment.step(action)
            total += float(reward)
            length += 1
            if terminated or truncated:
                break
    except Exception as error:  # whatever the user's code raises
        raise Refusal(f"the environment failed: {type(error).__name__}: {error}") from None
    return Episode(total, length, frames)


def recorded(source: Source, session: Any, actions: Actions, options: argparse.Namespace) -> list[np.ndarray]:
    """Pictures of the first episode; none where the environment cannot draw itself, which changes no verdict."""
    try:
        environment = environments.opened(source, render=True)
        frames = played(environment, session, actions, options.seed, options.max_episode_steps).frames
        environment.close()
    except Refusal as refusal:
        print(f"not recorded: {refusal}", flush=True)
        return []
    return frames


def judged(episodes: list[Episode], success: float | None) -> dict[str, float]:
    """The metrics named in METRICS; std_return is that of the sample, 0 for a single episode."""
    totals = np.array([episode.total for episode in episodes])
    found = {
        "mean_return": totals.mean(),
        "std_return": totals.std(ddof=1) if len(totals) > 1 else 0.0,
        "min_return": totals.min(),
        "max_return": totals.max(),
        "median_return": np.median(totals),
        "mean_length": np.mean([episode.length for episode in episodes]),
        "success_rate": np.nan if success is None else np.mean(totals >= success),
        "episodes": len(episodes),
    }
    return {name: float(found[name]) for name in METRICS}


def table(path: Path, episodes: list[Episode], seed: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["episode", "seed", "return", "length"])
        rows.writerows([n + 1, seed + n, e.total, e.length] for n, e in enumerate(episodes))


def animate(path: Path, frames: list[np.ndarray]) -> None:
    from PIL import Image

    first, *rest = [Image.fromarray(frame) for frame in frames]
    write_file(
        path,
        lambda temporary: first.save(
            temporary, format="GIF", save_all=True, append_images=rest, duration=MILLISECONDS, loop=0
        ),
    )


def parser() -> argparse.ArgumentParser:
    arguments = entry.parser("Judge a policy by playing.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--environment", required=True)
    arguments.add_argument("--module", type=Path)
    arguments.add_argument("--environment-config", type=entry.value)
    arguments.add_argument("--episodes", type=int, default=20)
    arguments.add_argument("--max-episode-steps", type=int, default=10000)
    arguments.add_argument("--success-return", type=float)
    arguments.add_argument("--record", type=entry.boolean, default=False)
    arguments.add_argument("--seed", type=int, default=1000)
    arguments.add_argument("--gates")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--report", type=Path, required=True)
    return arguments


def run(options: argparse.Namespace) -> None:
    for name in ("episodes", "max_episode_steps"):
        if getattr(options, name) < 1:
            raise Refusal(f"{name} must be 1 or more")
    main(options)


if __name__ == "__main__":
    entry.run(run, parser())
