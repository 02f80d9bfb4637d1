"""rllib.rollout: what it measures by playing, what it writes, what it refuses; the programs that train and play."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from component_steps import ROOT, Step, compiled, document, mlp, module, put, refused, succeeded
from mlp_lang.compiler import check_file
from mlp_lang.dsl.diagnostics import Severity

PLAY = "evaluate/rllib/rollout/rollout.py"
OUTPUTS = ("--metrics", "metrics.json", "--report", "report")


def right(folder: Path, cells: int, action: int = 2) -> Path:
    """A policy of a corridor that always goes one way, made by hand."""
    import onnx
    from common import models
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from onnx import TensorProto, helper

    preferred = [1.0 if number + 1 == action else 0.0 for number in range(2)]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["observations", "weights"], ["flat"]),
            helper.make_node("Add", ["flat", "preferred"], ["q_values"]),
            helper.make_node("ArgMax", ["q_values"], ["place"], axis=1, keepdims=0),
            helper.make_node("Add", ["place", "start"], ["action"]),
        ],
        "policy",
        [helper.make_tensor_value_info("observations", TensorProto.FLOAT, [None, cells])],
        [
            helper.make_tensor_value_info("action", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("q_values", TensorProto.FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [cells, 2], [0.0] * (2 * cells)),
            helper.make_tensor("preferred", TensorProto.FLOAT, [2], preferred),
            helper.make_tensor("start", TensorProto.INT64, [1], [1]),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(made)
    policy = {
        "algorithm": "DQN",
        "environment": "walks:Corridor",
        "observation": {"shape": [cells], "dtype": "float32"},
        "action": {"kind": "discrete", "choices": 2, "start": 1, "scores": "q_values"},
    }
    card = models.Card("policy", None, (), "rllib.dqn", framework="rllib", policy=policy)
    seen = TensorSpec(np.dtype(np.float32), (-1, cells), "observations")
    chosen = TensorSpec(np.dtype(np.int64), (-1,), "action")
    signature = ModelSignature(Schema([seen]), Schema([chosen]))
    models.save_onnx(made, folder, card, signature, np.zeros((1, cells), dtype=np.float32))
    return folder


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return right(tmp_path_factory.mktemp("straight") / "model", 4)


def of(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_its_metrics_are_those_that_gates_may_name() -> None:
    pytest.importorskip("gymnasium")
    judge = module(PLAY, "rllib_rollout")
    assert document("evaluate/rllib/rollout")["mlp"]["metrics"] == list(judge.METRICS)
    episodes = [judge.Episode(total, length, []) for total, length in ((1.0, 10), (2.0, 20), (6.0, 30))]
    assert judge.judged(episodes, 2.0) == {
        "mean_return": 3.0,
        "std_return": pytest.approx(7**0.5),
        "min_return": 1.0,
        "max_return": 6.0,
        "median_return": 2.0,
        "mean_length": 20.0,
        "success_rate": pytest.approx(2 / 3),
        "episodes": 3.0,
    }
    assert judge.judged(episodes[:1], None)["std_return"] == 0.0
    assert np.isnan(judge.judged(episodes, None)["success_rate"])


@pytest.mark.slow
def test_a_policy_is_judged_by_what_its_episodes_come_to(
    step: Step, straight: Path, walks: Path, tmp_path: Path
) -> None:
    gates = [
        {
            "hard": False,
            "text": "min_return >= 0",
            "span": "a.mlp:1:1",
            "condition": [">=", ["metric", "min_return"], ["value", 0]],
        },
        {
            "hard": True,
            "text": "success_rate >= 1",
            "span": "a.mlp:2:1",
            "condition": [">=", ["metric", "success_rate"], ["value", 1]],
        },
    ]
    more = ("--episodes", 3, "--success-return", -3, "--record", "true", "--gates", json.dumps(gates), *OUTPUTS)
    printed = succeeded(step(PLAY, "--model", straight, "--environment", "walks:Corridor", "--module", walks, *more))
    assert "failed: expect min_return >= 0 (min_return = -3, bound 0)" in printed
    assert "passed: require success_rate >= 1" in printed
    found = of(tmp_path / "metrics.json")["metrics"]
    assert (found["mean_return"], found["std_return"], found["mean_length"], found["success_rate"]) == (-3, 0, 3, 1)
    with (tmp_path / "report/episodes.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["seed"], row["return"], row["length"]) for row in rows] == [
        (str(seed), "-3.0", "3") for seed in (1000, 1001, 1002)
    ]
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    for name in ("returns.png", "episodes.png", "episode.gif"):
        assert name in page
        assert (tmp_path / "report" / name).is_file()

    from PIL import Image

    with Image.open(tmp_path / "report/episode.gif") as picture:
        assert (picture.n_frames, picture.size) == (3, (32, 8))  # type: ignore[attr-defined]


@pytest.mark.slow
def test_what_a_policy_cannot_play_is_refused(step: Step, straight: Path, walks: Path, tmp_path: Path) -> None:
    own = ("--environment", "walks:Corridor", "--module", walks)
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--environment", "CartPole-v1"), "the policy's actions are"),  # four numbers are seen there, too
        ((*own, "--environment-config", '{"cells": 6}'), "takes observations of shape (4,)"),
        ((*own, "--environment-config", '{"broken_after": 1}'), "RuntimeError: the floor gave way"),
        ((*own, "--episodes", 0), "episodes must be 1 or more"),
    ]
    for given, expected in cases:
        assert expected in refused(step(PLAY, "--model", straight, *given, *OUTPUTS))
    assert {path.name for path in tmp_path.iterdir()} <= {"user", ".mpl"}


@pytest.mark.slow
def test_a_requirement_that_does_not_hold_fails_the_step_after_its_report(
    step: Step, walks: Path, tmp_path: Path
) -> None:
    left = right(tmp_path / "left", 4, action=1)  # never arrives: 20 steps, broken off after 7
    condition = [">=", ["metric", "mean_return"], ["value", -5]]
    gates = put(
        tmp_path / "gates.json", [{"hard": True, "text": "mean_return >= -5", "span": "a:1:1", "condition": condition}]
    )
    own = ("--environment", "walks:Corridor", "--module", walks, "--episodes", 2, "--max-episode-steps", 7)
    said = refused(step(PLAY, "--model", left, *own, "--gates", gates, *OUTPUTS))
    assert said == "require failed: mean_return >= -5 (mean_return = -7, bound -5) at a:1:1"
    assert of(tmp_path / "metrics.json")["gates"][0]["passed"] is False
    assert (tmp_path / "report/index.html").is_file()


@pytest.mark.slow
def test_what_ppo_learned_plays_well(step: Step, cartpole: Path, tmp_path: Path) -> None:
    more = ("--environment", "CartPole-v1", "--episodes", 10, *OUTPUTS)
    succeeded(step(PLAY, "--model", cartpole / "model", *more))
    assert of(tmp_path / "metrics.json")["metrics"]["mean_return"] >= 150


PROGRAM = """\
compute cpu = cluster("cpu")

pipeline walk {
  compute = cpu

  data code: folder = "user"

  data before: folder = "checkpoint"

  %s using rllib.%s {
    environment = "walks:Corridor"
    module = code
    environment_config = { cells: 5 }
%s  }

  evaluate play using rllib.rollout {
    model = policy
    environment = "walks:Corridor"
    module = code
    environment_config = { cells: 5 }
    success_return = -4.0
    require success_rate >= 0.9 and mean_length < 10
    expect std_return < 1
  }

  output model = policy
}
"""
SEARCH = """
    lr = log_uniform(1e-4, 1e-2)
    max_iterations = 2

    search {
      goal = maximize("episode_return_mean")
      algorithm = random(seed = 1)
      trials = 2
      concurrency = 1
    }
"""
SAID = [  # verb and name, component, settings, errors
    ("train policy", "ppo", "    hidden = [32, 32]\n    resume = before\n    workers = 2\n", []),
    ("train policy", "dqn", "    double = false\n    stop_reward = -4.5\n    max_steps = 4000\n", []),
    ("tune policy", "ppo", SEARCH, []),
    ("train policy", "ppo", "    lr = 0.0\n", ["MLP0205"]),
    ("train policy", "ppo", "    hidden = [64, 0]\n", ["MLP0205"]),
    ("train policy", "ppo", "    gamma = 1.5\n", ["MLP0205"]),
    ("train policy", "dqn", "    clip_param = 0.2\n", ["MLP0203"]),
]


def program(folder: Path, head: str, component: str, settings: str) -> Path:
    for name in ("user", "checkpoint"):
        (folder / name).mkdir(exist_ok=True)
    path = folder / "walk.mlp"
    path.write_text(PROGRAM % (head, component, settings), encoding="utf-8")
    return path


@pytest.mark.parametrize(("head", "component", "settings", "errors"), SAID)
def test_what_the_compiler_says_of_programs(
    tmp_path: Path, head: str, component: str, settings: str, errors: list[str]
) -> None:
    path = program(tmp_path, head, component, settings)
    found = [(d.code, d.message) for d in check_file(path) if d.severity is Severity.ERROR]
    assert [code for code, _ in found] == errors, found


@pytest.mark.slow
@pytest.mark.parametrize(("head", "component", "settings", "errors"), [case for case in SAID if not case[3]])
def test_programs_compile_and_azure_ai_ml_loads_them(
    tmp_path: Path, head: str, component: str, settings: str, errors: list[str]
) -> None:
    compiled(program(tmp_path, head, component, settings))


@pytest.mark.slow
def test_the_program_that_balances_a_pole_runs_end_to_end(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pipelines/cartpole.mlp", tmp_path)
    done = mlp("run", "cartpole.mlp", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed: play require mean_return >= enough" in done.stdout
    (model,) = (tmp_path / "home").glob("runs/*/outputs/model")
    assert (model / "MLmodel").is_file()
