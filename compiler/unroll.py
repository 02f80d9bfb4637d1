"""From the items of a pipeline to its parts: parameters, data, and one Instance for each copy of each stage."""

from collections.abc import Iterable

from mlp_lang.compiler.constants import text_of
from mlp_lang.compiler.expressions import Evaluator
from mlp_lang.compiler.fit import kind_of
from mlp_lang.compiler.graph import Value
from mlp_lang.compiler.instances import Family, Instance, Plan, hashable, title_of
from mlp_lang.compiler.program import clash, declared, mentioned
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Kind, Scope, Symbol
from mlp_lang.compiler.values import Constant
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span

MOST_STAGES = 100_000


class Parts:
    """What a pipeline is made of. `symbols` are all declared names, for the warning on what nobody uses."""

    __slots__ = (
        "data",
        "derived",
        "instances",
        "loops",
        "mentioned",
        "outputs",
        "params",
        "preview",
        "scope",
        "settings",
        "symbols",
    )

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.params: list[Symbol] = []
        self.data: list[Symbol] = []
        self.outputs: list[tuple[syntax.Output, Scope]] = []
        self.instances: list[Instance] = []
        self.settings: list[syntax.Setting | syntax.Block] = []
        self.symbols: list[Symbol] = []
        self.preview = False
        self.mentioned: set[str] = set()  # names that only a branch not taken speaks of
        self.derived: list[tuple[syntax.Derive, Scope]] = []  # of a later version: checked as far as that goes
        self.loops: list[tuple[Instance, tuple[syntax.Item, ...]]] = []  # what a loop says beside its stages


def _escape(item: syntax.Item) -> bool:
    """Whether this is what a construct says to Azure ML past all checks."""
    return isinstance(item, syntax.Block) and item.name.text == "azureml"


class _Frame:
    """Where the items being walked stand: their scope, the keys and the families that their stages belong to, and the
    list of those that something steers together."""

    __slots__ = ("families", "keys", "members", "scope")

    def __init__(
        self, scope: Scope, keys: tuple[Value, ...], families: tuple[Scope, ...], members: list[Instance] | None = None
    ) -> None:
        self.scope = scope
        self.keys = keys
        self.families = families
        self.members = members


def unroll(items: tuple[syntax.Item, ...], scope: Scope, evaluator: Evaluator, report: Report) -> Parts:
    """Declare what the items declare and make the copies that their `for` and `if` ask for."""
    parts = Parts(scope)
    walker = _Walker(parts, evaluator, report)
    walker.walk(items, _Frame(scope, (), ()))
    walker.claim_names()
    return parts


class _Walker:
    def __init__(self, parts: Parts, evaluator: Evaluator, report: Report) -> None:
        self.parts = parts
        self.evaluator = evaluator
        self.report = report

    def walk(self, items: tuple[syntax.Item, ...], frame: _Frame) -> None:
        """Names first, since constants and stages may be used above the line that declares them."""
        made: list[Instance | syntax.For | syntax.Conditional | syntax.Repeat] = []
        for item in items:
            if isinstance(item, syntax.Stage):
                if item.when is not None:
                    alone = (item._replace(when=None),)
                    made.append(syntax.Conditional(True, item.when, None, alone, None, item.when.span))
                    continue
                instance = self._stage(item, frame)
                if instance is not None:
                    made.append(instance)
            elif isinstance(item, syntax.Let):
                self._declare(Kind.LET, item, frame)
            elif isinstance(item, syntax.Invalid):
                self.report.forgiven |= item.names
            elif isinstance(item, syntax.For | syntax.Conditional | syntax.Repeat):
                made.append(item)
            elif isinstance(item, syntax.Derive):
                self._declare(Kind.DERIVE, item, frame)
                self.parts.derived.append((item, frame.scope))
            elif isinstance(item, syntax.Output):
                self.parts.outputs.append((item, frame.scope))
            elif frame.keys or frame.scope is not self.parts.scope:
                self._misplaced(item)
            else:
                self._top(item, frame)
        for form in made:
            if isinstance(form, Instance):
                self.parts.instances.append(form)
                if frame.members is not None:
                    frame.members.append(form)
            elif isinstance(form, syntax.For):
                self._for(form, frame)
            elif isinstance(form, syntax.Conditional):
                self._conditional(form, frame)
            else:
                self._repeat(form, frame)

    def _top(self, item: syntax.Item, frame: _Frame) -> None:
        parts = self.parts
        if isinstance(item, syntax.Param):
            symbol = self._declare(Kind.PARAM, item, frame)
            if symbol is not None:
                parts.params.append(symbol)
        elif isinstance(item, syntax.Data):
            symbol = self._declare(Kind.DATA, item, frame)
            if symbol is not None:
                parts.data.append(symbol)
        elif isinstance(item, syntax.Setting | syntax.Block):
            parts.settings.append(item)
        else:
            forgive(self.report, (item,))

    def _misplaced(self, item: syntax.Item) -> None:
        forgive(self.report, (item,))
        if isinstance(item, syntax.Param | syntax.Data):
            what = "param" if isinstance(item, syntax.Param) else "data"
            message = f"a `{what}` belongs to the pipeline, not into a `for`, `when` or `repeat`"
            self.report.error("MLP0313", message, item.name.span, help="move it up")
        elif isinstance(item, syntax.Setting | syntax.Block):
            message = f"`{item.name.text}` is said once for the pipeline, not in a `for`, `when` or `repeat`"
            self.report.error("MLP0313", message, item.name.span, help="move it up")

    def _declare(
        self, kind: Kind, item: syntax.Let | syntax.Derive | syntax.Param | syntax.Data, frame: _Frame
    ) -> Symbol | None:
        symbol, earlier = frame.scope.declare(kind, item.name, item)
        self.parts.symbols.append(symbol)
        if earlier is not None:
            clash(self.report, symbol, earlier)
            return None
        return symbol

    # --- stages -------------------------------------------------------------------------------------------------------

    def _stage(self, item: syntax.Stage, frame: _Frame) -> Instance | None:
        symbol, earlier = frame.scope.declare(Kind.STAGE, item.name, item)
        if earlier is not None:
            clash(self.report, symbol, earlier)
            return None
        title = title_of(item.name.text, frame.keys)
        name = "_".join([item.name.text.lower(), *(azure_key(k) for k in frame.keys)])
        instance = Instance(symbol, frame.scope, frame.keys, name, title)
        symbol.value = instance
        self.parts.symbols.append(symbol)
        for depth, outer in enumerate(frame.families):
            self._join(outer, item, instance, frame.keys[depth:])
        return instance

    def _join(self, outer: Scope, item: syntax.Stage, instance: Instance, keys: tuple[Value, ...]) -> None:
        """Make a copy reachable from outside its `for`, under its keys."""
        known = outer.names.get(item.name.text)
        if known is None:
            known, _ = outer.declare(Kind.STAGE, item.name, item)
            known.value = Family(len(keys))
        elif known.node.name is not item.name:
            clash(self.report, Symbol(Kind.STAGE, item.name.text, item.name.span, item, outer), known)
            return
        known.value.copies[tuple(hashable(k) for k in keys)] = instance

    # --- for and if ---------------------------------------------------------------------------------------------------

    def _for(self, item: syntax.For, frame: _Frame) -> None:
        if item.each:
            self._for_each(item, frame)
            return
        found = self.evaluator.constant(item.iterable, frame.scope, "what a `for` goes through")
        if found is None:
            forgive(self.report, item.items)
            return
        if not isinstance(found.value, list):
            self.report.error("MLP0309", f"a `for` goes through a list, found {found.kind}", item.iterable.span)
            forgive(self.report, item.items)
            return
        if not found.value:
            self.report.warning(
                "MLP0309", "this `for` goes through an empty list and makes nothing", item.iterable.span
            )
            self._skip(item.items)
        seen: set[object] = set()
        for value in found.value:
            if hashable(value) in seen:
                text = text_of(value)
                self.report.error("MLP0309", f"the value {text} stands twice in this list", item.iterable.span)
                break
            seen.add(hashable(value))
            inner = Scope(frame.scope, frame.scope.folder)
            variable, _ = inner.declare(Kind.LOOP, item.variable, item, Constant(value, kind_of(value)))
            self.parts.symbols.append(variable)
            self.walk(item.items, _Frame(inner, (*frame.keys, value), (*frame.families, frame.scope), frame.members))
            if len(self.parts.instances) > MOST_STAGES:
                self.report.error("MLP0309", f"this unrolls into more than {MOST_STAGES} stages", item.iterable.span)
                break

    def _conditional(self, item: syntax.Conditional, frame: _Frame) -> None:
        if item.runtime:
            self._when(item, frame)
            return
        found = self.evaluator.constant(item.condition, frame.scope, "the condition of an `if`")
        if found is None or found.kind != "bool":
            if found is not None:
                message = f"the condition of an `if` is a bool, found {found.kind}"
                self.report.error("MLP0204", message, item.condition.span)
            forgive(self.report, item.items)
            forgive(self.report, item.otherwise or ())
            return
        taken, other = (item.items, item.otherwise or ()) if found.value else (item.otherwise or (), item.items)
        self._skip(other)
        self.walk(taken, frame)

    def _skip(self, items: Iterable[syntax.Item]) -> None:
        """A branch not taken: its names exist elsewhere only, and what it mentions counts as used."""
        for item in items:
            if isinstance(item, syntax.Stage | syntax.Let):
                self.evaluator.branches.setdefault(item.name.text, item.name.span)
            elif isinstance(item, syntax.For | syntax.Conditional):
                self._skip(item.items)
                self._skip(getattr(item, "otherwise", None) or ())
        self.parts.mentioned |= mentioned(items)

    # --- what steers stages while they run ----------------------------------------------------------------------------

    def _when(self, item: syntax.Conditional, frame: _Frame) -> None:
        steering = self._steering("when", item, item.name, frame)
        plan = steering.plan
        assert plan is not None
        said = tuple(i for i in item.items if _escape(i))
        self._block(tuple(i for i in item.items if not _escape(i)), frame, plan.members)
        self._block(item.otherwise or (), frame, plan.otherwise)
        self.parts.loops.append((steering, said))
        self._name(steering, "when", item.name, (*plan.members, *plan.otherwise), frame)

    def _repeat(self, item: syntax.Repeat, frame: _Frame) -> None:
        steering = self._steering("repeat", item, item.name, frame)
        plan = steering.plan
        assert plan is not None
        said = tuple(i for i in item.items if isinstance(i, syntax.Carry) or _escape(i))
        rest = tuple(i for i in item.items if not isinstance(i, syntax.Carry) and not _escape(i))
        carried = [(Kind.CARRY, c.name, c, frame.scope) for c in said if isinstance(c, syntax.Carry)]
        plan.inner = self._block(rest, frame, plan.members, carried)
        self.parts.loops.append((steering, said))
        self._name(steering, "repeat", item.name, plan.members, frame)

    def _for_each(self, item: syntax.For, frame: _Frame) -> None:
        steering = self._steering("for", item, item.name, frame)
        plan = steering.plan
        assert plan is not None
        said = tuple(i for i in item.items if isinstance(i, syntax.Setting | syntax.Block))
        rest = tuple(i for i in item.items if not isinstance(i, syntax.Setting | syntax.Block))
        plan.inner = self._block(rest, frame, plan.members, [(Kind.ITEM, item.variable, steering, None)])
        self.parts.loops.append((steering, said))
        self._name(steering, "each", item.name, plan.members, frame)

    def _steering(
        self,
        verb: str,
        item: syntax.Conditional | syntax.Repeat | syntax.For,
        name: syntax.Name | None,
        frame: _Frame,
    ) -> Instance:
        """A stage of its own for what steers others: it has a name, comes before them and can be waited for."""
        start = item.span.start
        word = item.span.text.split()[0] if item.span.text.startswith(("when", "repeat", "for")) else ""
        where = Span(item.span.source, start, start + len(word)) if word else item.span
        shown = name if name is not None else syntax.Name("", where)
        kind = syntax.Name(verb, where)
        stage = syntax.Stage(kind, shown, (kind,), None, (), None, None, "", item.span)
        symbol = Symbol(Kind.STAGE, shown.text, shown.span, stage, frame.scope)
        if name is not None:
            declared_as, earlier = frame.scope.declare(Kind.STAGE, name, stage)
            if earlier is not None:
                clash(self.report, declared_as, earlier)
            symbol = declared_as
        steering = Instance(symbol, frame.scope, frame.keys, "", "")
        steering.plan = Plan(item, frame.scope, where)
        symbol.value = steering
        self.parts.instances.append(steering)
        if frame.members is not None:
            frame.members.append(steering)
        return steering

    def _name(
        self,
        steering: Instance,
        word: str,
        name: syntax.Name | None,
        members: Iterable[Instance],
        frame: _Frame,
    ) -> None:
        """What the author called it; else after the first stage in it, which stays when others come and go."""
        text = name.text if name is not None else ""
        if not text:
            first = next(iter(members), None)
            text = f"{word}_{first.name}" if first is not None else word
            steering.name, steering.title = text, text
            return
        steering.title = title_of(text, frame.keys)
        steering.name = "_".join([text.lower(), *(azure_key(k) for k in frame.keys)])

    def _block(
        self,
        items: tuple[syntax.Item, ...],
        frame: _Frame,
        members: list[Instance],
        names: Iterable[tuple[Kind, syntax.Name, object, object]] = (),
    ) -> Scope:
        """What is steered, in a scope of its own; its stages can be spoken of from outside."""
        inner = Scope(frame.scope, frame.scope.folder)
        for kind, name, node, value in names:
            symbol, earlier = inner.declare(kind, name, node, value)
            self.parts.symbols.append(symbol)
            if earlier is not None:
                clash(self.report, symbol, earlier)
        self.walk(items, _Frame(inner, frame.keys, frame.families, members))
        for text, symbol in inner.names.items():
            if symbol.kind is Kind.STAGE:
                frame.scope.names.setdefault(text, symbol)
        return inner

    def claim_names(self) -> None:
        """Every copy has an Azure ML name of its own: `noisy[0.5]` and a stage `noisy_0_5` cannot live together."""
        taken: dict[str, Instance] = {}
        for instance in self.parts.instances:
            earlier = taken.setdefault(instance.name, instance)
            if earlier is not instance:
                self.report.error(
                    "MLP0104",
                    f"`{earlier.title}` and `{instance.title}` are both `{instance.name}` in Azure ML",
                    instance.spec.name.span,
                    related=(Related(earlier.spec.name.span, f"`{earlier.title}`"),),
                    help="give one of them another name",
                )


def azure_key(value: Value) -> str:
    """A `for` value as a part of an Azure ML name: `0.5` is `0_5`, `-1` is `minus_1`, `"Big one"` is `big_one`."""
    text = text_of(value).lower()
    if isinstance(value, int | float) and text.startswith("-"):
        text = "minus_" + text[1:]
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)


def duplicate(report: Report, name: syntax.Name, earlier: syntax.Name) -> None:
    """Report a setting or an input that its block has already given."""
    report.error(
        "MLP0202",
        f"`{name.text}` is given twice",
        name.span,
        "again",
        related=(Related(earlier.span, "first given here"),),
        help="remove one of them",
    )


def forgive(report: Report, items: Iterable[syntax.Item]) -> None:
    """What stands where it cannot, or in a block whose head is wrong: none of its names is unknown or unused."""
    items = tuple(items)
    report.forgiven |= mentioned(items) | declared(items)
