"""From a Graph and what a caller says to the Graph that runs here, and to what cannot run here."""

import contextlib
import os
from collections.abc import Mapping

from mlp_lang.compiler.graph import Asset, Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.runner import failures, parallel, searching, serving
from mlp_lang.runner.bindings import BindingError


def with_data(graph: Graph, data: Mapping[str, str]) -> tuple[Graph, list[Diagnostic]]:
    """The Graph with other local paths for its data."""
    if not data:
        return graph, []
    problems = []
    names = {
        i.parameter.name
        for i in graph.inputs
        if isinstance(i.value, Asset) or i.parameter.azure_type.startswith("uri_")
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
            item = item._replace(value=Asset(item.parameter.azure_type, os.path.abspath(path), True, mode, item.span))
        inputs.append(item)
    return graph._replace(inputs=tuple(inputs)), problems


def unrunnable(graph: Graph) -> list[Diagnostic]:
    """Stages that have nothing to execute here: what changes a workspace, and registered components (an error)."""
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
    if graph.component is not None:
        name = graph.component.reference or graph.component.name
        message = f"`{graph.title}` runs the pipeline component `{name}`, which does not run on this machine yet"
        left_out.append(Diagnostic("MLP0910", message, failures.place(None, graph), help=_UNRUNNABLE_HELP[0]))
    return (
        left_out
        + _without_parts(graph)
        + [
            Diagnostic("MLP0910", message, failures.place(node), help=help)
            for node in graph.nodes
            if node.deployment is None and (message := _not_here(node))
            for help in (_UNRUNNABLE_HELP[node.kind in ("command", "parallel", "sweep")],)
        ]
    )


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


_UNRUNNABLE_HELP = ("compile it and run it in Azure ML", "use a component whose definition and code are files")


def _not_here(node: Node) -> str:
    """Why this machine cannot run a step, or nothing."""
    if node.kind not in ("command", "parallel", "sweep"):
        return f"`{node.title or node.name}` is a `{node.kind}` job, which does not run on this machine yet"
    if node.component.origin == "registered":
        return (
            f"`{node.title or node.name}` uses `{node.component.reference or node.component.name}`, "
            "which is registered in a workspace and cannot run here"
        )
    return ""


def forced(graph: Graph) -> bool:
    """Whether the program itself says that no step's earlier result may be used (`force_rerun`)."""
    settings = graph.extra.get("settings")
    return isinstance(settings, dict) and settings.get("force_rerun") in (True, "true", "True")
