"""From a command line to an exit: a shell in a process group of its own, which ends with all that it started.

A warden, one small shell for the whole run, kills what is left if the runner itself is killed and cannot.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Protocol

from mlp_lang.runner.resources import Usage, reap

_WARDEN = """
trap '' INT TERM HUP QUIT
groups=' '
mark=
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) rest=${groups#* "$group" }; groups="${groups%% "$group" *} $rest" ;;
    =) mark=$group ;;
  esac
done
for group in $groups; do kill -TERM "-$group" 2>/dev/null; done
[ "$groups$mark" = ' ' ] || sleep 2
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
[ -z "$mark" ] || grep -lsF -- "TMPDIR=$mark/" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do
  pid=${file#/proc/}
  kill -KILL "${pid%/environ}" 2>/dev/null
done
"""


_GROUP_POLLS = 200
"""Looks at a killed group, at most ten seconds in all: what hangs in the kernel must not hold up a run for ever."""


class Warden:
    """Knows the process groups that run; kills them when the runner's end of the pipe closes unexpectedly.

    What was started and not yet made known is told by its environment: its TMPDIR lies in the folder `mark`.
    """

    def __init__(self, mark: str = "") -> None:
        self._mark = mark if "\n" not in mark else ""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Be there before the first process is."""
        with self._lock:
            self._begin()

    def _begin(self) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                ["sh", "-c", _WARDEN],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
            self._tell(f"= {self._mark}\n")

    def watch(self, group: int) -> None:
        with self._lock:
            self._begin()
            self._tell(f"+ {group}\n")

    def forget(self, group: int) -> None:
        with self._lock:
            self._tell(f"- {group}\n")

    def dismiss(self) -> None:
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                self._tell("= \n")
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
                self._process.wait()
                self._process = None

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


class Leader(Protocol):
    """The first process of a step. `await_end` returns while its number is still taken, `reap` gives it back."""

    pid: int

    def await_end(self) -> None: ...

    def reap(self) -> tuple[int, Usage | None]: ...


class _Own:
    """A child of the runner."""

    def __init__(self, arguments: Sequence[str], folder: str, environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._popen = subprocess.Popen(
            arguments,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._popen.pid

    def await_end(self) -> None:
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._popen.wait()

    def reap(self) -> tuple[int, Usage | None]:
        return reap(self._popen)


class Process:
    """One running step. `wait` is called by one thread, `stop` by any."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: str,
        environment: Mapping[str, str],
        log: IO[bytes],
        warden: Warden,
        leader: Leader | None = None,
    ) -> None:
        """Start it, both streams going to `log`, or take over `leader`, which was started so. Raises OSError."""
        self._warden = warden
        self._lock = threading.Lock()
        self._over = False
        self.usage: Usage | None = None  # once it has ended
        warden.begin()
        self._leader = leader if leader is not None else _Own(arguments, folder, environment, log)
        self.pid = self._leader.pid
        warden.watch(self.pid)

    def wait(self) -> int:
        """The exit code (negative: the signal), once the process and all of its group are gone."""
        # While the leader is not reaped its number stays taken, so the group's cannot be another's.
        self._leader.await_end()
        with self._lock:
            self._signal(signal.SIGKILL)
            self._over = True
            code, self.usage = self._leader.reap()
        self._await_group()
        self._warden.forget(self.pid)
        return code

    def _await_group(self) -> None:
        """Until the kernel has ended what was killed: a signal is only on its way when `killpg` returns.

        Who holds nothing any more counts as ended: a zombie stays a member of its group until somebody reaps it.
        """
        pause = 0.0005
        for _ in range(_GROUP_POLLS):
            try:
                os.killpg(self.pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            if not _living(self.pid):
                return
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def stop(self, number: int) -> None:
        """Send a signal to the whole group, if it still runs."""
        with self._lock:
            if not self._over:
                self._signal(number)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _living(group: int) -> bool:
    """Whether a member of a process group still runs; True where nothing tells (no /proc)."""
    try:
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return True
    for name in processes:
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                state, _, member_of = file.read().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue  # it ended meanwhile
        if member_of == str(group) and state not in "ZX":
            return True
    return not processes


def common_environment(python: str) -> dict[str, str]:
    """What all steps have in common; `python` is the folder whose `python` they run."""
    environment = kept_environment()
    environment.update(
        PATH=python + os.pathsep + environment.get("PATH", os.defpath),
        PYTHONUNBUFFERED="1",
        PYTHONDONTWRITEBYTECODE="1",
        MLFLOW_DISABLE_TELEMETRY="true",
        GIT_PYTHON_REFRESH="quiet",
    )
    return environment


def kept_environment() -> dict[str, str]:
    """This process's environment without what would reach into a step: other runs' variables, start-up files."""
    dropped = ("AZUREML_", "AZURE_ML_", "MLFLOW_")
    single = ("BASH_ENV", "ENV", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "PYTHONINSPECT", "SHELLOPTS", "BASHOPTS")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(dropped) and name not in single and not name.startswith("BASH_FUNC_")
    }
