"""From a `parallel` node to the process that carries it out here: how its data is split, what its workers are told.

Azure ML's contract holds: the entry script's `init`, `run(mini_batch)` and `shutdown`, the limits on failures, retries
of a mini batch, and `append_row_to`. The process is `parallel_process`.
"""

import os
import re
import shlex
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mlp_lang.compiler.graph import Node
from mlp_lang.runner import code
from mlp_lang.runner.bindings import BindingError, Given
from mlp_lang.runner.command import PLACEHOLDER, CommandError
from mlp_lang.runner.store import read_json, write_json

FIELDS = (
    "mini_batch_size",
    "partition_keys",
    "input_data",
    "error_threshold",
    "mini_batch_error_threshold",
    "logging_level",
    "retry_settings",
    "environment_variables",
)
"""What decides about the results, beside the task. How many processes share the work does not."""
TIMEOUT, RETRIES = 60, 2
"""Seconds and retries that Azure ML gives a mini batch that says nothing."""
FILES, BYTES = 10, 1 << 20
"""Files of a mini batch, or bytes of a table's, where nothing is said."""
DEFAULT_FILE = "parallel_run_step.txt"
"""What the rows are appended to where `append_row_to` names a folder."""
START = 600
"""Seconds that a worker may take to import the entry script and call its `init`."""
LISTED = 200
"""Mini batches that a record has at most one by one: those that failed, then the first."""
REPORT, PROGRESS = "batches.json", "progress.txt"
"""In the scratch folder: what each mini batch came to, once all have; how many have so far."""
_PROCESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "parallel_process.py")
_UNITS = {"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_OUTPUT = re.compile(r"\s*\$\{\{\s*outputs\.(\w+)\s*\}\}((?:/[^$]*)?)")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?b?)\s*\Z", re.IGNORECASE)


class Split(NamedTuple):
    """What the process is told, but for the places of inputs and outputs."""

    entry: str
    input: str
    tabular: bool
    size: int
    keys: tuple[str, ...]
    arguments: str
    append_to: str
    item_limit: int
    batch_limit: int
    retries: int
    timeout: float
    level: str
    workers: int


def with_task(node: Node) -> Node:
    """A node with the code and the environment of a parallel component where other components have theirs.

    A component's YAML has them in its `task`.
    """
    task = (node.component.document or {}).get("task")
    if node.kind != "parallel" or not isinstance(task, dict):
        return node
    from mlp_lang.compiler.interface import read_environment

    component, found = node.component, task.get("code")
    environment = read_environment(task.get("environment"), component.folder, complete=True)
    code = found if isinstance(found, str) else component.code
    return node._replace(component=component._replace(code=code, environment=environment))


def counted(node: Node) -> dict[str, Any]:
    """What of a parallel job's settings counts for the cache."""
    settings = _settings(node)
    return {
        "task": {key: value for key, value in _task(node).items() if key not in ("code", "environment")},
        **{name: settings[name] for name in FIELDS if name in settings},
        "limits": [node.run.retries, node.run.timeout],
    }


def workers(node: Node, jobs: int) -> int:
    """Processes at a time: those of all its nodes together, as far as there is room."""
    settings = _settings(node)
    resources = settings.get("resources")
    each = _whole(settings.get("max_concurrency_per_instance"), jobs)
    nodes = _whole(
        node.run.instance_count or (resources if isinstance(resources, dict) else {}).get("instance_count"), 1
    )
    return max(1, min(jobs, each * nodes))


def variables(node: Node) -> dict[str, str]:
    """The environment variables of a job: its component's, and over them its own."""
    said = _settings(node).get("environment_variables")
    own = {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}
    return {**own, **node.run.environment_variables}


def check(node: Node) -> str:
    """What can be said of a job before its inputs are there: the input whose data is split. Raises BindingError."""
    task, settings = _task(node), _settings(node)
    kind = task.get("type", "run_function")
    if kind not in ("run_function", "function"):
        raise _refused(node, f"its task is a `{kind}`, and only a `run_function` runs here")
    entry = task.get("entry_script")
    if not isinstance(entry, str) or not entry:
        raise _refused(node, "its task names no `entry_script`")
    if os.path.normpath(entry) not in code.files(node.component):
        raise _refused(node, f"there is no `{entry}` among its code")
    data = str(settings.get("input_data") or "")
    match = PLACEHOLDER.fullmatch(data.strip())
    names = [p.name for p in node.component.inputs]
    if match is None or match[1] != "inputs" or match[2] not in names:
        said = f"`input_data` is `{data}`" if data else "it has no `input_data`"
        raise _refused(node, f"{said}, which names none of its inputs")
    append = str(task.get("append_row_to") or "")
    match_ = _OUTPUT.fullmatch(append)
    if append and (match_ is None or ".." in match_[2].split("/")):
        raise _refused(node, f"`append_row_to` is `{append}`, which is no place in one of its outputs")
    return match[2]


def plan(node: Node, given: list[Given], jobs: int) -> Split:
    """How a job whose inputs are there is carried out. Raises BindingError (MLP0954) for what cannot be here."""
    name = check(node)
    task, settings = _task(node), _settings(node)
    found = next((g for g in given if g.name == name), None)
    if found is None or found.path is None:
        raise _refused(node, f"`input_data` is the input `{name}`, and that is no data")
    types = {p.name: p.azure_type for p in node.component.inputs}
    tabular = types.get(found.name) == "mltable" and _is_table(found.path)
    keys = settings.get("partition_keys") or ()
    if isinstance(keys, str):  # a parameter's value
        keys = [key.strip(" \"'") for key in keys.strip("[] ").split(",")]
    retry = settings.get("retry_settings")
    retry = retry if isinstance(retry, dict) else {}
    retries = node.run.retries if node.run.retries is not None else retry.get("max_retries", RETRIES)
    timeout = node.run.timeout if node.run.timeout is not None else retry.get("timeout", TIMEOUT)
    level = str(settings.get("logging_level") or "INFO").upper()
    return Split(
        str(task["entry_script"]),
        found.name,
        tabular,
        _size(node, settings.get("mini_batch_size"), tabular),
        tuple(str(k) for k in keys),
        str(task.get("program_arguments") or ""),
        str(task.get("append_row_to") or ""),
        int(_number(node, "error_threshold", settings, -1)),
        int(_number(node, "mini_batch_error_threshold", settings, -1)),
        int(_number(node, "max_retries", {"max_retries": retries}, RETRIES)),
        _number(node, "timeout", {"timeout": timeout}, TIMEOUT),
        {"WARN": "WARNING"}.get(level, level if level in ("DEBUG", "INFO", "WARNING") else "INFO"),
        workers(node, jobs),
    )


def command(
    split: Split, inputs: Mapping[str, str], outputs: Mapping[str, str], scratch: str, python: str
) -> tuple[list[str], str]:
    """The process, as arguments and as people read it. Raises CommandError, OSError."""
    try:
        words = shlex.split(_optional(split.arguments, inputs))
    except ValueError as error:
        raise CommandError(f"the program arguments cannot be read: {error}") from None
    arguments = [_filled(word, inputs, outputs) for word in words]
    append = _filled(split.append_to, inputs, outputs)
    if append and os.path.isdir(append):
        append = os.path.join(append, DEFAULT_FILE)
    spec = os.path.join(scratch, "parallel.json")
    folders = [path for path in outputs.values() if os.path.isdir(path)]
    document = {
        **split._asdict(),
        **_said_by_arguments(split, arguments),
        "arguments": arguments,
        "append_to": append,
        "data": inputs[split.input],
        "itself": spec,
        "report": os.path.join(scratch, REPORT),
        "progress": os.path.join(scratch, PROGRESS),
        "output_folder": os.path.dirname(append)
        if append
        else folders[0]
        if folders
        else os.path.join(scratch, "code"),
    }
    write_json(spec, document)
    line = f"# parallel job, {split.workers} workers: {' '.join(map(shlex.quote, [split.entry, *arguments]))}"
    return [python, "-P", _PROCESS, spec], line


def summary(scratch: str) -> dict[str, Any] | None:
    """What the mini batches of an attempt came to, as the record has it; None if that is not known."""
    found = read_json(os.path.join(scratch, REPORT))
    if not isinstance(found, dict):
        return None
    batches = found["batches"]
    failed = [b for b in batches if b["status"] == "failed"]
    listed = [*failed[:LISTED], *[b for b in batches if b["status"] != "failed"][: max(0, LISTED - len(failed))]]
    return {
        "total": found["total"],
        "workers": found["workers"],
        "done": len(batches),
        "failed": len(failed),
        "retried": sum(b["attempts"] > 1 for b in batches),
        "items": sum(b["items"] for b in batches),
        "rows": sum(b["rows"] for b in batches),
        "listed": sorted(listed, key=lambda b: int(b["number"])),
    }


def follow(scratch: str, ended: threading.Event, tell: Callable[[str], None]) -> None:
    """Say how far a job is, at most ten times, until it has ended."""
    tenth = 0
    while not ended.wait(0.5):
        try:
            with open(os.path.join(scratch, PROGRESS), encoding="utf-8") as file:
                done, total, failed = map(int, file.read().split())
        except (OSError, ValueError):
            continue
        if done * 10 // total > tenth:
            tenth = done * 10 // total
            tell(f"{done} of {total} mini batches{f', {failed} failed' if failed else ''}")


def _said_by_arguments(split: Split, arguments: list[str]) -> dict[str, Any]:
    """Limits that Azure ML takes from the program arguments; the entry script sees them, too."""
    found: dict[str, Any] = {"percent_limit": 100.0, "start": START}
    for name, key, kind in (
        ("error_threshold", "item_limit", int),
        ("allowed_failed_count", "batch_limit", int),
        ("allowed_failed_percent", "percent_limit", float),
        ("task_overhead_timeout", "start", float),
    ):
        for position, word in enumerate(arguments):
            flag, _, value = word.partition("=")
            if flag == f"--{name}":
                value = value or (arguments[position + 1] if position + 1 < len(arguments) else "")
                try:
                    found[key] = kind(value)
                except ValueError:
                    raise CommandError(f"`--{name}` among the program arguments is `{value}`, and no number") from None
    return found


def _optional(text: str, inputs: Mapping[str, str]) -> str:
    """The arguments less the groups `$[[ … ]]` whose inputs have no value."""

    def group(match: re.Match[str]) -> str:
        names = [m[2] for m in PLACEHOLDER.finditer(match[1]) if m[1] == "inputs"]
        return match[1] if all(name in inputs for name in names) else ""

    return re.sub(r"\$\[\[(.*?)\]\]", group, _joined(text), flags=re.DOTALL)


def _joined(text: str) -> str:
    """Placeholders without the blanks inside of them, which would make several words of one."""
    return PLACEHOLDER.sub(lambda m: f"${{{{{m[1]}.{m[2]}}}}}", text)


def _filled(word: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = (inputs if match[1] == "inputs" else outputs).get(match[2])
        if found is None:
            raise CommandError(f"`{match[0]}` in the program arguments has no value")
        return found

    return PLACEHOLDER.sub(value, word)


def _is_table(path: str) -> bool:
    """Whether an mltable says how its files are read; one that does not is a list of files."""
    if not os.path.isdir(path):
        return True
    import yaml

    try:
        with open(os.path.join(path, "MLTable"), encoding="utf-8") as file:
            document = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError):
        return False
    steps = document.get("transformations") if isinstance(document, dict) else None
    names = [next(iter(s), "") if isinstance(s, dict) else str(s) for s in steps or ()]
    return any(name.startswith("read_") for name in names)


def _task(node: Node) -> dict[str, Any]:
    source = node.component.document or node.component.extra
    found = source.get("task")
    return dict(found) if isinstance(found, dict) else {}


def _settings(node: Node) -> dict[str, Any]:
    """What the component says of itself, and over it what the stage says."""
    source = node.component.document or node.component.extra
    return {**{k: v for k, v in source.items() if k != "task"}, **node.run.extra}


def _size(node: Node, said: Any, tabular: bool) -> int:
    if said is None or said == "":
        return BYTES if tabular else FILES
    match = _SIZE.match(str(said))
    unit = match[2].lower() if match is not None else ""
    if unit in ("k", "m", "g"):
        unit += "b"
    size = int(float(match[1]) * _UNITS[unit]) if match is not None else 0
    if size < 1 or (unit and not tabular):
        what = "a number of bytes, as `10kb`" if tabular else "a number of files, as `10`"
        raise _refused(node, f"its `mini_batch_size` is `{said}`, and for this input it is {what}")
    return size


def _number(node: Node, name: str, settings: Mapping[str, Any], otherwise: float) -> float:
    said = settings.get(name)
    if said is None or said == "":
        return otherwise
    try:
        return float(said)
    except (TypeError, ValueError):
        raise _refused(node, f"its `{name}` is `{said}`, and no number") from None


def _whole(value: Any, otherwise: int) -> int:
    try:
        return int(value) if int(value) > 0 else otherwise
    except (TypeError, ValueError):
        return otherwise


def _refused(node: Node, why: str) -> BindingError:
    return BindingError("MLP0954", f"`{node.title or node.name}` cannot be split: {why}", span=node.span)
