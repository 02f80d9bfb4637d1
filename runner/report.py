"""From a run's record and folder to one page of HTML that needs nothing else: no script, no font, no network."""

import base64
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from mlp_lang.runner.drawing import MARKS, graph, spell_time, timeline
from mlp_lang.runner.folder import REPORT
from mlp_lang.runner.resources import spell_bytes

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
}
"""What is shown. An SVG, too, stands in an `img`, where no browser runs its scripts or loads what it names."""
LARGEST, ALTOGETHER, MOST = 2 << 20, 12 << 20, 40
"""Bytes of a plot, of all plots, and their number; what is beyond is a link."""


def write_report(folder: str, record: Mapping[str, Any], compiled: str | None = None) -> str:
    """Write report.html into a run's folder, whole or not at all; its path. Raises OSError.

    `compiled` is a folder for the template as Python code, which is half of the work.
    """
    target = os.path.join(folder, REPORT)
    temporary = f"{target}.{os.getpid()}.new"
    try:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(report_of(folder, record, folder, compiled))
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return target


def report_of(folder: str, record: Mapping[str, Any], base: str, compiled: str | None = None) -> str:
    """The page's text; its links lead from the folder `base` to the run's. Raises OSError."""
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(os.path.join(os.path.dirname(__file__), "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=FileSystemBytecodeCache(compiled) if compiled is not None else None,
    )
    templates.filters.update(
        seconds=lambda s: spell_time(float(s)), bytes=lambda b: spell_bytes(float(b)), number=_number
    )

    def link(path: str) -> str:
        return quote(os.path.relpath(os.path.join(folder, path), base))

    steps = record["steps"]
    return templates.get_template("report.html").render(
        record=record,
        name=os.path.basename(os.path.abspath(folder)),
        steps=steps,
        titles={s["name"]: s["title"] for s in steps},
        marks=MARKS,
        graph=graph(record),
        timeline=timeline(record),
        tiles=list(_tiles(record)),
        metrics=[(s, [(n, v) for n, v in s["metrics"].items() if _is_number(v)]) for s in steps if s["metrics"]],
        gates=[(s, g) for s in steps for g in s["gates"]],
        failed=[s for s in steps if s["error"] is not None],
        plots=list(_plots(folder, steps)),
        lineage=_lineage(record),
        digests=_data_digests(record),
        tried=[(s, list(dict.fromkeys(n for t in s["trials"] for n in t["values"]))) for s in steps if s.get("trials")],
        cut=[s for s in steps if s.get("batches")],
        link=link,
    )


def _tiles(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Figures that stand at the top: what, how much, a word on it."""
    steps = record["steps"]
    states = [s["status"] for s in steps]
    yield "took", spell_time(record["seconds"]), f"{record['jobs']} at a time"
    yield "ran", str(states.count("completed")), f"of {len(steps)} steps"
    yield "cached", str(states.count("cached")), "taken from earlier runs"
    if failed := states.count("failed"):
        yield "failed", str(failed), ", ".join(s["title"] for s in steps if s["status"] == "failed")
    if left := sum(s in ("skipped", "cancelled") for s in states):
        yield "not run", str(left), "for what came before"
    ran = [s for s in steps if s["status"] in ("completed", "failed") and s["resources"]]
    cpu = sum(s["resources"]["cpu_seconds"] or 0 for s in ran)
    if ran:
        yield "CPU", spell_time(cpu), "of all steps that ran"
    peak = max(ran, key=lambda s: s["resources"]["peak_memory"] or 0, default=None)
    if peak is not None and peak["resources"]["peak_memory"]:
        yield "memory", spell_bytes(peak["resources"]["peak_memory"]), f"at most, in {peak['title']}"


def _plots(folder: str, steps: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pictures that steps wrote, inlined; those that are too large or too many, as links."""
    number = total = 0
    for step in steps:
        if step["status"] not in ("completed", "cached", "failed"):
            continue
        for path in _images(os.path.join(folder, "steps", step["name"])):
            relative = os.path.relpath(path, folder)
            size = os.path.getsize(path)
            number, total = number + 1, total + size
            address = None
            if size <= LARGEST and number <= MOST and total <= ALTOGETHER:
                with open(path, "rb") as file:
                    text = base64.b64encode(file.read()).decode("ascii")
                address = f"data:{IMAGES[os.path.splitext(path)[1].lower()]};base64,{text}"
            name = os.path.relpath(path, os.path.join(folder, "steps", step["name"]))
            yield {"step": step["title"], "name": name, "path": relative, "address": address, "size": size}


def _images(folder: str) -> Iterator[str]:
    for part in ("outputs", "artifacts"):
        for here, folders, names in os.walk(os.path.join(folder, part)):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(here, name)
                if os.path.splitext(name)[1].lower() in IMAGES and os.path.isfile(path):
                    yield path


def _lineage(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each output of the pipeline the steps that led to it, first to last, and its digest."""
    steps = {s["name"]: s for s in record["steps"]}
    found = []
    for output, source in record.get("made", {}).items():
        name, _, port = source.rpartition(".")
        reached: set[str] = set()
        pending = [name]
        while pending:
            one = pending.pop()
            if one in steps and one not in reached:
                reached.add(one)
                pending += [i["source"].rpartition(".")[0] for i in steps[one]["inputs"]]
        digest = steps[name]["digests"].get(port) if name in steps else None
        through = _in_order([steps[n] for n in steps if n in reached], steps)
        found.append({"output": output, "source": source, "digest": digest, "through": through})
    return found


def _in_order(chosen: list[dict[str, Any]], steps: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    from mlp_lang.compiler.order import sort

    names = [s["name"] for s in chosen]
    return [steps[name] for name in sort(names, lambda n: steps[n]["needs"])[0]]


def _data_digests(record: Mapping[str, Any]) -> dict[str, str]:
    return {i["source"]: i["digest"] for s in record["steps"] for i in s["inputs"] if i["source"] in record["data"]}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> str:
    return f"{value:.6g}" if _is_number(value) else str(value)
