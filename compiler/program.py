"""From a path to a Program: the file, the files that it imports, and what each declares at its top."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.dsl.diagnostics import Diagnostic, Related
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.syntax import (
    ComponentDecl,
    File,
    Invalid,
    Item,
    Let,
    Name,
    Pipeline,
    Profile,
    Reference,
    Resource,
    Schedule,
    Stage,
    String,
    Use,
)

if TYPE_CHECKING:
    from mlp_lang.compiler.interface import Interface

_RESOURCES = {k.value: k for k in (Kind.COMPUTE, Kind.ENVIRONMENT, Kind.ENDPOINT, Kind.DEPLOYMENT, Kind.ASSET)}


class Module:
    """One `.mlp` file. `scope` holds its declarations; `profiles` and `schedules` have name spaces of their own."""

    __slots__ = ("file", "path", "pipelines", "profiles", "schedules", "scope", "source")

    def __init__(self, path: str, source: Source, file: File) -> None:
        self.path = path
        self.source = source
        self.file = file
        self.scope = Scope(None, os.path.dirname(path))
        self.pipelines: list[Symbol] = []
        self.profiles: list[Profile] = []
        self.schedules: list[Schedule] = []


class Program:
    """The root module and every module that it reaches, by absolute path, root first."""

    __slots__ = ("modules", "nested", "registered", "rings", "root")

    def __init__(self) -> None:
        self.root: Module | None = None
        # by pipeline and profile: what a stage sees of a pipeline, and how deep those inside it go
        self.nested: dict[tuple[Symbol, str | None], tuple[Interface | None, int]] = {}
        self.rings: set[frozenset[Symbol]] = set()  # pipelines that use one another in a circle, and are reported
        self.modules: dict[str, Module | None] = {}
        self.registered: Callable[[str], str | None] | None = None  # local files that stand for registered components


def load(path: Path, report: Report, source: Source | None = None) -> Program:
    """Read, parse and declare a file and its imports. What is wrong with any of them goes to ``report``.

    ``source`` is the text to take instead of what lies at ``path``, if anything does."""
    program = Program()
    program.root = _load(program, os.path.abspath(path), [], report, None, source)
    return program


def _load(
    program: Program, path: str, chain: list[str], report: Report, use: Use | None, source: Source | None = None
) -> Module | None:
    from mlp_lang.dsl.parser import parse
    from mlp_lang.dsl.reading import read

    unread: list[Diagnostic] = []
    if source is None:
        source, unread = read(Path(path))
    if source is None:
        if use is None:
            for problem in unread:
                report.add(problem)
        else:
            reason = unread[0].message if unread else "it cannot be read"
            report.error("MLP0105", f"cannot import `{_plain(use.path)}`: {reason}", use.path.span)
        program.modules[path] = None
        return None
    file, problems = parse(source)
    for problem in problems:
        report.add(problem)
    module = Module(path, source, file)
    program.modules[path] = module
    _declare(module, report)
    for symbol in list(module.scope.names.values()):
        if symbol.kind is Kind.IMPORT:
            _import(program, module, symbol, [*chain, path], report)
    return module


def _plain(text: String) -> str | None:
    return "".join(p for p in text.parts if isinstance(p, str)) if all(isinstance(p, str) for p in text.parts) else None


def _declare(module: Module, report: Report) -> None:
    azure: dict[str, Symbol] = {}
    for item in module.file.items:
        kind = _kind(item)
        if kind is not None:
            name = item.alias if isinstance(item, Use) else item.name  # type: ignore[union-attr]
            symbol, earlier = module.scope.declare(kind, name, item)  # type: ignore[arg-type]
            if earlier is not None:
                clash(report, symbol, earlier)
            elif kind is Kind.PIPELINE:
                module.pipelines.append(symbol)
                twin = azure.setdefault(symbol.name.lower(), symbol)
                if twin is not symbol:
                    report.error(
                        "MLP0104",
                        f"`{twin.name}` and `{symbol.name}` are both `{twin.name.lower()}` in Azure ML",
                        symbol.span,
                        related=(Related(twin.span, f"`{twin.name}`"),),
                        help="give one of them another name",
                    )
        elif isinstance(item, Profile):
            module.profiles.append(item)
        elif isinstance(item, Schedule):
            module.schedules.append(item)
        elif isinstance(item, Invalid):
            report.forgiven |= item.names
        else:  # the parser has said that it cannot stand here
            report.forgiven |= mentioned((item,)) | declared((item,))


def declared(items: Iterable[Item]) -> set[str]:
    """The names that some items would declare."""
    return {n.text for n in (getattr(i, "name", None) for i in items) if isinstance(n, Name)}


def mentioned(node: object) -> set[str]:
    """Every name that some part of a tree refers to."""
    found: set[str] = set()
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, Reference):
            found.add(one.name)
        elif isinstance(one, Stage):
            found.add(one.component[0].text)
            todo += [one.on, one.after, one.when, one.items]
        elif isinstance(one, Name | Span | str | int | float):
            continue
        elif isinstance(one, tuple):
            todo += one
    return found


def _kind(item: Item) -> Kind | None:
    if isinstance(item, Let):
        return Kind.LET
    if isinstance(item, Pipeline):
        return Kind.PIPELINE
    if isinstance(item, ComponentDecl):
        return Kind.COMPONENT
    if isinstance(item, Use):
        return Kind.IMPORT
    if isinstance(item, Resource):
        return _RESOURCES.get(item.keyword.text)
    return None


def clash(report: Report, symbol: Symbol, earlier: Symbol) -> None:
    """Report a name that its block has already given away."""
    report.error(
        "MLP0103",
        f"`{symbol.name}` is declared twice",
        symbol.span,
        f"again, as a {symbol.kind.value}",
        related=(Related(earlier.span, f"first declared here, as a {earlier.kind.value}"),),
        help="give one of them another name",
    )


def _import(program: Program, module: Module, symbol: Symbol, chain: list[str], report: Report) -> None:
    """Load the module that a `use` names, if it is one; components are read where they are used."""
    use: Use = symbol.node
    path = _plain(use.path)
    if path is None:
        report.error("MLP0105", "the path of an import is a plain string", use.path.span)
        return
    if path.startswith(("azureml:", "azureml://")) or path.endswith((".yml", ".yaml")):
        return
    if not path.endswith(".mlp"):
        report.error(
            "MLP0105",
            f"cannot tell what `{path}` is",
            use.path.span,
            help="an import is a `.mlp` file, a component's `.yml`, or a registered `azureml:…`",
        )
        return
    target = os.path.normpath(os.path.join(os.path.dirname(module.path), path))
    if target in chain:
        ring = [*chain[chain.index(target) :], target]
        report.error(
            "MLP0106",
            "files import each other in a circle: " + " → ".join(os.path.basename(p) for p in ring),
            use.path.span,
            "closes the circle",
            help="move what both need into a third file",
        )
        return
    if target not in program.modules:
        imported = _load(program, target, chain, report, use)
    else:
        imported = program.modules[target]
        if imported is None:
            report.error("MLP0105", f"cannot import `{path}`", use.path.span)
    if imported is not None:
        symbol.value = imported
