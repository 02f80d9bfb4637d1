"""From schedules in YAML to findings: triggers, what they start."""

import os
import re

from mlp_lang.lowering.checker.document import Field, Findings, Place
from mlp_lang.lowering.checker.fields import check_fields
from mlp_lang.lowering.checker.files import check_path
from mlp_lang.lowering.checker.interfaces import declared
from mlp_lang.lowering.checker.serving import check_named
from mlp_lang.lowering.checker.tables.assets import DATA_IMPORT
from mlp_lang.lowering.checker.tables.schedules import (
    CREATE_JOB,
    IMPORT_SCHEDULE,
    JOB_SCHEDULE,
    MONITOR_SCHEDULE,
    SIGNALS,
)

# The fields of cron in order: name, least, most, names of values.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)
_PART = re.compile(r"(\*|[A-Za-z0-9]+(?:-[A-Za-z0-9]+)?)(?:/(\d+))?")


def cron_problem(expression: str) -> str:
    """Why a text is no cron expression of five fields, or the empty string."""
    parts = expression.split()
    if len(parts) != len(_CRON):
        return f"`{expression}` is no cron expression of five fields: it has {len(parts)}"
    for part, (name, low, high, names) in zip(parts, _CRON, strict=True):
        for item in part.split(","):
            match = _PART.fullmatch(item)
            if match is None:
                return f"`{item}` is no {name} of cron"
            ends = [] if match[1] == "*" else match[1].split("-")
            values = [_cron_value(end, names, low) for end in ends]
            if any(value is None or not low <= value <= high for value in values):
                return f"`{item}` is no {name} of cron: {low} to {high}"
            if match[2] == "0":
                return f"`{item}` is no {name} of cron: its step is 0"
    return ""


def _cron_value(text: str, names: tuple[str, ...], low: int) -> int | None:
    if text.isdigit():
        return int(text)
    return names.index(text.lower()[:3]) + low if text.lower()[:3] in names else None


def check_schedule(root: Place, findings: Findings, partial: bool = False) -> tuple[Place, str] | None:
    """A schedule. Gives the job that it starts.

    The job is a place and the path of its file, if there is one.
    """
    fields = root.fields()
    folder = os.path.dirname(root.path)
    if "create_monitor" in fields:
        check_named(root, MONITOR_SCHEDULE, findings, partial)
        _check_signals(fields["create_monitor"].value, findings)
    elif "import_data" in fields:
        check_named(root, IMPORT_SCHEDULE, findings, partial)
        data = fields["import_data"].value
        if data.is_mapping:
            check_fields(data, DATA_IMPORT, findings)
        else:
            check_path(data, folder, findings)
    else:
        check_named(root, JOB_SCHEDULE, findings, partial)
    _check_trigger(declared(fields, "trigger"), findings)
    return _check_job(fields["create_job"].value, folder, findings) if "create_job" in fields else None


def _is_time(text: str) -> bool:
    from datetime import datetime

    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check_trigger(trigger: dict[str, Field], findings: Findings) -> None:
    for name in ("start_time", "end_time"):
        if name in trigger and not _is_time(trigger[name].value.text):
            place = trigger[name].value
            message = f"`{place.text}` is no time"
            findings.report("MLP0814", message, place, help="as in `2026-01-31T08:00:00`")
    kind = trigger["type"].value.text.lower() if "type" in trigger else ""
    if kind == "cron" and "expression" in trigger:
        place = trigger["expression"].value
        if problem := cron_problem(place.text):
            help = "minute hour day month weekday, as in `0 2 * * 1-5`"
            findings.report("MLP0814", problem, place, help=help)


def _check_signals(monitor: Place, findings: Findings) -> None:
    for field in declared(monitor.fields(), "monitoring_signals").values():
        inner = field.value.fields()
        if "type" not in inner:
            findings.report("MLP0813", f"signal `{field.key.text}` has no `type`", field.key)
        elif inner["type"].value.text.lower() not in SIGNALS:
            place = inner["type"].value
            findings.unknown("MLP0814", f"`type` cannot be `{place.text}`", place, place.text, SIGNALS)


def _check_job(job: Place, folder: str, findings: Findings) -> tuple[Place, str] | None:
    inner = job.fields()
    if job.is_mapping:
        check_fields(job, CREATE_JOB, findings)
    reference = job if job.is_scalar else (inner["job"].value if "job" in inner else None)
    if reference is not None and not reference.is_scalar:
        findings.report("MLP0814", "`job` names a file or what is registered", reference)
    if reference is None or not reference.is_scalar:
        return None
    path = check_path(reference, folder, findings)
    return (reference, path) if path is not None and os.path.isfile(path) else None


def check_bound(create_job: dict[str, Field], known: set[str], findings: Findings) -> None:
    """The inputs that a schedule gives are the pipeline's."""
    for name, field in declared(create_job, "inputs").items():
        if name not in known:
            findings.unknown("MLP0816", f"the pipeline has no input `{name}`", field.key, name, known)
