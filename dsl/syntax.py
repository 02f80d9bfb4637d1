"""The syntax tree of a `.mlp` file: plain immutable data, every node with the span that it came from.

NamedTuples, not dataclasses: making one class costs 0.09 ms against 0.6 ms, which the start of `mlp check`
would pay for every node type, and building one instance costs a third. `comparable` strips spans, for comparing trees.
"""

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from mlp_lang.dsl.source import Source, Span

if TYPE_CHECKING:
    from typing import Self, dataclass_transform

    # mypy compares NamedTuples field by field, which never ends on nodes that hold nodes; a dataclass, by name.
    @dataclass_transform(frozen_default=True)
    class Record:
        """A node: a NamedTuple when it runs."""

        _fields: tuple[str, ...]

        def _replace(self, **changes: Any) -> Self: ...
else:
    from typing import NamedTuple as Record


class Name(Record):
    """A name where it is written: an identifier, or any text where the author put it in quotes (`"a.b" = 1`)."""

    text: str
    span: Span


# --- expressions ------------------------------------------------------------------------------------------------------


class LiteralKind(Enum):
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    NONE = "none"
    DURATION = "duration"  # value in seconds (int where whole)
    SIZE = "size"  # value in bytes (int)


class Literal(Record):
    """A literal that is no string; ``text`` is the spelling (`1e-5`, `2h`, `16GiB`)."""

    kind: LiteralKind
    value: bool | int | float | None
    text: str
    span: Span


class String(Record):
    """A string: plain pieces (escapes resolved, `$${` as `${`, dedented and joined if `block`) and `${…}` expressions.

    A plain string has one piece, the empty string none.
    """

    parts: "tuple[str | Expr, ...]"
    block: bool  # written with triple quotes
    span: Span


class Reference(Record):
    """A bare word: a declared name, or a member of a closed vocabulary (`row`, `bayesian`)."""

    name: str
    span: Span


class Attribute(Record):
    """`value.name`: a port of a stage, `quality.passed`, a member of an import."""

    value: "Expr"
    name: Name
    span: Span


class Index(Record):
    """`noisy[0.5]`; `key` is None for `noisy[*]`."""

    value: "Expr"
    key: "Expr | None"
    span: Span


class Argument(Record):
    name: Name | None
    value: "Expr"
    span: Span


class Call(Record):
    """`cluster("cpu")`, `log_uniform(1e-5, 1e-2)`, `bandit(every = 1)`."""

    function: Name
    arguments: tuple[Argument, ...]
    span: Span


class ListExpr(Record):
    items: "tuple[Expr, ...]"
    span: Span


class MapEntry(Record):
    key: String | Name
    value: "Expr"
    span: Span


class MapExpr(Record):
    """`{ key: value, "other key": value }`."""

    entries: tuple[MapEntry, ...]
    span: Span


class Unary(Record):
    operator: str  # '-', '+', 'not'
    operand: "Expr"
    span: Span


class Binary(Record):
    operator: str  # + - * / // % and or == != < <= > >= in, 'not in'
    left: "Expr"
    right: "Expr"
    span: Span


class Group(Record):
    """Parentheses that the author wrote; kept so that the formatter prints them again."""

    value: "Expr"
    span: Span


Expr: TypeAlias = Literal | String | Reference | Attribute | Index | Call | ListExpr | MapExpr | Unary | Binary | Group

# --- types ------------------------------------------------------------------------------------------------------------


class RangeType(Record):
    """`0..1`, `1..`, `>0..<1`: an end that is None is unbounded."""

    low: Expr | None
    high: Expr | None
    low_open: bool
    high_open: bool
    span: Span


class NamedType(Record):
    """`float`, `float(0..1)`, `list[int]`, `map[string]`, `enum("a", "b")`, `model[sklearn]`, `folder`, `like table`.

    `parameters` are the types in brackets (`model[sklearn]` has NamedType("sklearn")), `members` the values of an enum.
    `like table` is NamedType("like") with parameters (NamedType("table"),): only component interfaces use it.
    """

    name: str
    parameters: "tuple[TypeExpr, ...]"
    range: RangeType | None
    members: tuple[Expr, ...]
    span: Span


class OptionalType(Record):
    inner: "TypeExpr"
    span: Span


class UnionType(Record):
    members: "tuple[TypeExpr, ...]"
    span: Span


TypeExpr: TypeAlias = NamedType | OptionalType | UnionType

# --- what stands in blocks --------------------------------------------------------------------------------------------


class Setting(Record):
    """`name = value`: a stage's input, an attribute of a block, an override in a profile's block."""

    name: Name
    value: Expr
    span: Span


class Block(Record):
    """`name { … }`: run, search, inputs, outputs, define, private, and blocks named after a port inside those."""

    name: Name
    items: "tuple[Item, ...]"
    span: Span


class Requirement(Record):
    """`require accuracy >= 0.8` (`hard`) or `expect …`."""

    hard: bool
    condition: Expr
    span: Span


class Declassify(Record):
    """`declassify metrics "why"`."""

    port: Name
    reason: String
    span: Span


class Ungated(Record):
    """`ungated "why"` in a deploy."""

    reason: String
    span: Span


class Carry(Record):
    """`carry m = first.model then better.model` in a `repeat`."""

    name: Name
    first: Expr
    then: Expr
    span: Span


class Invalid(Record):
    """Text that did not parse. Who reads the container must not complain of what may have stood here.

    `names` are the identifiers in the skipped text: none of them may be called unknown or unused.
    """

    names: frozenset[str]
    span: Span


# --- declarations and statements --------------------------------------------------------------------------------------


class Param(Record):
    """`param epsilon: float(0.1..2) = 1.0`; in a `define` and in a component, an input."""

    name: Name
    type: TypeExpr | None
    default: Expr | None
    doc: str
    span: Span


class Let(Record):
    name: Name
    type: TypeExpr | None
    value: Expr
    doc: str
    span: Span


class Derive(Record):
    """`derive half = epsilon / 2`: a step with a name that computes over run-time values."""

    name: Name
    value: Expr
    doc: str
    span: Span


class Data(Record):
    """`data census: table = "data/census.csv" { … }`; without a value it is a required port of the pipeline."""

    name: Name
    type: TypeExpr | None
    value: Expr | None
    items: "tuple[Item, ...] | None"
    doc: str
    span: Span


class Output(Record):
    """`output model = portable` in a pipeline (a block may give name, …); `output prep: folder` in a component."""

    name: Name
    type: TypeExpr | None
    value: Expr | None
    items: "tuple[Item, ...] | None"
    doc: str
    span: Span


class Stage(Record):
    """`<verb> <name> using <component> [on …] [after …] [when …] { … }`.

    `component` is the dotted path as names: (tabular, split), (lib, train_and_check), (command,). `items` is None
    without braces.
    """

    verb: Name
    name: Name
    component: tuple[Name, ...]
    on: Expr | None
    after: tuple[Expr, ...]
    when: Expr | None
    items: "tuple[Item, ...] | None"
    doc: str
    span: Span


class For(Record):
    """`for x in <constant list> { … }`, or `for each x in <run-time list> as fan { … }` where `each`.

    `name` is what the loop itself is called, if the author says so.
    """

    each: bool
    variable: Name
    iterable: Expr
    name: Name | None
    items: "tuple[Item, ...]"
    span: Span


class Conditional(Record):
    """`if <constant> { … } else { … }`, or `when <condition> as gate { … } else { … }` where `runtime`.

    `else if` is one Conditional in `otherwise`. `name` is what the choice itself is called, if the author says so.
    """

    runtime: bool
    condition: Expr
    name: Name | None
    items: "tuple[Item, ...]"
    otherwise: "tuple[Item, ...] | None"
    span: Span


class Repeat(Record):
    """`repeat r up to 5 until judge.passed { … }`."""

    name: Name
    limit: Expr
    until: Expr | None
    items: "tuple[Item, ...]"
    span: Span


class Use(Record):
    """`use "lib/train.mlp" as lib { … }`."""

    path: String
    alias: Name
    items: "tuple[Item, ...] | None"
    doc: str
    span: Span


class Resource(Record):
    """`compute cpu = cluster("x")`, `endpoint s = online("y") { … }`; `environment`, `deployment` and `asset` alike."""

    keyword: Name
    name: Name
    value: Expr | None
    items: "tuple[Item, ...] | None"
    doc: str
    span: Span


class ComponentDecl(Record):
    """`component clean: command { … }`."""

    name: Name
    kind: Name
    items: "tuple[Item, ...]"
    doc: str
    span: Span


class Pipeline(Record):
    name: Name
    items: "tuple[Item, ...]"
    doc: str
    span: Span


class Override(Record):
    """A line of a profile: `data census = …`, `param epsilon = 0.5`, `let n = 3`, `compute cpu = cluster("big")`."""

    keyword: Name
    name: Name
    value: Expr
    span: Span


class Profile(Record):
    """`profile prod for income { … }`; `target` is None when it speaks of every pipeline of the file."""

    name: Name
    target: Name | None
    items: "tuple[Item, ...]"
    doc: str
    span: Span


class Schedule(Record):
    """`schedule nightly for income { cron = "0 2 * * *" … }`."""

    name: Name
    target: Name
    items: "tuple[Item, ...]"
    doc: str
    span: Span


Item: TypeAlias = (
    Setting
    | Block
    | Requirement
    | Declassify
    | Ungated
    | Carry
    | Invalid
    | Param
    | Let
    | Derive
    | Data
    | Output
    | Stage
    | For
    | Conditional
    | Repeat
    | Use
    | Resource
    | ComponentDecl
    | Pipeline
    | Override
    | Profile
    | Schedule
)


class Comment(Record):
    """A `#` comment with its marker; `own_line` if only blanks stand before it. `##` lines are in `doc` instead."""

    text: str
    own_line: bool
    span: Span


class File(Record):
    """A parsed file. `items` may hold Invalid pieces; then the parser returned errors beside it."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    source: Source
    span: Span


def comparable(node: object) -> Any:
    """The same tree without spans, comments and spelling: two programs that mean the same text compare equal."""
    if isinstance(node, Span | Source):
        return None
    if isinstance(node, File):
        return ("File", tuple(comparable(x) for x in node.items))
    if isinstance(node, tuple):
        fields = getattr(node, "_fields", None)
        if fields is None:
            return tuple(comparable(x) for x in node)
        skipped = {"span", "text"} if isinstance(node, Literal) else {"span"}
        return (type(node).__name__, *(comparable(getattr(node, f)) for f in fields if f not in skipped))
    return node
