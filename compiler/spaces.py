"""From a call such as `log_uniform(1e-5, 1e-2)` to a search space: Azure ML's mapping, and what of it an input takes.

Each function is a row of `SPACES`: the word, Azure ML's `type`, and its arguments with the fields that they become.
`choice` alone takes any number of values; a value of it may be a map, and have spaces for values in turn.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from mlp_lang.compiler.fit import KINDS, Misfit, kind_of, misfit
from mlp_lang.compiler.graph import Value
from mlp_lang.compiler.types import (
    BOOL,
    FLOAT,
    INT,
    STRING,
    ListType,
    MapType,
    Scalar,
    Type,
    Union,
    Unknown,
    canonical,
    spell,
)
from mlp_lang.compiler.values import BAD, Bad, Constant, Evaluated, SearchSpace
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.expressions import Evaluator
    from mlp_lang.compiler.symbols import Scope

POSITIVE = Scalar("float", 0, low_open=True)


class Space(NamedTuple):
    """A function over the values to try: `arguments` are its words, types and Azure ML's fields.

    `logarithmic` if Azure ML takes the bounds as exponents of e; `whole` if only whole numbers come out."""

    word: str
    type: str
    arguments: tuple[tuple[str, Type, str], ...]
    logarithmic: bool = False
    whole: bool = False


_BOUNDS = (("low", FLOAT, "min_value"), ("high", FLOAT, "max_value"))
_BELL = (("mu", FLOAT, "mu"), ("sigma", POSITIVE, "sigma"))
_STEP = (("q", POSITIVE, "q"),)
_ROWS = (
    Space("choice", "choice", ()),
    Space("uniform", "uniform", _BOUNDS),
    Space("quniform", "quniform", _BOUNDS + _STEP),
    Space("log_uniform", "loguniform", _BOUNDS, logarithmic=True),
    Space("qlog_uniform", "qloguniform", _BOUNDS + _STEP, logarithmic=True),
    Space("normal", "normal", _BELL),
    Space("qnormal", "qnormal", _BELL + _STEP),
    Space("log_normal", "lognormal", _BELL),
    Space("qlog_normal", "qlognormal", _BELL + _STEP),
    Space("random_int", "randint", (("upper", Scalar("int", 1), "upper"),), whole=True),
)
SPACES: dict[str, Space] = {row.word: row for row in _ROWS}
"""The functions of a search, by their words."""
EXPONENTS = "exp"
"""The argument of a logarithmic space that gives the bounds as exponents, where no value spells them exactly."""


def read(evaluator: "Evaluator", call: syntax.Call, scope: "Scope") -> Evaluated:
    """The space that a call means; BAD once a mistake is reported."""
    row = SPACES[call.function.text]
    return _choice(evaluator, call, scope) if row.word == "choice" else _distribution(evaluator, call, scope, row)


def _choice(evaluator: "Evaluator", call: syntax.Call, scope: "Scope") -> Evaluated:
    report = evaluator.report
    values: list[Value] = []
    places: list[Span] = []
    good, nested = True, False
    for argument in call.arguments:
        if argument.name is not None:
            report.error("MLP0215", "`choice` takes no named arguments", argument.span)
            good = False
        elif isinstance(argument.value, syntax.MapExpr):
            entries, inner = _map(evaluator, argument.value, scope)
            good, nested = good and entries is not None, nested or inner
            values.append(entries)
            places.append(argument.value.span)
        else:
            found = evaluator.constant(argument.value, scope, "what a search may choose")
            good = good and found is not None
            values.append(found.value if found is not None else None)
            places.append(argument.value.span)
    if good and not values:
        report.error("MLP0337", "there is nothing to choose from", call.span)
        good = False
    if not good:
        return BAD
    return SearchSpace("choice", {"type": "choice", "values": values}, call.span, tuple(places), nested)


def _map(evaluator: "Evaluator", expr: syntax.MapExpr, scope: "Scope") -> tuple[dict[str, Value] | None, bool]:
    """A map among the choices: constants, and spaces as Azure ML's mappings; and whether there are any of these."""
    entries: dict[str, Value] = {}
    nested = False
    for entry in expr.entries:
        if isinstance(entry.key, syntax.Name):
            key: Value = entry.key.text
        else:
            found = evaluator.constant(entry.key, scope, "a key")
            key = found.value if found is not None else None
        value = evaluator.evaluate(entry.value, scope)
        if isinstance(value, Constant):
            entries[str(key)] = value.value
        elif isinstance(value, SearchSpace):
            entries[str(key)] = document(value)
            nested = True
        else:
            if not isinstance(value, Bad):
                evaluator.not_constant(value, entry.value.span, "a value of a map")
            return None, nested
        if not isinstance(key, str):
            return None, nested
    return entries, nested


def _distribution(evaluator: "Evaluator", call: syntax.Call, scope: "Scope", row: Space) -> Evaluated:
    from mlp_lang.compiler.settings import Argument, arguments

    exponents = row.logarithmic and any(a.name is not None and a.name.text == EXPONENTS for a in call.arguments)
    rows = row.arguments
    signature = tuple(Argument(word, t, required=True) for word, t, _ in rows)
    if exponents:
        signature = (Argument(EXPONENTS, ListType(FLOAT), required=True), *signature[2:])
    given = arguments(evaluator, call, scope, signature)
    if given is None:
        return BAD
    made: dict[str, Value] = {"type": row.type}
    if exponents:
        ends = given.pop(EXPONENTS)
        if len(ends) != 2:
            message = f"`{EXPONENTS}` holds the lower and the upper exponent"
            evaluator.report.error("MLP0337", message, call.span, help=f"{row.word}({EXPONENTS} = [-6, -1])")
            return BAD
        given = {"low": ends[0], "high": ends[1], **given}
    made |= {field: given[word] for word, _, field in rows}
    problem = _problem(row, given, exponents)
    if problem:
        evaluator.report.error("MLP0337", f"`{row.word}` {problem}", call.span)
        return BAD
    if row.logarithmic and not exponents:
        made["min_value"], made["max_value"] = math.log(given["low"]), math.log(given["high"])
    return SearchSpace(row.word, made, call.span)


def _problem(row: Space, given: dict[str, Any], exponents: bool) -> str:
    """Why a space holds nothing, or nothing."""
    if "low" not in given:
        return ""
    low, high = given["low"], given["high"]
    if row.logarithmic and not exponents and low <= 0:
        return f"has no logarithm of {spell(low)}: its lower end is above 0"
    if exponents and max(low, high) > _LARGEST:
        return f"reaches beyond all numbers: e to the power of {spell(max(low, high))}"
    return "" if low < high else f"holds nothing: {spell(low)} is not below {spell(high)}"


_LARGEST = 709  # the largest whole exponent of e that a number can hold


def document(space: SearchSpace, encoded: bool = False) -> dict[str, Any]:
    """A space as Azure ML has it; ``encoded`` if the input that it goes to is read as JSON.

    Azure ML opens maps that have spaces, so these stay maps."""
    if space.function != "choice":
        return dict(space.document)
    values = space.document["values"]
    assert isinstance(values, list)
    return {**space.document, "values": [_member(value, encoded and not space.nested) for value in values]}


def _member(value: Value, encoded: bool) -> Value:
    """A choice that Azure ML can hold: a number, a text, or a map of them; what it has no type for is its JSON."""
    import json

    if isinstance(value, dict) and not encoded:
        return {key: _member(inner, False) if not isinstance(inner, dict) else inner for key, inner in value.items()}
    if isinstance(value, bool) and not encoded:
        return "True" if value else "False"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and not encoded:
        return value
    # commands hold such inputs in single quotes
    return json.dumps(value, ensure_ascii=False).replace("'", "\\u0027")


def type_of(space: SearchSpace) -> Type:
    """What an input takes that nobody gave a type, by the values that are tried."""
    if space.function != "choice":
        return INT if SPACES[space.function].whole else FLOAT
    values: Any = space.document["values"]
    kinds = {kind_of(v) for v in values}
    if kinds <= {"int", "float"}:
        return INT if kinds == {"int"} else FLOAT
    return BOOL if kinds == {"bool"} else STRING


def _is_whole(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def texts_alone(space: SearchSpace) -> bool:
    """Whether every value that is tried is a text."""
    values = space.document.get("values")
    return isinstance(values, list) and all(isinstance(v, str) for v in values)


class Stray(NamedTuple):
    """What an input does not take of a space. A `possible` one may or may not come up among the trials."""

    misfit: Misfit
    span: Span
    value: Value
    possible: bool = False


def strays(space: SearchSpace, target: Type) -> list[Stray]:
    """The values of a space that may not stand where ``target`` is asked."""
    if isinstance(target, Unknown):
        return []
    if space.function == "choice":
        values: Any = space.document["values"]
        found = []
        for value, span in zip(values, space.places, strict=True):
            problem = _map_misfit(target) if isinstance(value, dict) else misfit(value, kind_of(value), target)
            if problem is not None:
                found.append(Stray(problem, span, value))
        return found
    ends = _ends(space)
    for end in ends:
        problem = misfit(end, KINDS[type(end)], target)
        if problem is not None:
            return [Stray(problem, space.span, end)]
    if not ends:
        one = 1 if _wholes(space) else 1.5
        problem = misfit(one, KINDS[type(one)], _unbounded(target))
        if problem is not None:
            return [Stray(problem, space.span, one)]
        if _bounded(target):
            what = f"any number{' above 0' if 'log' in space.function else ''}"
            return [Stray(Misfit("MLP0205", what, f"`{canonical(target)}`"), space.span, one, possible=True)]
    return []


def _wholes(space: SearchSpace) -> bool:
    """Whether only whole numbers are tried: multiples of a whole `q`, or `random_int`."""
    return SPACES[space.function].whole or _is_whole(space.document.get("q"))


def _ends(space: SearchSpace) -> list[float | int]:
    """The least and the largest value; none where a space has no ends."""
    made: Any = space.document
    if space.function == "random_int":
        return [0, made["upper"] - 1]
    if "min_value" not in made:
        return []
    ends = [made["min_value"], made["max_value"]]
    if SPACES[space.function].logarithmic:
        ends = [_neat(math.exp(end)) for end in ends]
    if "q" in made:  # what is tried are multiples of q
        ends = [round(end / made["q"]) * made["q"] for end in ends]
    return [int(end) if _wholes(space) else float(end) for end in ends]


def _neat(value: float) -> float:
    """A number without the last digits, which two ways over the logarithm have lost."""
    return float(f"{value:.14g}")


def _map_misfit(target: Type) -> Misfit | None:
    """Whether an input may be told apart by a map, whose values are inputs of their own."""
    members = target.members if isinstance(target, Union) else (target,)
    if any(isinstance(m, MapType) or (isinstance(m, Scalar) and m.name in ("any", "string")) for m in members):
        return None
    return Misfit("MLP0204", "a map", f"`{canonical(target)}`")


def _unbounded(target: Type) -> Type:
    if isinstance(target, Union):
        return Union(tuple(_unbounded(m) for m in target.members))
    return Scalar(target.name) if isinstance(target, Scalar) else target


def _bounded(target: Type) -> bool:
    members = target.members if isinstance(target, Union) else (target,)
    numbers = [m for m in members if isinstance(m, Scalar) and m.name in ("int", "float")]
    free = any(isinstance(m, Scalar) and m.name in ("any", "string") for m in members)
    return not free and bool(numbers) and all(m.low is not None or m.high is not None for m in numbers)
