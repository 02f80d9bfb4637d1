"""From the Control of a node to the fields of its job: what runs when, how often, and over what."""

from collections.abc import Mapping
from typing import Any

from mlp_lang.compiler.graph import Control, FromInput, FromNode, Graph, Literal, Node, Parameter, Value
from mlp_lang.compiler.items import is_spelled
from mlp_lang.compiler.settings import reference_text
from mlp_lang.lowering.values import yaml_value


def control_fields(control: Control, nodes: Mapping[str, Node]) -> dict[str, Any]:
    """The fields of an `if_else`, `do_while` or `parallel_for`; `nodes` are the others, by name."""
    fields: dict[str, Any] = {}
    if control.body is None:
        fields["condition"] = _reference(control.condition)
        for key, side in (("true_block", control.then), ("false_block", control.otherwise)):
            if side:
                jobs = [_job(name) for name in side]
                fields[key] = jobs[0] if len(jobs) == 1 else jobs
        return fields
    fields["body"] = _job(control.body)
    if control.items is not None:
        parameters = {p.name: p for p in nodes[control.body].component.inputs}
        fields["items"] = _items(control.items, parameters)
        if control.max_concurrency is not None:
            fields["max_concurrency"] = control.max_concurrency
        return fields
    if control.condition is not None:
        fields["condition"] = _reference(control.condition)
    fields["mapping"] = {
        port: inputs[0] if len(inputs) == 1 else list(inputs) for port, inputs in control.mapping.items()
    }
    fields["limits"] = {"max_iteration_count": control.limit}
    return fields


def all_graphs(graph: Graph) -> list[Graph]:
    """A Graph and all that stand in its components, itself first, each once."""
    found = [graph]
    seen = {id(graph)}
    for one in found:
        for node in one.nodes:
            inner = node.component.graph
            if inner is not None and id(inner) not in seen:
                seen.add(id(inner))
                found.append(inner)
    return found


def _job(name: str) -> str:
    return f"${{{{parent.jobs.{name}}}}}"


def _reference(binding: Literal | FromInput | FromNode | None) -> Any:
    return reference_text(binding) if isinstance(binding, FromInput | FromNode) else binding and binding.value


def _items(items: Literal | FromInput | FromNode, parameters: Mapping[str, Parameter]) -> Any:
    if not isinstance(items, Literal):
        return reference_text(items)
    value = items.value
    if isinstance(value, dict):
        return {key: _item(item, parameters) for key, item in value.items()}
    return [_item(item, parameters) for item in value] if isinstance(value, list) else value


def _item(item: Value, parameters: Mapping[str, Parameter]) -> Any:
    if not isinstance(item, dict):
        return item
    return {key: _entry(value, parameters.get(key)) for key, value in item.items()}


def _entry(value: Value, parameter: Parameter | None) -> Value:
    bound = isinstance(value, str) and value.startswith("${{parent.inputs.")
    if parameter is None or parameter.type == "any" or bound or is_spelled(value):
        return value
    return yaml_value(value, parameter)
