"""From a stage that declares a release to what it spends, or to what its proof lacks (docs/privacy.md lists that)."""

import math
from typing import Any, NamedTuple

from mlp_lang.compiler.data import Budget, Datum, is_bounded
from mlp_lang.compiler.flow import Flow, setting_span
from mlp_lang.compiler.graph import Facts, FromInput, Literal, Release
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Interface, ReleaseRule
from mlp_lang.compiler.labels import NO_LABELS, labels_in, seen_in
from mlp_lang.compiler.search import trials
from mlp_lang.compiler.stages import Context
from mlp_lang.compiler.suggestions import listing
from mlp_lang.compiler.types import EnumType, Scalar, Type, spell
from mlp_lang.compiler.values import Constant, InputRef
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span


class _Loss(NamedTuple):
    """A privacy loss: its worst case, and how the program says it."""

    value: float
    text: str


class Releases:
    """Checks the releases of one pipeline; `made` are those that are proven, with what they spend."""

    def __init__(self, context: Context, data: dict[str, Datum], budgets: dict[str, Budget], flow: Flow) -> None:
        self.report = context.report
        self.data = data
        self.budgets = budgets
        self.flow = flow
        self.made: list[Release] = []
        self._checked_columns: set[str] = set()

    def release(self, instance: Instance, face: Interface, rule: ReleaseRule, spent: frozenset[str]) -> frozenset[str]:
        """The labels that a release lifts, of the ``spent`` ones of its table; what its proof lacks is reported."""
        if not spent:
            return NO_LABELS
        good = self._needs(instance, face, rule)
        for label in sorted(spent):
            budget = self.budgets[label]
            good = self._stable(instance, rule.of, label) and good
            mechanism = self._word(instance, face, rule.mechanism)
            if rule.neighbours and budget.neighbours not in rule.neighbours:
                self.report.error(
                    "MLP0504",
                    f"`{face.name}` is proven for {listing(rule.neighbours)} neighbours, not `{budget.neighbours}`",
                    instance.spec.name.span,
                    related=(Related(budget.span, f"`{label}` promises `{budget.neighbours}`"),),
                )
                continue
            self._columns(instance, rule.of, label)
            epsilon = self._epsilon(instance, face, rule)
            delta = self._delta(instance, face, rule, budget, label)
            trials = self._trials(instance)
            if epsilon is None or delta is None or trials is None:
                continue
            times = budget.runs * (1 + (instance.run.retries or 0)) * trials
            self.made.append(
                Release(
                    label,
                    instance.name,
                    epsilon.value * times,
                    delta * times,
                    epsilon.text,
                    times,
                    mechanism,
                    budget.neighbours,
                    instance.spec.name.span,
                )
            )
        return spent

    def _trials(self, instance: Instance) -> int | None:
        """How many trials a release is: every trial of a `tune` looks at the data anew."""
        found = trials(instance)
        if found is None:
            message = f"`{instance.title}` releases once a trial, and a run says how many trials"
            help = "say `trials` as a number"
            self.report.error("MLP0503", message, instance.spec.name.span, help=help)
        return found

    def _word(self, instance: Instance, face: Interface, name: str) -> str:
        if name not in face.inputs:
            return name
        value = self._constant(instance, face, name)
        return str(value) if value is not None else name

    @staticmethod
    def _constant(instance: Instance, face: Interface, name: str) -> Any:
        binding = instance.bindings.get(name)
        if binding is None:
            return face.inputs[name].parameter.default
        return binding.value if isinstance(binding, Literal) else None

    def _epsilon(self, instance: Instance, face: Interface, rule: ReleaseRule) -> _Loss | None:
        if not isinstance(rule.epsilon, str):
            return _Loss(float(rule.epsilon), repr(rule.epsilon))
        name = rule.epsilon
        value = instance.evaluated.get(name)
        span = setting_span(instance, name)
        if isinstance(value, InputRef):
            top = _top(value.type)
            if top is None:
                self.report.error(
                    "MLP0503",
                    f"the privacy loss `{value.symbol.name}` has no top",
                    span,
                    related=(Related(value.symbol.span, "a run could set it to anything"),),
                    help=f"give it a range: `param {value.symbol.name}: float(0.1..2)`",
                )
                return None
            return _Loss(top, value.symbol.name)
        known: Any = value.value if isinstance(value, Constant) else None
        if value is None:
            known = face.inputs[name].parameter.default
        if isinstance(known, bool) or not isinstance(known, int | float):
            if value is None or isinstance(value, Constant):
                return None  # its type is reported
            self.report.error("MLP0503", "the privacy loss of a release must be known when compiling", span)
            return None
        if not (math.isfinite(known) and known > 0):
            return None  # out of the input's range, reported
        return _Loss(float(known), spell(known))

    def _delta(
        self, instance: Instance, face: Interface, rule: ReleaseRule, budget: Budget, label: str
    ) -> float | None:
        raw = rule.delta
        if isinstance(raw, dict):
            name = raw.get("input", "")
            if isinstance(instance.evaluated.get(name), InputRef):
                # chosen at run time: the worst of all choices counts, and a step never spends more than the datum's own
                choices = [v for k, v in raw.items() if k != "input"]
                named = {v for v in choices if isinstance(v, str)}
                raw = named.pop() if len(named) == 1 else "data" if named else max(choices, default=0)
            else:
                raw = raw.get(str(self._constant(instance, face, name)), 0)
        if isinstance(raw, str) and raw in face.inputs:
            value = instance.evaluated.get(raw)
            if isinstance(value, InputRef) and (top := _top(value.type)) is not None:
                return top
            known = self._constant(instance, face, raw)
            if isinstance(known, int | float) and not isinstance(known, bool):
                return float(known)
            if value is not None:
                self.report.error(
                    "MLP0503",
                    "the delta of a release must be known when compiling",
                    setting_span(instance, raw),
                    help="say a number, or name a `param` with a range",
                )
                return None
            raw = "data"
        if raw == "data":
            if budget.delta <= 0:
                self.report.error(
                    "MLP0507",
                    f"the mechanism of `{instance.title}` needs a delta above 0",
                    instance.spec.name.span,
                    "certifies nothing at delta = 0",
                    related=(Related(budget.span, f"`{label}` promises delta = {spell(budget.delta)}"),),
                    help="say `delta = 1e-6` in the `private` block, or choose a mechanism of pure epsilon",
                )
                return None
            return budget.delta
        return float(raw)

    def _columns(self, instance: Instance, of: str, label: str) -> None:
        """A release encodes by the schema: a feature without bounds has no sensitivity."""
        name = self.flow.of_input(instance, of)
        facts: Facts | None = self.flow.facts.get(name) if name is not None else None
        if facts is None or facts.name in self._checked_columns:
            return
        self._checked_columns.add(facts.name)
        document: Any = facts.document
        columns = (document.get("schema") or {}).get("properties", {})
        sensitive = document.get("sensitive") or []
        chosen = document.get("features") or [c for c in columns if c not in sensitive and c != document.get("label")]
        unbounded = [c for c in chosen if c in columns and not is_bounded(columns[c])]
        if unbounded:
            self.report.error(
                "MLP0608",
                f"columns of `{facts.name}` have neither bounds nor categories: {listing(unbounded)}",
                facts.span or instance.spec.name.span,
                help='give each a "minimum" and a "maximum", or an "enum", in the schema',
                related=(Related(instance.spec.name.span, f"`{instance.title}` releases what was learnt from them"),),
            )

    # --- what a proof needs -------------------------------------------------------------------------------------------

    def _needs(self, instance: Instance, face: Interface, rule: ReleaseRule) -> bool:
        good = True
        for name, need in rule.needs.items():
            span = setting_span(instance, name)
            for maker, _ in instance.sources.get(name, ()):
                made = maker.interface
                if made is None:
                    continue
                if maker.kind == "sweep":
                    # which trial is the best is read off the data, and no proof speaks of that choice
                    message = f"the proof of `{face.name}` does not cover a model that a `tune` has chosen"
                    shown = (Related(maker.spec.verb.span, "chosen here"),)
                    self.report.error("MLP0505", message, span, help="write a `train`", related=shown)
                    good = False
                    continue
                if need.components and made.name not in need.components:
                    message = f"the proof of `{face.name}` does not cover what `{made.name}` makes"
                    takes = listing(need.components)
                    shown = (Related(maker.spec.component[0].span, "made here"),)
                    self.report.error("MLP0505", message, span, help=f"it covers {takes}", related=shown)
                    good = False
                    continue
                for key, allowed in need.inputs.items():
                    good = self._need(instance, face, maker, key, allowed, span) and good
                good = self._same_table(instance, rule, maker, name, span) and good
            if name in instance.bindings and not instance.sources.get(name):
                message = f"the proof of `{face.name}` needs to see the stage that made `{name}`"
                self.report.error("MLP0505", message, span)
                good = False
        return good

    def _need(
        self, instance: Instance, face: Interface, maker: Instance, key: str, allowed: tuple[Any, ...], span: Span
    ) -> bool:
        made = maker.interface
        assert made is not None
        if key not in made.inputs:
            return True
        value = maker.evaluated.get(key)
        runtime = value is not None and not isinstance(value, Constant)
        found = value.value if isinstance(value, Constant) else made.inputs[key].parameter.default
        if not runtime and any(found == a and isinstance(found, bool) == isinstance(a, bool) for a in allowed):
            return True
        wanted = " or ".join(f"`{key} = {spell(a)}`" for a in allowed)
        shown = setting_span(maker, key)
        self.report.error(
            "MLP0505",
            f"the proof of `{face.name}` needs {wanted} in `{maker.title}`",
            shown,
            "chosen at run time" if runtime else f"is {spell(found)}",
            related=(Related(span, f"released by `{instance.title}`"),),
            help=f"write {wanted}",
        )
        return False

    def _same_table(self, instance: Instance, rule: ReleaseRule, maker: Instance, name: str, span: Span) -> bool:
        """Everything private that the model saw must be the table that the release speaks of."""
        table = instance.sources.get(rule.of) or instance.bindings.get(rule.of)
        good = True
        for key in maker.bindings:
            if not labels_in(maker, key, self.budgets):
                continue
            other = maker.sources.get(key) or maker.bindings.get(key)
            same = (
                other.name == table.name
                if isinstance(other, FromInput) and isinstance(table, FromInput)
                else other == table
            )
            if not same:
                self.report.error(
                    "MLP0512",
                    f"`{instance.title}` speaks of another table than `{maker.title}` has seen",
                    setting_span(instance, rule.of),
                    related=(Related(setting_span(maker, key), f"`{maker.title}` sees this"),),
                    help=f"give both the same `{rule.of}`",
                )
                good = False
        return good

    def _stable(self, instance: Instance, of: str, label: str) -> bool:
        """Whether every stage between a private datum and a release changes at most one row if one row changes."""
        todo = list(instance.sources.get(of, ()))
        seen: set[str] = set()
        good = True
        while todo:
            one, port = todo.pop()
            if one.name in seen:
                continue
            seen.add(one.name)
            face = one.interface
            if face is None:
                continue
            carriers = [k for k in seen_in(one, port) if label in labels_in(one, k, self.budgets)]
            carriers = list(dict.fromkeys(carriers))
            reason = ""
            at = one.spec.name.span
            if any(k not in face.stable for k in carriers):
                reason = f"`{face.name}` is not stable: one row may change many"
            elif len(carriers) > 1:
                reason = f"`{label}` flows into `{one.title}` more than once, so that one row may change several"
            else:
                unstable = [k for k in face.unstable_with if k in one.bindings]
                if unstable:
                    reason = f"`{face.name}` is not stable with `{unstable[0]}`"
                    at = setting_span(one, unstable[0])
            if reason:
                self.report.error(
                    "MLP0506",
                    f"{reason}; nothing after it can be released",
                    at,
                    f"stands between `{label}` and a release",
                    related=(
                        Related(self.data[label].symbol.span, f"`{label}` is private"),
                        Related(setting_span(instance, of), f"`{instance.title}` would release it"),
                    ),
                )
                good = False
            for key in carriers:
                todo += one.sources.get(key, ())
        return good


def _top(t: Type) -> float | None:
    """The largest value of a type, or None if it has none."""
    if isinstance(t, Scalar) and t.high is not None:
        return float(t.high)
    if isinstance(t, EnumType):
        numbers = [float(m) for m in t.members if isinstance(m, int | float) and not isinstance(m, bool)]
        return max(numbers) if len(numbers) == len(t.members) else None
    return None
