"""From spans and absolute paths to what generated files say of their origin: `income.mlp:44-52`.

Everything is relative to the folder of the root program, whatever the working directory, so that the same sources
give the same bytes on any machine.
"""

import os
from collections.abc import Iterable

from mlp_lang.dsl.source import Source, Span

SHOWN = 8
"""How many places a header names before it says how many more there are."""

_BUNDLED = os.path.realpath(os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "components"))


class Provenance:
    """Names files and places relative to the folder of the root program (`root`, absolute)."""

    __slots__ = ("_paths", "root")

    def __init__(self, root: str) -> None:
        self.root = root
        self._paths: dict[int, tuple[Source, str]] = {}

    def path(self, path: str) -> str:
        """A path as it may stand in a build: from the program's folder, `bundled:…` for what ships with mlp."""
        full = os.path.realpath(path)
        if full == _BUNDLED or full.startswith(_BUNDLED + os.sep):
            return "bundled:" + os.path.relpath(full, _BUNDLED).replace(os.sep, "/")
        return os.path.relpath(full, os.path.realpath(self.root)).replace(os.sep, "/")

    def place(self, span: Span | None) -> str:
        """`income.mlp:44-52`, or the empty string for what has no span."""
        if span is None:
            return ""
        source = span.source
        known = self._paths.get(id(source))
        if known is None:
            known = (source, self.path(source.path))  # the Source is kept so that its id stays its own
            self._paths[id(source)] = known
        first = source.position(span.start)[0]
        last = source.position(max(span.start, span.end - 1))[0]
        return f"{known[1]}:{first}" if first == last else f"{known[1]}:{first}-{last}"

    def header(self, spans: Iterable[Span | None]) -> str:
        """The comment that a generated file begins with."""
        places = list(dict.fromkeys(place for span in spans if (place := self.place(span))))
        if not places:
            return "Compiled by mlp. Change the program, not this file."
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        lines = [
            "Compiled by mlp. Change the program, not this file.",
            f"From {', '.join(places[:SHOWN])}{more}.",
        ]
        return "\n".join(lines)
