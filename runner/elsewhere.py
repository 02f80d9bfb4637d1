"""From a Graph that names data, components and environments of a workspace to one with what stands for them here."""

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    Component,
    Environment,
    FromInput,
    Graph,
    Literal,
    Node,
    PipelineInput,
    Template,
)
from mlp_lang.dsl.diagnostics import Diagnostic, Related, Severity
from mlp_lang.dsl.source import Span
from mlp_lang.lowering.values import azure_text
from mlp_lang.runner import failures, serving
from mlp_lang.runner.bindings import PRIMITIVES
from mlp_lang.runner.environment import SpecificationError, specified
from mlp_lang.runner.local import HERE, Local, Mapped, line

_SHOWN = 3
_CODES = {"data": "MLP0906", "components": "MLP0910", "environments": "MLP0971"}
_WHAT = {
    "data": ("is not on this machine", "are not on this machine"),
    "components": ("is registered in a workspace", "are registered in a workspace"),
    "environments": (
        "is an environment whose packages are not known here, so they are not compared",
        "are environments whose packages are not known here, so they are not compared",
    ),
}
_HELP = {
    "data": "say in `{file}` where a copy lies, or give one with `--data {name}=PATH` or `--map`:",
    "components": "say in `{file}` which definition stands for it:",
    "environments": (
        f'say in `{{file}}` which conda file, requirements file or environment has them, or "{HERE}" to be content:'
    ),
}


class _Missing(NamedTuple):
    span: Span
    name: str  # of the pipeline's input, if that is what is missing


def is_remote(text: object) -> bool:
    """Whether a path is an address of something that is not in this machine's file system."""
    return isinstance(text, str) and (text.startswith(("azureml:", "git+")) or "://" in text)


def at_home(graph: Graph, local: Local, wanted: frozenset[str]) -> tuple[Graph, list[Diagnostic]]:
    """The Graph with everything local that `local` maps; and for each sort of thing that is not here, and that the
    nodes `wanted` need, one diagnostic with the lines that map it. An environment that is not known is no error."""
    move = _Move(local)
    made = move.graph(graph, wanted)
    return made, [*move.problems, *(move.lacking(section) for section in _CODES if move.missing[section])]


class _Move:
    def __init__(self, local: Local) -> None:
        self.local = local
        self.problems: list[Diagnostic] = []
        self.missing: dict[str, dict[str, _Missing]] = {section: {} for section in _CODES}
        self._environments: dict[str, Environment | None] = {}
        self._components: dict[int, tuple[Component, Component]] = {}

    def graph(self, graph: Graph, wanted: frozenset[str] | None) -> Graph:
        """With `wanted` None every node is."""
        needed = {
            binding.name
            for node in graph.nodes
            if wanted is None or node.name in wanted
            for binding in _bindings(node)
            if isinstance(binding, FromInput) and not _direct(node, binding)
        }
        inputs = tuple(self._input(item, item.parameter.name in needed, graph) for item in graph.inputs)
        texts = {i.parameter.name: _text_of(i) for i in inputs}
        nodes = tuple(
            _with_variables(self._node(node, wanted is None or node.name in wanted), texts) for node in graph.nodes
        )
        same = all(a is b for a, b in zip((*inputs, *nodes), (*graph.inputs, *graph.nodes), strict=True))
        return graph if same else graph._replace(inputs=inputs, nodes=nodes)

    def _input(self, item: PipelineInput, needed: bool, graph: Graph) -> PipelineInput:
        if not isinstance(item.value, Asset) or item.value.local:
            return item
        span = item.value.span or item.span or failures.place(None, graph)
        asset = self._asset(item.value, needed and item.value.mode != "direct", span, item.parameter.name)
        return item if asset is item.value else item._replace(value=asset)

    def _node(self, node: Node, needed: bool) -> Node:
        if serving.elsewhere(node):
            return node
        component = self._component(node, needed)
        types = {p.name: p for p in component.inputs}
        bound: list[tuple[str, Binding]] = []
        for name, binding in node.inputs:
            kind = types[name].azure_type if name in types else "string"
            if isinstance(binding, Literal) and is_remote(binding.value) and kind not in PRIMITIVES:
                binding = Asset(kind, str(binding.value), False, None, binding.span)
            if isinstance(binding, Asset) and not binding.local:
                mode = binding.mode or (types[name].mode if name in types else None)
                binding = self._asset(binding, needed and mode != "direct", binding.span or failures.place(node))
            bound.append((name, binding))
        environment = node.environment
        if environment is not None:
            environment = self._environment(environment, node, needed)
        inputs = tuple(bound)
        same = all(a[1] is b[1] for a, b in zip(inputs, node.inputs, strict=True))
        if same and component is node.component and environment is node.environment:
            return node
        return node._replace(component=component, inputs=node.inputs if same else inputs, environment=environment)

    def _asset(self, asset: Asset, needed: bool, span: Span, name: str = "") -> Asset:
        found = self.local.find("data", asset.path)
        if found is not None:
            return asset._replace(path=found.path, local=True)
        if needed:
            self.missing["data"].setdefault(asset.path, _Missing(span, name))
        return asset

    def _component(self, node: Node, needed: bool) -> Component:
        component = node.component
        if component.origin == "registered":
            if needed:
                address = component.reference or component.name
                self.missing["components"].setdefault(address, _Missing(failures.place(node), ""))
            return component
        known = self._components.get(id(component))
        if known is not None:
            return known[1]
        changes: dict[str, Any] = {}
        if is_remote(component.code):
            code = self.local.find("data", str(component.code))
            if code is not None:
                changes["code"] = code.path
            elif needed:
                self.missing["data"].setdefault(str(component.code), _Missing(failures.place(node), ""))
        changes["environment"] = self._environment(component.environment, node, needed and node.environment is None)
        if changes["environment"] is component.environment:
            del changes["environment"]
        if component.graph is not None:
            inner = self.graph(component.graph, None if needed else frozenset())
            if inner is not component.graph:
                changes["graph"] = inner
        made = component._replace(**changes) if changes else component
        if needed:
            self._components[id(component)] = (component, made)
        return made

    def _environment(self, environment: Environment, node: Node, needed: bool) -> Environment:
        if environment.reference is None:
            return environment
        address = environment.reference
        mapped = self.local.find("environments", address)
        if mapped is None and not is_remote(address):  # an environment's own file
            file = os.path.normpath(os.path.join(node.component.folder, address.removeprefix("file:")))
            mapped = Mapped(file, failures.place(node))
        if mapped is None:
            if needed:
                self.missing["environments"].setdefault(address, _Missing(failures.place(node), ""))
            return environment
        if mapped.path == HERE:
            return Environment(name=address)
        if mapped.path not in self._environments:
            try:
                self._environments[mapped.path] = specified(mapped.path)
            except SpecificationError as error:
                self.problems.append(Diagnostic("MLP0970", f"`{address}`: {error}", mapped.span))
                self._environments[mapped.path] = None
        found = self._environments[mapped.path]
        return environment if found is None else found._replace(reference=address)

    def lacking(self, section: str) -> Diagnostic:
        """What of a section is not here, with the lines of mlp.toml that say what stands for it."""
        found = self.missing[section]
        names = [f"`{address}`" for address in found]
        shown = names if len(names) <= _SHOWN + 1 else [*names[:_SHOWN], f"{len(names) - _SHOWN} more"]
        said = ", ".join(shown[:-1]) + (" and " if shown[1:] else "") + shown[-1]
        first, *others = found.items()
        named = first[1].name if first[1].name and not others else "NAME"
        lines = [f"[local-{section}]", *(line(section, address) for address in found)]
        file = os.path.join(os.path.dirname(self.local.file), "mlp.toml")
        help = _HELP[section].format(file=file, name=named)
        severity = Severity.NOTE if section == "environments" else Severity.ERROR
        related = tuple(Related(missing.span, f"`{address}`") for address, missing in others)
        message = f"{said} {_WHAT[section][len(names) > 1]}"
        notes = (_OFFLINE,) if any(a.startswith(("http://", "https://")) for a in found) else ()
        text = "\n".join([help, *lines])
        return Diagnostic(_CODES[section], message, first[1].span, "", severity, related, notes, text)


_OFFLINE = "a run fetches nothing from the web: what it reads would change behind its back"


def _text_of(item: PipelineInput) -> str | None:
    """What an input of the pipeline is as text; None if it is nothing that is known before the run."""
    match item.value:
        case Literal(value=value):
            return azure_text(value, item.parameter)
        case Asset(path=path):
            return path
        case _:
            return None


def _with_variables(node: Node, texts: Mapping[str, str | None]) -> Node:
    """The node, inputs of the pipeline filled in where environment variables name them."""
    variables = node.run.environment_variables
    if not any("${{" in str(value) for value in variables.values()):
        return node

    def fill(match: re.Match[str]) -> str:
        text = texts.get(match[1])
        return match[0] if text is None else text

    filled = {name: _PARENT.sub(fill, value) for name, value in variables.items()}
    return node if filled == variables else node._replace(run=node.run._replace(environment_variables=filled))


_PARENT = re.compile(r"\$\{\{\s*parent\.inputs\.([A-Za-z_]\w*)\s*\}\}")


def _bindings(node: Node) -> list[Binding]:
    found: list[Binding] = []
    for _, binding in node.inputs:
        found += [p for p in binding.parts if not isinstance(p, str)] if isinstance(binding, Template) else [binding]
    if node.deployment is not None:
        found.append(node.deployment.model)
    if node.control is not None:
        found += [binding for binding in (node.control.condition, node.control.items) if binding is not None]
    return found


def _direct(node: Node, binding: FromInput) -> bool:
    modes = {p.name: p.mode for p in node.component.inputs}
    name = next((n for n, b in node.inputs if b is binding), "")
    return (binding.mode or modes.get(name)) == "direct"
