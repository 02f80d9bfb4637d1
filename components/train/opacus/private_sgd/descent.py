"""From a network, private rows and an account to the network trained on clipped, summed and noisy gradients (DP-SGD).

Abadi et al. (2016), Algorithm 1, with Opacus's gradients of each row. How many steps there are, how likely a row is in
one and what the sum is divided by are the program's constants: nothing depends on how many rows there are.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from common.entry import Refusal
from networks.architectures import Network
from networks.loop import Rows
from opacus.grad_sample import GradSampleModule
from opacus.optimizers import DPOptimizer
from opacus.validators import ModuleValidator

from private_sgd import randomness
from private_sgd.accounting import Account

SLACK = 1e-3
"""The noise is wider by this share, for what rounding adds to the norm of a clipped gradient and to their sum."""


class Settings(NamedTuple):
    """How the training goes; all of it is public."""

    batch_size: int
    physical_batch_size: int
    learning_rate: float
    optimizer: str
    momentum: float
    schedule: str
    max_grad_norm: float
    freeze: int = 0


class Noisy(DPOptimizer):
    """Opacus's optimiser with noise of the operating system's generator, added in double precision and rounded once."""

    def add_noise(self) -> None:
        deviation = self.noise_multiplier * self.max_grad_norm * (1.0 + SLACK)
        for parameter in self.params:
            noise = torch.from_numpy(randomness.normal(parameter.numel()) * deviation).view(parameter.shape)
            noisy = parameter.summed_grad.double() + noise.to(parameter.device)
            parameter.grad = noisy.to(parameter.dtype)


def train(
    network: Network,
    rows: Rows,
    account: Account,
    settings: Settings,
    device: torch.device,
    report: Callable[[int], None],
) -> None:
    """Train in place; `report` is told the number of each step that was taken, and nothing of rows."""
    wrong = ModuleValidator.validate(network, strict=False)
    if wrong:
        raise Refusal(
            f"the network has layers for which a row's own gradient is not known ({type(wrong[0]).__name__}); "
            "a backbone must be trained with norm = group"
        )
    network.to(device).freeze(settings.freeze)
    network.train()
    learning = [x for x in network.parameters() if x.requires_grad]
    module = GradSampleModule(network, loss_reduction="sum")
    kinds: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(learning, lr=settings.learning_rate, momentum=settings.momentum),
        "adam": lambda: torch.optim.Adam(learning, lr=settings.learning_rate),
    }
    optimizer = Noisy(
        kinds[settings.optimizer](),
        noise_multiplier=account.noise_multiplier,
        max_grad_norm=settings.max_grad_norm,
        expected_batch_size=settings.batch_size,
    )
    # the inputs need no gradient, the hooks' business is with the weights
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    for step in range(account.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _factor(settings.schedule, step, account.steps)
        chosen = np.flatnonzero(randomness.uniform(len(rows.targets)) < account.sample_rate)
        _step(module, optimizer, rows, chosen, settings.physical_batch_size, device)
        report(step + 1)
    module.to_standard_module()
    network.eval()


def _step(module: Any, optimizer: Noisy, rows: Rows, chosen: np.ndarray, size: int, device: torch.device) -> None:
    """One noisy step on the rows that were drawn, as many at a time as memory holds; also if none was drawn."""
    optimizer.zero_grad(set_to_none=True)
    parts = [chosen[start : start + size] for start in range(0, len(chosen), size)]
    for place, part in enumerate(parts):
        optimizer.signal_skip_step(place < len(parts) - 1)
        inputs, targets = rows.batch(part, device)
        F.cross_entropy(module(inputs), targets, reduction="sum").backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    if not parts:
        for parameter in optimizer.params:
            parameter.grad_sample = torch.zeros((0, *parameter.shape), device=device)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _factor(schedule: str, step: int, steps: int) -> float:
    return 1.0 if schedule == "constant" else 0.5 * (1.0 + math.cos(math.pi * step / steps))
