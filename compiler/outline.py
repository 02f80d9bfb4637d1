"""From the nodes in a loop of several stages to one node: a pipeline that holds them, since Azure ML repeats one job.

What the stages take from outside becomes the pipeline's inputs, what a loop carries or its items give among them, and
every output of a stage becomes an output of the pipeline. Runs over finished nodes, before the Graph is made.
"""

import json
import re
from typing import NamedTuple

from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    Component,
    Control,
    Environment,
    FromInput,
    FromNode,
    Graph,
    Literal,
    Node,
    OutputPort,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Privacy,
    Template,
)
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.order import predecessors, sort
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.steering import body_name, exports
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

_BOUND = re.compile(r"\$\{\{parent\.inputs\.([^}]+)\}\}")


class Outlined(NamedTuple):
    """The nodes and outputs of a pipeline, each loop of several stages in one node of its own."""

    nodes: tuple[Node, ...]
    outputs: tuple[PipelineOutput, ...]


def outline(
    report: Report,
    nodes: tuple[Node, ...],
    outputs: tuple[PipelineOutput, ...],
    inputs: list[PipelineInput],
    instances: list[Instance],
) -> Outlined:
    """Put the stages of each such loop into a pipeline; what cannot leave its loop is reported."""
    loops = [i for i in instances if i.plan is not None and i.plan.outlined and not i.plan.broken]
    if not loops:
        return Outlined(nodes, outputs)
    parameters = {i.parameter.name: i.parameter for i in inputs}
    found = Outlined(nodes, outputs)
    for loop in loops:
        found = _Outline(report, found, parameters, loop).made()
    by_name = {n.name: n for n in found.nodes}
    _, ring = sort(by_name, lambda name: predecessors(by_name[name]))
    if ring:
        shown = " → ".join(f"`{n}`" for n in reversed(ring))
        inside = next(loop for loop in loops if body_name(loop) in ring)
        message = f"stages need each other in a circle: {shown}"
        help = "what stands between stages of a loop belongs into it"
        report.error("MLP0302", message, inside.spec.name.span, help=help)
    return found


class _Outline:
    def __init__(self, report: Report, around: Outlined, parameters: dict[str, Parameter], loop: Instance) -> None:
        assert loop.plan is not None
        self.report = report
        self.around = around
        self.parameters = parameters
        self.loop = loop
        self.plan = loop.plan
        self.name = body_name(loop)
        self.inside = {i.name: i for i in self.plan.inside}
        self.exports = exports(self.plan)
        self.taken: dict[str, Parameter] = {}  # inputs of the pipeline
        self.given: dict[str, Binding] = {}  # what they are bound to
        self._names: dict[tuple[str, ...], str] = {}
        self._reserved = {
            key for i in self.plan.stages for key in (*(k.key for k in i.item_keys.values()), *i.carried.values())
        }

    def made(self) -> Outlined:
        """The nodes around the loop, its body in the place of its stages."""
        within = [n for n in self.around.nodes if n.name in self.inside]
        for node in within:
            if node.deployment is not None:
                message = f"`{node.title}` deploys, which a loop cannot"
                self.report.error(
                    "MLP0327", message, self.inside[node.name].spec.name.span, help="deploy after the loop"
                )
        after: dict[str, None] = {}
        made = tuple(self._moved(n, after) for n in within)
        if self.report.failed:
            return self.around
        body = self._body(made, tuple(after))
        nodes: list[Node] = []
        for node in self.around.nodes:
            if node.name not in self.inside:
                nodes.append(self._around(node))
            elif node is within[0]:
                nodes.append(body)
        return Outlined(tuple(nodes), tuple(self._published(o) for o in self.around.outputs))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _moved(self, node: Node, after: dict[str, None]) -> Node:
        """A node of the loop, as it stands in the pipeline."""
        stage = self.inside[node.name]
        parameters = {p.name: p for p in node.component.inputs}
        inputs: list[tuple[str, Binding]] = []
        bound = dict(node.inputs)
        for name, parameter in parameters.items():
            if name in stage.carried:
                inputs.append(
                    (
                        name,
                        self._take(("carried", stage.carried[name]), stage.carried[name], parameter, bound.get(name)),
                    )
                )
            elif name in stage.item_keys:
                key = stage.item_keys[name].key
                inputs.append((name, self._take(("item", key), key, parameter, None)))
            elif name in bound:
                inputs.append((name, self._inner(bound[name], parameter)))
        for text in _BOUND.findall(json.dumps([node.run.compute, node.run.extra], default=str)):
            if text in self.parameters:
                self._take(("input", text), text, self.parameters[text], FromInput(text))
        outside = [name for name in node.after if name not in self.inside]
        after.update(dict.fromkeys(outside))
        control = node.control
        if control is not None and control.condition is not None:
            flag = Parameter("condition", "bool", "boolean")
            condition = self._inner(control.condition, flag)
            assert isinstance(condition, Literal | FromInput | FromNode)
            control = control._replace(condition=condition)
        return node._replace(
            inputs=tuple(inputs), after=tuple(n for n in node.after if n in self.inside), control=control
        )

    def _inner(self, binding: Binding, parameter: Parameter) -> Binding:
        """A binding as it is said inside."""
        if isinstance(binding, FromInput):
            known = self.parameters.get(binding.name, parameter)
            taken = self._take(("input", binding.name), binding.name, known, binding._replace(mode=None))
            return taken._replace(span=binding.span, mode=binding.mode)
        if isinstance(binding, FromNode) and binding.node not in self.inside:
            key = ("node", binding.node, binding.port)
            taken = self._take(key, f"{binding.node}_{binding.port}", parameter, binding._replace(mode=None))
            return taken._replace(span=binding.span, mode=binding.mode)
        if isinstance(binding, Asset) and binding.local:
            return self._take(("asset", binding.path), f"{parameter.name}_data", parameter, binding)
        if isinstance(binding, Template):
            parts = [p if isinstance(p, str) else self._inner(p, _TEXT) for p in binding.parts]
            return binding._replace(parts=tuple(p for p in parts if isinstance(p, str | FromInput | FromNode)))
        return binding

    def _take(self, key: tuple[str, ...], wanted: str, parameter: Parameter, binding: Binding | None) -> FromInput:
        """The input of the pipeline for something from outside."""
        name = self._names.get(key)
        if name is None:
            name = wanted
            fixed = key[0] in ("carried", "item")  # Azure ML and the loop speak of these by name
            while name in self.taken or (not fixed and name in self._reserved):
                name += "_"
            self._names[key] = name
            absent = key[0] == "carried" and binding is None  # `none` in the first round
            self.taken[name] = parameter._replace(
                name=name, default=None, has_default=False, optional=absent, mode=None, inferred=False
            )
            if binding is not None:
                self.given[name] = binding
        return FromInput(name)

    def _body(self, nodes: tuple[Node, ...], after: tuple[str, ...]) -> Node:
        ports = {(n.name, p.name): p for n in nodes for p in n.component.outputs}
        outputs = tuple(
            PipelineOutput(name, p.type, p.azure_type, FromNode(*key), description=p.description)
            for key, name in self.exports.items()
            if (p := ports.get(key)) is not None
        )
        span = self.loop.spec.name.span
        graph = Graph(
            name=self.name,
            title=self.name,
            description="",
            profile=None,
            inputs=tuple(PipelineInput(p, None, span=p.span) for p in self.taken.values()),
            outputs=outputs,
            nodes=nodes,
            facts=(),
            endpoints=(),
            schedules=(),
            privacy=Privacy(),
            default_compute=None,
            preview=any(n.control is not None for n in nodes),
            span=span,
            display_name=self.name,
        )
        component = Component(
            name=self.name,
            azure_name=self.name,
            version="1",
            display_name=self.name,
            description=f"What `{self.loop.title}` repeats.",
            origin="inline",
            kind="pipeline",
            folder=self.plan.scope.folder,
            source=self.plan.scope.file(self.loop.spec.span),
            inputs=tuple(self.taken.values()),
            outputs=tuple(OutputPort(o.name, o.type, o.azure_type, o.description, tuple(self.taken)) for o in outputs),
            command="",
            code=None,
            includes=(),
            environment=Environment(),
            graph=graph,
        )
        given = tuple((name, self.given[name]) for name in self.taken if name in self.given)
        return Node(self.name, self.name, "step", "pipeline", component, given, after=after, span=span)

    # --- outside ------------------------------------------------------------------------------------------------------

    def _around(self, node: Node) -> Node:
        """A node outside, with what it takes from the loop."""
        inputs = tuple((name, self._outer(b)) for name, b in node.inputs)
        after = tuple(dict.fromkeys(self.name if n in self.inside else n for n in node.after))
        control: Control | None = node.control
        if control is not None and node.name != self.loop.name:
            condition, items = (self._outer(b) if b is not None else None for b in (control.condition, control.items))
            control = control._replace(condition=condition, items=items)  # type: ignore[arg-type]
        elif control is not None and isinstance(control.condition, FromNode):
            control = control._replace(condition=self._of_body(control.condition))
        deployment = node.deployment
        if deployment is not None:
            deployment = deployment._replace(model=self._outer(deployment.model))  # type: ignore[arg-type]
        if inputs == node.inputs and after == node.after and control == node.control and deployment == node.deployment:
            return node
        return node._replace(inputs=inputs, after=after, control=control, deployment=deployment)

    def _outer(self, binding: Binding) -> Binding:
        if isinstance(binding, FromNode) and binding.node in self.inside:
            self._single(binding)
            return self._of_body(binding)
        if isinstance(binding, Template):
            parts = tuple(p if isinstance(p, str) else self._outer(p) for p in binding.parts)
            return binding._replace(parts=parts)  # type: ignore[arg-type]
        return binding

    def _of_body(self, binding: FromNode) -> FromNode:
        return binding._replace(node=self.name, port=self.exports.get((binding.node, binding.port), binding.port))

    def _published(self, output: PipelineOutput) -> PipelineOutput:
        source = output.source
        if source is None or source.node not in self.inside:
            return output
        self._single(source)
        return output._replace(source=self._of_body(source))

    def _single(self, binding: FromNode) -> None:
        """Outside of a `for each` there is no one output of its stages."""
        if not isinstance(self.plan.item, syntax.For):
            return
        port = self.exports.get((binding.node, binding.port), binding.port)
        named = self.plan.item.name is not None
        self.report.error(
            "MLP0331",
            f"`{self.inside[binding.node].title}` runs once for each item and has no single `{binding.port}`",
            _place(binding, self.loop),
            help=f"`{self.loop.title}.{port}` is what all its turns give"
            if named
            else f"name the loop, `for each … as all {{`, and write `all.{port}`",
        )


_TEXT = Parameter("text", "string", "string")


def _place(binding: FromNode, loop: Instance) -> Span:
    return binding.span if binding.span is not None else loop.spec.name.span
