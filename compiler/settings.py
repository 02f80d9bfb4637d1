"""From a block of settings and its vocabulary to checked values; what is not in the vocabulary is reported."""

from typing import Any, NamedTuple, TypeAlias

from mlp_lang.compiler.checks import unknown_word, value_fits
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import FromInput, FromNode, Value
from mlp_lang.compiler.program import mentioned
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Kind, Scope
from mlp_lang.compiler.types import ANY, MapType, Type
from mlp_lang.compiler.unroll import duplicate, forgive
from mlp_lang.compiler.values import Bad, Evaluated, InputRef, Text
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span


class Words(NamedTuple):
    """A closed vocabulary, written as bare words: `unit = row`. Without members any word will do."""

    members: tuple[str, ...]


class Raw(NamedTuple):
    """Read by whoever asked: the expression as it stands."""


class Bound(NamedTuple):
    """A value that is known when the pipeline runs, as Azure ML writes it: `${{parent.inputs.x}}`."""

    text: str


class Setting(NamedTuple):
    """A value that was given. `value` is a constant's value, a word, for Raw the expression, or Bound."""

    value: Any
    span: Span
    name: syntax.Name


Vocabulary: TypeAlias = "dict[str, Type | Words | Raw]"
RAW = Raw()


def read(
    evaluator: Evaluator,
    items: tuple[syntax.Item, ...],
    scope: Scope,
    vocabulary: Vocabulary,
    where: str,
    blocks: tuple[str, ...] = (),
    *,
    bindable: bool = False,
) -> dict[str, Setting]:
    """The settings of a block by name; wrong ones are reported and left out. ``blocks`` are read by the caller.

    With ``bindable``, what asks for a constant takes a `param` too, or a string with one in it."""
    found: dict[str, Setting] = {}
    names: dict[str, syntax.Name] = {}
    for item in items:
        if isinstance(item, syntax.Invalid):
            evaluator.report.forgiven |= item.names
            continue
        if isinstance(item, syntax.Block) and item.name.text in blocks:
            continue
        name = getattr(item, "name", None)
        if not isinstance(name, syntax.Name) or not isinstance(item, syntax.Setting | syntax.Block):
            forgive(evaluator.report, (item,))
            continue
        asked = vocabulary.get(name.text)
        if asked is None:
            unknown_word(evaluator.report, "MLP0208", f"setting of {where}", name, [*vocabulary, *blocks])
            if isinstance(item, syntax.Setting):
                _look(evaluator, item.value, scope)
            continue
        earlier = names.setdefault(name.text, name)
        if earlier is not name:
            duplicate(evaluator.report, name, earlier)
            continue
        value: Setting | None
        if isinstance(item, syntax.Block):
            value = _block(evaluator, item, scope)
        else:
            value = bound(evaluator, item, scope, asked) if bindable else one(evaluator, item, scope, asked)
        if isinstance(item, syntax.Block) and not isinstance(asked, MapType):
            evaluator.report.error("MLP0208", f"`{name.text}` is a setting, not a block", name.span)
            continue
        if value is not None:
            found[name.text] = value
    return found


def _look(evaluator: Evaluator, value: syntax.Expr, scope: Scope) -> None:
    """Count the names in a value that nobody reads as used, and complain of nothing in it."""
    for name in mentioned(value):
        symbol = scope.find(name)
        if symbol is not None:
            symbol.used = True


def one(evaluator: Evaluator, item: syntax.Setting, scope: Scope, asked: Type | Words | Raw) -> Setting | None:
    """One setting against what its name asks for."""
    expr = item.value
    if isinstance(asked, Raw):
        return Setting(expr, expr.span, item.name)
    if isinstance(asked, Words):
        text = word_of(evaluator, expr, scope)
        if text is None:
            return None
        if asked.members and text not in asked.members:
            from mlp_lang.compiler.suggestions import did_you_mean

            members = ", ".join(asked.members)
            near, fixes = did_you_mean(text, asked.members, expr.span)
            evaluator.report.error(
                "MLP0206",
                f"`{item.name.text}` is `{text}`, expected one of {members}",
                expr.span,
                help=near,
                fixes=fixes,
            )
            return None
        return Setting(text, expr.span, item.name)
    value = evaluator.constant(expr, scope, f"`{item.name.text}`")
    if value is None or not value_fits(evaluator.report, value, asked, expr.span, f"`{item.name.text}`"):
        return None
    return Setting(value.value, expr.span, item.name)


def bound(evaluator: Evaluator, item: syntax.Setting, scope: Scope, asked: Type | Words | Raw) -> Setting | None:
    """One setting that may be bound to something known at run time; else as `one`."""
    if not isinstance(asked, Words | Raw) and isinstance(item.value, syntax.Reference | syntax.String):
        found = evaluator.evaluate(item.value, scope)
        text = run_time_text(found)
        if text is not None:
            return Setting(Bound(text), item.value.span, item.name)
        if isinstance(found, Bad):
            return None
    return one(evaluator, item, scope, asked)


def run_time_text(value: Evaluated) -> str | None:
    """A parameter, or a string with some in it, as Azure ML writes it; None for anything else."""
    if isinstance(value, InputRef) and value.symbol.kind is Kind.PARAM:
        return f"${{{{parent.inputs.{value.symbol.name}}}}}"
    if isinstance(value, Text):
        parts = value.template.parts
        return "".join(p if isinstance(p, str) else reference_text(p) for p in parts)
    return None


def reference_text(part: FromInput | FromNode) -> str:
    """Azure ML's expression for a reference."""
    if isinstance(part, FromInput):
        return f"${{{{parent.inputs.{part.name}}}}}"
    return f"${{{{parent.jobs.{part.node}.outputs.{part.port}}}}}"


def literals(evaluator: Evaluator, items: tuple[syntax.Item, ...], scope: Scope) -> dict[str, Any]:
    """A block whose names are Azure ML's own: constants, and blocks in blocks as maps in maps."""
    found: dict[str, Any] = {}
    for item in items:
        if isinstance(item, syntax.Setting):
            at = bound(evaluator, item, scope, ANY)
            value = at.value if at is not None else None
            found[item.name.text] = value.text if isinstance(value, Bound) else value
        elif isinstance(item, syntax.Block):
            found[item.name.text] = literals(evaluator, item.items, scope)
        elif isinstance(item, syntax.Invalid):
            evaluator.report.forgiven |= item.names
        else:
            forgive(evaluator.report, (item,))
    return found


def word_of(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> str | None:
    """A bare word, or a constant string that spells one; None once reported."""
    if isinstance(expr, syntax.Reference) and scope.find(expr.name) is None:
        return expr.name
    value = evaluator.constant(expr, scope, "this")
    if value is None:
        return None
    if not isinstance(value.value, str):
        evaluator.report.error("MLP0204", f"expected a word, found {value.kind}", expr.span)
        return None
    return value.value


def _block(evaluator: Evaluator, item: syntax.Block, scope: Scope) -> Setting:
    """`env { NAME = "value" }`: a map written as a block."""
    entries: dict[str, Value] = {}
    for inner in item.items:
        if isinstance(inner, syntax.Setting):
            value = evaluator.constant(inner.value, scope, f"`{inner.name.text}`")
            if value is not None:
                entries[inner.name.text] = value.value
        elif isinstance(inner, syntax.Invalid):
            evaluator.report.forgiven |= inner.names
        else:
            forgive(evaluator.report, (inner,))
    return Setting(entries, item.span, item.name)


class Argument(NamedTuple):
    """One parameter of a call such as `cluster("cpu")`."""

    name: str
    type: Type | Words | Raw
    required: bool = False


def arguments(
    evaluator: Evaluator, call: syntax.Call, scope: Scope, signature: tuple[Argument, ...]
) -> dict[str, Any] | None:
    """The arguments of a call by name, positional ones first as in the signature; None once a problem is reported."""
    report = evaluator.report
    function = call.function.text
    found: dict[str, Any] = {}
    good = True
    by_name = {a.name: a for a in signature}
    for i, argument in enumerate(call.arguments):
        if argument.name is not None:
            asked = by_name.get(argument.name.text)
            if asked is None:
                unknown_word(report, "MLP0215", f"argument of `{function}`", argument.name, list(by_name))
                good = False
                continue
        elif i < len(signature):
            asked = signature[i]
        else:
            report.error("MLP0215", f"`{function}` takes {len(signature)} arguments", argument.span)
            return None
        if asked.name in found:
            report.error("MLP0202", f"`{asked.name}` is given twice", argument.span)
            good = False
            continue
        name = argument.name or syntax.Name(asked.name, argument.span)
        value = one(evaluator, syntax.Setting(name, argument.value, argument.span), scope, asked.type)
        if value is None:
            good = False
        else:
            found[asked.name] = value.value
    missing = [a.name for a in signature if a.required and a.name not in found]
    if good and missing:
        report.error("MLP0215", f"`{function}` needs {', '.join(f'`{m}`' for m in missing)}", call.span)
        good = False
    return found if good else None


def call(report: Report, expr: syntax.Expr, table: dict[str, Any], what: str) -> syntax.Call | None:
    """A call of one of a few functions; a bare word is a call without arguments."""
    if isinstance(expr, syntax.Reference):
        expr = syntax.Call(syntax.Name(expr.name, expr.span), (), expr.span)
    if isinstance(expr, syntax.Call) and expr.function.text in table:
        return expr
    name = expr.function.text if isinstance(expr, syntax.Call) else expr.span.text
    span = expr.function.span if isinstance(expr, syntax.Call) else expr.span
    from mlp_lang.compiler.suggestions import did_you_mean

    help, fixes = did_you_mean(name, table, span)
    help = help or "known are " + ", ".join(f"`{t}(…)`" for t in table)
    report.error("MLP0214", f"`{name}` is no {what}", span, help=help, fixes=fixes)
    return None


def strings(value: Any) -> dict[str, str]:
    """A map of constants as text, the way Azure ML keeps tags and environment variables."""
    from mlp_lang.compiler.constants import text_of

    return {str(k): text_of(v) for k, v in (value or {}).items()}
