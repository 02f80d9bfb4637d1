"""Hand-made Graphs over tiny real components: each step is a real process with a real shell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    Component,
    Environment,
    FromNode,
    Gate,
    Graph,
    Literal,
    Node,
    OutputPort,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Privacy,
    Run,
)
from mlp_lang.dsl.source import Source, Span
from mlp_lang.runner import RunResult

AZURE_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def component(
    command: str,
    inputs: tuple[Parameter, ...] = (),
    outputs: tuple[str | OutputPort, ...] = (),
    *,
    code: Path | None = None,
    **fields: Any,
) -> Component:
    """A command component; an output given by name alone is a file."""
    ports = tuple(o if isinstance(o, OutputPort) else OutputPort(o, "file", "uri_file") for o in outputs)
    folder = str(code) if code is not None else ""
    made = Component(
        name="test.step",
        azure_name="test_step",
        version="1",
        display_name="",
        description="",
        origin="file",
        kind="command",
        folder=folder,
        source=f"{folder}/component.yml",
        inputs=inputs,
        outputs=ports,
        command=command,
        code="." if code is not None else None,
        includes=(),
        environment=Environment(image="any"),
    )
    return made._replace(**fields)


def step(
    name: str,
    command: str,
    inputs: Mapping[str, Binding | str | int | float | bool] | None = None,
    outputs: tuple[str | OutputPort, ...] = ("out",),
    *,
    after: tuple[str, ...] = (),
    settings: Run | None = None,
    gates: tuple[Gate, ...] = (),
    span: Span | None = None,
    verb: str = "step",
    **fields: Any,
) -> Node:
    """A node whose component's interface is read off its inputs."""
    parameters = []
    bindings: list[tuple[str, Binding]] = []
    for key, value in (inputs or {}).items():
        if isinstance(value, str | int | float | bool):
            kind = AZURE_TYPES[type(value)]
            parameters.append(Parameter(key, kind, kind))
            bindings.append((key, Literal(value)))
        else:
            kind = value.type if isinstance(value, Asset) else "uri_file" if isinstance(value, FromNode) else "string"
            parameters.append(Parameter(key, "file", kind))
            bindings.append((key, value))
    return Node(
        name=name,
        title=name,
        verb=verb,
        kind="command",
        component=component(command, tuple(parameters), outputs, **fields),
        inputs=tuple(bindings),
        after=after,
        run=settings if settings is not None else Run(),
        gates=gates,
        span=span,
    )


def graph(*nodes: Node, inputs: tuple[PipelineInput, ...] = (), outputs: tuple[PipelineOutput, ...] = ()) -> Graph:
    return Graph("demo", "demo", "", None, inputs, outputs, nodes, (), (), (), Privacy(), None)


def span_of(text: str, word: str, path: str = "demo.mlp") -> Span:
    """Where `word` stands in a program's text."""
    start = text.index(word)
    return Span(Source(path, text), start, start + len(word))


def states(result: RunResult) -> dict[str, str]:
    return {name: outcome.status.value for name, outcome in result.steps.items()}
