"""From names, texts and YAML values to how `.mlp` spells them."""

import re
from collections.abc import Callable

from mlp_lang.dsl.strings import spell, spell_block
from mlp_lang.lowering.checker.document import Place

RESERVED = frozenset(["and", "else", "false", "in", "none", "not", "or", "true"])
LONG = 84  # characters of a command above which it takes several lines
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INT = re.compile(r"[0-9]{1,300}")
_FLOAT = re.compile(r"[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_OPTION = re.compile(r" (?=--[A-Za-z]|\$\[\[|&& |\|\| |\| )")
_ESCAPED = re.compile(r'\\(\\|")')
Piece = tuple[bool, str]
"""Text, or (True) the spelling of an expression that stands in it."""
Binder = Callable[[str], str | None]
"""The expression for what stands in `${{ }}`, or None where it has to stay as it is."""
_EXPRESSION = re.compile(r"\$\{\{\s*([^\s{}\"]+)\s*\}\}")


def is_name(text: str) -> bool:
    """Whether a text can be written as a name without quotes."""
    return _NAME.fullmatch(text) is not None and text not in RESERVED


def slug(text: str) -> str:
    """A name made of a text in lower case; numbering such as `1b_` at its start goes, as it would go in speech."""
    made = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    made = re.sub(r"^[0-9]+[a-z]?_(?=[a-z])", "", made)
    if not made:
        return ""
    return made if is_name(made) else f"_{made}" if made[0].isdigit() else f"{made}_"


def key(text: str) -> str:
    """A name where quotes may stand around it."""
    return text if is_name(text) else quoted(text)


def quoted(text: str) -> str:
    """A text as a string on one line; Azure's own `${{ }}` stays."""
    return '"' + _visible(spell([text])[0]) + '"'


def _visible(spelled: str) -> str:
    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        return "\\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"

    return _CONTROL.sub(escape, spelled)


def pieces(text: str, bind: Binder) -> list[Piece]:
    """Text in which bindings that ``bind`` knows are expressions."""
    found: list[Piece] = []
    at = 0
    for match in _EXPRESSION.finditer(text):
        expression = bind(match[1])
        whole = match.start() == 0 and match.end() == len(text)
        if expression is not None and (whole or '"' not in expression):
            found += [(False, text[at : match.start()]), (True, expression)]
            at = match.end()
    found.append((False, text[at:]))
    return [p for p in found if p[0] or p[1]]


def string(text: str, bind: Binder, *, expression: bool = True) -> str:
    """A text with bindings: the expression itself where it is nothing else, a block where it has several lines."""
    parts = pieces(text, bind)
    if expression and len(parts) == 1 and parts[0][0]:
        return parts[0][1]
    if "\n" in text.strip("\n"):
        return _block(parts)
    return _line(parts)


def command(text: str, bind: Binder, written: list[str] | None = None) -> str:
    """A command: long ones take several lines, broken where the author broke them or before options."""
    if "\n" in text.strip("\n"):
        return _block(pieces(text, bind))
    lines = written or _filled(_OPTION.split(text) if len(text) > LONG else [])
    if len(lines) < 2 or len(text) <= LONG or text.endswith("\n") or any(not line.strip() for line in lines):
        return _line(pieces(text, bind))
    spelled = [_block_text(pieces(line, bind)) for line in lines]
    if any(s.endswith("\\") or "\n" in s for s in spelled):
        return _line(pieces(text, bind))
    indent = "" if spelled[0].startswith("-") else "  "
    joined = f" \\\n{indent}".join(spelled)
    return f'"""\n{joined}\n"""'


def _filled(words: list[str]) -> list[str]:
    """The words, as many on a line as fit."""
    lines = words[:1]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < LONG - 8:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def _spelled(parts: list[Piece], how: Callable[[list[str | None]], list[str]]) -> str:
    texts = how([None if expression else text for expression, text in parts])
    return "".join("${" + part[1] + "}" if part[0] else _visible(text) for part, text in zip(parts, texts, strict=True))


def _line(parts: list[Piece]) -> str:
    return '"' + _spelled(parts, spell) + '"'


def _block_text(parts: list[Piece]) -> str:
    """Text as a block spells it; its own indentation stays as it looks, where the block cannot take it for layout."""
    text = "".join("x" if expression else piece for expression, piece in parts)
    lines = text.split("\n")
    widths = [len(line) - len(line.lstrip(" ")) for line in lines if line]
    layout = min(widths, default=0) > 0 or any(line and not line.strip(" ") for line in lines)
    spelled = _spelled(parts, spell_block if layout else spell_lines)
    if '""' in text:
        return spelled
    return _ESCAPED.sub(lambda match: match[0] if match[1] == "\\" else '"', spelled)


def spell_lines(parts: list[str | None]) -> list[str]:
    """As `spell`, line by line."""
    return [text.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\\\") for text in spell(parts)]


def _block(parts: list[Piece]) -> str:
    return f'"""\n{_block_text(parts)}\n"""'


def scalar(place: Place, bind: Binder) -> str:
    """A literal in the YAML's own spelling where the language has it; what it has no literal for is its text."""
    value = place.value()
    text = place.text
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int():
            digits = text if _INT.fullmatch(text) and (text == "0" or text[0] != "0") else str(value)
            return digits if len(digits) < 300 else quoted(text)
        case float():
            digits = text.lstrip("+-")
            if _FLOAT.fullmatch(digits) and float(digits) == abs(value):
                return "-" + digits if value < 0 or text.startswith("-") else digits
            digits = repr(value)
            return digits if _FLOAT.fullmatch(digits.lstrip("-")) else quoted(text)
        case str():
            return string(value, bind)
    return quoted(text)


def value(place: Place, bind: Binder) -> str:
    """A literal, a list or a map."""
    if place.is_mapping:
        inner = [f"{key(name)}: {value(field.value, bind)}" for name, field in place.fields().items()]
        return "{ " + ", ".join(inner) + " }" if inner else "{}"
    if place.is_scalar:
        return scalar(place, bind)
    return "[" + ", ".join(value(item, bind) for item in place.items()) + "]"


def duration(amount: int, parts: int = 1) -> str:
    """A duration counted in seconds, or in milliseconds (1000 parts), in the largest unit that divides it."""
    if amount % parts:
        return f"{amount}ms"
    seconds = amount // parts
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def no_binding(_: str) -> None:
    """A Binder that leaves everything as it is."""
