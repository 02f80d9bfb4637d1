"""From a Graph and what a caller says to the Graph that runs here, and to what cannot run here."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlp_lang.compiler.graph import Asset, Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.runner import automl, distribution, environment, failures, parallel, searching, serving, spark
from mlp_lang.runner.bindings import PRIMITIVES, BindingError
from mlp_lang.runner.elsewhere import at_home, is_remote
from mlp_lang.runner.expand import everything, flatten
from mlp_lang.runner.local import Local
from mlp_lang.runner.selection import Chosen, Selection, choose


class Asked(NamedTuple):
    """What is to run: the Graph without pipelines as nodes, with what stands here for its data and components.

    `whole` has all that may run in the places of its loops, to be checked before. `unknown` says which chosen steps
    there are not (then nothing else is looked at), `unlaid` what is wrong with its shape, `found` that and what is not
    here."""

    graph: Graph
    whole: Graph
    chosen: Chosen
    unknown: list[Diagnostic]
    unlaid: list[Diagnostic]
    found: list[Diagnostic]


def prepared(
    graph: Graph,
    select: Selection,
    data: Mapping[str, str],
    local: Local,
    have: Mapping[str, str] | None,
) -> Asked:
    """What `run` and `plan` do with what they are given; `have` are the installed packages, where steps use those."""
    flat, errors = flatten(graph)
    flat, problems = with_data(flat, data)
    unlaid = [*errors, *problems]
    chosen, unknown = choose(flat, select)
    flat, remote = at_home(flat, local, chosen.run | chosen.taken)
    if unknown:
        return Asked(flat, flat, chosen, unknown, [], [])
    whole = flat
    if not any(d.severity is Severity.ERROR for d in unlaid):
        whole, deeper = everything(flat)
        unlaid += deeper
    lacks = failures.lacking(environment.check(whole, have)) if have is not None else []
    return Asked(flat, whole, chosen, [], unlaid, [*unlaid, *remote, *lacks])


def with_data(graph: Graph, data: Mapping[str, str]) -> tuple[Graph, list[Diagnostic]]:
    """The Graph with other local paths for its data."""
    if not data:
        return graph, []
    problems = []
    names = {
        i.parameter.name for i in graph.inputs if isinstance(i.value, Asset) or i.parameter.azure_type not in PRIMITIVES
    }
    for name in data:
        if name not in names:
            message = f"there is no data `{name}` whose path could be given"
            known = f"the pipeline has {', '.join(sorted(names))}" if names else "the pipeline has no data"
            problems.append(Diagnostic("MLP0907", message, failures.place(None, graph), help=known))
    inputs = []
    for item in graph.inputs:
        path = data.get(item.parameter.name)
        if path is not None and item.parameter.name in names:
            mode = item.value.mode if isinstance(item.value, Asset) else None
            local = not is_remote(path)
            path = os.path.abspath(path) if local else path
            item = item._replace(value=Asset(item.parameter.azure_type, path, local, mode, item.span))
        inputs.append(item)
    return graph._replace(inputs=tuple(inputs)), problems


def unrunnable(graph: Graph, have: Mapping[str, str]) -> list[Diagnostic]:
    """Stages that do nothing or another thing here (warnings), that cannot run here, or lack a program (errors)."""
    left_out = [
        Diagnostic(
            "MLP0915",
            f"`{node.title or node.name}` changes a workspace, and there is none here: it does nothing in this run",
            failures.place(node),
            severity=Severity.WARNING,
        )
        for node in graph.nodes
        if serving.elsewhere(node)
    ]
    left_out += [failures.stands_in(node, automl.STANDS_IN) for node in graph.nodes if node.kind == "automl"]
    for node in graph.nodes:
        if node.deployment is not None:
            continue
        refused = automl.unable(node) if node.kind == "automl" else None
        if refused is None and (message := _not_here(node)):
            refused = message, _UNRUNNABLE_HELP
        if refused is not None:
            left_out.append(Diagnostic("MLP0910", refused[0], failures.place(node), help=refused[1]))
    if graph.component is not None:
        name = graph.component.reference or graph.component.name
        message = f"`{graph.title}` runs the pipeline component `{name}`, which does not run on this machine yet"
        left_out.append(Diagnostic("MLP0910", message, failures.place(None, graph), help=_UNRUNNABLE_HELP))
    left_out += _without_parts(graph)
    return left_out + [
        failures.no_program(node, why, help) for node in graph.nodes for why, help in _lacking(node, graph, have)
    ]


def _without_parts(graph: Graph) -> list[Diagnostic]:
    """Sweeps and parallel jobs of which it is known before they begin that they have no trials or mini batches."""
    found = []
    for node in graph.nodes:
        try:
            if node.kind == "sweep":
                search = node.search or {}
                space = search.get("search_space")
                searching.check(space if isinstance(space, dict) else {}, search.get("sampling_algorithm"))
            elif node.kind == "parallel" and node.component.origin != "registered":
                with contextlib.suppress(OSError):  # which the step says itself
                    parallel.check(node)
        except BindingError as error:
            found.append(failures.unbound(error, node))
        except searching.SearchError as error:
            found.append(Diagnostic("MLP0953", f"`{node.title or node.name}`: {error}", failures.place(node)))
    return found


RUN_HERE = frozenset(["command", "parallel", "sweep", "spark", "automl"])
"""Kinds of jobs that this machine runs."""
_UNRUNNABLE_HELP = "compile it and run it in Azure ML"


def _not_here(node: Node) -> str:
    """Why this machine cannot run a step, or nothing."""
    if node.component.origin != "registered" and node.kind not in RUN_HERE:
        return f"`{node.title or node.name}` is a `{node.kind}` job, which does not run on this machine yet"
    return ""


def _lacking(node: Node, graph: Graph, have: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is no Python package and lacks: why, and what to install."""
    if distribution.lacking(node) is not None:
        yield "it is started by `mpirun`, and no MPI is installed", "apt-get install openmpi-bin"
    first = next(n.name for n in graph.nodes if n.kind == "spark") if node.kind == "spark" else ""
    if first == node.name and "pyspark" in have and (why := spark.lacking()) is not None:
        yield why, "apt-get install default-jre-headless, or name another Java with JAVA_HOME"


def forced(graph: Graph) -> bool:
    """Whether the program itself says that no step's earlier result may be used (`force_rerun`)."""
    settings = graph.extra.get("settings")
    return isinstance(settings, dict) and settings.get("force_rerun") in (True, "true", "True")
