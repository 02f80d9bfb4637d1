"""From a Graph and what its steps came to, to the parts of a run's record (`schemas/run.schema.json`)."""

import os
import platform
from collections.abc import Iterable, Mapping
from typing import Any

from mlp_lang import __version__
from mlp_lang.compiler.graph import Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Span
from mlp_lang.runner.automl import STANDS_IN
from mlp_lang.runner.environment import environment_of, requirements
from mlp_lang.runner.expand import everything
from mlp_lang.runner.outcome import Outcome, Status


def head(graph: Graph, started: str, jobs: int, have: Mapping[str, str]) -> dict[str, Any]:
    """All of the record that is known before a step runs, but for its parameters and data."""
    wanted = sorted({r.name for node in everything(graph)[0].nodes for r in requirements(environment_of(node))})
    return {
        "format": 1,
        "mlp": __version__,
        "pipeline": graph.name,
        "profile": graph.profile,
        "started": started,
        "jobs": jobs,
        "sources": list(graph.sources),
        "environment": {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "packages": {name: have[name] for name in wanted if name in have},
        },
        "privacy": {
            "budgets": [_plain(b) for b in graph.privacy.budgets],
            "releases": [_plain(r) for r in graph.privacy.releases],
            "declassified": [_plain(d) for d in graph.privacy.declassified],
            "verdicts": list(graph.privacy.verdicts),
        },
        "made": {o.name: f"{o.source.node}.{o.source.port}" for o in graph.outputs if o.source is not None},
    }


def stubs(nodes: Iterable[Node], needs: Mapping[str, list[str]], folder: str) -> list[dict[str, Any]]:
    """The steps' part of the record, before anything is known of them."""
    return [
        {
            "name": node.name,
            "title": node.title or node.name,
            "verb": node.verb,
            "component": node.component.name,
            "needs": needs[node.name],
            **({"stands_in": STANDS_IN} if node.kind == "automl" else {}),
            **_result(node, None, folder, 0.0),
        }
        for node in nodes
    ]


def step(node: Node, outcome: Outcome, folder: str, clock: float) -> dict[str, Any]:
    """What a step came to; `clock` is the monotonic clock at the run's start."""
    return _result(node, outcome, folder, clock)


def _result(node: Node, outcome: Outcome | None, folder: str, clock: float) -> dict[str, Any]:
    state = outcome.status.value if outcome is not None else "waiting"
    found = outcome if outcome is not None else Outcome(Status.SKIPPED)
    log = f"steps/{node.name}/log.txt"
    return {
        "status": state,
        "cached": state == "cached",
        "started": round(max(0.0, found.started - clock), 3) if found.started is not None else None,
        "seconds": round(found.seconds, 3),
        "attempts": found.attempts,
        "exit_code": found.exit_code,
        "resources": found.resources,
        "log": log if outcome is not None and os.path.exists(os.path.join(folder, log)) else None,
        "key": found.key or None,
        "inputs": list(found.read),
        "outputs": {port: os.path.relpath(path, folder) for port, path in found.outputs.items()},
        "digests": found.digests,
        "metrics": found.metrics,
        "gates": list(found.gates),
        "note": found.note or None,
        "error": _error(found.diagnostic),
        **({"trials": [trial(node, t, folder) for t in found.trials]} if found.trials else {}),
        **({"batches": found.batches} if found.batches is not None else {}),
    }


def trial(node: Node, said: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """A trial of a sweep as it stands in the sweep's part of the record."""
    log = f"steps/{node.name}/trials/{said['number']}/log.txt"
    return {**said, "log": log if os.path.exists(os.path.join(folder, log)) else None}


def _plain(item: Any) -> dict[str, Any]:
    """A NamedTuple as a JSON object, its span as `file:line:column`."""
    document = dict(item._asdict())
    span = document.pop("span", None)
    return {**document, "place": spell_span(span)}


def spell_span(span: Span | None) -> str | None:
    if span is None:
        return None
    line, column = span.source.position(span.start)
    return f"{span.source.path}:{line}:{column}"


def _error(diagnostic: Diagnostic | None) -> dict[str, Any] | None:
    if diagnostic is None:
        return None
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "detail": diagnostic.label,
        "place": spell_span(diagnostic.span),
    }
