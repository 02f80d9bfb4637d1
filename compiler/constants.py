"""Operators and functions over constants: values in, a Constant out, or a Fault that says why there is none."""

import math
import operator
from collections.abc import Callable

from mlp_lang.compiler.fit import kind_of
from mlp_lang.compiler.graph import Value
from mlp_lang.compiler.types import spell
from mlp_lang.compiler.values import Constant

LONGEST_RANGE = 100_000


class Fault(Exception):
    """A constant expression that has no value; the message says why."""


_NUMBERS = ("int", "float")
_QUANTITIES = ("duration", "size")
_ARITHMETIC: dict[str, Callable[..., object]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
_COMPARISONS: dict[str, Callable[..., bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def unary(op: str, operand: Constant) -> Constant:
    """`-x`, `+x`, `not x`. Raises Fault."""
    value, kind = operand
    if op == "not":
        if kind != "bool":
            raise Fault(f"`not` takes a bool, found {kind} {spell(value)}")
        return Constant(not value, "bool")
    if kind not in _NUMBERS and kind not in _QUANTITIES:
        raise Fault(f"`{op}` takes a number, found {kind} {spell(value)}")
    return Constant(-value if op == "-" else value, kind)  # type: ignore[operator]


def binary(op: str, left: Constant, right: Constant) -> Constant:
    """Any operator between two constants. Raises Fault."""
    a, b = left.value, right.value
    if op in ("==", "!="):
        same = a == b and isinstance(a, bool) == isinstance(b, bool)
        return Constant(same == (op == "=="), "bool")
    if op in ("in", "not in"):
        if isinstance(b, list | dict) or (isinstance(b, str) and isinstance(a, str)):
            return Constant((a in b) == (op == "in"), "bool")
        raise Fault(f"`{op}` looks into a list, a map or a string, found {right.kind} {spell(b)}")
    if op in ("and", "or"):
        for side in (left, right):
            if side.kind != "bool":
                raise Fault(f"`{op}` takes bools, found {side.kind} {spell(side.value)}")
        return Constant(bool(a and b) if op == "and" else bool(a or b), "bool")
    kinds = (left.kind, right.kind)
    if op in _COMPARISONS:
        if (
            left.kind == right.kind == "string"
            or (kinds[0] in _NUMBERS and kinds[1] in _NUMBERS)
            or _same_quantity(kinds)
        ):
            return Constant(_COMPARISONS[op](a, b), "bool")
        raise Fault(f"`{op}` cannot compare {left.kind} with {right.kind}")
    return _arithmetic(op, left, right)


def _same_quantity(kinds: tuple[str, str]) -> bool:
    return kinds[0] == kinds[1] and kinds[0] in _QUANTITIES


def _arithmetic(op: str, left: Constant, right: Constant) -> Constant:
    a, b = left.value, right.value
    kinds = (left.kind, right.kind)
    if op == "+" and kinds in (("string", "string"), ("list", "list")):
        return Constant(a + b, left.kind)  # type: ignore[operator]
    both_numbers = kinds[0] in _NUMBERS and kinds[1] in _NUMBERS
    scaled = op in "*/" and kinds[0] in _QUANTITIES and kinds[1] in _NUMBERS
    scaling = op == "*" and kinds[1] in _QUANTITIES and kinds[0] in _NUMBERS
    summed = op in "+-" and _same_quantity(kinds)
    if not (both_numbers or scaled or scaling or summed):
        raise Fault(f"`{op}` does not go between {left.kind} and {right.kind}")
    try:
        value = _ARITHMETIC[op](a, b)
    except ZeroDivisionError:
        raise Fault("division by zero") from None
    except OverflowError:
        raise Fault("the result is too large") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault("the result is too large")
    if both_numbers:
        return Constant(value, kind_of(value))  # type: ignore[arg-type]
    unit = kinds[0] if kinds[0] in _QUANTITIES else kinds[1]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if unit == "size" and isinstance(value, float):
        value = math.floor(value)
    return Constant(value, unit)  # type: ignore[arg-type]


def _range(arguments: list[Constant]) -> Constant:
    bounds = [a.value for a in arguments]
    if not all(a.kind == "int" for a in arguments) or len(bounds) not in (1, 2, 3):
        raise Fault("`range` takes one to three whole numbers: first, end (not included), step")
    if len(bounds) == 3 and bounds[2] == 0:
        raise Fault("the step of a `range` is not 0")
    numbers = range(*bounds)  # type: ignore[arg-type]
    if len(numbers) > LONGEST_RANGE:
        raise Fault(f"a `range` holds at most {LONGEST_RANGE} numbers, found {len(numbers)}")
    return Constant(list(numbers), "list")


def _length(arguments: list[Constant]) -> Constant:
    if len(arguments) == 1 and isinstance(arguments[0].value, str | list | dict):
        return Constant(len(arguments[0].value), "int")
    raise Fault("`length` takes one string, list or map")


def _extreme(choose: Callable[..., Value], name: str) -> Callable[[list[Constant]], Constant]:
    def extreme(arguments: list[Constant]) -> Constant:
        if not arguments or any(a.kind not in _NUMBERS for a in arguments):
            raise Fault(f"`{name}` takes numbers")
        value = choose(a.value for a in arguments)
        return Constant(value, kind_of(value))

    return extreme


FUNCTIONS: dict[str, Callable[[list[Constant]], Constant]] = {
    "range": _range,
    "length": _length,
    "min": _extreme(min, "min"),
    "max": _extreme(max, "max"),
}


def text_of(value: Value) -> str:
    """How a constant reads inside a string: a string as it is, everything else as a program spells it."""
    return value if isinstance(value, str) else spell(value)
