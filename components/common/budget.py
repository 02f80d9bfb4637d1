"""From facts and a privacy loss to the declaration that this loss is within; a release asserts it first."""

import math

from common.entry import Refusal
from common.facts import Facts, Private


def private(
    facts: Facts | None, epsilon: float, spends_delta: str | None = None, delta: float | None = None
) -> tuple[Facts, Private]:
    """The facts and their privacy declaration, if a release of `epsilon` fits into it.

    `spends_delta` names the mechanism that needs a δ above 0, None for one of pure ε. `delta` is a part of the
    declared δ, for releases that share it; `share` tells what is then spent. Raises Refusal.
    """
    if facts is None or facts.private is None:
        raise Refusal(
            "the table is not declared private, so there is no budget to spend; add a `private` block to its data"
        )
    declared = facts.private
    if declared.unit != "row":
        raise Refusal(f"the proof protects one row; unit {declared.unit!r} needs a mechanism of its own")
    if not (math.isfinite(epsilon) and epsilon > 0.0):
        raise Refusal(f"epsilon must be positive and finite, found {epsilon}")
    if not epsilon <= declared.epsilon:
        raise Refusal(
            f"epsilon = {epsilon:g} exceeds the budget of {facts.name!r}, epsilon = {declared.epsilon:g}; "
            "spend less, or raise the budget where the data is declared"
        )
    if spends_delta is not None and not 0.0 < declared.delta < 1.0:
        raise Refusal(
            f"the {spends_delta} mechanism spends a delta, and the budget of {facts.name!r} has "
            f"delta = {declared.delta:g}; declare one between 0 and 1, or use mechanism = laplace"
        )
    if spends_delta is not None and delta is not None and not 0.0 < delta <= declared.delta:
        raise Refusal(
            f"delta = {delta:g} is no part of the budget of {facts.name!r}, delta = {declared.delta:g}; "
            "give one above 0 and not above that, or leave it out to spend all"
        )
    return facts, declared


def share(declared: Private, delta: float | None) -> float:
    """The δ that a release spends: all that is declared, unless it says a part."""
    return declared.delta if delta is None else delta
