"""The blocks of a stage that speak of running it: `run`, `inputs`, `outputs`, and the search of a `tune`."""

import math
from typing import TYPE_CHECKING, Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.checks import unknown_word
from mlp_lang.compiler.graph import OutputSetting, Run
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.settings import RAW, Argument, Words, strings
from mlp_lang.compiler.suggestions import did_you_mean
from mlp_lang.compiler.symbols import Scope
from mlp_lang.compiler.types import FLOAT, INT, STRING, MapType, Scalar, Union
from mlp_lang.compiler.unroll import forgive
from mlp_lang.dsl import syntax

if TYPE_CHECKING:
    from mlp_lang.compiler.stages import Context

_POSITIVE = Scalar("int", 1)
_DURATION = Scalar("duration", 1)
_ANY_MAP = MapType(Scalar("any"))
_RUN: settings.Vocabulary = {
    "nodes": _POSITIVE,
    "instance": STRING,
    "shm": Scalar("size", 1),
    "docker_args": STRING,
    "timeout": _DURATION,
    "retries": Scalar("int", 0),
    "identity": Words(("managed", "user", "aml_token")),
    "env": _ANY_MAP,
    "distribution": RAW,
    "environment": RAW,
}
_DISTRIBUTIONS = {
    "pytorch": (Argument("processes", _POSITIVE),),
    "mpi": (Argument("processes", _POSITIVE),),
    "tensorflow": (Argument("workers", _POSITIVE), Argument("parameter_servers", Scalar("int", 0))),
    "ray": (Argument("port", _POSITIVE), Argument("dashboard", Scalar("bool"))),
}
_AZURE_ARGUMENTS = {
    "processes": "process_count_per_instance",
    "workers": "worker_count",
    "parameter_servers": "parameter_server_count",
    "port": "port",
    "dashboard": "include_dashboard",
}
_INPUT: settings.Vocabulary = {
    "mode": Words(("ro_mount", "rw_mount", "download", "direct", "eval_mount", "eval_download")),
}
OUTPUT: settings.Vocabulary = {
    "name": STRING,
    "version": Union((STRING, INT)),
    "mode": Words(("upload", "rw_mount", "direct")),
    "path": STRING,
}
_SEARCH: settings.Vocabulary = {
    "goal": RAW,
    "algorithm": Words(("random", "grid", "bayesian", "sobol")),
    "trials": _POSITIVE,
    "concurrency": _POSITIVE,
    "timeout": _DURATION,
    "trial_timeout": _DURATION,
    "stop": RAW,
    "seed": INT,
}
_STOPS = {
    "bandit": (
        Argument("slack_factor", FLOAT),
        Argument("slack_amount", FLOAT),
        Argument("every", _POSITIVE),
        Argument("delay", Scalar("int", 0)),
    ),
    "median": (Argument("every", _POSITIVE), Argument("delay", Scalar("int", 0))),
    "truncate": (
        Argument("percent", Scalar("int", 1, 99), True),
        Argument("every", _POSITIVE),
        Argument("delay", Scalar("int", 0)),
    ),
}
_GOALS = {"maximize": (Argument("metric", STRING, True),), "minimize": (Argument("metric", STRING, True),)}
_BLOCKS = ("run", "inputs", "outputs", "search", "define")


def stage_block(context: "Context", instance: Instance, block: syntax.Block) -> None:
    """Read one block of a stage into the instance."""
    word = block.name.text
    scope = instance.scope
    if word == "run":
        _run(context, instance, block)
    elif word == "inputs":
        for port, given, _ in _by_port(context, instance, block, _INPUT, "input"):
            if "mode" in given:
                instance.modes[port] = given["mode"].value
    elif word == "outputs":
        for port, given, inner in _by_port(context, instance, block, OUTPUT, "output"):
            instance.outputs[port] = output_setting(port, given, inner)
    elif word == "search":
        _search(context, block, scope)
    elif word != "define":
        forgive(context.report, block.items)
        unknown_word(context.report, "MLP0208", "block of a stage", block.name, list(_BLOCKS))
    elif instance.interface is not None and instance.spec.component[0].text != "command":
        message = "a `define` block belongs to `using command`"
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
    )


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
        if item.name.text not in known:
            code = "MLP0203" if what == "input" else "MLP0303"
            unknown_word(context.report, code, what, item.name, list(known))
            continue
        found.append((item.name.text, given, item))
    return found


def _run(context: "Context", instance: Instance, block: syntax.Block) -> None:
    evaluator = context.evaluator
    given = settings.read(evaluator, block.items, instance.scope, _RUN, "`run`")
    values = {k: s.value for k, s in given.items()}
    distribution: dict[str, Any] | None = None
    if "distribution" in values:
        distribution = _distribution(context, values["distribution"], instance.scope)
    if "environment" in values:
        instance.environment = context.resources.environment(values["environment"], instance.scope)
    timeout = values.get("timeout")
    instance.run = Run(
        instance.run.compute,
        values.get("nodes"),
        values.get("instance"),
        _shm(values["shm"]) if "shm" in values else None,
        values.get("docker_args"),
        math.ceil(timeout) if timeout is not None else None,
        values.get("retries"),
        values.get("identity"),
        strings(values.get("env")),
        distribution,
    )


def _shm(size: int) -> str:
    """Docker's spelling of a shared-memory size: the largest unit that divides it."""
    for unit, factor in (("g", 1024**3), ("m", 1024**2), ("k", 1024)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}b"


def _distribution(context: "Context", expr: syntax.Expr, scope: Scope) -> dict[str, Any] | None:
    call = _call(context, expr, _DISTRIBUTIONS, "distribution")
    if call is None:
        return None
    found = settings.arguments(context.evaluator, call, scope, _DISTRIBUTIONS[call.function.text])
    if found is None:
        return None
    return {"type": call.function.text} | {_AZURE_ARGUMENTS[k]: v for k, v in found.items()}


def _call(context: "Context", expr: syntax.Expr, table: dict[str, Any], what: str) -> syntax.Call | None:
    """A call of one of a few functions; a bare word is a call without arguments."""
    if isinstance(expr, syntax.Reference):
        expr = syntax.Call(syntax.Name(expr.name, expr.span), (), expr.span)
    if isinstance(expr, syntax.Call) and expr.function.text in table:
        return expr
    name = expr.function.text if isinstance(expr, syntax.Call) else expr.span.text
    span = expr.function.span if isinstance(expr, syntax.Call) else expr.span
    help, fixes = did_you_mean(name, table, span)
    help = help or "known are " + ", ".join(f"`{t}(…)`" for t in table)
    context.report.error("MLP0214", f"`{name}` is no {what}", span, help=help, fixes=fixes)
    return None


def _search(context: "Context", block: syntax.Block, scope: Scope) -> None:
    """Check the search of a `tune`; it is not compiled yet."""
    given = settings.read(context.evaluator, block.items, scope, _SEARCH, "`search`")
    for name, table, what in (("goal", _GOALS, "goal"), ("stop", _STOPS, "rule to stop by")):
        if name in given:
            call = _call(context, given[name].value, table, what)
            if call is not None:
                settings.arguments(context.evaluator, call, scope, table[call.function.text])
    context.report.error("MLP0390", "a `search` is not compiled yet", block.name.span)
