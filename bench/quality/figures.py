"""What a comparison gives: a table of figures with the words that they need, as JSON and as Markdown."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

# Student's 97.5 % points: half the width of a 95 % interval, in standard errors of a mean of n
STUDENT = {3: 4.303, 5: 2.776, 10: 2.262, 20: 2.093}


class Figure(NamedTuple):
    """A mean with half the width of its 95 % confidence interval, over `runs` runs."""

    mean: float
    within: float
    runs: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.within:.4f}"


class Line(NamedTuple):
    """One way of doing it; `cells` stand under the comparison's columns: a figure, a word, or None."""

    name: str
    cells: tuple[Figure | str | None, ...]


class Comparison(NamedTuple):
    """`title` and `text` say what is compared and how; `claims` what must hold, and whether it does."""

    title: str
    text: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    claims: tuple[tuple[str, bool], ...]
    details: dict[str, Any]  # what the table leaves out: versions, chosen settings, every run

    def document(self) -> dict[str, Any]:
        """As JSON."""
        lines = [
            {"name": line.name, "cells": [x._asdict() if isinstance(x, Figure) else x for x in line.cells]}
            for line in self.lines
        ]
        return self._asdict() | {"lines": lines, "claims": [list(claim) for claim in self.claims]}


def mean(values: Sequence[float]) -> Figure:
    """The mean of several runs. Raises KeyError for a number of runs without a point in STUDENT."""
    runs = len(values)
    return Figure(statistics.mean(values), STUDENT[runs] * statistics.stdev(values) / math.sqrt(runs), runs)


def page(document: dict[str, Any]) -> str:
    """The Markdown of a comparison's JSON."""
    head = ["", *document["columns"]]
    lines = [head, ["---"] * len(head)]
    lines += [[line["name"], *map(_cell, line["cells"])] for line in document["lines"]]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    claims = "\n".join(f"- {'holds' if holds else '**fails**'}: {claim}" for claim, holds in document["claims"])
    return f"## {document['title']}\n{document['text']}\n\n{table}\n\n{claims}\n"


def _cell(cell: Any) -> str:
    if isinstance(cell, dict):
        return str(Figure(**cell))
    return "" if cell is None else str(cell)
