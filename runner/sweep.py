"""From a `sweep` node to its best trial: what to try next, each trial as a step of its own, and the record of them.

A trial is the sweep's component with the searched values among its inputs. It has a folder, a log, a run in MLflow and
an entry in the cache like any step; the outputs of the best one become the sweep's.
"""

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Graph, Literal, Node, Parameter
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.lowering.values import json_text, plain_text
from mlp_lang.runner import failures, record
from mlp_lang.runner.content import place_whole, remove
from mlp_lang.runner.control import Control
from mlp_lang.runner.distribution import processes
from mlp_lang.runner.keys import Key
from mlp_lang.runner.outcome import Outcome, Status
from mlp_lang.runner.progress import spell_seconds
from mlp_lang.runner.steps import Shop, execute, keep, outcome_of
from mlp_lang.runner.stopping import to_stop
from mlp_lang.runner.trials import Drawn, Notes

LOOKS = 0.25
"""Seconds between two looks at what running trials have logged, where a policy may end them."""
TRIALS = "trials"
MOST = 1000
"""Trials of a sweep that does not say how many, as in Azure ML."""
_SPACE = re.compile(r"\$\{\{\s*search_space\.")


class Goal(NamedTuple):
    """What a sweep is after."""

    metric: str
    maximize: bool

    def best(self, values: list[float]) -> float:
        return max(values) if self.maximize else min(values)


def goal_of(search: Mapping[str, Any]) -> Goal:
    objective = search.get("objective") or {}
    return Goal(str(objective.get("primary_metric", "")), objective.get("goal", "maximize") == "maximize")


def concurrency(node: Node, jobs: int, graph: Graph) -> int:
    """Processes that a sweep has at a time: its trials', as many as it says and as there is room for."""
    limits = (node.search or {}).get("limits") or {}
    trial = trial_of(node, 0, {}, {})
    most = limits.get("max_concurrent_trials") or limits.get("max_total_trials") or 1  # type: ignore[union-attr]
    return max(1, min(jobs, int(most) * processes(trial, graph)))  # type: ignore[arg-type]


def spelled(node: Node) -> str:
    """What a sweep will do, for the plan of a run: `8 trials, random, 2 at a time`."""
    search = node.search or {}
    limits, algorithm = search.get("limits") or {}, search.get("sampling_algorithm") or "random"
    kind = algorithm.get("rule") or algorithm.get("type") if isinstance(algorithm, dict) else algorithm
    most, at_once = limits.get("max_total_trials", MOST), limits.get("max_concurrent_trials")  # type: ignore[union-attr]
    return f"at most {most} trials, {kind}{f', {at_once} at a time' if at_once else ''}"


def trial_of(node: Node, number: int, values: Mapping[str, Any], search: Mapping[str, Any]) -> Node:
    """The step that a trial is: searched values stand on its command line as Azure ML spells them."""
    texts: dict[str, str] = {}
    names = {p.name for p in node.component.inputs}
    for name, value in values.items():
        texts[name] = plain_text(value)
        if isinstance(value, dict):  # its entries are inputs of their own, if the component has them
            texts[name] = json_text(value)
            texts |= {key: plain_text(inner) for key, inner in value.items() if key in names}
    said = node.component.extra  # Azure ML has these in the trial, not in the job
    parameters = tuple(
        p._replace(type="string", azure_type="string", encoding="plain") if p.name in texts else p
        for p in node.component.inputs
    )
    parameters += tuple(Parameter(name, "string", "string") for name in texts if name not in names)
    bound = tuple((name, binding) for name, binding in node.inputs if name not in texts)
    distribution, variables = said.get("distribution"), said.get("environment_variables")
    limit = (search.get("limits") or {}).get("trial_timeout")
    run = node.run._replace(
        timeout=int(limit) if limit is not None else None,
        retries=None,
        distribution=distribution if isinstance(distribution, dict) else node.run.distribution,
        environment_variables={k: str(v) for k, v in variables.items()}
        if isinstance(variables, dict)
        else node.run.environment_variables,
    )
    return node._replace(
        name=f"{node.name}/{TRIALS}/{number}",
        title=f"{node.title or node.name} trial {number}",
        kind="trial",
        search=None,
        component=node.component._replace(inputs=parameters, command=_SPACE.sub("${{inputs.", node.component.command)),
        inputs=(*bound, *((name, Literal(text)) for name, text in texts.items())),
        run=run,
    )


def carry_out(node: Node, search: Mapping[str, Any], key: Key, shop: Shop, control: Control, begun: float) -> Outcome:
    """All trials of a sweep, and its outcome. Raises OSError."""
    from mlp_lang.runner.searching import SearchError

    folder = shop.folder.step(node.name)
    if shop.resume:  # trials that had ended stay
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name not in (TRIALS, Notes.FILE):
                remove(os.path.join(folder, name))
    else:
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, TRIALS), exist_ok=True)
    shop.journal.append("started", step=node.name, attempt=1)
    with open(os.path.join(folder, "log.txt"), "w", encoding="utf-8") as log:
        sweep = _Sweep(node._replace(search=dict(search)), search, key, shop, control, begun, log)
        control.parents[node.name] = sweep.run_id
        outcome = None
        try:
            outcome = sweep.run()
        except SearchError as error:
            outcome = sweep.failed(Diagnostic("MLP0953", f"`{sweep.title}`: {error}", failures.place(node)))
        finally:
            good = outcome is not None and outcome.status.succeeded
            state = "FINISHED" if good else "KILLED" if control.cancelled else "FAILED"
            sweep.end_run(state, good)
    return outcome


class _Trial:
    """A trial as it goes; `outcome` once it has ended."""

    def __init__(self, node: Node, draw: Any) -> None:
        self.node = node
        self.draw = draw
        self.begun = time.monotonic()
        self.outcome: Outcome | None = None
        self.stopped: float | None = None  # when it was told to stop
        self.looked = 0  # intervals that the policy has judged
        self.value: float | None = None


class _Sweep:
    def __init__(
        self, node: Node, search: Mapping[str, Any], key: Key, shop: Shop, control: Control, begun: float, log: Any
    ) -> None:
        self.node = node
        self.title = node.title or node.name
        self.search = search
        self.key = key
        self.shop = shop._replace(taken=set(), earlier=())
        self.control = control
        self.begun = begun
        self.log = log
        self.goal = goal_of(search)
        self.policy = search.get("early_termination")
        limits = search.get("limits") or {}
        self.most = int(limits.get("max_total_trials") or MOST)
        timeout = limits.get("timeout")
        self.timeout = float(timeout) if timeout is not None else None
        self.at_once = max(
            1, concurrency(node, shop.jobs, shop.graph) // processes(trial_of(node, 0, {}, search), shop.graph)
        )
        self.at_once = min(self.at_once, int(limits.get("max_concurrent_trials") or self.most))
        self.trials: list[_Trial] = []
        self.histories: dict[int, list[float]] = {}
        self.ended: SimpleQueue[_Trial] = SimpleQueue()
        self.late = False
        self.lock = threading.Lock()
        self.tracked = ""
        self.notes = Notes(shop.folder.step(node.name), key.text)

    def run(self) -> Outcome:
        """Try until the limits are reached or nothing is left to try. Raises SearchError, OSError."""
        from mlp_lang.runner.searching import Search

        space = self.search.get("search_space") or {}
        drawn = Search(
            space, self.search.get("sampling_algorithm"), self.goal.maximize, self.at_once > 1, self.notes.parameters()
        )
        if self.policy and self.shop.tracking is None:
            self._say("the run is not tracked by MLflow, so no trial can be stopped early")
        running = 0
        exhausted = False
        while True:
            while running < self.at_once and len(self.trials) < self.most and not exhausted and self._going():
                draw = drawn.ask()
                if draw is None:
                    exhausted = True
                    break
                trial = _Trial(trial_of(self.node, len(self.trials), draw.values, self.search), draw)
                self.trials.append(trial)
                running += 1
                self._begin(trial)
            if not running:
                return self._outcome()
            try:
                trial = self.ended.get(timeout=self._patience())
            except Empty:
                self._look()
                continue
            running -= 1
            self._settle(trial)
            drawn.tell(trial.draw, trial.value)

    def failed(self, diagnostic: Diagnostic | None, status: Status = Status.FAILED) -> Outcome:
        return Outcome(
            status,
            time.monotonic() - self.begun,
            1,
            diagnostic=diagnostic,
            key=self.key.text,
            read=self.key.read,
            started=self.begun,
            resources=self._resources(),
            trials=self._records(None),
        )

    def run_id(self) -> str:
        """Its run in MLflow, in which its trials' are: begun when the first trial that may log runs."""
        with self.lock:
            if self.shop.tracking is not None and not self.tracked:
                self.tracked = self.shop.tracking.start(self.title, self._tags())
            return self.tracked

    def end_run(self, state: str, good: bool) -> None:
        if self.shop.tracking is not None and self.tracked:
            self.shop.tracking.end(self.tracked, state, self.best() if good else {})
        elif self.shop.tracking is not None:
            self.shop.tracking.past(self.title, self._tags(), time.monotonic() - self.begun, state)

    def _tags(self) -> dict[str, str]:
        node = self.node
        said = {"mlp.step": node.name, "mlp.verb": node.verb, "mlp.component": node.component.name}
        return {**said, "mlp.key": self.key.text}

    def best(self) -> dict[str, float]:
        """The goal's metric at its best, by name."""
        values = [t.value for t in self.trials if t.value is not None and t.outcome and t.outcome.status.succeeded]
        return {self.goal.metric: self.goal.best(values)} if values else {}

    def _begin(self, trial: _Trial) -> None:
        number, parameters = len(self.trials) - 1, trial.draw.trial.params
        before = self.notes.of(number)
        if before is not None and before.stopped and before.parameters == parameters:
            trial.stopped = time.monotonic()  # it was ended early before the run was, and stays so
            trial.outcome = Outcome(Status.FAILED, logged={self.goal.metric: before.logged})
            self.ended.put(trial)
            return
        self.notes.write(Drawn(number, parameters))
        self._journal(number, None)
        threading.Thread(target=self._work, args=(trial,), name=trial.node.name, daemon=True).start()

    def _journal(self, number: int, best: _Trial | None) -> None:
        said = record.trial(self.node, self._record(number, best), self.shop.folder.path)
        self.shop.journal.append("trial", step=self.node.name, trial=said)

    def _going(self) -> bool:
        return not self.control.cancelled and not self.late

    def _work(self, trial: _Trial) -> None:
        try:
            trial.outcome = execute(trial.node, self.shop, self.control, lambda: None)
        except Exception as error:  # a thread that died silently would leave the sweep waiting for ever
            text = f"`{trial.node.title}` could not be run: {type(error).__name__}: {error}"
            trial.outcome = Outcome(Status.FAILED, diagnostic=Diagnostic("MLP0902", text, failures.place(self.node)))
        self.ended.put(trial)

    def _patience(self) -> float | None:
        """Seconds until something is to be looked at though no trial has ended."""
        if self.policy or any(t.stopped is not None and t.outcome is None for t in self.trials):
            return LOOKS
        if self.timeout is None or self.late:
            return None
        return max(0.0, self.begun + self.timeout - time.monotonic())

    def _look(self) -> None:
        now = time.monotonic()
        if self.timeout is not None and now >= self.begun + self.timeout and not self.late:
            self.late = True
            self._say(f"the timeout of {spell_seconds(self.timeout)} is over")
            for trial in self.trials:
                self._stop(trial)
        for trial in self.trials:
            if trial.outcome is not None:
                continue
            if trial.stopped is not None:
                if now >= trial.stopped + self.shop.grace:
                    self.control.stop_one(trial.node.name, signal.SIGKILL)
            elif self.policy and self.shop.tracking is not None:
                self._judge(trial)

    def _judge(self, trial: _Trial) -> None:
        """Read what a running trial has logged, and end it if the policy says so."""
        run_id = self.control.tracked.get(trial.node.name, "")
        if not run_id or self.shop.tracking is None:
            return
        number = self.trials.index(trial)
        self.histories[number] = self.shop.tracking.logged(run_id).get(self.goal.metric, [])
        while trial.looked < len(self.histories[number]):
            trial.looked += 1
            if to_stop(self.policy, self.goal.maximize, number, trial.looked, self.histories):
                self._say(f"trial {number}: stopped early after logging {self.goal.metric} {trial.looked} times")
                self._stop(trial)
                return

    def _stop(self, trial: _Trial) -> None:
        if trial.outcome is None and trial.stopped is None:
            trial.stopped = time.monotonic()
            self.control.stop_one(trial.node.name, signal.SIGTERM)

    def _settle(self, trial: _Trial) -> None:
        outcome = trial.outcome
        assert outcome is not None
        number = self.trials.index(trial)
        history = outcome.logged.get(self.goal.metric, [])
        self.histories[number] = history
        reported = outcome.metrics.get(self.goal.metric)
        if history:
            trial.value = self.goal.best(history)
        elif isinstance(reported, int | float) and not isinstance(reported, bool):
            trial.value = float(reported)
        if trial.value is not None and trial.value != trial.value:  # NaN says nothing
            trial.value = None
        said = ", ".join(f"{name} = {plain_text(value)}" for name, value in trial.draw.values.items())
        found = f"{self.goal.metric} = {trial.value:.6g}" if trial.value is not None else "no metric"
        state = self._state(trial)
        self._say(f"trial {number}: {state}, {found} ({said})")
        if state == "stopped":
            self.notes.write(Drawn(number, trial.draw.trial.params, True, history))
        self._journal(number, None)
        best = "".join(f", best {value:.6g}" for value in self.best().values())
        ended = sum(t.outcome is not None for t in self.trials)
        self.control.note(
            self.node.name, f"{ended} of at most {self.most} trials{best}; trial {number} {state}, {found}"
        )

    def _say(self, line: str) -> None:
        self.log.write(line + "\n")
        self.log.flush()

    def _state(self, trial: _Trial) -> str:
        if trial.outcome is None:
            return "running"
        if trial.stopped is not None and not trial.outcome.status.succeeded:
            return "stopped"
        return trial.outcome.status.value

    def _records(self, best: _Trial | None) -> tuple[dict[str, Any], ...]:
        return tuple(self._record(number, best) for number in range(len(self.trials)))

    def _record(self, number: int, best: _Trial | None) -> dict[str, Any]:
        trial = self.trials[number]
        outcome = trial.outcome
        diagnostic = outcome.diagnostic if outcome is not None and trial.stopped is None else None
        return {
            "number": number,
            "values": trial.draw.values,
            "status": self._state(trial),
            "metric": trial.value,
            "primary_metric": self.goal.metric,
            "best": trial is best,
            "seconds": round(outcome.seconds, 3) if outcome is not None else 0.0,
            "reports": len(self.histories.get(number, ())),
            "error": diagnostic.label or diagnostic.message if diagnostic is not None else None,
        }

    def _resources(self) -> dict[str, Any] | None:
        """What all trials took: their CPU seconds together, the most memory of one."""
        used = [t.outcome.resources for t in self.trials if t.outcome is not None and t.outcome.resources]
        if not used:
            return None
        merged = dict(used[0])
        merged["cpu_seconds"] = round(sum(u.get("cpu_seconds") or 0 for u in used), 3)
        merged["peak_memory"] = max((u.get("peak_memory") or 0 for u in used), default=0) or None
        return merged

    def _outcome(self) -> Outcome:
        if self.control.cancelled:
            return self.failed(None, Status.CANCELLED)
        if self.late:
            message = f"`{self.title}` did not end within its timeout of {spell_seconds(self.timeout or 0.0)}"
            help = "give the sweep more time, or fewer trials; those that ended are in the cache"
            return self.failed(Diagnostic("MLP0952", message, failures.place(self.node), help=help))
        good = [t for t in self.trials if t.outcome is not None and t.outcome.status.succeeded]
        if not good:
            return self.failed(self._all_failed())
        measured = [t for t in good if t.value is not None]
        if not measured:
            return self.failed(self._never_logged(good))
        sign = 1 if self.goal.maximize else -1
        best = max(measured, key=lambda t: sign * (t.value or 0.0))  # of several equal ones the first
        return self._keep(best)

    def _all_failed(self) -> Diagnostic:
        failed = [t.outcome.diagnostic for t in self.trials if t.outcome is not None and t.outcome.diagnostic]
        first = failed[0] if failed else None
        return Diagnostic(
            "MLP0950",
            f"none of the {len(self.trials)} trials of `{self.title}` succeeded",
            failures.place(self.node),
            label=first.label or first.message if first is not None else "",
            notes=first.notes if first is not None else (),
        )

    def _never_logged(self, good: list[_Trial]) -> Diagnostic:
        names = sorted({n for t in good if t.outcome is not None for n in (*t.outcome.logged, *t.outcome.metrics)})
        known = ", ".join(f"`{name}`" for name in names)
        return Diagnostic(
            "MLP0951",
            f"no trial of `{self.title}` gave the metric `{self.goal.metric}`, so none is the best",
            failures.place(self.node),
            label=f"trials gave {known}" if known else "trials gave no metrics at all",
            help=f"log it with `mlflow.log_metric({self.goal.metric!r}, …)`, or name one that is given",
            notes=() if self.shop.tracking is not None else ("the run was not tracked by MLflow",),
        )

    def _keep(self, best: _Trial) -> Outcome:
        """The best trial's outputs as the sweep's, and all trials with them."""
        folder = self.shop.folder.step(self.node.name)
        scratch = os.path.join(self.shop.scratch, f"{self.node.name}-best")
        made = os.path.join(scratch, "made")
        won = os.path.join(self.shop.folder.step(best.node.name))
        os.makedirs(made)
        try:
            place_whole(os.path.join(won, "outputs"), os.path.join(made, "outputs"))
            place_whole(os.path.join(folder, TRIALS), os.path.join(made, TRIALS))
            shutil.copy2(os.path.join(won, "command.txt"), os.path.join(folder, "command.txt"))
            outputs = {port.name: os.path.join(made, "outputs", port.name) for port in self.node.component.outputs}
            took = time.monotonic() - self.begun
            logged = best.outcome.logged if best.outcome is not None else None
            about = {"resources": self._resources(), "trials": list(self._records(best)), "logged": logged or None}
            stored = keep(self.node, self.key, made, outputs, folder, took, about, self.shop)
        finally:
            remove(scratch)
        return outcome_of(Status.COMPLETED, self.node, stored, folder, self.begun, 1, self.shop, self.key)
