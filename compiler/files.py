"""From a path to the Graphs of its pipelines, or to every finding about all of them under all profiles."""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlp_lang.compiler.checks import unknown_word
from mlp_lang.compiler.commandline import Asked, asked
from mlp_lang.compiler.components import Components
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.graph import Definition, Graph
from mlp_lang.compiler.pipelines import compile_pipeline
from mlp_lang.compiler.profiles import applicable, check_profiles
from mlp_lang.compiler.program import Module, Program, load
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.schedules import check_schedules
from mlp_lang.compiler.symbols import Kind
from mlp_lang.compiler.usage import Usage
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.syntax import Param

_DEFINED = frozenset([Kind.ENVIRONMENT, Kind.ENDPOINT, Kind.ASSET, Kind.DEPLOYMENT])


@contextmanager
def _uncollected() -> Iterator[None]:
    """Everything made here lives until the end: a collector that walks it again and again finds nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def compile_pipelines(
    path: Path,
    profile: str | None,
    pipeline: str | None,
    params: Mapping[str, str],
    source: Source | None = None,
    registered: Callable[[str], str | None] | None = None,
) -> tuple[tuple[Graph, ...], list[Diagnostic], tuple[Definition, ...]]:
    """The Graphs of a file under one profile and what else it defines, none if there are errors; and all diagnostics.

    Who asks for one pipeline gets no Definitions: they belong to the file."""
    with _uncollected():
        report = Report()
        program = load(path, report, source)
        program.registered = registered
        module = program.root
        if module is None:
            return (), report.findings, ()
        check_profiles(module, report)
        check_schedules(module, report)
        words = asked(profile, pipeline, params)
        _check_words(module, words, report)
        usage = Usage()
        graphs = [
            compile_pipeline(program, symbol, profile, words.params, report, usage, complete=True)
            for symbol in module.pipelines
            if pipeline is None or symbol.name == pipeline
        ]
        made = tuple(g for g in graphs if g is not None)
        found: tuple[Definition, ...] = ()
        if pipeline is None:
            found = _definitions(module, report, profile, made, complete=True)
        _finish(program, module, report, usage, everything=pipeline is None)
        if report.failed:
            made, found = (), ()
        return made, report.sorted(module.source.path), found


def check_pipelines(path: Path, profile: str | None = None, source: Source | None = None) -> list[Diagnostic]:
    """Every finding about a file: each pipeline as it stands, and under each profile that speaks of it or under one."""
    with _uncollected():
        report = Report()
        program = load(path, report, source)
        module = program.root
        if module is None:
            return report.findings
        check_profiles(module, report)
        check_schedules(module, report)
        _check_words(module, asked(profile), report)
        usage = Usage()
        for symbol in module.pipelines:
            for name in (None, *applicable(module, symbol.name)) if profile is None else (profile,):
                compile_pipeline(program, symbol, name, {}, report, usage, complete=False)
        for name in (None, *dict.fromkeys(p.name.text for p in module.profiles)) if profile is None else (profile,):
            _definitions(module, report, name, (), complete=False)
        _finish(program, module, report, usage, everything=True)
        return report.sorted(module.source.path)


def _definitions(
    module: Module, report: Report, profile: str | None, graphs: tuple[Graph, ...], *, complete: bool
) -> tuple[Definition, ...]:
    symbols = module.scope.names.values()
    if module.pipelines and not module.schedules and not any(s.kind in _DEFINED for s in symbols):
        return ()  # most programs
    from mlp_lang.compiler.declared import declared

    served = frozenset(e.title for g in graphs for e in g.endpoints)
    return declared(module, report, profile, served, complete=complete)


def _check_words(module: Module, words: Asked, report: Report) -> None:
    profiles = sorted({p.name.text for p in module.profiles})
    if words.profile is not None and words.profile.text not in profiles:
        unknown_word(report, "MLP0704", "profile", words.profile, profiles)
    pipelines = [p.name for p in module.pipelines]
    chosen = [p for p in module.pipelines if words.pipeline is None or p.name == words.pipeline.text]
    params = {i.name.text for p in chosen for i in p.node.items if isinstance(i, Param)}
    for name, (word, _) in words.params.items():
        if name not in params and chosen:
            unknown_word(report, "MLP0704", "param", word, sorted(params))
    if words.pipeline is not None and words.pipeline.text not in pipelines:
        unknown_word(report, "MLP0704", "pipeline", words.pipeline, pipelines)


def _finish(program: Program, module: Module, report: Report, usage: Usage, *, everything: bool) -> None:
    """What no pipeline reads is checked all the same, and what nothing needs is said."""
    _check_unread(module, report)
    if not module.pipelines and not report.failed and not module.scope.names:
        report.warning("MLP0317", "this file declares nothing", Span(module.source, 0, 0))
    if everything and module.pipelines:
        usage.symbols(list(module.scope.names.values()))
        usage.tell(report)


def _check_unread(module: Module, report: Report) -> None:
    """Declarations that no pipeline has looked into yet: their mistakes are mistakes."""
    evaluator = Evaluator(report, module.scope)
    resources = Resources(evaluator, complete=False)
    components = Components(resources)
    for symbol in module.scope.names.values():
        if symbol.used:
            continue
        if symbol.kind is Kind.LET:
            evaluator.of_symbol(symbol, symbol.span)
        elif symbol.kind is Kind.COMPUTE:
            resources.compute_of(symbol)
        elif symbol.kind is Kind.COMPONENT or (symbol.kind is Kind.IMPORT and symbol.value is None):
            components.of_symbol(symbol, symbol.span)
