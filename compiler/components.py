"""From the name after `using` to an Interface: bundled, a user's component YAML, or declared in a program."""

import os
from collections.abc import Callable
from typing import Any

from mlp_lang.compiler import catalog, inline, settings
from mlp_lang.compiler.checks import unknown_word
from mlp_lang.compiler.graph import COMPONENT_KINDS
from mlp_lang.compiler.interface import BadInterface, Interface, open_port, read_interface
from mlp_lang.compiler.resources import Resources
from mlp_lang.compiler.settings import Words
from mlp_lang.compiler.suggestions import did_you_mean
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.vocabulary import TASKS
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

_FLOWS = frozenset(["promptflow_parallel"])
"""Kinds of component that their file alone tells: their jobs are `parallel`, as others' are."""
KINDS = ("command", "parallel", "spark", "import", *TASKS)
"""What may be defined in place; a stage that does says so after `using`."""


class Components:
    """Interfaces as one compilation sees them, each built once."""

    def __init__(
        self,
        resources: Resources,
        nested: Callable[[Symbol, Span], Interface | None] | None = None,
        registered: Callable[[str], str | None] | None = None,
    ) -> None:
        """``nested`` compiles a pipeline that stands as a component; ``registered`` gives local files for registered
        components."""
        self.resources = resources
        self.nested = nested
        self.registered = registered
        self.evaluator = resources.evaluator
        self.report = resources.report
        self._bundled: dict[str, Interface | None] = {}
        self._declared: dict[Symbol, Interface | None] = {}

    def interface(self, stage: syntax.Stage, scope: Scope) -> Interface | None:
        """What a stage may say; None once it is reported that there is no such component."""
        path = stage.component
        if len(path) == 1:
            name = path[0].text
            if name in KINDS and scope.find(name) is None:
                return self._one_use(stage, scope)
            symbol = scope.find(name)
            if symbol is not None and symbol.kind in (Kind.COMPONENT, Kind.IMPORT, Kind.PIPELINE):
                symbol.used = True
                return self.of_symbol(symbol, path[0].span)
            self._unknown(path, scope)
            return None
        first = scope.find(path[0].text)
        if first is not None and first.kind is Kind.IMPORT:
            first.used = True
            if first.value is None or len(path) != 2:
                return None
            found = self.evaluator.member(first, path[1])
            return self.of_symbol(found, path[1].span) if found is not None else None
        name = ".".join(p.text for p in path)
        if name not in self._bundled:
            self._bundled[name] = self._find_bundled(name, path, scope)
        return self._bundled[name]

    def _find_bundled(self, name: str, path: tuple[syntax.Name, ...], scope: Scope) -> Interface | None:
        try:
            face = catalog.bundled(name)
        except BadInterface as error:
            self.report.error("MLP0222", f"the bundled component `{name}` is broken: {error}", path[0].span)
            return None
        if face is None:
            self._unknown(path, scope)
            return None
        refusal = catalog.refusal(name, face)
        if refusal:
            self.report.error("MLP0219", refusal, path[0].span.to(path[-1].span))
            return None
        return face

    def _unknown(self, path: tuple[syntax.Name, ...], scope: Scope) -> None:
        name = ".".join(p.text for p in path)
        span = path[0].span.to(path[-1].span)
        if path[0].text in self.report.forgiven or name in self._bundled:
            return
        declared = [
            n
            for n in scope.visible()
            if (s := scope.find(n)) is not None and s.kind in (Kind.COMPONENT, Kind.IMPORT, Kind.PIPELINE)
        ]
        help, fixes = did_you_mean(name, [*catalog.names(), *declared, *KINDS], span)
        help = help or '`mlp components` lists the bundled ones; `use "…/component.yml" as name` brings your own'
        self.report.error("MLP0102", f"unknown component `{name}`", span, help=help, fixes=fixes)

    def of_symbol(self, symbol: Symbol, span: Span) -> Interface | None:
        """The Interface of what a program declares or imports."""
        if symbol.kind not in (Kind.COMPONENT, Kind.IMPORT, Kind.PIPELINE):
            self.report.error("MLP0109", f"expected a component, found a {symbol.kind.value}", span)
            return None
        if symbol not in self._declared:
            if symbol.kind is Kind.COMPONENT:
                node: syntax.ComponentDecl = symbol.node
                face = inline.build(self.resources, node.name.text, node.kind, node.items, symbol.scope, node.doc)
            elif symbol.kind is Kind.PIPELINE:
                face = self.nested(symbol, span) if self.nested is not None else None
            else:
                face = self._imported(symbol)
            self._declared[symbol] = face
        return self._declared[symbol]

    def _one_use(self, stage: syntax.Stage, scope: Scope) -> Interface | None:
        blocks = [i for i in stage.items or () if isinstance(i, syntax.Block) and i.name.text == "define"]
        if not blocks:
            if not any(isinstance(i, syntax.Invalid) for i in stage.items or ()):
                name = stage.component[0]
                help = "`define { param …  output …  code = …  environment = …  command = … }`"
                self.report.error("MLP0223", f"`using {name.text}` needs a `define` block", name.span, help=help)
            return None
        return inline.build(
            self.resources, stage.name.text, stage.component[0], blocks[0].items, scope, stage.doc, one_use=True
        )

    # --- imported component YAML --------------------------------------------------------------------------------------

    def _imported(self, symbol: Symbol) -> Interface | None:
        use: syntax.Use = symbol.node
        path = "".join(p for p in use.path.parts if isinstance(p, str))
        if symbol.value is not None:
            self.report.error("MLP0109", f"`{symbol.name}` is a file, not a component", symbol.span)
            return None
        if path.startswith("azureml:"):
            copy = self.registered(path) if self.registered is not None else None
            if copy is None:
                return self._registered(use, path, symbol)
            path = copy
        if not path.endswith((".yml", ".yaml")):
            return None  # reported when it was loaded
        full = os.path.normpath(os.path.join(symbol.scope.folder, path))
        from mlp_lang.compiler.yaml_files import BadYaml, load_yaml

        if not os.path.isfile(full):
            self.report.error("MLP0105", f"cannot import `{path}`: it does not exist", use.path.span)
            return None
        try:
            raw = load_yaml(full)
            if isinstance(raw, dict) and "mlp" in raw:
                from mlp_lang.compiler.component_schema import check_section

                check_section(raw)
            face = read_interface(symbol.name, "file", full, raw)
        except (BadYaml, BadInterface) as error:
            self.report.error("MLP0222", f"cannot use `{path}`: {error}", use.path.span)
            return None
        self._promises(face, self._kind(face, use, symbol), symbol)
        return face

    def _registered(self, use: syntax.Use, path: str, symbol: Symbol) -> Interface:
        """A component of the workspace or a registry: its interface is there, so what programs name is taken."""
        face = Interface(symbol.name, "registered", "", "")
        face.open = True
        face.data = {"name": symbol.name, "reference": path}
        self._promises(face, self._kind(face, use, symbol), symbol)
        return face

    def _kind(self, face: Interface, use: syntax.Use, symbol: Symbol) -> tuple[syntax.Item, ...]:
        """Read the `kind` that a `use` states; gives the other items of its block."""
        kinds = tuple(i for i in use.items or () if isinstance(i, syntax.Setting) and i.name.text == "kind")
        given = settings.read(self.evaluator, kinds, symbol.scope, {"kind": Words(COMPONENT_KINDS)}, "a `use`")
        if "kind" in given and face.kind not in _FLOWS:
            face.kind = given["kind"].value
        return tuple(i for i in use.items or () if i not in kinds)

    def _promises(self, face: Interface, items: tuple[syntax.Item, ...], symbol: Symbol) -> None:
        """The block of a `use`: what the YAML cannot say."""
        given = inline.promises(self.evaluator, items, symbol.scope, "a `use`")
        for name, value in given.items():
            known: Any = face.outputs if name == "default_output" else None
            if known is not None and face.open and value.value not in known:
                open_port(face, value.value, "output")
            if known is not None and value.value not in known:
                word = syntax.Name(str(value.value), value.span)
                unknown_word(self.report, "MLP0303", "output", word, list(known))
                continue
            setattr(face, name, tuple(value.value) if isinstance(value.value, list) else value.value)
        inline.wire(self.evaluator, face, items, symbol.scope)
        inline.privacy(self.evaluator, face, items, symbol.scope)
