"""A pipeline as a component: from its compilation to the Interface that stages of other pipelines see, and back in.

What the pipeline has of its own (data with a path, facts of tables) becomes inputs that the pipeline around it fills.
What only the job of a pipeline can have, a component cannot: such a pipeline is no stage (MLP0322).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlp_lang.compiler.data import Datum
from mlp_lang.compiler.graph import (
    Asset,
    Component,
    Environment,
    Facts,
    FromInput,
    Graph,
    Literal,
    Node,
    OutputSetting,
    PipelineInput,
    PipelineOutput,
)
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Fill, Input, Interface, add_output, parameter
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Symbol
from mlp_lang.compiler.types import NONE, UNKNOWN, Type, Union
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.flow import Flow
    from mlp_lang.compiler.unroll import Parts

DEEPEST = 10
"""How many pipelines may stand in one another."""
_COMPUTED = frozenset(["command", "parallel", "sweep", "automl"])
"""Kinds of job that run where the settings of the pipeline say if they say nothing themselves."""


def refusal(parts: "Parts", data: Mapping[str, Datum], given: Mapping[str, Any]) -> tuple[str, Span] | None:
    """Why a pipeline cannot be a stage, and where that is; None if it can."""
    for instance in parts.instances:
        if instance.acts_as("deploy"):
            return (
                "it deploys, and a deployment's definitions go with the job that is submitted",
                instance.spec.name.span,
            )
    for datum in data.values():
        if datum.input.private:
            return "its data is private, and the budget is kept by the pipeline that is submitted", datum.symbol.span
    if "identity" in given:
        return "`identity` is said of the job that is submitted", given["identity"].name.span
    for item in parts.settings:
        if isinstance(item, syntax.Block) and item.name.text in ("settings", "azureml"):
            return f"`{item.name.text}` speaks of the job that is submitted", item.name.span
    return None


def refuse(report: Report, name: str, reason: tuple[str, Span], span: Span) -> None:
    report.error(
        "MLP0322",
        f"pipeline `{name}` cannot be a stage: {reason[0]}",
        span,
        related=(Related(reason[1], "here"),),
        help="move that into the pipeline that uses it",
    )


def interface(
    symbol: Symbol,
    source: str,
    parts: "Parts",
    inputs: list[PipelineInput],
    data: Mapping[str, Datum],
    outputs: Mapping[str, tuple[PipelineOutput, Type, Instance | None]],
    places: Mapping[str, dict[str, Any]],
) -> Interface:
    """What a stage may say of a pipeline. Nobody knows what it does with private data."""
    face = Interface(symbol.name, "inline", symbol.scope.folder, source)
    face.kind = "pipeline"
    params = {i.parameter.name: i for i in inputs}
    for declared in sorted((*parts.params, *parts.data), key=lambda s: s.span.start):
        name, t = declared.name, declared.value if declared.value is not None else UNKNOWN
        item = params.get(name)
        if item is not None:
            default = item.value.value if isinstance(item.value, Literal) else None
            shown = item.parameter._replace(default=default, has_default=item.value is not None)
            optional = default is None and isinstance(t, Union) and NONE in t.members
            face.inputs[name] = Input(name, t, shown, item.value is None, optional)
        elif name in data:
            datum = data[name]
            own = datum.symbol.node.value is not None and isinstance(datum.input.value, Asset)
            face.inputs[name] = Input(name, t, datum.input.parameter, not own)
            if own:
                face.fills[name] = Fill(datum.input, None, places.get(name, {}))
        else:  # it is wrong, and that is said
            face.inputs[name] = Input(name, UNKNOWN, parameter(name, UNKNOWN, "string"), False)
    every = tuple(face.inputs)
    for name, (output, t, _) in outputs.items():
        add_output(face, name, t, output.azure_type, {"description": output.description}, every)
        face.published[name] = output
    return face


def brought(face: Interface, added: list[PipelineInput], places: Mapping[str, dict[str, Any]]) -> None:
    """Inputs that the compiler added to a pipeline, for what stands in its own stages: filled from outside, too."""
    for item in added:
        name = item.parameter.name
        face.inputs[name] = Input(name, UNKNOWN, item.parameter, False, filled="outside")
        face.fills[name] = Fill(item, None, places.get(name, {}))


def facts_brought(face: Interface, known: list[Facts], inputs: list[PipelineInput]) -> None:
    """The facts that its stages read."""
    for facts, item in zip(known, inputs, strict=True):
        name = item.parameter.name
        face.inputs[name] = Input(name, UNKNOWN, item.parameter, False, filled="outside")
        face.fills[name] = Fill(item, facts)


def emitted(face: Interface, outputs: Mapping[str, tuple[PipelineOutput, Type, Instance | None]], flow: "Flow") -> None:
    """What is known of the tables that a pipeline gives."""
    for name, (output, _, giver) in outputs.items():
        known = giver.facts.get(output.source.port) if giver is not None and output.source is not None else None
        if known is not None:
            face.emits[name] = flow.facts[known]


def component(symbol: Symbol, face: Interface, graph: Graph) -> Component:
    """The component that a pipeline is, once its Graph is there."""
    return Component(
        name=symbol.name,
        azure_name=graph.name,
        version="1",
        display_name=graph.display_name or "",
        description=graph.description,
        origin="inline",
        kind="pipeline",
        folder=face.folder,
        source=face.source,
        inputs=tuple(i.parameter for i in face.inputs.values()),
        outputs=tuple(o.port for o in face.outputs.values()),
        command="",
        code=None,
        includes=(),
        environment=Environment(),
        graph=on(graph, graph.default_compute),
    )


def on(graph: Graph, compute: str | None) -> Graph:
    """A pipeline whose jobs run on a compute where they say nothing: a component has no settings that say it."""
    if compute is None:
        return graph
    return graph._replace(nodes=tuple(_on(n, compute) for n in graph.nodes), default_compute=None)


def _on(node: Node, compute: str) -> Node:
    if node.component.graph is not None:
        return node._replace(component=node.component._replace(graph=on(node.component.graph, compute)))
    if node.kind in _COMPUTED and node.run.compute is None:
        return node._replace(run=node.run._replace(compute=compute))
    return node


class Filling:
    """What pipelines inside another bring along, as inputs of that other one: named after the stage and the datum."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.inputs: list[PipelineInput] = []
        self.facts: list[Facts] = []
        self.facts_inputs: list[PipelineInput] = []
        self.places: dict[str, dict[str, Any]] = {}

    def fill(self, instance: Instance) -> None:
        """Bind what the author left to the pipeline, and hand on what it says of its outputs."""
        face = instance.interface
        if face is None or face.kind != "pipeline" or face.origin != "inline":
            return
        for name, brings in face.fills.items():
            if name in instance.bindings or name in instance.item_keys:
                continue
            free = f"{instance.name}_{name}"
            while free in self.taken:
                free += "_"
            self.taken.add(free)
            shown = brings.input.parameter._replace(name=free)
            made = brings.input._replace(parameter=shown)
            if brings.facts is not None:
                title = f"{instance.name}_{brings.facts.name}"
                document = {**brings.facts.document, "name": title}
                self.facts.append(brings.facts._replace(name=title, input_name=free, document=document))
                self.facts_inputs.append(made._replace(facts=title))
            else:
                self.inputs.append(made)
                if brings.places:
                    self.places[free] = brings.places
            instance.bindings[name] = FromInput(free)
        for port, output in face.published.items():
            if output.mode or output.path or output.asset_name or output.asset_version:
                said = instance.outputs.get(port) or OutputSetting(port, span=instance.spec.name.span)
                instance.outputs[port] = said._replace(
                    mode=said.mode or output.mode,
                    path=said.path or output.path,
                    name=said.name or output.asset_name,
                    version=said.version or output.asset_version,
                )
