"""From an expression in a scope to what it comes to (compiler/values.py); mistakes are reported and come out BAD."""

from collections.abc import Callable
from typing import Any

from mlp_lang.compiler.assets import locate
from mlp_lang.compiler.constants import FUNCTIONS, Fault, binary, text_of, unary
from mlp_lang.compiler.fit import kind_of
from mlp_lang.compiler.graph import FromInput, FromNode, Template, Value
from mlp_lang.compiler.instances import ANY_KEY, Family, Instance, title_of
from mlp_lang.compiler.interface import Interface, open_port
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.spaces import SPACES
from mlp_lang.compiler.spaces import read as read_space
from mlp_lang.compiler.suggestions import did_you_mean, listing
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.types import PORTS, UNKNOWN, spell
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
from mlp_lang.dsl.diagnostics import Fix, Related
from mlp_lang.dsl.source import Span

ASSET_WORDS = tuple(PORTS)
SEARCH_WORDS = tuple(SPACES)
_THINGS = frozenset({Kind.COMPUTE, Kind.ENVIRONMENT, Kind.ENDPOINT, Kind.COMPONENT, Kind.PIPELINE, Kind.IMPORT})


class Evaluator:
    """Evaluates the expressions of one pipeline under one profile.

    `lets` are the profile's values for `let`s; `branches` the names that only a branch not taken declares.
    """

    def __init__(self, report: Report, root: Scope | None = None) -> None:
        self.report = report
        self.root = root  # the scope of the file that is compiled: a profile speaks of its `let`s, not of imported ones
        self.lets: dict[str, Constant] = {}
        self.branches: dict[str, Span] = {}
        self._values: dict[Symbol, Evaluated] = {}
        self._unknown: dict[str, tuple[Fix, ...]] = {}
        self._table: dict[type, Callable[[Any, Scope], Evaluated]] = {
            syntax.Literal: self._literal,
            syntax.String: self._string,
            syntax.Reference: self._reference,
            syntax.Attribute: self._attribute,
            syntax.Index: self._index,
            syntax.Call: self._call,
            syntax.ListExpr: self._list,
            syntax.MapExpr: self._map,
            syntax.Unary: self._unary,
            syntax.Binary: self._binary,
            syntax.Group: self._group,
        }

    def evaluate(self, expr: syntax.Expr, scope: Scope) -> Evaluated:
        """What an expression comes to; BAD if it has been reported."""
        return self._table[type(expr)](expr, scope)

    def constant(self, expr: syntax.Expr, scope: Scope, what: str = "this") -> Constant | None:
        """The constant that must stand here, or None once its absence is reported."""
        value = self.evaluate(expr, scope)
        if isinstance(value, Constant):
            return value
        if not isinstance(value, Bad):
            self.not_constant(value, expr.span, what)
        return None

    def not_constant(self, value: Evaluated, span: Span, what: str) -> None:
        found = "known at run time"
        if isinstance(value, InputRef):
            found = f"a `{value.symbol.kind.value}`, known at run time"
        elif isinstance(value, PortRef | PortList):
            found = "the output of a stage, known at run time"
        elif isinstance(value, Thing):
            found = f"a {value.symbol.kind.value}"
        elif isinstance(value, AssetValue):
            found = "an asset"
        elif isinstance(value, SearchSpace):
            found = "what a search may try"
        self.report.error(
            "MLP0212", f"{what} must be a constant", span, found, help="a `let` is a constant; a `param` is not"
        )

    # --- names --------------------------------------------------------------------------------------------------------

    def lookup(self, name: str, span: Span, scope: Scope) -> Symbol | None:
        """The symbol that a name stands for, marked as used, or None once it is reported as unknown."""
        symbol = scope.find(name)
        if symbol is not None:
            symbol.used = True
            return symbol
        if name in self.report.forgiven:
            return None
        branch = self.branches.get(name)
        if branch is not None:
            self.report.error(
                "MLP0101",
                f"`{name}` is declared only in a branch that is not taken",
                span,
                related=(Related(branch, "declared here"),),
            )
            return None
        if name not in self._unknown:
            # looked for once: the same slip in every stage would make long programs quadratic
            self._unknown[name] = did_you_mean(name, scope.visible(), span)[1]
        near = self._unknown[name][0].edits[0].replacement if self._unknown[name] else None
        help, fixes = did_you_mean(name, (near,), span) if near is not None else ("", ())
        meant = scope.find(fixes[0].edits[0].replacement) if fixes else None
        if meant is not None:
            meant.used = True  # or a slip would make two findings
        self.report.error("MLP0101", f"unknown name `{name}`", span, "not declared here", help=help, fixes=fixes)
        return None

    def member(self, symbol: Symbol, name: syntax.Name) -> Symbol | None:
        """`lib.name`: what an imported file declares."""
        module = symbol.value
        if module is None:
            return None  # the import is reported, or is no file
        found: Symbol | None = module.scope.names.get(name.text)
        if found is None and name.text not in self.report.forgiven:
            help, fixes = did_you_mean(name.text, module.scope.names, name.span)
            self.report.error(
                "MLP0108",
                f"`{symbol.name}` has no `{name.text}`",
                name.span,
                help=help,
                fixes=fixes,
                related=(Related(symbol.span, "imported here"),),
            )
        elif found is not None:
            found.used = True
        return found

    def of_symbol(self, symbol: Symbol, span: Span) -> Evaluated:
        """What a name comes to where a value is expected."""
        kind = symbol.kind
        if kind is Kind.PARAM or kind is Kind.DATA:
            return InputRef(symbol, symbol.value)
        if kind is Kind.LOOP:
            return symbol.value if symbol.value is not None else BAD
        if kind is Kind.STAGE:
            instance = self._only(symbol, span)
            return self.port(instance, None, span) if instance is not None else BAD
        if kind is Kind.LET:
            return self._let(symbol, span)
        if kind in _THINGS or kind in (Kind.ASSET, Kind.DEPLOYMENT):
            return Thing(symbol)
        if kind is Kind.CARRY or kind is Kind.ITEM:
            self._steered(symbol, span)
        return BAD  # `derive` and what else is not compiled yet has said so

    def _steered(self, symbol: Symbol, span: Span) -> None:
        """What a loop gives from round to round or item to item goes into an input of its body, and nowhere else."""
        if symbol.kind is Kind.CARRY:
            message = f"`{symbol.name}` changes from round to round: it can only be an input of the body, as it is"
            self.report.error("MLP0328", message, span, help=f"<input> = {symbol.name}")
        else:
            message = f"`{symbol.name}` changes from item to item: its entries can only be inputs of the body"
            self.report.error("MLP0329", message, span, help=f"<input> = {symbol.name}.<input>")

    def _let(self, symbol: Symbol, span: Span) -> Evaluated:
        value = self._values.get(symbol)
        if value is not None:
            return value
        if symbol.busy:
            self.report.error("MLP0107", f"`{symbol.name}` is defined by itself", symbol.span)
            return BAD
        own = symbol.scope.parent is not None or symbol.scope is self.root
        override = self.lets.get(symbol.name) if own else None
        if override is not None:
            self._values[symbol] = override
            return override
        symbol.busy = True
        try:
            found: Evaluated = self.constant(symbol.node.value, symbol.scope, "a `let`") or BAD
        except RecursionError:
            self.report.error("MLP0211", f"`{symbol.name}` is nested too deeply", symbol.span)
            found = BAD
        finally:
            symbol.busy = False
        if symbol.node.type is not None and isinstance(found, Constant):
            found = self.typed_let(symbol, found)
        self._values[symbol] = found
        return found

    def typed_let(self, symbol: Symbol, found: Constant) -> Evaluated:
        """A `let` with a type annotation: its value must fit."""
        from mlp_lang.compiler.checks import resolve_type, value_fits

        t = resolve_type(self, symbol.node.type, symbol.scope)
        if t is UNKNOWN or not value_fits(self.report, found, t, symbol.node.value.span, f"`{symbol.name}`"):
            return BAD
        return found

    # --- stages and their ports ---------------------------------------------------------------------------------------

    def _only(self, symbol: Symbol, span: Span) -> Instance | None:
        value = symbol.value
        if isinstance(value, Instance):
            return value
        if isinstance(value, Family):
            keys = listing((title_of(symbol.name, k) for k in value.copies), 6)
            self.report.error(
                "MLP0307",
                f"`{symbol.name}` stands for {len(value.copies)} stages, one for each turn of its `for`",
                span,
                help=f"say which: {keys} or `{symbol.name}[*]`" if value.copies else "",
            )
        return None

    def copies(self, expr: syntax.Expr, scope: Scope) -> list[Instance] | None:
        """The stages that `noisy`, `noisy[0.5]` or `noisy[*]` means; None if it is no stage or has been reported."""
        keys: list[syntax.Expr | None] = []
        base = expr
        while isinstance(base, syntax.Index):
            keys.append(base.key)
            base = base.value
        if not isinstance(base, syntax.Reference):
            return None
        symbol = scope.find(base.name)
        if symbol is None or symbol.kind is not Kind.STAGE:
            return None
        symbol.used = True
        value = symbol.value
        if not keys:
            one = self._only(symbol, base.span)
            return [one] if one is not None else []
        if not isinstance(value, Family):
            self.report.error("MLP0306", f"`{symbol.name}` is a single stage and has no copies", expr.span)
            return []
        wanted: list[Constant | None] = []
        for key in reversed(keys):
            found = self.constant(key, scope, "the key of a copy") if key is not None else None
            if key is not None and found is None:
                return []
            wanted.append(found)
        if len(wanted) != value.depth:
            self.report.error("MLP0306", f"`{symbol.name}` takes {value.depth} keys, found {len(wanted)}", expr.span)
            return []
        chosen = value.choose([w.value if w is not None else ANY_KEY for w in wanted])
        if not chosen and value.copies:
            known = listing((title_of(symbol.name, k) for k in value.copies), 6)
            self.report.error(
                "MLP0306", f"there is no such copy of `{symbol.name}`", expr.span, help=f"there are {known}"
            )
        return chosen

    def port(self, instance: Instance, name: syntax.Name | None, span: Span) -> Evaluated:
        """An output of a stage, by name or by default."""
        face = instance.interface
        if face is None:
            return BAD
        outputs = face.outputs
        if name is not None:
            found = outputs.get(name.text)
            if found is None and face.open:
                open_port(face, name.text, "output")
                found = outputs[name.text]
            if found is None:
                if name.text not in self.report.forgiven:
                    self._unknown_port(instance, face, name)
                return BAD
        elif face.default_output is not None:
            found = outputs[face.default_output]
        elif len(outputs) == 1:
            found = next(iter(outputs.values()))
        else:
            shown = Related(instance.spec.name.span, f"uses `{face.name}`")
            if face.open:
                message = f"nobody says which outputs `{instance.title}` has"
                self.report.error("MLP0304", message, span, help=f"say which: `{span.text}.<output>`", related=(shown,))
            elif outputs:
                ports = listing(f"{instance.spec.name.text}.{p}" for p in outputs)
                message = f"`{instance.title}` has {len(outputs)} outputs and no default one"
                self.report.error("MLP0304", message, span, help=f"say which: {ports}", related=(shown,))
            else:
                self.report.error("MLP0305", f"`{instance.title}` has no outputs", span, related=(shown,))
            return BAD
        instance.needed = True
        loop = instance.body_of
        if (
            loop is not None
            and loop.plan is not None
            and isinstance(loop.plan.item, syntax.For)
            and not loop.plan.outlined
        ):
            self._gathered(instance, loop, found.name, span)
            return BAD
        return PortRef(instance, found.name, found.type)

    def _gathered(self, instance: Instance, loop: Instance, port: str, span: Span) -> None:
        """Outside of a `for each` there is no one output of its body."""
        if loop.plan is None or loop.plan.broken:
            return
        named = loop.plan.item.name is not None
        help = f"`{loop.title}.{port}` is what all its turns give"
        self.report.error(
            "MLP0331",
            f"`{instance.title}` runs once for each item and has no single `{port}`",
            span,
            help=help if named else f"name the loop, `for each … as all {{`, and write `all.{port}`",
        )

    def _unknown_port(self, instance: Instance, face: Interface, name: syntax.Name) -> None:
        help, fixes = did_you_mean(name.text, face.outputs, name.span)
        if not help:
            help = f"its outputs are {listing(face.outputs)}" if face.outputs else "it has no outputs"
        self.report.error(
            "MLP0303",
            f"`{instance.title}` has no output `{name.text}`",
            name.span,
            help=help,
            fixes=fixes,
            related=(Related(instance.spec.name.span, f"uses `{face.name}`"),),
        )

    # --- one method for each kind of expression -----------------------------------------------------------------------

    def _literal(self, expr: syntax.Literal, scope: Scope) -> Evaluated:
        return Constant(expr.value, expr.kind.value)

    def _group(self, expr: syntax.Group, scope: Scope) -> Evaluated:
        return self.evaluate(expr.value, scope)

    def _reference(self, expr: syntax.Reference, scope: Scope) -> Evaluated:
        symbol = self.lookup(expr.name, expr.span, scope)
        return self.of_symbol(symbol, expr.span) if symbol is not None else BAD

    def _attribute(self, expr: syntax.Attribute, scope: Scope) -> Evaluated:
        base = expr.value
        if isinstance(base, syntax.Reference):
            symbol = self.lookup(base.name, base.span, scope)
            if symbol is None:
                return BAD
            if symbol.kind is Kind.IMPORT:
                found = self.member(symbol, expr.name)
                return self.of_symbol(found, expr.span) if found is not None else BAD
            if symbol.kind is Kind.ITEM or symbol.kind is Kind.CARRY:
                self._steered(symbol, expr.span)
                return BAD
            if symbol.kind is Kind.STAGE:
                instance = self._only(symbol, base.span)
                return self.port(instance, expr.name, expr.span) if instance is not None else BAD
        elif isinstance(base, syntax.Index):
            chosen = self.copies(base, scope)
            if chosen is not None:
                return self._ports(base, chosen, expr.name, expr.span)
        value = self.evaluate(base, scope)
        if isinstance(value, Constant) and isinstance(value.value, dict):
            return self._entry(value.value, expr.name.text, expr.name.span)
        if not isinstance(value, Bad):
            what = value.symbol.kind.value if isinstance(value, InputRef | Thing) else "value"
            self.report.error("MLP0303", f"a {what} has no `{expr.name.text}`", expr.name.span)
        return BAD

    def _ports(self, base: syntax.Index, chosen: list[Instance], name: syntax.Name | None, span: Span) -> Evaluated:
        ports = [self.port(i, name, span) for i in chosen]
        good = tuple(p for p in ports if isinstance(p, PortRef))
        if not good or len(good) != len(ports):
            return BAD
        index: syntax.Expr = base
        while isinstance(index, syntax.Index):
            if index.key is None:
                return PortList(good)
            index = index.value
        return good[0]

    def _index(self, expr: syntax.Index, scope: Scope) -> Evaluated:
        chosen = self.copies(expr, scope)
        if chosen is not None:
            return self._ports(expr, chosen, None, expr.span)
        value = self.evaluate(expr.value, scope)
        if isinstance(value, Bad) or expr.key is None:
            if not isinstance(value, Bad):
                self.report.error("MLP0306", "`[*]` stands for the copies of a stage in a `for`", expr.span)
            return BAD
        key = self.constant(expr.key, scope, "an index")
        if key is None:
            return BAD
        if isinstance(value, Constant) and isinstance(value.value, dict) and isinstance(key.value, str):
            return self._entry(value.value, key.value, expr.key.span)
        if isinstance(value, Constant) and isinstance(value.value, list) and key.kind == "int":
            items = value.value
            if isinstance(key.value, int) and -len(items) <= key.value < len(items):
                item = items[key.value]
                return Constant(item, kind_of(item))
            self.report.error("MLP0211", f"a list of {len(items)} has no item {spell(key.value)}", expr.key.span)
            return BAD
        self.report.error("MLP0211", "only a list, a map or the copies of a stage have an index", expr.span)
        return BAD

    def _entry(self, entries: dict[str, Value], key: str, span: Span) -> Evaluated:
        if key in entries:
            return Constant(entries[key], kind_of(entries[key]))
        help, fixes = did_you_mean(key, entries, None)
        self.report.error("MLP0211", f"this map has no key `{key}`", span, help=help, fixes=fixes)
        return BAD

    def _string(self, expr: syntax.String, scope: Scope) -> Evaluated:
        parts = expr.parts
        if not parts:
            return Constant("", "string")
        if len(parts) == 1 and isinstance(parts[0], str):
            return Constant(parts[0], "string")
        pieces: list[str | FromInput | FromNode] = []
        for part in parts:
            piece: str | FromInput | FromNode | None = part if isinstance(part, str) else self._piece(part, scope)
            if piece is None:
                return BAD
            if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        if all(isinstance(p, str) for p in pieces):
            return Constant("".join(str(p) for p in pieces), "string")
        return Text(Template(tuple(pieces), expr.span))

    def _piece(self, part: syntax.Expr, scope: Scope) -> str | FromInput | FromNode | None:
        value = self.evaluate(part, scope)
        if isinstance(value, Constant):
            return text_of(value.value)
        if isinstance(value, InputRef) and value.symbol.kind is Kind.PARAM:
            return FromInput(value.symbol.name, part.span)
        if isinstance(value, InputRef | PortRef):
            self.report.error(
                "MLP0204", f"`{part.span.text}` is no text", part.span, help="hand it over as an input of its own"
            )
        elif not isinstance(value, Bad):
            self.report.error("MLP0204", "this cannot stand in a string", part.span)
        return None

    def _list(self, expr: syntax.ListExpr, scope: Scope) -> Evaluated:
        values = [self.evaluate(item, scope) for item in expr.items]
        if any(isinstance(v, Bad) for v in values):
            return BAD
        if values and all(isinstance(v, PortRef) for v in values):
            return PortList(tuple(v for v in values if isinstance(v, PortRef)))
        items: list[Value] = []
        for item, value in zip(expr.items, values, strict=True):
            if not isinstance(value, Constant):
                self.not_constant(value, item.span, "an item of a list")
                return BAD
            items.append(value.value)
        return Constant(items, "list")

    def _map(self, expr: syntax.MapExpr, scope: Scope) -> Evaluated:
        entries: dict[str, Value] = {}
        for entry in expr.entries:
            if isinstance(entry.key, syntax.Name):
                key: Value = entry.key.text
            else:
                found = self.constant(entry.key, scope, "a key")
                key = found.value if found is not None else None
            value = self.constant(entry.value, scope, "a value of a map")
            if not isinstance(key, str) or value is None:
                return BAD
            if key in entries:
                self.report.error("MLP0202", f"the key `{key}` stands twice in this map", entry.key.span)
                return BAD
            entries[key] = value.value
        return Constant(entries, "map")

    def _unary(self, expr: syntax.Unary, scope: Scope) -> Evaluated:
        operand = self.evaluate(expr.operand, scope)
        if not isinstance(operand, Constant):
            return self._runtime(expr, operand)
        try:
            return unary(expr.operator, operand)
        except Fault as fault:
            self.report.error("MLP0211", str(fault), expr.span)
            return BAD

    def _binary(self, expr: syntax.Binary, scope: Scope) -> Evaluated:
        left = self.evaluate(expr.left, scope)
        right = self.evaluate(expr.right, scope)
        if not isinstance(left, Constant):
            return self._runtime(expr, left, right)
        if not isinstance(right, Constant):
            return self._runtime(expr, right)
        try:
            return binary(expr.operator, left, right)
        except Fault as fault:
            self.report.error("MLP0211", str(fault), expr.span)
            return BAD

    def _runtime(self, expr: syntax.Unary | syntax.Binary, *operands: Evaluated) -> Evaluated:
        """An operator over something that is known only at run time: a step of its own, which is named."""
        if not any(isinstance(o, Bad) for o in operands):
            self.report.error(
                "MLP0213",
                f"`{expr.operator}` would compute at run time here",
                expr.span,
                "Azure ML can bind a value, not compute one",
                help=f"write `derive <name> = {expr.span.text}` and use that name",
            )
        return BAD

    def _call(self, expr: syntax.Call, scope: Scope) -> Evaluated:
        name = expr.function.text
        if name in PORTS:
            return self._asset(expr, scope)
        if name in SEARCH_WORDS:
            return read_space(self, expr, scope)
        values: list[Constant] = []
        known = name in FUNCTIONS
        if not known:
            help, fixes = did_you_mean(name, [*FUNCTIONS, *PORTS, *SEARCH_WORDS], expr.function.span)
            self.report.error("MLP0214", f"unknown function `{name}`", expr.function.span, help=help, fixes=fixes)
        good = known
        for argument in expr.arguments:
            value = self.constant(argument.value, scope, "an argument")
            good = good and value is not None
            if value is not None:
                values.append(value)
            if argument.name is not None and known:
                self.report.error("MLP0215", f"`{name}` takes no named arguments", argument.span)
                good = False
        if not good:
            return BAD
        try:
            return FUNCTIONS[name](values)
        except Fault as fault:
            self.report.error("MLP0211", str(fault), expr.span)
            return BAD

    def _asset(self, expr: syntax.Call, scope: Scope) -> Evaluated:
        name = expr.function.text
        if len(expr.arguments) != 1 or expr.arguments[0].name is not None:
            self.report.error("MLP0215", f"`{name}` takes one path", expr.span)
            return BAD
        where = expr.arguments[0].value
        path = self.constant(where, scope, "a path")
        if path is None:
            return BAD
        if not isinstance(path.value, str):
            self.report.error("MLP0204", f"a path is a string, found {path.kind}", where.span)
            return BAD
        asset = locate(self.report, PORTS[name].azure, path.value, where.span, scope.folder)
        return AssetValue(asset, PORTS[name]) if asset is not None else BAD
