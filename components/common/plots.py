"""From labels, predictions and probabilities to the figures of a report, one PNG file each, drawn without a display."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import sklearn.metrics as scores

SIZE = (5.0, 4.0)
MOST_CURVES = 12
MOST_POINTS = 5000
PLAIN = {"Software": None}  # no version in the file: the same figure gives the same bytes


def classification(
    folder: Path,
    truth: np.ndarray,
    predicted: np.ndarray,
    proba: np.ndarray | None,
    classes: Sequence[Any],
    positive: Any,
) -> list[tuple[str, str]]:
    """Draw what can be drawn; (file name, title) of each figure. With two classes curves are those of `positive`."""
    drawn = [_confusion(folder, truth, predicted, classes)]
    if proba is None or proba.shape[1] != len(classes):
        return drawn
    shown = [positive] if len(classes) == 2 else list(classes)[:MOST_CURVES]
    curves = []
    for name in shown:
        is_it = np.array([x == name for x in truth])
        if is_it.any() and not is_it.all():
            curves.append((str(name), is_it, proba[:, list(classes).index(name)]))
    if curves:
        drawn += [_roc(folder, curves), _precision_recall(folder, curves), _calibration(folder, curves)]
    return drawn


def regression(folder: Path, truth: np.ndarray, predicted: np.ndarray) -> list[tuple[str, str]]:
    """Predictions beside the truth, and the residuals' distribution."""
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    low, high = float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))
    axes.plot([low, high], [low, high], color="grey", linewidth=1)
    axes.scatter(truth, predicted, s=8, alpha=0.5, linewidths=0)
    axes.set(xlabel="truth", ylabel="prediction")
    first = _save(figure, folder, "predictions.png", "Predictions")

    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.hist(predicted - truth, bins=40)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set(xlabel="prediction less truth", ylabel="rows")
    return [first, _save(figure, folder, "residuals.png", "Residuals")]


def clustering(folder: Path, encoded: np.ndarray, assigned: np.ndarray) -> list[tuple[str, str]]:
    """The clusters' sizes, and the rows on their two principal components where they have two columns."""
    names, sizes = np.unique(assigned, return_counts=True)
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.bar([str(name) for name in names], sizes)
    axes.set(xlabel="cluster", ylabel="rows")
    drawn = [_save(figure, folder, "sizes.png", "Clusters' sizes")]
    if min(encoded.shape) < 2:
        return drawn
    centred = encoded - encoded.mean(axis=0)
    _, axis = np.linalg.eigh(centred.T @ centred)  # ascending: the last two are the principal ones
    shown = np.random.default_rng(0).permutation(len(encoded))[:MOST_POINTS]
    points = centred[shown] @ axis[:, [-1, -2]]
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    for name in names:
        of = assigned[shown] == name
        label = str(name) if len(names) <= MOST_CURVES else None
        axes.scatter(points[of, 0], points[of, 1], s=8, alpha=0.5, linewidths=0, label=label)
    axes.set(xlabel="first principal component", ylabel="second")
    if len(names) <= MOST_CURVES:
        _legend(axes)
    return [*drawn, _save(figure, folder, "clusters.png", "Clusters on two principal components")]


def gallery(folder: Path, pixels: np.ndarray, titles: Sequence[str], name: str, title: str) -> tuple[str, str]:
    """Small images (images × height × width × channels of bytes), each under its title."""
    across = min(6, len(pixels))
    down = -(-len(pixels) // across)
    figure, axes = plt.subplots(down, across, figsize=(1.6 * across, 1.8 * down), layout="constrained", squeeze=False)
    for place, cell in enumerate(axes.flat):
        cell.axis("off")
        if place < len(pixels):
            image = pixels[place]
            grey = image.shape[-1] == 1
            cell.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
            cell.set_title(titles[place], fontsize=7, parse_math=False)
    return _save(figure, folder, name, title)


def returns(folder: Path, totals: np.ndarray, success: float | None) -> list[tuple[str, str]]:
    """A policy's returns: how they are distributed, and episode by episode, with the one that counts as success."""
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.hist(totals, bins=min(20, max(1, len(totals))))
    axes.set(xlabel="return", ylabel="episodes")
    if success is not None:
        axes.axvline(success, color="grey", linewidth=1)
    first = _save(figure, folder, "returns.png", "Returns")

    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.plot(np.arange(1, len(totals) + 1), totals, marker="o", markersize=3, linewidth=1)
    axes.axhline(float(totals.mean()), color="grey", linewidth=1, linestyle="dashed")
    if success is not None:
        axes.axhline(success, color="grey", linewidth=1)
    axes.set(xlabel="episode", ylabel="return")
    return [first, _save(figure, folder, "episodes.png", "Return of each episode, and their mean")]


def _confusion(folder: Path, truth: np.ndarray, predicted: np.ndarray, classes: Sequence[Any]) -> tuple[str, str]:
    names = [str(name) for name in classes]
    counts = scores.confusion_matrix([str(x) for x in truth], [str(x) for x in predicted], labels=names)
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.imshow(counts, cmap="Blues")
    if len(names) <= MOST_CURVES:
        for (row, column), count in np.ndenumerate(counts):
            dark = count > counts.max() / 2
            axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set(xlabel="prediction", ylabel="truth")
    return _save(figure, folder, "confusion.png", "Confusion matrix")


def _roc(folder: Path, curves: list[tuple[str, np.ndarray, np.ndarray]]) -> tuple[str, str]:
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for name, is_it, score in curves:
        wrong, right, _ = scores.roc_curve(is_it, score)
        axes.plot(wrong, right, label=name)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    _legend(axes)
    return _save(figure, folder, "roc.png", "Receiver operating characteristic")


def _precision_recall(folder: Path, curves: list[tuple[str, np.ndarray, np.ndarray]]) -> tuple[str, str]:
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    for name, is_it, score in curves:
        precision, recall, _ = scores.precision_recall_curve(is_it, score)
        axes.plot(recall, precision, label=name)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    _legend(axes)
    return _save(figure, folder, "precision_recall.png", "Precision and recall")


def _calibration(folder: Path, curves: list[tuple[str, np.ndarray, np.ndarray]]) -> tuple[str, str]:
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    edges = np.linspace(0, 1, 11)
    for name, is_it, score in curves:
        bins = np.clip(np.digitize(score, edges) - 1, 0, 9)
        filled = [b for b in range(10) if (bins == b).any()]
        means = [float(score[bins == b].mean()) for b in filled]
        axes.plot(means, [float(is_it[bins == b].mean()) for b in filled], marker="o", label=name)
    axes.set(xlabel="mean probability", ylabel="share of rows")
    _legend(axes)
    return _save(figure, folder, "calibration.png", "Calibration")


def _legend(axes: Any) -> None:
    for text in axes.legend(fontsize="small").get_texts():
        text.set_parse_math(False)


def _save(figure: Any, folder: Path, name: str, title: str) -> tuple[str, str]:
    figure.savefig(folder / name, dpi=110, metadata=PLAIN)
    plt.close(figure)
    return name, title
