"""From a node that steers to what a plan can say of it: what is known now, and what only a run will tell."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from mlp_lang.compiler.graph import FromNode, Node
from mlp_lang.runner.bindings import BindingError, needs, value_ports
from mlp_lang.runner.expand import is_loop
from mlp_lang.runner.journal import in_order
from mlp_lang.runner.loops import Loop, decide, gather, said_of
from mlp_lang.runner.outcome import Status
from mlp_lang.runner.selection import needs_of

if TYPE_CHECKING:
    from mlp_lang.runner.planning import Planner


class Planned(NamedTuple):
    """One step. `action` is run, maybe (if what it needs gives something new, or a condition lets it), cached, lacks,
    fails or omit; of what steers, steer, or cached if what it comes to is known now."""

    name: str
    title: str
    verb: str
    component: str
    action: str
    why: str
    seconds: float | None  # what it took when it last ran


class Foresight:
    """What steers, for one plan. Loops are unrolled as far as all that their turns rest on is there already."""

    def __init__(self, planner: "Planner") -> None:
        self.planner = planner
        self._open: set[str] = set()  # conditions of which nobody knows yet, and what runs if they let it
        self._left_out: dict[str, str] = {}  # step -> why
        self._inside: dict[str, list[str]] = {}  # loop -> steps of its turns
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def in_order(self, nodes: Iterable[Node]) -> Iterator["Planned"]:
        """What was planned, the steps of a loop behind it."""
        for name in in_order([node.name for node in nodes], self._inside):
            yield self.planner.made[name]

    def step(self, node: Node, unknown: list[str]) -> "Planned | None":
        """What is to be said of a node that steers or is steered; None if it is a step like any other."""
        planner = self.planner
        if node.name not in planner.run and node.name not in planner.taken:
            return planner.said(node, "omit", "not asked for")
        for name in unknown:
            if name in self._left_out and node.name not in self._left_out:
                self._left_out[node.name] = self._left_out[name]
        if node.name in self._left_out:
            return planner.said(node, "omit", self._left_out[node.name])
        undecided = [name for name in unknown if name in self._open]
        if node.name in planner.taken and any(name in planner.taken for name in unknown):
            return None if node.control is None else planner.said(node, "lacks", "what it goes by is not there")
        if undecided and node.control is None:
            self._open.add(node.name)
            return planner.said(node, "maybe", f"only a run tells whether {_names(undecided)} lets it")
        if node.control is None:
            return None
        if is_loop(node):
            return self._loop(node, unknown)
        return self._condition(node, unknown)

    def _condition(self, node: Node, unknown: list[str]) -> "Planned":
        assert node.control is not None
        if unknown:
            self._open.add(node.name)
            return self.planner.said(node, "steer", f"it is known when {_names(unknown)} has run")
        try:
            value = decide(node, node.control.condition, self.planner.sources)
        except BindingError as error:
            return self.planner.said(node, "fails", str(error))
        said = said_of(node.control.condition, value)
        for name in node.control.otherwise if value else node.control.then:
            self._left_out[name] = said
        return self.planner.said(node, "cached", said)

    def _loop(self, node: Node, unknown: list[str]) -> "Planned":
        planner = self.planner
        loop = Loop(node, planner.graph)
        inside = self._inside[node.name] = []
        control = node.control
        assert control is not None
        if any(name in self._open for name in unknown):
            self._open.add(node.name)
        items = control.items.node if isinstance(control.items, FromNode) else None
        if not loop.serial and items in unknown:
            return planner.said(node, "steer", f"its turns are known when {_names([str(items)])} has run")
        try:
            loop.begin(planner.sources)
            known = self._turns(loop, inside, unknown)
        except (BindingError, OSError) as error:
            return planner.said(node, "fails", str(error))
        if any(planner.made[name].action == "lacks" for name in inside):
            return planner.said(node, "lacks", "a step of its turns is not there")
        if known:
            return planner.said(node, "cached", loop.said())
        if loop.serial:
            limit = control.limit or 1
            most = f"at most {limit} turns" if control.condition is not None else f"{limit} turns"
            return planner.said(node, "steer", f"{most}; what follows turn {len(loop.turns)} only a run tells")
        return planner.said(node, "steer", loop.said())

    def _turns(self, loop: Loop, inside: list[str], unknown: list[str]) -> bool:
        """Plan the turns that can be foreseen; whether those are all, and their results there."""
        planner = self.planner
        known = not unknown
        while made := loop.due():
            for turn in made:
                planner.sources.inputs.update({i.parameter.name: i for i in turn.inputs})
                planner.sources.values.update(value_ports(turn.nodes))
                (planner.taken if loop.node.name in planner.taken else planner.run).update(n.name for n in turn.nodes)
                known_names = {*planner.made, *(n.name for n in turn.nodes)}
                found = needs_of(turn.nodes, known_names)
                waits = [name for name in needs(loop.node) if name in unknown]
                first = {n: [*others, *(w for w in waits if w not in others)] for n, others in found.items()}
                planner.walk(turn.nodes, first)
                inside += [node.name for node in turn.nodes]
                good = all(planner.made[node.name].action in ("cached", "omit") for node in turn.nodes)
                known = known and good
                for node in turn.nodes:
                    loop.ended(turn.label, node.name, Status.CACHED)
                if loop.serial and not good:
                    return False
                loop.go_on(planner.sources, lambda s: (s.node, s.port) in planner.places)
        if known:
            self._gathered(loop)
        return known

    def _gathered(self, loop: Loop) -> None:
        """Where what the loop gives would be: values for good, of data the digest alone."""
        planner = self.planner
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mlp-plan-")

        def given(source: FromNode) -> tuple[str, str] | None:
            path = planner.places.get((source.node, source.port))
            return None if path is None else (path, planner.known[path])

        paths, digests = gather(loop, os.path.join(self._folder.name, loop.node.name), given, data=False)
        for port, path in paths.items():
            planner.places[loop.node.name, port] = path
            planner.known[path] = digests[port]


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name.replace('.', '/')}`" for name in names)
