"""The blocks of a stage that speak of running it: `run`, `inputs`, `outputs`; and which other blocks there are."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mlp_lang.compiler import automl, search, settings
from mlp_lang.compiler.checks import unknown_word
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import OutputSetting
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import open_port
from mlp_lang.compiler.settings import Words, strings
from mlp_lang.compiler.symbols import Scope
from mlp_lang.compiler.types import AZURE_ASSETS, INT, PORTS, STRING, Union
from mlp_lang.compiler.unroll import forgive
from mlp_lang.compiler.vocabulary import (
    DISTRIBUTIONS,
    IDENTITIES,
    IDENTITY_ARGUMENTS,
    RUN,
    SERVICES,
    merge,
    put,
    words,
)
from mlp_lang.dsl import syntax

if TYPE_CHECKING:
    from mlp_lang.compiler.stages import Context

_INPUT: settings.Vocabulary = {
    "mode": Words(("ro_mount", "rw_mount", "mount", "download", "direct", "eval_mount", "eval_download")),
    "path_on_compute": STRING,
    "datastore": STRING,
}
_PLACES = ("path_on_compute", "datastore")
"""Attributes of an input that only Azure ML reads."""
OUTPUT: settings.Vocabulary = {
    "name": STRING,
    "version": Union((STRING, INT)),
    "mode": Words(("upload", "rw_mount", "mount", "direct")),
    "path": STRING,
    "description": STRING,
}
_NODE_OUTPUT: settings.Vocabulary = {**OUTPUT, "type": Words((*AZURE_ASSETS, "file", "folder"))}
_BLOCKS = ("run", "inputs", "outputs", "search", "define", "azureml")


def stage_block(context: "Context", instance: Instance, block: syntax.Block) -> None:
    """Read one block of a stage into the instance."""
    word = block.name.text
    scope = instance.scope
    if instance.kind == "automl" and automl.block(context, instance, block):
        return
    if word == "run":
        _run(context, instance, block)
    elif word == "inputs":
        for port, given, _ in _by_port(context, instance, block, _INPUT, "input"):
            if "mode" in given:
                instance.modes[port] = given["mode"].value
            for name in _PLACES:
                if name in given:
                    path = (port, name) if instance.kind == "automl" else ("inputs", port, name)
                    put(instance.extra, path, given[name].value)
    elif word == "outputs":
        for port, given, inner in _by_port(context, instance, block, _NODE_OUTPUT, "output"):
            instance.outputs[port] = output_setting(port, given, inner)
            if "description" in given:
                put(instance.extra, ("outputs", port, "description"), given["description"].value)
    elif word == "azureml":
        merge(instance.extra, settings.literals(context.evaluator, block.items, scope))
    elif word == "search":
        search.read_block(context, instance, block)
    elif word != "define":
        forgive(context.report, block.items)
        unknown_word(context.report, "MLP0208", "block of a stage", block.name, [*_BLOCKS, *automl.words(instance)])
    elif instance.interface is not None and (instance.interface.origin != "inline" or instance.kind == "pipeline"):
        message = "a `define` block belongs to `using command` and its like"
        context.report.error("MLP0208", message, block.name.span)


def output_setting(port: str, given: dict[str, settings.Setting], block: syntax.Block | None) -> OutputSetting:
    """What a block of an output's settings comes to."""
    values = {k: s.value for k, s in given.items()}
    version = values.get("version")
    return OutputSetting(
        port,
        values.get("mode"),
        values.get("name"),
        str(version) if version is not None else None,
        values.get("path"),
        None,
        block.span if block is not None else None,
        azure_type(values["type"]) if "type" in values else None,
    )


def azure_type(word: str) -> str:
    """Azure ML's name of an asset type."""
    return PORTS[word].azure


def _by_port(
    context: "Context", instance: Instance, block: syntax.Block, vocabulary: settings.Vocabulary, what: str
) -> "list[tuple[str, dict[str, settings.Setting], syntax.Block]]":
    """`inputs { images { mode = … } }`: the settings of each port named in the block."""
    found = []
    face = instance.interface
    for item in block.items:
        if not isinstance(item, syntax.Block):
            if isinstance(item, syntax.Invalid):
                context.report.forgiven |= item.names
            elif isinstance(item, syntax.Setting):
                message = f"`{what}s` holds a block for each {what}: `{item.name.text} {{ … }}`"
                context.report.error("MLP0208", message, item.name.span)
            continue
        given = settings.read(context.evaluator, item.items, instance.scope, vocabulary, f"an {what}")
        if face is None:
            continue
        known: Any = face.inputs if what == "input" else face.outputs
        if item.name.text not in known and face.open:
            open_port(face, item.name.text, what)
        if item.name.text not in known:
            code = "MLP0203" if what == "input" else "MLP0303"
            unknown_word(context.report, code, what, item.name, list(known))
            continue
        found.append((item.name.text, given, item))
    return found


def _run(context: "Context", instance: Instance, block: syntax.Block) -> None:
    """Read `run`: what this machine heeds too goes into the Run by name, the rest into it as Azure ML has it."""
    evaluator, scope = context.evaluator, instance.scope
    kind = instance.kind
    rows = words(RUN, kind)
    vocabulary: settings.Vocabulary = {word: row.type for word, row in rows.items()}
    where = f"`run` of a `{kind}`" if kind != "command" else "`run`"
    given = settings.read(evaluator, block.items, scope, vocabulary, where, ("services",), bindable=True)
    for item in block.items:
        if isinstance(item, syntax.Block) and item.name.text == "services":
            _services(context, instance, item)
    named: dict[str, Any] = {}
    for word, setting in given.items():
        value = setting.value
        path = rows[word].path
        field = _RUN_FIELDS.get(word)
        if isinstance(value, settings.Bound):
            put(instance.extra, path, value.text)
        elif word == "distribution":
            named["distribution"] = _distribution(context, value, scope)
        elif word == "environment":
            _environment(context, instance, value)
        elif word == "input_data":
            put(instance.extra, path, _input_data(context, instance, value))
        elif word == "identity":
            identity = identity_of(context.evaluator, value, scope)
            if isinstance(identity, str):
                named["identity"] = identity
            elif identity is not None:
                put(instance.extra, path, identity)
        elif word in _MAPS:
            texts = strings(value)
            if word == "env":
                named["environment_variables"] = texts
            else:
                put(instance.extra, path, texts)
        elif field is not None and (word != "docker_args" or isinstance(value, str)):
            named[field] = _SPELLINGS[word](value) if word in _SPELLINGS else value
        elif word == "job_name" or path:
            put(instance.extra, path, value)
    instance.run = instance.run._replace(**named)


_RUN_FIELDS = {
    "nodes": "instance_count",
    "instance": "instance_type",
    "shm": "shm_size",
    "docker_args": "docker_args",
    "timeout": "timeout",
    "retries": "retries",
}
"""Words whose values the Run holds under a name of its own."""
_MAPS = frozenset(["env", "tags", "properties"])
"""Words whose maps Azure ML keeps as text."""


def _environment(context: "Context", instance: Instance, expr: syntax.Expr) -> None:
    """`environment` of a `run` block: instead of the component's, or of the job where the component is as it is."""
    environment = context.resources.environment(expr, instance.scope)
    if environment is None:
        return
    instance.environment = environment


def identity_of(evaluator: Evaluator, expr: syntax.Expr, scope: Scope) -> "str | dict[str, Any] | None":
    """`managed`, `user` or `aml_token`, or what `managed(client_id = "…")` is in Azure ML; None once reported."""
    call = settings.call(evaluator.report, expr, IDENTITIES, "identity")
    if call is None:
        return None
    word = call.function.text
    signature = IDENTITY_ARGUMENTS if word == "managed" else ()
    found = settings.arguments(evaluator, call, scope, tuple(a for a, _ in signature))
    if not found:
        return word if found is not None else None
    return {"type": IDENTITIES[word]} | {field: found[a.name] for a, field in signature if a.name in found}


def _input_data(context: "Context", instance: Instance, expr: syntax.Expr) -> str | None:
    """`input_data = rows`: the input whose files are handed out in batches; a string is Azure ML's own expression."""
    if not isinstance(expr, syntax.Reference):
        found = context.evaluator.constant(expr, instance.scope, "`input_data`")
        return str(found.value) if found is not None else None
    face = instance.interface
    if face is not None and expr.name not in face.inputs:
        unknown_word(context.report, "MLP0203", "input", syntax.Name(expr.name, expr.span), list(face.inputs))
        return None
    return f"${{{{inputs.{expr.name}}}}}"


def _services(context: "Context", instance: Instance, block: syntax.Block) -> None:
    rows = words(SERVICES, instance.kind)
    for item in block.items:
        if isinstance(item, syntax.Block):
            found = settings.read(
                context.evaluator, item.items, instance.scope, {w: r.type for w, r in rows.items()}, "a service"
            )
            service: dict[str, Any] = {}
            for word, setting in found.items():
                put(service, rows[word].path, strings(setting.value) if word == "properties" else setting.value)
            put(instance.extra, ("services", item.name.text), service)
        elif isinstance(item, syntax.Invalid):
            context.report.forgiven |= item.names
        else:
            forgive(context.report, (item,))


def _shm(size: int | str) -> str:
    """Docker's spelling of a shared-memory size: the largest unit that divides it; a string is one already."""
    if isinstance(size, str):
        return size
    for unit, factor in (("g", 1024**3), ("m", 1024**2), ("k", 1024)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}b"


def _distribution(context: "Context", expr: syntax.Expr, scope: Scope) -> dict[str, Any] | None:
    call = settings.call(context.report, expr, DISTRIBUTIONS, "distribution")
    if call is None:
        return None
    signature = DISTRIBUTIONS[call.function.text]
    found = settings.arguments(context.evaluator, call, scope, tuple(a for a, _ in signature))
    if found is None:
        return None
    return {"type": call.function.text} | {field: found[a.name] for a, field in signature if a.name in found}


_SPELLINGS: dict[str, Callable[[Any], Any]] = {"shm": _shm, "timeout": math.ceil}
