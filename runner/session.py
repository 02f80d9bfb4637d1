"""From a Graph to a run on this machine: what is needed first, the loop that schedules, and the record at the end."""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.runner import environment, failures, parallel, record, serving
from mlp_lang.runner.asked import forced, prepared, unrunnable
from mlp_lang.runner.bindings import BindingError, asset_path, settled, shown_parameters, sources
from mlp_lang.runner.content import Memory, place_whole
from mlp_lang.runner.control import Control
from mlp_lang.runner.distribution import processes
from mlp_lang.runner.expand import releases
from mlp_lang.runner.facts import write_facts
from mlp_lang.runner.folder import FolderError, RunFolder, Scratch, home_folder, make_home, open_again, open_new
from mlp_lang.runner.journal import Journal
from mlp_lang.runner.local import NOTHING, Local
from mlp_lang.runner.outcome import Outcome, RunResult, Status
from mlp_lang.runner.places import earlier_runs, remember
from mlp_lang.runner.process import Warden, common_environment
from mlp_lang.runner.progress import Progress, Silent
from mlp_lang.runner.resources import Watch
from mlp_lang.runner.rooms import HERE, INSTALLED
from mlp_lang.runner.rooms import prepare as prepare_rooms
from mlp_lang.runner.schedule import Schedule
from mlp_lang.runner.selection import EVERYTHING, Chosen, Selection, all_needs, going, runs
from mlp_lang.runner.steering import Crew, Steering
from mlp_lang.runner.steps import Shop, execute
from mlp_lang.runner.store import Cache
from mlp_lang.runner.tracking import Tracking
from mlp_lang.runner.warm import Zygotes


class _Event(NamedTuple):
    """What wakes the loop: a step that needs a process, one that ended, a signal, a new deadline."""

    kind: str
    name: str = ""
    outcome: Outcome | None = None
    number: int = 0
    text: str = ""


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
    select: Selection = EVERYTHING,
    force: bool = False,
    memory: int | None = None,
    backoff: float = 1.0,
    report: bool = True,
    call: Mapping[str, Any] | None = None,
    warm: bool = True,
    local: Local | None = None,
    rooms: str = INSTALLED,
) -> RunResult:
    """Execute a pipeline on this machine and return what came of it.

    `folder` is where the run is kept (a new `<home>/runs/<pipeline>-<n>` without it); with `resume` it names an earlier
    run of the same pipeline, whose finished steps are taken as they are. `jobs` steps run at a time (default: the cores
    of this machine). `data` gives pipeline inputs a local path instead of the program's. `home` holds cache, runs and
    tracking (default: MLP_HOME, else `.mlp` in the working directory). With `cache` False every step runs, and nothing
    is kept for later runs. `grace` is the seconds between TERM and KILL for steps that are stopped. Without `warm`
    no step is forked from a process that has its imports. `local` says what stands here for data, components and
    environments of a workspace. `rooms` is where steps run: `installed` (this interpreter), `venv`, `docker`, `podman`.

    `select` names the steps that are wanted; what those need beyond them is taken from the cache or an earlier run.
    With `force` nothing that runs is taken from the cache (what is made is kept there). A step whose processes hold
    more than `memory` bytes is ended. A retry waits `backoff` seconds, each further one twice as long. `report` writes
    report.html. `call` is kept in the journal for whoever resumes the run.

    Ctrl-C and SIGTERM stop all steps and give a result with status `cancelled`. Nothing is raised for what users,
    steps or the file system do wrong: it is in the result's diagnostics.
    """
    where = home_folder(os.fspath(home) if home is not None else None)
    have = environment.installed()
    asked = prepared(graph, select, data or {}, local or NOTHING, have if rooms == INSTALLED else None)
    if asked.unknown:
        return RunResult("failed", "", {}, {}, tuple(asked.unknown))
    graph, whole, chosen = asked.graph, asked.whole, asked.chosen
    force = force or forced(graph)
    findings = [*asked.found, *unrunnable(whole, have)]
    if force:
        drawn = [node for node in whole.nodes if releases(node, whole) and runs(node.name, chosen)]
        findings += [failures.drawn_anew(node) for node in drawn]
    if any(d.severity is Severity.ERROR for d in findings):
        return RunResult("failed", "", {}, {}, tuple(findings))
    try:
        if rooms != INSTALLED:
            make_home(where)
        say = (progress or Silent()).say
        places, lacks = prepare_rooms(rooms, whole, going(whole, chosen), where, say)
        findings += lacks
        if any(d.severity is Severity.ERROR for d in lacks):
            return RunResult("failed", "", {}, {}, tuple(findings))
        if chosen.taken:
            from mlp_lang.runner.planning import lacking

            lacks = lacking(graph, chosen, folder, resume, where, have, cache, force, places)
            if lacks:
                return RunResult("failed", "", {}, {}, (*findings, *lacks))
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
    scratch = None
    try:
        remember(where, place_.path)
        scratch = Scratch(where)
        session = _Session(
            graph,
            place_,
            where,
            have,
            jobs,
            cache,
            resume,
            tracking,
            progress or Silent(),
            grace,
            findings,
            scratch,
            warm and rooms == INSTALLED,
        )
        session.shop = session.shop._replace(rooms=places)
        session.prepare(chosen, force, memory, backoff, dict(call or {}))
        result = session.run()
    except OSError as error:
        broken = failures.os_failed(error, None, graph, "write")
        return RunResult("failed", place_.path, {}, {}, (*findings, broken))
    finally:
        if scratch is not None:
            scratch.remove()
        place_.release()
    if report and result.record:
        try:
            from mlp_lang.runner.report import write_report

            compiled = os.path.join(where, "templates")
            os.makedirs(compiled, exist_ok=True)
            write_report(result.folder, result.record, compiled)
        except Exception as error:  # what is left out of a report must not make a good run a bad one
            result = result._replace(diagnostics=(*result.diagnostics, failures.no_report(error, graph)))
    return result


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
        scratch: Scratch,
        warm: bool,
    ) -> None:
        self.graph = graph
        self.folder = folder
        self.home = home
        self.nodes = {node.name: node for node in graph.nodes}
        self.jobs = max(1, jobs if jobs is not None else os.cpu_count() or 1)
        self.progress = progress
        self.grace = grace
        self.findings = findings
        self.events: SimpleQueue[_Event] = SimpleQueue()
        self.control = Control(
            lambda: self.events.put(_Event("wake")),
            lambda name, text: self.events.put(_Event("note", name, text=text)),
        )
        self.outcomes: dict[str, Outcome] = {}
        self.running: set[str] = set()
        self.schedule = Schedule(self.jobs, self._weight)
        self.started = datetime.now(UTC)
        self.clock = time.monotonic()
        self.journal = Journal(folder.path)
        self.parameters, self.data = shown_parameters(graph)
        known: dict[str, str] = {}
        facts = write_facts(graph, folder.path, known)
        self.scratch = scratch
        experiment = graph.experiment or graph.name
        tags = {**graph.tags, "mlp.pipeline": graph.name, "mlp.run": folder.path}
        if graph.profile is not None:
            tags["mlp.profile"] = graph.profile
        run_name = os.path.basename(folder.path)
        self.tracking = Tracking(home, experiment, run_name, tags, self.parameters) if tracking else None
        warden, shell, python = Warden(scratch.path), shutil.which("bash") or "sh", _python_folder(scratch.path)
        shared = common_environment(python)
        shared["TMPDIR"] = scratch.temporary("zygotes")  # by which the warden finds a child that nobody knows of yet
        zygotes = Zygotes(python, shell, shared, warden, warm, tracking)
        self.shop = Shop(
            graph,
            folder,
            self.scratch.path,
            Cache(os.path.join(home, "cache"), cache),
            Memory(os.path.join(home, "digests.db")),
            self.tracking,
            warden,
            have,
            sources(graph, facts, self._output),
            known,
            resume,
            shell,
            python,
            self.journal,
            Watch(),
            False,
            set(),
            (),
            1.0,
            zygotes,
            self.nodes,
            self.schedule.feeds,
            set(),
            scratch.discard,
            self.jobs,
            self.grace,
            HERE,
        )

    def prepare(self, chosen: Chosen, force: bool, memory: int | None, backoff: float, call: Mapping[str, Any]) -> None:
        """What of the run is asked for, and how its steps are treated; then the journal's first line."""
        self.shop = self.shop._replace(
            watch=Watch(memory),
            force=force,
            taken=set(chosen.taken),
            earlier=earlier_runs(self.home, self.graph.name, self.folder.path) if chosen.taken else (),
            backoff=backoff,
        )
        self.outcomes = {
            node.name: Outcome(Status.OMITTED)
            for node in self.graph.nodes
            if node.name not in chosen.run and node.name not in chosen.taken
        }
        head = record.head(self.graph, self.started.isoformat(timespec="milliseconds"), self.jobs, self.shop.versions)
        head.update(parameters=self.parameters, data=self.data)
        steps = record.stubs(self.graph.nodes, all_needs(self.graph), self.folder.path)
        self.journal.append(
            "run", sync=True, head=head, steps=steps, call=call, resumed=self.shop.resume, scratch=self.scratch.path
        )
        if self.journal.problem is not None:
            raise self.journal.problem
        for name, outcome in self.outcomes.items():
            self._write(name, outcome)
        self.steering = Steering(
            Crew(
                self.graph,
                self.shop,
                self.nodes,
                self.outcomes,
                self.schedule,
                self.progress,
                self._ended,
                self._settle,
                self._apart,
            )
        )

    def run(self) -> RunResult:
        """Schedule until nothing runs and nothing can; then write what is left to write."""
        previous = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                previous[number] = signal.signal(number, lambda n, _: self.events.put(_Event("signal", number=n)))
        status = "failed"
        try:
            self.progress.begin(self.graph, _shown(self.folder.path))
            for name in self.outcomes:
                self.progress.step(name, "omitted", 0.0)
            self._loop()
            self._place_outputs()
            status = self._status()
        finally:
            self.progress.end()
            if self.tracking is not None:
                self.tracking.close({"completed": "FINISHED", "cancelled": "KILLED"}.get(status, "FAILED"))
                if self.tracking.problem:
                    where = failures.place(None, self.graph)
                    problem = Diagnostic("MLP0913", self.tracking.problem, where, severity=Severity.WARNING)
                    self.findings.append(problem)
            self.shop.zygotes.close()
            self.shop.warden.dismiss()
            self.shop.memory.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        self._end(status)
        made = self.journal.state.record()
        self.journal.close()
        ended = tuple(o.diagnostic for o in self.outcomes.values() if o.diagnostic is not None)
        if self.journal.problem is not None:
            status = made["status"] = "failed"
            self.findings.append(failures.no_journal(self.journal.problem, self.graph))
        else:
            try:
                self.folder.write_record(made)
            except OSError as error:  # the journal has it all
                self.findings.append(failures.os_failed(error, None, self.graph, "write the record of the run"))
        return RunResult(status, self.folder.path, made, self.outcomes, (*self.findings, *ended))

    def _loop(self) -> None:
        nodes = [node for name, node in self.nodes.items() if name not in self.outcomes]
        self.schedule.add(nodes, all_needs(self.graph), self.outcomes.__contains__)
        while True:
            while not self.control.cancelled and (node := self.schedule.next()) is not None:
                if node.control is not None:
                    self.steering.start(node)
                    self.steering.go_on()
                else:
                    self._apart(node.name, partial(self._execute, node))
            if not self.running:
                break
            event = self._next()
            if event is None:
                continue
            if event.kind == "started":
                self.progress.step(event.name, "running", 0.0)
            elif event.kind == "note":
                self.progress.note(event.name, event.text)
            elif event.kind == "signal":
                self._stop(event.number)
            elif event.outcome is not None:
                self._ended(event.name, event.outcome)
                if not self.control.cancelled:
                    self.steering.go_on()
        rest = Status.CANCELLED if self.control.cancelled else Status.SKIPPED
        for name in self.nodes:
            if name not in self.outcomes:
                self._settle(name, Outcome(rest))

    def _execute(self, node: Node) -> Outcome:
        return execute(node, self.shop, self.control, lambda: self.events.put(_Event("started", node.name)))

    def _apart(self, name: str, work: Callable[[], Outcome]) -> None:
        """Do something for a step in a thread of its own; its outcome is an event."""
        self.running.add(name)
        threading.Thread(target=self._work, args=(self.nodes[name], work), name=name, daemon=True).start()

    def _work(self, node: Node, work: Callable[[], Outcome]) -> None:
        try:
            outcome = work()
        except Exception as error:  # a thread that died silently would leave the run waiting for ever
            text = f"`{node.title or node.name}` could not be run: {type(error).__name__}: {error}"
            outcome = Outcome(Status.FAILED, diagnostic=Diagnostic("MLP0902", text, failures.place(node)))
        self.events.put(_Event("ended", node.name, outcome))

    def _ended(self, name: str, outcome: Outcome) -> None:
        """A step has ended: what follows from it for others."""
        self.running.discard(name)
        self.schedule.free(name)
        self._settle(name, outcome)
        if outcome.status.succeeded:
            self.schedule.succeeded(name, self.outcomes.__contains__)
        elif not self.control.cancelled:
            self.steering.pass_over(self.schedule.feeds[name], Outcome(Status.SKIPPED))

    def _weight(self, node: Node) -> int:
        """Cores that a step counts for: its processes on one machine, or those of all that it does at a time."""
        try:
            if node.kind == "parallel":
                return parallel.workers(settled(node, self.shop.sources), self.jobs)
            if node.kind == "sweep":
                from mlp_lang.runner import sweep

                return sweep.concurrency(settled(node, self.shop.sources), self.jobs, self.graph)
        except BindingError:  # which the step says itself
            return 1
        return processes(node, self.graph)

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
        self.shop.zygotes.give_up()
        self.control.set_deadline(time.monotonic() + self.grace)

    def _settle(self, name: str, outcome: Outcome) -> None:
        self.outcomes[name] = outcome
        said = outcome.diagnostic
        note = outcome.note if said is None else said.label or said.message
        self.progress.step(name, outcome.status.value, outcome.seconds, note)
        self._write(name, outcome)
        self.steering.ended(name, outcome.status)
        if self.journal.problem is not None and not self.control.cancelled:
            self.progress.say("the journal cannot be written: stopping")
            self.control.stop_all(signal.SIGTERM)
            self.control.set_deadline(time.monotonic() + self.grace)

    def _write(self, name: str, outcome: Outcome) -> None:
        """Put a step's end into the journal; what took time to make is made safe from a failure of power, too."""
        endpoint = self._endpoint(self.nodes[name])
        said = {"release": outcome.release, "parity": outcome.parity, "endpoint": endpoint}
        self.journal.append(
            "finished",
            sync=outcome.status in (Status.COMPLETED, Status.FAILED),
            step=name,
            record=record.step(self.nodes[name], outcome, self.folder.path, self.clock),
            **{kind: document for kind, document in said.items() if document is not None},
        )

    def _end(self, status: str) -> None:
        tracked = self.tracking is not None and bool(self.tracking.run_id)
        self.journal.append(
            "ended",
            sync=True,
            status=status,
            seconds=round(time.monotonic() - self.clock, 3),
            outputs={
                o.name: f"outputs/{o.name}"
                for o in self.graph.outputs
                if os.path.lexists(os.path.join(self.folder.path, "outputs", o.name))
            },
            tracking=(
                {"uri": self.tracking.uri, "experiment": self.tracking.experiment, "run_id": self.tracking.run_id}
                if tracked and self.tracking is not None
                else None
            ),
        )

    def _status(self) -> str:
        if self.control.cancelled:
            return "cancelled"
        good = all(o.status.succeeded or o.status is Status.OMITTED for o in self.outcomes.values())
        return "completed" if good else "failed"

    def _place_outputs(self) -> None:
        for output in self.graph.outputs:
            if output.source is None:
                continue
            outcome = self.outcomes.get(output.source.node)
            if outcome is not None and output.source.port in outcome.outputs:
                target = os.path.join(self.folder.path, "outputs", output.name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                place_whole(outcome.outputs[output.source.port], target)

    def _output(self, name: str, port: str) -> str:
        """The path of what a step gave. Raises BindingError."""
        outcome = self.outcomes.get(name)
        if outcome is None or port not in outcome.outputs:
            title = self.nodes[name].title if name in self.nodes else name
            raise BindingError("MLP0907", f"`{title}` gave no `{port}` in this run")
        return outcome.outputs[port]

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


def _shown(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
