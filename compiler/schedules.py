"""From `schedule` declarations to Azure ML triggers, and the inputs that they set."""

from typing import Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.checks import unknown_word, value_fits
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Schedule, Value
from mlp_lang.compiler.program import Module
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.settings import Words
from mlp_lang.compiler.types import STRING, EnumType, ListType, Scalar, Type
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_VOCABULARY: settings.Vocabulary = {
    "cron": STRING,
    "every": Words(("minute", "hour", "day", "week", "month")),
    "interval": Scalar("int", 1),
    "hours": ListType(Scalar("int", 0, 23)),
    "minutes": ListType(Scalar("int", 0, 59)),
    "weekdays": ListType(EnumType(_DAYS)),
    "month_days": ListType(Scalar("int", 1, 31)),
    "time_zone": STRING,
    "start": STRING,
    "end": STRING,
    "description": STRING,
}
_PATTERN = ("hours", "minutes", "weekdays", "month_days")
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")


def check_schedules(module: Module, report: Report) -> None:
    """Names of schedules and their targets."""
    names: dict[str, syntax.Schedule] = {}
    pipelines = [p.name for p in module.pipelines]
    for schedule in module.schedules:
        earlier = names.setdefault(schedule.name.text, schedule)
        if earlier is not schedule:
            message = f"schedule `{schedule.name.text}` is declared twice"
            related = (Related(earlier.name.span, "first declared here"),)
            report.error("MLP0103", message, schedule.name.span, related=related)
        if schedule.target.text not in pipelines:
            unknown_word(report, "MLP0703", "pipeline", schedule.target, pipelines)


def compile_schedules(
    evaluator: Evaluator, module: Module, pipeline: str, params: dict[str, Type]
) -> tuple[Schedule, ...]:
    """The schedules of one pipeline."""
    found = []
    for node in module.schedules:
        if node.target.text == pipeline:
            made = _schedule(evaluator, module, node, params)
            if made is not None:
                found.append(made)
    return tuple(found)


def _schedule(evaluator: Evaluator, module: Module, node: syntax.Schedule, params: dict[str, Type]) -> Schedule | None:
    report = evaluator.report
    given = settings.read(evaluator, node.items, module.scope, _VOCABULARY, "a schedule", ("inputs",))
    values: dict[str, Any] = {k: s.value for k, s in given.items()}
    names = {i.name.text for i in node.items if isinstance(i, syntax.Setting)}
    inputs = _inputs(evaluator, module, node, params)
    if any(isinstance(i, syntax.Invalid) for i in node.items):
        return None
    if ("cron" in names) == ("every" in names):
        help = 'cron = "0 2 * * *", or every = day'
        report.error("MLP0705", "a schedule says either `cron` or `every`", node.name.span, help=help)
        return None
    if "cron" in names:
        stray = next((k for k in (*_PATTERN, "interval") if k in given), None)
        if stray is not None:
            report.error("MLP0705", f"`{stray}` goes with `every`, not with `cron`", given[stray].name.span)
            return None
        if "cron" not in values or not _cron(report, given["cron"]):
            return None
        trigger: dict[str, Value] = {"type": "cron", "expression": values["cron"]}
    else:
        if "every" not in values:
            return None
        trigger = {"type": "recurrence", "frequency": values["every"], "interval": values.get("interval", 1)}
        pattern: dict[str, Value] = {k: values[k] for k in _PATTERN if k in values}
        if pattern:
            trigger["schedule"] = {"hours": [0], "minutes": [0], **pattern}
    for key, azure in (("time_zone", "time_zone"), ("start", "start_time"), ("end", "end_time")):
        if key in values:
            trigger[azure] = values[key]
    return Schedule(node.name.text, trigger, inputs, values.get("description", node.doc), node.name.span)


def _cron(report: Report, given: settings.Setting) -> bool:
    fields = given.value.split()
    allowed = set("0123456789*/,-")
    if len(fields) != 5 or not all(set(f) <= allowed for f in fields):
        message = f'"{given.value}" is no cron expression'
        report.error("MLP0705", message, given.span, help=f"five fields: {', '.join(_FIELDS)}")
        return False
    return True


def _inputs(evaluator: Evaluator, module: Module, node: syntax.Schedule, params: dict[str, Type]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for block in node.items:
        if not isinstance(block, syntax.Block) or block.name.text != "inputs":
            continue
        for item in block.items:
            if not isinstance(item, syntax.Setting):
                continue
            if item.name.text not in params:
                unknown_word(evaluator.report, "MLP0701", "param", item.name, list(params))
                continue
            value = evaluator.constant(item.value, module.scope, f"`{item.name.text}`")
            if value is not None and value_fits(
                evaluator.report, value, params[item.name.text], item.value.span, f"`{item.name.text}`"
            ):
                found[item.name.text] = value.value
    return found
