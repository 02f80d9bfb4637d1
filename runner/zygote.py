"""From names of modules to a process that has imported them, and from a script to a fork of it that runs the script.

Runs as a script of its own, `python zygote.py SOCKET`, and imports nothing of mlp beside itself. It runs no code of a
step: each step is a child, which is thrown away. `warm.py` is its other end and says what the messages are.
"""

import atexit
import contextlib
import ctypes
import errno
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import types
from typing import Any

QUIET_THREADS = frozenset(["jemalloc_bg_thd"])
"""Threads of libraries that mind forks themselves: the allocator of pyarrow stops its own around each."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
_HEADER = struct.Struct("!I")


class Zygote:
    """Imports what it is told to, forks what it is asked for, and tells when a child has ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._pending: list[str] = []
        self._tried: set[str] = set()
        self._checked = -1  # modules at the last look for threads
        self._spoiled = ""
        self._libc = ctypes.CDLL(None)
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._children: set[int] = set()  # that run, or have ended and are not told
        self._main = {name: value for name, value in vars(sys.modules["__main__"]).items() if name[:2] == "__"}

    def serve(self) -> "tuple[dict[str, Any], dict[str, object]] | None":
        """Until the other end closes: None then; in a child what it is to run, and what its `__main__` starts with."""
        gc.disable()  # importing makes no garbage worth looking for
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)  # a signal just before `select` must end it, too
        signal.signal(signal.SIGCHLD, lambda *_: self._tell_ended())  # also in the middle of an import
        signal.signal(signal.SIGTERM, lambda *_: None if self._children else os._exit(0))
        while True:
            there: list[Any] = select.select(
                list[Any]([self._channel, self._woken]), [], [], 0 if self._pending else None
            )[0]
            if self._woken in there:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._tell_ended()
            if self._channel not in there:
                if self._pending:
                    self._import(self._pending.pop(0))
                continue
            received = self._receive()
            if received is None:  # the runner is gone: its warden ends the children, each with time to tidy up
                while self._children:
                    signal.sigtimedwait([], 0.1)
                return None
            request, streams = received
            match request["do"]:
                case "import":
                    self._pending += [name for name in request["modules"] if name not in self._tried]
                case "reap":
                    used = os.wait4(request["pid"], 0)[2]
                    cpu = used.ru_utime + used.ru_stime
                    self._send({"reaped": request["pid"], "cpu": cpu, "memory": used.ru_maxrss * 1024})
                case "fork":
                    for name in request["modules"]:
                        self._import(name)
                    declined = self._unfit() or _shadowed(request)
                    if declined:
                        self._send({"id": request["id"], "declined": declined})
                    elif self._fork(request, streams[0]):
                        return request, self._main
            for stream in streams:
                os.close(stream)

    def _import(self, name: str) -> None:
        """`a.b`, or `a.b:c` for what may be a module or a name in one. What fails here fails in the step, too."""
        if name in self._tried:
            return
        self._tried.add(name)
        module, _, member = name.partition(":")
        try:
            importlib.import_module(module)
            if member and not hasattr(sys.modules[module], member) and importlib.util.find_spec(f"{module}.{member}"):
                importlib.import_module(f"{module}.{member}")
        except BaseException:  # even SystemExit: a module that ends its process ends a child's
            return

    def _unfit(self) -> str:
        """Why this process must not be forked: a library has a thread, which would be missing in the child.

        A first fork has libraries that mind forks (OpenBLAS) end their threads; what is left then does not mind them.
        """
        if self._spoiled or self._checked == len(sys.modules):
            return self._spoiled
        gc.collect()
        gc.freeze()  # what is here stays: no child has to look through it
        self._checked = len(sys.modules)
        probe = os.fork()
        if probe == 0:
            os._exit(0)
        os.waitpid(probe, 0)
        left = [name for name in _threads() if name not in QUIET_THREADS]
        if left:
            self._spoiled = f"a library that was imported runs a thread ({left[0]})"
        return self._spoiled

    def _fork(self, request: dict[str, Any], log: int) -> bool:
        """True in the child, which then leads a session and a group of its own, its output going to `log`.

        It runs nothing before the runner is told of it: who is not told would start the step once more.
        """
        ready, told = os.pipe()
        known, tell = os.pipe()
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)  # a child nobody could tell of must not live on
            os.setsid()
            os.write(told, b"1")
            os.close(tell)
            if not os.read(known, 1):
                os._exit(1)  # the zygote is gone
            os.dup2(log, 1)
            os.dup2(log, 2)
            for number in {ready, told, known, log, self._woken, self._wake, self._channel.detach()}:
                os.close(number)
            return True
        self._children.add(child)
        os.close(told)
        os.close(known)
        os.read(ready, 1)  # only what leads its group can be signalled as one
        os.close(ready)
        self._send({"id": request["id"], "pid": child})
        with contextlib.suppress(BrokenPipeError):
            os.write(tell, b"1")
        os.close(tell)
        self._tell_ended()
        return False

    def _tell_ended(self) -> None:
        """Say which children have ended, and leave them zombies: their numbers stay taken until they are reaped."""
        for child in list(self._children):
            found = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                try:
                    self._children.remove(child)
                except KeyError:
                    continue  # told meanwhile, by the handler
                code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                self._send({"ended": child, "code": code})

    def _receive(self) -> "tuple[dict[str, Any], list[int]] | None":
        header, streams, _, _ = socket.recv_fds(self._channel, _HEADER.size, 1)
        rest = _HEADER.unpack(header)[0] if len(header) == _HEADER.size else 0
        parts = []
        while rest:
            part = self._channel.recv(rest)
            if not part:
                return None
            parts.append(part)
            rest -= len(part)
        return (json.loads(b"".join(parts)), streams) if parts else None

    def _send(self, message: dict[str, object]) -> None:
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise  # else the runner is gone, and the next look at the channel says so


def _threads() -> list[str]:
    """Names of this process's threads but the first; where nothing tells, one without a name."""
    try:
        others = [number for number in os.listdir("/proc/self/task") if number != str(os.getpid())]
    except OSError:
        return ["unknown"]
    names = []
    for number in others:
        try:
            with open(f"/proc/self/task/{number}/comm", encoding="utf-8", errors="replace") as file:
                names.append(file.read().strip())
        except OSError:
            continue  # it ended meanwhile
    return names


def _shadowed(request: dict[str, Any]) -> str:
    """Why a script must start afresh: a file beside it has the name of a module that is imported already."""
    if "script" not in request:
        return ""
    folder = os.path.dirname(os.path.join(str(request["folder"]), str(request["script"])))
    found = {name.partition(".")[0] for name in os.listdir(folder)} & sys.modules.keys()
    return f"the code has its own `{min(found)}`" if found else ""


def become(request: dict[str, Any], main: dict[str, object]) -> "tuple[types.ModuleType, str]":
    """Make this child what `python SCRIPT …` would find at its start; its `__main__` module and its file.

    Beside what the request says, what a library keeps for one process begins anew: numpy's global generator (`random`
    sees to itself, torch starts every process with the same seed) and the folder of temporary files.
    """
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if (random := sys.modules.get("numpy.random")) is not None:
        random.seed()
    if (tempfile := sys.modules.get("tempfile")) is not None:
        tempfile.tempdir = None  # type: ignore[attr-defined]
    gc.enable()
    words: list[str] = request["words"]
    sys.orig_argv[:] = words
    fresh = types.ModuleType("__main__")
    vars(fresh).update(main)
    sys.modules["__main__"] = fresh
    if "module" in request:
        sys.argv[:] = words[words.index("-m") + 1 :]
        sys.path.insert(0, os.getcwd())
        return fresh, ""
    sys.argv[:] = words[words.index(str(request["script"])) :]
    path = os.path.join(os.getcwd(), sys.argv[0])
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    fresh.__file__ = path
    fresh.__doc__ = None
    fresh.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    return fresh, path


def execute(module: types.ModuleType, path: str, name: str, folder: str) -> int:
    """Run the script, or the module `name`, as Python runs a file; the exit code that it comes to."""
    code = 0
    interrupted = False
    try:
        try:
            if path:
                with open(path, "rb") as file:
                    text = file.read()
                exec(compile(text, path, "exec", dont_inherit=True), vars(module))
            else:
                import runpy

                runpy._run_module_as_main(name)  # type: ignore[attr-defined]
        except SystemExit as ending:
            code = _exit_code(ending)
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            code = 1
            _report(error)
        _shut_down(module, folder)
    except SystemExit as ending:
        code = _exit_code(ending)
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code


def _exit_code(ending: SystemExit) -> int:
    match ending.code:
        case None:
            return 0
        case int(number):
            return number & 0xFF
        case said:
            _flush()
            print(said, file=sys.stderr)
            return 1


def _report(error: BaseException) -> None:
    """Print an uncaught error as Python does, through `sys.excepthook`, without this module's own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    _flush()
    sys.excepthook(type(error), error, trace)


def _shut_down(module: types.ModuleType, folder: str) -> None:
    """What Python does at its end, but for the libraries: threads are awaited, `atexit` handlers run, objects go.

    Taking apart libraries that have just been imported would take longer than most steps.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    _flush()
    theirs = [m for m in list(sys.modules.values()) if str(getattr(m, "__file__", None) or "").startswith(folder)]
    sys.last_value = sys.last_traceback = None
    for one in [module, *theirs]:
        vars(one).clear()  # a file that nobody closed is written now
    gc.collect()
    _flush()
    ctypes.CDLL(None).fflush(None)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue


def main() -> None:
    number = int(sys.argv[1])
    del sys.path[0]  # this folder: a script must not find it
    asked = Zygote(socket.socket(fileno=number)).serve()
    if asked is None:
        os._exit(0)
    request, names = asked
    try:
        module, path = become(request, names)
    except OSError as error:
        os.write(2, f"mlp: the step cannot be started: {error}\n".encode())
        os._exit(126)
    os._exit(execute(module, path, str(request.get("module", "")), os.path.join(sys.path[0], "")))


if __name__ == "__main__":
    main()
