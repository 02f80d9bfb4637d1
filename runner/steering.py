"""From the nodes of a run that steer, to what they leave out and to the turns that they add."""

import os
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlp_lang.compiler.graph import FromNode, Graph, Node
from mlp_lang.runner import failures, record
from mlp_lang.runner.bindings import BindingError, needs, value_ports
from mlp_lang.runner.expand import Turn, is_loop
from mlp_lang.runner.loops import Loop, decide, ended_by, gather, said_of
from mlp_lang.runner.outcome import Outcome, Status
from mlp_lang.runner.progress import Progress
from mlp_lang.runner.schedule import Schedule
from mlp_lang.runner.selection import needs_of
from mlp_lang.runner.steps import Shop


class Crew(NamedTuple):
    """What of a run steering works with."""

    graph: Graph
    shop: Shop
    nodes: dict[str, Node]
    outcomes: dict[str, Outcome]
    schedule: Schedule
    progress: Progress
    end: Callable[[str, Outcome], None]  # a node that was started has ended
    settle: Callable[[str, Outcome], None]  # one that was not, has
    apart: Callable[[str, Callable[[], Outcome]], None]  # what takes time, in a thread; its outcome ends the node


class Steering:
    """Conditions and loops of a run. All but what is done `apart` happens in the scheduler's thread."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.loops: dict[str, Loop] = {}
        self._owners: dict[str, tuple[Loop, str]] = {}  # step -> its loop, and the turn
        self._began: dict[str, float] = {}
        self._turned: list[Loop] = []
        self._last: dict[str, list[str]] = {}  # loop -> steps that give its latest turn's outputs

    def start(self, node: Node) -> None:
        """Evaluate a condition, or begin a loop."""
        where = self.crew.shop.sources
        self._began[node.name] = time.monotonic()
        self.crew.progress.step(node.name, "running", 0.0)
        self.crew.shop.journal.append("started", step=node.name, attempt=0)
        try:
            if not is_loop(node):
                self._decide(node)
                return
            loop = Loop(node, self.crew.graph)
            loop.begin(where)
        except BindingError as error:
            self.crew.end(node.name, ended_by(error, node))
            return
        except OSError as error:
            broken = failures.os_failed(error, node, self.crew.graph, f"steer by `{node.title or node.name}`")
            self.crew.end(node.name, Outcome(Status.FAILED, diagnostic=broken))
            return
        self.loops[node.name] = loop
        self._turn(loop)

    def _decide(self, node: Node) -> None:
        assert node.control is not None
        value = decide(node, node.control.condition, self.crew.shop.sources)
        known = [self.crew.outcomes[name].status for name in needs(node) if name in self.crew.outcomes]
        status = Status.CACHED if known and all(s is Status.CACHED for s in known) else Status.COMPLETED
        said = said_of(node.control.condition, value)
        passed = node.control.otherwise if value else node.control.then
        self.pass_over(passed, Outcome(Status.OMITTED, note=said))
        self.crew.end(node.name, Outcome(status, note=said))

    def pass_over(self, names: Iterable[str], outcome: Outcome) -> None:
        """Steps that will not run, and with them all that needs them."""
        for name in (*names, *self.crew.schedule.beyond(names)):
            if name in self.crew.schedule.nodes and name not in self.crew.outcomes:
                self.crew.settle(name, outcome)

    def ended(self, name: str, status: Status) -> None:
        """Take in that a step has ended; what follows from it for its loop waits for `go_on`."""
        owner = self._owners.get(name)
        if owner is not None and owner[0].ended(owner[1], name, status):
            self._turned.append(owner[0])

    def go_on(self) -> None:
        """Begin the turns that are due, and end the loops that are over."""
        while self._turned:
            loop = self._turned.pop(0)
            if loop.node.name in self.crew.outcomes:
                continue
            try:
                loop.go_on(self.crew.shop.sources, lambda source: self._given(source) is not None)
            except BindingError as error:
                self.crew.end(loop.node.name, ended_by(error, loop.node))
            else:
                self._turn(loop)

    def _turn(self, loop: Loop) -> None:
        for made in loop.due():
            for step in made.nodes:
                self._owners[step.name] = (loop, made.label)
            sources = self.crew.shop.sources
            sources.inputs.update({i.parameter.name: i for i in made.inputs})
            sources.values.update(value_ports(made.nodes))
            self._join(loop, made)
            if not made.nodes and loop.ended(made.label, "", Status.COMPLETED):
                self._turned.append(loop)
        if loop.over:
            self._end(loop)

    def _join(self, loop: Loop, made: Turn) -> None:
        """Take in the steps of a turn."""
        crew, name = self.crew, loop.node.name
        crew.nodes.update({node.name: node for node in made.nodes})
        if name in crew.shop.taken:
            crew.shop.taken.update(node.name for node in made.nodes)
        found = needs_of(made.nodes, crew.nodes)
        earlier = self._last.get(name) if loop.serial else None
        before = earlier if earlier is not None else list(needs(loop.node))  # not by data, but in time
        steps = record.stubs(made.nodes, {n: others or before for n, others in found.items()}, crew.shop.folder.path)
        gives = self._last[name] = list(dict.fromkeys(source.node for source in made.outputs.values()))
        crew.shop.journal.append("added", loop=name, steps=steps, gives=gives, alone=loop.serial)
        crew.progress.add(name, made.nodes)
        crew.schedule.add(made.nodes, found, crew.outcomes.__contains__)
        for node in made.nodes:
            ends = [crew.outcomes[other] for other in found[node.name] if other in crew.outcomes]
            bad = next((end for end in ends if not end.status.succeeded), None)
            if bad is not None:
                left_out = bad.status is Status.OMITTED
                end = Outcome(Status.OMITTED, note=bad.note) if left_out else Outcome(Status.SKIPPED)
                self.pass_over([node.name], end)

    def _end(self, loop: Loop) -> None:
        name = loop.node.name
        began = self._began[name]
        if loop.failed:
            took = time.monotonic() - began
            self.crew.end(
                name, Outcome(Status.FAILED, took, diagnostic=loop.failure(), started=began, note=loop.said())
            )
            return
        self.crew.apart(name, lambda: self._gather(loop, began))

    def _gather(self, loop: Loop, began: float) -> Outcome:
        shop = self.crew.shop
        folder = shop.folder.step(loop.node.name)
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        try:
            paths, digests = gather(loop, folder, self._given)
        except OSError as error:
            broken = failures.os_failed(error, loop.node, self.crew.graph, "put together what the turns gave")
            return Outcome(Status.FAILED, time.monotonic() - began, diagnostic=broken, started=began)
        shop.known.update({path: digests[port] for port, path in paths.items()})
        read = tuple(
            {"name": port, "source": f"{source.node}.{source.port}", "digest": found[1]}
            for made in ([*loop.turns.values()][-1:] if loop.serial else loop.turns.values())
            for port, source in made.outputs.items()
            if (found := self._given(source)) is not None
        )
        states = {self.crew.outcomes[n.name].status for made in loop.turns.values() for n in made.nodes}
        cached = bool(states) and states <= {Status.CACHED, Status.OMITTED} and Status.CACHED in states
        return Outcome(
            Status.CACHED if cached else Status.COMPLETED,
            time.monotonic() - began,
            outputs=paths,
            digests=digests,
            read=read,
            started=began,
            note=loop.said(),
        )

    def _given(self, source: FromNode) -> tuple[str, str] | None:
        """Path and digest of what a step gave, if it did."""
        outcome = self.crew.outcomes.get(source.node)
        if outcome is None or source.port not in outcome.outputs:
            return None
        path = outcome.outputs[source.port]
        return path, outcome.digests.get(source.port) or self.crew.shop.known[path]
