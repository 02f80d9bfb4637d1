"""From a Graph to a run on this machine: what is needed first, the loop that schedules, and the record at the end."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from mlp_lang import __version__
from mlp_lang.compiler.graph import Asset, Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source, Span
from mlp_lang.runner import environment, failures, serving
from mlp_lang.runner.bindings import BindingError, asset_path, needs, shown_parameters, sources
from mlp_lang.runner.content import Memory, digest_text, place
from mlp_lang.runner.folder import FolderError, RunFolder, Scratch, home_folder, make_home, open_again, open_new
from mlp_lang.runner.outcome import Outcome, RunResult, Status
from mlp_lang.runner.process import Warden
from mlp_lang.runner.progress import Progress, Silent
from mlp_lang.runner.steps import Control, Shop, execute
from mlp_lang.runner.store import Cache
from mlp_lang.runner.tracking import Tracking

RECORD_EVERY = 2.0
"""Seconds between two writings of run.json while steps run; it is always written at the start and at the end."""


class _Event(NamedTuple):
    """What wakes the loop: a step that needs a process, one that ended, a signal, a new deadline."""

    kind: str
    name: str = ""
    outcome: Outcome | None = None
    number: int = 0


def run(
    graph: Graph,
    folder: Path | str | None = None,
    *,
    jobs: int | None = None,
    cache: bool = True,
    resume: bool = False,
    data: Mapping[str, str] | None = None,
    home: Path | str | None = None,
    tracking: bool = True,
    progress: Progress | None = None,
    grace: float = 5.0,
) -> RunResult:
    """Execute a pipeline on this machine and return what came of it.

    `folder` is where the run is kept (a new `<home>/runs/<pipeline>-<n>` without it); with `resume` it names an earlier
    run of the same pipeline, whose finished steps are taken as they are. `jobs` steps run at a time (default: the cores
    of this machine). `data` gives pipeline inputs a local path instead of the program's. `home` holds cache, runs and
    tracking (default: MLP_HOME, else `.mlp` in the working directory). With `cache` False every step runs, and nothing
    is kept for later runs. `grace` is the seconds between TERM and KILL for steps that are stopped.

    Ctrl-C and SIGTERM stop all steps and give a result with status `cancelled`. Nothing is raised for what users,
    steps or the file system do wrong: it is in the result's diagnostics.
    """
    where = home_folder(os.fspath(home) if home is not None else None)
    graph, problems = _with_data(graph, data or {})
    have = environment.installed()
    findings = [*problems, *failures.lacking(environment.check(graph, have)), *_unrunnable(graph)]
    if any(d.severity is Severity.ERROR for d in findings):
        return RunResult("failed", "", {}, {}, tuple(findings))
    try:
        make_home(where)
        if resume:
            place_ = open_again(os.fspath(folder) if folder is not None else "", graph.name)
        else:
            place_ = open_new(os.fspath(folder) if folder is not None else None, where, graph.name)
    except FolderError as error:
        refused = Diagnostic(error.code, str(error), failures.place(None, graph), help=error.help)
        return RunResult("failed", "", {}, {}, (*findings, refused))
    except OSError as error:
        return RunResult("failed", "", {}, {}, (*findings, failures.os_failed(error, None, graph, "write")))
    try:
        session = _Session(
            graph, place_, where, have, jobs, cache, resume, tracking, progress or Silent(), grace, findings
        )
        return session.run()
    except OSError as error:
        broken = failures.os_failed(error, None, graph, "write")
        return RunResult("failed", place_.path, {}, {}, (*findings, broken))
    finally:
        place_.release()


class _Session:
    def __init__(
        self,
        graph: Graph,
        folder: RunFolder,
        home: str,
        have: Mapping[str, str],
        jobs: int | None,
        cache: bool,
        resume: bool,
        tracking: bool,
        progress: Progress,
        grace: float,
        findings: list[Diagnostic],
    ) -> None:
        self.graph = graph
        self.folder = folder
        self.jobs = max(1, jobs if jobs is not None else os.cpu_count() or 1)
        self.progress = progress
        self.grace = grace
        self.findings = findings
        self.events: SimpleQueue[_Event] = SimpleQueue()
        self.control = Control(lambda: self.events.put(_Event("wake")))
        self.outcomes: dict[str, Outcome] = {}
        self.running: set[str] = set()
        self.started = datetime.now(UTC)
        self.clock = time.monotonic()
        self.recorded = self.clock
        self.parameters, self.data = shown_parameters(graph)
        known: dict[str, str] = {}
        facts = self._write_facts(known)
        self.scratch = Scratch(home)
        experiment = graph.experiment or graph.name
        tags = {**graph.tags, "mlp.pipeline": graph.name, "mlp.run": folder.path}
        if graph.profile is not None:
            tags["mlp.profile"] = graph.profile
        run_name = os.path.basename(folder.path)
        self.tracking = Tracking(home, experiment, run_name, tags, self.parameters) if tracking else None
        self.shop = Shop(
            graph,
            folder,
            self.scratch.path,
            Cache(os.path.join(home, "cache"), cache),
            Memory(os.path.join(home, "digests.db")),
            self.tracking,
            Warden(),
            have,
            sources(graph, facts, lambda node, port: self.outcomes[node].outputs[port]),
            known,
            resume,
            shutil.which("bash") or "sh",
            _python_folder(self.scratch.path),
        )

    def run(self) -> RunResult:
        """Schedule until nothing runs and nothing can; then write what is left to write."""
        previous = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                previous[number] = signal.signal(number, lambda n, _: self.events.put(_Event("signal", number=n)))
        status = "failed"
        try:
            self.folder.write_record(self._record("running"))
            self.progress.begin(self.graph, _shown(self.folder.path))
            self._loop()
            self._place_outputs()
            status = self._status()
        finally:
            self.progress.end()
            if self.tracking is not None:
                self.tracking.close({"completed": "FINISHED", "cancelled": "KILLED"}.get(status, "FAILED"))
                if self.tracking.problem:
                    self.findings.append(
                        Diagnostic(
                            "MLP0913",
                            self.tracking.problem,
                            failures.place(None, self.graph),
                            severity=Severity.WARNING,
                        )
                    )
            self.shop.warden.dismiss()
            self.shop.memory.close()
            self.scratch.remove()
            for number, handler in previous.items():
                signal.signal(number, handler)
        record = self._record(status)
        self.folder.write_record(record)
        ended = tuple(o.diagnostic for o in self.outcomes.values() if o.diagnostic is not None)
        return RunResult(status, self.folder.path, record, self.outcomes, (*self.findings, *ended))

    def _loop(self) -> None:
        nodes = {node.name: node for node in self.graph.nodes}
        waits = {n.name: {*needs(n), *serving.further_needs(n, self.graph)} & nodes.keys() for n in self.graph.nodes}
        feeds: dict[str, list[str]] = {name: [] for name in nodes}
        for name, others in waits.items():
            for other in others:
                feeds[other].append(name)
        position = {name: i for i, name in enumerate(nodes)}
        ready = [name for name in nodes if not waits[name]]
        weights = {name: min(self.jobs, _weight(node)) for name, node in nodes.items()}
        free = self.jobs
        while True:
            while ready and not self.control.cancelled:
                fitting = next((name for name in ready if weights[name] <= free), None)
                if fitting is None:
                    break
                ready.remove(fitting)
                free -= weights[fitting]
                self.running.add(fitting)
                threading.Thread(target=self._work, args=(nodes[fitting],), name=fitting, daemon=True).start()
            if not self.running:
                break
            event = self._next()
            if event is None:
                continue
            if event.kind == "started":
                self.progress.step(event.name, "running", 0.0)
            elif event.kind == "signal":
                self._stop(event.number)
            elif event.outcome is not None:
                self.running.discard(event.name)
                free += weights[event.name]
                self._settle(event.name, event.outcome)
                if event.outcome.status.succeeded:
                    for other in feeds[event.name]:
                        waits[other].discard(event.name)
                        if not waits[other] and other not in self.outcomes:
                            ready.append(other)
                    ready.sort(key=position.__getitem__)
                elif not self.control.cancelled:
                    self._skip(event.name, feeds)
        rest = Status.CANCELLED if self.control.cancelled else Status.SKIPPED
        for name in nodes:
            if name not in self.outcomes:
                self._settle(name, Outcome(rest))

    def _work(self, node: Node) -> None:
        try:
            outcome = execute(node, self.shop, self.control, lambda: self.events.put(_Event("started", node.name)))
        except Exception as error:  # a thread that died silently would leave the run waiting for ever
            text = f"`{node.title or node.name}` could not be run: {type(error).__name__}: {error}"
            outcome = Outcome(Status.FAILED, diagnostic=Diagnostic("MLP0902", text, failures.place(node)))
        self.events.put(_Event("ended", node.name, outcome))

    def _next(self) -> _Event | None:
        """The next event; None once a deadline has passed and its step was told."""
        deadline = self.control.next_deadline()
        try:
            return self.events.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except Empty:
            self.control.stop_late(time.monotonic(), self.grace)
            return None

    def _stop(self, number: int) -> None:
        """First signal: TERM, and KILL after the grace. Second: KILL now."""
        if self.control.cancelled:
            self.control.stop_all(signal.SIGKILL)
            return
        self.progress.say(f"{signal.Signals(number).name}: stopping {len(self.running)} steps")
        self.control.stop_all(signal.SIGTERM)
        self.control.set_deadline(time.monotonic() + self.grace)

    def _skip(self, name: str, feeds: Mapping[str, list[str]]) -> None:
        pending = list(feeds[name])
        while pending:
            other = pending.pop(0)
            if other not in self.outcomes:
                self._settle(other, Outcome(Status.SKIPPED))
                pending += feeds[other]

    def _settle(self, name: str, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        note = outcome.diagnostic.label or outcome.diagnostic.message if outcome.diagnostic is not None else ""
        self.progress.step(name, outcome.status.value, outcome.seconds, note)
        if time.monotonic() - self.recorded > RECORD_EVERY:
            self.folder.write_record(self._record("running"))
            self.recorded = time.monotonic()

    def _status(self) -> str:
        if self.control.cancelled:
            return "cancelled"
        good = all(outcome.status.succeeded for outcome in self.outcomes.values())
        return "completed" if good else "failed"

    def _write_facts(self, known: dict[str, str]) -> dict[str, str]:
        """The facts of tables as files that steps read; their content counts for the cache, not their place."""
        files = {}
        for facts in self.graph.facts:
            path = os.path.join(self.folder.path, "facts", f"{facts.name}.json")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            text = json.dumps(facts.document, indent=2, ensure_ascii=False) + "\n"
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            files[facts.name] = path
            known[path] = digest_text(text)
        return files

    def _place_outputs(self) -> None:
        for output in self.graph.outputs:
            if output.source is None:
                continue
            outcome = self.outcomes.get(output.source.node)
            if outcome is not None and outcome.status.succeeded:
                target = os.path.join(self.folder.path, "outputs", output.name)
                place(outcome.outputs[output.source.port], target)

    def _record(self, status: str) -> dict[str, Any]:
        graph = self.graph
        steps = [self._step(node) for node in graph.nodes]
        endpoints = [e for node in graph.nodes if (e := self._endpoint(node)) is not None]
        tracked = self.tracking is not None and bool(self.tracking.run_id)
        return {
            "format": 1,
            "mlp": __version__,
            "pipeline": graph.name,
            "profile": graph.profile,
            "status": status,
            "started": self.started.isoformat(timespec="milliseconds"),
            "seconds": round(time.monotonic() - self.clock, 3),
            "jobs": self.jobs,
            "sources": list(graph.sources),
            "parameters": self.parameters,
            "data": self.data,
            "steps": steps,
            "outputs": {
                o.name: f"outputs/{o.name}"
                for o in graph.outputs
                if os.path.lexists(os.path.join(self.folder.path, "outputs", o.name))
            },
            "privacy": {
                "budgets": [_plain(b) for b in graph.privacy.budgets],
                "releases": [_plain(r) for r in graph.privacy.releases],
                "declassified": [_plain(d) for d in graph.privacy.declassified],
                "verdicts": list(graph.privacy.verdicts),
                "released": [{**o.release, "step": name} for name, o in self.outcomes.items() if o.release is not None],
            },
            "parity": [{**o.parity, "step": name} for name, o in self.outcomes.items() if o.parity is not None],
            "endpoints": endpoints,
            "tracking": (
                {"uri": self.tracking.uri, "experiment": self.tracking.experiment, "run_id": self.tracking.run_id}
                if tracked and self.tracking is not None
                else None
            ),
        }

    def _step(self, node: Node) -> dict[str, Any]:
        outcome = self.outcomes.get(node.name)
        folder = f"steps/{node.name}"
        state = outcome.status.value if outcome is not None else "running" if node.name in self.running else "waiting"
        log = f"{folder}/log.txt"
        found = outcome if outcome is not None else Outcome(Status.SKIPPED)
        return {
            "name": node.name,
            "title": node.title or node.name,
            "verb": node.verb,
            "component": node.component.name,
            "status": state,
            "cached": state == "cached",
            "seconds": round(found.seconds, 3),
            "attempts": found.attempts,
            "exit_code": found.exit_code,
            "log": log if os.path.exists(os.path.join(self.folder.path, log)) else None,
            "outputs": {port: os.path.relpath(path, self.folder.path) for port, path in found.outputs.items()},
            "digests": found.digests,
            "metrics": found.metrics,
            "gates": list(found.gates),
            "error": _error(found.diagnostic),
        }

    def _endpoint(self, node: Node) -> dict[str, Any] | None:
        outcome = self.outcomes.get(node.name)
        if node.deployment is None or outcome is None or not outcome.status.succeeded:
            return None
        try:
            model = asset_path(node.deployment.model, self.shop.sources, node)
        except BindingError:
            return None
        inside = os.path.relpath(model, self.folder.path)
        outputs = {port: os.path.relpath(path, self.folder.path) for port, path in outcome.outputs.items()}
        return serving.record(node, outputs, outcome.endpoint, self.graph, model if inside.startswith("..") else inside)


def _with_data(graph: Graph, data: Mapping[str, str]) -> tuple[Graph, list[Diagnostic]]:
    """The Graph with other local paths for its data."""
    if not data:
        return graph, []
    problems = []
    names = {
        i.parameter.name
        for i in graph.inputs
        if isinstance(i.value, Asset) or i.parameter.azure_type.startswith("uri_")
    }
    for name in data:
        if name not in names:
            message = f"there is no data `{name}` whose path could be given"
            known = f"the pipeline has {', '.join(sorted(names))}" if names else "the pipeline has no data"
            problems.append(Diagnostic("MLP0907", message, failures.place(None, graph), help=known))
    inputs = []
    for item in graph.inputs:
        path = data.get(item.parameter.name)
        if path is not None and item.parameter.name in names:
            mode = item.value.mode if isinstance(item.value, Asset) else None
            item = item._replace(value=Asset(item.parameter.azure_type, os.path.abspath(path), True, mode, item.span))
        inputs.append(item)
    return graph._replace(inputs=tuple(inputs)), problems


def _unrunnable(graph: Graph) -> list[Diagnostic]:
    """Stages that have nothing to execute here: what changes a workspace, and registered components (an error)."""
    left_out = [
        Diagnostic(
            "MLP0915",
            f"`{node.title or node.name}` changes a workspace, and there is none here: it does nothing in this run",
            failures.place(node),
            severity=Severity.WARNING,
        )
        for node in graph.nodes
        if serving.elsewhere(node)
    ]
    if graph.component is not None:
        name = graph.component.reference or graph.component.name
        message = f"`{graph.title}` runs the pipeline component `{name}`, which does not run on this machine yet"
        where = graph.span or Span(Source("", ""), 0, 0)
        left_out.append(Diagnostic("MLP0910", message, where, help=_UNRUNNABLE_HELP[0]))
    return left_out + [
        Diagnostic("MLP0910", message, failures.place(node), help=help)
        for node in graph.nodes
        if node.deployment is None and (message := _not_here(node))
        for help in (_UNRUNNABLE_HELP[node.kind == "command"],)
    ]


_UNRUNNABLE_HELP = ("compile it and run it in Azure ML", "use a component whose definition and code are files")


def _not_here(node: Node) -> str:
    """Why this machine cannot run a step, or nothing."""
    if node.kind != "command":
        return f"`{node.title or node.name}` is a `{node.kind}` job, which does not run on this machine yet"
    if node.component.origin == "registered":
        return (
            f"`{node.title or node.name}` uses `{node.component.reference or node.component.name}`, "
            "which is registered in a workspace and cannot run here"
        )
    return ""


def _weight(node: Node) -> int:
    """Cores that a step counts for: its processes on one machine."""
    count = (node.run.distribution or {}).get("process_count_per_instance")
    return count if isinstance(count, int) and count > 0 else 1


def _python_folder(scratch: str) -> str:
    """A folder whose `python` is this interpreter: its own, or one with a shim where it goes by another name."""
    own = os.path.dirname(sys.executable)
    if os.path.exists(os.path.join(own, "python")):
        return own
    import shlex

    folder = os.path.join(scratch, "bin")
    os.makedirs(folder)
    for name in ("python", "python3"):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        os.chmod(path, 0o755)
    return folder


def _plain(item: Any) -> dict[str, Any]:
    """A NamedTuple as a JSON object, its span as `file:line:column`."""
    document = dict(item._asdict())
    span = document.pop("span", None)
    return {**document, "place": spell_span(span)}


def spell_span(span: Span | None) -> str | None:
    if span is None:
        return None
    line, column = span.source.position(span.start)
    return f"{span.source.path}:{line}:{column}"


def _error(diagnostic: Diagnostic | None) -> dict[str, Any] | None:
    if diagnostic is None:
        return None
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "detail": diagnostic.label,
        "place": spell_span(diagnostic.span),
    }


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
