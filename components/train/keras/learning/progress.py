"""From each epoch's figures to when to stop, what was best, and a training told on the terminal and in MLflow."""

import math

from common import tracking, training
from common.entry import Refusal

from learning.settings import Settings


class Progress(training.Progress):
    """The same, with when to stop and what is told."""

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
