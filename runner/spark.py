"""From a Spark job to `spark-submit` on this machine: one process is driver and executors, `local[N]`."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from mlp_lang.compiler.graph import Graph, Literal, Node
from mlp_lang.runner.bindings import BindingError
from mlp_lang.runner.command import expand

SUBMIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "submit.py")
LEAST_JAVA = 17
SHARE = 0.75
"""Part of this machine's memory that a job may have at most."""
_PARENT = re.compile(r"\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}\Z")
_CLUSTER = re.compile(
    r"spark\.(master|submit\.deployMode|dynamicAllocation\..*|executor\.(instances|cores|memory.*))\Z"
)
"""Settings of a cluster: what they come to on one machine is said by `local[N]` and the driver's memory."""
_LISTS = {"py_files": "--py-files", "jars": "--jars", "files": "--files", "archives": "--archives"}
_UNITS = {"": 1 << 20, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_QUIET = """rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


def definition(node: Node, graph: Graph) -> dict[str, Any]:
    """The job's fields as Azure ML has them: the component's, with what the job says of `conf` and `args`."""
    component = node.component
    found = dict(component.document or component.extra)
    conf = {**(found.get("conf") or {}), **(node.run.extra.get("conf") or {})}  # type: ignore[dict-item]
    found["conf"] = {name: _value(value, graph) for name, value in conf.items()}
    if node.run.extra.get("args") is not None:
        found["args"] = node.run.extra["args"]
    return found


def counted(node: Node, graph: Graph) -> dict[str, Any]:
    """What of the job decides its result, beside code and data."""
    found = definition(node, graph)
    return {name: found.get(name) for name in ("entry", "args", "conf", *_LISTS)}


def lacking() -> str | None:
    """Why Spark cannot start here although PySpark is installed, or None."""
    home = os.environ.get("JAVA_HOME", "")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if java is None:
        return "no Java is installed, on which Spark runs"
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Java does not start: {error}"
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    if match is None or int(match[1]) < LEAST_JAVA:
        found = said.strip().splitlines()
        return f"Spark needs Java {LEAST_JAVA} or later, and this is {found[0] if found else 'none'}"
    return None


def command(
    node: Node, graph: Graph, inputs: Mapping[str, str], outputs: Mapping[str, str], work: str, scratch: str
) -> tuple[list[str], str, dict[str, str]]:
    """The job's process, as arguments and as people read it, and its variables.

    Its arguments are those of the job's `args` after splitting, with values put in place: no shell sees them. Raises
    BindingError, CommandError, OSError.
    """
    found = definition(node, graph)
    conf = found["conf"]
    options = [f"--master=local[{cores(conf)}]", f"--driver-memory={memory(conf)}m"]
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.warehouse.dir": os.path.join(scratch, "warehouse"),
        **{name: _spell(value) for name, value in conf.items() if not _CLUSTER.match(name)},
    }
    settings.pop("spark.driver.memory", None)
    for name, value in settings.items():
        options += ["--conf", f"{name}={value}"]
    for name, option in _LISTS.items():
        items = [_inside(str(item), work, name, node) for item in found.get(name) or ()]
        if items:
            options += [option, ",".join(items)]
    entry, more = _entry(found.get("entry"), found, work, node)
    arguments = [*options, *more, entry, *shlex.split(expand(str(found.get("args") or ""), inputs, outputs))]
    quiet = os.path.join(scratch, "conf")
    os.makedirs(quiet)
    with open(os.path.join(quiet, "log4j2.properties"), "w", encoding="utf-8") as file:
        file.write(_QUIET)
    local = os.path.join(scratch, "spark")
    os.makedirs(local)
    variables = {"SPARK_CONF_DIR": quiet, "SPARK_LOCAL_DIRS": local, "SPARK_LOCAL_IP": "127.0.0.1"}
    said = f"# Spark on this machine: its driver is its executors, too\n{shlex.join(['spark-submit', *arguments])}"
    return ["python", "-I", SUBMIT, *arguments], said, variables


def cores(conf: Mapping[str, Any]) -> int:
    """Tasks at a time: the cluster's cores, as far as this machine has them."""
    here = os.cpu_count() or 1
    dynamic = str(conf.get("spark.dynamicAllocation.enabled", "")).lower() == "true"
    name = "spark.dynamicAllocation.maxExecutors" if dynamic else "spark.executor.instances"
    try:
        asked = int(conf.get("spark.executor.cores") or here) * int(conf.get(name) or 1)
    except (TypeError, ValueError):
        return here
    return max(1, min(here, asked))


def memory(conf: Mapping[str, Any]) -> int:
    """MiB of the one process: what driver or executor ask for, whichever is more, as far as this machine has it."""
    asked = [size for name in ("driver", "executor") if (size := _bytes(conf.get(f"spark.{name}.memory"))) is not None]
    wanted = max(asked, default=1 << 30)
    try:
        here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        here = wanted
    return max(512, min(wanted, int(here * SHARE)) >> 20)


def _bytes(value: Any) -> int | None:
    match = re.fullmatch(r"\s*(\d+)\s*([bkmgt]?)b?\s*", str(value).lower()) if value is not None else None
    return int(match[1]) * _UNITS[match[2]] if match else None


def _entry(entry: Any, found: Mapping[str, Any], work: str, node: Node) -> tuple[str, list[str]]:
    """The file to submit, and the option that names its class."""
    given = entry if isinstance(entry, dict) else {"file": entry}
    if given.get("class_name"):
        jars = found.get("jars") or ()
        if not jars:
            raise BindingError("MLP0942", f"`{node.title}` names the class `{given['class_name']}`, and no jar has it")
        return _inside(str(jars[0]), work, "jars", node), [f"--class={given['class_name']}"]
    if not given.get("file"):
        raise BindingError("MLP0942", f"`{node.title}` does not say where it begins: `entry` has no file and no class")
    return _inside(str(given["file"]), work, "entry", node), []


def _inside(item: str, work: str, field: str, node: Node) -> str:
    """A file of the job's code, as it lies in its working folder. Raises BindingError for any other."""
    path, sign, alias = item.partition("#")
    if "://" in path or path.startswith("azureml:"):
        message = f"`{node.title}`: `{item}` in `{field}` is not on this machine"
        raise BindingError("MLP0942", message, "put a copy into the code folder, and name that")
    full = os.path.realpath(os.path.join(work, path))
    if os.path.commonpath([full, os.path.realpath(work)]) != os.path.realpath(work):
        raise BindingError("MLP0942", f"`{node.title}`: `{item}` in `{field}` lies outside of the job's code folder")
    if not os.path.exists(full):
        raise BindingError("MLP0942", f"`{node.title}`: `{item}` in `{field}` is not in the job's code folder")
    return full + sign + alias


def _value(value: Any, graph: Graph) -> Any:
    match = _PARENT.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    given = {i.parameter.name: i.value.value for i in graph.inputs if isinstance(i.value, Literal)}
    return given.get(match[1], value)


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
