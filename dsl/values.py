"""From the reductions of the parser to expressions and types: one method for each rule of mlp.lark about values.

A token arrives as its index, a rule's value as what its method gave. Methods see complete children, left to right.
"""

from typing import NamedTuple, TypeAlias, TypeVar

from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix
from mlp_lang.dsl.quantities import Unreadable, decimal, integer, quantity
from mlp_lang.dsl.source import Span
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
from mlp_lang.dsl.tokens import Tokens

T = TypeVar("T")
End: TypeAlias = tuple[Expr, bool, int]  # of a range: value, whether it is open, offset
Interpolation: TypeAlias = tuple[int, list[str | Expr]]  # offset of the opening quotes, parts so far

PRECEDENCE = {
    "or": 1,
    "and": 2,
    "not": 3,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not in"), 4),
    **dict.fromkeys(("+", "-"), 5),
    **dict.fromkeys(("*", "/", "//", "%"), 6),
}
SIGN_PRECEDENCE = 7  # of a prefix + or -
COMPARISON = PRECEDENCE["=="]
UNSPELLED = {"True": "true", "False": "false", "None": "none", "null": "none"}


class Operator(NamedTuple):
    """An operator in a row of operands; `prefix` is its offset where it stands before its operand, else -1."""

    text: str
    precedence: int
    prefix: int


Row: TypeAlias = list[Expr | Operator]

PRECEDENCE = {
    "or": 1,
    "and": 2,
    "not": 3,
    "==": 4,
    "!=": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "in": 4,
    "not in": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "//": 6,
    "%": 6,
}
SIGN_PRECEDENCE = 7  # of a prefix + or -
COMPARISON = 4
SECONDS = {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}
BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
UNSPELLED = {"True": "true", "False": "false", "None": "none", "null": "none"}


class Values:
    """The methods. `diagnostics` gathers what only a complete node shows to be wrong."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.source = tokens.source
        self.text = tokens.source.text
        self.starts = tokens.starts
        self.ends = tokens.ends
        self.diagnostics: list[Diagnostic] = []
        self.deep = False  # whether an expression has so many operators in a row that its depth must be measured

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def error(self, code: str, message: str, span: Span, label: str, help: str = "", fix: Fix | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, label, help=help, fixes=(fix,) if fix else ()))

    def name(self, token: int) -> Name:
        start, end = self.starts[token], self.ends[token]
        return Name(self.text[start:end], Span(self.source, start, end))

    def quoted_name(self, token: int) -> Name:
        return Name(self.tokens.texts[token], self.span(self.starts[token], self.ends[token]))

    def nothing(self) -> None:
        return None

    def second(self, _: int, value: T) -> T:
        return value

    def exprs_one(self, value: T) -> list[T]:
        return [value]

    def exprs_two(self, left: T, _: int, right: T) -> list[T]:
        return [left, right]

    def exprs_more(self, values: list[T], _: int, value: T) -> list[T]:
        values.append(value)
        return values

    def items_same(self, values: T, _: int = 0) -> T:
        return values

    # --- types ----------------------------------------------------------------------------------------------------

    def union(self, members: list[TypeExpr]) -> UnionType:
        return UnionType(tuple(members), members[0].span.to(members[-1].span))

    def optional(self, inner: TypeExpr, mark: int) -> OptionalType:
        return OptionalType(inner, self.span(inner.span.start, self.ends[mark]))

    def type_name(self, name: Name) -> NamedType:
        return NamedType(name.text, (), None, (), name.span)

    def type_parameters(self, name: Name, _: int, parameters: list[TypeExpr], *closing: int) -> NamedType:
        return NamedType(name.text, tuple(parameters), None, (), self.span(name.span.start, self.ends[closing[-1]]))

    def type_range(self, name: Name, _: int, range: RangeType, bracket: int) -> NamedType:
        return NamedType(name.text, (), range, (), self.span(name.span.start, self.ends[bracket]))

    def type_members(self, name: Name, _: int, arguments: list[Argument], bracket: int) -> NamedType:
        for argument in arguments:
            if argument.name:
                self.error(
                    "MLP0001",
                    f"found `{argument.name.text} =`, expected a value",
                    argument.span,
                    "members have no names",
                )
        members = tuple(argument.value for argument in arguments)
        return NamedType(name.text, (), None, members, self.span(name.span.start, self.ends[bracket]))

    def type_like(self, keyword: int, name: Name) -> NamedType:
        inner = NamedType(name.text, (), None, (), name.span)
        return NamedType("like", (inner,), None, (), self.span(self.starts[keyword], name.span.end))

    def range(self, low: End | None, dots: int, high: End | None) -> RangeType:
        start = low[2] if low else self.starts[dots]
        end = high[0].span.end if high else self.ends[dots]
        return RangeType(
            low[0] if low else None,
            high[0] if high else None,
            bool(low and low[1]),
            bool(high and high[1]),
            self.span(start, end),
        )

    def end_closed(self, value: Expr) -> End:
        return value, False, value.span.start

    def end_open(self, sign: int, value: Expr) -> End:
        return value, True, self.starts[sign]

    # --- expressions ----------------------------------------------------------------------------------------------

    def row_first(self, left: Expr, operator: Operator) -> Row:
        return [left, operator]

    def row_prefix(self, row: Row, operator: Operator) -> Row:
        row.append(operator)
        return row

    def row_more(self, row: Row, operand: Expr, operator: Operator) -> Row:
        row += (operand, operator)
        return row

    def binary(self, token: int) -> Operator:
        text = self.text[self.starts[token] : self.ends[token]]
        if text not in PRECEDENCE:
            text = {"&&": "and", "||": "or"}.get(text, "not in")
        return Operator(text, PRECEDENCE[text], -1)

    def prefix(self, token: int) -> Operator:
        start = self.starts[token]
        if self.tokens.kinds[token] == "NOT":
            return Operator("not", PRECEDENCE["not"], start)
        return Operator(self.text[start], SIGN_PRECEDENCE, start)

    def fold(self, row: Row, last: Expr) -> Expr:
        """Operators of higher precedence first, from the left where they are equal; a prefix reaches as far as it
        binds.
        """
        if len(row) > 8:
            self.deep = True
        operands: list[Expr] = []
        operators: list[Operator] = []
        for piece in row:
            if not isinstance(piece, Operator):
                operands.append(piece)
            else:
                while piece.prefix < 0 and operators and operators[-1].precedence >= piece.precedence:
                    self.apply(operators.pop(), operands)
                operators.append(piece)
        operands.append(last)
        while operators:
            self.apply(operators.pop(), operands)
        return operands[0]

    def apply(self, operator: Operator, operands: list[Expr]) -> None:
        right = operands.pop()
        if operator.prefix >= 0:
            operands.append(Unary(operator.text, right, self.span(operator.prefix, right.span.end)))
            return
        left = operands.pop()
        span = Span(self.source, left.span.start, right.span.end)
        if operator.precedence == COMPARISON and isinstance(left, Binary) and PRECEDENCE[left.operator] == COMPARISON:
            middle = left.right.span
            fix = Fix("compare twice", (Edit(self.span(middle.end, middle.end), f" and {middle.text}"),))
            self.error("MLP0001", "comparisons do not chain", span, "expected two comparisons joined by `and`", fix=fix)
        operands.append(Binary(operator.text, left, right, span))

    def attribute(self, value: Expr, _: int, name: Name) -> Attribute:
        if isinstance(value, Attribute | Index) and isinstance(value.value, Attribute | Index):
            self.deep = True
        return Attribute(value, name, Span(self.source, value.span.start, name.span.end))

    def index(self, value: Expr, _: int, key: Expr, bracket: int) -> Index:
        if isinstance(value, Attribute | Index) and isinstance(value.value, Attribute | Index):
            self.deep = True
        return Index(value, key, self.span(value.span.start, self.ends[bracket]))

    def index_all(self, value: Expr, _: int, __: int, bracket: int) -> Index:
        return Index(value, None, self.span(value.span.start, self.ends[bracket]))

    def reference(self, name: Name) -> Reference:
        meant = UNSPELLED.get(name.text)
        if meant:
            fix = Fix(f"write `{meant}`", (Edit(name.span, meant),))
            self.error(
                "MLP0006",
                f"found `{name.text}`, expected `{meant}`",
                name.span,
                "not a value in this language",
                fix=fix,
            )
        return Reference(name.text, name.span)

    def call(self, function: Name, _: int, arguments: list[Argument], bracket: int) -> Call:
        return Call(function, tuple(arguments), self.span(function.span.start, self.ends[bracket]))

    def argument_value(self, value: Expr) -> Argument:
        return Argument(None, value, value.span)

    def argument_named(self, name: Name, _: int, value: Expr) -> Argument:
        return Argument(name, value, name.span.to(value.span))

    def literal(self, kind: LiteralKind, value: bool | int | float | None, token: int) -> Literal:
        start, end = self.starts[token], self.ends[token]
        return Literal(kind, value, self.text[start:end], Span(self.source, start, end))

    def true(self, token: int) -> Literal:
        return self.literal(LiteralKind.BOOL, True, token)

    def false(self, token: int) -> Literal:
        return self.literal(LiteralKind.BOOL, False, token)

    def none(self, token: int) -> Literal:
        return self.literal(LiteralKind.NONE, None, token)

    def integer(self, token: int) -> Literal:
        start, end = self.starts[token], self.ends[token]
        return self.number(LiteralKind.INT, integer(self.text[start:end]), token)

    def decimal(self, token: int) -> Literal:
        start, end = self.starts[token], self.ends[token]
        return self.number(LiteralKind.FLOAT, decimal(self.text[start:end]), token)

    def quantity(self, token: int) -> Literal:
        read = quantity(self.text[self.starts[token] : self.ends[token]])
        if isinstance(read, Unreadable):
            return self.number(LiteralKind.INT, read, token)
        return self.number(read[0], read[1], token)

    def number(self, kind: LiteralKind, value: int | float | Unreadable, token: int) -> Literal:
        if isinstance(value, Unreadable):
            span = self.span(self.starts[token], self.ends[token])
            fix = Fix(f"write `{value.meant}`", (Edit(span, value.meant),)) if value.meant else None
            self.error("MLP0002", value.message, span, value.label, fix=fix)
            value = 0
        return self.literal(kind, value, token)

    def string_plain(self, token: int) -> String:
        start, end = self.starts[token], self.ends[token]
        text = self.tokens.texts[token]
        block = self.text.startswith('"""', start)
        return String((text,) if text else (), block, Span(self.source, start, end))

    def string_start(self, token: int, value: Expr) -> Interpolation:
        text = self.tokens.texts[token]
        return self.starts[token], [text, value] if text else [value]

    def string_more(self, begun: Interpolation, token: int, value: Expr) -> Interpolation:
        text = self.tokens.texts[token]
        begun[1].extend((text, value) if text else (value,))
        return begun

    def string_end(self, begun: Interpolation, token: int) -> String:
        start, parts = begun
        text = self.tokens.texts[token]
        if text:
            parts.append(text)
        return String(tuple(parts), self.text.startswith('"""', start), self.span(start, self.ends[token]))

    def group(self, bracket: int, value: Expr, closing: int) -> Group:
        return Group(value, self.span(self.starts[bracket], self.ends[closing]))

    def list_empty(self, bracket: int, closing: int) -> ListExpr:
        return ListExpr((), self.span(self.starts[bracket], self.ends[closing]))

    def list_items(self, bracket: int, items: list[Expr], *closing: int) -> ListExpr:
        return ListExpr(tuple(items), self.span(self.starts[bracket], self.ends[closing[-1]]))

    def map_empty(self, brace: int, closing: int) -> MapExpr:
        return MapExpr((), self.span(self.starts[brace], self.ends[closing]))

    def map_entries(self, brace: int, entries: list[MapEntry], *closing: int) -> MapExpr:
        return MapExpr(tuple(entries), self.span(self.starts[brace], self.ends[closing[-1]]))

    def entry_name(self, key: Name, _: int, value: Expr) -> MapEntry:
        return MapEntry(key, value, key.span.to(value.span))

    def entry_string(self, key: String, _: int, value: Expr) -> MapEntry:
        return MapEntry(key, value, key.span.to(value.span))
