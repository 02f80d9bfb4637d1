"""From rows to the table a person reads, and to the document a machine reads."""

import statistics
from collections.abc import Sequence
from typing import Any

from conformance.kinds import KINDS, PIPELINE, PIPELINE_COMPONENT, PIPELINE_SCHEMA
from conformance.rows import STEPS, Row

MARKS = {"ok": "ok", "failed": "FAIL", "untaken": "-", "online": "n/a"}
_PIPELINES = (PIPELINE.name, PIPELINE_COMPONENT.name)
SHOWN = 12
"""Differences of a row under --verbose."""


def text(rows: Sequence[Row], verbose: bool) -> str:
    """A table of pipelines and one of other definitions, the reason of every failure, the summary."""
    width = max([len(row.path) for row in rows], default=8) + 2
    lines: list[str] = []
    for title, table in (
        ("pipeline", [row for row in rows if row.kind in _PIPELINES]),
        ("definition", [row for row in rows if row.kind not in _PIPELINES]),
    ):
        if table:
            lines += [""] if lines else []
            lines.append(
                f"{title:<{width}}" + "".join(f"{name:<9}" for name in STEPS) + f"{'import ms':>10}{'azure ms':>10}"
            )
        for row in table:
            marks = "".join(f"{MARKS[step.state]:<9}" for step in row.steps)
            lines.append(f"{row.path:<{width}}{marks}{_ms(row.steps[0].seconds)}{_ms(row.azure_seconds)}")
    failed = [row for row in rows if not row.passed]
    if failed:
        lines.append("")
    for row in failed:
        for step in row.steps:
            if step.state != "failed":
                continue
            lines.append(f"{row.path}: {step.name}: {step.reason}")
            if verbose:
                lines += [f"    {difference}" for difference in step.found[:SHOWN]]
                if len(step.found) > SHOWN:
                    lines.append(f"    and {len(step.found) - SHOWN} more")
    lines += ["", *summary_lines(rows)]
    return "\n".join(lines)


def summary_lines(rows: Sequence[Row]) -> list[str]:
    """`N of M`, by kind, and of the jobs that name the pipeline job schema; then the times."""
    lines = []
    named = [row for row in rows if row.kind == PIPELINE.name and PIPELINE_SCHEMA in row.schema]
    for what, chosen in [
        *((_several(k.name), [row for row in rows if row.kind == k.name]) for k in KINDS),
        (f"pipeline jobs that name {PIPELINE_SCHEMA}", named),
    ]:
        if chosen:
            lines.append(f"{sum(row.passed for row in chosen)} of {len(chosen)} {what}")
    if rows:
        lines.append(
            "median: "
            + ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in medians(rows).items() if value is not None)
        )
    return lines


def _several(name: str) -> str:
    return name if name.endswith("data") else f"{name}s"


def medians(rows: Sequence[Row]) -> dict[str, float | None]:
    """Median seconds of each step, of the rows that took it, and of azure-ai-ml's load of the originals."""
    result: dict[str, float | None] = {}
    for index, name in enumerate(STEPS):
        taken = [row.steps[index].seconds for row in rows if row.steps[index].state == "ok"]
        result[name] = statistics.median(taken) if taken else None
    result["azure-ai-ml load"] = statistics.median(row.azure_seconds for row in rows) if rows else None
    return result


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """Everything, for a machine."""
    return {
        "rows": [
            {
                "path": row.path,
                "kind": row.kind,
                "passed": row.passed,
                "azure_seconds": row.azure_seconds,
                "steps": [
                    {
                        "name": step.name,
                        "state": step.state,
                        "seconds": step.seconds,
                        **({"reason": step.reason} if step.reason else {}),
                        **({"differences": [str(d) for d in step.found]} if step.found else {}),
                    }
                    for step in row.steps
                ],
            }
            for row in rows
        ],
        "summary": {
            "passed": sum(row.passed for row in rows),
            "rows": len(rows),
            "median_seconds": medians(rows),
        },
    }


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:>10.1f}"
