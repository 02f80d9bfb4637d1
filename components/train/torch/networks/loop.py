"""From a network and rows to the network that did best on validation, and what each epoch came to.

What an epoch draws (order of the rows, dropout, augmentation) depends on the seed and the epoch's number alone, so a
training that goes on from a checkpoint comes to the same weights as one that was never interrupted. A batch is shared
out among all processes: how many there are does not change what it means.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from common.entry import Refusal
from common.training import Progress
from torch import nn

from networks import checkpoints, ranks, schedules
from networks.architectures import Network
from networks.ranks import Place
from networks.settings import PRECISIONS, Settings
from networks.tasks import Task

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
Report = Callable[[int, dict[str, float]], None]


class Rows(NamedTuple):
    """Inputs and targets, row by row; they may lie in a file and be larger than memory."""

    inputs: np.ndarray
    targets: np.ndarray

    def batch(self, places: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = torch.from_numpy(np.asarray(self.inputs[places]))
        return inputs.to(device).float(), torch.from_numpy(np.asarray(self.targets[places])).to(device)


class Plan(NamedTuple):
    """All that a training is given beside its network."""

    training: Rows
    validation: Rows | None
    task: Task
    settings: Settings
    place: Place
    report: Report
    change: Change | None = None
    checkpoint: Path | None = None
    resume: Path | None = None


def fit(network: Network, plan: Plan) -> Progress:
    """Train in place. At the end the network has the weights that did best on validation, or without one the last.

    Raises Refusal for a loss that is no number, and for a checkpoint of another network.
    """
    return _Training(network, plan).run()


class _Training:
    def __init__(self, network: Network, plan: Plan) -> None:
        self.plan, self.settings, self.network = plan, plan.settings, network.to(plan.place.device)
        network.freeze(self.settings.freeze)
        self.optimizer = _optimizer(network, self.settings)
        self.half = PRECISIONS[self.settings.precision]
        if self.half is torch.float16 and plan.place.device.type != "cuda":
            raise Refusal("precision = fp16 needs a GPU; on a processor use bf16 or float32")
        self.scaler = torch.amp.GradScaler(plan.place.device.type, enabled=self.half is torch.float16)
        self.progress = Progress()
        self.best: dict[str, torch.Tensor] = {}
        self.steps = math.ceil(len(plan.training.targets) / self.settings.batch_size)
        if plan.resume is not None:
            self._resume(plan.resume)
        self.shared: nn.Module = self._shared()

    def run(self) -> Progress:
        settings, progress = self.settings, self.progress
        while progress.epoch < settings.epochs and not self._enough():
            progress.epoch += 1
            if progress.epoch - 1 == settings.unfreeze_after:
                self.network.freeze(0)
                self.shared = self._shared()
            started = time.perf_counter()
            figures = {"train_loss": self._epoch()}
            if self.plan.validation is not None:
                loss, figure = self.measure(self.plan.validation)
                figures |= {"val_loss": loss, f"val_{self.plan.task.name}": figure}
                if progress.judge(loss, settings):
                    self.best = {name: x.detach().clone() for name, x in self.network.state_dict().items()}
            figures["lr"] = self.optimizer.param_groups[-1]["lr"]
            progress.history.append(figures)
            if self.plan.place.first:
                self.plan.report(progress.epoch, {**figures, "epoch_seconds": time.perf_counter() - started})
                self._save()
        if self.best:
            self.network.load_state_dict(self.best)
        self.network.eval()
        return progress

    def _enough(self) -> bool:
        patience = self.settings.patience
        return self.plan.validation is not None and patience > 0 and self.progress.waited >= patience

    def _epoch(self) -> float:
        """One pass over the training rows; gives the mean loss of what was trained on."""
        plan, epoch = self.plan, self.progress.epoch
        torch.manual_seed(_seed(self.settings.seed, epoch, plan.place.rank))
        drawn = torch.Generator().manual_seed(_seed(self.settings.seed, epoch, plan.place.rank) + 1)
        self.network.train()
        total = rows = 0.0
        for step, batch in enumerate(self._batches()):
            self._set_rates((epoch - 1) * self.steps + step)
            whole = torch.from_numpy(np.asarray(plan.training.targets[batch]))
            count = float(plan.task.counts(whole).sum())
            inputs, targets = plan.training.batch(batch[plan.place.rank :: plan.place.world], plan.place.device)
            if plan.change is not None:
                inputs = plan.change(inputs, drawn)
            self.optimizer.zero_grad(set_to_none=True)
            with self._precision():
                outputs = self.shared(inputs)
            loss = plan.task.losses(outputs, targets).sum()
            # the processes' gradients are averaged: so each takes its part of the batch's mean, times their number
            self.scaler.scale(loss * plan.place.world / count).backward()
            if self.settings.gradient_clip > 0:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total, rows = total + float(loss.detach()), rows + count
        mean = ranks.summed([total], plan.place)[0] / rows
        if not math.isfinite(mean):
            raise Refusal(f"the training loss of epoch {epoch} is not a number; lower learning_rate, or clip gradients")
        return mean

    def _batches(self) -> Iterator[np.ndarray]:
        """Places of rows, drawn anew each epoch; the same in every process. One row alone has no batch statistics."""
        rows, size = len(self.plan.training.targets), self.settings.batch_size
        order = np.random.default_rng([self.settings.seed, self.progress.epoch]).permutation(rows)
        least = self.plan.place.world * (2 if _of_batches(self.network) else 1)
        for start in range(0, rows, size):
            batch = order[start : start + size]
            if len(batch) >= least or start == 0:
                yield batch

    def measure(self, rows: Rows) -> tuple[float, float]:
        """Mean loss and mean figure over rows, without learning."""
        plan = self.plan
        self.network.eval()
        sums = [0.0, 0.0, 0.0, 0.0]
        mine = np.arange(len(rows.targets))[plan.place.rank :: plan.place.world]
        size = 4 * self.settings.batch_size
        for start in range(0, len(mine), size):
            part = mine[start : start + size]
            inputs, targets = rows.batch(part, plan.place.device)
            with torch.no_grad(), self._precision():
                outputs = self.network(inputs)
            found = plan.task.losses(outputs, targets).sum(), plan.task.counts(targets.cpu()).sum()
            added = (*found, plan.task.figure(outputs, targets), len(part))
            sums = [total + float(x) for total, x in zip(sums, added, strict=True)]
        loss, counts, figure, many = ranks.summed(sums, plan.place)
        return loss / counts, figure / many

    def _set_rates(self, step: int) -> None:
        settings = self.settings
        warmup = settings.warmup_epochs * self.steps
        factor = schedules.factor(settings.schedule, step, settings.epochs * self.steps, warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base"] * factor * self.progress.lowered

    def _precision(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.half is None else torch.autocast(self.plan.place.device.type, self.half)

    def _shared(self) -> nn.Module:
        return ranks.shared(self.network, self.plan.place)

    def _save(self) -> None:
        if self.plan.checkpoint is None:
            return
        weights = {f"network.{name}": x for name, x in self.network.state_dict().items()}
        best = {f"best.{name}": x for name, x in self.best.items()}
        numbers = {
            "progress": self.progress.numbers(),
            "scaler": self.scaler.state_dict(),
            "network": self.network.description,
            "settings": self.settings._asdict(),
        }
        tensors = {**weights, **best, **checkpoints.flat(self.optimizer)}
        checkpoints.save(self.plan.checkpoint, self.progress.epoch, tensors, numbers)

    def _resume(self, folder: Path) -> None:
        tensors, numbers = checkpoints.load(folder)
        if numbers.get("network") != self.network.description:
            raise Refusal("the checkpoint is of another network than this training's; give the same inputs as it had")
        self.progress.take(numbers["progress"])
        self.network.load_state_dict(checkpoints.part(tensors, "network."))
        self.best = checkpoints.part(tensors, "best.")
        checkpoints.restore(self.optimizer, tensors)
        if numbers["scaler"]:
            self.scaler.load_state_dict(numbers["scaler"])
        if self.settings.unfreeze_after is not None and self.progress.epoch > self.settings.unfreeze_after:
            self.network.freeze(0)


def _optimizer(network: Network, settings: Settings) -> torch.optim.Optimizer:
    """Stages and head as two groups, each with its rate; biases and norms are not decayed."""
    groups = []
    slow = settings.backbone_learning_rate or settings.learning_rate
    for part, rate in ((network.stages, slow), (network.head, settings.learning_rate)):
        for matrices, decay in ((True, settings.weight_decay), (False, 0.0)):
            chosen = [x for x in part.parameters() if (x.ndim > 1) is matrices]
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay, "base": rate, "lr": rate})
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint32)[0])


def _of_batches(network: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())
