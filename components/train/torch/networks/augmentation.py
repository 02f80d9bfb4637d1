"""From a batch of images to the same images shifted, turned, mirrored or with noise; drawn by a generator alone."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its customary name


class Augmentation(NamedTuple):
    """`shift` as a share of the size, `rotate` in degrees, `noise` a deviation of pixels of 0 to 255."""

    shift: float
    rotate: float
    flip: bool
    noise: float


def change(asked: Augmentation) -> Callable[[torch.Tensor, torch.Generator], torch.Tensor] | None:
    """What does it to a batch (images × height × width × channels); None if nothing is asked."""
    if not any(asked):
        return None

    def changed(images: torch.Tensor, drawn: torch.Generator) -> torch.Tensor:
        if asked.shift or asked.rotate or asked.flip:
            images = _moved(images, asked, drawn)
        if asked.noise:
            noise = torch.randn(images.shape, generator=drawn).to(images.device) * asked.noise
            images = (images + noise).clamp(0, 255)
        return images

    return changed


def _moved(images: torch.Tensor, asked: Augmentation, drawn: torch.Generator) -> torch.Tensor:
    """One affine map an image. What comes in from outside is the border's own pixels."""
    many, height, width, _ = images.shape
    angle = (torch.rand(many, generator=drawn) * 2 - 1) * math.radians(asked.rotate)
    shift = (torch.rand(many, 2, generator=drawn) * 2 - 1) * 2 * asked.shift
    mirror = torch.where(torch.rand(many, generator=drawn) < 0.5, -1.0, 1.0) if asked.flip else torch.ones(many)
    cosine, sine, ratio = torch.cos(angle), torch.sin(angle), height / width
    first = torch.stack([mirror * cosine, -mirror * sine * ratio, shift[:, 0]], dim=1)
    second = torch.stack([sine / ratio, cosine, shift[:, 1]], dim=1)
    maps = torch.stack([first, second], dim=1).to(images.device)
    channels_first = images.permute(0, 3, 1, 2)
    grid = F.affine_grid(maps, list(channels_first.shape), align_corners=False)
    return F.grid_sample(channels_first, grid, padding_mode="border", align_corners=False).permute(0, 2, 3, 1)
