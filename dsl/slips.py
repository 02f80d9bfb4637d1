"""From a character that begins no token to the token that was meant and what to write instead."""

import re

from mlp_lang.dsl.brackets import Brackets
from mlp_lang.dsl.tokens import Tokens

_LINE = re.compile(r"[^\r\n]*")
_QUOTED = re.compile(r"'((?:[^'\\\r\n]|\\.)*)'")
_OPERATORS = {"&&": ("AND", "and", "and"), "||": ("OR", "or", "or"), "!": ("NOT", "not", "not ")}
_INVISIBLE = {
    "\u00a0": "no-break space",
    "\u200b": "zero-width space",
    "\u2028": "line separator",
    "\ufeff": "byte-order mark",
}


def line_end(text: str, offset: int) -> int:
    found = _LINE.match(text, offset)
    return found.end() if found else offset


def slashes(tokens: Tokens, start: int) -> int:
    """A statement that begins with `//`; the offset after it."""
    fix = tokens.fix("write `#`", start, start + 2, "#")
    tokens.report("MLP0006", "found `//`, expected a statement", start, start + 2, "comments begin with `#`", fix=fix)
    end = line_end(tokens.source.text, start)
    tokens.emit("BAD", start, end)
    return end


def foreign(tokens: Tokens, brackets: Brackets, start: int) -> int:
    """Any character that begins no token; the offset at which to go on."""
    text = tokens.source.text
    if text[start] == "'":
        quoted = _QUOTED.match(text, start)
        if quoted:
            return _single_quotes(tokens, quoted)
    for sign, (kind, word, replacement) in _OPERATORS.items():
        if text.startswith(sign, start):
            end = start + len(sign)
            fix = tokens.fix(f"write `{word}`", start, end, replacement)
            tokens.report("MLP0006", f"found `{sign}`, expected `{word}`", start, end, "operators are words", fix=fix)
            tokens.emit(kind, start, end)
            return end
    end = start + 1
    if start >= brackets.quiet_until:  # one such character is enough for a line
        brackets.quiet_until = line_end(text, start)
        _unexpected(tokens, start)
    if text[start] == ";":
        tokens.end_statement(start)
        brackets.begin_statement()
    else:
        tokens.emit("BAD", start, end)
    return end


def _single_quotes(tokens: Tokens, quoted: re.Match[str]) -> int:
    start, end = quoted.span()
    inner = quoted[1].replace("\\'", "'")
    fix = tokens.fix("use double quotes", start, end, '"' + inner.replace('"', '\\"') + '"')
    tokens.report("MLP0006", "strings stand in double quotes", start, end, "single quotes", fix=fix)
    tokens.texts[len(tokens.kinds)] = inner
    tokens.emit("STRING", start, end)
    return end


def _unexpected(tokens: Tokens, start: int) -> None:
    char = tokens.source.text[start]
    end = start + 1
    name = _INVISIBLE.get(char)
    if char == ";":
        fix = tokens.fix("remove `;`", start, end, "")
        label = "a statement ends with its line"
        tokens.report("MLP0006", "found `;`, expected the end of the line", start, end, label, fix=fix)
    elif name or not char.isprintable():
        fix = tokens.fix("replace it by a space", start, end, " ")
        message = f"invisible character U+{ord(char):04X}" + (f" ({name})" if name else "")
        tokens.report("MLP0002", message, start, end, "stands here", fix=fix)
    else:
        help = "`${…}` stands in strings; elsewhere write the expression itself" if char == "$" else ""
        if char.isalnum():
            help = "names are made of the letters a to z, digits and underscores"
        message = f"found `{char}`, which begins nothing in this language"
        tokens.report("MLP0002", message, start, end, "unexpected character", help)
