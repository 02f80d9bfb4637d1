"""From the raw text of a string literal to its value: escapes, dedenting of blocks, and the way back to a spelling.

Inside a string `${x}` is an expression, `${{…}}` Azure ML's own (kept as it is), `$${` a literal `${`; any other `$` is
itself. A block (`\"\"\"`) drops the line break after its opening and before its closing quotes and the indentation
that its lines share; a backslash at a line's end joins the next line to it, without that line's indentation.
"""

import re

# One step through a string: plain text, an escape, Azure's own expression, or one of the characters that decide.
PIECE = re.compile(
    r'([^"\\$\r\n]+)|(\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r\n|[\s\S]))|(\$\{\{[^"\r\n]{0,1000}?\}\}|\$\$\{)|(\$\{)',
    re.S,
)
LEGAL = re.compile(
    r'\\(?:[nrt"\\$]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|U(?:0010|000[0-9a-fA-F])(?!(?<=0000)[dD][89a-fA-F])[0-9a-fA-F]{4})'
)
_RESOLVE = re.compile(
    r'\\(?:([nrt"\\$])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|\n[ \t]*|\Z)|(\$\$\{)|(\$\{\{[^"\n]{0,1000}?\}\})'
)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_BREAK = re.compile(r"\r\n|\r")
_AZURE_OR_OPEN = re.compile(r'\$\{\{[^"\\\n]{0,1000}?\}\}|\$\{')


def _resolved(match: re.Match[str]) -> str:
    simple, short, long, literal, azure = match.groups()
    if simple:
        return _SIMPLE[simple]
    if short or long:
        return chr(int(short or long, 16))
    return "${" if literal else azure or ""


def resolve(raw: str) -> str:
    """The value of raw text between quotes whose escapes are legal; a backslash before a line break joins the lines."""
    return _RESOLVE.sub(_resolved, raw) if "\\" in raw or "$" in raw else raw


def dedent(raws: list[str]) -> list[str]:
    """Raw pieces of a block (expressions stand between them) without the layout of the source."""
    pieces = [_BREAK.sub("\n", raw) for raw in raws]
    head, newline, rest = pieces[0].partition("\n")
    opened = bool(newline) and not head.strip(" \t")
    if opened:
        pieces[0] = "\n" + rest  # the line break goes once the indentation is known
    body, newline, tail = pieces[-1].rpartition("\n")
    if newline and not tail.strip(" \t") and (len(pieces) > 1 or not opened or body):
        pieces[-1] = body
    elif newline and not tail.strip(" \t"):
        return [""]
    width: int | None = None
    for number, piece in enumerate(pieces):
        lines = piece.split("\n")[1:]
        for i, line in enumerate(lines):
            blank = not line.strip(" \t") and (i < len(lines) - 1 or number == len(pieces) - 1)
            if not blank:
                indent = len(line) - len(line.lstrip(" \t"))
                width = indent if width is None else min(width, indent)
    for number, piece in enumerate(pieces):
        first, *lines = piece.split("\n")
        for i, line in enumerate(lines):
            last = i == len(lines) - 1 and number < len(pieces) - 1
            lines[i] = line[width or 0 :] if last or line.strip(" \t") else ""
        pieces[number] = "\n".join((first, *lines))
    if opened:
        pieces[0] = pieces[0][1:]
    return pieces


def spell(parts: list[str | None]) -> list[str]:
    """Text pieces as a line string spells them, between its quotes; None stands for an expression and comes back
    empty.
    """
    spelled: list[str] = []
    for i, part in enumerate(parts):
        if part is None:
            spelled.append("")
            continue
        text = (
            part.replace("\\", "\\\\")
            .replace('"', '\\"')
            .replace("\n", "\\n")
            .replace("\r", "\\r")
            .replace("\t", "\\t")
        )
        text = _AZURE_OR_OPEN.sub(lambda m: "$${" if m[0] == "${" else m[0], text)
        if text.endswith("$") and parts[i + 1 : i + 2] == [None]:
            text = text[:-1] + "\\$"
        spelled.append(text)
    return spelled


def spell_block(parts: list[str | None]) -> list[str]:
    """Text pieces as a block spells them, between its line breaks; None stands for an expression and comes back
    empty.
    """
    spelled: list[str] = []
    for i, part in enumerate(parts):
        begins_line = i == 0
        if part is None:
            spelled.append("")
            continue
        lines = part.split("\n")
        for number, line in enumerate(lines):
            (text,) = spell([line]) if number < len(lines) - 1 else spell([line, *parts[i + 1 : i + 2]])[:1]
            if (number or begins_line) and text.startswith(" "):
                text = "\\u0020" + text[1:]  # else it would be taken for the layout of the block
            lines[number] = text
        spelled.append("\n".join(lines))
    return spelled


def shift(written: str, indent: int) -> list[str]:
    """The lines of a block as written, with ``indent`` blanks for the indentation that they share.

    The first line is the one of the opening quotes, as it is.
    """
    first, *lines = _BREAK.sub("\n", written).split("\n")
    if first != '"""' and first.strip(" \t") != '"""':
        return [first, *lines]
    closed_alone = bool(lines) and lines[-1].strip(" \t") == '"""'
    body = lines[:-1] if closed_alone else lines
    width = min((len(line) - len(line.lstrip(" \t")) for line in body if line.strip(" \t")), default=0)
    blanks = " " * indent
    shifted = [blanks + line[width:] if line.strip(" \t") else "" for line in body]
    return ['"""', *shifted, *([blanks + '"""'] if closed_alone else [])]
