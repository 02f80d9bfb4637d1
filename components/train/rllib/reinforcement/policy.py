"""From RLlib's module to a model that needs onnxruntime alone: observations in, the greedy action and scores out."""

import copy
import io
import json
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from common import models
from common.entry import Refusal
from common.environments import Actions

OPSET = 18
OBSERVATIONS = "observations"
SCORES = {"PPO": "logits", "DQN": "q_values"}
ACTING = {
    "discrete": "The output `action` is the number of the action with the best score, as the environment counts them.",
    "box": "The output `action` is the mean of the policy's Gaussian, in the environment's units, within bounds.",
}
TOLERANCE = 1e-4
"""How far apart the network and its export may be, relative to the size of what they give."""


class Face(torch.nn.Module):
    """What of a module is exported: the way from observations to the action that the policy thinks best."""

    def __init__(self, module: Any, algorithm: str, actions: Actions) -> None:
        super().__init__()
        self.module = module
        self.algorithm = algorithm
        self.actions = actions
        low, high = (np.array(side, dtype=np.float32) for side in (actions.low, actions.high))
        self.bounded = bool(low.size and np.isfinite(low).all() and np.isfinite(high).all())
        self.register_buffer("low", torch.from_numpy(low))
        self.register_buffer("high", torch.from_numpy(high))

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch = {"obs": observations}
        if self.algorithm == "DQN":
            scores = self.module.compute_q_values(batch)["qf_preds"]
        else:
            scores = self.module.forward_inference(batch)["action_dist_inputs"]
        if self.actions.kind == "discrete":
            return torch.argmax(scores, dim=1) + self.actions.start, scores
        action = scores[:, : self.actions.size]  # behind it lies the logarithm of the Gaussian's width
        if self.bounded:  # RLlib lets policies act between -1 and 1, and stretches that to the bounds
            action = self.low + (action + 1.0) * (self.high - self.low) / 2.0
            action = torch.minimum(torch.maximum(action, self.low), self.high)
        return (action.reshape(-1, *self.actions.shape),)


class Trained(NamedTuple):
    """What is saved of a training: RLlib's module for acting, all of its weights, and what they were trained for."""

    algorithm: str
    module: Any
    weights: Mapping[str, np.ndarray]
    actions: Actions
    observation: tuple[int, ...]
    about: dict[str, Any]


def save(trained: Trained, path: Path) -> None:
    """Save the MLflow model. Raises Refusal for a network that does not give in ONNX what it gives in PyTorch."""
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    actions = trained.actions
    discrete = actions.kind == "discrete"
    example = np.zeros((1, *trained.observation), dtype=np.float32)
    outputs = [TensorSpec(np.dtype(np.int64 if discrete else np.float32), (-1, *actions.shape), "action")]
    if discrete:
        outputs.append(TensorSpec(np.dtype(np.float32), (-1, actions.choices), SCORES[trained.algorithm]))
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype(np.float32), (-1, *trained.observation), OBSERVATIONS)]), Schema(outputs)
    )
    models.save_onnx(
        exported(trained), path, card(trained), signature, example, lambda folder: _native(folder, trained)
    )


def card(trained: Trained) -> models.Card:
    """The model's card; its `policy` says what an observation is and how to act on what comes out."""
    actions = trained.actions
    space: dict[str, Any] = {"kind": actions.kind}
    if actions.kind == "discrete":
        space |= {"choices": actions.choices, "start": actions.start, "scores": SCORES[trained.algorithm]}
    else:
        space |= {"shape": list(actions.shape), "low": _plain(actions.low), "high": _plain(actions.high)}
    policy = {
        "algorithm": trained.algorithm,
        "environment": trained.about["environment"],
        "observation": {"shape": list(trained.observation), "dtype": "float32"},
        "action": space,
        "acting": ACTING[actions.kind],
    }
    component = f"rllib.{trained.algorithm.lower()}"
    return models.Card("policy", None, (), component, framework="rllib", policy=policy)


def exported(trained: Trained) -> onnx.ModelProto:
    """The policy as a checked ONNX model for any number of observations."""
    face = Face(copy.deepcopy(trained.module).cpu(), trained.algorithm, trained.actions).eval()
    seen = torch.from_numpy(np.random.default_rng(0).normal(size=(3, *trained.observation)).astype(np.float32))
    names = ["action", SCORES[trained.algorithm]] if trained.actions.kind == "discrete" else ["action"]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # the exporter tells how far it is
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            face,
            (seen,),
            input_names=[OBSERVATIONS],
            output_names=names,
            dynamic_shapes={"observations": {0: torch.export.Dim("batch")}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        model = program.model_proto
    _stripped(model)
    onnx.checker.check_model(model, full_check=True)
    _compare(model, face, seen)
    return model


def _stripped(model: onnx.ModelProto) -> None:
    """Without the exporter's notes, which name files of the machine that trained."""
    model.doc_string, model.producer_name, model.producer_version = "", "mlp", ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer, *model.graph.input):
        del part.metadata_props[:]
        part.doc_string = ""
    for port in model.graph.output:
        del port.metadata_props[:]
        port.doc_string = ""


def _compare(model: onnx.ModelProto, face: Face, seen: torch.Tensor) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {OBSERVATIONS: seen.numpy()})[-1]
    with torch.no_grad():
        wanted = face(seen)[-1].numpy()
    if not np.allclose(found, wanted, rtol=TOLERANCE, atol=TOLERANCE):
        off = float(np.max(np.abs(found - wanted)))
        raise Refusal(f"the exported policy differs from the trained one by {off:.2g}; this is a fault of the export")


def _native(folder: Path, trained: Trained) -> None:
    from safetensors.numpy import save_file

    weights = folder / "weights.safetensors"
    save_file({k: np.ascontiguousarray(v) for k, v in trained.weights.items()}, str(weights))
    weights.chmod(0o644)
    text = json.dumps({"class": type(trained.module).__name__, **trained.about}, indent=2)
    (folder / "module.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _plain(bounds: tuple[float, ...]) -> list[float | None]:
    """Bounds as JSON has them: none for infinity."""
    return [x if np.isfinite(x) else None for x in bounds]
