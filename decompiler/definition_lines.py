"""From YAML values to how `.mlp` spells them, and from a program's lines, with the comments of the YAML, to text."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from mlp_lang.dsl.strings import spell
from mlp_lang.lowering.checker.document import Place

_RESERVED = frozenset(["and", "else", "false", "in", "none", "not", "or", "true"])
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#.*")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def is_name(text: str) -> bool:
    """Whether a text can be written as a name without quotes."""
    return _NAME.fullmatch(text) is not None and text not in _RESERVED


def name_of(text: str) -> str:
    """A name made of a text."""
    made = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return made if is_name(made) else f"_{made}"


def key(text: str) -> str:
    """A name where quotes may stand around it."""
    return text if is_name(text) else string(text)


def string(text: str) -> str:
    """A text as a string on one line."""
    return '"' + spell([text])[0] + '"'


def literal(value: Any) -> str:
    """A scalar, a list or a map."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if "n" not in text else string(text)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key(k)}: {literal(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return string(str(value))


def duration(amount: int, parts: int) -> str:
    """A duration that is counted in seconds (1 part) or milliseconds (1000), in the largest unit that divides it."""
    if amount % parts:
        return f"{amount}ms"
    seconds = amount // parts
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def moved(path: str, folder: str, out: str) -> str:
    """A path that is relative to `folder` as one that is relative to `out`."""
    full = os.path.normpath(os.path.join(folder, path.removeprefix("file:")))
    return os.path.relpath(full, out).replace(os.sep, "/")


def plain(place: Place) -> Any:
    """The data in a YAML node; what is no JSON (a date) is its text."""
    if place.is_mapping:
        return {name: plain(field.value) for name, field in place.fields().items()}
    if place.is_scalar:
        value = place.value()
        return value if value is None or isinstance(value, bool | int | float | str) else place.text
    return [plain(item) for item in place.items()]


class Line:
    """A line of a program, or a header and the lines of its block of it. `at` is its line in the YAML, or -1."""

    def __init__(self, text: str, at: int = -1, body: "list[Line] | None" = None, doc: str = "") -> None:
        self.text = text
        self.at = at
        self.body = body
        self.doc = doc
        self.above: list[str] = []
        self.trailing = ""

    def render(self, indent: int = 0) -> Iterator[str]:
        blanks = " " * indent
        yield from (blanks + comment for comment in self.above)
        if self.doc:
            yield from (f"{blanks}## {line}".rstrip() for line in self.doc.split("\n"))
        end = f"  {self.trailing}" if self.trailing else ""
        if self.body is None:
            yield blanks + self.text + end
        elif not self.body:
            yield f"{blanks}{self.text} {{}}{end}"
        elif indent and not end and (inner := self.body[0].alone()) and len(self.body) == 1:
            yield f"{blanks}{self.text} {{ {inner} }}"
        else:
            yield f"{blanks}{self.text} {{{end}"
            for line in self.body:
                yield from line.render(indent + 2)
            yield blanks + "}"

    def alone(self) -> str:
        """The line if it may share one with the braces around it."""
        return self.text if self.body is None and not (self.above or self.doc or self.trailing) else ""

    def walk(self) -> "Iterator[Line]":
        yield self
        for line in self.body or ():
            yield from line.walk()


def attach(lines: list[Line], root: Place) -> list[str]:
    """Put the comments of a YAML file above the lines that they stood above; what is left stands at the end."""
    every = sorted((line for top in lines for line in top.walk() if line.at >= 0), key=lambda line: line.at)
    ends: dict[int, Line] = {}
    for line in every:
        ends.setdefault(line.at, line)
    left = []
    for at, text, own in _comments(root):
        if not own and at in ends and not ends[at].trailing:
            ends[at].trailing = text
            continue
        below = next((line for line in every if line.at >= at), None)
        if below is None:
            left.append(text)
        else:
            below.above.append(text)
    return left


def _comments(root: Place) -> Iterable[tuple[int, str, bool]]:
    """Comments with their lines, and whether they have the line for themselves; a `#` in a scalar is none."""
    inside: dict[int, int] = {}  # where the last scalar of a line ends
    whole: set[int] = set()  # lines that lie in a scalar of several
    nodes = [root.node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            nodes += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.ScalarNode):
            start, end = node.start_mark, node.end_mark
            last = end.line if end.column else end.line - 1
            whole.update(range(start.line + 1, last + (node.style in ("|", ">"))))
            inside[last] = max(inside.get(last, 0), end.column if end.line == last else 0)
    for at, line in enumerate(root.source.text.split("\n")):
        if at in whole:
            continue
        found = _COMMENT.search(line.rstrip("\r"), inside.get(at, 0))
        if found is not None:
            yield at, _marked(found[0].rstrip()), not line[: found.start()].strip()


def _marked(comment: str) -> str:
    """A comment that is no description: `##` would be one."""
    return "# " + comment.lstrip("#").strip() if comment.startswith("##") else comment
