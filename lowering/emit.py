"""From plain data (dicts, lists, scalars) to YAML text that every YAML 1.1 and 1.2 reader reads back as the same.

PyYAML's writer takes seconds for a thousand jobs and cannot write comments; this one knows block style only. Scalars
are written plain where no reader could take them for anything but a string, else double-quoted; long commands are
folded, texts of several lines are literal blocks. The same data gives the same bytes anywhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import py_encode_basestring
from typing import Any, NamedTuple


class Commented(NamedTuple):
    """A value with a comment above its key (or its dash); `comment` may have several lines, without the `#`."""

    value: Any
    comment: str


FOLD_AT = 110
"""Column after which a long text without line breaks is folded; a word that is longer stays whole."""

# A letter, `_`, `$` or a relative path first; nothing that YAML gives a meaning to inside a plain scalar; `:` only
# where it cannot end a key; no blank at either end.
_PLAIN = re.compile(r"(?:[A-Za-z_$/]|\.\.?/)(?:[\w.$/@{}+=,()<>;*%-]|:(?=[\w/.])| (?=[\w$/(<>=+*-]))*", re.ASCII)
_WORDS = frozenset(["y", "n", "yes", "no", "true", "false", "on", "off", "null"])
_ODD = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# What a block scalar may hold: anything printable. A line of it may not begin or end with a blank, see below.
_PRINTABLE = re.compile("[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffd]*")
_FOLDABLE = re.compile(r"(?<=[^ ]) (?=[^ ])")


def emit(data: Mapping[str, Any], header: str = "") -> str:
    """YAML text of a mapping, with `header` (lines without `#`) as the comment that it begins with."""
    out: list[str] = []
    if header:
        _comment(header, "", out)
    if data:
        _mapping(data.items(), "", out)
    else:
        out.append("{}\n")
    return "".join(out)


def merge(document: dict[str, Any], extra: Mapping[str, Any]) -> None:
    """Put fields into a document, mappings into mappings; a bare binding becomes one with a `path`."""
    for key, value in extra.items():
        held = document.get(key)
        if isinstance(held, Commented):
            inner = {"path": held.value} if isinstance(held.value, str) and isinstance(value, dict) else held.value
            if isinstance(inner, dict) and isinstance(value, dict):
                merge(inner, value)
                value = inner
            document[key] = held._replace(value=value)
            continue
        if isinstance(held, str) and isinstance(value, Mapping):
            held = {"path": held}
        if isinstance(held, dict) and isinstance(value, Mapping):
            merge(held, value)
            value = held
        elif isinstance(value, Mapping):
            value = merged({}, value)  # a mapping of its own: the next field that goes into it is none of the extra's
        document[key] = value


def merged(document: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The document, once `merge` has put fields into it."""
    merge(document, extra)
    return document


def quoted(text: str) -> str:
    """A double-quoted scalar on one line: JSON's escapes, and YAML's for what YAML calls not printable."""
    result = py_encode_basestring(text)
    return _ODD.sub(lambda m: f"\\u{ord(m[0]):04x}", result)


def scalar(value: object) -> str:
    """One scalar on one line. Raises TypeError for what is none."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        return quoted(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _float(value)
    raise TypeError(f"no YAML scalar for {type(value).__name__}")


@lru_cache(4096)
def _key(key: str) -> str:
    return key if _PLAIN.fullmatch(key) and key.lower() not in _WORDS else quoted(key)


def _float(value: float) -> str:
    """Shortest text that gives the same number back; YAML 1.1 wants a point in what has an exponent."""
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}[text]
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text


def _comment(text: str, indent: str, out: list[str]) -> None:
    for line in text.split("\n"):
        safe = "".join(c if c.isprintable() else " " for c in line)
        out.append(f"{indent}# {safe}\n" if safe else f"{indent}#\n")


def _block(text: str, indent: str) -> str | None:
    """A block scalar from its indicator on, or None where only quotes are safe."""
    if not text or text[0] in " \n" or text[-1] == " " or not _PRINTABLE.fullmatch(text):
        return None
    if "\n" in text:
        if text.endswith("\n\n"):
            return None
        lines = text.split("\n")
        keep = "|-"
        if not lines[-1]:
            lines.pop()
            keep = "|"
        if not any(lines):
            return None
        return keep + "\n" + "".join(f"{indent}{line}\n" if line else "\n" for line in lines)
    if len(text) <= FOLD_AT:
        return None
    lines = []
    line = ""
    for word in _FOLDABLE.split(text):
        if line and len(line) + 1 + len(word) > FOLD_AT:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return ">-\n" + "".join(f"{indent}{x}\n" for x in lines)


def _mapping(items: Iterable[tuple[str, Any]], indent: str, out: list[str], first: str | None = None) -> None:
    """Entries of a mapping that is not empty; `first` is the indent of the first line (after a dash)."""
    deeper = indent + "  "
    for key, value in items:
        lead = indent if first is None else first
        first = None
        if type(value) is Commented:
            _comment(value.comment, " " * len(lead), out)
            value = value.value
        name = _key(key)
        # A key longer than 1,024 characters must be announced.
        head = f"{lead}{name}:" if len(name) < 1000 else f"{lead}? {name}\n{indent}:"
        if isinstance(value, str):
            block = _block(value, deeper) if len(value) > FOLD_AT or "\n" in value else None
            out.append(f"{head} {block}" if block else f"{head} {scalar(value)}\n")
        elif isinstance(value, dict):
            if value:
                out.append(f"{head}\n")
                _mapping(value.items(), deeper, out)
            else:
                out.append(f"{head} {{}}\n")
        elif isinstance(value, list | tuple):
            if value:
                out.append(f"{head}\n")
                _sequence(value, deeper, out)
            else:
                out.append(f"{head} []\n")
        else:
            out.append(f"{head} {scalar(value)}\n")


def _sequence(items: Sequence[Any], indent: str, out: list[str], first: str | None = None) -> None:
    deeper = indent + "  "
    for value in items:
        lead = indent if first is None else first
        first = None
        if type(value) is Commented:
            _comment(value.comment, " " * len(lead), out)
            value = value.value
        if isinstance(value, str):
            block = _block(value, deeper) if len(value) > FOLD_AT or "\n" in value else None
            out.append(f"{lead}- {block}" if block else f"{lead}- {scalar(value)}\n")
        elif isinstance(value, dict) and value:
            _mapping(value.items(), deeper, out, f"{lead}- ")
        elif isinstance(value, list | tuple) and value:
            _sequence(value, deeper, out, f"{lead}- ")
        elif isinstance(value, dict):
            out.append(f"{lead}- {{}}\n")
        elif isinstance(value, list | tuple):
            out.append(f"{lead}- []\n")
        else:
            out.append(f"{lead}- {scalar(value)}\n")
