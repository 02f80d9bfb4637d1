"""From a description in JSON to an untrained network, a chain of stages and a head, and back to how much of it learns.

`mlp` takes encoded rows; `convnet` and `resnet` take images (N × height × width × channels) of 0 to 255 and scale them
themselves. Every convolution is followed by a mean over the picture, so that a network takes images of any size.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from common import entry
from common.entry import Refusal
from torch import nn

GROUPS = 8
"""Channels are normalised in this many groups at most, where not over the batch."""
SMALLEST = 4
"""A picture narrower than this is not halved any more."""


class Network(nn.Module):
    """Stages one after the other, then the head. `prepare` is what happens to the inputs first."""

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module, description: dict[str, Any]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.description = description
        self.frozen = 0

    def prepare(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs

    def gather(self, features: torch.Tensor) -> torch.Tensor:
        return features

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.prepare(inputs)
        for stage in self.stages:
            features = stage(features)
        outputs: torch.Tensor = self.head(self.gather(features))
        return outputs

    def freeze(self, stages: int) -> None:
        """Let the first stages learn nothing, and all others learn."""
        self.frozen = stages
        for place, stage in enumerate(self.stages):
            stage.requires_grad_(place >= stages)

    def train(self, mode: bool = True) -> "Network":
        """As of every module, but what is frozen keeps its running means too."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.eval()
        return self


class Pictures(Network):
    """A network of images; `mean` and `deviation` of each channel are saved with its weights."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, stages: Sequence[nn.Module], head: nn.Module, description: dict[str, Any]) -> None:
        super().__init__(stages, head, description)
        channels = description["channels"]
        self.register_buffer("mean", torch.full((channels,), 127.5))
        self.register_buffer("deviation", torch.full((channels,), 127.5))

    def prepare(self, inputs: torch.Tensor) -> torch.Tensor:
        return ((inputs - self.mean) / self.deviation).permute(0, 3, 1, 2)

    def gather(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean(dim=(2, 3))

    def scale_by(self, pixels: np.ndarray, most: int = 10_000) -> None:
        """Take mean and deviation of each channel from training images, the first ones of many."""
        sample = np.asarray(pixels[:most], dtype=np.float64).reshape(-1, pixels.shape[-1])
        self.mean.copy_(torch.from_numpy(sample.mean(axis=0)))
        self.deviation.copy_(torch.from_numpy(np.maximum(sample.std(axis=0), 1.0)))


class Residual(nn.Module):
    """Two convolutions beside a shortcut (He, Zhang, Ren and Sun 2016)."""

    def __init__(self, inside: int, outside: int, stride: int, norm: str) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            _norm(norm, outside),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            _norm(norm, outside),
        )
        plain = stride == 1 and inside == outside
        self.shortcut: nn.Module = nn.Identity() if plain else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.path(features) + self.shortcut(features))


def _norm(name: str, channels: int) -> nn.Module:
    if name == "batch":
        return nn.BatchNorm2d(channels)
    groups = next(n for n in range(min(GROUPS, channels), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)


def _activation(description: dict[str, Any]) -> nn.Module:
    return {"relu": nn.ReLU, "tanh": nn.Tanh}[description.get("activation", "relu")]()


def _mlp(description: dict[str, Any]) -> Network:
    norms: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
    stages, width = [], description["inputs"]
    for hidden in description["hidden"]:
        parts: list[nn.Module] = [nn.Linear(width, hidden)]
        if description["norm"] in norms:
            parts.append(norms[description["norm"]](hidden))
        parts += [_activation(description), *([nn.Dropout(description["dropout"])] if description["dropout"] else [])]
        stages.append(nn.Sequential(*parts))
        width = hidden
    return Network(stages, nn.Linear(width, description["outputs"]), description)


def _convnet(description: dict[str, Any]) -> Network:
    """`depth` stages of a convolution that doubles the channels, each but the first on half the size."""
    stages, inside, size = [], description["channels"], description["size"]
    for place in range(description["depth"]):
        outside = description["width"] * 2**place
        parts: list[nn.Module] = [] if place == 0 or size < SMALLEST else [nn.MaxPool2d(2)]
        size = size // 2 if parts else size
        parts += [nn.Conv2d(inside, outside, 3, 1, 1), _norm(description["norm"], outside)]
        parts.append(_activation(description))
        stages.append(nn.Sequential(*parts))
        inside = outside
    return Pictures(stages, _head(inside, description), description)


def _resnet(description: dict[str, Any]) -> Network:
    """A convolution, then three stages of `depth` residual blocks, each with twice the channels on half the size."""
    width, norm, size = description["width"], description["norm"], description["size"]
    stem = nn.Sequential(nn.Conv2d(description["channels"], width, 3, 1, 1, bias=False), _norm(norm, width), nn.ReLU())
    stages, inside = [stem], width
    for place in range(3):
        outside = width * 2**place
        blocks = []
        for block in range(description["depth"]):
            halved = block == 0 and place > 0 and size >= SMALLEST
            size = size // 2 if halved else size
            blocks.append(Residual(inside, outside, 2 if halved else 1, norm))
            inside = outside
        stages.append(nn.Sequential(*blocks))
    return Pictures(stages, _head(inside, description), description)


def _head(inside: int, description: dict[str, Any]) -> nn.Module:
    head = nn.Linear(inside, description["outputs"])
    return nn.Sequential(nn.Dropout(description["dropout"]), head) if description["dropout"] else head


KINDS: dict[str, Callable[[dict[str, Any]], Network]] = {"mlp": _mlp, "convnet": _convnet, "resnet": _resnet}


def build(description: dict[str, Any]) -> Network:
    """The network of a description. Raises Refusal for one that is none of ours."""
    try:
        return KINDS[description["kind"]](description)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(f"the description of the network is not one of this library: {type(error).__name__}") from None


def with_head(backbone: Network, outputs: int, dropout: float) -> Network:
    """A network with the backbone's stages as they are and a new head."""
    description = {**backbone.description, "outputs": outputs, "dropout": dropout}
    network = build(description)
    kept = {name: value for name, value in backbone.state_dict().items() if not name.startswith("head.")}
    network.load_state_dict(kept, strict=False)
    return network


def frozen(word: str, network: Network) -> int:
    """How many stages `all`, `none` or a number means. Raises Refusal for more than there are."""
    stages, word = len(network.stages), entry.word(word)
    try:
        count = {"all": stages, "none": 0}[word] if word in ("all", "none") else int(word)
    except ValueError:
        raise Refusal(f"freeze must be all, none or a number of stages, found {word!r}") from None
    if not 0 <= count <= stages:
        raise Refusal(f"freeze = {count}, and the network has {stages} stages")
    return count
