"""From nodes of given widths and their edges to places on a page: layers from the top down, few crossings, short edges.

The usual three steps for layered drawings: the longest path to a node is its layer; within a layer nodes stand in the
order of their neighbours' mean places; then each moves as near to that mean as its neighbours in the layer let it.
"""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

Id: TypeAlias = Hashable
SWEEPS = 8
GAP, DUMMY = 24.0, 10.0
"""Between two nodes of a layer; width of the place that a long edge takes in the layers it crosses."""


class Layout(NamedTuple):
    """`centres` gives each node's middle (x, layer); `ways` each edge's middles in the layers between its ends."""

    centres: dict[Id, tuple[float, int]]
    ways: dict[tuple[Id, Id], list[tuple[float, int]]]
    width: float
    layers: int


def lay_out(widths: Mapping[Id, float], edges: Sequence[tuple[Id, Id]]) -> Layout:
    """Place nodes whose edges make no circle; edges that name unknown nodes are left out."""
    edges = list(dict.fromkeys((a, b) for a, b in edges if a in widths and b in widths and a != b))
    layer = _layers(list(widths), edges)
    rows: list[list[Id]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for node in widths:
        rows[layer[node]].append(node)
    size: dict[Id, float] = dict(widths)
    up: dict[Id, list[Id]] = {}
    down: dict[Id, list[Id]] = {}
    chains: dict[tuple[Id, Id], list[Id]] = {}
    for a, b in edges:
        between: list[Id] = [("way", a, b, level) for level in range(layer[a] + 1, layer[b])]
        for level, dummy in enumerate(between, layer[a] + 1):
            rows[level].append(dummy)
            size[dummy] = DUMMY
        chains[a, b] = between
        for above, below in zip([a, *between], [*between, b], strict=True):
            down.setdefault(above, []).append(below)
            up.setdefault(below, []).append(above)
    _order(rows, up, down)
    x = _spread(rows, size, up, down)
    left = min((x[n] - size[n] / 2 for n in x), default=0.0)
    right = max((x[n] + size[n] / 2 for n in x), default=0.0)
    return Layout(
        {node: (x[node] - left, layer[node]) for node in widths},
        {
            edge: [(x[d] - left, level) for level, d in enumerate(chain, layer[edge[0]] + 1)]
            for edge, chain in chains.items()
        },
        right - left,
        len(rows),
    )


def _layers(nodes: list[Id], edges: list[tuple[Id, Id]]) -> dict[Id, int]:
    below: dict[Id, list[Id]] = {n: [] for n in nodes}
    waits = dict.fromkeys(nodes, 0)
    for a, b in edges:
        below[a].append(b)
        waits[b] += 1
    layer = dict.fromkeys(nodes, 0)
    ready = [n for n in nodes if not waits[n]]
    order = []
    while ready:
        node = ready.pop()
        order.append(node)
        for other in below[node]:
            layer[other] = max(layer[other], layer[node] + 1)
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    fed = {b for _, b in edges}
    for node in reversed(order):  # what nothing feeds stands right above what it feeds, not at the top of the page
        if node not in fed and below[node]:
            layer[node] = min(layer[other] for other in below[node]) - 1
    return layer


def _order(rows: list[list[Id]], up: Mapping[Id, list[Id]], down: Mapping[Id, list[Id]]) -> None:
    for sweep in range(SWEEPS):
        downward = sweep % 2 == 0
        neighbours = up if downward else down
        for level in range(1, len(rows)) if downward else range(len(rows) - 2, -1, -1):
            beside = {n: i for i, n in enumerate(rows[level - 1 if downward else level + 1])}
            places = {n: i for i, n in enumerate(rows[level])}
            wanted = {n: _mean([beside[m] for m in neighbours.get(n, ())], places[n]) for n in rows[level]}
            rows[level].sort(key=wanted.__getitem__)


def _spread(
    rows: list[list[Id]], size: Mapping[Id, float], up: Mapping[Id, list[Id]], down: Mapping[Id, list[Id]]
) -> dict[Id, float]:
    x: dict[Id, float] = {}
    for row in rows:
        at = 0.0
        for node in row:
            x[node] = at + size[node] / 2
            at += size[node] + GAP
        for node in row:
            x[node] -= at / 2
    for sweep in range(2 * SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = [[*up.get(n, ()), *down.get(n, ())] for n in row]
            _settle(row, [_mean([x[m] for m in ms], x[n]) for n, ms in zip(row, near, strict=True)], size, x)
    return x


def _settle(row: list[Id], wanted: list[float], size: Mapping[Id, float], x: dict[Id, float]) -> None:
    """The places nearest to those wanted (least squares) that keep the order and the gaps: neighbours that collide
    move together."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (size[left] + size[right]) / 2 + GAP)
    blocks: list[tuple[float, int]] = []  # mean of what its nodes want, and how many they are
    for want, offset in zip(wanted, offsets, strict=True):
        blocks.append((want - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, m), (a, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * n + b * m) / (n + m), n + m))
    places = [mean for mean, count in blocks for _ in range(count)]
    for node, place, offset in zip(row, places, offsets, strict=True):
        x[node] = place + offset


def _mean(values: list[float] | list[int], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
