"""From one pipeline under one profile to its Graph, or to what is wrong with it: the order of the compiler's work."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from mlp_lang.compiler import (
    automl,
    blocks,
    deploys,
    gates,
    inline,
    nested,
    privacy,
    profiles,
    schedules,
    search,
    settings,
    stages,
    steering,
    variants,
)
from mlp_lang.compiler.checks import report_misfit, resolve_type
from mlp_lang.compiler.components import Components
from mlp_lang.compiler.data import Datum, compile_data, compile_param, declare_data, declare_param
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.fit import mismatch
from mlp_lang.compiler.flow import Flow, order
from mlp_lang.compiler.graph import (
    Asset,
    Binding,
    Component,
    Facts,
    FromInput,
    FromNode,
    Graph,
    Node,
    OutputSetting,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Schedule,
)
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Interface
from mlp_lang.compiler.outline import outline
from mlp_lang.compiler.program import Module, Program, mentioned
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.settings import RAW, strings
from mlp_lang.compiler.specialise import Specialiser
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.types import BOOL, INT, NONE, STRING, Port, Scalar, Type, Union, azure_scalar, canonical, is_port
from mlp_lang.compiler.unroll import Parts, unroll
from mlp_lang.compiler.usage import Usage
from mlp_lang.compiler.values import Bad, Constant, PortRef
from mlp_lang.compiler.vocabulary import ANY_MAP, IDENTITIES, SETTINGS, merge, put, words
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span
from mlp_lang.dsl.syntax import Name

_SETTINGS: settings.Vocabulary = {
    "kind": settings.Words(("job", "component")),
    "component": RAW,
    "version": Union((STRING, INT)),
    "compute": RAW,
    "preview": BOOL,
    "display_name": Union((STRING, NONE)),
    "job_name": STRING,
    "experiment": STRING,
    "description": STRING,
    "tags": ANY_MAP,
    "properties": ANY_MAP,
    "identity": RAW,
}
_BLOCKS = ("settings", "azureml")
Published: TypeAlias = "dict[str, tuple[PipelineOutput, Type, Instance | None]]"
"""The outputs of a pipeline by name, each with its type and the stage that gives it."""


def compile_pipeline(
    program: Program,
    symbol: Symbol,
    profile: str | None,
    params: Mapping[str, tuple[Name, Name]],
    report: Report,
    usage: Usage,
    *,
    complete: bool,
) -> Graph | None:
    """The Graph of a pipeline; None if anything of it is wrong."""
    module = program.root
    assert module is not None
    return _Compilation(program, module, symbol, profile, report, usage, complete=complete).run(params)


class _Compilation:
    """One run over one pipeline. Its methods are the compiler's phases, in the order of `run`."""

    def __init__(
        self,
        program: Program,
        module: Module,
        symbol: Symbol,
        profile: str | None,
        report: Report,
        usage: Usage,
        *,
        complete: bool,
        chain: tuple[Symbol, ...] = (),
        span: Span | None = None,
    ) -> None:
        self.program = program
        self.module = module
        self.symbol = symbol
        self.chain = (*chain, symbol)  # pipelines inside one another, outermost first
        self.span = span  # the stage that uses it, if one does
        self.face: Interface | None = None  # what that stage sees
        self.depth = 0  # of the pipelines in this one
        self.node: syntax.Pipeline = symbol.node
        self.profile = profile
        self.report = report
        self.usage = usage
        self.complete = complete
        self.evaluator = Evaluator(report, module.scope)
        self.resources = Resources(self.evaluator, complete=complete)
        self.components = Components(self.resources, self._nested)
        self.context = stages.Context(self.evaluator, report, self.resources, self.components)
        self.scope = Scope(module.scope, module.scope.folder)
        self.places: dict[str, dict[str, Any]] = {}  # what only Azure ML reads of a datum, by name

    def run(self, params: Mapping[str, tuple[Name, Name]]) -> Graph | None:
        replaced = self._profile()
        parts = unroll(self.node.items, self.scope, self.evaluator, self.report)
        given = settings.read(self.evaluator, tuple(parts.settings), self.scope, _SETTINGS, "a pipeline", _BLOCKS)
        as_component = variants.is_component(given)
        variants.check_settings(self.report, given, [i for i in parts.settings if isinstance(i, syntax.Block)])
        inputs = self._params(parts, replaced, params, as_component)
        data = self._data(parts, replaced)
        instances = parts.instances
        written = [i for i in instances if i.plan is None]
        preview = bool(given["preview"].value) if "preview" in given else False
        steering.prepare(self.context, instances, preview=preview)
        for instance in written:
            stages.resolve(self.context, instance)
        steering.gather(instances)
        for instance in written:
            stages.compile_stage(self.context, instance)
            gates.compile_gates(self.context, instance)
        steering.compile_controls(self.context, instances, parts.loops)
        filling = nested.Filling(set(self.scope.names))
        for instance in written:
            filling.fill(instance)
        self.places |= filling.places
        self._derived(parts)
        default = self.resources.compute(given["compute"].value, self.scope) if "compute" in given else None
        face = variants.used(self.report, self.components, self.scope, given) if "component" in given else None
        if "component" in given and self._has_stages():
            message = "a job that runs a component has no stages"
            help = "remove `component`, or the stages"
            self.report.error("MLP0374", message, given["component"].name.span, help=help)
        elif "component" not in given and not instances and not self._has_stages():
            message = f"pipeline `{self.node.name.text}` has no stages"
            self.report.error("MLP0316", message, self.node.name.span, help="a pipeline runs at least one stage")
        ordered = order(self.context, instances)
        outputs = self._outputs(parts)
        if self.span is not None:
            self._as_component(parts, given, inputs, data, outputs, filling)
        flow = Flow(self.context, data)
        accountant = privacy.Accountant(self.context, data, flow)
        flow.walk(ordered if ordered is not None else [])
        endpoints = (
            deploys.compile_deploys(self.context, instances, complete=self.complete) if ordered is not None else []
        )
        private = accountant.account(ordered if ordered is not None else [])
        for output, _, giver in outputs.values():
            if giver is not None and output.source is not None and output.asset_name is not None and output.span:
                accountant.output_exit(giver, output.source.port, output.asset_name, output.span)
        types: dict[str, Type] = {s.name: s.value for s in parts.params}
        triggers: tuple[Schedule, ...] = ()
        if self.span is None:
            triggers = schedules.compile_schedules(self.evaluator, self.module, self.node.name.text, types)
        accountant.repeated(triggers)
        for symbol in parts.symbols:
            if symbol.kind is Kind.LET and not symbol.used:
                self.evaluator.of_symbol(symbol, symbol.span)  # its mistakes are mistakes all the same
        for name in parts.mentioned:
            spoken = self.scope.find(name)
            if spoken is not None:
                spoken.used = True
        every = [*inputs, *(d.input for d in data.values())]
        whole = None
        if face is not None:
            ports = [*parts.params, *parts.data]
            whole = variants.fill(self.report, face, self.node.name, every, ports, complete=self.complete)
        if as_component:
            variants.check_inputs(self.report, every)
        self.usage.symbols(parts.symbols)
        self.usage.stages(instances)
        if self.report.failed:
            return None
        every.sort(key=lambda i: i.span.start if i.span is not None else 0)
        every += filling.inputs
        specialiser = Specialiser(self.evaluator, complete=self.complete)
        nodes = tuple(self._node(i, specialiser) for i in instances)
        if as_component:
            variants.check_nodes(self.report, every, nodes, self.node.name.span)
        used = {b.name for n in nodes for _, b in n.inputs if isinstance(b, FromInput)}
        known = [f for f in flow.facts.values() if f.input_name in used]
        facts_inputs = [*(_facts_input(f) for f in known), *filling.facts_inputs]
        known += filling.facts
        done = outline(self.report, nodes, tuple(o for o, _, _ in outputs.values()), [*every, *facts_inputs], instances)
        if as_component and (known or endpoints or triggers):
            what = "facts of tables" if known else "deployments" if endpoints else "schedules"
            help = "say them in a job"
            self.report.error("MLP0375", f"a pipeline component carries no {what}", self.node.name.span, help=help)
        if self.report.failed:
            return None
        graph = Graph(
            name=self.node.name.text.lower(),
            title=self.node.name.text,
            description=given["description"].value if "description" in given else self.node.doc,
            profile=self.profile,
            inputs=(*every, *facts_inputs),
            outputs=done.outputs,
            nodes=done.nodes,
            facts=tuple(known),
            endpoints=tuple(endpoints),
            schedules=triggers,
            privacy=private,
            default_compute=default,
            preview=preview or any(n.component.graph is not None and n.component.graph.preview for n in done.nodes),
            experiment=given["experiment"].value if "experiment" in given else None,
            tags=strings(given["tags"].value) if "tags" in given else {},
            sources=tuple(p for p, m in self.program.modules.items() if m is not None),
            span=self.node.name.span,
            display_name=given["display_name"].value if "display_name" in given else self.node.name.text,
            extra=self._extra(parts, given),
            kind="component" if as_component else "job",
            component_version=str(given["version"].value) if "version" in given else None,
            component=whole,
        )
        if self.face is not None:
            nested.facts_brought(self.face, known, facts_inputs)
            nested.emitted(self.face, outputs, flow)
            self.face.component = nested.component(self.symbol, self.face, graph)
        return graph

    def _as_component(
        self,
        parts: Parts,
        given: dict[str, settings.Setting],
        inputs: list[PipelineInput],
        data: dict[str, Datum],
        outputs: Published,
        filling: nested.Filling,
    ) -> None:
        """What the stage that uses this pipeline sees; there even if no Graph comes of it."""
        assert self.span is not None
        reason = nested.refusal(parts, data, given)
        if reason is not None:
            nested.refuse(self.report, self.symbol.name, reason, self.span)
        self.face = nested.interface(self.symbol, self.module.path, parts, inputs, data, outputs, self.places)
        nested.brought(self.face, filling.inputs, filling.places)

    def _nested(self, symbol: Symbol, span: Span) -> Interface | None:
        """The Interface of a pipeline of this or of an imported file, which a stage of this one uses."""
        if symbol in self.chain:
            ring = [*self.chain[self.chain.index(symbol) :], symbol]
            if frozenset(ring) not in self.program.rings:
                self.program.rings.add(frozenset(ring))
                shown = " → ".join(f"`{s.name}`" for s in ring)
                self.report.error("MLP0321", f"pipeline `{symbol.name}` is a part of itself: {shown}", span)
            return None
        profile = self.profile if symbol.scope is self.evaluator.root and self.module is self.program.root else None
        known = self.program.nested.get((symbol, profile))
        if known is None and len(self.chain) <= nested.DEEPEST:
            module = next(m for m in self.program.modules.values() if m is not None and m.scope is symbol.scope)
            inner = _Compilation(
                self.program,
                module,
                symbol,
                profile,
                self.report,
                Usage(),  # whoever reads the file it stands in tells what is unused there
                complete=self.complete,
                chain=self.chain,
                span=span,
            )
            inner.run({})
            known = self.program.nested[symbol, profile] = inner.face, inner.depth
        if known is None or known[1] >= nested.DEEPEST:
            reason = (f"it would be more than {nested.DEEPEST} pipelines deep", symbol.span)
            nested.refuse(self.report, symbol.name, reason, span)
            return None
        self.depth = max(self.depth, known[1] + 1)
        return known[0]

    def _extra(self, parts: Parts, given: dict[str, settings.Setting]) -> dict[str, Any]:
        """What the pipeline's job has beside the Graph's own fields, as Azure ML has it."""
        found: dict[str, Any] = {}
        if "job_name" in given:
            found["name"] = given["job_name"].value
        if "properties" in given:
            found["properties"] = strings(given["properties"].value)
        if "identity" in given:
            identity = blocks.identity_of(self.evaluator, given["identity"].value, self.scope)
            found["identity"] = {"type": IDENTITIES[identity]} if isinstance(identity, str) else identity
        for item in parts.settings:
            if isinstance(item, syntax.Block) and item.name.text == "settings":
                self._settings(item, found)
            elif isinstance(item, syntax.Block) and item.name.text == "azureml":
                merge(found, settings.literals(self.evaluator, item.items, self.scope))
        for name, places in self.places.items():
            put(found, ("inputs", name), places)
        return found

    def _settings(self, block: syntax.Block, found: dict[str, Any]) -> None:
        rows = words(SETTINGS, "pipeline")
        items = tuple(self._named_stage(item) for item in block.items)
        vocabulary: settings.Vocabulary = {word: row.type for word, row in rows.items()}
        for word, setting in settings.read(self.evaluator, items, self.scope, vocabulary, "`settings`").items():
            put(found, rows[word].path, setting.value)

    def _named_stage(self, item: syntax.Item) -> syntax.Item:
        """`on_init = setup` names a stage: Azure ML wants its name."""
        if isinstance(item, syntax.Setting) and isinstance(item.value, syntax.Reference):
            symbol = self.scope.find(item.value.name)
            if symbol is not None and isinstance(symbol.value, Instance):
                symbol.used = symbol.value.needed = True
                return item._replace(value=syntax.String((symbol.value.name,), False, item.value.span))
        return item

    def _has_stages(self) -> bool:
        """Whether a stage is written anywhere, or may be in text that did not parse."""
        return any(isinstance(i, syntax.Stage | syntax.Invalid) for i in profiles.walk(self.node.items))

    # --- phases -------------------------------------------------------------------------------------------------------

    def _profile(self) -> profiles.Replacements:
        replaced = profiles.replacements(self.module, self.profile, self.node.name.text)
        reader = Evaluator(self.report, self.module.scope)
        for name, expr in replaced.lets.items():
            value = reader.constant(expr, self.module.scope, "a `let`")
            if value is not None:
                self.evaluator.lets[name] = value
        for key, expr in replaced.things.items():
            self.resources.replaced[key] = (expr, self.module.scope)
        return replaced

    def _params(
        self,
        parts: Parts,
        replaced: profiles.Replacements,
        params: Mapping[str, tuple[Name, Name]],
        as_component: bool,
    ) -> list[PipelineInput]:
        overrides: dict[str, tuple[Constant, Span]] = {}
        for symbol in parts.params:
            declare_param(self.evaluator, symbol, self.scope)
        for name, expr in replaced.params.items():
            value = self.evaluator.constant(expr, self.module.scope, f"`{name}`")
            if value is not None:
                overrides[name] = (value, expr.span)
        if params:
            types: dict[str, Type] = {s.name: s.value for s in parts.params}
            overrides |= profiles.from_command_line(self.evaluator, params, types, self.scope)
        made = [compile_param(self.evaluator, s, self.scope, overrides.get(s.name), as_component) for s in parts.params]
        return [m for m in made if m is not None]

    def _data(self, parts: Parts, replaced: profiles.Replacements) -> dict[str, Datum]:
        found: dict[str, Datum] = {}
        for symbol in parts.data:
            declare_data(self.evaluator, symbol, self.scope)
        for symbol in parts.data:
            expr = replaced.data.get(symbol.name)
            override = (expr, self.module.scope) if expr is not None else None
            name = f"{symbol.name}_facts"
            while name in self.scope.names:
                name += "_"
            datum = compile_data(self.evaluator, symbol, self.scope, override, name)
            if datum is not None:
                found[symbol.name] = datum
                if datum.places:
                    self.places[symbol.name] = datum.places
        return found

    def _derived(self, parts: Parts) -> None:
        """What is parsed and checked but not compiled: one clear error each."""
        for item, scope in parts.derived:
            span = Span(item.span.source, item.span.start, item.span.start + len("derive"))
            self._look(item.value, scope)
            self.report.error("MLP0390", "`derive` is not compiled yet", span)

    def _look(self, expr: syntax.Expr, scope: Scope) -> None:
        """Unknown names in what is only looked at."""
        for name in sorted(mentioned(expr)):
            symbol = self.evaluator.lookup(name, expr.span, scope)
            if symbol is not None and isinstance(symbol.value, Instance):
                symbol.value.needed = True

    def _outputs(self, parts: Parts) -> Published:
        found: Published = {}
        names: dict[str, syntax.Name] = {}
        for item, scope in parts.outputs:
            earlier = names.setdefault(item.name.text, item.name)
            if earlier is not item.name:
                related = (Related(earlier.span, "first declared here"),)
                self.report.error(
                    "MLP0103", f"output `{earlier.text}` is declared twice", item.name.span, related=related
                )
                continue
            made = self._output(item, scope)
            if made is not None:
                found[item.name.text] = made
            else:
                self.report.forgiven.add(item.name.text)  # a stage that uses this pipeline may speak of it
        return found

    def _output(self, item: syntax.Output, scope: Scope) -> tuple[PipelineOutput, Type, Instance | None] | None:
        given = settings.read(self.evaluator, item.items or (), scope, blocks.OUTPUT, "an output")
        stated = resolve_type(self.evaluator, item.type, scope) if item.type is not None else None
        if item.value is None:
            if not isinstance(stated, Port) and stated not in inline.VALUES:
                message = f"output `{item.name.text}` does not say what it is"
                help = f"output {item.name.text} = <stage>.<port>"
                self.report.error("MLP0314", message, item.name.span, help=help)
                return None
            return self._published(item, given, stated, None), stated, None
        value = self.evaluator.evaluate(item.value, scope)
        if not isinstance(value, PortRef):
            if not isinstance(value, Bad):
                self.report.error("MLP0314", "an output is the port of a stage", item.value.span)
            return None
        problem = mismatch(value.type, stated) if stated is not None and is_port(stated) else None
        if problem is not None:
            report_misfit(self.report, problem, item.value.span, f"output `{item.name.text}`")
        instance = value.instance
        before = instance.outputs.get(value.port)
        if before is None:
            instance.outputs[value.port] = OutputSetting(
                value.port, pipeline_output=item.name.text, span=item.name.span
            )
        else:
            instance.outputs[value.port] = before._replace(pipeline_output=before.pipeline_output or item.name.text)
        source = FromNode(instance.name, value.port, item.value.span)
        t = stated if stated is not None else value.type
        return self._published(item, given, t, source), t, instance

    def _published(
        self, item: syntax.Output, given: dict[str, settings.Setting], t: Type, source: FromNode | None
    ) -> PipelineOutput:
        setting = blocks.output_setting(item.name.text, given, None)
        return PipelineOutput(
            item.name.text,
            canonical(t),
            t.azure if isinstance(t, Port) else azure_scalar(t)[0] if isinstance(t, Scalar) else "uri_folder",
            source,
            setting.mode,
            setting.name,
            setting.version,
            setting.path,
            given["description"].value if "description" in given else item.doc,
            item.name.span,
        )

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _node(self, instance: Instance, specialiser: Specialiser) -> Node:
        component = specialiser.component(instance) if instance.plan is None else steering.component(instance)
        if component.graph is not None and instance.run.compute is not None:
            component = specialiser.elsewhere(component, instance.run.compute)
            instance.run = instance.run._replace(compute=None)
        environment = instance.environment
        if environment is not None and not _beside(instance, component):
            component, environment = component._replace(environment=environment), None
        if instance.kind == "automl":
            automl.say_output(instance)
        bindings = instance.bindings
        if instance.modes:
            bindings = {k: _with_mode(b, instance.modes.get(k)) for k, b in bindings.items()}
        verb = instance.spec.verb.text
        run = instance.run._replace(extra=instance.extra) if instance.extra else instance.run
        if instance.kind == "sweep":
            component, run = search.trial(component, run)
        return Node(
            name=instance.name,
            title=instance.title,
            verb=verb,
            kind=instance.kind,
            component=component,
            inputs=tuple((p.name, bindings[p.name]) for p in component.inputs if p.name in bindings),
            outputs=tuple(instance.outputs.values()),
            after=tuple(instance.after),
            run=run,
            gates=tuple(instance.gates),
            deployment=instance.deployment,
            ungated=instance.ungated,
            private={port: tuple(sorted(labels)) for port, labels in instance.labels.items()},
            description=instance.spec.doc,
            span=instance.spec.name.span,
            search=search.of_node(instance, component),
            control=instance.control,
            environment=environment,
        )


def _beside(instance: Instance, component: Component) -> bool:
    """Whether the environment of a `run` block goes into the job: its component is a definition that has its own."""
    if instance.kind in ("command", "spark") and component.origin == "inline":
        return not component.in_place
    return instance.kind in ("command", "spark") and component.origin in ("file", "registered")


def _with_mode(binding: Binding, mode: str | None) -> Binding:
    if mode is not None and isinstance(binding, Asset | FromInput | FromNode):
        return binding._replace(mode=mode)
    return binding


def _facts_input(facts: Facts) -> PipelineInput:
    description = f"What is known of `{facts.name}`: columns, label, sensitive columns, privacy."
    shown = Parameter(facts.input_name, "file", "uri_file", description, span=facts.span)
    return PipelineInput(shown, None, facts.name, False, facts.span)
