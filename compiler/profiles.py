"""From a profile to what it replaces, checked against the pipeline that it is for; and values from a command line."""

from collections.abc import Mapping
from typing import NamedTuple

from mlp_lang.compiler.checks import unknown_word
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.program import Module, declared, mentioned
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.types import UNKNOWN, EnumType, Scalar, Type
from mlp_lang.compiler.values import Constant
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Source, Span

_TOP = {"let": Kind.LET, "compute": Kind.COMPUTE, "environment": Kind.ENVIRONMENT, "endpoint": Kind.ENDPOINT}


class Replacements(NamedTuple):
    """What a profile puts in place of a program's own values; expressions are read in the file's scope."""

    params: dict[str, syntax.Expr]
    data: dict[str, syntax.Expr]
    lets: dict[str, syntax.Expr]
    things: dict[tuple[str, str], syntax.Expr]


def check_profiles(module: Module, report: Report) -> None:
    """Names of profiles, their targets, and that every line replaces something that exists."""
    names: dict[str, syntax.Profile] = {}
    pipelines = [p.name for p in module.pipelines]
    for profile in module.profiles:
        earlier = names.setdefault(profile.name.text, profile)
        if earlier is not profile and (earlier.target is None or profile.target is None or _same(earlier, profile)):
            related = (Related(earlier.name.span, "first declared here"),)
            message = f"profile `{profile.name.text}` is declared twice"
            report.error("MLP0103", message, profile.name.span, related=related)
        if profile.target is not None and profile.target.text not in pipelines:
            unknown_word(report, "MLP0703", "pipeline", profile.target, pipelines)
            continue
        targets = [p for p in module.pipelines if profile.target is None or p.name == profile.target.text]
        seen: dict[tuple[str, str], syntax.Name] = {}
        for item in profile.items:
            if isinstance(item, syntax.Override):
                first = seen.setdefault((item.keyword.text, item.name.text), item.name)
                if first is not item.name:
                    from mlp_lang.compiler.unroll import duplicate

                    duplicate(report, item.name, first)
                _check(report, module, targets, item)
            elif isinstance(item, syntax.Invalid):
                report.forgiven |= item.names
            elif isinstance(item, syntax.Setting):
                unknown_word(report, "MLP0701", "setting of a profile", item.name, [])
            else:
                report.forgiven |= mentioned((item,)) | declared((item,))


def _same(a: syntax.Profile, b: syntax.Profile) -> bool:
    return a.target is not None and b.target is not None and a.target.text == b.target.text


def _check(report: Report, module: Module, targets: list[Symbol], item: syntax.Override) -> None:
    word, name = item.keyword.text, item.name.text
    known: list[str] = []
    kind = _TOP.get(word)
    if kind is not None:
        known += [n for n, s in module.scope.names.items() if s.kind is kind]
    others: dict[str, str] = {}
    for target in targets:
        for inner in walk(target.node.items):
            if isinstance(inner, syntax.Param | syntax.Data | syntax.Let):
                own = type(inner).__name__.lower()
                if own == word:
                    known.append(inner.name.text)
                else:
                    others[inner.name.text] = own
    if name in known or name in report.forgiven:
        return
    if name in others:
        message = f"`{name}` is a `{others[name]}`, not a `{word}`"
        from mlp_lang.compiler.report import replace

        fix = replace(f"Replace `{word}` by `{others[name]}`", item.keyword.span, others[name])
        report.error("MLP0702", message, item.keyword.span, help=f"write `{others[name]} {name} = …`", fixes=(fix,))
        return
    if not any(isinstance(i, syntax.Invalid) for t in targets for i in t.node.items):
        unknown_word(report, "MLP0701", word, item.name, known)


def walk(items: tuple[syntax.Item, ...]) -> list[syntax.Item]:
    """Items of a pipeline with those inside its loops and conditions."""
    found: list[syntax.Item] = []
    todo = list(items)
    while todo:
        one = todo.pop()
        found.append(one)
        if isinstance(one, syntax.For | syntax.Conditional | syntax.Repeat):
            todo += one.items
            todo += getattr(one, "otherwise", None) or ()
    return found


def replacements(module: Module, name: str | None, pipeline: str) -> Replacements:
    """What the profiles of a name say for a pipeline."""
    found = Replacements({}, {}, {}, {})
    for profile in module.profiles:
        if profile.name.text != name or (profile.target is not None and profile.target.text != pipeline):
            continue
        for item in profile.items:
            if isinstance(item, syntax.Override):
                word = item.keyword.text
                if word == "param":
                    found.params.setdefault(item.name.text, item.value)
                elif word == "data":
                    found.data.setdefault(item.name.text, item.value)
                elif word == "let":
                    found.lets.setdefault(item.name.text, item.value)
                else:
                    found.things.setdefault((word, item.name.text), item.value)
    return found


def applicable(module: Module, pipeline: str) -> list[str]:
    """Names of the profiles that speak of a pipeline, in the author's order."""
    names = [p.name.text for p in module.profiles if p.target is None or p.target.text == pipeline]
    return list(dict.fromkeys(names))


def from_command_line(
    evaluator: Evaluator, params: Mapping[str, tuple[syntax.Name, syntax.Name]], types: dict[str, Type], scope: Scope
) -> dict[str, tuple[Constant, Span]]:
    """Values given as text by parameter. What is no literal counts as a string where a string may stand."""
    found: dict[str, tuple[Constant, Span]] = {}
    for name, (_, given) in params.items():
        if name not in types:
            continue  # another pipeline's, or reported where all are known
        t, text = types[name], given.text
        value = _literal(evaluator, text, scope) if t is not UNKNOWN and not _is_text(t, text) else None
        found[name] = (value or Constant(text, "string"), given.span)
    return found


def _is_text(t: Type, text: str) -> bool:
    quoted = len(text) >= 2 and text[0] == text[-1] == '"'
    is_string = isinstance(t, Scalar) and t.name == "string"
    return not quoted and (is_string or (isinstance(t, EnumType) and text in t.members))


def _literal(evaluator: Evaluator, text: str, scope: Scope) -> Constant | None:
    """A value in the language's own spelling; None if the text is none (nothing is reported: its type will be)."""
    from mlp_lang.dsl.parser import parse

    file, problems = parse(Source("--param", f"let value = {text}\n"))
    if problems or len(file.items) != 1 or not isinstance(file.items[0], syntax.Let):
        return None
    quiet = Evaluator(Report())
    value = quiet.evaluate(file.items[0].value, Scope(None, scope.folder))
    return value if isinstance(value, Constant) else None
