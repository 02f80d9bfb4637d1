"""From steps and what they need to which of them may start now, within a number of cores; steps may join as it goes."""

from collections.abc import Callable, Iterable, Mapping

from mlp_lang.compiler.graph import Node


class Schedule:
    """Steps in the author's order, each ready once all that it needs has succeeded."""

    def __init__(self, cores: int, weigh: Callable[[Node], int]) -> None:
        self.cores = cores
        self._weigh = weigh  # cores that a step counts for
        self.nodes: dict[str, Node] = {}
        self.feeds: dict[str, list[str]] = {}
        """Step -> those that wait for it."""
        self._free = cores
        self._waits: dict[str, set[str]] = {}
        self._weights: dict[str, int] = {}
        self._position: dict[str, int] = {}
        self._ready: list[str] = []

    def add(self, nodes: Iterable[Node], needs: Mapping[str, Iterable[str]], over: Callable[[str], bool]) -> None:
        """Further steps. What they need and is `over` they do not wait for, nor for what is not in the schedule."""
        added = list(nodes)
        self.nodes.update({node.name: node for node in added})
        for node in added:
            name = node.name
            self.feeds.setdefault(name, [])
            self._weights[name] = 0 if node.control is not None else min(self.cores, self._weigh(node))
            self._position[name] = len(self._position)
            self._waits[name] = {other for other in needs[name] if other in self.nodes and not over(other)}
            for other in self._waits[name]:
                self.feeds.setdefault(other, []).append(name)
            if not self._waits[name]:
                self._ready.append(name)

    def next(self) -> Node | None:
        """The next step to start, its cores taken; None if none is ready, or none of those fits."""
        fitting = next((name for name in self._ready if self._weights[name] <= self._free), None)
        if fitting is None:
            return None
        self._ready.remove(fitting)
        self._free -= self._weights[fitting]
        return self.nodes[fitting]

    def free(self, name: str) -> None:
        """Give back the cores of a step that was started."""
        self._free += self._weights[name]

    def succeeded(self, name: str, over: Callable[[str], bool]) -> None:
        """What waited for a step may start once nothing else is missing."""
        for other in self.feeds[name]:
            self._waits[other].discard(name)
            if not self._waits[other] and not over(other):
                self._ready.append(other)
        self._ready.sort(key=self._position.__getitem__)

    def beyond(self, names: Iterable[str]) -> list[str]:
        """All that needs these steps, nearest first."""
        found: dict[str, None] = {}
        pending = [other for name in names for other in self.feeds.get(name, ())]
        for other in pending:
            if other not in found:
                found[other] = None
                pending += self.feeds.get(other, ())
        return list(found)
