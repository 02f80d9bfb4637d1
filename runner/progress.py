"""From the events of a run to what a person sees: a live tree on a terminal, one plain line an event elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TextIO

from mlp_lang.compiler.graph import Graph, Node


class Progress(Protocol):
    """What the runner tells. `state` is waiting, running, completed, cached, failed, skipped, cancelled or omitted.

    A `note` says how far a step with parts (trials, mini batches) is.
    """

    def begin(self, graph: Graph, folder: str) -> None: ...

    def add(self, loop: str, nodes: Iterable[Node]) -> None:
        """Further steps: those of a turn of a loop."""

    def step(self, name: str, state: str, seconds: float, note: str = "") -> None: ...

    def note(self, name: str, text: str) -> None: ...

    def say(self, text: str) -> None: ...

    def end(self) -> None: ...


class Silent:
    """Says nothing."""

    def begin(self, graph: Graph, folder: str) -> None: ...

    def add(self, loop: str, nodes: Iterable[Node]) -> None: ...

    def step(self, name: str, state: str, seconds: float, note: str = "") -> None: ...

    def note(self, name: str, text: str) -> None: ...

    def say(self, text: str) -> None: ...

    def end(self) -> None: ...


class Plain:
    """`12:00:01 split … done in 1.2s`, a line an event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._titles: dict[str, str] = {}

    def begin(self, graph: Graph, folder: str) -> None:
        self._titles = {node.name: node.title or node.name for node in graph.nodes}
        self.say(f"{graph.name}: {len(graph.nodes)} steps, in {folder}")

    def add(self, loop: str, nodes: Iterable[Node]) -> None:
        self._titles.update({node.name: node.title or node.name for node in nodes})

    def step(self, name: str, state: str, seconds: float, note: str = "") -> None:
        words = {
            "running": "started",
            "completed": f"done in {spell_seconds(seconds)}",
            "cached": "cached",
            "failed": f"failed after {spell_seconds(seconds)}",
            "skipped": "skipped",
            "cancelled": "cancelled",
            **({"omitted": "left out"} if note else {}),
        }
        if state in words:
            self.say(f"{self._titles.get(name, name)} … {words[state]}{f': {note}' if note else ''}")

    def note(self, name: str, text: str) -> None:
        self.say(f"{self._titles.get(name, name)} … {text}")

    def say(self, text: str) -> None:
        print(time.strftime("%H:%M:%S"), text, file=self._stream, flush=True)

    def end(self) -> None: ...


class Live:
    """The pipeline as a tree that moves while steps run; needs rich."""

    MARKS = {  # noqa: RUF012
        "waiting": ("·", "dim"),
        "running": ("▸", "cyan"),
        "completed": ("✓", "green"),
        "cached": ("=", "green"),
        "failed": ("✗", "bold red"),
        "skipped": ("-", "yellow"),
        "cancelled": ("-", "yellow"),
        "omitted": ("○", "dim"),
    }

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._title = ""
        self._began = 0.0
        self._roots: list[str] = []
        self._shown: dict[str, tuple[str, str, str]] = {}  # name, title, what it is
        self._inside: dict[str, list[str]] = {}  # loop -> steps of its turns
        self._states: dict[str, tuple[str, float, str]] = {}
        self._console = Console(file=stream)
        self._live = RichLive(get_renderable=self._draw, console=self._console, refresh_per_second=8)

    def begin(self, graph: Graph, folder: str) -> None:
        self._title = f"{graph.name}  {folder}"
        self._began = time.monotonic()
        self._roots = [n.name for n in graph.nodes]
        self._shown = {n.name: (n.name, n.title or n.name, _what(n)) for n in graph.nodes}
        self._live.start()

    def add(self, loop: str, nodes: Iterable[Node]) -> None:
        self._shown.update({n.name: (n.name, n.title or n.name, _what(n)) for n in nodes})
        self._inside.setdefault(loop, []).extend(n.name for n in nodes)

    def step(self, name: str, state: str, seconds: float, note: str = "") -> None:
        self._states[name] = (state, time.monotonic() if state == "running" else seconds, note)

    def note(self, name: str, text: str) -> None:
        state, since, _ = self._states.get(name, ("running", time.monotonic(), ""))
        self._states[name] = (state, since, text)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def end(self) -> None:
        self._live.stop()

    def _names(self) -> list[tuple[str, str, str]]:
        from mlp_lang.runner.journal import in_order

        return [self._shown[name] for name in in_order(self._roots, self._inside)]

    def _draw(self) -> Any:
        from rich.text import Text
        from rich.tree import Tree

        now = time.monotonic()
        tree = Tree(Text(f"{self._title}  ", style="bold").append(spell_seconds(now - self._began), style="dim"))
        names = self._names()
        width = max((len(title) for _, title, _ in names), default=0)
        shown = names
        if len(shown) > self._console.height - 4:  # what moves is seen; the rest is counted
            moving = [x for x in shown if self._states.get(x[0], ("waiting",))[0] in ("running", "failed")]
            shown = moving[-(self._console.height - 5) :]
            done = sum(self._states.get(x[0], ("waiting",))[0] in ("completed", "cached") for x in names)
            tree.add(Text(f"{done} of {len(names)} done", style="dim"))
        for name, title, what in shown:
            state, seconds, note = self._states.get(name, ("waiting", 0.0, ""))
            mark, style = self.MARKS[state]
            spent = now - seconds if state == "running" else seconds
            took = spell_seconds(spent) if state in ("running", "completed", "failed") else state
            line = Text(f"{mark} {title:<{width}}  ", style=style)
            line.append(f"{took:>9}  ", style=style)
            line.append(note or what, style="dim")
            tree.add(line)
        return tree


def _what(node: Node) -> str:
    return f"{node.verb} using {node.component.name}" if node.control is None else node.component.name


def spell_seconds(seconds: float) -> str:
    """`0.4s`, `1.2s`, `3min 05s`, `2h 10min`."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}min {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}min"


def choose(stream: TextIO | None = None) -> Progress:
    """Live on a terminal if rich is there, plain lines otherwise. `stream` is standard error unless given."""
    out = stream if stream is not None else sys.stderr
    if out.isatty():
        live: Callable[[TextIO], Progress] = Live
        try:
            return live(out)
        except ImportError:
            pass
    return Plain(out)
