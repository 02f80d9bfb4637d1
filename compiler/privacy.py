"""The label `private` along the edges: exits, releases, budgets, stability. docs/privacy.md says what this proves."""

import math

from mlp_lang.compiler.data import Budget, Datum
from mlp_lang.compiler.flow import Flow, setting_span
from mlp_lang.compiler.graph import (
    Declassified,
    FromInput,
    Privacy,
    PrivacyBudget,
    Release,
    Schedule,
)
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Interface
from mlp_lang.compiler.labels import NO_LABELS, labels_in, seen_in
from mlp_lang.compiler.releases import Releases
from mlp_lang.compiler.stages import Context
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span

TOLERANCE = 1e-9  # relative slack when sums of spent ε are compared with the budget


class Accountant:
    """Propagates the labels of one pipeline and adds up what its releases spend."""

    def __init__(self, context: Context, data: dict[str, Datum], flow: Flow) -> None:
        self.context = context
        self.report = context.report
        self.flow = flow
        self.data = data
        self.budgets: dict[str, Budget] = {n: d.budget for n, d in data.items() if d.budget is not None}
        self.declassified: list[Declassified] = []
        self.verdicts: list[str] = []
        self._proofs = Releases(context, data, self.budgets, flow)
        self._titles: dict[str, str] = {}

    def account(self, instances: list[Instance]) -> Privacy:
        """Labels of every port, everything that leaves judged, budgets composed. ``instances`` are in order."""
        self._titles = {i.name: i.title for i in instances}
        for instance in instances:
            self._stage(instance)
        return Privacy(self._compose(), tuple(self._proofs.made), tuple(self.declassified), tuple(self.verdicts))

    # --- labels -------------------------------------------------------------------------------------------------------

    def _stage(self, instance: Instance) -> None:
        face = instance.interface
        lifts = [i for i in instance.spec.items or () if isinstance(i, syntax.Declassify)]
        if face is None:
            return
        if instance.plan is not None:
            if any(source.labels.get(port) for source, port in instance.sources.get("condition", ())):
                self.verdicts.append(instance.name)  # which side runs is one bit about the rows
            items = labels_in(instance, "items", self.budgets)
            if items:
                self._repeated(instance, instance, {"items": items})
            return
        incoming = {}
        for name in instance.bindings:
            labels = labels_in(instance, name, self.budgets)
            if labels:
                incoming[name] = labels
        if incoming:
            if not face.known:
                self._unknown(instance, face, incoming)
                return
            if instance.body_of is not None:
                self._repeated(instance, instance.body_of, incoming)
                return
            rule = face.release
            released = NO_LABELS
            if rule is not None:
                released = self._proofs.release(instance, face, rule, incoming.get(rule.of, NO_LABELS))
            covered = {rule.of, *rule.needs} if rule is not None else set()
            for name, output in face.outputs.items():
                lifted = rule is not None and name in rule.outputs
                labels = NO_LABELS
                for key, found in incoming.items():
                    if key in output.origin or key not in face.inputs:
                        # a proof speaks of its own table, and of what it needs to have been made from this table
                        labels |= found - released if lifted and key in covered else found
                if labels:
                    instance.labels[name] = labels
            if any(g.hard for g in instance.gates):
                self.verdicts.append(instance.name)
        for lift in lifts:
            self._declassify(instance, face, lift)
        if incoming or instance.labels:
            self._exits(instance, face, incoming)

    def _declassify(self, instance: Instance, face: Interface, lift: syntax.Declassify) -> None:
        port = lift.port.text
        if port not in face.outputs:
            from mlp_lang.compiler.checks import unknown_word

            unknown_word(self.report, "MLP0303", "output", lift.port, list(face.outputs))
            return
        reason = self.context.evaluator.constant(lift.reason, instance.scope, "a reason")
        if port not in instance.labels:
            self.report.warning("MLP0509", f"`{instance.title}.{port}` is not private", lift.span)
            return
        del instance.labels[port]
        instance.needed = True
        text = str(reason.value) if reason is not None else ""
        self.declassified.append(Declassified(instance.name, port, text, lift.span))
        self.report.warning(
            "MLP0510", f"`{instance.title}.{port}` is declared public: {text}", lift.span, "private no longer"
        )

    # --- exits --------------------------------------------------------------------------------------------------------

    def _unknown(self, instance: Instance, face: Interface, incoming: dict[str, frozenset[str]]) -> None:
        name, labels = next(iter(incoming.items()))
        self._leak(
            instance,
            sorted(labels)[0],
            (instance, name),
            f"reaches `{face.name}`, and nothing says what that does with it",
            setting_span(instance, name),
            "put the stages of that pipeline into this one"
            if face.kind == "pipeline" and face.origin == "inline"
            else "say it in a block: `privacy { stable = […]  from { output = [inputs] } }`",
        )

    def _repeated(self, instance: Instance, loop: Instance, incoming: dict[str, frozenset[str]]) -> None:
        """Nobody adds up here what rounds and turns release."""
        name, labels = next(iter(incoming.items()))
        self._leak(
            instance,
            sorted(labels)[0],
            (instance, name),
            f"reaches the body of a `{loop.spec.verb.text}`, whose rounds no budget counts",
            setting_span(instance, name),
            "release it before the loop; a `for` over constants makes copies that are counted",
        )

    def _exits(self, instance: Instance, face: Interface, incoming: dict[str, frozenset[str]]) -> None:
        if instance.acts_as("deploy"):
            for name, labels in incoming.items():
                self._leak(instance, sorted(labels)[0], (instance, name), "is deployed", setting_span(instance, name))
            return
        for port, labels in instance.labels.items():
            output = face.outputs[port]
            # a report or metrics of an export stay beside the job like those of any evaluation; the artefact leaves
            if instance.acts_as("export") and output.type.name not in ("report", "metrics"):  # type: ignore[union-attr]
                self._leak(
                    instance,
                    sorted(labels)[0],
                    (instance, ""),
                    f"is exported as `{port}`",
                    instance.spec.name.span,
                    port=port,
                )
            setting = instance.outputs.get(port)
            if setting is not None and setting.name is not None:
                self._leak(
                    instance,
                    sorted(labels)[0],
                    (instance, ""),
                    f'is registered as "{setting.name}"',
                    setting.span or instance.spec.name.span,
                    port=port,
                )

    def repeated(self, schedules: tuple[Schedule, ...]) -> None:
        """A schedule releases again whenever it fires: the budget must be meant for that many runs."""
        for schedule in schedules:
            for label in dict.fromkeys(r.data for r in self._proofs.made):
                budget = self.budgets[label]
                runs = f"{budget.runs} runs" if budget.runs > 1 else "one run"
                if schedule.span is not None:
                    self.report.warning(
                        "MLP0511",
                        f"each run of `{schedule.name}` releases `{label}` again, its budget is meant for {runs}",
                        schedule.span,
                        help="say in the `private` block how often it will run: `runs = 30`",
                        related=(Related(budget.span, "the budget"),),
                    )

    def output_exit(self, instance: Instance, port: str, name: str, span: Span) -> None:
        """A pipeline output that is registered under a name."""
        labels = instance.labels.get(port)
        if labels:
            self._leak(instance, sorted(labels)[0], (instance, ""), f'is registered as "{name}"', span, port=port)

    def _leak(
        self,
        instance: Instance,
        label: str,
        at: tuple[Instance, str],
        what: str,
        span: Span,
        help: str = "",
        port: str = "",
    ) -> None:
        path = self._path(label, at[0], at[1], port)
        self.report.error(
            "MLP0501",
            f"unreleased private data `{label}` {what}",
            span,
            f"`{instance.title}` gives it away",
            help=help or 'release it with a `privatize` stage first, or `declassify <port> "why"`',
            related=path,
        )

    def _path(self, label: str, instance: Instance, name: str, port: str) -> tuple[Related, ...]:
        """The way that the data takes, from its declaration on."""
        steps: list[Related] = []
        seen: set[str] = set()
        current: Instance | None = instance
        inputs = [name] if name else seen_in(instance, port)
        while current is not None and current.name not in seen:
            seen.add(current.name)
            following: tuple[Instance, str] | None = None
            for key in inputs:
                for source, out in current.sources.get(key, ()):
                    if label in source.labels.get(out, NO_LABELS):
                        steps.append(Related(setting_span(current, key), f"flows into `{current.title}` here"))
                        following = (source, out)
                        break
                else:
                    binding = current.bindings.get(key)
                    if isinstance(binding, FromInput) and binding.name == label:
                        steps.append(Related(setting_span(current, key), f"flows into `{current.title}` here"))
                        break
                    continue
                break
            current = following[0] if following else None
            inputs = seen_in(following[0], following[1]) if following else []
        steps.append(Related(self.data[label].symbol.span, f"`{label}` is private"))
        return tuple(reversed(steps))

    # --- budgets ------------------------------------------------------------------------------------------------------

    def _compose(self) -> tuple[PrivacyBudget, ...]:
        """Basic composition: losses of several releases of one data set add up."""
        found: list[PrivacyBudget] = []
        for name, budget in self.budgets.items():
            spent = [r for r in self._proofs.made if r.data == name]
            epsilon = math.fsum(r.epsilon for r in spent)
            delta = math.fsum(r.delta for r in spent)
            span = self.data[name].symbol.span
            found.append(
                PrivacyBudget(name, budget.unit, budget.neighbours, budget.epsilon, budget.delta, epsilon, delta, span)
            )
            for word, used, most in (("epsilon", epsilon, budget.epsilon), ("delta", delta, budget.delta)):
                if used > most * (1 + TOLERANCE):
                    parts = tuple(Related(r.span, self._share(r, word)) for r in spent if r.span is not None)
                    self.report.error(
                        "MLP0502",
                        f"the releases of `{name}` compose to {word} = {used:.6g}, the budget is {most:.6g}",
                        budget.span,
                        "more than this",
                        related=parts,
                        help="release less, or less often; a run-time epsilon counts at the top of its range",
                    )
        return tuple(found)

    def _share(self, release: Release, word: str) -> str:
        value = release.epsilon if word == "epsilon" else release.delta
        times = f", counted {release.times} times" if release.times > 1 else ""
        return f"`{self._titles[release.node]}` spends {word} = {value:.6g}{times}"
