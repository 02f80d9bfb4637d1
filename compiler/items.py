"""From what a `for each` goes through to items as Azure ML has them, checked against the body's inputs."""

from typing import Any, NamedTuple

from mlp_lang.compiler.assets import is_remote
from mlp_lang.compiler.checks import report_misfit
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.fit import Misfit, kind_of, misfit, mismatch
from mlp_lang.compiler.graph import Value
from mlp_lang.compiler.instances import Plan
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.suggestions import did_you_mean, listing
from mlp_lang.compiler.symbols import Kind, Scope
from mlp_lang.compiler.types import PORTS, ListType, MapType, Scalar, Type, Unknown
from mlp_lang.compiler.values import AssetValue, Bad, Constant, Evaluated, InputRef, PortRef
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span


class Entry(NamedTuple):
    """One value of an item: what it is, and where it is written."""

    value: Evaluated
    span: Span


class Items(NamedTuple):
    """Items that are known now: as Azure ML has them, and each with its entries."""

    value: Value
    entries: tuple[tuple[dict[str, Entry], Span], ...]


def read_items(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> Items | InputRef | PortRef | None:
    """The items, or the `param` or output that holds them; None once reported."""
    while isinstance(expr, syntax.Group):
        expr = expr.value
    if isinstance(expr, syntax.ListExpr):
        read = [_item(evaluator, item, scope) for item in expr.items]
        return _checked(evaluator.report, [(str(i), r) for i, r in enumerate(read)], expr.span, False)
    if isinstance(expr, syntax.MapExpr):
        keyed: list[tuple[str, tuple[dict[str, Entry], Span] | None]] = []
        for entry in expr.entries:
            key = entry.key.text if isinstance(entry.key, syntax.Name) else _key(evaluator, entry.key, scope)
            if key is None:
                return None
            keyed.append((key, _item(evaluator, entry.value, scope)))
        return _checked(evaluator.report, keyed, expr.span, True)
    value = evaluator.evaluate(expr, scope)
    if isinstance(value, Constant):
        return _constant(evaluator.report, value, expr.span)
    if isinstance(value, PortRef) or (isinstance(value, InputRef) and _may_hold(value.type)):
        return value
    if not isinstance(value, Bad):
        _no_items(evaluator.report, expr.span)
    return None


def _may_hold(t: Type) -> bool:
    """Whether a parameter of a type may hold items, as JSON."""
    return isinstance(t, ListType | MapType | Unknown) or (isinstance(t, Scalar) and t.name in ("string", "any"))


def _no_items(report: Report, span: Span) -> None:
    report.error(
        "MLP0330",
        "a `for each` goes through a list of maps, one for each turn",
        span,
        help="such as `[{ seed: 1 }, { seed: 2 }]`: its keys are inputs of the body",
    )


def _key(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> str | None:
    found = evaluator.constant(expr, scope, "a key")
    return found.value if found is not None and isinstance(found.value, str) else None


def _item(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> tuple[dict[str, Entry], Span] | None:
    if not isinstance(expr, syntax.MapExpr):
        value = evaluator.evaluate(expr, scope)
        if isinstance(value, Constant) and isinstance(value.value, dict):
            return {k: Entry(Constant(v, kind_of(v)), expr.span) for k, v in value.value.items()}, expr.span
        if not isinstance(value, Bad):
            _no_items(evaluator.report, expr.span)
        return None
    found: dict[str, Entry] = {}
    for entry in expr.entries:
        key = entry.key.text if isinstance(entry.key, syntax.Name) else _key(evaluator, entry.key, scope)
        value = evaluator.evaluate(entry.value, scope)
        if key is None or isinstance(value, Bad):
            return None
        found[key] = Entry(value, entry.value.span)
    return found, expr.span


def _constant(report: Report, value: Constant, span: Span) -> Items | None:
    raw = value.value
    pairs = list(raw.items()) if isinstance(raw, dict) else list(enumerate(raw)) if isinstance(raw, list) else None
    if pairs is None or not all(isinstance(item, dict) for _, item in pairs):
        _no_items(report, span)
        return None
    read: list[tuple[str, tuple[dict[str, Entry], Span] | None]] = []
    for key, item in pairs:
        assert isinstance(item, dict)
        read.append((str(key), ({k: Entry(Constant(v, kind_of(v)), span) for k, v in item.items()}, span)))
    return _checked(report, read, span, isinstance(raw, dict))


def _checked(
    report: Report, read: list[tuple[str, tuple[dict[str, Entry], Span] | None]], span: Span, keyed: bool
) -> Items | None:
    if not read:
        report.error("MLP0330", "a `for each` over nothing makes nothing", span)
        return None
    spelled: list[tuple[str, dict[str, Value]]] = []
    entries: list[tuple[dict[str, Entry], Span]] = []
    for key, one in read:
        if one is None:
            return None
        made: dict[str, Value] = {}
        for name, entry in one[0].items():
            good, value = _spelled(report, entry)
            if not good:
                return None
            made[name] = value
        spelled.append((key, made))
        entries.append(one)
    first = entries[0][0]
    for found, where in entries[1:]:
        if found.keys() != first.keys():
            odd = sorted(found.keys() ^ first.keys())[0]
            has = "has" if odd in found else "has no"
            report.error("MLP0330", f"all items have the same keys; this one {has} `{odd}`", where)
            return None
    return Items(dict(spelled) if keyed else [item for _, item in spelled], tuple(entries))


def _spelled(report: Report, entry: Entry) -> tuple[bool, Value]:
    """An entry as Azure ML has it: a value, an asset that it can reach, or a parameter."""
    value = entry.value
    if isinstance(value, Constant):
        asset = _asset_type(value.value)
        if asset is None or not isinstance(value.value, dict) or is_remote(str(value.value["path"])):
            return True, value.value
        return _local(report, entry)
    if isinstance(value, InputRef) and value.symbol.kind is Kind.PARAM:
        return True, f"${{{{parent.inputs.{value.symbol.name}}}}}"
    if isinstance(value, AssetValue) and not value.asset.local:
        return True, {"type": value.asset.type, "path": value.asset.path}
    if isinstance(value, AssetValue):
        return _local(report, entry)
    message = "an entry of an item is a value, a `param` or an asset"
    report.error("MLP0330", message, entry.span, help="hand it to the body as an input of its own")
    return False, None


def _local(report: Report, entry: Entry) -> tuple[bool, Value]:
    message = "Azure ML takes no local files as items"
    report.error("MLP0330", message, entry.span, help='register it, and write such as `file("azureml:census:3")`')
    return False, None


def _asset_type(value: Value) -> Type | None:
    """The type of an asset that is spelled as Azure ML has it: `{ type: …, path: …, mode: … }`; else None."""
    if not isinstance(value, dict) or "path" not in value or not value.keys() <= _ASSET:
        return None
    return PORTS.get(str(value.get("type", "uri_folder")))


def is_spelled(value: Value) -> bool:
    """Whether a value of an item is a map that Azure ML reads itself: an asset, or `{ value: … }`."""
    return _asset_type(value) is not None or (isinstance(value, dict) and value.keys() == {"value"})


_ASSET = frozenset(["type", "path", "mode", "datastore", "path_on_compute"])


def keys_of(plan: Plan) -> tuple[str, ...]:
    """The entries of an item that the stages of a loop speak of."""
    return tuple(dict.fromkeys(k.key for stage in plan.stages for k in stage.item_keys.values()))


def check_items(report: Report, items: Items | InputRef | PortRef, plan: Plan, item: syntax.For) -> bool:
    """Whether the keys and values of the items go into the inputs of a loop's stages."""
    if not isinstance(items, Items):
        return True
    keys = items.entries[0][0]
    takers = [(k, stage, name) for stage in plan.stages for name, k in stage.item_keys.items()]
    for taken, _, _ in takers:
        if taken.key not in keys:
            near, _fixes = did_you_mean(taken.key, keys, None)
            help = near or f"they have {listing(keys)}"
            report.error("MLP0330", f"the items have no `{taken.key}`", taken.span, help=help)
            return False
    known = keys_of(plan)
    for name, entry in keys.items():
        if name not in known:
            message = f"no input of {listing(s.title for s in plan.stages)} takes `{name}` of the items"
            help = f"{name} = {item.variable.text}.{name}"
            report.error("MLP0330", message, entry.span, help=help)
            return False
    good = True
    for entries, _ in items.entries:
        for taken, stage, name in takers:
            if stage.interface is not None:
                good = _fits(report, entries[taken.key], name, stage.interface.inputs[name].type) and good
    return good


def _fits(report: Report, entry: Entry, name: str, asked: Type) -> bool:
    value: Any = entry.value
    if isinstance(value, Constant) and is_spelled(value.value) and not isinstance(asked, MapType):
        problem = _misfit_spelled(value.value, asked)
    else:
        problem = misfit(value.value, value.kind, asked) if isinstance(value, Constant) else mismatch(value.type, asked)
    return problem is None or report_misfit(report, problem, entry.span, f"`{name}`")


def _misfit_spelled(value: Any, asked: Type) -> Misfit | None:
    asset = _asset_type(value)
    if asset is not None:
        return mismatch(asset, asked)
    return misfit(value["value"], kind_of(value["value"]), asked)
