"""From a step with a `distribution` to the processes that it has on this machine: how many, and who starts them.

Nodes become processes beside each other on loopback. `launcher.py`, a process of its own, gives each what tells it its
place (`RANK`, `TF_CONFIG`, …), and ends all of them when one fails.
"""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Graph, Literal, Node
from mlp_lang.runner.bindings import BindingError
from mlp_lang.runner.store import write_json

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")
KINDS = ("pytorch", "tensorflow", "mpi", "ray")
MPIRUN = ("mpirun", "mpiexec")
_PARENT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}\Z")


class Shape(NamedTuple):
    """The processes of a step: `each` on every one of `nodes`, and `servers` parameter servers beside `each × nodes`.

    `ray` are the settings of a Ray cluster, under Azure ML's names.
    """

    kind: str
    nodes: int
    each: int
    servers: int = 0
    ray: dict[str, Any] = {}  # noqa: RUF012

    @property
    def workers(self) -> int:
        return self.nodes * self.each


def said(node: Node) -> dict[str, Any]:
    """The distribution and the number of nodes: the job's, else its component's; empty without a distribution."""
    document = node.component.document or node.component.extra
    settings = node.run.distribution or document.get("distribution")
    if not isinstance(settings, dict) or not settings.get("type"):
        return {}
    mine, its = (d.get("resources") for d in (node.run.extra, document))
    nodes = node.run.instance_count
    for resources in (mine, its):
        if nodes is None and isinstance(resources, dict):
            nodes = resources.get("instance_count")  # type: ignore[assignment]
    return {"distribution": settings, "nodes": nodes}


def shape_of(node: Node, graph: Graph) -> Shape | None:
    """The processes of a step, or None if it has no distribution. Raises BindingError for numbers that are none."""
    found = said(node)
    if not found:
        return None
    settings = found["distribution"]
    kind = str(settings["type"]).lower()
    if kind not in KINDS:
        raise BindingError(
            "MLP0942", f"`{node.title}` has a distribution `{kind}`, which is none of {', '.join(KINDS)}"
        )
    nodes = _count(found["nodes"], 1, "instance_count", node, graph)
    if kind == "ray":
        return Shape(kind, nodes, 1, ray={k: v for k, v in settings.items() if k != "type" and v is not None})
    if kind == "tensorflow":
        workers = _count(settings.get("worker_count"), nodes, "worker_count", node, graph)
        servers = _count(settings.get("parameter_server_count"), 0, "parameter_server_count", node, graph, least=0)
        return Shape(kind, 1, workers, servers)
    return Shape(
        kind, nodes, _count(settings.get("process_count_per_instance"), 1, "process_count_per_instance", node, graph)
    )


def processes(node: Node, graph: Graph) -> int:
    """Processes that a step has at a time, as far as it says so rightly."""
    try:
        shape = shape_of(node, graph)
    except BindingError:  # which the step says itself
        return 1
    return shape.workers + shape.servers if shape is not None else 1


def counted(node: Node) -> dict[str, Any] | None:
    """What of it decides a step's result."""
    return said(node) or None


def lacking(node: Node) -> str | None:
    """The program that a step's distribution needs and that is not there."""
    kind = str(said(node).get("distribution", {}).get("type")).lower()
    return MPIRUN[0] if kind == "mpi" and mpirun() is None else None


def mpirun() -> str | None:
    return next((path for name in MPIRUN if (path := shutil.which(name)) is not None), None)


def command(shape: Shape, line: str, scratch: str, shell: str) -> list[str]:
    """The process that starts those of a step, each of which runs `line`. Raises OSError."""
    spec = os.path.join(scratch, "distribution.json")
    write_json(spec, {**shape._asdict(), "line": line, "shell": shell, "mpirun": mpirun()})
    return [sys.executable, "-I", LAUNCHER, spec]


def spell(shape: Shape) -> str:
    """Who runs the command line, for people: a comment above it."""
    what = {
        "pytorch": f"{shape.nodes} × {shape.each} processes, told apart by RANK",
        "tensorflow": f"{shape.each} workers and {shape.servers} parameter servers, told apart by TF_CONFIG",
        "mpi": f"{shape.workers} processes of {shlex.quote(mpirun() or MPIRUN[0])}",
        "ray": f"once, beside a Ray cluster of {shape.nodes}",
    }
    return f"# {shape.kind}: {what[shape.kind]}, all on this machine"


def _count(value: Any, default: int, name: str, node: Node, graph: Graph, least: int = 1) -> int:
    if value is None:
        return default
    match = _PARENT.match(value) if isinstance(value, str) else None
    if match is not None:
        value = _parameters(graph).get(match[1], value)
    try:
        number = int(value) if not isinstance(value, float) or value.is_integer() else -1
    except (TypeError, ValueError):
        number = -1
    if number < least or isinstance(value, bool):
        shown = json.dumps(value, default=str)
        raise BindingError("MLP0942", f"`{name}` of `{node.title}` is {shown}: it must be a whole number from {least}")
    return number


def _parameters(graph: Graph) -> Mapping[str, Any]:
    return {i.parameter.name: i.value.value for i in graph.inputs if isinstance(i.value, Literal)}
