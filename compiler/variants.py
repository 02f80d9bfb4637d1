"""What a pipeline is that is no job of stages: a component for other jobs (`kind = component`), or a job that runs one
component (`component = hello`). From its settings to what the Graph says of it, and to what is wrong with it.
"""

from typing import Any

from mlp_lang.compiler.checks import report_misfit, unknown_word
from mlp_lang.compiler.components import Components
from mlp_lang.compiler.fit import azure_takes, mismatch
from mlp_lang.compiler.graph import Component, FromInput, Literal, Node, PipelineInput
from mlp_lang.compiler.interface import Interface, component_of
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.settings import Setting
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span
from mlp_lang.dsl.syntax import Name

COMPONENT = "component"
_JOBS_ALONE = ("compute", "experiment", "identity", "properties", "settings", "component")
"""Settings that Azure ML has of a job and not of a component."""


def is_component(given: dict[str, Setting]) -> bool:
    """Whether `kind = component` stands among the settings."""
    return "kind" in given and given["kind"].value == COMPONENT


def check_settings(report: Report, given: dict[str, Setting], blocks: list[syntax.Block]) -> None:
    """Settings of a job in a component (MLP0372), and those of a component in a job."""
    if not is_component(given):
        if "version" in given:
            help = "write `kind = component`, or leave it out"
            report.error("MLP0372", "a job has no `version`", given["version"].name.span, help=help)
        return
    spans = {word: given[word].name.span for word in _JOBS_ALONE if word in given}
    spans |= {block.name.text: block.name.span for block in blocks if block.name.text in _JOBS_ALONE}
    for word, span in spans.items():
        help = "say it in the job that uses the component"
        report.error("MLP0372", f"a pipeline component has no `{word}`", span, help=help)


def check_inputs(report: Report, inputs: list[PipelineInput]) -> None:
    """What flows into a component is said by the jobs that use it: data with a path have no place there (MLP0373)."""
    for item in inputs:
        if item.value is not None and not isinstance(item.value, Literal) and item.span is not None:
            message = f"`{item.parameter.name}` has a path, and the inputs of a component have none"
            help = "leave the path out; the job that uses the component says it"
            report.error("MLP0373", message, item.span, help=help)


def check_nodes(report: Report, inputs: list[PipelineInput], nodes: tuple[Node, ...], at: Span) -> None:
    """What a job may leave out can only go where a step may do without it: Azure ML refuses the rest (MLP0376)."""
    optional = {i.parameter.name for i in inputs if i.parameter.optional}
    for node in nodes:
        asked = {p.name: p for p in node.component.inputs}
        for name, binding in node.inputs if node.component.origin != "registered" else ():
            if isinstance(binding, FromInput) and binding.name in optional and not asked[name].optional:
                message = f"`{binding.name}` may be left out, and `{name}` of `{node.title}` may not"
                help = f"write `param {name}: …?` in the step's component, or take the `?` away"
                report.error("MLP0376", message, binding.span or at, help=help)


def used(report: Report, components: Components, scope: Scope, given: dict[str, Setting]) -> Interface | None:
    """The component that `component = hello` names; None once reported (MLP0374)."""
    expr = given[COMPONENT].value
    symbol = scope.find(expr.name) if isinstance(expr, syntax.Reference) else None
    if symbol is None or symbol.kind is not Kind.IMPORT:
        help = '`use "components/hello/component.yml" as hello`, and `component = hello`'
        report.error("MLP0374", "`component` names a pipeline component that is used", expr.span, help=help)
        return None
    symbol.used = True
    face = components.of_symbol(symbol, expr.span)
    if face is not None and face.kind != "pipeline":
        help = "write a stage that uses it"
        if face.open:
            help = f"write `{{ kind = pipeline }}` after `as {symbol.name}`, if it is one; else a stage that uses it"
        report.error(
            "MLP0374", f"`{symbol.name}` is a `{face.kind}`, expected a pipeline component", expr.span, help=help
        )
        return None
    return face


def fill(
    report: Report, face: Interface, name: Name, inputs: list[PipelineInput], symbols: list[Symbol], *, complete: bool
) -> Component:
    """The component of a job, once what the job gives it is checked against what it takes."""
    for symbol in symbols:
        symbol.used = True
    given = {item.parameter.name: item for item in inputs}
    types: dict[str, Any] = {symbol.name: symbol.value for symbol in symbols}
    for key, item in given.items():
        asked = face.inputs.get(key)
        span = item.span or name.span
        if asked is None:
            if not face.open:
                unknown_word(report, "MLP0203", f"input of `{face.name}`", Name(key, span), list(face.inputs))
            continue
        problem = mismatch(types[key], asked.type)
        if problem is not None and isinstance(item.value, Literal) and azure_takes(item.value.value, asked.parameter):
            problem = None
        if problem is not None:
            report_misfit(report, problem, span, f"`{key}`")
    missing = [key for key, asked in face.inputs.items() if asked.required and key not in given]
    if missing:
        names = ", ".join(f"`{key}`" for key in missing)
        help = "\n".join(f"param {key} = …" for key in missing)
        report.error(
            "MLP0201", f"`{name.text}` does not say {names}", name.span, f"`{face.name}` needs {names}", help=help
        )
    return component_of(face, complete=complete)
