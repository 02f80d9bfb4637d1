"""From a folder of images to bytes that a network trains on; they lie in a file, which may be larger than memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import images
from common.images import Image, Shape

from networks.loop import Rows


def read(folder: Path, listed: Sequence[Image], shape: Shape, classes: Sequence[Any]) -> Rows:
    """Every image and its class's place. Raises Refusal for an image of none of the classes."""
    targets = images.targets_of(folder, listed, classes)
    return Rows(images.laid_down(folder, listed, shape), targets)
