"""From `param` and `data` declarations to pipeline inputs, and from a `data` block to the Facts of its table."""

import os
from typing import Any, NamedTuple

from mlp_lang.compiler import settings
from mlp_lang.compiler.assets import locate
from mlp_lang.compiler.checks import report_misfit, resolve_type, value_fits
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.fit import kind_of, mismatch
from mlp_lang.compiler.graph import Asset, Facts, Literal, Parameter, PipelineInput, Value
from mlp_lang.compiler.interface import parameter
from mlp_lang.compiler.settings import Words
from mlp_lang.compiler.suggestions import did_you_mean
from mlp_lang.compiler.symbols import Scope, Symbol
from mlp_lang.compiler.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    NONE,
    PORTS,
    STRING,
    UNKNOWN,
    ListType,
    MapType,
    Port,
    Scalar,
    Type,
    Union,
    canonical,
    is_port,
    spell,
    union,
)
from mlp_lang.compiler.values import AssetValue, Bad, Constant
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

_KINDS: dict[str, Type] = {"bool": BOOL, "int": INT, "float": FLOAT, "string": STRING, "none": ANY}
_DATA: settings.Vocabulary = {
    "schema": STRING,
    "label": STRING,
    "positive": ANY,
    "sensitive": ListType(STRING),
    "features": ListType(STRING),
    "description": STRING,
    "mode": Words(("ro_mount", "rw_mount", "mount", "download", "direct", "eval_mount", "eval_download")),
    "path_on_compute": STRING,
    "datastore": STRING,
}
_PLACES = ("path_on_compute", "datastore")
_PRIVATE: settings.Vocabulary = {
    "unit": Words(("row",)),
    "neighbours": Words(("replace_one", "add_remove")),
    "epsilon": Scalar("float", 0, None, True),
    "delta": Scalar("float", 0, 1, False, True),
    "runs": Scalar("int", 1),
}


class Budget(NamedTuple):
    """What a `private` block says. `runs` is how often the pipeline is meant to run within the budget."""

    epsilon: float
    delta: float
    neighbours: str
    unit: str
    runs: int
    span: Span


class Datum(NamedTuple):
    """A compiled `data`: the pipeline input, its Facts if any are known, its privacy, and what only Azure ML reads."""

    input: PipelineInput
    facts: Facts | None
    budget: Budget | None
    symbol: Symbol
    places: dict[str, Any]


def type_of_constant(value: Constant) -> Type:
    """The type that a parameter without annotation has from its default."""
    if value.kind == "list" and isinstance(value.value, list):
        kinds = {kind_of(v) for v in value.value}
        return ListType(_KINDS.get(kinds.pop(), ANY) if len(kinds) == 1 else ANY)
    if value.kind == "map" and isinstance(value.value, dict):
        kinds = {kind_of(v) for v in value.value.values()}
        return MapType(_KINDS.get(kinds.pop(), ANY) if len(kinds) == 1 else ANY)
    return _KINDS.get(value.kind) or Scalar(value.kind)


def declare_param(evaluator: Evaluator, symbol: Symbol, scope: Scope) -> None:
    """Give a parameter its type, which is what references to it carry."""
    node: syntax.Param = symbol.node
    if node.type is not None:
        t = resolve_type(evaluator, node.type, scope)
        if is_port(t):
            message = f"a `param` is a value, not `{canonical(t)}`"
            help = f"write `data {symbol.name}: {canonical(t)}`"
            evaluator.report.error("MLP0606", message, node.type.span, help=help)
            t = UNKNOWN
    elif node.default is not None:
        found = evaluator.constant(node.default, scope, "a default")
        t = type_of_constant(found) if found is not None else UNKNOWN
    else:
        message = f"`{symbol.name}` needs a type or a default"
        evaluator.report.error("MLP0225", message, symbol.span, help=f"such as `param {symbol.name}: float`")
        t = UNKNOWN
    symbol.value = t


def compile_param(
    evaluator: Evaluator,
    symbol: Symbol,
    scope: Scope,
    override: tuple[Constant, Span] | None,
    of_component: bool = False,
) -> PipelineInput | None:
    """A parameter with its default, or with what a profile or the command line puts in its place.

    ``of_component`` if it is an input of a pipeline component, which Azure ML lets a job leave out."""
    node: syntax.Param = symbol.node
    t: Type = symbol.value
    default: Constant | None = None
    if node.default is not None:
        default = evaluator.constant(node.default, scope, "a default")
        if default is not None and not value_fits(
            evaluator.report, default, t, node.default.span, f"the default of `{symbol.name}`"
        ):
            return None
    if t is UNKNOWN:
        return None
    may_miss = of_component and isinstance(t, Union) and NONE in t.members
    shown = parameter(
        symbol.name,
        union(tuple(m for m in t.members if m != NONE)) if may_miss and isinstance(t, Union) else t,
        None,
        description=node.doc,
        default=default.value if default is not None else None,
        has_default=default is not None,
        optional=may_miss,
    )._replace(span=symbol.span)
    value = default
    span = node.default.span if node.default is not None else symbol.span
    if override is not None:
        value, span = override
        if not value_fits(evaluator.report, value, t, span, f"`{symbol.name}`"):
            return None
    return PipelineInput(shown, Literal(value.value, span) if value is not None else None, span=symbol.span)


def declare_data(evaluator: Evaluator, symbol: Symbol, scope: Scope) -> None:
    """Give a datum its type."""
    node: syntax.Data = symbol.node
    t: Type = UNKNOWN
    if node.type is not None:
        t = resolve_type(evaluator, node.type, scope)
        if isinstance(t, Union) and len(t.members) == 2 and t.members[1] == NONE:
            t = t.members[0]  # `folder?`: may be left out
        if t is not UNKNOWN and not isinstance(t, Port):
            message = f"a `data` is an asset, not `{canonical(t)}`"
            help = f"write `param {symbol.name}: {canonical(t)}`"
            evaluator.report.error("MLP0606", message, node.type.span, help=help)
            t = UNKNOWN
    elif isinstance(node.value, syntax.Call) and node.value.function.text in PORTS:
        t = PORTS[node.value.function.text]
    else:
        help = f"such as `data {symbol.name}: table`"
        evaluator.report.error("MLP0606", f"`{symbol.name}` needs a type", symbol.span, help=help)
    symbol.value = t


def compile_data(
    evaluator: Evaluator, symbol: Symbol, scope: Scope, override: tuple[syntax.Expr, Scope] | None, facts_input: str
) -> Datum | None:
    """A datum with its path, the Facts of its block, and its privacy."""
    node: syntax.Data = symbol.node
    t: Type = symbol.value
    items = node.items or ()
    given = settings.read(evaluator, items, scope, _DATA, "a `data`", ("private",))
    value, where = override if override is not None else (node.value, scope)
    asset: Asset | None = None
    good = True
    if value is not None and isinstance(t, Port):
        asset = _asset(evaluator, symbol, t, value, where)
        good = asset is not None
    if node.value is not None and override is not None and isinstance(t, Port):
        _asset(evaluator, symbol, t, node.value, scope, exists=False)
    blocks = [i for i in items if isinstance(i, syntax.Block) and i.name.text == "private"]
    budget = _budget(evaluator, blocks[0], scope) if blocks else None
    if blocks and budget is None:
        good = False
    facts = _facts(evaluator, symbol, given, budget, scope, facts_input, blocks)
    if not isinstance(t, Port):
        return None
    mode = given["mode"].value if "mode" in given else None
    described = given["description"].value if "description" in given else node.doc
    if asset is not None and mode is not None:
        asset = asset._replace(mode=mode)
    optional = isinstance(node.type, syntax.OptionalType)
    shown = Parameter(symbol.name, canonical(t), t.azure, described, optional=optional, mode=mode, span=symbol.span)
    made = PipelineInput(shown, asset, private=bool(blocks), span=symbol.span)
    places = {k: given[k].value for k in _PLACES if k in given}
    return Datum(made, facts, budget, symbol, places) if good else None


def _asset(
    evaluator: Evaluator, symbol: Symbol, t: Type, value: syntax.Expr, scope: Scope, *, exists: bool = True
) -> Asset | None:
    if isinstance(value, syntax.Call):
        found = evaluator.evaluate(value, scope)
        if isinstance(found, AssetValue):
            problem = mismatch(found.type, t)
            if problem is not None and not report_misfit(evaluator.report, problem, value.span, f"`{symbol.name}`"):
                return None
            return found.asset
        if not isinstance(found, Bad):
            evaluator.report.error(
                "MLP0702", f"`{symbol.name}` takes a path", value.span, help='such as `"data/x.csv"`'
            )
        return None
    path = evaluator.constant(value, scope, "a path")
    if path is None:
        return None
    if not isinstance(path.value, str):
        message = f"the path of `{symbol.name}` is a string, found {path.kind} {spell(path.value)}"
        evaluator.report.error("MLP0204", message, value.span, help='such as `"data/x.csv"` or `"azureml:census:3"`')
        return None
    if not exists or not isinstance(t, Port):
        return None
    return locate(evaluator.report, t.azure, path.value, value.span, scope.folder)


def _budget(evaluator: Evaluator, block: syntax.Block, scope: Scope) -> Budget | None:
    given = settings.read(evaluator, block.items, scope, _PRIVATE, "`private`")
    broken = any(isinstance(i, syntax.Invalid) for i in block.items)
    names = {i.name.text for i in block.items if isinstance(i, syntax.Setting)}
    if "epsilon" not in names and not broken:
        message = "`private` does not say the budget"
        evaluator.report.error("MLP0508", message, block.name.span, help="epsilon = 1.0")
    if "epsilon" not in given:
        return None
    values = {k: s.value for k, s in given.items()}
    return Budget(
        float(values["epsilon"]),
        float(values.get("delta", 0)),
        values.get("neighbours", "replace_one"),
        values.get("unit", "row"),
        values.get("runs", 1),
        block.name.span,
    )


def _facts(
    evaluator: Evaluator,
    symbol: Symbol,
    given: dict[str, settings.Setting],
    budget: Budget | None,
    scope: Scope,
    input_name: str,
    blocks: list[syntax.Block],
) -> Facts | None:
    if not any(k in given for k in ("schema", "label", "positive", "sensitive", "features")) and budget is None:
        return None
    report = evaluator.report
    schema: dict[str, Any] | None = None
    if "schema" in given:
        schema = read_schema(evaluator, given["schema"], scope)
    elif blocks and not any(isinstance(i, syntax.Invalid) for i in symbol.node.items or ()):
        report.error(
            "MLP0605",
            f"`{symbol.name}` is private and has no schema",
            blocks[0].name.span,
            help='schema = "….schema.json": private steps scale and encode by its bounds, never by the rows',
        )
    elif not any(isinstance(i, syntax.Invalid) for i in symbol.node.items or ()):
        key = next(k for k in ("label", "positive", "sensitive", "features") if k in given)
        report.error(
            "MLP0605",
            f"`{key}` names columns that only a schema can say",
            given[key].name.span,
            help='schema = "….schema.json", a JSON Schema of one row',
        )
    if schema is None:
        return None
    columns: dict[str, Any] = schema["properties"]
    _columns(evaluator, symbol, given, columns)
    private: dict[str, Value] | None = None
    if budget is not None:
        private = {
            "unit": budget.unit,
            "neighbours": budget.neighbours,
            "epsilon": budget.epsilon,
            "delta": budget.delta,
        }
    value = {k: s.value for k, s in given.items()}
    document: dict[str, Value] = {
        "name": symbol.name,
        "schema": schema,
        "label": value.get("label"),
        "positive": value.get("positive"),
        "sensitive": value.get("sensitive") or [],
        "features": value.get("features"),
        "private": private,
    }
    return Facts(symbol.name, input_name, document, symbol.span)


def read_schema(evaluator: Evaluator, given: settings.Setting, scope: Scope) -> dict[str, Any] | None:
    """The JSON Schema of one row at a path; None once it is reported."""
    import json

    full = os.path.normpath(os.path.join(scope.folder, given.value))
    try:
        with open(full, encoding="utf-8") as file:
            schema = json.load(file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        evaluator.report.error("MLP0603", f"cannot read `{given.value}`: {reason}", given.span)
        return None
    except (ValueError, RecursionError) as error:
        evaluator.report.error("MLP0604", f"`{given.value}` is no JSON: {error}", given.span)
        return None
    columns = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(columns, dict) or not columns or not all(isinstance(c, dict) for c in columns.values()):
        message = f"`{given.value}` is no JSON Schema of a row"
        help = '{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 120}, …}}'
        evaluator.report.error("MLP0604", message, given.span, help=help)
        return None
    found: dict[str, Any] = schema
    return found


def _columns(evaluator: Evaluator, symbol: Symbol, given: dict[str, settings.Setting], columns: dict[str, Any]) -> None:
    label = given.get("label")
    if label is not None and not check_column(evaluator, label.value, label.span, columns, symbol.name):
        label = None
    for key in ("sensitive", "features"):
        setting = given.get(key)
        if setting is None:
            continue
        seen: set[str] = set()
        for i, name in enumerate(setting.value):
            span = _item_span(symbol.node.items, key, i) or setting.span
            check_column(evaluator, name, span, columns, symbol.name)
            if name in seen:
                evaluator.report.error("MLP0202", f"`{name}` stands twice in `{key}`", span)
            seen.add(name)
            if label is not None and name == label.value:
                evaluator.report.error("MLP0607", f"`{name}` is the label and cannot be in `{key}`", span)
    positive = given.get("positive")
    if positive is None:
        return
    if "label" not in given:
        evaluator.report.error("MLP0602", "`positive` is a value of the label, which is not said", positive.name.span)
    elif label is not None:
        categories = categories_of(columns[label.value])
        if categories is None:
            message = f"the label `{label.value}` has no categories in the schema"
            evaluator.report.error("MLP0602", message, positive.span, help='"enum": [ … ] in its schema')
        elif not any(
            c == positive.value and isinstance(c, bool) == isinstance(positive.value, bool) for c in categories
        ):
            words = [c for c in categories if isinstance(c, str)]
            shown = ", ".join(spell(c) for c in categories)
            near = did_you_mean(positive.value, words, None)[0] if isinstance(positive.value, str) else ""
            message = f"{spell(positive.value)} is no category of `{label.value}`"
            evaluator.report.error("MLP0602", message, positive.span, help=near or f"its categories are {shown}")


def categories_of(column: dict[str, Any]) -> list[Value] | None:
    """The closed vocabulary of a column without null, or None if its schema gives none."""
    if isinstance(column.get("enum"), list):
        return [v for v in column["enum"] if v is not None]
    if "const" in column:
        return [column["const"]]
    kinds = column.get("type")
    if kinds == "boolean" or kinds == ["boolean", "null"]:
        return [False, True]
    for key in ("anyOf", "oneOf"):
        parts = column.get(key)
        if isinstance(parts, list):
            found = [categories_of(p) for p in parts if isinstance(p, dict) and p.get("type") != "null"]
            if found and all(f is not None for f in found):
                return [v for f in found for v in f or ()]
    return None


def is_bounded(column: dict[str, Any]) -> bool:
    """Whether the encoding of a column is known without looking at rows: categories, or both bounds."""
    if categories_of(column) is not None:
        return True
    if ("minimum" in column or "exclusiveMinimum" in column) and ("maximum" in column or "exclusiveMaximum" in column):
        return True
    for key in ("anyOf", "oneOf"):
        parts = column.get(key)
        if isinstance(parts, list) and parts:
            return all(isinstance(p, dict) and (p.get("type") == "null" or is_bounded(p)) for p in parts)
    return False


def check_column(evaluator: Evaluator, name: Value, span: Span, columns: dict[str, Any], table: str) -> bool:
    """Whether a table has a column; reports it if not."""
    if name in columns:
        return True
    help = ""
    if isinstance(name, str):
        inner = Span(span.source, span.start + 1, span.end - 1) if span.text.startswith('"') else None
        help, fixes = did_you_mean(name, columns, inner)
    else:
        fixes = ()
    if not help:
        shown = list(columns)[:12]
        help = "its columns are " + ", ".join(f"`{c}`" for c in shown) + (" …" if len(columns) > 12 else "")
    evaluator.report.error("MLP0601", f"`{table}` has no column `{name}`", span, help=help, fixes=fixes)
    return False


def _item_span(items: tuple[syntax.Item, ...] | None, key: str, i: int) -> Span | None:
    for item in items or ():
        if isinstance(item, syntax.Setting) and item.name.text == key and isinstance(item.value, syntax.ListExpr):
            return item.value.items[i].span if i < len(item.value.items) else None
    return None
