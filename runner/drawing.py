"""From the record of a run to its graph and its timeline, as shapes for the report's template to draw."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mlp_lang.runner.layers import Id, lay_out
from mlp_lang.runner.progress import spell_seconds

HEIGHT, ROW, PILL, MARGIN = 50, 104, 28, 14
"""A step's box, from one layer to the next, the box of data and outputs, and the page's edge; all in pixels."""
LETTER, SMALL = 7.4, 6.2
LONGEST = 34
"""Letters of a name that are shown; the whole stands in the tool tip."""
MARKS = {
    "waiting": "·",
    "running": "▸",
    "completed": "✓",
    "cached": "=",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "–",
    "omitted": "○",
}
BARS = 660
"""Pixels that the whole of a run takes in its timeline."""


def graph(record: Mapping[str, Any]) -> dict[str, Any]:
    """Boxes, pills and edges with their places: `nodes`, `edges`, `width`, `height`."""
    nodes: dict[Id, dict[str, Any]] = {}
    edges: list[tuple[Id, Id]] = []
    data = set(record["data"])
    for step in record["steps"]:
        for given in step["inputs"]:
            if given["source"] in data:
                nodes.setdefault(("data", given["source"]), _pill(given["source"], "data"))
                edges.append((("data", given["source"]), step["name"]))
    for step in record["steps"]:
        nodes[step["name"]] = _box(step)
        edges += [(other, step["name"]) for other in step["needs"]]
    for name, source in record.get("made", {}).items():
        nodes["output", name] = _pill(name, "output", made=name in record["outputs"])
        edges.append((source.rpartition(".")[0], ("output", name)))
    laid = lay_out({key: node["width"] for key, node in nodes.items()}, edges)

    def middle(x: float, layer: int) -> tuple[float, float]:
        return round(x + MARGIN, 1), layer * ROW + MARGIN + HEIGHT / 2

    for key, node in nodes.items():
        x, y = middle(*laid.centres[key])
        node.update(x=round(x - node["width"] / 2, 1), y=y - node["height"] / 2, middle=x)
    lines = []
    for (a, b), way in laid.ways.items():
        first, last = nodes[a], nodes[b]
        points = [
            (first["middle"], first["y"] + first["height"]),
            *(middle(*point) for point in way),
            (last["middle"], last["y"]),
        ]
        lines.append(_curve(points))
    return {
        "nodes": list(nodes.values()),
        "edges": lines,
        "width": round(laid.width + 2 * MARGIN),
        "height": max(0, laid.layers - 1) * ROW + HEIGHT + 2 * MARGIN,
    }


def timeline(record: Mapping[str, Any]) -> dict[str, Any]:
    """A bar for each step that began, and ticks: `bars`, `ticks`, all in units of a thousandth of the run."""
    began = [s for s in record["steps"] if s["started"] is not None]
    whole = max([record["seconds"], *(s["started"] + s["seconds"] for s in began), 0.001])
    bars = [
        {
            "title": s["title"],
            "state": s["status"],
            "x": round(1000 * s["started"] / whole, 2),
            "width": max(2.0, round(1000 * s["seconds"] / whole, 2)),
            "said": f"{s['title']}: {s['status']}, from {s['started']:.1f}s on for {spell_time(s['seconds'])}",
            "took": spell_time(s["seconds"]),
        }
        for s in sorted(began, key=lambda s: s["started"])
    ]
    return {"bars": bars, "ticks": [(round(1000 * t / whole, 2), _tick(t)) for t in _ticks(whole)]}


def spell_time(seconds: float) -> str:
    """As `spell_seconds`, and `40 ms` below a second."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else spell_seconds(seconds)


def _ticks(whole: float) -> list[float]:
    """Five or so round times."""
    step = 10.0**-3
    for candidate in (f * 10.0**e for e in range(-3, 7) for f in (1, 2, 5)):
        step = candidate
        if whole / step <= 6:
            break
    return [i * step for i in range(int(whole / step) + 1)]


def _tick(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 60 else spell_seconds(seconds).replace("min 00s", "min")


def _box(step: Mapping[str, Any]) -> dict[str, Any]:
    title = _clip(step["title"])
    what = _clip(f"{step['verb']} · {step.get('note') or step['component']}")
    state = step["status"]
    said = f"{MARKS[state]} {state}"
    if state in ("completed", "failed", "cancelled") and step["seconds"]:
        said += f" {spell_time(step['seconds'])}"
    return {
        "kind": "step",
        "state": state,
        "title": title,
        "what": what,
        "said": said,
        "tip": f"{step['title']}: {step['verb']} using {step['component']}, {state}",
        "width": max(LETTER * (len(title) + len(said) + 3), SMALL * len(what)) + 24,
        "height": HEIGHT,
    }


def _pill(name: str, kind: str, made: bool = True) -> dict[str, Any]:
    title = _clip(name)
    tip = f"{kind} {name}" + ("" if made else ", not made")
    shown = {"kind": kind, "state": "made" if made else "absent", "title": title, "tip": tip}
    return {**shown, "width": LETTER * len(title) + 40, "height": PILL}


def _clip(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """A path that leaves and enters every point upright."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (u, v) in pairwise(points):
        half = (v - y) / 2
        path += f" C{x:.1f} {y + half:.1f} {u:.1f} {v - half:.1f} {u:.1f} {v:.1f}"
    return path
