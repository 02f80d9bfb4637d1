"""From comparisons to a folder that people read: index.html, a bar chart a rate and grouping, and groups.json."""

import html
import math
import re
from collections.abc import Sequence
from pathlib import Path

from common import files
from common.facts import Facts
from disparities import RATES, Comparison

MOST_BARS = 24  # an intersection of many columns has more groups than a chart can show; the table lists them all
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}.small{color:#a40}img{max-width:100%}"
)


def write(folder: Path, facts: Facts, values: dict[str, float], comparisons: list[Comparison], least: int) -> None:
    """Fill `folder`; `least` is the number of rows below which a group is marked as small."""
    pieces = [f"<h1>How the model treats groups of {_text(facts.name)}</h1>"]
    pieces.append(
        f"<p>Selected means: the model answers <b>{_text(facts.positive)}</b> for {_text(facts.label)}. "
        "Each disparity is that of the worst single column; a difference of 0 and a ratio of 1 are perfect.</p>"
    )
    pieces.append(_table(("metric", "value"), [(name, _number(value)) for name, value in values.items()]))
    for number, comparison in enumerate(comparisons):
        pieces.append(f"<h2>By {_text(' and '.join(comparison.columns))}</h2>")
        picture = f"groups-{number}-{_file_name(comparison.name)}.png"
        if chart(comparison, folder / picture, least):
            pieces.append(f'<img src="{picture}" alt="rates by group">')
        rows = []
        for index, row in comparison.by_group.iterrows():
            name, count = comparison.group_name(index), int(row["rows"])
            shown = f"{count} (few)" if count < least else str(count)
            rows.append((name, shown, *(_number(row[rate]) for rate in RATES)))
        pieces.append(_table(("group", "rows", *(rate.replace("_", " ") for rate in RATES)), rows))
        disparities = [(name.replace("_", " "), _number(value)) for name, value in comparison.disparities.items()]
        pieces.append(_table(("disparity", "value"), disparities))
    if any((comparison.by_group["rows"] < least).any() for comparison in comparisons):
        pieces.append(f'<p class="small">Groups with fewer than {least} rows are marked: their rates are rough.</p>')
    head = f'<meta charset="utf-8"><title>Fairness of {_text(facts.name)}</title><style>{STYLE}</style>'
    body = "\n".join(pieces)
    files.write_text(
        folder / "index.html", f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'
    )
    files.write_json(folder / "groups.json", records(comparisons, least))


def records(comparisons: list[Comparison], least: int) -> list[dict[str, object]]:
    """One object a group: how it was formed, its rows, whether they are few, its rates."""
    return [
        {
            "by": list(comparison.columns),
            "group": comparison.group_name(index),
            "rows": int(row["rows"]),
            "small": bool(row["rows"] < least),
            **{rate: float(row[rate]) for rate in RATES},
        }
        for comparison in comparisons
        for index, row in comparison.by_group.iterrows()
    ]


def chart(comparison: Comparison, path: Path, least: int) -> bool:
    """Bars of three rates by group, small groups hatched; False if there are too many groups for a picture."""
    if len(comparison.by_group) > MOST_BARS:
        return False
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = ("selection_rate", "true_positive_rate", "accuracy")
    names = [comparison.group_name(index) for index in comparison.by_group.index]
    height = 1.2 + 0.3 * len(names)
    figure, axes = plt.subplots(1, len(shown), figsize=(11, height), sharey=True, layout="constrained")
    for axis, rate in zip(axes, shown, strict=True):
        bars = axis.barh(names, comparison.by_group[rate].fillna(0.0), color="#3b6ea5")
        for bar, count in zip(bars, comparison.by_group["rows"], strict=True):
            if count < least:
                bar.set(hatch="//", alpha=0.5)
        axis.set(title=rate.replace("_", " "), xlim=(0, 1))
        axis.invert_yaxis() if axis is axes[0] else None
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return True


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    titles = "".join(f"<th>{_text(name)}</th>" for name in head)
    lines = ["<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return f"<table><tr>{titles}</tr>\n" + "\n".join(lines) + "</table>"


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.4g}"


def _text(value: object) -> str:
    return html.escape(str(value))


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[:60].strip("-") or "group"
