"""From importances, curves and contributions to PNG figures, drawn without a display."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

MOST_BARS = 20
MOST_LABELS = 30
PLAIN = {"Software": None}  # no version in the file: the same figure gives the same bytes


def bars(names: Sequence[str], values: Sequence[float], deviations: Sequence[float] | None, label: str) -> bytes:
    """Bars from the greatest magnitude down, to the left of nought where negative."""
    order = np.argsort([-abs(value) for value in values], kind="stable")[:MOST_BARS][::-1]
    heights = [values[place] for place in order]
    figure, axes = plt.subplots(figsize=(6.5, 0.9 + 0.3 * len(order)), layout="constrained")
    spread = None if deviations is None else [deviations[place] for place in order]
    axes.barh(range(len(order)), heights, xerr=spread, color=["#1f77b4" if h >= 0 else "#d62728" for h in heights])
    axes.set_yticks(range(len(order)), [short(names[place]) for place in order], parse_math=False)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_xlabel(label, parse_math=False)
    return _png(figure)


def curve(
    values: Sequence[Any], scores: Sequence[float], deviations: Sequence[float] | None, name: str, label: str
) -> bytes:
    """A line over numbers, bars over categories."""
    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    heights = np.asarray(scores, dtype=float)
    if values and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        axes.plot(values, heights)
        if deviations is not None:
            spread = np.asarray(deviations, dtype=float)
            axes.fill_between(values, heights - spread, heights + spread, alpha=0.25, linewidth=0)
    else:
        axes.bar(range(len(values)), heights, yerr=deviations)
        if len(values) <= MOST_LABELS:
            words = ["missing" if value is None else short(str(value)) for value in values]
            axes.set_xticks(range(len(values)), words, rotation=45, ha="right", parse_math=False)
    axes.set_xlabel(name, parse_math=False)
    axes.set_ylabel(short(label), parse_math=False)
    return _png(figure)


def surface(scores: Sequence[Sequence[float]], names: Sequence[str]) -> bytes:
    """A pair of features as colours: the first one's bins upwards, the second one's to the right."""
    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    held = np.asarray(scores, dtype=float)
    most = float(np.abs(held).max()) or 1.0
    figure.colorbar(axes.imshow(held, cmap="RdBu", vmin=-most, vmax=most, origin="lower", aspect="auto"), ax=axes)
    axes.set_xlabel(f"{names[1]} (bins)", parse_math=False)
    axes.set_ylabel(f"{names[0]} (bins)", parse_math=False)
    return _png(figure)


def short(text: str) -> str:
    """A label that fits."""
    return text if len(text) <= 32 else f"{text[:31]}…"


def _png(figure: Any) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, dpi=110, format="png", metadata=PLAIN)
    plt.close(figure)
    return held.getvalue()
