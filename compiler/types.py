"""From type expressions to types that can be compared: what a value may be, and whether one type goes into another.

Two families: scalars and their compounds live in a program's constants and parameters; ports are the assets that flow
between stages, spelled with Azure ML's own type and, where it says more, with ours on top.
"""

import json
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mlp_lang.compiler.graph import Value
from mlp_lang.dsl.syntax import Expr, NamedType, OptionalType, RangeType, TypeExpr, Unary, UnionType
from mlp_lang.dsl.syntax import Literal as LiteralExpr
from mlp_lang.dsl.syntax import String as StringExpr


class Scalar(NamedTuple):
    """`bool int float string duration size any none`, with a range where numbers have one."""

    name: str
    low: float | int | None = None
    high: float | int | None = None
    low_open: bool = False
    high_open: bool = False


class EnumType(NamedTuple):
    members: tuple[Value, ...]


class ListType(NamedTuple):
    item: "Type"


class MapType(NamedTuple):
    item: "Type"


class Union(NamedTuple):
    """One of several; an optional type is a union with `none`."""

    members: "tuple[Type, ...]"


class Port(NamedTuple):
    """An asset. `name` is our word for it, `azure` Azure ML's, `framework` that of a model if it is known."""

    name: str
    azure: str
    framework: str | None = None


class Like(NamedTuple):
    """`like table`: an output that has the type, the schema and the columns of what flows into an input."""

    input: str


class Unknown(NamedTuple):
    """The type of what is already reported: goes into everything, so that one mistake gives one error."""

    unknown: bool = True


Type: TypeAlias = Scalar | EnumType | ListType | MapType | Union | Port | Like | Unknown

UNKNOWN = Unknown()
ANY = Scalar("any")
BOOL = Scalar("bool")
INT = Scalar("int")
FLOAT = Scalar("float")
STRING = Scalar("string")
NONE = Scalar("none")
SCALARS = frozenset({"bool", "int", "float", "string", "duration", "size", "any", "none"})
RANGED = frozenset({"int", "float", "duration", "size"})

AZURE_ASSETS = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
OUR_ASSETS = {
    "table": "uri_file",
    "file": "uri_file",
    "folder": "uri_folder",
    "images": "uri_folder",
    "model": "mlflow_model",
    "metrics": "uri_file",
    "report": "uri_file",
}
PORTS = {name: Port(name, name) for name in AZURE_ASSETS} | {n: Port(n, a) for n, a in OUR_ASSETS.items()}
FRAMEWORKS = ("sklearn", "onnx", "torch", "tensorflow", "keras", "rllib", "interpret")
NAMES = (*sorted(SCALARS), "enum", "list", "map", *AZURE_ASSETS, *OUR_ASSETS)

_AZURE_SCALARS = {
    "bool": "boolean",
    "int": "integer",
    "float": "number",
    "string": "string",
    "duration": "integer",
    "size": "integer",
}
FROM_AZURE = {"boolean": BOOL, "integer": INT, "number": FLOAT, "string": STRING, "Boolean": BOOL, "Integer": INT}


class TypeProblem(Exception):
    """A type expression that means nothing: `code`, message, the part to blame and a suggestion's candidates."""

    def __init__(self, code: str, message: str, node: TypeExpr | RangeType | Expr, candidates: tuple[str, ...] = ()):
        super().__init__(message)
        self.code = code
        self.message = message
        self.node = node
        self.candidates = candidates


def resolve(expr: TypeExpr, constant: Callable[[Expr], Value] | None = None) -> Type:
    """The type that an expression spells. `constant` folds the ends of ranges; without it they must be literals.

    Raises TypeProblem."""
    fold = constant or literal_value
    if isinstance(expr, NamedType):
        return _named(expr, fold)
    if isinstance(expr, OptionalType):
        return union((resolve(expr.inner, fold), NONE))
    if isinstance(expr, UnionType):
        return union(tuple(resolve(m, fold) for m in expr.members))
    raise TypeError(type(expr).__name__)


def _named(expr: NamedType, fold: Callable[[Expr], Value]) -> Type:
    name = expr.name
    if expr.range is not None:
        if name not in RANGED:
            raise TypeProblem("MLP0210", f"`{name}` has no range", expr)
        return _ranged(name, expr.range, fold)
    if name in SCALARS and not expr.parameters:
        return Scalar(name)
    if name == "enum":
        if not expr.members:
            raise TypeProblem("MLP0210", "an `enum` needs its members", expr)
        members = tuple(fold(m) for m in expr.members)
        for i, member in enumerate(members):
            if member in members[:i]:
                raise TypeProblem("MLP0210", f"{spell(member)} stands twice in this `enum`", expr.members[i])
        return EnumType(members)
    if name in ("list", "map"):
        item = resolve(expr.parameters[0], fold) if expr.parameters else ANY
        return ListType(item) if name == "list" else MapType(item)
    if name == "like" and expr.parameters and isinstance(expr.parameters[0], NamedType):
        return Like(expr.parameters[0].name)
    port = PORTS.get(name)
    if port is None:
        raise TypeProblem("MLP0209", f"unknown type `{name}`", expr, NAMES)
    if not expr.parameters:
        return port
    framework = expr.parameters[0]
    if name != "model" or not isinstance(framework, NamedType):
        raise TypeProblem("MLP0210", f"`{name}` takes nothing in brackets", expr)
    if framework.name not in FRAMEWORKS:
        raise TypeProblem("MLP0209", f"unknown framework `{framework.name}`", framework, FRAMEWORKS)
    return Port("model", port.azure, framework.name)


def _ranged(name: str, r: RangeType, fold: Callable[[Expr], Value]) -> Scalar:
    ends: list[float | int | None] = []
    for end in (r.low, r.high):
        value = fold(end) if end is not None else None
        if end is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TypeProblem("MLP0210", "an end of a range is a number", end)
        if name == "int" and isinstance(value, float):
            raise TypeProblem("MLP0210", "an end of a range of `int` is a whole number", end or r)
        ends.append(value)  # type: ignore[arg-type]
    low, high = ends
    if low is not None and high is not None and (low > high or (low == high and (r.low_open or r.high_open))):
        raise TypeProblem("MLP0210", "this range holds nothing", r)
    return Scalar(name, low, high, r.low_open, r.high_open)


def literal_value(expr: Expr) -> Value:
    """The value of a literal, a plain string or a negated number. Raises TypeProblem for anything else."""
    if isinstance(expr, LiteralExpr):
        return expr.value
    if isinstance(expr, StringExpr) and all(isinstance(p, str) for p in expr.parts):
        return "".join(p for p in expr.parts if isinstance(p, str))
    if isinstance(expr, Unary) and expr.operator in "+-":
        value = literal_value(expr.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value if expr.operator == "-" else value
    raise TypeProblem("MLP0210", "only a literal can stand in a type", expr)


def union(members: tuple[Type, ...]) -> Type:
    """Members without repetition, nested unions opened; a single one stands for itself."""
    flat: list[Type] = []
    for member in members:
        for one in member.members if isinstance(member, Union) else (member,):
            if not any(type(one) is type(other) and one == other for other in flat):
                flat.append(one)
    return flat[0] if len(flat) == 1 else Union(tuple(flat))


def spell(value: Value) -> str:
    """A value as a program spells it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def canonical(t: Type) -> str:
    """The one spelling of a type, as the Graph carries it."""
    if isinstance(t, Scalar):
        if t.low is None and t.high is None:
            return t.name
        low = "" if t.low is None else (">" if t.low_open else "") + spell(t.low)
        high = "" if t.high is None else ("<" if t.high_open else "") + spell(t.high)
        return f"{t.name}({low}..{high})"
    if isinstance(t, EnumType):
        return f"enum({', '.join(spell(m) for m in t.members)})"
    if isinstance(t, ListType):
        return f"list[{canonical(t.item)}]"
    if isinstance(t, MapType):
        return f"map[{canonical(t.item)}]"
    if isinstance(t, Union):
        return " | ".join(canonical(m) for m in t.members)
    if isinstance(t, Port):
        return f"{t.name}[{t.framework}]" if t.framework else t.name
    if isinstance(t, Like):
        return f"like {t.input}"
    return "unknown"


def azure_scalar(t: Type) -> tuple[str, str]:
    """Azure ML's type and the encoding ("plain" or "json") of a value of a type that is no port."""
    if isinstance(t, Scalar) and t.name in _AZURE_SCALARS:
        return _AZURE_SCALARS[t.name], "plain"
    if isinstance(t, EnumType):
        kinds = {type(m) for m in t.members}
        if kinds == {str}:
            return "string", "plain"
        if kinds == {int}:
            return "integer", "plain"
        if kinds <= {int, float}:
            return "number", "plain"
        if kinds == {bool}:
            return "boolean", "plain"
    return "string", "json"


def bounds(t: Type) -> tuple[float | int | None, float | int | None]:
    """Closed bounds for Azure ML's `min` and `max`; an open end of whole numbers moves by one, of others it stays."""
    if not isinstance(t, Scalar):
        return None, None
    low, high = t.low, t.high
    if t.name == "int":
        low = low + 1 if low is not None and t.low_open else low
        high = high - 1 if high is not None and t.high_open else high
    return low, high


def is_port(t: Type) -> bool:
    """Whether an asset flows here rather than a value."""
    if isinstance(t, Union):
        return all(is_port(m) for m in t.members)
    return isinstance(t, Port | Like) or (isinstance(t, ListType) and is_port(t.item))
