"""From a component's command template and the texts of its inputs to a line for bash; values never become code.

Azure ML pastes values into the line as they are. Here a value stays the one word (or the piece of a string) that it
stands for: what the shell would read as code is quoted for the place in which the placeholder stands. So
`--name ${{inputs.x}}`, `"${{inputs.x}}"` and `'${{inputs.x}}'` all pass the value whole, and a value with blanks is one
argument, not several.
"""

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs)\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_HARMLESS = re.compile(r"[A-Za-z0-9_@%+=:,./-]*\Z")
_UNSURE = frozenset(["`", "(("])
_BEYOND = re.compile(r"<<|\bcase\b|\beval\b")  # what the quoting below does not follow: here-documents, case, eval


class CommandError(Exception):
    """A command line that cannot be made; the message names the placeholder and says why."""


class Piece(NamedTuple):
    """Literal text of a template, or a placeholder (`section` is `inputs` or `outputs`)."""

    text: str
    section: str = ""
    name: str = ""


def expand(template: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """The command line of a step.

    `inputs` holds the texts of the inputs that have a value; an optional group `$[[ … ]]` stands if all of its inputs
    do. Raises CommandError for an unknown or valueless placeholder, an unclosed group, and a value that cannot be
    quoted where it stands (in backquotes, in a here-document).
    """
    pieces = _pieces(_groups(template, inputs))
    quoting = _Quoting("".join(p.text for p in pieces if not p.section))
    line: list[str] = []
    for piece in pieces:
        if not piece.section:
            quoting.read(piece.text)
            line.append(piece.text)
            continue
        table = inputs if piece.section == "inputs" else outputs
        value = table.get(piece.name)
        if value is None:
            what = "has no value" if piece.section == "inputs" else "is no output of the component"
            raise CommandError(f"`${{{{{piece.section}.{piece.name}}}}}` in the command {what}")
        line.append(quoting.spell(value, f"{piece.section}.{piece.name}"))
    return "".join(line)


def references(template: str) -> set[tuple[str, str]]:
    """All placeholders of a template as (`inputs` or `outputs`, name)."""
    return {(m[1], m[2]) for m in PLACEHOLDER.finditer(template)}


def _groups(template: str, inputs: Mapping[str, str]) -> str:
    """The template with every optional group resolved."""
    out: list[str] = []
    position = 0
    while (start := template.find("$[[", position)) >= 0:
        end = template.find("]]", start)
        if end < 0:
            raise CommandError("an optional group `$[[` of the command is not closed by `]]`")
        out.append(template[position:start])
        inner = template[start + 3 : end]
        if all(name in inputs for section, name in references(inner) if section == "inputs"):
            out.append(inner)
        position = end + 2
    out.append(template[position:])
    return "".join(out)


def _pieces(template: str) -> list[Piece]:
    pieces = []
    position = 0
    for match in PLACEHOLDER.finditer(template):
        if match.start() > position:
            pieces.append(Piece(template[position : match.start()]))
        pieces.append(Piece("", match[1], match[2]))
        position = match.end()
    if position < len(template):
        pieces.append(Piece(template[position:]))
    return pieces


class _Quoting:
    """Follows bash's quoting through the template: a stack of `'`, `"`, `` ` `` and `(` that are open."""

    def __init__(self, whole: str) -> None:
        self._open: list[str] = []
        self._escaped = False
        self._beyond = _BEYOND.search(whole) is not None
        self._last = "\n"

    def read(self, text: str) -> None:
        for c in text:
            self._character(c)
            self._last = c

    def _character(self, c: str) -> None:
        stack = self._open
        inside = stack[-1] if stack else ""
        if self._escaped:
            self._escaped = False
        elif inside == "#":
            if c == "\n":
                stack.pop()
        elif inside in ("'", "$'"):
            if c == "'":
                stack.pop()
            elif c == "\\" and inside == "$'":
                self._escaped = True
        elif c == "\\":
            self._escaped = True
        elif c == "`":
            if "`" in stack:
                del stack[stack.index("`") :]
            else:
                stack.append("`")
        elif c == '"':
            if inside == '"':
                stack.pop()
            else:
                stack.append('"')
        elif c == "'" and inside != '"':
            stack.append("$'" if self._last == "$" else "'")
        elif c == "#" and inside != '"' and self._last in " \t\n;&|(":
            stack.append("#")
        elif c == "(" and (self._last == "$" or inside != '"'):
            if self._last == "(" and inside == "(":
                stack[-1] = "(("  # arithmetic evaluates the value of what it reads
            stack.append("(")
        elif c == "{" and self._last == "$":
            stack.append("{")
        elif (c == ")" and inside in ("(", "((")) or (c == "}" and inside == "{"):
            stack.pop()

    def spell(self, value: str, name: str) -> str:
        """`value` as it must be written at this place."""
        if "\0" in value:
            raise CommandError(f"the value of `{name}` holds a NUL character, which no command line can carry")
        self._last = "x"
        if _HARMLESS.match(value) and (value or self._open):
            return value
        inside = self._open[-1] if self._open else ""
        if self._escaped or self._beyond or inside in ("{", "$'", "#") or not _UNSURE.isdisjoint(self._open):
            raise CommandError(
                f"the value of `{name}` holds characters that are special to the shell, and stands where "
                "they cannot be quoted (a comment, a here-document, backquotes, `${…}`, arithmetic, eval, case); "
                "use plain quotes or $(…) there"
            )
        if inside == "'":
            return value.replace("'", "'\\''")
        if inside == '"':
            return re.sub(r'([\\"$`])', r"\\\1", value)
        return shlex.quote(value)
