"""From a description in JSON to a Keras network of logits, its normalisation and augmentation inside.

A description is all that a network is built from; weights are put into what it builds. So no file's layers or code are
ever read: loading a network cannot run anything.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
from common.entry import Refusal
from keras import layers

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALES: dict[str, dict[str, Any]] = {
    "symmetric": {"scale": 1 / 127.5, "offset": -1.0},
    "standard": {
        "scale": [1 / (255 * d) for d in IMAGENET_DEVIATION],
        "offset": [-m / d for m, d in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)],
    },
}
APPLICATIONS = {
    "ConvNeXtTiny": None,
    "DenseNet121": "standard",
    "EfficientNetB0": None,
    "EfficientNetV2B0": None,
    "MobileNet": "symmetric",
    "MobileNetV2": "symmetric",
    "MobileNetV3Small": None,
    "ResNet50V2": "symmetric",
    "Xception": "symmetric",
}
"""Networks of keras.applications, and how each wants its pixels scaled; None if it scales them itself."""


class Augmentation(NamedTuple):
    """What training alone does to images: shares of their size, degrees, mirroring, a share of enlargement."""

    shift: float = 0.0
    rotate: float = 0.0
    flip: bool = False
    zoom: float = 0.0

    def layers(self, seed: int) -> list[keras.Layer]:
        """The layers that do it; they pass images on as they are outside of training."""
        made: list[keras.Layer] = []
        if self.flip:
            made.append(layers.RandomFlip("horizontal", seed=seed))
        if self.shift:
            made.append(layers.RandomTranslation(self.shift, self.shift, fill_mode="nearest", seed=seed + 1))
        if self.rotate:
            made.append(layers.RandomRotation(self.rotate / 360, fill_mode="nearest", seed=seed + 2))
        if self.zoom:
            made.append(layers.RandomZoom(self.zoom, fill_mode="nearest", seed=seed + 3))
        return made


def build(description: Mapping[str, Any], augmentation: Augmentation | None = None, seed: int = 0) -> keras.Model:
    """A network with new weights. Raises Refusal for what Keras cannot build."""
    try:
        if description["kind"] == "mlp":
            return _perceptron(description, seed)
        return _pictures(description, augmentation or Augmentation(), seed)
    except ValueError as error:
        raise Refusal(f"Keras cannot build this network: {error}") from None


def body(network: keras.Model) -> keras.Model:
    """The part of a network of images that a backbone hands on: all but augmentation and head."""
    return network.get_layer("body")


def tune(network: keras.Model, last: int | None) -> None:
    """Let only the last so many layers of the body learn, beside the head; None for all, 0 for none."""
    inner = body(network).layers
    if last is not None and not 0 <= last <= len(inner):
        raise Refusal(f"fine_tune = {last}, and the backbone has {len(inner)} layers")
    for place, layer in enumerate(inner):
        layer.trainable = last is None or place >= len(inner) - last


def _perceptron(description: Mapping[str, Any], seed: int) -> keras.Model:
    inputs = keras.Input((description["inputs"],), name="rows")
    x = inputs
    for place, width in enumerate(description["hidden"]):
        x = layers.Dense(width, kernel_initializer=_initial(seed, place))(x)
        if description["norm"] != "none":
            x = _norm(description["norm"], width)(x)
        x = layers.Activation("relu")(x)
        if description["dropout"]:
            x = layers.Dropout(description["dropout"], seed=seed + place)(x)
    return keras.Model(inputs, _logits(description["classes"], seed)(x), name="mlp")


def _pictures(description: Mapping[str, Any], augmentation: Augmentation, seed: int) -> keras.Model:
    inputs = keras.Input(tuple(description["image"]), name="images")
    x = inputs
    for layer in augmentation.layers(seed):
        x = layer(x)
    x = (_application if description["kind"] == "application" else _convnet)(description, seed)(x)
    if description["dropout"]:
        x = layers.Dropout(description["dropout"], seed=seed + 10)(x)
    return keras.Model(inputs, _logits(description["classes"], seed)(x), name="classifier")


def _convnet(description: Mapping[str, Any], seed: int) -> keras.Model:
    inputs = keras.Input(tuple(description["image"]))
    x = layers.Rescaling(**SCALES["symmetric"])(inputs)
    size = min(description["image"][:2])
    for stage in range(description["depth"]):
        channels = description["width"] * 2**stage
        for half in range(2):
            initial = _initial(seed, 2 * stage + half)
            plain = description["norm"] == "none"
            x = layers.Conv2D(channels, 3, padding="same", use_bias=plain, kernel_initializer=initial)(x)
            if not plain:
                x = _norm(description["norm"], channels)(x)
            x = layers.Activation("relu")(x)
        if size >= 4 and stage < description["depth"] - 1:
            x, size = layers.MaxPooling2D(2)(x), size // 2
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="body")


def _application(description: Mapping[str, Any], seed: int) -> keras.Model:
    """A network of keras.applications without its head and without weights; grey becomes three equal channels."""
    name = description["application"]
    if name not in APPLICATIONS:
        raise Refusal(f"application must be one of {', '.join(APPLICATIONS)}, found {name}")
    height, width, channels = description["image"]
    inputs = keras.Input((height, width, channels))
    x = layers.Concatenate()([inputs] * 3) if channels == 1 else inputs
    if APPLICATIONS[name] is not None:
        x = layers.Rescaling(**SCALES[str(APPLICATIONS[name])])(x)
    make = getattr(keras.applications, name)
    inner = make(include_top=False, weights=None, input_shape=(height, width, 3), pooling="avg")
    inner.name = "application"
    return keras.Model(inputs, inner(x), name="body")


def application_of(network: keras.Model) -> keras.Model:
    """The network of keras.applications inside."""
    return body(network).get_layer("application")


def _norm(word: str, channels: int) -> keras.Layer:
    if word == "group":
        return layers.GroupNormalization(groups=next(n for n in (8, 4, 2, 1) if channels % n == 0))
    return layers.BatchNormalization() if word == "batch" else layers.LayerNormalization()


def _initial(seed: int, place: int) -> keras.Initializer:
    return keras.initializers.HeNormal(seed=seed * 1000 + place)


def _logits(classes: int, seed: int) -> keras.Layer:
    initial = keras.initializers.GlorotUniform(seed=seed * 1000 + 999)
    return layers.Dense(classes, kernel_initializer=initial, dtype="float32", name="head")
