"""From the command line of a step to a child of a process that has imported the step's modules already.

`python script.py …` costs a fork then, and not the start of Python and its imports. Whatever is more than that, or
could tell the difference, is left to a process of its own: `start` gives None. The other end is `zygote.py`.

Messages are JSON. To a zygote, behind four bytes of length: `import` (modules), `fork` (id, modules, folder, words,
environment, script or module; the log comes along as a descriptor), `reap` (pid). From it, a line each: `pid` or
`declined` for an id, `ended` (pid, code), `reaped` (pid, cpu, memory). A child that ended stays a zombie until it is
reaped, so that its number, by which its group is killed, cannot become another's.
"""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple, Protocol

from mlp_lang.compiler.graph import Component, Node
from mlp_lang.runner.command import PLACEHOLDER
from mlp_lang.runner.environment import requirements
from mlp_lang.runner.imports import AT_FIRST_USE, READ_AT_IMPORT, Imports, Reader
from mlp_lang.runner.resources import Usage, cpu_of

TRACKERS = frozenset(["mlflow", "mlflow-skinny"])
LARGEST_CODE = 1 << 20
"""Bytes of a file of code that are searched; what is larger is no code."""
MOST = 3
"""Zygotes at a time; each holds its libraries in memory."""
REAPED_WITHIN = 0.02
"""Seconds to wait for a child to be reaped: nothing needs it, but an empty group is found to be empty at once."""
_ZYGOTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zygote.py")
_PIECES = r"""[A-Za-z0-9_@%+=:,./^-]++|'[^']*'|"(?:[^"\\$`]|\\[\\"$`])*"|\\[^\n]"""
_PIECE = re.compile(_PIECES)
_WORD = f"(?:{_PIECES})++"  # possessive: a line that does not fit must not be tried in every way
_LINE = re.compile(rf"[ \t]*{_WORD}(?:[ \t]+{_WORD})*\s*\Z")
_SCRIPT = re.compile(r"\s*python[ \t]+(?:-u[ \t]+)*([A-Za-z0-9_./-]+\.py)(?=\s|\Z)")


class Watch(Protocol):
    """What knows the process groups that must end with the runner."""

    def begin(self) -> None: ...

    def watch(self, group: int) -> None: ...

    def forget(self, group: int) -> None: ...


class Start(NamedTuple):
    """A step that may be started by fork: what to run, as words, and what it imports."""

    words: list[str]
    imports: Imports
    script: str = ""
    module: str = ""


class Child:
    """A step's process that is another's child."""

    def __init__(self, zygote: "_Zygote", pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self._code = 0

    def await_end(self) -> None:
        """Return once it has ended; its number stays taken."""
        self._code = self._zygote.await_end(self.pid)

    def kill(self) -> None:
        """End it before anybody knows of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.await_end()
        self.reap()

    def reap(self) -> tuple[int, Usage | None]:
        """Its exit code (negative: the signal), and what it used."""
        return self._code, self._zygote.reap(self.pid)


class Zygotes:
    """The zygotes of one run, none until one is needed. Safe for threads."""

    def __init__(
        self, python: str, shell: str, environment: Mapping[str, str], warden: Watch, enabled: bool, tracked: bool
    ) -> None:
        """`python` is the folder whose `python` steps run; `environment` is what they have in common."""
        self._python = os.path.join(python, "python")
        self._environment = dict(environment)
        self._warden = warden
        self._bash = os.path.basename(shell) == "bash"  # what a shell adds to the environment is known of bash
        self.enabled = enabled and sys.platform == "linux" and self._bash and os.environ.get("MLP_WARM") != "0"
        self._tracked = tracked
        self._reader = Reader()
        self._lock = threading.Lock()
        self._zygotes: dict[frozenset[str], _Zygote] = {}
        self._expected: set[tuple[str, str | None, str | None]] = set()
        self._closed = False

    def reads(self, line: str, files: Mapping[str, str]) -> Start | None:
        """What a command line would run, or None if it is more than a Python script with arguments."""
        words = plain_words(line)
        if not words or words[0] != "python":
            return None
        rest = words[1:]
        while rest and rest[0] == "-u":  # which PYTHONUNBUFFERED says for all steps
            rest = rest[1:]
        script = os.path.normpath(rest[0]) if rest else ""
        if script not in files or not script.endswith(".py") or os.path.isabs(rest[0]):
            return None
        with self._lock:
            return Start(words, self._reader.read(script, files), script=rest[0])

    def plan(self, line: str, files: Mapping[str, str]) -> Start | None:
        """What may be started by fork, with all that it will import."""
        start = self.reads(line, files) if self.enabled else None
        if start is None or start.imports.against:
            return None
        roots = start.imports.roots() if self._tracked else set()
        later = [module for root, modules in AT_FIRST_USE.items() if root in roots for module in modules]
        return start._replace(imports=start.imports._replace(modules=(*start.imports.modules, *later)))

    def may_log(self, node: Node, files: Mapping[str, str]) -> bool:
        """Whether a step can reach MLflow, as far as its environment, its command and its code tell."""
        if node.deployment is not None:
            return False
        command = node.component.command
        if "mlflow" in command.lower() or any(r.name in TRACKERS for r in requirements(node.component.environment)):
            return True
        match = _SCRIPT.match(command)
        start = self.reads(match[0], files) if match is not None and plain_words(_filled(command)) else None
        if start is not None and not start.imports.against:
            return "mlflow" in start.imports.roots()
        return any(_mentions(file) for file in files.values())

    def expect(self, component: Component, files: Mapping[str, str], begin: bool) -> None:
        """A step will probably run: have its imports ready, starting a zygote for them only if `begin`."""
        match = _SCRIPT.match(component.command)
        what = (component.folder, component.code, match and match[1])
        if match is None or what in self._expected:
            return
        self._expected.add(what)
        start = self.plan(match[0], files)
        if start is not None and (zygote := self._for(start.imports.frameworks, begin)) is not None:
            zygote.expect(start.imports.modules)

    def start(self, start: Start, folder: str, environment: Mapping[str, str], log: IO[bytes]) -> Child | None:
        """The step as a child, or None if it must be a process of its own."""
        if not self.enabled or self._differs(environment):
            return None
        zygote = self._for(start.imports.frameworks, begin=True)
        if zygote is None:
            return None
        request: dict[str, Any] = {
            "folder": folder,
            "words": start.words,
            "modules": start.imports.modules,
            "environment": self._as_from_bash(environment, folder),
        }
        request.update({"script": start.script} if start.script else {"module": start.module})
        pid = zygote.fork(request, log.fileno())
        return None if pid is None else Child(zygote, pid)

    def give_up(self) -> None:
        """The run is stopped: who waits for a child need not wait."""
        self.enabled = False
        with self._lock:
            for zygote in self._zygotes.values():
                zygote.give_up()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            zygotes = list(self._zygotes.values())
        for zygote in zygotes:
            zygote.close()

    def _differs(self, environment: Mapping[str, str]) -> bool:
        """Whether a library would have been imported otherwise with this environment."""
        names = environment.keys() | self._environment.keys()
        return any(READ_AT_IMPORT.match(n) and environment.get(n) != self._environment.get(n) for n in names)

    def _as_from_bash(self, environment: Mapping[str, str], folder: str) -> dict[str, str]:
        """What a program that bash starts as its only command finds."""
        found = dict(environment)
        if not os.path.isdir(found.get("OLDPWD", "")):
            found.pop("OLDPWD", None)
        level = found.get("SHLVL", "")
        depth = int(level) if level.isdecimal() else 0
        found.update(PWD=folder, SHLVL=str(depth), _=self._python)
        return found

    def _for(self, frameworks: frozenset[str], begin: bool) -> "_Zygote | None":
        with self._lock:
            found = self._zygotes.get(frameworks)
            if found is None and begin and not self._closed and len(self._zygotes) < MOST:
                try:
                    found = _Zygote(self._python, self._environment, self._warden)
                except OSError:
                    self.enabled = False
                    return None
                self._zygotes[frameworks] = found
            return found


class _Zygote:
    """The runner's end of one zygote."""

    def __init__(self, python: str, environment: Mapping[str, str], warden: Watch) -> None:
        """Raises OSError."""
        self._warden = warden
        warden.begin()
        self._channel, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [python, _ZYGOTE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()
        warden.watch(self._process.pid)
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._asked = 0
        self._answers: dict[int, int | None] = {}
        self._ended: dict[int, int] = {}
        self._reaped: dict[int, Usage] = {}
        self._abandoned: set[int] = set()
        self._given_up = False
        self._gone = False
        threading.Thread(target=self._read, daemon=True).start()

    def expect(self, modules: Sequence[str]) -> None:
        if modules:
            self._send({"do": "import", "modules": modules})

    def fork(self, request: dict[str, Any], log: int) -> int | None:
        """The child's process number; None if the zygote cannot give one."""
        with self._changed:
            self._asked += 1
            number = self._asked
        self._send({**request, "do": "fork", "id": number}, [log])
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers or self._gone or self._given_up)
            self._abandoned.add(number)
            return self._answers.pop(number, None)

    def give_up(self) -> None:
        """Nothing is started any more: who waits for a child gets none."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def await_end(self, pid: int) -> int:
        with self._changed:
            self._changed.wait_for(lambda: pid in self._ended or self._gone)
            return self._ended.pop(pid, -signal.SIGKILL)  # a zygote that is gone was killed, and leaves orphans to kill

    def reap(self, pid: int) -> Usage | None:
        spent = cpu_of(pid)  # what is known if the zygote is busy: importing takes seconds
        self._send({"do": "reap", "pid": pid})
        with self._changed:
            self._changed.wait_for(lambda: pid in self._reaped or self._gone, REAPED_WITHIN)
            found = self._reaped.pop(pid, None)
        return found if found is not None else None if spent is None else Usage(spent, 0)

    def close(self) -> None:
        """End it at once: it holds nothing but libraries."""
        self._process.kill()
        self._process.wait()
        self._warden.forget(self._process.pid)
        self._channel.close()

    def _send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        data = json.dumps(message).encode()
        with self._sending, contextlib.suppress(OSError):
            socket.send_fds(self._channel, [struct.pack("!I", len(data))], descriptors)
            self._channel.sendall(data)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._channel.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                with self._changed:
                    if message.get("id") in self._abandoned and "pid" in message:
                        with contextlib.suppress(OSError):
                            os.killpg(message["pid"], signal.SIGKILL)
                    elif "id" in message:
                        self._answers[message["id"]] = message.get("pid")
                    elif "ended" in message:
                        self._ended[message["ended"]] = message["code"]
                    else:
                        self._reaped[message["reaped"]] = Usage(message["cpu"], message["memory"])
                    self._changed.notify_all()
        with self._changed:
            self._gone = True
            self._changed.notify_all()


def _filled(template: str) -> str:
    """A template as a line: any value stands as one word."""
    return PLACEHOLDER.sub("x", template.replace("$[[", "").replace("]]", ""))


def _mentions(file: str) -> bool:
    try:
        with open(file, "rb") as stream:
            return b"mlflow" in stream.read(LARGEST_CODE).lower()
    except OSError:
        return False


def plain_words(line: str) -> list[str] | None:
    """The words of a line that bash would only split and unquote; None if it would do anything else with it."""
    if not _LINE.match(line):
        return None
    words = ["".join(_unquoted(piece) for piece in _PIECE.findall(word)) for word in re.findall(_WORD, line)]
    return words if "=" not in words[0] else None


def _unquoted(piece: str) -> str:
    match piece[0]:
        case "'":
            return piece[1:-1]
        case '"':
            return re.sub(r'\\([\\"$`])', r"\1", piece[1:-1])
        case "\\":
            return piece[1:]
    return piece
