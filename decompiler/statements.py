"""From statements with the YAML lines that they come from to text, the comments of the YAML beside them."""

import re
from collections.abc import Iterator

import yaml
from mlp_lang.decompiler.document import Comment, last_line
from mlp_lang.lowering.checker.document import Field, Place

_WIDTH = 96


class Statement:
    """A line of a program, or a header and the statements of its block.

    `first` and `last` are lines of the YAML, -1 where none says it; `column` is where its key stands.
    """

    def __init__(
        self,
        text: str,
        origin: "Field | Place | None" = None,
        body: "list[Statement] | None" = None,
        *,
        doc: str = "",
        blank: bool = False,
        inline: bool = False,
    ) -> None:
        self.text = text
        self.body = body
        self.otherwise: list[Statement] | None = None
        self.doc = doc
        self.blank = blank  # an empty line stands before it
        self.inline = inline  # a block of one statement may stand on the line of its header
        self.above: list[str] = []
        self.below: list[str] = []
        self.closing: list[str] = []
        self.trailing = ""
        self.first, self.last, self.column = -1, -1, 0
        if isinstance(origin, Field):
            self._from(origin.key.node, origin.value.node)
        elif isinstance(origin, Place):
            self._from(origin.node, origin.node)
        elif body:
            self._around(body)

    def _from(self, key: yaml.Node, value: yaml.Node) -> None:
        self.first, self.column = int(key.start_mark.line), int(key.start_mark.column)
        self.last = max(self.first, last_line(value))
        if value.start_mark.line < self.first:  # an alias: its anchor stands elsewhere
            self.last = self.first

    def _around(self, body: "list[Statement]") -> None:
        lines = [s for s in body if s.first >= 0]
        if lines:
            self.first, self.last = min(s.first for s in lines), max(s.last for s in lines)
            self.column = min(s.column for s in lines)

    def inner(self) -> "list[Statement]":
        return [*(self.body or ()), *(self.otherwise or ())]

    def render(self, indent: int = 0) -> Iterator[str]:
        blanks = " " * indent
        if self.blank:
            yield ""
        yield from (blanks + c for c in self.above)
        if self.doc:
            yield from ((blanks + "## " + line).rstrip() for line in self.doc.split("\n"))
        lines = [blanks + line if line else "" for line in self.text.split("\n")]
        body = self.body
        if body is None:
            lines[-1] += "  " + self.trailing if self.trailing else ""
            yield from lines
        elif not body and not self.closing and self.otherwise is None:
            yield from lines[:-1]
            yield lines[-1] + " {}"
        else:
            one = self._on_one_line(lines[-1])
            if one:
                yield from [*lines[:-1], one]
            else:
                yield from [*lines[:-1], lines[-1] + " {"]
                yield from _block(body, [] if self.otherwise is not None else self.closing, indent + 2)
                if self.otherwise is not None:
                    yield blanks + "} else {"
                    yield from _block(self.otherwise, self.closing, indent + 2)
                yield blanks + "}"
        yield from (blanks + c for c in self.below)

    def _on_one_line(self, header: str) -> str:
        if not self.inline or self.closing or self.otherwise is not None or not self.body or len(self.body) > 1:
            return ""
        only = list(self.body[0].render())
        only = only[1:] if self.body[0].blank else only
        fits = len(only) == 1 and len(header) + len(only[0]) <= _WIDTH and not self.body[0].trailing
        return f"{header} {{ {only[0]} }}" if fits and not only[0].startswith("#") else ""


def _block(body: list[Statement], closing: list[str], indent: int) -> Iterator[str]:
    for number, statement in enumerate(body):
        lines = statement.render(indent)
        if number == 0 and statement.blank:
            next(lines)
        yield from lines
    yield from (" " * indent + c for c in closing)


def attach(root: Statement, comments: list[Comment], content: tuple[tuple[int, int], ...]) -> None:
    """Put every comment beside the statement that says what it speaks of: above it, behind it, or after a block."""
    for comment in comments:
        text = marked(comment.text)
        if not comment.own_line:
            _behind(root, comment.line, text)
            continue
        following = next(((line, column) for line, column in content if line > comment.line), None)
        before = next((line for line, _ in reversed(content) if line < comment.line), -1)
        if following is None or (before >= 0 and comment.column > following[1]):
            _after(root, before, comment.column, text)
        else:
            _above(root, following[0], text)


def marked(text: str) -> str:
    """A comment as `.mlp` writes it: two marks would make it a description."""
    rest = text[1:]
    if re.fullmatch(r"#+", rest):
        return "# " + rest
    rest = rest.lstrip("#")
    return "#" + rest if not rest or rest[0] in " \t!" else "# " + rest


def _holding(statement: Statement, line: int) -> Statement | None:
    """The smallest statement inside that stands on a line."""
    found = [s for s in statement.inner() if 0 <= s.first <= line <= s.last]
    return min(found, key=lambda s: (s.last - s.first, -s.first)) if found else None


def _next(statement: Statement, line: int) -> Statement | None:
    later = [s for s in statement.inner() if s.first > line]
    return min(later, key=lambda s: s.first) if later else None


def _above(root: Statement, line: int, text: str) -> None:
    here = root
    while True:
        found = _holding(here, line)
        if found is None:
            later = _next(here, line)
            (later.above if later is not None else here.closing).append(text)
            return
        if found.first == line or not found.inner():
            found.above.append(text)
            return
        here = found


def _behind(root: Statement, line: int, text: str) -> None:
    here = root
    while (found := _holding(here, line)) is not None:
        here = found
        if not here.inner():
            break
    if here is root:
        _above(root, line, text)
    elif here.body is None and "\n" not in here.text and not here.trailing:
        here.trailing = text
    else:
        here.above.append(text)


def _after(root: Statement, line: int, column: int, text: str) -> None:
    here = root
    while (found := _holding(here, line)) is not None and found.column <= column:
        here = found
    if here is root or (here.body is not None and here.column < column):
        here.closing.append(text)
    else:
        here.below.append(text)
