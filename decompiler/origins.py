"""From places in the program that a YAML became to places in the YAML."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

from mlp_lang.decompiler.statements import Statement
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span

_HEAD = 24
"""Characters by which a statement is recognised after the formatter has had it."""


class Mark(NamedTuple):
    """A statement: how it begins, without blanks, and the YAML lines (from 0) and the column that it comes from."""

    text: str
    first: int
    last: int
    column: int


def marks(root: Statement) -> Iterator[Mark]:
    """The statements that come from lines of the YAML, in the order in which they are printed."""
    if root.first >= 0 and root.text:
        yield Mark(_squeezed(root.text.split("\n", 1)[0])[:_HEAD], root.first, root.last, root.column)
    for inner in root.inner():
        yield from marks(inner)


class Origins:
    """Where in the YAML the parts of a program come from."""

    def __init__(self, source: Source, program: Source, found: tuple[Mark, ...]) -> None:
        self.source = source
        self.program = program
        self._marks: list[tuple[int, int, Mark]] = []  # line and column without blanks from which on it holds
        texts = [_squeezed(line) for line in program.text.split("\n")]
        line = column = 0
        for mark in found:
            for number in range(line, len(texts)):
                at = texts[number].find(mark.text, column if number == line else 0)
                if at >= 0:
                    line, column = number, at
                    self._marks.append((line, column, mark))
                    break

    def span(self, span: Span) -> Span:
        """The place in the YAML; another source's spans stay."""
        if span.source is not self.program:
            return span
        line, column = self.program.position(span.start)
        before = len(_squeezed(self.program.line(line)[: column - 1]))
        last = bisect_right(self._marks, (line - 1, before), key=lambda m: m[:2])
        mark = self._marks[last - 1][2] if last else None
        word = span.text.strip('"')
        if mark is None or not word:
            return self._named(word) or self._line(mark)
        start, end = self._bounds(mark.first, mark.last)
        return _word(self.source, word, start, end) or self._line(mark)

    def diagnostic(self, found: Diagnostic) -> Diagnostic:
        """The same, said of the YAML. What would mend the program does not mend the YAML."""
        related = tuple(r._replace(span=self.span(r.span)) for r in found.related)
        if found.span.source is not self.program:
            return found._replace(related=related)
        said, help = (text.replace(self.program.path, self.source.path) for text in (found.message, found.help))
        return found._replace(message=said, span=self.span(found.span), related=related, help=help, fixes=())

    def all(self, part: Any) -> Any:
        """A part of a Graph with all of its spans in the YAML. What is shared stays shared."""
        return self._moved(part, {})

    def _moved(self, part: Any, made: dict[int, tuple[Any, Any]]) -> Any:
        if isinstance(part, Span):
            return self.span(part)
        if not isinstance(part, tuple) or not part:
            return part
        known = made.get(id(part))
        if known is not None:
            return known[1]
        items = [self._moved(item, made) for item in part]
        if all(new is old for new, old in zip(items, part, strict=True)):
            moved: Any = part
        else:
            moved = type(part)._make(items) if hasattr(type(part), "_make") else tuple(items)  # type: ignore[attr-defined]
        made[id(part)] = (part, moved)  # the part, too: so its id stays its own
        return moved

    def _bounds(self, first: int, last: int) -> tuple[int, int]:
        starts = self.source.line_starts
        first = min(first, len(starts) - 1)
        return starts[first], starts[last + 1] if last + 1 < len(starts) else len(self.source.text)

    def _line(self, mark: Mark | None) -> Span:
        if mark is None:
            return Span(self.source, 0, 0)
        start, end = self._bounds(mark.first, mark.first)
        text = self.source.text[start:end].rstrip()
        return Span(self.source, min(start + mark.column, start + len(text)), start + len(text))

    def _named(self, word: str) -> Span | None:
        """A declaration at the top, whose statement has no line: by the text that it holds."""
        return _word(self.source, word, 0, len(self.source.text)) if len(word) > 2 else None


def _word(source: Source, word: str, start: int, end: int) -> Span | None:
    if not word or "\n" in word:
        return None
    pattern = rf"(?<![\w.]){re.escape(word)}(?![\w])"
    match = re.compile(pattern).search(source.text, start, end)
    return Span(source, match.start(), match.end()) if match else None


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
