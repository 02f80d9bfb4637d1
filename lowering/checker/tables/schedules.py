"""Tables of schedules: triggers, what they start, monitors."""

from mlp_lang.lowering.checker.fields import LIST, POSITIVE, TEXTS, Kind, ListOf, Number, Table, Variants, of
from mlp_lang.lowering.checker.tables.common import CODED, JOB, LIMITS, NAMED, PORTS, READ_ONLY, SETTINGS

_TIMED = of("text", "start_time", "end_time", "time_zone")
_DAYS = frozenset(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])


def _several(kind: Kind) -> Kind:
    return (kind, ListOf(kind))


_PATTERN = Table(
    "schedule",
    {
        "hours": _several(Number(low=0, high=23)),
        "minutes": _several(Number(low=0, high=59)),
        "week_days": _several(_DAYS),
        "month_days": _several(Number(low=1, high=31)),
    },
    ("hours", "minutes"),
)
TRIGGER = Variants(
    "trigger",
    "type",
    {
        "cron": Table("trigger", _TIMED | {"type": frozenset(["cron"]), "expression": "text"}, ("type", "expression")),
        "recurrence": Table(
            "trigger",
            _TIMED
            | {
                "type": frozenset(["recurrence"]),
                "frequency": frozenset(["minute", "hour", "day", "week", "month"]),
                "interval": POSITIVE,
                "schedule": _PATTERN,
            },
            ("type", "frequency", "interval"),
        ),
    },
)
_SCHEDULE = (
    NAMED
    | READ_ONLY
    | {"display_name": "text", "properties": TEXTS, "is_enabled": "any", "trigger": TRIGGER, "tags": "mapping"}
)
CREATE_JOB = Table(
    "create_job",
    JOB
    | PORTS
    | {name: kind for name, kind in CODED.items() if name != "code"}
    | {
        "job": "any",
        "type": frozenset(["pipeline", "command", "spark"]),
        "settings": SETTINGS,
        "limits": LIMITS,
        "conf": "mapping",
        "parent_job_name": "text",
    },
    ("job",),
)
JOB_SCHEDULE = Table("schedule", _SCHEDULE | {"create_job": "any"}, ("name", "trigger", "create_job"))
IMPORT_SCHEDULE = Table("schedule", _SCHEDULE | {"import_data": "any"}, ("name", "trigger", "import_data"))
_TARGET = Table(
    "monitoring_target",
    of("text", "model_id", "endpoint_deployment_id")
    | {"ml_task": frozenset(["classification", "regression", "questionanswering"])},
)
_COMPUTE = Table("compute", of("text", "instance_type", "compute_type") | {"runtime_version": "scalar"})
SIGNALS = frozenset(
    [
        "data_drift",
        "data_quality",
        "prediction_drift",
        "feature_attribution_drift",
        "custom",
        "model_performance",
        "generation_safety_quality",
        "generation_token_statistics",
    ]
)
# What a signal measures is left to azure-ai-ml: its fields differ by signal and change with every release.
MONITOR = Table(
    "create_monitor",
    {
        "compute": _COMPUTE,
        "monitoring_target": _TARGET,
        "monitoring_signals": "mapping",
        "alert_notification": ("text", Table("alert_notification", {"emails": LIST})),
    },
    ("compute",),
)
MONITOR_SCHEDULE = Table("schedule", _SCHEDULE | {"create_monitor": MONITOR}, ("name", "trigger", "create_monitor"))
