"""From a component that a program declares (`component x: command { … }`, `define { … }`) to its Interface."""

import os
from collections.abc import Set as AbstractSet
from typing import Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.assets import is_remote
from mlp_lang.compiler.checks import resolve_type, unknown_word, value_fits
from mlp_lang.compiler.constants import text_of
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Component, Environment, FromInput, FromNode, Parameter
from mlp_lang.compiler.interface import Input, Interface, add_output, parameter
from mlp_lang.compiler.program import clash, declared
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.settings import RAW, Argument
from mlp_lang.compiler.symbols import Kind, Scope
from mlp_lang.compiler.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    PORTS,
    STRING,
    UNKNOWN,
    ListType,
    Port,
    Type,
    Union,
    Unknown,
    azure_scalar,
    union,
)
from mlp_lang.compiler.values import BAD, Constant, InputRef, Text
from mlp_lang.compiler.vocabulary import DEFINE, SOURCES, TASKS, merge, put, words
from mlp_lang.dsl import syntax

AZUREML = "azureml"
"""The block of a definition with fields of Azure ML's that have no word."""
_VERBS = ("prepare", "train", "tune", "privatize", "evaluate", "explain", "export", "deploy", "monitor", "step")
_PROMISES: settings.Vocabulary = {
    "verbs": RAW,
    "default_output": RAW,
    "metrics": ListType(STRING),
    "gates": RAW,
}
_SETTINGS: settings.Vocabulary = {
    **_PROMISES,
    "deterministic": BOOL,
    "version": STRING,
    "display_name": STRING,
    "description": STRING,
    "name": STRING,
}
_REQUIRED: dict[str, tuple[str, str]] = {
    "command": ("command", 'command = "python script.py …"'),
    "spark": ("entry", 'entry = "main.py"'),
    "import": ("source", 'source = s3(connection = "azureml:…", path = "…")'),
    "import_data": ("source", 'source = file_system(connection = "azureml:…", path = "…")'),
    "export_data": ("sink", 'sink = file_system(connection = "azureml:…", path = "…")'),
}
"""What a component of each kind says of itself at least, and an example of it."""
_KINDS = ("command", "parallel", "spark", "import", *TASKS)
_SPECIAL = frozenset(["code", "environment", "command"])
"""Words that a Component has fields of its own for."""
_BLOCKS = ("privacy", "facts", AZUREML)
VALUES: tuple[Type, ...] = (BOOL, INT, FLOAT, STRING)
"""What an output may be that is no asset: Azure ML reads it from the file that the step writes, and steers by it."""


def build(
    resources: Resources,
    name: str,
    kind: syntax.Name,
    items: tuple[syntax.Item, ...],
    scope: Scope,
    doc: str,
    *,
    one_use: bool = False,
) -> Interface | None:
    """The Interface of a declared component; None once what is missing is reported.

    ``one_use`` if a stage defines it for itself: then Azure ML may get it in the stage's job."""
    evaluator, report = resources.evaluator, resources.report
    if kind.text not in _KINDS:
        unknown_word(report, "MLP0208", "kind of component", kind, list(_KINDS))
        return None
    inner = Scope(scope, scope.folder)
    source = scope.file(kind.span)
    face = Interface(name, "inline", scope.folder, source)
    face.kind = "data_transfer" if kind.text in TASKS else kind.text
    broken = any(isinstance(i, syntax.Invalid) for i in items)
    outputs: list[syntax.Output] = []
    rest: list[syntax.Item] = []
    for item in items:
        if isinstance(item, syntax.Param):
            _input(evaluator, face, item, inner)
        elif isinstance(item, syntax.Output):
            outputs.append(item)
        else:
            rest.append(item)
    for output in outputs:
        _output(evaluator, face, output, inner)
    if kind.text in ("import", "import_data") and not face.outputs:  # Azure ML has one output, of this name
        name_of = "output" if kind.text == "import" else "sink"
        add_output(face, name_of, PORTS["folder"], "uri_folder", {}, ())
    rows = words(DEFINE, kind.text)
    vocabulary: settings.Vocabulary = _SETTINGS | {word: row.type for word, row in rows.items()}
    given = settings.read(evaluator, tuple(rest), scope, vocabulary, f"a `{kind.text}` component", _BLOCKS)
    raw: dict[str, Any] = {}
    for item in rest:
        if isinstance(item, syntax.Block) and item.name.text == AZUREML:
            raw.update(settings.literals(evaluator, item.items, scope))
    needed = _REQUIRED.get(kind.text)
    missing = needed is not None and needed[0] not in given and needed[0] not in raw
    if missing and needed is not None and not broken:
        report.error("MLP0224", f"`{name}` has no `{needed[0]}`", kind.span, help=needed[1])
    if broken or missing:
        return face if face.outputs else None
    code = _code(evaluator, given["code"].value, scope) if "code" in given else None
    environment = Environment()
    if "environment" in given:
        environment = resources.environment(given["environment"].value, scope) or environment
    elif kind.text in ("command", "parallel") and not _says_environment(raw, kind.text):
        report.error("MLP0224", f"`{name}` has no `environment`", kind.span, help='environment = "azureml:name:1"')
    for key, value in promises(evaluator, tuple(i for i in rest if _promise(i)), scope, "a component").items():
        setattr(face, key, tuple(value.value) if isinstance(value.value, list) else value.value)
    if face.default_output is not None and face.default_output not in face.outputs:
        unknown_word(
            report,
            "MLP0303",
            "output",
            syntax.Name(face.default_output, given["default_output"].span),
            list(face.outputs),
        )
        face.default_output = None
    wire(evaluator, face, tuple(rest), scope)
    privacy(evaluator, face, tuple(rest), scope)
    face.data = {
        "command": given["command"].value if "command" in given else None,
        "scope": inner,
        "azure_name": given["name"].value if "name" in given else name.lower(),
        "version": given["version"].value if "version" in given else "1",
        "display_name": given["display_name"].value if "display_name" in given else "" if one_use else name,
        "description": given["description"].value if "description" in given else doc,
        "code": code,
        "environment": environment,
        "deterministic": given["deterministic"].value if "deterministic" in given else True,
        "kind": kind.text,
        "given": {word: setting.value for word, setting in given.items() if word in rows},
        "azureml": raw,
        "one_use": one_use,
        "in_place": one_use and not given.keys() - rows.keys() - _PROMISES.keys(),
    }
    return face


def _says_environment(raw: dict[str, Any], kind: str) -> bool:
    task = raw.get("task")
    return "environment" in (task if kind == "parallel" and isinstance(task, dict) else raw)


def _code(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> str | None:
    """A folder that is there, or code elsewhere; None once reported."""
    found = evaluator.constant(expr, scope, "`code`")
    if found is None:
        return None
    if not isinstance(found.value, str):
        evaluator.report.error("MLP0204", f"`code` is a folder, found {found.kind}", expr.span)
        return None
    if not is_remote(found.value) and not os.path.exists(os.path.join(scope.folder, found.value)):
        evaluator.report.error("MLP0603", f"`{found.value}` is no folder", expr.span)
    return found.value


def _promise(item: syntax.Item) -> bool:
    return isinstance(item, syntax.Setting) and item.name.text in _PROMISES


def _input(evaluator: Evaluator, face: Interface, item: syntax.Param, scope: Scope) -> None:
    symbol, earlier = scope.declare(Kind.PARAM, item.name, item)
    if earlier is not None:
        clash(evaluator.report, symbol, earlier)
        return
    t: Type = resolve_type(evaluator, item.type, scope) if item.type is not None else UNKNOWN
    default = evaluator.constant(item.default, scope, "a default") if item.default is not None else None
    if default is not None and item.type is not None and item.default is not None:
        value_fits(evaluator.report, default, t, item.default.span, f"`{item.name.text}`")
    if item.type is None:
        if default is None:
            message = f"`{item.name.text}` needs a type"
            evaluator.report.error("MLP0225", message, item.name.span, help=f"such as `param {item.name.text}: float`")
        else:
            from mlp_lang.compiler.data import type_of_constant

            t = type_of_constant(default)
    may_miss = item.default is None or (default is not None and default.value is None)
    if may_miss and isinstance(t, Union) and NONE in t.members:
        # `file?` is an input that may be left out: Azure ML has a word for that, and none for a missing file
        t = union(tuple(m for m in t.members if m != NONE))
        default, has_default = Constant(None, "none"), True
    else:
        has_default = item.default is not None
    symbol.value = t
    add_input(face, item.name.text, t, item.doc, default, has_default)


def add_input(face: Interface, name: str, t: Type, doc: str, default: Constant | None, has_default: bool) -> None:
    """Add an input to the interface of a component that a program declares."""
    optional = has_default and default is not None and default.value is None
    shown: Parameter = parameter(
        name,
        t,
        None,
        description=doc,
        default=default.value if default is not None else None,
        has_default=has_default and not optional,
        optional=optional,
    )
    face.inputs[name] = Input(name, t, shown, not has_default, optional)


def _output(evaluator: Evaluator, face: Interface, item: syntax.Output, scope: Scope) -> None:
    symbol, earlier = scope.declare(Kind.OUTPUT, item.name, item)
    if earlier is not None:
        clash(evaluator.report, symbol, earlier)
        return
    t: Type = PORTS["folder"]
    if item.type is not None:
        t = resolve_type(evaluator, item.type, scope)
    like = getattr(t, "input", None)
    if like is not None and like not in face.inputs:
        word = syntax.Name(like, item.type.span if item.type is not None else item.span)
        unknown_word(evaluator.report, "MLP0203", "input", word, list(face.inputs))
        t = UNKNOWN
    if not isinstance(t, Port) and like is None and t is not UNKNOWN and t not in VALUES:
        help = "a file, a folder, a table, a model …, or a `bool`, `int`, `float` or `string` that steers other stages"
        evaluator.report.error("MLP0204", f"`{item.name.text}` is no asset", item.span, help=help)
        t = UNKNOWN
    azure = t.azure if isinstance(t, Port) else azure_scalar(t)[0] if t in VALUES else "uri_folder"
    if like is not None:
        base = face.inputs[like].type
        azure = base.azure if isinstance(base, Port) else azure
    add_output(face, item.name.text, t, azure, {"description": item.doc}, ())


def promises(
    evaluator: Evaluator, items: tuple[syntax.Item, ...], scope: Scope, where: str
) -> dict[str, settings.Setting]:
    """`verbs = [train]`, `default_output = model`, `metrics = ["accuracy"]`: words and lists of words."""
    given = settings.read(evaluator, items, scope, _PROMISES, where, _BLOCKS)
    found: dict[str, settings.Setting] = {}
    for name, setting in given.items():
        value = setting.value
        if name == "verbs":
            parts = value.items if isinstance(value, syntax.ListExpr) else (value,)
            words = [settings.word_of(evaluator, p, scope) for p in parts]
            for word, part in zip(words, parts, strict=True):
                if word is not None and word not in _VERBS:
                    unknown_word(evaluator.report, "MLP0208", "verb", syntax.Name(word, part.span), list(_VERBS))
            found[name] = setting._replace(value=[w for w in words if w is not None])
        elif name in ("default_output", "gates"):
            found[name] = setting._replace(value=settings.word_of(evaluator, value, scope))
        else:
            found[name] = setting
    return found


def wire(evaluator: Evaluator, face: Interface, items: tuple[syntax.Item, ...], scope: Scope) -> None:
    """Inputs that the compiler fills: `gates = input`, and `facts { input = table }`."""
    if face.gates and face.gates not in face.inputs:
        span = next(i.span for i in items if isinstance(i, syntax.Setting) and i.name.text == "gates")
        unknown_word(evaluator.report, "MLP0203", "input", syntax.Name(face.gates, span), list(face.inputs))
        face.gates = ""
    if face.gates:
        face.inputs[face.gates] = face.inputs[face.gates]._replace(filled="gates")
    for block in items:
        if isinstance(block, syntax.Block) and block.name.text == "facts":
            for item in block.items:
                if not isinstance(item, syntax.Setting):
                    continue
                if item.name.text not in face.inputs:
                    unknown_word(evaluator.report, "MLP0203", "input", item.name, list(face.inputs))
                    continue
                for table in _names(evaluator, item.value, scope, tuple(face.inputs), "input"):
                    asked = face.inputs[item.name.text]
                    face.inputs[item.name.text] = asked._replace(filled="facts", of=table)


def privacy(evaluator: Evaluator, face: Interface, items: tuple[syntax.Item, ...], scope: Scope) -> None:
    """`privacy { stable = [table]  from { model = [table] } }`: makes the component a known one.

    What is not said of an output stays the safe thing: it may show everything that flows in."""
    every = tuple(k for k, i in face.inputs.items() if not i.filled)
    origins: dict[str, tuple[str, ...]] = {}
    for block in items:
        if not isinstance(block, syntax.Block) or block.name.text != "privacy":
            continue
        face.known = True
        for item in block.items:
            if isinstance(item, syntax.Setting) and item.name.text == "stable":
                face.stable = frozenset(_names(evaluator, item.value, scope, every, "input"))
            elif isinstance(item, syntax.Block) and item.name.text == "from":
                for part in item.items:
                    if isinstance(part, syntax.Setting):
                        if part.name.text not in face.outputs:
                            unknown_word(evaluator.report, "MLP0303", "output", part.name, list(face.outputs))
                            continue
                        origins[part.name.text] = tuple(_names(evaluator, part.value, scope, every, "input"))
            elif isinstance(item, syntax.Invalid):
                evaluator.report.forgiven |= item.names
            else:
                evaluator.report.forgiven |= declared((item,))
                name = getattr(item, "name", None)
                if isinstance(name, syntax.Name):
                    unknown_word(evaluator.report, "MLP0208", "setting of `privacy`", name, ["stable", "from"])
    for key, output in face.outputs.items():
        origin = origins.get(key, every if face.origin == "inline" else output.origin)
        face.outputs[key] = output._replace(origin=origin, port=output.port._replace(depends_on=origin))


def _names(evaluator: Evaluator, expr: syntax.Expr, scope: Scope, known: tuple[str, ...], what: str) -> list[str]:
    parts = expr.items if isinstance(expr, syntax.ListExpr) else (expr,)
    found = []
    for part in parts:
        word = part.name if isinstance(part, syntax.Reference) else settings.word_of(evaluator, part, scope)
        if word is None:
            continue
        if word in known:
            found.append(word)
        else:
            unknown_word(evaluator.report, "MLP0203", what, syntax.Name(word, part.span), list(known))
    return found


def finish(
    evaluator: Evaluator,
    face: Interface,
    bound: AbstractSet[str] = frozenset(),
    *,
    sweep: bool = False,
    apart: bool = False,
) -> Component:
    """The Component of a declared interface, once all its inputs are known: its command line in Azure ML's spelling.

    ``bound`` are the inputs that its stage gives, which counts for a definition in place: the trial of a ``sweep``
    declares its inputs, any other job only binds them. ``apart`` if the job says what only one beside its component
    can say."""
    if face.component is not None:
        return face.component
    data: dict[str, Any] = face.data
    command = _command(evaluator, data["command"], data["scope"], face) if data["command"] is not None else ""
    face.component = Component(
        name=face.name,
        azure_name=data["azure_name"],
        version=data["version"],
        display_name=data["display_name"],
        description=data["description"],
        origin="inline",
        kind=face.kind,
        folder=face.folder,
        source=face.source,
        inputs=tuple(i.parameter for i in face.inputs.values()),
        outputs=tuple(o.port for o in face.outputs.values()),
        command=command,
        code=data["code"],
        includes=(),
        environment=data["environment"],
        deterministic=data["deterministic"],
        verbs=face.verbs,
        default_output=face.default_output,
        metrics=face.metrics,
        extra=_definition(evaluator, face),
        in_place=data["in_place"] and (sweep or (not (data["azureml"] or apart) and _sayable(face, bound))),
        one_use=data["one_use"],
    )
    return face.component


def _sayable(face: Interface, bound: AbstractSet[str]) -> bool:
    """Whether a job can say all of a definition: Azure ML takes its ports from what the job binds."""
    return all(
        i.name in bound
        and not (i.parameter.description or i.parameter.enum or i.parameter.optional)
        and i.parameter.minimum is None
        and i.parameter.maximum is None
        for i in face.inputs.values()
    ) and not any(o.port.description or not isinstance(o.type, Port | Unknown) for o in face.outputs.values())


def _definition(evaluator: Evaluator, face: Interface) -> dict[str, Any]:
    """The fields of a definition that a Component has no place for, as Azure ML has them."""
    kind, scope = face.data["kind"], face.data["scope"]
    found: dict[str, Any] = {"task": TASKS[kind]} if kind in TASKS else {}
    if kind == "parallel":
        found["task"] = {"type": "run_function"}
    for word, row in words(DEFINE, kind).items():
        value = face.data["given"].get(word)
        if value is None or word in _SPECIAL:
            continue
        if word in ("source", "sink"):
            value = _endpoint(evaluator, value, scope, "import" if kind == "import" else "transfer")
        elif word == "entry" and kind == "spark":
            value = _entry(evaluator, value, scope)
        elif isinstance(row.type, settings.Raw):
            value = _command(evaluator, value, scope, face)
        put(found, row.path, value)
    merge(found, face.data["azureml"])
    return found


def _entry(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> dict[str, Any] | None:
    """`"main.py"` or `class("org.example.Main")`."""
    if isinstance(expr, syntax.Call) and expr.function.text == "class":
        found = settings.arguments(evaluator, expr, scope, (Argument("name", STRING, True),))
        return {"class_name": found["name"]} if found is not None else None
    value = evaluator.constant(expr, scope, "`entry`")
    if value is not None and not isinstance(value.value, str):
        evaluator.report.error("MLP0204", f"`entry` is a file, found {value.kind}", expr.span)
    return {"file": value.value} if value is not None else None


def _endpoint(evaluator: Evaluator, expr: syntax.Expr, scope: Scope, table: str) -> dict[str, Any] | None:
    """Where data comes from or goes to: `database(…)`, `s3(…)`, `file_system(…)`."""
    known = SOURCES[table]
    call = settings.call(evaluator.report, expr, known, "place for data")
    if call is None:
        return None
    signature = known[call.function.text]
    found = settings.arguments(evaluator, call, scope, tuple(a for a, _ in signature))
    if found is None:
        return None
    given = {field: found[a.name] for a, field in signature if a.name in found}
    return given if "type" in given else {"type": call.function.text, **given}


def _command(evaluator: Evaluator, expr: syntax.Expr, scope: Scope, face: Interface) -> str:
    """`${ratio}` is `${{inputs.ratio}}` or `${{outputs.ratio}}`; a constant stands as it is."""
    for name in face.inputs:  # those that only the stage gives
        if name not in scope.names:
            symbol, _ = scope.declare(Kind.PARAM, syntax.Name(name, expr.span), None)
            symbol.value = face.inputs[name].type
    for symbol in scope.names.values():
        if symbol.kind is Kind.OUTPUT:
            symbol.kind = Kind.PARAM  # read like an input; told apart by the name below
    value = evaluator.evaluate(expr, scope)
    if isinstance(value, Text):
        for part in value.template.parts:
            known = isinstance(part, FromInput) and (part.name in face.inputs or part.name in face.outputs)
            if not isinstance(part, str) and not known:
                evaluator.report.error(
                    "MLP0226",
                    "a command sees the inputs and outputs of its own component alone",
                    part.span or expr.span,
                    help="hand the value over as an input",
                )
        parts = [_spelled(p, face) for p in value.template.parts]
        return "".join(parts)
    if isinstance(value, InputRef):
        return f"${{{{inputs.{value.symbol.name}}}}}"
    if isinstance(value, Constant) and isinstance(value.value, str):
        return value.value
    if value is not BAD:
        found = text_of(value.value) if isinstance(value, Constant) else "no string"
        evaluator.report.error("MLP0204", f"a command is a string, found {found}", expr.span)
    return ""


def _spelled(part: str | FromInput | FromNode, face: Interface) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, FromNode):
        return f"${{{{parent.jobs.{part.node}.outputs.{part.port}}}}}"
    where = "outputs" if part.name in face.outputs else "inputs"
    return f"${{{{{where}.{part.name}}}}}"
