"""rllib.ppo and rllib.dqn: what they learn, what they write, how they stop, go on and refuse."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from common.entry import Refusal
from component_steps import COMPONENTS, refused, succeeded
from reinforcement import state, words
from reinforcement.state import Checkpoint
from reinforcement.words import Stop
from rl_steps import PATH, Train  # puts the trainers' folder on the path

LIMITS = Stop(iterations=10, reward=200.0, steps=5000, seconds=60.0)
STOPS = [  # iterations, steps, seconds, mean return, why
    (1, 100, 1.0, 50.0, ""),
    (1, 100, 1.0, None, ""),
    (1, 100, 1.0, 200.0, "mean episode return 200 reached 200"),
    (10, 100, 1.0, None, "10 iterations of 10"),
    (3, 5001, 1.0, 50.0, "5001 steps of 5000"),
    (3, 100, 60.5, 50.0, "60 seconds are over"),
]


@pytest.mark.parametrize(("iterations", "steps", "seconds", "reward", "why"), STOPS)
def test_training_is_over_as_soon_as_one_criterion_holds(
    iterations: int, steps: int, seconds: float, reward: float | None, why: str
) -> None:
    assert LIMITS.reached(iterations, steps, seconds, reward) == why
    assert Stop(iterations + 1).reached(iterations, steps, seconds, reward) == ""


def test_a_checkpoint_comes_back_as_it_was_and_holds_no_code(tmp_path: Path) -> None:
    tree = {
        "weights": {0: np.arange(6, dtype=np.float32).reshape(2, 3), "flag": np.array(True)},
        "betas": (0.9, 0.999),
        "mixed": [None, True, 3, 0.5, "text", float("inf"), {}],
        "scalar": np.float64(1.5),
    }
    state.save(tmp_path, Checkpoint({"hidden": [4]}, 9, 90, {"old": 1}))
    state.save(tmp_path, Checkpoint({"hidden": [4]}, 12, 120, tree))
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} == {".json", ".safetensors"}
    found = state.load(tmp_path)  # the latest
    assert (found.about, found.iterations, found.steps) == ({"hidden": [4]}, 12, 120)
    np.testing.assert_equal(found.state, tree)
    assert state.load(tmp_path / "000009").state == {"old": 1}


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', '{"format": 1, "about": {}, "state": {"array": "9"}}'])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refusal, match="holds no checkpoint"):
        state.load(tmp_path)
    (tmp_path / "checkpoint.json").write_text(text, encoding="utf-8")
    with pytest.raises(Refusal, match="checkpoint"):
        state.load(tmp_path)


def test_a_checkpoint_holds_numbers_and_text_alone(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot hold a function"):
        state.save(tmp_path, Checkpoint({}, 1, 1, {"code": lambda: None}))
    assert list(tmp_path.iterdir()) == []


WORDS = [  # what is wrong on a command line, what is said
    (["--gamma", "1.5"], "'1.5' is not a number from 0 to 1"),
    (["--lr", "0"], "'0' is not a number above 0"),
    (["--lr", "inf"], "'inf' is not a number above 0"),
    (["--workers", "-1"], "not a whole number from 0 on"),
    (["--max-iterations", "0"], "not a whole number from 1 on"),
    (["--hidden", "[64, 0]"], "a list of layers' sizes is expected"),
    (["--hidden", "[]"], "a list of layers' sizes is expected"),
    (["--hidden", "[true]"], "a list of layers' sizes is expected"),
    (["--hidden", "64, 64"], "is not JSON"),
    (["--model", "taken"], "output taken exists already"),
]


@pytest.mark.parametrize(("given", "said"), WORDS)
def test_a_command_line_that_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    usual = ["--environment", "CartPole-v1", "--lr", "0.1", "--batch-size", "8", "--activation", "tanh"]
    usual += ["--model", "m", "--checkpoint", "c", "--events", "e"]
    with pytest.raises(Refusal, match=re.escape(said)):
        words.checked(words.parser("x").parse_args([*usual, *given]))


def recorded(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars of a folder of TensorBoard events: name -> (step, value)."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    for file in folder.iterdir():
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            data = data[16 + length :]
    return found


def dense(weights: dict[str, np.ndarray], name: str, rows: np.ndarray) -> np.ndarray:
    return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def acts(model: Path, observations: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model / "model.onnx"), providers=["CPUExecutionProvider"])
    return list(session.run(None, {"observations": observations.astype(np.float32)}))


def weights_of(model: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return dict(load_file(str(model / "native/weights.safetensors")))


def card_of(model: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((model / "MLmodel").read_text(encoding="utf-8"))["metadata"]["mlp"])


@pytest.mark.slow
def test_ppo_learns_to_balance_and_tells_of_it(cartpole: Path) -> None:
    printed = (cartpole / "printed").read_text(encoding="utf-8")
    told = re.findall(r"^iteration (\d+): mean return ([\d.]+), (\d+) steps", printed, re.MULTILINE)
    assert [int(number) for number, _, _ in told] == list(range(1, len(told) + 1))
    assert float(told[0][1]) < 40 < 150 <= float(told[-1][1])
    assert re.search(r"^stopped: mean episode return .* reached 150$", printed, re.MULTILINE)

    events = recorded(cartpole / "events")
    returns = events["episode_return_mean"]
    assert [(f"{x:.1f}", str(step)) for step, x in returns] == [(x, step) for _, x, step in told]
    assert {"policy_loss", "vf_loss", "entropy", "episode_len_mean"} <= set(events)

    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{cartpole / 'mlflow.db'}")
    (run,) = client.search_runs(["0"])
    assert run.data.params["environment"] == "CartPole-v1"
    history = client.get_metric_history(run.info.run_id, "episode_return_mean")
    over_time = {metric.step: metric.value for metric in history if metric.step}
    assert list(over_time) == list(range(1, len(told) + 1))
    np.testing.assert_allclose(list(over_time.values()), [x for _, x in returns], rtol=1e-5)


@pytest.mark.slow
def test_a_policy_is_an_onnx_model_that_says_how_to_act(cartpole: Path) -> None:
    model = cartpole / "model"
    card = card_of(model)
    assert (card["task"], card["framework"], card["component"]) == ("policy", "rllib", "rllib.ppo")
    assert card["policy"]["observation"] == {"shape": [4], "dtype": "float32"}
    assert card["policy"]["action"] == {"kind": "discrete", "choices": 2, "start": 0, "scores": "logits"}
    observations = np.random.default_rng(1).normal(size=(7, 4))
    weights = weights_of(model)
    hidden = observations
    for layer in (0, 2):
        hidden = np.tanh(dense(weights, f"encoder.actor_encoder.net.mlp.{layer}", hidden))
    logits = dense(weights, "pi.net.mlp.0", hidden)
    action, scores = acts(model, observations)
    np.testing.assert_allclose(scores, logits, rtol=1e-4, atol=1e-5)
    assert action.tolist() == logits.argmax(axis=1).tolist()
    assert b"/components/" not in (model / "model.onnx").read_bytes()  # nor any other path of where it was trained
    suffixes = {file.suffix for file in cartpole.rglob("*") if file.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}


@pytest.mark.slow
def test_a_training_goes_on_from_a_checkpoint(cartpole: Path, train: Train, tmp_path: Path) -> None:
    latest = state.load(cartpole / "checkpoint")
    kept = sorted(int(folder.name) for folder in (cartpole / "checkpoint").iterdir())
    assert kept == sorted({*range(2, latest.iterations + 1, 2), latest.iterations})
    more = ("--max-iterations", latest.iterations + 1, "--lr", "1e-12")  # learns on, so slowly that nothing changes
    printed = succeeded(train("ppo", "CartPole-v1", "--resume", cartpole / "checkpoint", *more))
    found = re.match(rf"iteration {latest.iterations + 1}: mean return [\d.]+, (\d+) steps", printed)
    assert found is not None, printed
    assert latest.steps < int(found[1]) < latest.steps + 1100
    now = state.load(tmp_path / "checkpoint")
    assert now.iterations == latest.iterations + 1
    learned, before = (kept.state["learner_group"]["learner"] for kept in (now, latest))
    for name, weights in before["rl_module"]["default_policy"].items():
        np.testing.assert_allclose(learned["rl_module"]["default_policy"][name], weights, atol=1e-6)
    updates = [
        part["optimizer"]["default_policy_default_optimizer"]["state"]["state"][0]["step"] for part in (before, learned)
    ]
    assert 0 < updates[0] < updates[1]  # Adam goes on, too


@pytest.mark.slow
def test_dqn_learns_the_way_through_an_environment_of_the_users_own(train: Train, walks: Path, tmp_path: Path) -> None:
    more = ("--iteration-steps", 300, "--learning-starts", 100, "--target-update", 50, "--epsilon-steps", 600)
    more += ("--envs-per-worker", 1, "--max-steps", 1200, "--hidden", "[16]", "--environment-config", '{"cells": 5}')
    printed = succeeded(train("dqn", "walks:Corridor", "--module", walks, *more))
    assert re.search(r"^stopped: 12\d\d steps of 1200$", printed, re.MULTILINE)
    assert {"qf_loss", "qf_mean"} <= set(recorded(tmp_path / "events"))
    model, cells = tmp_path / "model", np.eye(5)
    assert card_of(model)["policy"]["action"] == {"kind": "discrete", "choices": 2, "start": 1, "scores": "q_values"}
    weights = weights_of(model)
    hidden = np.maximum(dense(weights, "encoder.net.mlp.0", cells), 0)
    advantage = dense(weights, "af.net.mlp.0", hidden)
    value = dense(weights, "vf.net.mlp.0", hidden)
    action, scores = acts(model, cells)
    np.testing.assert_allclose(scores, value + advantage - advantage.mean(axis=1, keepdims=True), rtol=1e-4, atol=1e-5)
    assert action[:4].tolist() == [2, 2, 2, 2]  # to the right
    assert any(name.startswith("_target_") for name in weights)  # to go on with


@pytest.mark.slow
def test_ppo_acts_with_numbers_within_their_bounds_and_with_workers(train: Train, walks: Path, tmp_path: Path) -> None:
    more = ("--workers", 2, "--envs-per-worker", 2, "--max-iterations", 2, "--hidden", "[8]", "--activation", "relu")
    succeeded(train("ppo", "walks:Echo", "--module", walks, *more))
    model = tmp_path / "model"
    space = card_of(model)["policy"]["action"]
    assert space == {"kind": "box", "shape": [2], "low": [-2.0, 0.0], "high": [2.0, 1.0]}
    observations = np.random.default_rng(2).normal(size=(50, 2)) * 20  # far out, where bounds are met
    weights = weights_of(model)
    hidden = np.maximum(dense(weights, "encoder.actor_encoder.net.mlp.0", observations), 0)
    mean = dense(weights, "pi.net.mlp.0", hidden)[:, :2]
    low, high = np.array(space["low"]), np.array(space["high"])
    expected = np.clip(low + (mean + 1) * (high - low) / 2, low, high)
    (action,) = acts(model, observations)
    np.testing.assert_allclose(action, expected, rtol=1e-4, atol=1e-4)
    assert (action == low).any() or (action == high).any()


@pytest.mark.slow
def test_the_same_seed_learns_the_same(cartpole: Path, train: Train, tmp_path: Path) -> None:
    first, again = (
        re.findall(r"mean return ([\d.]+), (\d+) steps", text)
        for text in (
            (cartpole / "printed").read_text(encoding="utf-8"),
            succeeded(train("ppo", "CartPole-v1", "--max-iterations", 2)),
        )
    )
    assert again == first[:2]


REFUSALS = [  # component, environment, what else, what is said
    ("ppo", "NoSuch-v9", [], "environment 'NoSuch-v9' cannot be made"),
    ("ppo", "walks:Corridor", [], "is its folder given as `module`?"),
    (
        "ppo",
        "walks:Corridor",
        ["--module", "user", "--environment-config", '{"rooms": 3}'],
        "cannot be made: TypeError",
    ),
    ("ppo", "walks:Corridor", ["--module", "nowhere"], "module nowhere is not a folder"),
    ("ppo", "CartPole-v1", ["--environment-config", "[1]"], "environment_config is no map"),
    ("ppo", "CartPole-v1", ["--minibatch-size", "2048"], "minibatch_size = 2048 is larger than batch_size = 1024"),
    ("dqn", "Pendulum-v1", [], "DQN takes discrete ones alone; use rllib.ppo"),
    ("dqn", "CartPole-v1", ["--buffer-size", "8"], "batch_size = 32 is larger than buffer_size = 8"),
]
DRIVER = """
import importlib.util, json, sys
from common.entry import Refusal
for name, arguments in json.loads(sys.stdin.read()):
    spec = importlib.util.spec_from_file_location(name, f"{sys.argv[1]}/train/rllib/{name}/train.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    try:
        script.main(script.parser().parse_args(arguments))
    except Refusal as refusal:
        print(refusal, flush=True)
    else:
        print("not refused", flush=True)
assert "ray" not in sys.modules
"""


@pytest.mark.slow
def test_what_cannot_be_learned_is_refused_before_ray_is_started(walks: Path, tmp_path: Path) -> None:
    outputs = ["--model", "m", "--checkpoint", "c", "--events", "e"]
    usual = {
        "ppo": ["--lr", "0.1", "--batch-size", "1024", "--activation", "tanh", *outputs],
        "dqn": ["--lr", "0.1", "--batch-size", "32", "--activation", "tanh", *outputs],
    }
    cases = [[name, ["--environment", where, *usual[name], *more]] for name, where, more, _ in REFUSALS]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(COMPONENTS)],
        input=json.dumps(cases),
        cwd=tmp_path,
        env={**os.environ, **PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    said = succeeded(done).splitlines()
    assert len(said) == len(REFUSALS), said
    for line, (_, _, _, expected) in zip(said, REFUSALS, strict=True):
        assert expected in line
    assert {path.name for path in tmp_path.iterdir()} == {"user"}


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_refused(cartpole: Path, train: Train, tmp_path: Path) -> None:
    said = refused(train("ppo", "CartPole-v1", "--resume", cartpole / "checkpoint", "--hidden", "[8]"))
    assert said == "the checkpoint to resume has hidden = [64, 64], this training has [8]"
    assert list(tmp_path.iterdir()) == []


def left(tag: str) -> list[str]:
    """Processes whose environment has the tag."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if tag.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " ")[:200])
        except OSError:
            continue
    return found


def gone(tag: str) -> bool:
    for _ in range(600):  # what of Ray looks now and then whether its parent lives takes some seconds after a kill
        if not left(tag):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("workers", [0, 1])
def test_an_environment_that_fails_ends_the_step_and_all_of_ray(
    train: Train, walks: Path, tmp_path: Path, workers: int
) -> None:
    tag = f"{tmp_path}-{workers}"
    config = ("--environment-config", '{"broken_after": 2}', "--workers", workers)
    said = refused(train("ppo", "walks:Corridor", "--module", walks, *config, TAG_OF_TEST=tag, TMPDIR=str(tmp_path)))
    assert "the floor gave way" in said
    assert gone(tag), left(tag)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_step_that_is_stopped_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    given = "--environment CartPole-v1 --lr 1e-3 --batch-size 256 --activation tanh --checkpoint-every 1"
    outputs = "--model model --checkpoint checkpoint --events events"
    tag = f"{tmp_path}-{how.name}"
    short = tempfile.mkdtemp(prefix="t", dir="/tmp")  # as short as a folder of Ray's must be
    process = subprocess.Popen(
        [sys.executable, str(COMPONENTS / "train/rllib/ppo/train.py"), *f"{given} {outputs}".split()],
        cwd=tmp_path,
        env={**os.environ, **PATH, "TAG_OF_TEST": tag, "TMPDIR": short},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("iteration 2"):
            break
    process.send_signal(how)
    process.stdout.close()
    assert process.wait() != 0
    assert gone(tag), left(tag)
    if how is signal.SIGTERM:
        assert list(Path(short).glob("mlp-ray-*")) == []
    shutil.rmtree(short, ignore_errors=True)
    assert not (tmp_path / "model").exists()
    assert state.load(tmp_path / "checkpoint").iterations >= 1  # what a later training goes on from
