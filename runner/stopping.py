"""From what the trials of a sweep have logged so far to those that Azure ML's early termination would end now."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

Histories = Mapping[int, Sequence[float]]
"""By trial the values of the primary metric, in the order in which they were logged; each is one interval."""


def to_stop(policy: Mapping[str, Any] | None, maximize: bool, trial: int, interval: int, histories: Histories) -> bool:
    """Whether a trial that has logged its metric `interval` times is to be ended by the policy."""
    if not policy:
        return False
    every = max(1, int(policy.get("evaluation_interval") or 1))
    if interval % every or interval < int(policy.get("delay_evaluation") or 0):
        return False
    rule = _RULES.get(str(policy.get("type")))
    sign = 1.0 if maximize else -1.0
    signed = {number: [sign * value for value in values] for number, values in histories.items()}
    return rule is not None and rule(policy, trial, interval, signed)


def _bandit(policy: Mapping[str, Any], trial: int, interval: int, histories: Histories) -> bool:
    """Worse than the best trial at this interval by more than the slack."""
    best = max(max(values[:interval]) for values in histories.values() if len(values) >= interval)
    own = max(histories[trial][:interval])
    amount = policy.get("slack_amount")
    if amount is not None:
        return own < best - float(amount)
    factor = 1 + float(policy.get("slack_factor") or 0)
    return own < (best / factor if best >= 0 else best * factor)


def _median(policy: Mapping[str, Any], trial: int, interval: int, histories: Histories) -> bool:
    """The best so far is worse than the median of all trials' averages up to this interval."""
    averages = [fmean(values[:interval]) for values in histories.values() if values]
    return max(histories[trial][:interval]) < median(averages)


def _truncation(policy: Mapping[str, Any], trial: int, interval: int, histories: Histories) -> bool:
    """Among the worst share of all trials that have come to this interval."""
    reached = sorted(values[interval - 1] for values in histories.values() if len(values) >= interval)
    cut = len(reached) * int(policy.get("truncation_percentage") or 0) // 100
    return cut > 0 and histories[trial][interval - 1] < reached[cut]


_RULES = {"bandit": _bandit, "median_stopping": _median, "truncation_selection": _truncation}
