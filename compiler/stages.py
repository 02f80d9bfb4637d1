"""From a stage and its component's Interface to the stage's bindings, settings and edges."""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from mlp_lang.compiler import automl, blocks, search, spaces, steering
from mlp_lang.compiler.checks import report_misfit
from mlp_lang.compiler.components import KINDS, Components
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.fit import Misfit, azure_takes, misfit, mismatch
from mlp_lang.compiler.graph import Binding, FromInput, FromNode, Literal
from mlp_lang.compiler.inline import add_input
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Input, Interface, open_port
from mlp_lang.compiler.program import mentioned
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.suggestions import did_you_mean, listing
from mlp_lang.compiler.symbols import Kind
from mlp_lang.compiler.types import PORTS, STRING, ListType, Port, Scalar, Type, is_port
from mlp_lang.compiler.unroll import duplicate
from mlp_lang.compiler.values import (
    BAD,
    AssetValue,
    Bad,
    Constant,
    Evaluated,
    InputRef,
    PortList,
    PortRef,
    SearchSpace,
    Text,
    Thing,
)
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span


class Context(NamedTuple):
    """What compiling a stage needs: made once per pipeline and profile."""

    evaluator: Evaluator
    report: Report
    resources: Resources
    components: Components


def resolve(context: Context, instance: Instance) -> None:
    """Find the component of a stage and check its verb."""
    spec = instance.spec
    face = context.components.interface(spec, instance.scope)
    if face is None:
        return
    instance.interface = automl.own_outputs(instance, face) if face.kind == "automl" else face
    verb = spec.verb.text
    # a `tune` tries trainings, and gives the outputs of the best
    if face.verbs and verb not in face.verbs and verb != "step" and not (verb == "tune" and "train" in face.verbs):
        right = face.verbs[0]
        shown = ", ".join(f"`{v}`" for v in face.verbs)
        from mlp_lang.compiler.report import replace

        context.report.error(
            "MLP0301",
            f"`{face.name}` does not serve `{verb}`",
            spec.verb.span,
            f"serves {shown}",
            help=f"write `{right} {spec.name.text} using …`",
            fixes=(replace(f"Replace `{verb}` by `{right}`", spec.verb.span, right),),
        )


def compile_stage(context: Context, instance: Instance) -> None:
    """Fill in bindings, edges, run settings and output settings; mistakes go to the report."""
    spec = instance.spec
    report = context.report
    scope = instance.scope
    if spec.on is not None:
        compute = context.resources.compute(spec.on, scope)
        if compute is not None and instance.kind == "pipeline" and compute.startswith("${{"):
            message = "what a pipeline inside another runs on is known when it is compiled"
            report.error("MLP0322", message, spec.on.span, help="name a compute, or say it at the stages inside")
        elif compute is not None:
            instance.run = instance.run._replace(compute=compute)
    if spec.after:
        _after(context, instance)
    given: dict[str, syntax.Setting] = {}
    broken = False
    face = instance.interface
    for item in spec.items or ():
        kind = type(item)
        if kind is syntax.Setting:
            assert isinstance(item, syntax.Setting)
            earlier = given.setdefault(item.name.text, item)
            if earlier is not item:
                duplicate(report, item.name, earlier.name)
        elif kind is syntax.Invalid:
            broken = True
            report.forgiven |= item.names  # type: ignore[union-attr]
        # require, expect, declassify and ungated are read by gates and privacy
    if face is not None:
        if instance.kind == "automl":
            automl.take(context, instance, given)
        _inputs(context, instance, face, given, broken)
    else:
        for setting in given.values():
            _look(context, instance, setting.value)
    for item in spec.items or ():
        if isinstance(item, syntax.Block):  # after the inputs: they speak of those that only the stage names, too
            blocks.stage_block(context, instance, item)
    if face is not None:
        search.finish(context, instance)


def _after(context: Context, instance: Instance) -> None:
    for expr in instance.spec.after:
        chosen = context.evaluator.copies(expr, instance.scope)
        if chosen is None:
            _not_a_stage(context, expr, instance)
            continue
        for one in chosen:
            other = steering.awaited(context.report, one, expr.span)
            if other is not None:
                other.needed = True
                instance.after[other.name] = other


def _not_a_stage(context: Context, expr: syntax.Expr, instance: Instance) -> None:
    if isinstance(expr, syntax.Reference):
        symbol = context.evaluator.lookup(expr.name, expr.span, instance.scope)
        if symbol is None or symbol.kind in (Kind.DERIVE, Kind.LOOP):
            return
        found = f"a `{symbol.kind.value}`"
    elif isinstance(expr, syntax.Attribute):
        found = "a port"
    else:
        found = "a value"
    context.report.error("MLP0308", f"`after` names stages, found {found}", expr.span)


def _inputs(
    context: Context, instance: Instance, face: Interface, given: dict[str, syntax.Setting], broken: bool
) -> None:
    inputs = face.inputs
    scope = instance.scope
    evaluate = context.evaluator.evaluate
    meant = _said_to_azure(instance)
    one_use = face.origin == "inline" and instance.spec.component[0].text in KINDS
    for name, setting in given.items():
        asked = inputs.get(name)
        if asked is None and face.open:
            open_port(face, name, "input")
            asked = inputs[name]
        if asked is None:
            if one_use and face.component is None:
                asked = _inferred(context, instance, face, name, setting)
            if asked is None:
                if not one_use:
                    meant.add(_unknown_input(context, instance, face, setting))
                    _look(context, instance, setting.value)
                continue
        if (asked.filled or asked.refusal or asked.deprecated) and not _may_set(context, face, asked, setting):
            continue
        value = instance.evaluated.get(name)
        if value is None and instance.body_of is not None:
            value = steering.from_loop(context, instance, name, setting)
        if value is None:
            value = evaluate(setting.value, scope)
        instance.evaluated[name] = value
        if value is BAD:
            continue
        binding = bind(context, instance, face, asked, value, setting.value.span)
        if binding is not None:
            instance.bindings[name] = binding
    for name, asked in inputs.items():
        if asked.required and name not in given and name not in meant and not asked.filled:
            if not broken:
                _missing(context, instance, face, given.keys() | meant)
            break


def _said_to_azure(instance: Instance) -> set[str]:
    """Inputs that the stage gives Azure ML past all checks: `azureml { inputs { x = 3 } }`."""
    found: set[str] = set()
    for block in instance.spec.items or ():
        if isinstance(block, syntax.Block) and block.name.text == "azureml":
            for inner in block.items:
                if isinstance(inner, syntax.Block) and inner.name.text == "inputs":
                    found |= {i.name.text for i in inner.items if isinstance(i, syntax.Setting | syntax.Block)}
                elif isinstance(inner, syntax.Setting) and isinstance(inner.value, syntax.MapExpr):
                    keys = (e.key for e in inner.value.entries if inner.name.text == "inputs")
                    found |= {k.text if isinstance(k, syntax.Name) else "".join(map(str, k.parts)) for k in keys}
    return found


def _look(context: Context, instance: Instance, expr: syntax.Expr) -> None:
    """A value that goes nowhere: its own mistakes are mistakes all the same."""
    if instance.body_of is None:
        context.evaluator.evaluate(expr, instance.scope)
        return
    for name in sorted(mentioned(expr)):  # what a loop gives has no value of its own
        context.evaluator.lookup(name, expr.span, instance.scope)


def _inferred(
    context: Context, instance: Instance, face: Interface, name: str, setting: syntax.Setting
) -> Input | None:
    """An input that only the stage names: it has the type of what it is given."""
    value = steering.from_loop(context, instance, name, setting) if instance.body_of is not None else None
    if value is None:
        value = context.evaluator.evaluate(setting.value, instance.scope)
    instance.evaluated[name] = value
    if name in instance.item_keys:
        message = f"nothing says what `{name}` is, which the items give"
        context.report.error("MLP0329", message, setting.name.span, help=f"in its `define`: `param {name}: int`")
    if isinstance(value, Bad):
        return None
    t: Type = STRING
    if isinstance(value, Constant):
        from mlp_lang.compiler.data import type_of_constant

        t = type_of_constant(value)
    elif isinstance(value, InputRef | PortRef | AssetValue):
        t = value.type
    elif isinstance(value, PortList):
        t = ListType(value.ports[0].type)
    elif isinstance(value, SearchSpace):
        t = spaces.type_of(value)
    if face.outputs.get(name) is not None:
        message = f"`{name}` is an output of this component"
        context.report.error("MLP0103", message, setting.name.span, help="give the input another name")
        return None
    add_input(face, name, t, "", None, False)
    asked = face.inputs[name]
    face.inputs[name] = asked._replace(parameter=asked.parameter._replace(inferred=True))
    for key, output in face.outputs.items():
        if not face.known:
            origin = (*output.origin, name)
            face.outputs[key] = output._replace(origin=origin, port=output.port._replace(depends_on=origin))
    return face.inputs[name]


def _unknown_input(context: Context, instance: Instance, face: Interface, setting: syntax.Setting) -> str:
    """Report it; gives the input that was meant, which is then not missing, or nothing."""
    known = [n for n, i in face.inputs.items() if not i.filled and not i.refusal]
    help, fixes = did_you_mean(setting.name.text, known, setting.name.span)
    if not help:
        help = f"it takes {listing(known)}" if known else "it takes no inputs"
    context.report.error(
        "MLP0203",
        f"`{face.name}` has no input `{setting.name.text}`",
        setting.name.span,
        "unknown input",
        help=help,
        fixes=fixes,
    )
    return fixes[0].edits[0].replacement if fixes else ""


def _may_set(context: Context, face: Interface, asked: Input, setting: syntax.Setting) -> bool:
    if asked.filled:
        message = f"`{asked.name}` is filled in by the compiler"
        help = "write `require …` in the stage" if asked.filled == "gates" else "remove this line"
        context.report.error("MLP0218", message, setting.name.span, help=help)
        return False
    if asked.refusal:
        message = f"`{asked.name}` of `{face.name}` cannot be set: {asked.refusal}"
        context.report.error("MLP0220", message, setting.name.span)
        return False
    context.report.warning(
        "MLP0221", f"`{asked.name}` of `{face.name}` is deprecated since {asked.deprecated}", setting.name.span
    )
    return True


def _missing(context: Context, instance: Instance, face: Interface, given: AbstractSet[str]) -> None:
    missing = [i for i in face.inputs.values() if i.required and i.name not in given and not i.filled]
    names = ", ".join(f"`{i.name}`" for i in missing)
    notes = tuple(f"`{i.name}`: {i.parameter.description}" for i in missing if i.parameter.description)
    context.report.error(
        "MLP0201",
        f"`{instance.title}` does not say {names}",
        instance.spec.name.span,
        f"`{face.name}` needs {names}",
        help="\n".join(f"{i.name} = …  # {i.parameter.type}" for i in missing),
        notes=notes,
    )


def bind(
    context: Context, instance: Instance, face: Interface, asked: Input, value: Evaluated, span: Span
) -> Binding | None:
    """The binding of an input, checked against its type; None where there is none, reported if that is a mistake."""
    report = context.report
    target = asked.type
    what = f"`{asked.name}`"
    if isinstance(value, Constant):
        constant = value.value
        if constant is None and asked.optional and not _takes_none(target):
            return None  # `none` leaves an optional input out
        if value.kind == "string" and is_port(target):
            _path_given(context, target, span, what)
            return None
        problem = misfit(constant, value.kind, target)
        if problem is not None and face.origin == "file" and azure_takes(constant, asked.parameter):
            problem = None
        if problem is None:
            return Literal(constant, span)
        return Literal(constant, span) if report_misfit(report, problem, span, what) else None
    if isinstance(value, InputRef):
        problem = mismatch(value.type, target) or _spelling(value.type, asked)
        if problem is not None and face.origin == "file" and not is_port(value.type) and not is_port(target):
            problem = None  # Azure ML hands text over, whatever the parameter's type
        shown = (Related(value.symbol.span, f"`{value.symbol.name}` is declared here"),)
        if problem is not None and not report_misfit(report, problem, span, what, shown):
            return None
        return FromInput(value.symbol.name, span)
    if isinstance(value, PortRef):
        problem = _port_problem(value.type, target)
        if problem is not None:
            shown = (Related(value.instance.spec.name.span, f"`{value.instance.title}` gives {problem.found}"),)
            if not report_misfit(report, problem, span, what, shown):
                return None
        instance.sources[asked.name] = ((value.instance, value.port),)
        return FromNode(value.instance.name, value.port, span)
    if isinstance(value, AssetValue):
        problem = mismatch(value.type, target)
        if problem is not None and not report_misfit(report, problem, span, what):
            return None
        return value.asset
    return _other(context, instance, asked, value, span, what)


def _port_problem(source: Type, target: Type) -> Misfit | None:
    if source is target:
        return None
    if isinstance(source, Port) and isinstance(target, Scalar) and target.name == "string":
        # a number or a word can be read from a file only by the step itself
        return Misfit("MLP0204", f"`{source.name}`", "`string`")
    return mismatch(source, target)


def _spelling(source: Type, asked: Input) -> Misfit | None:
    """A run-time string cannot be made JSON on the way, which an input with several types needs."""
    from mlp_lang.compiler.types import azure_scalar

    # a member of a family (`hyper`) gets a plain string under a flag of its own: see specialise
    if asked.parameter.encoding == "json" and not asked.hyper and azure_scalar(source) == ("string", "plain"):
        return Misfit("MLP0204", "a run-time `string`", f"`{asked.parameter.type}`")
    return None


def _takes_none(target: Type) -> bool:
    return misfit(None, "none", target) is None


def _path_given(context: Context, target: Type, span: Span, what: str) -> None:
    words = target.name if isinstance(target, Port) and target.name in PORTS else "file"
    context.report.error(
        "MLP0204",
        f"{what} is a string, expected `{words}`",
        span,
        help=f"write `{words}({span.text})`, or declare a `data`",
    )


def _other(
    context: Context, instance: Instance, asked: Input, value: Evaluated, span: Span, what: str
) -> Binding | None:
    report = context.report
    if isinstance(value, Text):
        problem = mismatch(STRING, asked.type)
        if problem is not None and not report_misfit(report, problem, span, what):
            return None
        return value.template
    if isinstance(value, PortList):
        if not isinstance(asked.type, ListType):
            problem = Misfit("MLP0204", f"a list of {len(value.ports)} outputs", f"`{asked.parameter.type}`")
            report_misfit(report, problem, span, what)
            return None
        for port in value.ports:
            problem = mismatch(port.type, asked.type.item)
            if problem is not None and not report_misfit(report, problem, span, what):
                return None
        instance.sources[asked.name] = tuple((p.instance, p.port) for p in value.ports)
        return Literal(None, span)  # opened into one input a stage by specialise
    if isinstance(value, Thing):
        if value.symbol.kind is Kind.ENDPOINT and asked.name == "endpoint":
            endpoint = context.resources.endpoint(value.symbol)
            return Literal(endpoint.name, span) if endpoint is not None else None
        report.error("MLP0109", f"{what} takes no {value.symbol.kind.value}", span)
        return None
    if isinstance(value, SearchSpace):
        face = instance.interface
        assert face is not None
        search.take(context, instance, asked, value, face)
    return None
