"""From a Graph with pipelines in it to one whose nodes are all leaves, and from a loop to the nodes of one turn. Pure.

A stage `inner` of the pipeline that stage `outer` is becomes `outer.inner`, shown as `outer/inner`. What steers stays a
node: an `if_else` is needed (`after`) by what it steers; a loop takes the place of its body, whose inputs it has, and
in `component.graph` is the body, as one node, until its turns come: `loop.2.stage`, or `loop.2.inner` where a loop has
several stages.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    Component,
    Control,
    Facts,
    FromInput,
    FromNode,
    Graph,
    Literal,
    Node,
    OutputPort,
    PipelineInput,
    PipelineOutput,
    Run,
    Template,
    Value,
)
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.lowering.values import azure_text
from mlp_lang.runner import failures
from mlp_lang.runner.bindings import PRIMITIVES, reference_of
from mlp_lang.runner.parallel import with_task
from mlp_lang.runner.trials import sweep_of

LOOPS = ("do_while", "parallel_for")
DEEPEST = 50
"""How many pipelines may stand in one another: a YAML file could name itself."""


class Turn(NamedTuple):
    """One turn of a loop: its nodes, the inputs that they read beside the pipeline's, and whose outputs the body's are.

    `nodes` may hold loops themselves, `problems` are errors in what could not be read."""

    label: str
    nodes: tuple[Node, ...]
    inputs: tuple[PipelineInput, ...]
    outputs: dict[str, FromNode]
    problems: tuple[Diagnostic, ...] = ()


def flatten(graph: Graph) -> tuple[Graph, list[Diagnostic]]:
    """The Graph without pipelines as nodes; errors mean that it is not to be run."""
    graph = _with_stage(graph)
    if not any(n.kind == "pipeline" or n.control is not None for n in graph.nodes):
        nodes = tuple(with_task(node) for node in graph.nodes)
        return (
            graph if all(a is b for a, b in zip(nodes, graph.nodes, strict=True)) else graph._replace(nodes=nodes)
        ), []
    flat = _Flat(graph)
    scope = _Scope(flat, graph, "", None, (), ())
    scope.lay()
    outputs = []
    for output in graph.outputs:
        source = scope.resolve(output.source) if output.source is not None else None
        outputs.append(output._replace(source=source))
    flattened = graph._replace(
        inputs=(*graph.inputs, *flat.inputs),
        facts=(*graph.facts, *flat.facts),
        nodes=tuple(flat.nodes),
        outputs=tuple(outputs),
    )
    return flattened, flat.diagnostics


def _with_stage(graph: Graph) -> Graph:
    """A job that runs a pipeline component instead of stages, as one whose only stage is that component."""
    component = graph.component
    if component is None or component.origin == "registered":
        return graph
    given = {i.parameter.name for i in graph.inputs}
    inputs = tuple((p.name, FromInput(p.name)) for p in component.inputs if p.name in given)
    node = Node(component.name, component.name, "step", "pipeline", component, inputs, span=graph.span)
    said = {o.name: o for o in graph.outputs}
    outputs = tuple(
        said[p.name]._replace(source=FromNode(node.name, p.name))
        if p.name in said
        else PipelineOutput(p.name, p.type, p.azure_type, FromNode(node.name, p.name))
        for p in component.outputs
    )
    return graph._replace(nodes=(node,), outputs=outputs, component=None)


def turn(loop: Node, label: str, given: Mapping[str, Binding], graph: Graph) -> Turn:
    """The nodes of a turn of a flat loop; `given` comes before what the body is bound to."""
    body = body_of(loop)
    short = loop.name.rpartition(".")[2]
    own = () if body.name == f"{short}_body" and body.kind == "pipeline" else (body.name,)
    name = ".".join((loop.name, label, *own))
    title = "/".join((loop.title or loop.name, label, *([body.title or body.name] if own else [])))
    inputs = {**dict(body.inputs), **given}
    order = [p.name for p in body.component.inputs]
    known = [k for k in order if k in inputs] + [k for k in inputs if k not in order]
    made = body._replace(name=name, title=title, inputs=tuple((k, inputs[k]) for k in known), after=())
    flat = _Flat(graph)
    scope = flat.place(made)
    ports = {p.name: FromNode(name, p.name) for p in body.component.outputs}
    if scope is not None:
        ports = {p: found for p in ports if (found := scope.output(p)) is not None}
    return Turn(label, tuple(flat.nodes), tuple(flat.inputs), ports, tuple(flat.diagnostics))


def body_of(loop: Node) -> Node:
    """The body of a flat loop."""
    assert loop.component.graph is not None
    return loop.component.graph.nodes[0]


def everything(graph: Graph) -> tuple[Graph, list[Diagnostic]]:
    """A flat Graph with the nodes of a first turn in the places of its loops: all that may run, to be checked before.

    With errors in what loops hold."""
    problems: list[Diagnostic] = []
    return graph._replace(nodes=tuple(_deep(graph.nodes, graph, problems))), problems


def _deep(nodes: tuple[Node, ...], graph: Graph, problems: list[Diagnostic]) -> Iterator[Node]:
    for node in nodes:
        if is_loop(node):
            first = turn(node, "1", {}, graph)
            problems += first.problems
            yield from _deep(first.nodes, graph, problems)
        elif node.control is None:
            yield node


def is_loop(node: Node) -> bool:
    """Whether a node of a flat Graph is a loop."""
    return node.kind in LOOPS and node.component.graph is not None


def releases(node: Node, graph: Graph) -> bool:
    """Whether a step is one that the privacy report lists: a draw of its own, in each turn of a loop."""
    name = sweep_of(node.name)
    short = name.rpartition(".")[2]
    return any(release.node in (name, short) for release in graph.privacy.releases)


class _Flat:
    """The flat Graph as it grows."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.inputs: list[PipelineInput] = []
        self.facts: list[Facts] = []
        self.diagnostics: list[Diagnostic] = []
        self.read: dict[str, Graph | None] = {}  # pipelines in files, each read once

    def place(self, node: Node) -> "_Scope | None":
        """A node whose name and inputs are flat already: itself, or what it holds; then the scope of that."""
        inner = self.pipeline(node)
        if inner is None:
            self.nodes.append(with_task(node))
            return None
        labels = tuple(dict.fromkeys(label for found in node.private.values() for label in found))
        scope = _Scope(self, inner, f"{node.name}.", dict(node.inputs), node.after, labels, f"{node.title}/")
        scope.lay()
        return scope

    def pipeline(self, node: Node) -> Graph | None:
        """The pipeline that a node is, if it is one and its text is here."""
        component = node.component
        if node.kind != "pipeline":
            return None
        if component.graph is not None:
            return component.graph
        if component.reference is not None or not component.source.endswith((".yml", ".yaml")):
            return None
        path = str(Path(component.source).resolve())
        if node.name.count(".") >= DEEPEST:
            self.refuse(node, f"`{node.title}` stands more than {DEEPEST} pipelines deep")
            return None
        if path not in self.read:
            from mlp_lang.decompiler import compile_yaml

            compiled = compile_yaml(Path(path))
            self.diagnostics += [d for d in compiled.diagnostics if d.severity is Severity.ERROR]
            self.read[path] = compiled.graphs[0] if compiled.graphs else None
        return self.read[path]

    def refuse(self, node: Node | None, message: str) -> None:
        self.diagnostics.append(Diagnostic("MLP0910", message, failures.place(node, self.graph)))


class _Scope:
    """One pipeline in the flat one: where its names lead. `bound` are its inputs in flat terms, None for the outermost.

    All its nodes also wait for `after` and carry the private `labels`."""

    def __init__(
        self,
        flat: _Flat,
        graph: Graph,
        prefix: str,
        bound: Mapping[str, Binding] | None,
        after: tuple[str, ...],
        labels: tuple[str, ...],
        titles: str = "",
    ) -> None:
        self.flat = flat
        self.graph = graph
        self.prefix = prefix
        self.titles = titles
        self.after = after
        self.labels = labels
        self.nodes = {n.name: n for n in graph.nodes}
        self.loops = {n.control.body: n.name for n in graph.nodes if n.control is not None and n.control.body}
        self.guards: dict[str, list[str]] = {}
        for node in graph.nodes:
            for name in (*node.control.then, *node.control.otherwise) if node.control is not None else ():
                self.guards.setdefault(self.loops.get(name, name), []).append(prefix + node.name)
        self.inside: dict[str, _Scope | None] = {}
        self.bound = None if bound is None else self._inputs(bound)

    def _inputs(self, bound: Mapping[str, Binding]) -> dict[str, Binding]:
        """Values, and what nothing is bound to, as inputs of the flat pipeline: they are spelled as declared here."""
        result: dict[str, Binding] = {}
        facts = {f.name: f for f in self.graph.facts}
        for item in self.graph.inputs:
            name = item.parameter.name
            binding = bound.get(name)
            if isinstance(binding, FromInput | FromNode | Template):
                result[name] = binding
                continue
            hoisted = self.titles + name
            value = binding if binding is not None else item.value
            known = facts.get(item.facts or "") if binding is None else None
            if known is not None:
                known = known._replace(name=self.prefix + known.name, input_name=hoisted)
                self.flat.facts.append(known)
            parameter = item.parameter._replace(name=hoisted)
            self.flat.inputs.append(
                item._replace(parameter=parameter, value=value, facts=known.name if known is not None else None)
            )
            result[name] = FromInput(hoisted)
        return result

    def lay(self) -> None:
        """Put all nodes into the flat Graph."""
        for node in self.graph.nodes:
            if node.name not in self.loops:
                made = self.said(node)
                self.inside[node.name] = self.inside.get(node.name)
                if node.kind == "pipeline":
                    self.inside[node.name] = self.flat.place(made)
                else:
                    self.flat.nodes.append(made)

    def said(self, node: Node) -> Node:
        """A node in flat terms."""
        made = node._replace(
            name=self.prefix + node.name,
            title=self.titles + (node.title or node.name),
            inputs=self._bindings(node),
            after=self._waits(node),
            private=self._private(node),
            run=self._run(node),
        )
        if node.deployment is not None:
            model = self.substitute(node.deployment.model)
            if isinstance(model, FromNode | FromInput | Asset):
                made = made._replace(deployment=node.deployment._replace(model=model))
        if node.control is None:
            return made
        return self._steering(node, made, node.control)

    def _steering(self, node: Node, made: Node, control: Control) -> Node:
        if control.body is None:
            then = tuple(n for name in control.then for n in self.names(name))
            otherwise = tuple(n for name in control.otherwise for n in self.names(name))
            condition = self._reference(control.condition)
            return made._replace(control=control._replace(condition=condition, then=then, otherwise=otherwise))
        body = self.nodes[control.body]
        own = isinstance(control.condition, FromNode) and control.condition.node == control.body
        inner = body._replace(inputs=self._bindings(body), after=(), private=self._private(body), run=self._run(body))
        held = self.flat.pipeline(body._replace(name=self.prefix + node.name))
        if held is not None:  # read once, not in every turn
            inner = inner._replace(component=inner.component._replace(graph=held))
        ports = body.component.outputs
        if node.kind == "parallel_for":
            ports = node.component.outputs or tuple(gathered(p) for p in ports)
        component: Component = node.component._replace(
            inputs=body.component.inputs,
            outputs=ports,
            graph=self.graph._replace(nodes=(inner,), inputs=(), outputs=(), facts=()),
        )
        items = control.items
        waits = tuple(dict.fromkeys((*made.after, *self._waits(body))))
        if isinstance(items, Literal):
            value = self._value(items.value)
            items = items._replace(value=value)
            waits = tuple(dict.fromkeys((*waits, *_mentioned(value))))
        else:
            items = self._reference(items)
        condition = control.condition if own else self._reference(control.condition)
        return made._replace(
            inputs=inner.inputs,
            after=waits,
            component=component,
            control=control._replace(condition=condition, items=items),
            private=inner.private,
        )

    def _bindings(self, node: Node) -> tuple[tuple[str, Binding], ...]:
        return tuple((name, self.substitute(binding)) for name, binding in node.inputs)

    def _run(self, node: Node) -> Run:
        """How a node runs: its variables name inputs of this pipeline, whose values they get where those are known."""
        variables = node.run.environment_variables
        if self.bound is None or not any("${{" in value for value in variables.values()):
            return node.run
        found = {item.parameter.name: item for item in (*self.flat.graph.inputs, *self.flat.inputs)}

        def filled(match: re.Match[str]) -> str:
            bound = self.substitute(FromInput(match[1]))
            item = found.get(bound.name) if isinstance(bound, FromInput) else None
            if item is not None and isinstance(item.value, Literal) and item.value.value is not None:
                return azure_text(item.value.value, item.parameter)
            return f"${{{{parent.inputs.{bound.name}}}}}" if isinstance(bound, FromInput) else match[0]

        made = {name: _INPUT.sub(filled, value) for name, value in variables.items()}
        return node.run._replace(environment_variables=made)

    def _waits(self, node: Node) -> tuple[str, ...]:
        own = (flat for name in node.after for flat in self.names(name))
        return tuple(dict.fromkeys((*own, *self.guards.get(node.name, ()), *self.after)))

    def _private(self, node: Node) -> dict[str, tuple[str, ...]]:
        if not self.labels:
            return node.private
        ports = [p.name for p in node.component.outputs]
        return {p: tuple(dict.fromkeys((*node.private.get(p, ()), *self.labels))) for p in ports}

    def _reference(self, binding: Literal | FromInput | FromNode | None) -> Literal | FromInput | FromNode | None:
        found = self.substitute(binding) if binding is not None else None
        if isinstance(found, Template | Asset):
            self.flat.refuse(None, "a condition or items that a pipeline is given as a text with values in it")
            return None
        return found

    def _value(self, value: Value) -> Value:
        """A literal with what it refers to in flat terms."""
        match value:
            case list():
                return [self._value(v) for v in value]
            case dict():
                return {k: self._value(v) for k, v in value.items()}
            case str() if (found := reference_of(value)) is not None:
                bound = self.substitute(found)
                if isinstance(bound, FromNode):
                    return f"${{{{parent.jobs.{bound.node}.outputs.{bound.port}}}}}"
                return f"${{{{parent.inputs.{bound.name}}}}}" if isinstance(bound, FromInput) else value
            case _:
                return value

    def substitute(self, binding: Binding) -> Binding:
        match binding:
            case FromNode():
                return self.resolve(binding)
            case FromInput(name=name, span=span, mode=mode) if self.bound is not None:
                found = self.bound.get(name)
                if isinstance(found, FromInput | FromNode):
                    return found._replace(span=span, mode=mode or found.mode)
                return found if found is not None else binding
            case Template(parts=parts):
                made: list[str | FromInput | FromNode] = []
                for part in parts:
                    piece = self.substitute(part) if not isinstance(part, str) else part
                    if isinstance(piece, Template):
                        made += piece.parts
                    elif isinstance(piece, str | FromInput | FromNode):
                        made.append(piece)
                return binding._replace(parts=tuple(made))
            case _:
                return binding

    def resolve(self, binding: FromNode) -> FromNode:
        """What of the flat Graph an output of a stage is."""
        stage = binding.node
        if stage in self.loops:
            return binding._replace(node=self.prefix + self.loops[stage])
        inner = self._scope(stage)
        if inner is None:
            return binding._replace(node=self.prefix + stage)
        found = inner.output(binding.port)
        if found is None:
            node = self.nodes[stage]
            self.flat.refuse(node, f"no stage of `{node.title}` feeds its output `{binding.port}`")
            return binding._replace(node=self.prefix + stage)
        return binding._replace(node=found.node, port=found.port)

    def output(self, port: str) -> FromNode | None:
        source = next((o.source for o in self.graph.outputs if o.name == port), None)
        return self.resolve(source) if source is not None else None

    def names(self, stage: str) -> tuple[str, ...]:
        """The flat nodes that a stage is."""
        stage = self.loops.get(stage, stage)
        inner = self._scope(stage)
        if inner is None:
            return (self.prefix + stage,)
        return tuple(n for name in inner.nodes if name not in inner.loops for n in inner.names(name))

    def _scope(self, stage: str) -> "_Scope | None":
        """Of a pipeline, where its names lead. It is looked through before its nodes are laid, too."""
        if stage not in self.inside:
            node = self.nodes.get(stage)
            inner = self.flat.pipeline(node._replace(name=self.prefix + stage)) if node is not None else None
            self.inside[stage] = None if inner is None else _Names(self.flat, inner, f"{self.prefix}{stage}.")
        return self.inside[stage]


class _Names(_Scope):
    """A pipeline whose inputs do not matter: only what its stages are called, and what its outputs are."""

    def __init__(self, flat: _Flat, graph: Graph, prefix: str) -> None:
        super().__init__(flat, graph, prefix, None, (), ())


_INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.([\w.]+)\s*\}\}")


def gathered(port: OutputPort) -> OutputPort:
    """The output of a parallel_for in which those of its turns are gathered: a list of values, or a table of data."""
    azure = "string" if port.azure_type in PRIMITIVES else "mltable"
    return OutputPort(port.name, azure, azure, f"All that the turns give as `{port.name}`.")


def _mentioned(value: Value) -> list[str]:
    match value:
        case list():
            return [n for v in value for n in _mentioned(v)]
        case dict():
            return [n for v in value.values() for n in _mentioned(v)]
        case str() if isinstance(found := reference_of(value), FromNode):
            return [found.node]
        case _:
            return []
