"""From a trained network to a saved MLflow model that onnxruntime runs, with our own files beside it, and back.

`native/` holds network.json (its description), weights.safetensors, and encoder.skops for tables. Nothing is written
before ONNX and PyTorch gave the same on made-up rows.
"""

import json
import logging
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from common import models, onnx_graph
from common.entry import Refusal
from common.facts import Facts
from common.images import Shape
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sklearn.pipeline import Pipeline
from torch import nn

from networks.architectures import Network, build

DESCRIPTION, WEIGHTS, ENCODER = "network.json", "weights.safetensors", "encoder.skops"
PROBES = 64
TOLERANCE = 1e-4
"""How far ONNX may be from PyTorch, in probability or in deviations of the label."""


class Values(nn.Module):
    """What a network says in the label's own units."""

    def __init__(self, network: nn.Module, middle: float, deviation: float) -> None:
        super().__init__()
        self.network, self.middle, self.deviation = network, middle, deviation

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = self.network(inputs) * self.deviation + self.middle
        return values


class Scale(NamedTuple):
    """How the label of a regression was scaled."""

    middle: float
    deviation: float


def table(
    network: Network, path: Path, card: models.Card, frame: pd.DataFrame, facts: Facts | None, encode: Pipeline,
    scale: Scale | None = None,
) -> None:  # fmt: skip
    """Save a network of encoded rows as a model of the table's columns. `frame` lends names and dtypes, never values.

    Raises Refusal where ONNX and PyTorch disagree.
    """
    face = Values(network, *scale) if scale is not None else nn.Sequential(network, nn.Softmax(dim=1))
    model = onnx_graph.network(
        exported(face, torch.zeros(2, network.description["inputs"]), "rows"), card.classes, encode, card.component[:40]
    )
    probes = models.example_rows(frame, facts, PROBES)
    encoded = torch.from_numpy(np.asarray(encode.transform(probes), dtype=np.float32))
    agree(model, face, probes, encoded, scale.deviation if scale is not None else 1.0)

    def native(folder: Path) -> None:
        import skops.io

        _native(network, folder, {} if scale is None else {"scale": list(scale)})
        skops.io.dump(encode, folder / ENCODER)

    models.save_onnx(
        model, path, card, models.signature_of(frame, facts, card), models.example_rows(frame, facts), native
    )


def images(network: Network, path: Path, card: models.Card) -> None:
    """Save a network of images as a model with one input `images`. Raises Refusal where ONNX and PyTorch disagree."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    assert card.image is not None
    face = nn.Sequential(network, nn.Softmax(dim=1))
    model = onnx_graph.network(exported(face, torch.zeros(2, *card.image), "images"), card.classes, None, "images")
    probes = np.random.default_rng(0).integers(0, 256, (PROBES, *card.image)).astype(np.float32)
    agree(model, face, probes, torch.from_numpy(probes), 1.0)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype(np.float32), (-1, *card.image), "images")]), Schema([ColSpec(DataType.string)])
    )
    example = {"images": np.zeros((1, *card.image), dtype=np.float32)}
    models.save_onnx(model, path, card, signature, example, lambda folder: _native(network, folder, {}))


def exported(face: nn.Module, example: torch.Tensor, name: str) -> Any:
    """The network as ONNX, any number of rows."""
    face.eval().cpu()
    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    rows = torch.export.Dim("rows", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            face,
            (example,),
            dynamo=True,
            opset_version=onnx_graph.OPSET[""],
            input_names=[name],
            dynamic_shapes=({0: rows},),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def agree(model: Any, face: nn.Module, probes: Any, inputs: torch.Tensor, unit: float) -> None:
    """Raise Refusal unless the ONNX model says of made-up rows what the network says."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, models.onnx_inputs(session, probes))[-1], dtype=np.float64)
    with torch.no_grad():
        expected = face(inputs).double().numpy().reshape(found.shape)
    apart = float(np.abs(found - expected).max()) / unit
    if not apart <= TOLERANCE:
        raise Refusal(f"the model in ONNX differs from PyTorch's by {apart:.3g} on made-up rows; nothing was written")


def _native(network: Network, folder: Path, more: dict[str, Any]) -> None:
    document = {"format": 1, "network": network.description, **more}
    (folder / DESCRIPTION).write_text(json.dumps(document, indent=2), encoding="utf-8")
    save_file({name: x.cpu().clone().contiguous() for name, x in network.state_dict().items()}, folder / WEIGHTS)


def backbone(path: Path) -> tuple[Network, Shape]:
    """The network of a saved model of images and what it takes. Raises Refusal for a model of no images."""
    network, card = load(path)
    if card.image is None:
        raise Refusal(f"the backbone {path} is a model of tables; give one of torch.image_classifier")
    return network, Shape(*card.image)


def load(path: Path) -> tuple[Network, models.Card]:
    """The network of a saved model and its card. Raises Refusal for another framework's model."""
    folder, card = models.native_of(path, "torch")
    try:
        document = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        network = build(document["network"])
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise Refusal(f"model {path} holds no network of this library: {type(error).__name__}") from None
    return network.eval(), card
