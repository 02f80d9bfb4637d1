"""From the ports of a component to `inputs` and `outputs` of its definition, with those that carry order alone."""

from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Component, OutputPort, Parameter
from mlp_lang.lowering.values import yaml_value

PRIMITIVES = frozenset(["number", "integer", "boolean", "string"])
DONE = "done"
"""Output that an emitted copy gets if the component has none and another stage comes `after` it."""


class After(NamedTuple):
    """An edge without data, as the input that carries it."""

    input: str
    azure_type: str


def order_document(edge: After) -> dict[str, Any]:
    """The input that carries an edge without data."""
    return {
        "type": edge.azure_type,
        "optional": True,
        "mode": "direct",
        "description": "Order alone: this step starts when that output is there. Nothing reads it.",
    }


DONE_DOCUMENT = {"type": "uri_folder", "description": "Order alone: other steps start after this one."}
"""That output."""


def ports_document(component: Component, after: tuple[After, ...], done: bool) -> dict[str, Any]:
    """`inputs` and `outputs` of a definition, with those that carry order alone."""
    document: dict[str, Any] = {}
    inputs = {p.name: parameter_document(p) for p in component.inputs}
    inputs.update((edge.input, order_document(edge)) for edge in after)
    if inputs:
        document["inputs"] = inputs
    outputs = {p.name: _port_document(p) for p in component.outputs}
    if done:
        outputs[DONE] = dict(DONE_DOCUMENT)
    if outputs:
        document["outputs"] = outputs
    return document


def parameter_document(p: Parameter) -> dict[str, Any]:
    """One input of a component. Azure ML has ranges for numbers alone, and `enum` for strings alone."""
    primitive = p.azure_type in PRIMITIVES
    document: dict[str, Any] = {"type": p.azure_type}
    if p.description:
        document["description"] = p.description
    empty = p.has_default and p.default is None and p.encoding == "plain"
    if p.optional or empty:
        document["optional"] = True
    if p.has_default and primitive and not empty:
        document["default"] = yaml_value(p.default, p)
    if p.encoding == "plain":
        if p.azure_type in ("number", "integer"):
            if p.minimum is not None:
                document["min"] = p.minimum
            if p.maximum is not None:
                document["max"] = p.maximum
        elif p.azure_type == "string" and p.enum:
            document["enum"] = list(p.enum)
    if p.mode is not None and not primitive:
        document["mode"] = p.mode
    return document


def _port_document(p: OutputPort) -> dict[str, Any]:
    document: dict[str, Any] = {"type": p.azure_type}
    if p.description:
        document["description"] = p.description
    if p.mode is not None:
        document["mode"] = p.mode
    return document
