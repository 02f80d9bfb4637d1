"""From the record of a run to the lines that end it: steps, metrics, gates, privacy, parity, and where things are."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlp_lang.runner.journal import state_of
from mlp_lang.runner.progress import spell_seconds
from mlp_lang.runner.resources import spell_bytes

SHOWN = 20
"""Trials of a sweep that a summary has at most; the record has all."""


def summarise(record: Mapping[str, Any], folder: str) -> str:
    """The summary as text, one fact a line; deterministic for a record."""
    return "\n".join(_lines(record, folder)) + "\n"


def _lines(record: Mapping[str, Any], folder: str) -> Iterator[str]:
    steps = record["steps"]
    counts: dict[str, int] = {}
    for step in steps:
        counts[step["status"]] = counts.get(step["status"], 0) + 1
    words = {"completed": "ran", "omitted": "left out"}
    said = ", ".join(f"{number} {words.get(state, state)}" for state, number in counts.items())
    yield f"{record['pipeline']} {record['status']} in {spell_seconds(record['seconds'])}: {said}"
    for step in steps:
        if step["status"] == "failed" and step["log"]:
            yield f"  log of {step['title']}: {_shown(os.path.join(folder, step['log']))}"
    measured = [step for step in steps if step["metrics"]]
    if measured:
        yield ""
        yield "metrics"
        for step in measured:
            for name, value in step["metrics"].items():
                if isinstance(value, int | float):
                    yield f"  {step['title']}.{name} = {value:.6g}"
    yield from _parts(steps)
    gates = [(step, gate) for step in steps for gate in step["gates"]]
    if gates:
        yield ""
        yield "gates"
        for step, gate in gates:
            values = ", ".join(f"{name} = {value:.6g}" for name, value in _numbers(gate.get("values")))
            kind = "require" if gate.get("hard", True) else "expect"
            mark = "passed" if gate.get("passed") else "FAILED" if gate.get("hard", True) else "not met"
            yield f"  {mark}: {step['title']} {kind} {gate.get('text', '')}{f' ({values})' if values else ''}"
    yield from _privacy(record["privacy"])
    if record["parity"]:
        yield ""
        yield "parity of exported models"
        for parity in record["parity"]:
            agree, apart = parity.get("label_agreement"), parity.get("max_abs_difference")
            pieces: list[str] = []
            if isinstance(apart, int | float):  # a model that gives labels alone has none
                pieces.append(f"largest difference {apart:.3g} (tolerance {parity.get('tolerance', 0):.3g})")
            if isinstance(agree, int | float):
                pieces.append(f"labels agree on {agree:.2%}")
            yield f"  {parity['step']}: {', '.join(pieces)} of {parity.get('rows', 0)} rows"
    for endpoint in record["endpoints"]:
        yield ""
        yield f"endpoint {endpoint['endpoint']}/{endpoint['deployment']}"
        yield from _check(endpoint.get("check") or {})
    yield ""
    yield from _used(steps)
    yield f"run      {_shown(folder)}"
    for name, path in record["outputs"].items():
        yield f"output   {name}: {_shown(os.path.join(folder, path))}"
    if record["endpoints"]:
        yield f"serve    mlp serve {_shown(folder)}"
    if record["tracking"] is not None:
        yield f"tracking mlp ui {_shown(folder)}"
    if record["status"] != "completed" and any(step["status"] in ("completed", "cached") for step in steps):
        file = _shown(record["sources"][0]) if record["sources"] else "FILE"
        state = state_of(folder)
        known = state is not None and bool(state.call.get("file"))
        yield (
            f"resume   mlp run --resume {_shown(folder)}"
            if known
            else (f"resume   mlp run {file} -o {_shown(folder)} --resume")
        )


def _parts(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Trials of sweeps, a line each, the best first, and mini batches of parallel jobs."""
    for step in steps:
        trials = step.get("trials") or ()
        if trials:
            yield ""
            yield f"trials of {step['title']}"
        best_first = sorted(trials, key=lambda t: not t["best"])
        for trial in best_first[:SHOWN]:
            found = f"{trial['primary_metric']} = {trial['metric']:.6g}" if trial["metric"] is not None else "no metric"
            said = ", ".join(f"{name} = {spell_value(value)}" for name, value in trial["values"].items())
            mark = "best" if trial["best"] else trial["status"]
            yield f"  {mark:<9}  {step['title']}/{trial['number']}  {found}  {said}"
        if len(trials) > SHOWN:
            yield f"  and {len(trials) - SHOWN} more"
    counted = [step for step in steps if step.get("batches")]
    if counted:
        yield ""
        yield "mini batches"
    for step in counted:
        batches = step["batches"]
        words = [f"{batches['total']} mini batches", *[f"{batches['failed']} failed"] * bool(batches["failed"])]
        words += [f"{batches['retried']} tried again"] * bool(batches["retried"])
        yield f"  {step['title']}: {', '.join(words)}; {batches['rows']} results of {batches['items']} items"


def spell_value(value: Any) -> str:
    """A searched value as people read it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _used(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the steps that ran took of the machine."""
    ran = [s for s in steps if s["status"] in ("completed", "failed") and s.get("resources")]
    if not ran:
        return
    cpu = sum(s["resources"]["cpu_seconds"] or 0 for s in ran)
    largest = max(ran, key=lambda s: s["resources"]["peak_memory"] or 0)
    peak = largest["resources"]["peak_memory"]
    yield f"used     {spell_seconds(cpu)} of CPU" + (
        f", at most {spell_bytes(peak)} in one step ({largest['title']})" if peak else ""
    )


def _privacy(privacy: Mapping[str, Any]) -> Iterator[str]:
    if not privacy["budgets"]:
        return
    yield ""
    yield "privacy"
    for budget in privacy["budgets"]:
        yield (
            f"  {budget['data']}: epsilon {budget['spent_epsilon']:g} of {budget['epsilon']:g}, "
            f"delta {budget['spent_delta']:g} of {budget['delta']:g} spent at most "
            f"(unit {budget['unit']}, neighbours {budget['neighbours']})"
        )
    for released in privacy["released"]:
        yield (
            f"  {released['step']} released with {released.get('mechanism')}: epsilon {released.get('epsilon'):g}, "
            f"delta {released.get('delta') or 0:g}"
        )
    for lifted in privacy["declassified"]:
        yield f"  declassified {lifted['node']}.{lifted['port']}: {lifted['reason']}"
    for name in privacy["verdicts"]:
        yield f"  the verdict of {name} tells one bit about private rows"


def _check(check: Mapping[str, Any]) -> Iterator[str]:
    agreement = check.get("agreement")
    if agreement is not None:
        yield f"  answers as the model does on {agreement:.2%} of {check.get('rows')} test rows"
    latency = check.get("latency_ms")
    if latency:
        yield f"  latency p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms over {latency['n']} requests"


def _numbers(values: Any) -> Iterator[tuple[str, float]]:
    if isinstance(values, dict):
        for name, value in values.items():
            if isinstance(value, int | float):
                yield name, value


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
