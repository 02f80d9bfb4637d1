"""From the environments of steps to the Pythons that run them: this one, or a virtual environment for each
specification, built once and shared by all runs of a home."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mlp_lang.compiler.graph import Environment, Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.runner import failures, serving
from mlp_lang.runner.content import digest_text, remove
from mlp_lang.runner.environment import AZURE_ONLY, dependencies, environment_of, installed, normalise

FOLDER = "environments"
READY = "ready.json"
"""Stands in a virtual environment once all is in it."""
_FORMAT = 1
_PYTHON = re.compile(r"python\s*=*\s*(\d+)\.(\d+)")
_CONDA = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*)\Z")
_NOT_PYTHON = frozenset(
    [
        *("python", "pip", "setuptools", "wheel", "cudatoolkit", "cudnn", "cuda", "nccl", "pytorch-cuda"),
        *("openmpi", "mpich", "gcc", "gxx", "gcc-linux-64", "gxx-linux-64", "libgcc-ng", "libstdcxx-ng", "cmake"),
        *("make", "git", "r-base", "openjdk", "nodejs", "mkl", "mkl-service", "intel-openmp", "ca-certificates"),
        *("openssl", "libffi", "zlib", "sqlite", "blas", "tini"),
    ]
)
"""What conda has and pip has not, or what every virtual environment has."""
_RENAMED = {"pytorch": "torch", "matplotlib-base": "matplotlib", "py-xgboost": "xgboost", "opencv": "opencv-python"}
_RENAMED |= {"tensorflow-gpu": "tensorflow", "pytables": "tables", "py-opencv": "opencv-python", "msgpack-python": ""}


class Interpreter(NamedTuple):
    """A Python that runs steps: the folder of its `python`, what is installed there, and its version."""

    folder: str
    versions: Mapping[str, str]
    python: tuple[int, int]


class Specification(NamedTuple):
    """What a virtual environment must hold. `python` is the version that is asked for, if one is."""

    lines: tuple[str, ...]
    python: tuple[int, int] | None
    left_out: tuple[str, ...]  # of conda's: what pip has not


class Interpreters:
    """Which Python runs which step; None is the runner's own."""

    def __init__(self, made: Mapping[Specification, Interpreter]) -> None:
        self._made = made

    def of(self, node: Node) -> Interpreter | None:
        if not self._made or node.deployment is not None:
            return None
        return self._made.get(specification(environment_of(node)))


OWN = Interpreters({})


def specification(environment: Environment) -> Specification:
    """What pip would install for an environment: its own lines, and conda's packages under pip's names."""
    conda, pip = dependencies(environment)
    wanted: tuple[int, int] | None = None
    lines: list[str] = []
    left: list[str] = []
    for text in conda:
        match = _CONDA.match(text)
        name = normalise(match[1]) if match else ""
        version = _PYTHON.match(text) if name == "python" else None
        if version:
            wanted = int(version[1]), int(version[2])
        elif match is None or name in _NOT_PYTHON or _RENAMED.get(name) == "":
            left += [text] if name not in ("python", "pip", "setuptools", "wheel") else []
        elif name not in AZURE_ONLY:
            lines.append(_RENAMED.get(name, match[1]) + _specifier(match[2].strip()))
    for line in pip:
        match = _CONDA.match(line)
        name = normalise(match[1]) if match and not line.startswith("-") else ""
        if name == "azureml-mlflow" or (name in AZURE_ONLY and "mlflow" in name):
            lines.append(_tracker())
        elif name not in AZURE_ONLY:
            lines.append(line)
    return Specification(tuple(dict.fromkeys(lines)), wanted, tuple(left))


def _specifier(text: str) -> str:
    """conda's `=1.2` is any 1.2; a build string behind a second `=` says nothing to pip."""
    if text.startswith("=") and not text.startswith("=="):
        version = text[1:].partition("=")[0].strip()
        return f"=={version}" if version.endswith("*") else f"=={version}.*"
    if re.fullmatch(r"==[^=]+=[^=]+", text):
        return text.rpartition("=")[0]
    return text.replace(" ", "")


def _tracker() -> str:
    """What stands for Azure ML's tracking: the mlflow that has the runs here, whose database others may not read."""
    version = installed().get("mlflow")
    return f"mlflow=={version}" if version else "mlflow"


def prepare(
    graph: Graph, wanted: frozenset[str], home: str, say: Callable[[str], None], build: bool = True
) -> tuple[Interpreters, list[Diagnostic]]:
    """The virtual environments of the nodes `wanted`, each distinct one built unless it is there. Without `build`
    what is not there is left out. What cannot be built is in the diagnostics."""
    made: dict[Specification, Interpreter] = {}
    problems: list[Diagnostic] = []
    tried: set[Specification] = set()
    for node in graph.nodes:
        if node.name not in wanted or node.deployment is not None or serving.elsewhere(node):
            continue
        environment = environment_of(node)
        if environment.reference is not None and environment.image is None and environment.conda is None:
            message = (
                f"`{node.title or node.name}` runs in `{environment.reference}`, whose packages are not known here"
            )
            help = "say in mlp.toml, under [local-environments], what it holds"
            problems.append(Diagnostic("MLP0972", message, failures.place(node), help=help))
            continue
        asked = specification(environment)
        if not asked.lines or asked in tried:
            continue
        tried.add(asked)
        try:
            found = _built(asked, home, say, build)
        except _NotBuiltError as error:
            problems.append(_not_built(node, error))
            continue
        if found is None:
            continue
        made[asked] = found
        problems += _differing(node, asked, found)
    return Interpreters(made), problems


class _NotBuiltError(Exception):
    def __init__(self, said: str, log: str) -> None:
        super().__init__(said)
        self.log = log


def _not_built(node: Node, error: _NotBuiltError) -> Diagnostic:
    message = f"the virtual environment of `{node.title or node.name}` cannot be built"
    notes = (f"log: {error.log}",) if error.log else ()
    help = "mend its environment, or run with what is installed (`--env installed`)"
    return Diagnostic("MLP0972", message, failures.place(node), str(error)[:300], notes=notes, help=help)


def _differing(node: Node, asked: Specification, found: Interpreter) -> list[Diagnostic]:
    said = []
    if asked.python is not None and asked.python != found.python:
        want, has = (".".join(map(str, v)) for v in (asked.python, found.python))
        said.append(f"Python {want}, and its virtual environment has {has}")
    if asked.left_out:
        said.append(f"{', '.join(asked.left_out)} of conda, which pip does not install")
    return [
        Diagnostic(
            "MLP0911",
            f"`{node.title or node.name}` asks for {text}",
            failures.place(node),
            severity=Severity.WARNING,
        )
        for text in said
    ]


def _built(asked: Specification, home: str, say: Callable[[str], None], build: bool) -> Interpreter | None:
    """The virtual environment, from its folder or made there. Raises _NotBuiltError."""
    python = _python_for(asked.python)
    text = json.dumps([_FORMAT, python, asked.lines])
    key = digest_text(text)[:16]
    folder = os.path.join(home, FOLDER, key)
    found = _ready(folder)
    if found is not None or not build:
        return found
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with _locked(f"{folder}.lock", lambda: say(f"environment {key}: waiting for another run, which builds it")):
            found = _ready(folder)
            if found is not None:
                return found
            say(f"environment {key}: installing {len(asked.lines)} packages")
            _make(python, folder, asked)
    except OSError as error:
        raise _NotBuiltError(error.strerror or str(error), "") from None
    found = _ready(folder)
    if found is None:
        raise _NotBuiltError("it was made and cannot be read", "")
    return found


def _make(python: str, folder: str, asked: Specification) -> None:
    """Build in place, since a virtual environment cannot be moved; the mark that it is whole comes last."""
    remove(folder)  # what a run that was killed left
    log = f"{folder}.log"
    lines = f"{folder}.txt"
    with open(lines, "w", encoding="utf-8") as file:
        file.write("\n".join(asked.lines) + "\n")
    own = os.path.join(folder, "bin", "python")
    with open(log, "wb") as stream:
        for arguments in (
            [python, "-m", "venv", folder],
            [own, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-r", lines],
        ):
            ended = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, check=False
            )
            if ended.returncode != 0:
                remove(folder)
                remove(lines)
                raise _NotBuiltError(_last_error(log), log)
    version = subprocess.run(
        [own, "-c", "import sys; print(*sys.version_info[:2], *sys.path[-1:], sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    document = {"python": [int(version[0]), int(version[1])], "site": version[2], "lines": asked.lines}
    staging = os.path.join(folder, f".{READY}")
    with open(staging, "w", encoding="utf-8") as file:
        json.dump(document, file)
    os.replace(staging, os.path.join(folder, READY))
    os.unlink(lines)


def _ready(folder: str) -> Interpreter | None:
    try:
        with open(os.path.join(folder, READY), encoding="utf-8") as file:
            document = json.load(file)
        major, minor = document["python"]
        return Interpreter(os.path.join(folder, "bin"), installed([document["site"]]), (major, minor))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _python_for(version: tuple[int, int] | None) -> str:
    """The Python of a version, if there is one that starts; else this one."""
    if version is not None and version != sys.version_info[:2]:
        found = shutil.which(f"python{version[0]}.{version[1]}")
        if found is not None:
            with contextlib.suppress(OSError):
                if subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
                    return found
    return sys.executable


@contextlib.contextmanager
def _locked(path: str, waits: Callable[[], None]) -> Iterator[None]:
    with open(path, "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            waits()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last_error(log: str) -> str:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
    except OSError:
        return ""
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [""])[-1].removeprefix("ERROR:").strip()
