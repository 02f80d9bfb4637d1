"""Along the edges, in order: cycles, the facts of tables, and the frameworks of models."""

import itertools
import json
from typing import Any

from mlp_lang.compiler import catalog
from mlp_lang.compiler.data import Datum, check_column
from mlp_lang.compiler.graph import Facts, FromInput, Literal
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Input
from mlp_lang.compiler.order import sort
from mlp_lang.compiler.stages import Context
from mlp_lang.compiler.types import ListType, Port, Union
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span


def edges(instance: Instance) -> list[Instance]:
    """The stages that must have succeeded before this one."""
    found = list(instance.after.values())
    for sources in instance.sources.values():
        found += [source for source, _ in sources]
    return found + instance.waits


def order(context: Context, instances: list[Instance]) -> list[Instance] | None:
    """The stages in an order that they can run in; None once a cycle is reported."""
    names, ring = sort(instances, edges)
    if not ring:
        return names
    ring.reverse()  # from needs to is needed by: the way the data goes
    first = min(range(len(ring) - 1), key=lambda i: ring[i].spec.span.start)
    path = [*ring[first:-1], *ring[: first + 1]]
    shown = " → ".join(f"`{i.title}`" for i in path)
    related = tuple(
        Related(_edge(target, source), f"`{target.title}` needs `{source.title}`")
        for source, target in itertools.pairwise(path)
    )
    context.report.error(
        "MLP0302", f"stages need each other in a circle: {shown}", path[0].spec.name.span, related=related
    )
    return None


def _edge(instance: Instance, source: Instance) -> Span:
    for name, pairs in instance.sources.items():
        if any(s is source for s, _ in pairs):
            return setting_span(instance, name)
    for expr in instance.spec.after:
        if source.spec.name.text in expr.span.text:
            return expr.span
    return instance.spec.name.span


def setting_span(instance: Instance, name: str) -> Span:
    """Where a stage gives an input: its value, or the stage's name if the compiler gave it."""
    for item in instance.spec.items or ():
        if isinstance(item, syntax.Setting) and item.name.text == name:
            return item.value.span
    return instance.spec.name.span


class Flow:
    """What flows along the edges of one pipeline. `facts` are all that are known, by name."""

    def __init__(self, context: Context, data: dict[str, Datum]) -> None:
        self.context = context
        self.data = data
        self.facts = {d.facts.name: d.facts for d in data.values() if d.facts is not None}

    def walk(self, instances: list[Instance]) -> None:
        """Fill in each stage's facts inputs and outputs, in order."""
        for instance in instances:
            face = instance.interface
            if face is None:
                continue
            self._emitted(instance)
            for name, output in face.outputs.items():
                if output.like:
                    self._inherit(instance, name, output.like)
                t = output.type
                if isinstance(t, Port) and t.azure.endswith("_model"):
                    known = t.framework
                    instance.frameworks[name] = known or (
                        self._framework(instance, output.like) if output.like else None
                    )
            for asked in face.inputs.values():
                if asked.filled == "facts":
                    self._fill(instance, asked.name, asked.of, asked.parameter.optional)
                elif asked.column_of and asked.name in instance.bindings:
                    self._column(instance, asked.name, asked.column_of)
                elif asked.name in instance.bindings:
                    self._check_frameworks(instance, asked)

    def _inherit(self, instance: Instance, port: str, like: str) -> None:
        """The facts of a table like another; those of one that a release gives away say that it is not private."""
        found = instance.facts[port] = self.of_input(instance, like)
        rule = instance.interface.release if instance.interface is not None else None
        if found is None or rule is None or port not in rule.outputs:
            return
        document: dict[str, Any] = dict(self.facts[found].document)
        if document.get("private"):
            self._know(instance, port, {**document, "private": None}, f"{instance.name}_{port}")

    def of_input(self, instance: Instance, name: str) -> str | None:
        """Name of the Facts of what flows into an input."""
        pairs = instance.sources.get(name)
        if pairs:
            return pairs[0][0].facts.get(pairs[0][1])
        datum = self._datum(instance, name)
        return datum.facts.name if datum is not None and datum.facts is not None else None

    def _datum(self, instance: Instance, name: str) -> Datum | None:
        binding = instance.bindings.get(name)
        return self.data.get(binding.name) if isinstance(binding, FromInput) else None

    def _fill(self, instance: Instance, name: str, of: str, optional: bool) -> None:
        if of not in instance.bindings:
            return
        found = self.of_input(instance, of)
        if found is not None:
            instance.bindings[name] = FromInput(self.facts[found].input_name)
        elif not optional:
            self.context.report.error(
                "MLP0605",
                f"`{instance.title}` needs to know the columns of its `{of}`",
                setting_span(instance, of),
                help="give the `data` that it comes from a `schema`",
            )

    def _column(self, instance: Instance, name: str, table: str) -> None:
        binding = instance.bindings[name]
        found = self.of_input(instance, table)
        if found is None or not isinstance(binding, Literal):
            return
        schema: Any = self.facts[found].document["schema"]
        span = setting_span(instance, name)
        for column in binding.value if isinstance(binding.value, list) else [binding.value]:
            if schema and not check_column(self.context.evaluator, column, span, schema["properties"], found):
                del instance.bindings[name]
                return

    def _framework(self, instance: Instance, name: str) -> str | None:
        pairs = instance.sources.get(name)
        if pairs:
            return pairs[0][0].frameworks.get(pairs[0][1])
        datum = self._datum(instance, name)
        return datum.symbol.value.framework if datum is not None else None

    def _check_frameworks(self, instance: Instance, asked: Input) -> None:
        wanted = _wanted(asked)
        if not wanted:
            return
        name = asked.name
        for source, port in instance.sources.get(name, ()):
            if port in source.frameworks:
                maker = Related(source.spec.name.span, f"`{source.title}` makes it")
                good = self._check_framework(instance, name, wanted, source.frameworks[port], maker)
                if good and instance.interface is not None and name in instance.interface.convertible:
                    self._convertible(instance, source, setting_span(instance, name))
        datum = self._datum(instance, name)
        if datum is not None and datum.symbol.value.azure == "mlflow_model":
            declared = Related(datum.symbol.span, "declared here")
            self._check_framework(instance, name, wanted, datum.symbol.value.framework, declared)

    def _check_framework(
        self, instance: Instance, name: str, wanted: tuple[str, ...], found: str | None, where: Related
    ) -> bool:
        span = setting_span(instance, name)
        takes = " or ".join(f"`model[{w}]`" for w in wanted)
        if found is None:
            message = f"`{name}` takes {takes}, the framework of this model is unknown"
            self.context.report.warning("MLP0217", message, span, related=(where,))
        elif found not in wanted:
            message = f"`{name}` takes {takes}, found `model[{found}]`"
            self.context.report.error("MLP0216", message, span, related=(where,))
        return found in wanted

    def _convertible(self, instance: Instance, source: Instance, span: Span) -> None:
        """The ONNX converter must know the estimator that trained the model, or that a release was made from."""
        maker = source
        seen = {maker.name}
        while maker.interface is not None and maker.interface.family is None:
            nearer = [p[0][0] for n, p in maker.sources.items() if n == "model" and p]
            if not nearer or nearer[0].name in seen:
                return
            maker = nearer[0]
            seen.add(maker.name)
        if maker.interface is None:
            return
        spec = catalog.estimators(maker.interface).get(maker.interface.name.partition(".")[2], {})
        if not spec.get("onnx", True):
            message = f"no converter to ONNX knows `{maker.interface.name}`"
            related = (Related(maker.spec.component[0].span, "the estimator is chosen here"),)
            self.context.report.error("MLP0227", message, span, related=related)

    def _emitted(self, instance: Instance) -> None:
        """`sklearn.dataset { name = "wine" }`: the facts of an output by the value of an input."""
        face = instance.interface
        assert face is not None
        for port, facts in face.emits.items():
            self._know(instance, port, facts.document, f"{instance.name}_{port}")
        rule = face.emits_facts
        if not rule:
            return
        binding = instance.bindings.get(rule["key"])
        value = binding.value if isinstance(binding, Literal) else None
        if value is None and rule["key"] in face.inputs:
            value = face.inputs[rule["key"]].parameter.default
        if not isinstance(value, str):
            return
        documents = _documents(f"{face.folder}/{rule['file']}")
        document = documents.get(value)
        if document is not None:
            self._know(instance, rule["output"], document, instance.name)

    def _know(self, instance: Instance, port: str, document: dict[str, Any], name: str) -> None:
        """Facts of an output, under a name that is free."""
        while name in self.facts:
            name += "_"
        input_name = f"{name}_facts"
        while instance.scope.find(input_name) is not None:
            input_name += "_"
        self.facts[name] = Facts(name, input_name, {**document, "name": name}, instance.spec.name.span)
        instance.facts[port] = name


def _wanted(asked: Input) -> tuple[str, ...]:
    """The frameworks that an input takes; none if it does not care."""
    if asked.frameworks:
        return asked.frameworks
    t = asked.type.item if isinstance(asked.type, ListType) else asked.type
    members = t.members if isinstance(t, Union) else (t,)
    return tuple(m.framework for m in members if isinstance(m, Port) and m.framework)


_read: dict[str, dict[str, Any]] = {}


def _documents(path: str) -> dict[str, Any]:
    if path not in _read:
        with open(path, encoding="utf-8") as file:
            _read[path] = json.load(file)
    return _read[path]
