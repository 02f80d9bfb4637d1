"""From a folder of images to bytes that a network trains on; they lie in a file, which may be larger than memory."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import images
from common.entry import Refusal
from common.images import Image, Shape

from networks.loop import Rows

BATCH = 1024


def read(folder: Path, listed: Sequence[Image], shape: Shape, classes: Sequence[Any]) -> Rows:
    """Every image and its class's place. Raises Refusal for an image of none of the classes."""
    known = {name: place for place, name in enumerate(classes)}
    strange = next((image.label for image in listed if image.label not in known), None)
    if strange is not None:
        raise Refusal(f"{folder.name} has a class {strange!r}, which the training images do not have")
    with tempfile.TemporaryFile(prefix="mlp-images-") as file:
        for batch in images.batches(folder, listed, shape, BATCH):
            file.write(batch.tobytes())
        file.flush()
        pixels = np.memmap(file, dtype=np.uint8, mode="r").reshape(len(listed), *shape)
    return Rows(pixels, np.array([known[image.label] for image in listed], dtype=np.int64))


def shape_of(
    folder: Path, listed: Sequence[Image], backbone: Shape | None, height: int | None, width: int | None,
    channels: int | None,
) -> Shape:  # fmt: skip
    """The shape to scale to: what is asked for, else the backbone's, else the first image's."""
    usual = backbone or images.shape_of(folder, listed)
    shape = Shape(height or usual.height, width or usual.width, channels or usual.channels)
    if shape.channels not in (1, 3):
        raise Refusal(f"channels must be 1 (grey) or 3 (colour), found {shape.channels}")
    if backbone is not None and shape.channels != backbone.channels:
        raise Refusal(f"the backbone takes {backbone.channels} channels, not {shape.channels}; leave `channels` out")
    return shape
