"""From what goes wrong while running to diagnostics at the stage, or the gate, that is to blame."""

import errno
import os
import re
import signal

from mlp_lang.compiler.graph import Gate, Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source, Span
from mlp_lang.runner.bindings import BindingError
from mlp_lang.runner.environment import Lack, extra_for
from mlp_lang.runner.progress import spell_seconds
from mlp_lang.runner.resources import spell_bytes

_REQUIRE = re.compile(r"require failed: (?P<text>.*) \((?P<why>[^()]*(?:\([^()]*\)[^()]*)*)\) at (?P<span>.*)\Z")
_FREE = "free some space (`mlp cache prune`), or put the cache and the runs on another disk with MLP_HOME"
NEARLY_NOTHING = 1 << 20
"""Bytes left on a disk below which a failed step may have failed for that."""
TAIL = 65536
"""Bytes of a log's end that are searched for the last word."""


def place(node: Node | None, graph: Graph | None = None) -> Span:
    """Where to point: the stage, else the pipeline's file."""
    if node is not None and node.span is not None:
        return node.span
    if graph is not None and graph.span is not None:
        return graph.span
    source = graph.sources[0] if graph is not None and graph.sources else node.component.source if node else ""
    return Span(Source(source, ""), 0, 0)


def last_line(log: str) -> str:
    """The last line that a step printed: its own error (`mlp: …`) if the tail of the log has one."""
    try:
        with open(log, "rb") as stream:
            stream.seek(max(0, os.path.getsize(log) - TAIL))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("mlp: ")), lines[-1] if lines else "")


def gate_failed(line: str) -> bool:
    return line.startswith("mlp: require failed: ")


def step_failed(node: Node, code: int, log: str, attempts: int, disk: str = "") -> Diagnostic:
    """A step that ended with an exit code: the gate that failed, or what the step said last."""
    line = last_line(log)
    title = node.title or node.name
    if gate_failed(line) and (match := _REQUIRE.match(line.removeprefix("mlp: "))):
        gate = _gate(node, match["text"])
        span = gate.span if gate is not None and gate.span is not None else place(node)
        return Diagnostic(
            "MLP0901",
            f"`{title}` does not meet `require {match['text']}`",
            span,
            label=match["why"],
            notes=("the stages that need it are skipped",),
            help="improve the model or the data, or change the bound where you may",
        )
    said = line.removeprefix("mlp: ")
    tries = f" in each of {attempts} attempts" if attempts > 1 else ""
    ended = f"was ended by {_signal_name(-code)}" if code < 0 else f"failed with exit code {code}"
    notes: tuple[str, ...] = (f"log: {log}",)
    if code == 137 or code == -signal.SIGKILL:
        notes = ("something outside ended it; where memory ran out, the system does", *notes)
    help = ""
    if disk and (free := _free(disk)) is not None and free < NEARLY_NOTHING:
        notes = (f"`{disk}` is on a disk with {spell_bytes(free)} left", *notes)
        help = _FREE
    return Diagnostic("MLP0902", f"`{title}` {ended}{tries}", place(node), label=_clip(said), notes=notes, help=help)


def out_of_memory(node: Node, log: str, held: int, limit: int | None) -> Diagnostic:
    """A step that was ended for the memory that it held (`held` bytes; 0 if the system ended it)."""
    title = node.title or node.name
    if held:
        said = f"`{title}` needed more than its memory limit of {spell_bytes(limit or 0)}"
        label = f"it held {spell_bytes(held)} when it was ended"
        help = "give steps more with `--memory`, or this one less to do at a time"
    else:
        said = f"`{title}` was ended by the system, whose memory had run out"
        label = ""
        help = "run fewer steps at a time with `--jobs`, or find the step that takes too much with `--memory`"
    return Diagnostic("MLP0922", said, place(node), label=label, notes=(f"log: {log}",), help=help)


def not_there(node: Node, why: str) -> Diagnostic:
    """A step whose results were to be taken, and are neither in the cache nor in an earlier run."""
    title = node.title or node.name
    return Diagnostic(
        "MLP0921",
        f"`{title}` is needed and was not asked for, and no result of it is there",
        place(node),
        label=why,
        help=f"run it, too: `--until {node.name}` first, or without `--only` and `--from`",
    )


def no_journal(error: OSError, graph: Graph) -> Diagnostic:
    """The journal cannot be written, so nothing more is begun."""
    found = os_failed(error, None, graph, "write the journal of the run")
    return found._replace(code="MLP0923", notes=("what had finished is kept; what ran was stopped",))


def drawn_anew(node: Node) -> Diagnostic:
    return Diagnostic(
        "MLP0924",
        f"`{node.title or node.name}` is made to run again, and releases private data anew",
        place(node),
        label="a further draw, whose cost adds to that of earlier ones",
        severity=Severity.WARNING,
        help="without `--force` the earlier release is used again, which costs nothing",
    )


def stands_in(node: Node, program: str) -> Diagnostic:
    return Diagnostic(
        "MLP0940",
        f"{program} stands in for Azure ML's AutoML in `{node.title or node.name}`",
        place(node),
        label="the model that it finds is another one than Azure ML would find",
        severity=Severity.WARNING,
    )


def no_program(node: Node, why: str, help: str) -> Diagnostic:
    return Diagnostic("MLP0941", f"`{node.title or node.name}` cannot run here: {why}", place(node), help=help)


def no_report(error: Exception, graph: Graph) -> Diagnostic:
    return Diagnostic(
        "MLP0925",
        f"the report of the run could not be written: {error}",
        place(None, graph),
        severity=Severity.WARNING,
        help="`mlp report RUN -o FILE.html` writes it elsewhere",
    )


def _free(path: str) -> int | None:
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


def timed_out(node: Node, log: str) -> Diagnostic:
    return Diagnostic(
        "MLP0903",
        f"`{node.title or node.name}` did not end within its timeout of {spell_seconds(float(node.run.timeout or 0))}",
        place(node),
        label=_clip(last_line(log).removeprefix("mlp: ")),
        notes=(f"log: {log}",),
        help="give it more time with `run { timeout = … }`, or less to do",
    )


def no_output(node: Node, port: str, log: str, what: str) -> Diagnostic:
    return Diagnostic(
        "MLP0905",
        f"`{node.title or node.name}` ended well but {what} its output `{port}`",
        place(node),
        notes=(f"log: {log}",),
        help=f"its command must write to `${{{{outputs.{port}}}}}`",
    )


def unbound(error: BindingError, node: Node) -> Diagnostic:
    return Diagnostic(error.code, str(error), error.span or place(node), help=error.help)


def os_failed(error: OSError, node: Node | None, graph: Graph, doing: str) -> Diagnostic:
    """The file system refuses: full, read-only, forbidden."""
    where = f" `{error.filename}`" if error.filename else ""
    help = {
        errno.ENOSPC: _FREE,
        errno.EDQUOT: _FREE,
        errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
        errno.EROFS: "choose a folder that can be written with `-o DIR` and MLP_HOME",
        errno.EACCES: "choose a folder that can be written with `-o DIR` and MLP_HOME",
        errno.EPERM: "choose a folder that can be written with `-o DIR` and MLP_HOME",
    }.get(error.errno or 0, "")
    why = (error.strerror or str(error)).lower()
    return Diagnostic("MLP0908", f"cannot {doing}{where}: {why}", place(node, graph), help=help)


def lacking(lacks: list[Lack]) -> list[Diagnostic]:
    """One error for all distributions that are not installed, warnings for other versions than asked for."""
    found: list[Diagnostic] = []
    absent = [lack for lack in lacks if lack.installed is None and lack.requirement.firm]
    if absent:
        names = ", ".join(f"`{lack.requirement.name}`" for lack in absent)
        extra = extra_for(lack.requirement.name for lack in absent)
        wanted = f"'{extra}'" if extra else " ".join(f"'{lack.requirement.text}'" for lack in absent)
        node = absent[0].node
        found.append(
            Diagnostic(
                "MLP0904",
                f"{names} {'is' if len(absent) == 1 else 'are'} needed here and not installed",
                place(node),
                label=f"needed by `{node.title or node.name}`",
                notes=("`--env venv` gives the steps environments of their own",),
                help=f"pip install {wanted}",
            )
        )
    for lack in lacks:
        text = lack.requirement.text
        title = lack.node.title or lack.node.name
        if lack.installed is not None:
            message = f"`{title}` asks for `{text}`, and {lack.requirement.name} {lack.installed} is installed"
        elif not lack.requirement.firm:
            message = f"`{title}` asks for the conda package `{text}`, which is not seen here"
        else:
            continue
        found.append(Diagnostic("MLP0911", message, place(lack.node), severity=Severity.WARNING))
    return found


def _gate(node: Node, text: str) -> Gate | None:
    return next((g for g in node.gates if g.hard and g.text == text), None)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _clip(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "…"
