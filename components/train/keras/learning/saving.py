"""From a trained Keras network to a saved MLflow model that onnxruntime runs, Keras' own files beside it, and back.

`native/` holds network.json (its description), model.keras, and encoder.skops for tables. Nothing is written before
ONNX and Keras gave the same on made-up rows. TensorFlow converts; a network of another backend is handed to a process
of its own in which Keras runs on TensorFlow.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from common import models, onnx_graph
from common.entry import Refusal
from common.facts import Facts
from sklearn.pipeline import Pipeline

from learning import architectures

DESCRIPTION, MODEL, ENCODER = "network.json", "model.keras", "encoder.skops"
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
PROBES = 64
TOLERANCE = 1e-4
"""How far ONNX may be from Keras, in probability."""


def table(
    network: keras.Model, description: dict[str, Any], path: Path, card: models.Card, frame: Any, facts: Facts | None,
    encode: Pipeline,
) -> None:  # fmt: skip
    """Save a network of encoded rows as a model of the table's columns. `frame` lends names and dtypes, never values.

    Raises Refusal where ONNX and Keras disagree.
    """
    model = onnx_graph.network(exported(network, description), card.classes, encode, card.component[:40])
    probes = models.example_rows(frame, facts, PROBES)
    agree(model, network, probes, np.asarray(encode.transform(probes), dtype=np.float32))

    def native(folder: Path) -> None:
        import skops.io

        _native(network, description, folder)
        skops.io.dump(encode, folder / ENCODER)

    signature = models.signature_of(frame, facts, card)
    models.save_onnx(model, path, card, signature, models.example_rows(frame, facts), native)


def images(network: keras.Model, description: dict[str, Any], path: Path, card: models.Card) -> None:
    """Save a network of images as a model with one input `images`. Raises Refusal where ONNX and Keras disagree."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    assert card.image is not None
    network = plain(network, description)
    model = onnx_graph.network(exported(network, description), card.classes, None, "images")
    probes = np.random.default_rng(0).integers(0, 256, (PROBES, *card.image)).astype(np.float32)
    agree(model, network, probes, probes)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype(np.float32), (-1, *card.image), "images")]), Schema([ColSpec(DataType.string)])
    )
    example = {"images": np.zeros((1, *card.image), dtype=np.float32)}
    models.save_onnx(model, path, card, signature, example, lambda folder: _native(network, description, folder))


def plain(network: keras.Model, description: dict[str, Any]) -> keras.Model:
    """The same network without augmentation, in single precision."""
    keras.config.set_dtype_policy("float32")
    made = architectures.build(description)
    made.set_weights(network.get_weights())
    return made


def exported(network: keras.Model, description: dict[str, Any]) -> Any:
    """Inputs to probabilities as ONNX, any number of rows."""
    if keras.backend.backend() == "tensorflow":
        return converted(network)
    import onnx

    with tempfile.TemporaryDirectory(prefix="mlp-export-") as name:
        folder = Path(name)
        _native(network, description, folder)
        here = os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", "from learning import convert; convert.main()", str(folder)],
            env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": here},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise Refusal(f"the network cannot be converted to ONNX: {last}")
        return onnx.load(folder / "model.onnx")


def converted(network: keras.Model) -> Any:
    """The same where Keras runs on TensorFlow."""
    import logging

    import tensorflow as tf
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    wanted = network.inputs[0]
    signature = [tf.TensorSpec((None, *wanted.shape[1:]), tf.float32, name=wanted.name)]
    function = tf.function(lambda x: tf.nn.softmax(network(x, training=False)), input_signature=signature)
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=onnx_graph.OPSET[""])
    except Exception as error:  # it has no error class of its own
        raise Refusal(f"tf2onnx cannot convert this network: {type(error).__name__}: {error}") from None
    used = {node.domain for node in model.graph.node}
    keep = [entry for entry in model.opset_import if entry.domain == "" or entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(keep)
    return model


def agree(model: Any, network: keras.Model, probes: Any, inputs: np.ndarray) -> None:
    """Raise Refusal unless the ONNX model says of made-up rows what the network says."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, models.onnx_inputs(session, probes))[-1], dtype=np.float64)
    logits = np.asarray(network.predict_on_batch(inputs), dtype=np.float64)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    apart = float(np.abs(found - expected).max())
    if not apart <= TOLERANCE:
        raise Refusal(f"the model in ONNX differs from Keras' by {apart:.3g} on made-up rows; nothing was written")


def load(path: Path, framework: str) -> tuple[keras.Model, dict[str, Any], models.Card]:
    """The network of a saved model, its description and card. Raises Refusal for another framework's model.

    The network is built anew from its description; of model.keras only the weights are read, so none of its layers can
    bring code along.
    """
    folder, card = models.native_of(path, framework)
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))["network"]
        network = architectures.build(description)
        _weights(folder / MODEL, network)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise Refusal(f"model {path} holds no network of this library: {type(error).__name__}") from None
    return network, description, card


def _weights(file: Path, network: keras.Model) -> None:
    with zipfile.ZipFile(file) as archive:
        if set(archive.namelist()) != MEMBERS:
            raise ValueError("a .keras file of other members")
    network.load_weights(file)


def _native(network: keras.Model, description: dict[str, Any], folder: Path) -> None:
    document = {"format": 1, "network": description}
    (folder / DESCRIPTION).write_text(json.dumps(document, indent=2), encoding="utf-8")
    bare = architectures.build(description)  # neither optimiser nor what a training compiled
    bare.set_weights(network.get_weights())
    bare.save(folder / MODEL)


Save = Callable[[keras.Model], None]
