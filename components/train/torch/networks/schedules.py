"""From how far a training is to the factor on its learning rate, by the step alone, so that a training can go on."""

import math
from collections.abc import Callable

PEAK = 0.3
"""Share of a one-cycle schedule that rises (Smith and Topin 2019)."""
START, END = 1 / 25, 1e-4
"""Where one cycle starts and ends, as a share of its peak; a cosine ends at END too."""


def _cosine(done: float) -> float:
    return END + (1 - END) * 0.5 * (1 + math.cos(math.pi * done))


def _one_cycle(done: float) -> float:
    if done < PEAK:
        return START + (1 - START) * 0.5 * (1 - math.cos(math.pi * done / PEAK))
    return _cosine((done - PEAK) / (1 - PEAK))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "plateau": lambda done: 1.0,
}
"""Share of the training that is done, from 0 to 1, to a factor. `plateau` falls by what validation shows, see loop."""


def factor(schedule: str, step: int, steps: int, warmup: int) -> float:
    """The factor at a step of so many, the first `warmup` of which rise linearly to where the schedule begins."""
    if step < warmup:
        return SCHEDULES[schedule](0.0) * (step + 1) / (warmup + 1)
    return SCHEDULES[schedule](min(1.0, (step - warmup) / max(1, steps - warmup)))
