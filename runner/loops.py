"""From a loop whose needs are met to its turns, one after the other or side by side, and to what they give together."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mlp_lang.compiler.graph import Binding, FromInput, FromNode, Graph, Literal, Node, Parameter
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.runner import failures
from mlp_lang.runner.bindings import PRIMITIVES, BindingError, Sources, text_of
from mlp_lang.runner.content import digest_text, place, remove
from mlp_lang.runner.expand import Turn, body_of, turn
from mlp_lang.runner.items import MLTABLE, Item, items_of
from mlp_lang.runner.outcome import Outcome, Status

_BOOLEAN = Parameter("condition", "bool", "boolean")
_SPELLED = {"true": True, "1": True, "false": False, "0": False}


def decide(node: Node, condition: Literal | FromInput | FromNode | None, where: Sources) -> bool:
    """What a condition comes to. Raises BindingError where it is neither true nor false."""
    text = text_of(condition, _BOOLEAN, where, node) if condition is not None else "true"
    found = _SPELLED.get((text or "").strip().lower())
    if found is None:
        said = "has no value" if text is None else f"is `{text[:60]}`, and neither true nor false"
        span = condition.span if condition is not None else None
        help = "the step writes `true` or `false` to the file of its output" if type(condition) is FromNode else ""
        raise BindingError("MLP0961", f"the condition of `{node.title or node.name}` {said}", help, span)
    return found


def said_of(condition: Literal | FromInput | FromNode | None, value: bool) -> str:
    """For people: what a condition came to."""
    word = "true" if value else "false"
    match condition:
        case FromNode(node=node, port=port):
            return f"`{node.replace('.', '/')}.{port}` is {word}"
        case FromInput(name=name):
            return f"`{name}` is {word}"
        case _:
            return f"it is {word}"


class Loop:
    """A flat `do_while` or `parallel_for` as it goes. Says which turns are due; is told how their steps end."""

    def __init__(self, node: Node, graph: Graph) -> None:
        assert node.control is not None
        self.node = node
        self.control = node.control
        self.graph = graph
        self.turns: dict[str, Turn] = {}
        self.failed: list[str] = []
        self._pending: dict[str, set[str]] = {}  # label -> steps of the turn that have not ended
        self._bad: set[str] = set()
        self._items: list[Item] = []
        self._carried: dict[str, Binding] = {}
        self._goes_on = True

    @property
    def serial(self) -> bool:
        """Whether a turn begins by what the one before gave."""
        return self.node.kind == "do_while"

    @property
    def over(self) -> bool:
        """Whether all turns that there are have ended."""
        return not self._pending and not (self._goes_on if self.serial else self._items)

    def begin(self, where: Sources) -> None:
        """Read what it goes over. Raises BindingError."""
        if not self.serial:
            self._items = items_of(self.node, where)
        elif self.control.limit is not None and self.control.limit < 1:
            self._goes_on = False

    def due(self) -> list[Turn]:
        """The turns that begin now, each given once."""
        found: list[Turn] = []
        if self.serial:
            if self._goes_on and not self._pending:
                found.append(self._opened(Item(str(len(self.turns) + 1), self._carried)))
            return found
        most = self.control.max_concurrency or len(self._items)
        while self._items and len(self._pending) < most:
            found.append(self._opened(self._items.pop(0)))
        return found

    def _opened(self, item: Item) -> Turn:
        made = turn(self.node, item.label, item.given, self.graph)
        self.turns[made.label] = made
        self._pending[made.label] = {node.name for node in made.nodes}
        return made

    def ended(self, label: str, step: str, status: Status) -> bool:
        """Take in how a step of a turn ended; whether that was the last of the turn."""
        left = self._pending[label]
        left.discard(step)
        if not (status.succeeded or status is Status.OMITTED):
            self._bad.add(label)
        if left:
            return False
        del self._pending[label]
        if label in self._bad:
            self.failed.append(label)
            if self.serial:
                self._goes_on = False
        return True

    def go_on(self, where: Sources, there: Callable[[FromNode], bool]) -> None:
        """After a good turn of a `do_while`: whether another one follows, and with what. Raises BindingError.

        `there` tells whether a step has given an output: one that was left out by a condition has not. What it would
        have carried stays as it was; a condition that was not given is not true."""
        if not self.serial or not self._goes_on:
            return
        last = next(reversed(self.turns.values()))
        for port, names in self.control.mapping.items():
            source = last.outputs.get(port)
            if source is not None and there(source):
                self._carried.update(dict.fromkeys(names, source))
        if len(self.turns) >= (self.control.limit or 1):
            self._goes_on = False
            return
        condition = self.control.condition
        if isinstance(condition, FromNode) and condition.node == self.control.body:
            source = last.outputs.get(condition.port)
            if source is None or not there(source):
                self._goes_on = False
                return
            condition = source._replace(span=condition.span)
        if condition is not None:
            self._goes_on = decide(self.node, condition, where)

    def sources(self) -> dict[str, FromNode]:
        """Of a `do_while`, whose outputs its own are: those of its last turn."""
        return dict(next(reversed(self.turns.values())).outputs) if self.turns else {}

    def said(self) -> str:
        """For people: how many turns there were."""
        count = len(self.turns)
        return f"{count} turn{'s' if count != 1 else ''}"

    def failure(self) -> Diagnostic:
        """That turns failed, and which."""
        title = self.node.title or self.node.name
        which = ", ".join(f"`{title}/{label}`" for label in self.failed[:5])
        more = f" and {len(self.failed) - 5} more" if len(self.failed) > 5 else ""
        return Diagnostic(
            "MLP0962",
            f"`{title}` failed in {len(self.failed)} of {self.said()}",
            failures.place(self.node),
            label=f"see {which}{more}",
            notes=("what needs it is skipped; the turns that were good are not run again",),
        )


Given: TypeAlias = Callable[[FromNode], tuple[str, str] | None]
"""Path and digest of an output of a step; None if it was not given."""


def gather(loop: Loop, folder: str, given: Given, *, data: bool = True) -> tuple[dict[str, str], dict[str, str]]:
    """Paths and digests of what the turns of a loop give together, by port. Raises OSError.

    Of a `do_while` it is what the last turn gave. What a `parallel_for` gives is put into `folder`: of values a list in
    JSON; of data, unless `data` is False, a folder with an MLTable. Its digest is made of those of its parts.
    """
    if loop.serial:
        last = {port: found for port, source in loop.sources().items() if (found := given(source)) is not None}
        return {port: path for port, (path, _) in last.items()}, {port: digest for port, (_, digest) in last.items()}
    paths: dict[str, str] = {}
    digests: dict[str, str] = {}
    kinds = {p.name: p.azure_type for p in body_of(loop.node).component.outputs}
    staging = os.path.join(os.path.dirname(folder), f".new-{os.path.basename(folder)}")
    remove(staging)
    os.makedirs(os.path.join(staging, "outputs"))
    try:
        for port in loop.node.component.outputs:
            sources = {label: made.outputs.get(port.name) for label, made in loop.turns.items()}
            parts = {label: found for label, s in sources.items() if s is not None and (found := given(s)) is not None}
            target = os.path.join(staging, "outputs", port.name)
            if port.azure_type in PRIMITIVES:
                text = _listed([path for path, _ in parts.values()], kinds.get(port.name) == "string")
                with open(target, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
            elif data:
                _table({label: path for label, (path, _) in parts.items()}, target)
            paths[port.name] = os.path.join(folder, "outputs", port.name)
            made = [port.azure_type, {label: digest for label, (_, digest) in parts.items()}]
            digests[port.name] = digest_text(json.dumps(made))
        remove(folder)
        os.rename(staging, folder)
    except BaseException:
        remove(staging)
        raise
    return paths, digests


def _table(parts: Mapping[str, str], target: str) -> None:
    os.makedirs(target)
    lines = ["type: mltable", "paths:" if parts else "paths: []"]
    for label, path in parts.items():
        place(path, os.path.join(target, label))
        lines.append(f"  - {'folder' if os.path.isdir(path) else 'file'}: ./{label}")
    with open(os.path.join(target, MLTABLE), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _listed(paths: list[str], texts: bool) -> str:
    """The values in files as a list in JSON."""
    found: list[Any] = []
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            said = file.read().strip()
        found.append(said if texts else _SPELLED[said.lower()] if said.lower() in ("true", "false") else _number(said))
    return json.dumps(found, ensure_ascii=False)


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def ended_by(error: BindingError, node: Node) -> Outcome:
    """What steers and cannot: a failed step."""
    return Outcome(Status.FAILED, diagnostic=failures.unbound(error, node))
