"""From a Graph to what a run of it would do: which steps would run and why, which are cached. Nothing is written."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Graph, Node
from mlp_lang.compiler.order import sort
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.runner import environment, failures, serving
from mlp_lang.runner.asked import forced, prepared, unrunnable
from mlp_lang.runner.bindings import BindingError, given_inputs, settled, sources
from mlp_lang.runner.content import Memory, digest_text
from mlp_lang.runner.facts import spell_facts
from mlp_lang.runner.folder import home_folder
from mlp_lang.runner.foresight import Foresight, Planned
from mlp_lang.runner.keys import Key, Known, changes, key_of
from mlp_lang.runner.local import NOTHING, Local
from mlp_lang.runner.places import earlier_runs, last_entries
from mlp_lang.runner.rooms import INSTALLED, Rooms, prepare
from mlp_lang.runner.selection import EVERYTHING, Chosen, Selection, all_needs, going
from mlp_lang.runner.steps import ports_of
from mlp_lang.runner.store import Cache, Stored, load


class Plan(NamedTuple):
    """What would happen. `diagnostics` with an error mean that nothing would run."""

    pipeline: str
    profile: str | None
    steps: tuple[Planned, ...]
    diagnostics: tuple[Diagnostic, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        counts: dict[str, int] = {}
        for step in self.steps:
            counts[step.action] = counts.get(step.action, 0) + 1
        steps = [step._asdict() for step in self.steps]
        return {"pipeline": self.pipeline, "profile": self.profile, "counts": counts, "steps": steps}


def plan(
    graph: Graph,
    folder: Path | str | None = None,
    *,
    cache: bool = True,
    resume: bool = False,
    data: Mapping[str, str] | None = None,
    home: Path | str | None = None,
    select: Selection = EVERYTHING,
    force: bool = False,
    local: Local | None = None,
    rooms: str = INSTALLED,
) -> Plan:
    """What `run` with the same arguments would do now. Raises nothing for a user's mistake: see the diagnostics."""
    where = home_folder(os.fspath(home) if home is not None else None)
    have = environment.installed()
    asked = prepared(graph, select, data or {}, local or NOTHING, have if rooms == INSTALLED else None)
    graph, whole, chosen = asked.graph, asked.whole, asked.chosen
    if asked.unknown:
        return Plan(graph.name, graph.profile, (), tuple(asked.unknown))
    places, unbuilt = prepare(rooms, whole, going(whole, chosen), where, lambda _: None, build=False)
    found = [*asked.found, *unbuilt, *unrunnable(whole, have)]
    if any(d.code == "MLP0910" or d.severity is Severity.ERROR for d in asked.unlaid):
        return Plan(graph.name, graph.profile, (), tuple(found))
    steps, lacks = Planner(graph, chosen, folder, resume, where, have, cache, force or forced(graph), places).plan()
    return Plan(graph.name, graph.profile, steps, (*found, *lacks))


def lacking(
    graph: Graph,
    chosen: Chosen,
    folder: Path | str | None,
    resume: bool,
    home: str,
    have: Mapping[str, str],
    cache: bool,
    force: bool,
    rooms: Rooms,
) -> list[Diagnostic]:
    """The steps that are to be taken from earlier runs and are known not to be there."""
    return Planner(graph, chosen, folder, resume, home, have, cache, force, rooms).plan()[1]


class Planner:
    """What would happen to each step, and what of their results is there."""

    def __init__(
        self,
        graph: Graph,
        chosen: Chosen,
        folder: Path | str | None,
        resume: bool,
        home: str,
        have: Mapping[str, str],
        cache: bool,
        force: bool,
        rooms: Rooms,
    ) -> None:
        self.graph = graph
        self.chosen = chosen
        place = os.path.abspath(folder) if folder is not None else ""
        self.folder = place if resume else ""
        self.home = home
        self.force = force
        self.cache = Cache(os.path.join(home, "cache"), cache)
        self.earlier = earlier_runs(home, graph.name, but=place) if chosen.taken else ()
        self.made: dict[str, Planned] = {}
        self.lacks: list[Diagnostic] = []
        self.known: dict[str, str] = {}
        self.places: dict[tuple[str, str], str] = {}
        facts = {}
        for item in graph.facts:
            facts[item.name] = path = os.path.join(home, "facts", f"{item.name}.json")  # a name: there is no such file
            self.known[path] = digest_text(spell_facts(item))
        self.sources = sources(graph, facts, self._output)
        self.memory = Memory(os.path.join(home, "digests.db"), read_only=True)
        self.about = Known(graph, self.memory, self.known, have, rooms)
        self.run = set(chosen.run)
        self.taken = set(chosen.taken)
        self.foresight = Foresight(self)

    def plan(self) -> tuple[tuple[Planned, ...], list[Diagnostic]]:
        try:
            self.walk(self.graph.nodes, all_needs(self.graph))
        finally:
            self.memory.close()
            self.foresight.close()
        return tuple(self.foresight.in_order(self.graph.nodes)), self.lacks

    def walk(self, steps: tuple[Node, ...], needs: Mapping[str, list[str]]) -> None:
        """Plan steps, each after what it needs."""
        nodes = {node.name: node for node in steps}
        made = self.made
        for name in sort(nodes, lambda n: needs[n])[0]:
            node = nodes[name]
            unknown = [n for n in needs[name] if made[n].action != "cached"]
            made[name] = step = self.foresight.step(node, unknown) or self._step(node, unknown)
            if step.action == "lacks" and not any(made[n].action == "lacks" for n in unknown):
                self.lacks.append(failures.not_there(node, step.why))

    def _step(self, node: Node, unknown: list[str]) -> Planned:
        taken = node.name in self.taken
        once = not node.component.deterministic and node.deployment is None
        if serving.elsewhere(node):
            return self.said(node, "run", "it does nothing here")
        if unknown:
            names = ", ".join(f"`{name}`" for name in unknown)
            if taken and any(name in self.taken for name in unknown):
                return self.said(node, "lacks", f"{names} is not there")
            if once or self.force:
                return self.said(node, "run", _ONCE if once else _FORCED)
            if next(last_entries(self.home, self.graph.name, node.name), None) is None:
                return self.said(node, "run", _NEVER)
            return self.said(node, "maybe", f"it needs {names}, and runs if that gives something new")
        try:
            asked = settled(node, self.sources)
            given = given_inputs(asked, self.sources) if node.deployment is None else []
            check = serving.plan(node, self.graph, self.sources) if node.deployment is not None else None
            key = key_of(asked, given, check, self.about)
        except (BindingError, OSError) as error:
            return self.said(node, "fails", str(error))
        stored, where = self._find(node, key.text, once, taken)
        if stored is not None:
            for port in ports_of(node):
                path = os.path.join(stored.folder, "outputs", port.name)
                self.places[node.name, port.name] = path
                self.known[path] = stored.digests[port.name]
            return self.said(node, "cached", where, stored.seconds)
        if taken:
            return self.said(node, "lacks", self._why(node, key))
        return self.said(node, "run", _ONCE if once else _FORCED if self.force else self._why(node, key))

    def _output(self, node: str, port: str) -> str:
        path = self.places.get((node, port))
        if path is None:
            raise BindingError("MLP0907", f"`{node}` gives no `{port}`")
        return path

    def _find(self, node: Node, key: str, once: bool, taken: bool) -> tuple[Stored | None, str]:
        if self.folder:
            own = load(os.path.join(self.folder, "steps", node.name), key)
            if own is not None:
                return own, "finished in this run"
        if not once and (taken or not self.force):
            stored = load(self.cache.path(key), key) if self.cache.enabled else None
            if stored is not None:
                return stored, "the same as before"
        for earlier in self.earlier if taken else ():
            stored = load(os.path.join(earlier, "steps", node.name), key)
            if stored is not None:
                return stored, f"from {os.path.basename(earlier)}"
        return None, ""

    def _why(self, node: Node, key: Key) -> str:
        """Why there is no result, from what the last run of this step was made of."""
        for entry in last_entries(self.home, self.graph.name, node.name):
            parts = entry.get("parts")
            if entry.get("key") == key.text:
                return "its result is in an earlier run, and not in the cache"
            if isinstance(parts, dict):
                return f"changed: {', '.join(changes(parts, key.parts)) or 'something that was not noted'}"
        return _NEVER

    def said(self, node: Node, action: str, why: str, seconds: float | None = None) -> Planned:
        if seconds is None and action in ("run", "maybe"):
            entry = next(last_entries(self.home, self.graph.name, node.name), {})
            seconds = entry.get("seconds")
        if node.kind == "sweep" and action in ("run", "maybe"):
            from mlp_lang.runner import sweep

            why = f"{why}: {sweep.spelled(self._settled(node))}"
        return Planned(node.name, node.title or node.name, node.verb, node.component.name, action, why, seconds)

    def _settled(self, node: Node) -> Node:
        try:
            return settled(node, self.sources)
        except BindingError:  # which the step says itself
            return node


_ONCE = "it never gives the same twice (`is_deterministic: false`)"
_NEVER = "it has not run here yet"
_FORCED = "it is made to (`--force` or `force_rerun`)"


def refused(plan: Plan) -> bool:
    """Whether a run would be refused before anything runs."""
    return any(d.severity is Severity.ERROR for d in plan.diagnostics)


_MARKS = {"fails": "FAILS", "omit": "-"}


def spell_plan(plan: Plan) -> str:
    """The plan as a terminal shows it: a line a step."""
    from mlp_lang.runner.progress import spell_seconds

    width = max((len(step.title) for step in plan.steps), default=0)
    lines = []
    for step in plan.steps:
        took = f" (took {spell_seconds(step.seconds)})" if step.seconds is not None else ""
        lines.append(f"{_MARKS.get(step.action, step.action):<6}  {step.title:<{width}}  {step.why}{took}")
    counts = plan.document()["counts"]
    words = {"run": "to run", "maybe": "perhaps to run", "steer": "to decide as it goes", "omit": "left out"}
    said = ", ".join(f"{number} {words.get(action, action)}" for action, number in counts.items())
    return "\n".join([*lines, f"{plan.pipeline}: {said or 'no steps'}; nothing was run"]) + "\n"
