"""From a node whose inputs are there to its outcome: looked up by content, or run in a folder of its own and kept."""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Graph, Literal, Node, OutputPort
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.runner import automl, code, distribution, failures, findings, parallel, serving, spark
from mlp_lang.runner.bindings import COPIED_MODES, BindingError, Given, Sources, given_inputs, settled
from mlp_lang.runner.command import CommandError, expand
from mlp_lang.runner.content import Memory, entries, place_whole, protect, remove, tree_digest
from mlp_lang.runner.control import CancelledError, Control
from mlp_lang.runner.folder import RunFolder
from mlp_lang.runner.imports import Imports
from mlp_lang.runner.journal import Journal, now
from mlp_lang.runner.keys import Key, Known, key_of
from mlp_lang.runner.outcome import Outcome, Status
from mlp_lang.runner.process import Process, Warden, common_environment, end_strays
from mlp_lang.runner.resources import Watch, birth, ended_for_memory, used
from mlp_lang.runner.rooms import HERE, Rooms
from mlp_lang.runner.store import ENTRY, Cache, Stored, document_of, load, write_json
from mlp_lang.runner.tracking import Tracking
from mlp_lang.runner.trials import sweep_of
from mlp_lang.runner.warm import Start, Zygotes

FOLDERS = frozenset(["uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"])
MUST_HOLD_FILES = frozenset(["mltable", "mlflow_model", "triton_model"])
LONGEST_PAUSE = 30.0
"""Seconds that a step waits at most before it is tried again."""


class Shop(NamedTuple):
    """What all steps of a run share."""

    graph: Graph
    folder: RunFolder
    scratch: str
    cache: Cache
    memory: Memory
    tracking: Tracking | None
    warden: Warden
    versions: Mapping[str, str]
    sources: Sources
    known: dict[str, str]  # path that this run made -> digest of its content
    resume: bool
    shell: str
    python: str  # folder whose `python` is this interpreter
    journal: Journal
    watch: Watch
    force: bool  # look nothing up in the cache
    taken: set[str]  # steps that are looked up and never run
    earlier: tuple[str, ...]  # folders of earlier runs of the pipeline, newest first, in which those are looked for
    backoff: float  # seconds before the first retry; twice as many before each further one
    zygotes: Zygotes
    nodes: Mapping[str, Node]  # those of the turns that there are, too
    feeds: Mapping[str, list[str]]  # node -> nodes that wait for it
    followers: set[str]  # nodes whose imports were foreseen
    discard: Callable[[str], None]  # removes a folder, some time
    jobs: int = 1  # processes at a time, for a step that has several
    grace: float = 5.0  # seconds from TERM to KILL
    rooms: Rooms = HERE  # where steps run


def execute(node: Node, shop: Shop, control: Control, started: Callable[[], None]) -> Outcome:
    """One step, from looking it up to keeping what it made. `started` is called if a process is needed.

    Raises nothing for what a user, a step or a file system does wrong: that is in the outcome.
    """
    begun = time.monotonic()
    attempts = 0
    try:
        if control.cancelled:
            raise CancelledError
        if serving.elsewhere(node):
            return _left_out(node, shop, begun)
        asked = settled(node, shop.sources)
        given = given_inputs(asked, shop.sources) if node.deployment is None else []
        check = serving.plan(node, shop.graph, shop.sources) if node.deployment is not None else None
        key = key_of(asked, given, check, Known(shop.graph, shop.memory, shop.known, shop.versions, shop.rooms))
        folder = shop.folder.step(node.name)
        found = _finished(node, key.text, folder, shop)
        if found is not None:
            return outcome_of(Status.CACHED, node, found, folder, begun, 0, shop, key)
        if node.name in shop.taken:
            return Outcome(Status.FAILED, diagnostic=failures.not_there(node, ""), key=key.text, read=key.read)
        name = sweep_of(node.name)
        if node.kind != "sweep" and name not in shop.followers:  # all of a sweep's trials may be there
            threading.Thread(target=_foresee, args=(list(_with_followers(name, shop)), shop), daemon=True).start()
        started()
        if node.kind == "sweep":
            from mlp_lang.runner import sweep

            return sweep.carry_out(node, asked.search or {}, key, shop, control, begun)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        split = parallel.plan(asked, given, shop.jobs) if node.kind == "parallel" else None
        if split is not None:  # its limits are those of a mini batch
            variables = parallel.variables(asked)
            node = node._replace(run=node.run._replace(timeout=None, retries=None, environment_variables=variables))
        tries = 1 + (node.run.retries or 0)
        while True:
            attempts += 1
            shop.journal.append("started", step=node.name, attempt=attempts)
            clear: Callable[[str], None] = remove  # what failed may have filled the disk
            try:
                outcome = _attempt(node, given, check, split, key, attempts, shop, control, begun)
                clear = shop.discard if outcome.status.succeeded else remove
            finally:
                clear(_scratch(node, attempts, shop))
            if outcome.status.succeeded or attempts >= tries or control.cancelled:
                return outcome
            if failures.gate_failed(failures.last_line(os.path.join(folder, "log.txt"))):
                return outcome  # a verdict, not a mishap: asking again until it passes would make it worthless
            if control.stopping.wait(min(shop.backoff * 2 ** (attempts - 1), LONGEST_PAUSE)):
                return outcome._replace(status=Status.CANCELLED, diagnostic=None)
    except CancelledError:
        return Outcome(Status.CANCELLED, time.monotonic() - begun, attempts)
    except BindingError as error:
        return Outcome(Status.FAILED, time.monotonic() - begun, attempts, diagnostic=failures.unbound(error, node))
    except CommandError as error:
        message = Diagnostic("MLP0909", f"`{node.title or node.name}`: {error}", failures.place(node))
        return Outcome(Status.FAILED, time.monotonic() - begun, attempts, diagnostic=message)
    except OSError as error:
        doing = f"run `{node.title or node.name}`: a file operation failed on"
        message = failures.os_failed(error, node, shop.graph, doing)
        return Outcome(Status.FAILED, time.monotonic() - begun, attempts, diagnostic=message)


def _foresee(nodes: list[Node], shop: Shop) -> None:
    """Start in the background what a step, the first of `nodes`, and those after it will wait for: imports, MLflow."""
    begun = shop.tracking is None
    for node in nodes:
        with contextlib.suppress(OSError):
            files = code.files(node.component) if node.deployment is None else {}
            if node.deployment is None:
                shop.zygotes.expect(node.component, files, begin=node is nodes[0])
            if not begun and shop.zygotes.may_log(node, files):
                shop.tracking.begin()  # type: ignore[union-attr]
                begun = True


def _with_followers(first: str, shop: Shop) -> Iterator[Node]:
    """A step that runs, and those that will probably run because of it, nearest first."""
    pending = [first]
    for name in pending:
        if name not in shop.followers:
            shop.followers.add(name)
            pending += shop.feeds.get(name, ())
            if shop.nodes[name].control is None:
                yield shop.nodes[name]


def _left_out(node: Node, shop: Shop, begun: float) -> Outcome:
    """A stage without counterpart here: nothing is done, and its reports say so."""
    folder = os.path.join(shop.folder.step(node.name), "outputs")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    paths = {port.name: os.path.join(folder, port.name) for port in node.component.outputs}
    for path in paths.values():
        write_json(path, {"done": False, "reason": "this stage changes a workspace, and the run was on one machine"})
        shop.known[path] = shop.memory.tree(path)
    digests = {port: shop.known[path] for port, path in paths.items()}
    return Outcome(Status.COMPLETED, time.monotonic() - begun, 0, None, paths, digests)


def _finished(node: Node, key: str, folder: str, shop: Shop) -> Stored | None:
    """The results of this key from the run that is resumed, or from the cache; then also in the run's folder."""
    if shop.resume and (own := load(folder, key)) is not None:
        return own
    taken = node.name in shop.taken
    if (node.component.deterministic or node.deployment is not None) and (taken or not shop.force):
        stored = shop.cache.find(key)
        if stored is not None and _placed(stored, folder):
            return stored._replace(folder=folder)
    for earlier in shop.earlier if taken else ():
        stored = load(os.path.join(earlier, "steps", node.name), key)
        if stored is not None and _placed(stored, folder):
            return stored._replace(folder=folder)
    return None


def _placed(stored: Stored, folder: str) -> bool:
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        place_whole(stored.folder, folder)
    except FileNotFoundError:  # somebody clears the cache
        return False
    return True


def _scratch(node: Node, number: int, shop: Shop) -> str:
    return os.path.join(shop.scratch, f"{node.name}-{number}")


def _attempt(
    node: Node,
    given: list[Given],
    check: "serving.Check | None",
    split: "parallel.Split | None",
    key: Key,
    number: int,
    shop: Shop,
    control: Control,
    begun: float,
) -> Outcome:
    folder = shop.folder.step(node.name)
    log = os.path.join(folder, "log.txt")
    scratch = _scratch(node, number, shop)
    made = os.path.join(scratch, "made")
    work = os.path.join(scratch, "code")
    os.makedirs(os.path.join(made, "outputs"))
    os.makedirs(work)
    variables: dict[str, str] = {}
    ports = ports_of(node)
    outputs = {port.name: os.path.join(made, "outputs", port.name) for port in ports}
    for port in ports:
        if port.azure_type in FOLDERS and check is None:
            os.mkdir(outputs[port.name])
    start: Start | None = None
    files: dict[str, str] = {}
    if check is not None:
        arguments, line = serving.command(check, scratch, outputs)
        start = Start(["python", *arguments[1:]], Imports(serving.CHECK_IMPORTS, ""), module=serving.CHECK)
    else:
        files = code.lay_out(node.component, work)
        for name in ("outputs", "logs"):
            os.makedirs(os.path.join(work, name), exist_ok=True)
        texts = _inputs_for(given, scratch)
        if split is not None:
            arguments, line = parallel.command(split, texts, outputs, scratch, os.path.join(shop.python, "python"))
        else:
            arguments, line, variables = _command(node, texts, outputs, work, scratch, shop)
        alone = node.kind in ("command", "trial") and not distribution.said(node)
        if alone and shop.rooms.of(node) is None:
            start = shop.zygotes.plan(line, files)
    tracking = shop.tracking
    logs = tracking is not None and shop.zygotes.may_log(node, files)
    tags = _tags(node, key.text)
    parent = control.parents[sweep_of(node.name)]() if node.kind == "trial" and logs else ""
    run_id = tracking.start(node.title or node.name, tags, parent) if tracking is not None and logs else ""
    control.tracked[node.name] = run_id
    environment = {**_variables(node, given, outputs, run_id, shop, scratch), **variables}
    if check is None:
        arguments = shop.rooms.enter(node, line, arguments, work, scratch, given, environment)
    with open(os.path.join(folder, "command.txt"), "w", encoding="utf-8") as file:
        file.write(line + "\n")
    running = time.monotonic()
    over = threading.Event()
    if split is not None:
        tell = partial(control.note, node.name)
        threading.Thread(target=parallel.follow, args=(scratch, over, tell), daemon=True).start()
    try:
        ended = _run(node, arguments, start, work, environment, log, number, shop, control)
    except BaseException:
        if tracking is not None:
            tracking.end(run_id, "KILLED")
        raise
    finally:
        shop.rooms.leave(node, environment)
        over.set()
    took = time.monotonic() - running
    exit_code, late = ended.exit_code, ended.late
    if tracking is not None:
        state = "FINISHED" if exit_code == 0 and not late else "KILLED" if control.cancelled else "FAILED"
        if logs:
            tracking.end(run_id, state)
        else:
            tracking.past(node.title or node.name, tags, took, state, parent)
    logged = tracking.logged(run_id) if tracking is not None and node.kind == "trial" else {}
    batches = parallel.summary(scratch) if split is not None else None
    failed = Outcome(
        Status.FAILED,
        time.monotonic() - begun,
        number,
        exit_code,
        logged=logged,
        key=key.text,
        read=key.read,
        started=begun,
        resources=ended.resources,
        batches=batches,
    )
    if control.cancelled and (exit_code != 0 or late):  # told to stop, however it took that
        return failed._replace(status=Status.CANCELLED)
    if ended.beyond is not None:
        return failed._replace(diagnostic=failures.out_of_memory(node, log, ended.beyond, shop.watch.limit))
    if late:
        return failed._replace(diagnostic=failures.timed_out(node, log))
    code.keep_artifacts(work, os.path.join(made, "artifacts"))
    if exit_code != 0:
        _keep_reports(ports, made, folder)
        found = findings.read(ports, {p: os.path.join(folder, "outputs", p) for p in outputs})
        message = failures.step_failed(node, exit_code, log, number, shop.scratch)
        return failed._replace(metrics=found.metrics, gates=found.gates, release=found.release, diagnostic=message)
    for port in ports:
        if (what := _lacking(outputs[port.name], port)) is not None:
            return failed._replace(diagnostic=failures.no_output(node, port.name, log, what))
    about = {"resources": ended.resources, "logged": logged or None, "batches": batches}
    stored = keep(node, key, made, outputs, folder, took, about, shop)
    return outcome_of(Status.COMPLETED, node, stored, folder, begun, number, shop, key)


class _Ended(NamedTuple):
    """How a process ended: by its deadline (`late`), for memory (`beyond`: what it held, 0 if the system did it)."""

    exit_code: int
    late: bool
    beyond: int | None
    resources: dict[str, Any]


def ports_of(node: Node) -> tuple[OutputPort, ...]:
    """The outputs of a step as it runs here: the component's, or those of what stands in for it."""
    if node.kind == "automl":
        return automl.ports(node)
    return node.component.outputs if node.deployment is None else serving.ports(node)


def _inputs_for(given: list[Given], scratch: str) -> dict[str, str]:
    """Texts for the command line, with a copy of its own where the mode says that the step may write to it."""
    texts = {}
    for g in given:
        if g.path is not None and g.mode in COPIED_MODES:
            copy = os.path.join(scratch, "inputs", g.name, os.path.basename(g.path.rstrip("/")))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            code.copy_writable(g.path, copy)
            texts[g.name] = copy
        else:
            texts[g.name] = g.text
    return texts


def _command(
    node: Node, texts: dict[str, str], outputs: dict[str, str], work: str, scratch: str, shop: Shop
) -> tuple[list[str], str, dict[str, str]]:
    """What a step runs, by its kind: the process, what people read of it, and variables of its own."""
    if node.kind == "spark":
        return spark.command(node, shop.graph, texts, outputs, work, scratch)
    if node.kind == "automl":
        return automl.command(node, shop.graph, texts, outputs, scratch)
    line = expand(node.component.command, texts, outputs)
    shape = distribution.shape_of(node, shop.graph)
    if shape is None:
        return [shop.shell, "-c", line], line, {}
    return distribution.command(shape, line, scratch, shop.shell), f"{distribution.spell(shape)}\n{line}", {}


def _run(
    node: Node,
    arguments: list[str],
    start: Start | None,
    work: str,
    environment: dict[str, str],
    log: str,
    number: int,
    shop: Shop,
    control: Control,
) -> _Ended:
    with open(log, "ab") as stream:
        if number > 1:
            stream.write(f"--- attempt {number} ---\n".encode())
            stream.flush()
        before = ended_for_memory()
        leader = shop.zygotes.start(start, work, environment, stream) if start is not None else None
        with control.lock:
            if control.cancelled:
                if leader is not None:
                    leader.kill()
                raise CancelledError
            process = Process(arguments, work, environment, stream, shop.warden, leader)
            control.running[node.name] = process
            control.late.discard(node.name)
            if node.run.timeout is not None:
                control.deadlines[node.name] = time.monotonic() + node.run.timeout
    shop.journal.append("process", step=node.name, pid=process.pid, birth=birth(process.pid))
    shop.watch.add(process.pid, lambda: process.stop(signal.SIGKILL))
    control.wake()
    exit_code = process.wait()
    if distribution.said(node):
        end_strays(environment["TMPDIR"])
    peak, beyond = shop.watch.remove(process.pid)
    by_system = exit_code in (-signal.SIGKILL, 128 + signal.SIGKILL) and ended_for_memory() > before
    with control.lock:
        del control.running[node.name]
        control.deadlines.pop(node.name, None)
        late = node.name in control.late
    return _Ended(exit_code, late, peak if beyond else 0 if by_system else None, used(process.usage, peak))


def _variables(
    node: Node, given: list[Given], outputs: Mapping[str, str], run_id: str, shop: Shop, scratch: str
) -> dict[str, str]:
    environment = common_environment(shop.python)
    experiment = shop.graph.experiment or shop.graph.name
    root = os.path.basename(shop.folder.path)
    temporary = os.path.join(scratch, "tmp")
    os.makedirs(temporary, exist_ok=True)
    environment.update(
        TMPDIR=temporary,
        AZUREML_RUN_ID=f"{root}_{node.name.replace('/trials/', '_')}",
        AZUREML_ROOT_RUN_ID=root,
        AZUREML_EXPERIMENT_NAME=experiment,
        AZUREML_ARM_PROJECT_NAME=experiment,
        AZUREML_ARM_WORKSPACE_NAME="local",
    )
    for g in given:
        environment[f"AZURE_ML_INPUT_{g.name}"] = g.text
    for name, path in outputs.items():
        environment[f"AZURE_ML_OUTPUT_{name}"] = path
    environment.update(node.run.environment_variables)
    if shop.tracking is not None:
        environment.update(shop.tracking.variables(run_id))
    return environment


def _tags(node: Node, key: str) -> dict[str, str]:
    values = {f"mlp.input.{n}": str(b.value)[:500] for n, b in node.inputs if isinstance(b, Literal)}
    said = {"mlp.step": node.name, "mlp.verb": node.verb, "mlp.component": node.component.name, "mlp.key": key}
    return {**said, **(values if node.kind == "trial" else {})}


def _lacking(path: str, port: OutputPort) -> str | None:
    if not os.path.exists(path):
        return "wrote nothing to"
    if os.path.isdir(path) and port.azure_type in MUST_HOLD_FILES and not os.listdir(path):
        return "left empty"
    return None


def keep(
    node: Node,
    key: Key,
    made: str,
    outputs: dict[str, str],
    folder: str,
    took: float,
    more: dict[str, Any],
    shop: Shop,
) -> Stored:
    """Put what a step made where it stays: the cache and the run's folder, or the latter alone. There whole, or not.

    `more` is what its entry says besides: `resources`, what a trial `logged`, a sweep's `trials`, mini `batches`.
    """
    trees = {}
    digests = {}
    for port, path in outputs.items():
        code.own(path)
        files = entries(path)
        trees[port] = (os.path.isdir(path), files)
        digests[port] = tree_digest(path, files)
    about = {
        "pipeline": shop.graph.name,
        "step": node.name,
        "component": node.component.name,
        "made": now(),
        "parts": key.parts,
        **{name: value for name, value in more.items() if value is not None or name == "resources"},
    }
    document = document_of(key.text, digests, trees, took, about)
    for name in ("log.txt", "command.txt"):
        shutil.copy2(os.path.join(folder, name), os.path.join(made, name))
    write_json(os.path.join(made, ENTRY), document)
    if not shop.cache.enabled or (not node.component.deterministic and node.deployment is None):
        _move(made, folder)
        return Stored(folder, digests, took, 0, document)
    protect(os.path.join(made, "outputs"))
    place_whole(made, folder)
    kept, ours = shop.cache.keep(key.text, made)
    if not ours and (others := load(kept, key.text)) is not None and _placed(others, folder):
        return others._replace(folder=folder)  # another run was first: all runs go on with one result
    return Stored(folder, digests, took, 0, document)


def _keep_reports(ports: tuple[OutputPort, ...], made: str, folder: str) -> None:
    """Of what a failed step made, what is worth reading: what it judged by, and its artifacts. Nothing builds on it."""
    kept = [os.path.join("outputs", port.name) for port in ports if port.type.removesuffix("?") in findings.REPORTS]
    for name in (*kept, "artifacts"):
        if os.path.exists(os.path.join(made, name)):
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            place_whole(os.path.join(made, name), os.path.join(folder, name))


def _move(made: str, folder: str) -> None:
    """Put a folder in the place of another, at once even where it comes from another file system."""
    staging = os.path.join(os.path.dirname(folder), f".new-{os.path.basename(folder)}")
    remove(staging)
    try:
        shutil.move(made, staging)
        remove(folder)
        os.rename(staging, folder)
    except BaseException:
        remove(staging)
        raise


def outcome_of(
    status: Status, node: Node, stored: Stored, folder: str, begun: float, attempts: int, shop: Shop, key: Key
) -> Outcome:
    ports = ports_of(node)
    paths = {port.name: os.path.join(folder, "outputs", port.name) for port in ports}
    for port, path in paths.items():
        shop.known[path] = stored.digests[port]
    found = findings.read(ports, paths)
    return Outcome(
        status,
        time.monotonic() - begun,
        attempts,
        0,
        paths,
        stored.digests,
        found.metrics,
        found.gates,
        found.release,
        found.parity,
        found.endpoint,
        key=key.text,
        read=key.read,
        started=begun,
        resources=stored.document.get("resources"),
        trials=tuple(stored.document.get("trials") or ()),
        logged=stored.document.get("logged") or {},
        batches=stored.document.get("batches"),
    )
