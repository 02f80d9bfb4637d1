"""From released counts and the synthetic rows to how near the rows are to the counts: a page, and utility.json.

Nothing here is computed from private rows: both sides of every distance have been released.
"""

import html
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import files
from distribution import Counts, Measured, projected
from numpy.typing import NDArray


class Fit(NamedTuple):
    """How far the synthetic rows are from the noisy counts of `of`: total variation, between 0 and 1.

    `noise` is about how far the noise alone puts the noisy counts from the table's own, before negative counts are
    taken out of them: half the expected sum of its absolute values, as a share of the rows.
    """

    of: str
    cells: int
    distance: float
    noise: float


def fits(
    fine: list[Counts],
    noisy: dict[tuple[int, int], Measured],
    codes: list[NDArray[np.intp]],
    groups: list[NDArray[np.intp]],
    total: float,
    names: list[str],
) -> list[Fit]:
    """One for every column (its coarse groups), and for every pair that was measured."""
    found = []
    for name, counts, mine, group in zip(names, fine, codes, groups, strict=True):
        expected = np.bincount(group, weights=counts)
        found.append(Fit(name, len(expected), distance(expected, np.bincount(mine, minlength=len(expected))), math.nan))
    for (one, other), pair in noisy.items():
        shape = pair.counts.shape
        made = np.bincount(codes[one] * shape[1] + codes[other], minlength=shape[0] * shape[1]).reshape(shape)
        spread = math.sqrt(float(pair.variance.flat[0]) * 2.0 / math.pi) * pair.counts.size / (2.0 * total)
        title = f"{names[one]} by {names[other]}"
        found.append(Fit(title, pair.counts.size, distance(projected(pair.counts, total), made), spread))
    return found


def distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Total variation of two tables of counts as distributions."""
    return float(0.5 * np.abs(one / max(one.sum(), 1e-300) - other / max(other.sum(), 1)).sum())


def worst(found: list[Fit]) -> float:
    """The largest distance."""
    return max(fit.distance for fit in found)


def write(folder: Path, name: str, found: list[Fit], release: dict[str, Any]) -> None:
    """Fill `folder`."""
    head = ("counts of", "cells", "distance of the synthetic rows", "noise in the counts")
    cells = [
        (fit.of, str(fit.cells), f"{fit.distance:.4f}", "" if math.isnan(fit.noise) else f"{fit.noise:.4f}")
        for fit in found
    ]
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in cells)
    titles = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    files.write_text(
        folder / "index.html",
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Synthetic table</title>\n<style>'
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td,th{text-align:left;padding:.2rem 1rem .2rem 0}</style>\n"
        f"<h1>Synthetic rows of {html.escape(name)}</h1>\n<p>ε = {release['epsilon']:g}, δ = {release['delta']:g}. "
        "Distances are total variations (0 equal, 1 disjoint) between the synthetic rows and what was released of the "
        "table; the table itself was not looked at for them.</p>\n"
        f"<table><tr>{titles}</tr>\n{lines}</table>\n</html>\n",
    )
    files.write_json(folder / "utility.json", {"counts": [fit._asdict() for fit in found]})
