"""From expressions and types to pieces of text: what stands in one line, and what may be broken into several.

A node is a row of pieces (`"(", node, ")"`) or brackets around elements (`Bracket`), which the formatter may put on
lines of their own. Literals and strings keep the author's spelling; nodes made by a program are spelled from their
values.
"""

import re
from typing import NamedTuple, TypeAlias

from mlp_lang.dsl.strings import spell, spell_block
from mlp_lang.dsl.syntax import (
    Argument,
    Attribute,
    Binary,
    Call,
    Expr,
    Group,
    Index,
    ListExpr,
    Literal,
    LiteralKind,
    MapEntry,
    MapExpr,
    Name,
    NamedType,
    OptionalType,
    RangeType,
    Reference,
    String,
    TypeExpr,
    Unary,
    UnionType,
)
from mlp_lang.dsl.tokens import RESERVED

_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*")
Node: TypeAlias = Expr | TypeExpr | RangeType | Argument | MapEntry | Name
Row: TypeAlias = list[str | Node]


class Bracket(NamedTuple):
    """Elements between two brackets; on lines of their own each ends with a comma where ``commas``."""

    opening: str
    elements: tuple[Node, ...]
    closing: str
    commas: bool = True
    padding: str = ""  # between the brackets and the elements where all is on one line


def anatomy(node: Node) -> Row | Bracket:
    """How a node is made up: a row of text and nodes, or elements in brackets."""
    match node:
        case Name():
            return [named(node)]
        case Reference(text):
            return [text]
        case Literal():
            return [literal(node)]
        case String():
            return [string(node)]
        case Attribute(value, name):
            return [value, "." + named(name)]
        case Index(value, key):
            return [value, "[", key or "*", "]"]
        case Unary(operator, operand):
            return [operator + " " if operator == "not" else operator, operand]
        case Binary(operator, left, right):
            return [left, f" {operator} ", right]
        case Argument(None, value):
            return [value]
        case Argument(name, value):
            return [f"{name.text if name else ''} = ", value]
        case MapEntry(key, value):
            return [key, ": ", value]
        case Group(value):
            return Bracket("(", (value,), ")", commas=False)
        case Call(function, arguments):
            return Bracket(function.text + "(", arguments, ")")
        case ListExpr(items):
            return Bracket("[", items, "]")
        case MapExpr(entries):
            return Bracket("{", entries, "}", padding=" ")
        case OptionalType(inner):
            return [inner, "?"]
        case UnionType(members):
            row: Row = []
            for member in members:
                row += [" | ", member] if row else [member]
            return row
        case RangeType(low, high, low_open, high_open):
            ends: Row = [">"] if low_open else []
            ends += [low] if low else []
            ends += ["..<" if high_open else ".."]
            return ends + ([high] if high else [])
        case NamedType("like", (inner,)):
            return ["like ", inner]
        case NamedType(name, parameters, range, members):
            if range:
                return [name + "(", range, ")"]
            if members:
                return Bracket(name + "(", members, ")")
            return Bracket(name + "[", parameters, "]") if parameters else [name]
    raise TypeError(type(node).__name__)


def flat(node: Node | str) -> str:
    """The spelling of a node without layout of its own; only block strings bring line breaks into it."""
    if isinstance(node, str):
        return node
    parts = anatomy(node)
    if isinstance(parts, Bracket):
        inner = ", ".join(flat(element) for element in parts.elements)
        padding = parts.padding if inner else ""
        return parts.opening + padding + inner + padding + parts.closing
    return "".join(flat(part) for part in parts)


def named(name: Name) -> str:
    """A name, in quotes where it is no identifier."""
    if _IDENTIFIER.fullmatch(name.text) and name.text not in RESERVED:
        return name.text
    return f'"{spell([name.text])[0]}"'


def literal(node: Literal) -> str:
    """As the author wrote it, else from the value."""
    if node.text:
        return node.text
    match node.kind:
        case LiteralKind.BOOL | LiteralKind.NONE:
            return str(node.value).lower()
        case LiteralKind.DURATION:
            return f"{node.value}s"
        case LiteralKind.SIZE:
            return f"{node.value}B"
        case LiteralKind.INT:
            return str(node.value)
        case LiteralKind.FLOAT:
            return repr(node.value)


def string(node: String) -> str:
    """As the author wrote it, else from the parts."""
    written = node.span.text
    if written.startswith('"'):
        return written
    texts = [part if isinstance(part, str) else None for part in node.parts]
    spelled = spell_block(texts) if node.block else spell(texts)
    joined = "".join(
        text if isinstance(part, str) else "${" + flat(part) + "}"
        for text, part in zip(spelled, node.parts, strict=True)
    )
    return f'"""\n{joined}\n"""' if node.block else f'"{joined}"'
