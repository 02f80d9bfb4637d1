"""From `schedule` declarations to Azure ML triggers, and the inputs that they set.

A schedule is for a pipeline of the file, for a job that a `use` names, or for an asset that is imported or monitored.
"""

from typing import Any

from mlp_lang.compiler import settings
from mlp_lang.compiler.checks import unknown_word, value_fits
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Schedule, Value
from mlp_lang.compiler.program import Module
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.settings import Words
from mlp_lang.compiler.symbols import Kind
from mlp_lang.compiler.types import STRING, EnumType, ListType, Scalar, Type, Union
from mlp_lang.compiler.vocabulary import ANY_MAP, SETTINGS, put, words
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _some(item: Type) -> Type:
    """One, or a list of them."""
    return Union((item, ListType(item)))


VOCABULARY: settings.Vocabulary = {
    "cron": STRING,
    "every": Words(("minute", "hour", "day", "week", "month")),
    "interval": Scalar("int", 1),
    "hours": _some(Scalar("int", 0, 23)),
    "minutes": _some(Scalar("int", 0, 59)),
    "weekdays": _some(EnumType(_DAYS)),
    "month_days": _some(Scalar("int", 1, 31)),
    "time_zone": STRING,
    "start": STRING,
    "end": STRING,
    "name": STRING,
    "display_name": STRING,
    "description": STRING,
    "tags": ANY_MAP,
    "properties": ANY_MAP,
}
PATTERN = {"hours": "hours", "minutes": "minutes", "weekdays": "week_days", "month_days": "month_days"}
"""The words of a pattern, and Azure ML's."""
TRIGGER = {"time_zone": "time_zone", "start": "start_time", "end": "end_time"}
JOB: settings.Vocabulary = {
    "display_name": STRING,
    "description": STRING,
    "experiment": STRING,
    "compute": STRING,
    "tags": ANY_MAP,
    "properties": ANY_MAP,
}
"""What `job { … }` says of the job that is started."""
_BLOCKS = ("inputs", "job", "settings", "azureml")
_EXTRA = ("display_name", "tags", "properties")
_TARGETS = (Kind.IMPORT, Kind.ASSET)
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
        target = module.scope.names.get(schedule.target.text)
        if target is not None and target.kind in _TARGETS and not (target.kind is Kind.IMPORT and target.value):
            target.used = True
        elif schedule.target.text not in pipelines:
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
    given = settings.read(evaluator, node.items, module.scope, VOCABULARY, "a schedule", _BLOCKS)
    inputs = _inputs(evaluator, module, node, params)
    trigger = _trigger(evaluator.report, node, given)
    if trigger is None:
        return None
    name = given["name"].value if "name" in given else node.name.text
    description = given["description"].value if "description" in given else node.doc
    extra = {k: given[k].value for k in _EXTRA if k in given}
    job = _job(evaluator, module, node)
    return Schedule(name, trigger, inputs, description, node.name.span, extra | ({"create_job": job} if job else {}))


def standing(
    evaluator: Evaluator, module: Module, node: syntax.Schedule
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The document of a schedule that starts something else than a pipeline of the file, and the fields that it sets
    of the job that it starts."""
    given = settings.read(evaluator, node.items, module.scope, VOCABULARY, "a schedule", _BLOCKS)
    trigger = _trigger(evaluator.report, node, given)
    if trigger is None:
        return None
    document: dict[str, Any] = {"name": given["name"].value if "name" in given else node.name.text}
    if node.doc:
        document["description"] = node.doc
    document |= {k: given[k].value for k in (*_EXTRA, "description") if k in given}
    document["trigger"] = trigger
    job = _job(evaluator, module, node)
    for block in node.items:
        if isinstance(block, syntax.Block) and block.name.text == "inputs":
            job["inputs"] = settings.literals(evaluator, block.items, module.scope)
    return document, job


def _trigger(report: Report, node: syntax.Schedule, given: dict[str, settings.Setting]) -> dict[str, Value] | None:
    values: dict[str, Any] = {k: s.value for k, s in given.items()}
    names = {i.name.text for i in node.items if isinstance(i, syntax.Setting)}
    if any(isinstance(i, syntax.Invalid) for i in node.items):
        return None
    if ("cron" in names) == ("every" in names):
        help = 'cron = "0 2 * * *", or every = day'
        report.error("MLP0705", "a schedule says either `cron` or `every`", node.name.span, help=help)
        return None
    if "cron" in names:
        stray = next((k for k in (*PATTERN, "interval") if k in given), None)
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
        pattern: dict[str, Value] = {PATTERN[k]: values[k] for k in PATTERN if k in values}
        if pattern:
            trigger["schedule"] = {"hours": [0], "minutes": [0], **pattern}
    for key, azure in TRIGGER.items():
        if key in values:
            trigger[azure] = values[key]
    return trigger


def _job(evaluator: Evaluator, module: Module, node: syntax.Schedule) -> dict[str, Any]:
    """What the schedule sets of the job that it starts, beside inputs."""
    found: dict[str, Any] = {}
    for block in node.items:
        if isinstance(block, syntax.Block) and block.name.text == "job":
            given = settings.read(evaluator, block.items, module.scope, JOB, "`job`")
            found |= {"experiment_name" if k == "experiment" else k: s.value for k, s in given.items()}
        elif isinstance(block, syntax.Block) and block.name.text == "settings":
            rows = words(SETTINGS, "pipeline")
            vocabulary: settings.Vocabulary = {word: row.type for word, row in rows.items()}
            for word, setting in settings.read(evaluator, block.items, module.scope, vocabulary, "`settings`").items():
                put(found, rows[word].path, setting.value)
    return found


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
