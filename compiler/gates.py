"""From `require` and `expect` to gates: what they read, whether they can be judged, and the JSON that the step gets."""

import json
from typing import Any

from mlp_lang.compiler.graph import Binding, FromInput, FromNode, Gate, Literal, Template, Value
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Interface
from mlp_lang.compiler.stages import Context
from mlp_lang.compiler.suggestions import did_you_mean, listing
from mlp_lang.compiler.types import Scalar, Type
from mlp_lang.compiler.values import Bad, Constant, InputRef
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

_TRUTH = frozenset({"==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"})
_JOINS = frozenset({"and", "or"})


def compile_gates(context: Context, instance: Instance) -> None:
    """Read the gates of a stage and bind the component's gates input."""
    written = [i for i in instance.spec.items or () if isinstance(i, syntax.Requirement)]
    if not written:
        return
    face = instance.interface
    if face is None:
        for item in written:
            _forgive_metrics(context, item.condition, instance)
        return
    if not face.gates:
        for item in written:
            word = "require" if item.hard else "expect"
            context.report.error(
                "MLP0401",
                f"`{face.name}` computes no metrics that `{word}` could judge",
                Span(item.span.source, item.span.start, item.span.start + len(word)),
                help="put it into the `evaluate` stage that measures"
                if face.origin == "bundled"
                else "name the input that takes the gates: `gates = <input>` beside `metrics`",
            )
        return
    documents: list[Any] = []
    for item in written:
        reader = _Reader(context, instance, face)
        condition = reader.condition(item.condition)
        if condition is None:
            continue
        if not reader.metrics:
            context.report.error(
                "MLP0405",
                "this condition reads no metric",
                item.condition.span,
                help=f"metrics are {listing(face.metrics)}",
            )
            continue
        text = " ".join(item.condition.span.text.split())
        line, column = item.condition.span.source.position(item.condition.span.start)
        instance.gates.append(Gate(item.hard, text, tuple(reader.metrics), item.span))
        # the file's name alone: the same program gives the same bytes in every folder
        where = f"{item.span.source.path.rpartition('/')[2]}:{line}:{column}"
        documents.append({"hard": item.hard, "text": text, "span": where, "condition": condition})
    if documents:
        instance.bindings[face.gates] = _binding(documents)


def _forgive_metrics(context: Context, expr: syntax.Expr, instance: Instance) -> None:
    """Of an unknown component nobody knows the metrics: only mark what is declared as used."""
    from mlp_lang.compiler.program import mentioned

    for name in mentioned(expr):
        symbol = instance.scope.find(name)
        if symbol is not None:
            symbol.used = True


def _binding(documents: list[Any]) -> Binding:
    """JSON; where a gate reads a parameter, a text with the reference in it, quoted as any string there."""
    text = json.dumps(documents, ensure_ascii=False, separators=(", ", ": "), default=_mark)
    # the command holds it in single quotes: see json_text in lowering/values.py
    text = text.replace("'", "\\u0027")
    pieces: list[str | FromInput | FromNode] = []
    rest = text
    marker = '"\\u0000'
    start = rest.find(marker)
    if start < 0:
        return Literal(json.loads(text))
    while start >= 0:
        end = rest.index('"', start + 1)
        name = rest[start + len(marker) : end]
        pieces += [rest[:start] + '"', FromInput(name)]
        rest = rest[end:]
        start = rest.find(marker)
    return Template((*pieces, rest))


def _mark(reference: object) -> str:
    assert isinstance(reference, _Bound)
    return "\0" + reference.name


class _Bound:
    """A parameter in a condition, until it becomes a piece of the template."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _Reader:
    """Reads one condition. `metrics` are those that it mentions, in order."""

    def __init__(self, context: Context, instance: Instance, face: Interface) -> None:
        self.context = context
        self.instance = instance
        self.face = face
        self.metrics: dict[str, None] = {}

    def condition(self, expr: syntax.Expr) -> Any:
        """The condition as JSON; None once reported. It must be true or false."""
        while isinstance(expr, syntax.Group):
            expr = expr.value
        if isinstance(expr, syntax.Binary) and expr.operator in _JOINS:
            return self._both(expr.operator, self.condition(expr.left), self.condition(expr.right))
        if isinstance(expr, syntax.Unary) and expr.operator == "not":
            inner = self.condition(expr.operand)
            return ["not", inner] if inner is not None else None
        if isinstance(expr, syntax.Binary) and expr.operator in _TRUTH:
            if expr.operator in ("not in", "in"):
                inner = self._both("in", self._number(expr.left), self._number(expr.right))
                return ["not", inner] if expr.operator == "not in" and inner is not None else inner
            return self._both(expr.operator, self._number(expr.left), self._number(expr.right))
        if self._number(expr) is not None:
            help = "compare it: `accuracy >= 0.8`"
            self.context.report.error("MLP0405", "a condition is true or false, this is a value", expr.span, help=help)
        return None

    @staticmethod
    def _both(operator: str, left: Any, right: Any) -> Any:
        return [operator, left, right] if left is not None and right is not None else None

    def _number(self, expr: syntax.Expr) -> Any:
        while isinstance(expr, syntax.Group):
            expr = expr.value
        if isinstance(expr, syntax.Binary):
            if expr.operator in _TRUTH:
                return self.condition(expr)
            return self._both(expr.operator, self._number(expr.left), self._number(expr.right))
        if isinstance(expr, syntax.Unary):
            if expr.operator == "not":
                return self.condition(expr)
            inner = self._number(expr.operand)
            return None if inner is None else ["neg", inner] if expr.operator == "-" else inner
        if isinstance(expr, syntax.Reference):
            return self._name(expr)
        return self._value(expr)

    def _name(self, expr: syntax.Reference) -> Any:
        name = expr.name
        if name in self.face.metrics:
            self.metrics[name] = None
            return ["metric", name]
        if self.instance.scope.find(name) is not None:
            return self._value(expr)
        if name not in self.context.report.forgiven:
            help, fixes = did_you_mean(name, [*self.face.metrics, *self.instance.scope.visible()], expr.span)
            self.context.report.error(
                "MLP0402",
                f"`{self.face.name}` measures no `{name}`",
                expr.span,
                "unknown metric",
                help=help or f"it measures {listing(self.face.metrics)}",
                fixes=fixes,
            )
        return None

    def _value(self, expr: syntax.Expr) -> Any:
        value = self.context.evaluator.evaluate(expr, self.instance.scope)
        if isinstance(value, Constant):
            constant: Value = value.value
            return ["value", constant]
        if isinstance(value, InputRef):
            if not _comparable(value.type):
                message = "a condition compares numbers and words"
                self.context.report.error("MLP0405", message, expr.span)
                return None
            return ["value", _Bound(value.symbol.name)]
        if not isinstance(value, Bad):
            self.context.report.error("MLP0405", "a condition reads metrics, parameters and constants", expr.span)
        return None


def _comparable(t: Type) -> bool:
    return not isinstance(t, Scalar) or t.name in ("int", "float", "bool", "duration", "size", "string")
