"""From each epoch's figures to when to stop, what was best, and a training told on the terminal and in MLflow."""

import math
from typing import Any

from common import tracking
from common.entry import Refusal

from learning.settings import PLATEAU_FACTOR, PLATEAU_PATIENCE, Settings


class Progress:
    """What a training has come to; with weights and optimiser it is all that going on needs."""

    def __init__(self) -> None:
        self.epoch = 0
        self.best = math.inf
        self.best_epoch = 0
        self.waited = 0
        self.lowered = 1.0
        self.since_lowered = 0
        self.history: list[dict[str, float]] = []

    def numbers(self) -> dict[str, Any]:
        return {**vars(self), "best": None if math.isinf(self.best) else self.best}

    def take(self, numbers: dict[str, Any]) -> None:
        for name in vars(self):
            setattr(self, name, numbers[name])
        self.best = math.inf if self.best is None else self.best

    def judge(self, loss: float, settings: Settings) -> bool:
        """Whether this epoch's validation loss is the best yet; counts the epochs without."""
        better = loss < self.best - settings.min_delta
        self.waited = 0 if better else self.waited + 1
        self.since_lowered = 0 if better else self.since_lowered + 1
        if better:
            self.best, self.best_epoch = loss, self.epoch
        if settings.schedule == "plateau" and self.since_lowered > PLATEAU_PATIENCE:
            self.lowered *= PLATEAU_FACTOR
            self.since_lowered = 0
        return better

    def over(self, settings: Settings, validated: bool) -> bool:
        """Whether the training is at its end, early or not."""
        enough = validated and settings.patience > 0 and self.waited >= settings.patience
        return self.epoch >= settings.epochs or enough

    def note(self, figures: dict[str, float], settings: Settings, log: tracking.Tracking | None) -> None:
        """Keep an epoch's figures, and tell them where somebody listens. Refuses a loss that is no number."""
        if not math.isfinite(figures["loss"]):
            raise Refusal(f"the training loss of epoch {self.epoch} is not a number; lower learning_rate, or clip more")
        self.history.append(figures)
        if log is not None:
            told = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
            print(f"epoch {self.epoch:{len(str(settings.epochs))}}/{settings.epochs}  {told}", flush=True)
            log.metrics(figures, self.epoch)

    def summary(self) -> dict[str, float]:
        """What a training came to: its best epoch, or without validation its last."""
        best = self.history[(self.best_epoch or self.epoch) - 1]
        named = {f"best_{name}": x for name, x in best.items() if name != "lr"}
        return {**named, "best_epoch": self.best_epoch or self.epoch, "epochs": self.epoch}
