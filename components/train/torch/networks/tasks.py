"""What is learnt: the loss of each row, how much a row counts, and figures of a validation that are sums over rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name


class Task(NamedTuple):
    """`losses` and `counts` give a number a row, `figure` a sum over rows that is shown, divided by them, as `name`."""

    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    counts: Callable[[torch.Tensor], torch.Tensor]
    name: str
    figure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "squared": F.mse_loss,
    "absolute": F.l1_loss,
    "huber": F.huber_loss,
}


def classification(given: np.ndarray | None, smoothing: float) -> Task:
    """Cross-entropy, with a weight a class and label smoothing (Szegedy et al. 2016); the figure is accuracy."""
    weights = None if given is None else torch.as_tensor(given)

    def losses(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        known = None if weights is None else weights.to(outputs.device)
        return F.cross_entropy(outputs.float(), targets, known, reduction="none", label_smoothing=smoothing)

    def counts(targets: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(targets)) if weights is None else weights[targets]

    def correct(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == targets).sum()

    return Task(losses, counts, "accuracy", correct)


def regression(loss: str, unit: float) -> Task:
    """Squared, absolute or Huber loss of scaled values; the figure is the mean absolute error, in the label's units."""
    of = LOSSES[loss]

    def losses(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return of(outputs[:, 0].float(), targets, reduction="none")

    def off(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs[:, 0].float() - targets).abs().sum() * unit

    return Task(losses, lambda targets: torch.ones(len(targets)), "mae", off)
