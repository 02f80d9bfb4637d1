"""From a node's bindings to what its step reads: the text of each input, and what of it counts for the cache."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Asset, Binding, FromInput, FromNode, Graph, Literal, Node, Parameter, PipelineInput
from mlp_lang.dsl.source import Span
from mlp_lang.lowering.values import azure_text

PRIMITIVES = frozenset(["number", "integer", "boolean", "string"])
COPIED_MODES = frozenset(["download", "eval_download", "rw_mount"])
"""Modes in which a step gets its own writable copy; every other mode reads the data where it lies."""
GATES = "gates"


class BindingError(Exception):
    """An input that cannot be given to a step here; `code` is the diagnostic's."""

    def __init__(self, code: str, message: str, help: str = "", span: Span | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help
        self.span = span


class Given(NamedTuple):
    """One input of a step. `path` is a local file or folder (then `text` is that path), else `text` is a value.

    `identity` is what of it counts for the cache; it is empty for a path, whose content counts.
    """

    name: str
    text: str
    path: str | None = None
    identity: str = ""
    mode: str | None = None


class Sources(NamedTuple):
    """Where values come from: pipeline inputs, and the folders of finished nodes' outputs."""

    inputs: dict[str, PipelineInput]
    facts: Mapping[str, str]  # Facts name -> file
    output: Callable[[str, str], str]  # node, port -> path
    values: set[tuple[str, str]]  # nodes' ports whose files hold a value


def sources(graph: Graph, facts: Mapping[str, str], output: Callable[[str, str], str]) -> Sources:
    return Sources({i.parameter.name: i for i in graph.inputs}, facts, output, set(value_ports(graph.nodes)))


def value_ports(nodes: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """Nodes and those of their ports whose files hold a value."""
    for node in nodes:
        yield from ((node.name, p.name) for p in node.component.outputs if p.azure_type in PRIMITIVES)


def needs(node: Node) -> dict[str, None]:
    """Names of the nodes that must have succeeded before this one, in order: data, then `after`."""
    found: dict[str, None] = {}
    bindings: list[Binding] = [binding for _, binding in node.inputs]
    if node.control is not None:  # what a loop goes on by is its body's, and comes later
        said = (node.control.condition if node.control.body is None else None, node.control.items)
        bindings += [binding for binding in said if binding is not None]
    if node.deployment is not None:
        bindings.append(node.deployment.model)
    for binding in bindings:
        parts = binding.parts if type(binding).__name__ == "Template" else (binding,)  # type: ignore[union-attr]
        for part in parts:
            if type(part) is FromNode:
                found[part.node] = None
    found.update(dict.fromkeys(node.after))
    return found


def given_inputs(node: Node, where: Sources) -> list[Given]:
    """The inputs that have a value, in the component's order. Raises BindingError."""
    bound = dict(node.inputs)
    result = []
    for parameter in node.component.inputs:
        binding = bound.get(parameter.name)
        if binding is None:
            if parameter.has_default and not (parameter.default is None and parameter.encoding == "plain"):
                binding = Literal(parameter.default)
            elif parameter.optional or parameter.has_default:
                continue
            else:
                raise BindingError(
                    "MLP0907", f"input `{parameter.name}` of `{node.title}` has no value", span=node.span
                )
        given = _given(parameter, binding, where, node)
        if given is not None:
            result.append(given)
    return result


def reference_of(text: str) -> FromInput | FromNode | None:
    """What `${{parent.…}}` refers to, if that is all of a text."""
    match = _REFERENCE.fullmatch(text.strip())
    if match is None:
        return None
    return FromInput(match["input"]) if match["input"] else FromNode(match["node"], match["port"])


_REFERENCE = re.compile(
    r"\$\{\{\s*parent\.(?:inputs\.(?P<input>[\w./-]+)|jobs\.(?P<node>[\w.-]+)\.outputs\.(?P<port>\w+))\s*\}\}"
)


def text_of(binding: Binding, parameter: Parameter, where: Sources, node: Node) -> str | None:
    """The text that a value is, also where it stands in a file. Raises BindingError."""
    given = located(binding, parameter, where, node)
    if given is None or given.path is None:
        return given.text if given is not None else None
    return _written(given.path, parameter, node)


def located(binding: Binding, parameter: Parameter, where: Sources, node: Node) -> Given | None:
    """What a binding is here, of a step or of what steers; None if it has no value. Raises BindingError."""
    return _given(parameter, binding, where, node)


def settled(node: Node, where: Sources) -> Node:
    """A sweep or a parallel job as its key sees it: parameters in its settings are their values, searched inputs go.

    Raises BindingError.
    """
    if node.kind == "sweep":
        search = _resolved(node.search or {}, where, node)
        searched = search.get("search_space") or {}
        left = tuple(p for p in node.component.inputs if p.name not in searched)
        return node._replace(search=search, component=node.component._replace(inputs=left))
    if node.kind == "parallel":
        return node._replace(run=node.run._replace(extra=_resolved(node.run.extra, where, node)))
    return node


def _resolved(value: Any, where: Sources, node: Node) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(inner, where, node) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, where, node) for inner in value]
    match = _PARENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    item = _pipeline_input(match[1], where, node)
    return item.value.value if isinstance(item.value, Literal) else value


_PARENT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}")


def asset_path(binding: Binding, where: Sources, node: Node) -> str:
    """The local path that a model or data binding stands for. Raises BindingError."""
    parameter = Parameter("model", "model", "mlflow_model")
    given = _given(parameter, binding, where, node)
    if given is None or given.path is None:
        raise BindingError("MLP0907", f"`{node.title}` has no local model to deploy", span=node.span)
    return given.path


def _given(parameter: Parameter, binding: Binding, where: Sources, node: Node) -> Given | None:
    name = parameter.name
    match binding:
        case Literal(value=value):
            if value is None and parameter.encoding == "plain":
                return None
            if parameter.azure_type not in PRIMITIVES:
                return _local(name, Asset(parameter.azure_type, str(value), "://" not in str(value)), parameter, node)
            return _value(name, azure_text(value, parameter), node)
        case Asset():
            return _local(name, binding, parameter, node)
        case FromNode(node=other, port=port):
            path = where.output(other, port)
            if (other, port) in where.values and parameter.azure_type in PRIMITIVES:
                return _value(name, _written(path, parameter, node), node)
            return Given(name, path, path, mode=binding.mode or parameter.mode)
        case FromInput(name=source):
            item = _pipeline_input(source, where, node)
            if item.facts is not None:
                path = where.facts[item.facts]
                return Given(name, path, path)
            match item.value:
                case None:
                    if parameter.optional or item.parameter.optional:
                        return None
                    raise BindingError(
                        "MLP0907",
                        f"pipeline input `{source}` has no value, and `{node.title}` needs it",
                        f"give it with `--param {source}=…`, or `--data {source}=PATH` if it is data",
                        item.span,
                    )
                case Asset() as asset:
                    asset = asset._replace(mode=binding.mode or asset.mode)
                    return _local(name, asset, parameter, node, source)
                case Literal(value=value):
                    if value is None and item.parameter.encoding == "plain":
                        return None
                    encoded = item.parameter.encoding == "json" or parameter.encoding == "plain"
                    return _value(name, azure_text(value, item.parameter if encoded else parameter), node)
        case _:
            texts = []
            for part in binding.parts:
                if isinstance(part, str):
                    texts.append(part)
                else:
                    piece = _given(Parameter(name, "string", "string", optional=True), part, where, node)
                    texts.append("" if piece is None else piece.text)
            return _value(name, "".join(texts), node)


def _value(name: str, text: str, node: Node) -> Given:
    identity = text
    if node.gates and name == GATES:  # where a gate is written must not decide whether its step runs again
        identity = re.sub(r'"span": "(?:[^"\\]|\\.)*"', '"span": ""', text)
    return Given(name, text, identity=identity)


def _written(path: str, parameter: Parameter, node: Node) -> str:
    """The value that a step wrote for an output that is one. Raises BindingError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().strip()
    except (OSError, ValueError) as error:
        raise BindingError(
            "MLP0907", f"input `{parameter.name}` of `{node.title}` is no value: {error}", span=node.span
        ) from None
    return text.capitalize() if parameter.azure_type == "boolean" else text


def _pipeline_input(name: str, where: Sources, node: Node) -> PipelineInput:
    item = where.inputs.get(name)
    if item is None:
        raise BindingError(
            "MLP0907", f"`{node.title}` reads the pipeline input `{name}`, which does not exist", span=node.span
        )
    return item


def _local(name: str, asset: Asset, parameter: Parameter, node: Node, source: str = "") -> Given:
    mode = asset.mode or parameter.mode
    if not asset.local:
        if mode == "direct":
            return Given(name, asset.path, identity=asset.path)
        raise BindingError(
            "MLP0906",
            f"input `{source or name}` is `{asset.path}`, which is not on this machine",
            f"give a local copy: `mlp run … --data {source or name}=PATH`, or a profile with a local path",
            asset.span or node.span,
        )
    path = os.path.abspath(asset.path)
    if not os.path.exists(path):
        raise BindingError(
            "MLP0906", f"input `{source or name}` is `{asset.path}`, which does not exist", span=asset.span or node.span
        )
    if not os.access(path, os.R_OK):
        raise BindingError(
            "MLP0906", f"input `{source or name}` is `{asset.path}`, which cannot be read", span=asset.span or node.span
        )
    return Given(name, path, path, mode=mode)


def shown_parameters(graph: Graph) -> tuple[dict[str, object], dict[str, str]]:
    """Values of parameters, and paths of data, for the record of a run."""
    parameters: dict[str, object] = {}
    data: dict[str, str] = {}
    for item in graph.inputs:
        match item.value:
            case Literal(value=value) if "/" not in item.parameter.name:  # those are of pipelines in the pipeline
                parameters[item.parameter.name] = value
            case Asset(path=path):
                data[item.parameter.name] = path
    return parameters, data
