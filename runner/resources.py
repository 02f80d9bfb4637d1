"""From process groups that run to what they use: CPU seconds, peak memory, and the end of those beyond a limit.

Memory is what the processes of a step hold together, looked at several times a second; of a process that came and went
between two looks the kernel's own figure counts, where it is that process's and not the runner's.
"""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

FIRST, SLOWEST, LIMITED = 0.02, 1.0, 0.05
"""Seconds between looks: at first, at most without a limit, at most with one."""
PAGE = resource.getpagesize()
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the kernel counts `ru_maxrss`."""
_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


class Usage(NamedTuple):
    """What the kernel says of an ended process and of those that it waited for."""

    cpu: float
    memory: int  # bytes; at least the runner's own where that was larger when it started the process


def reap(process: "subprocess.Popen[bytes]") -> tuple[int, Usage | None]:
    """Wait for a process that has ended or is about to; its exit code, negative for a signal, and what it used."""
    if process.returncode is not None or not hasattr(os, "wait4"):
        return process.wait(), None
    try:
        _, status, used = os.wait4(process.pid, 0)
    except ChildProcessError:
        return process.wait(), None
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, Usage(used.ru_utime + used.ru_stime, used.ru_maxrss * UNIT)


class Watch:
    """Looks at the groups of running steps. One thread, alive while there is a group."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._changed = threading.Condition()
        self._groups: dict[int, Callable[[], None]] = {}
        self._peaks: dict[int, int] = {}
        self._beyond: set[int] = set()
        self._thread: threading.Thread | None = None

    def add(self, group: int, end: Callable[[], None]) -> None:
        """Look at a group from now on; `end` is called if it goes beyond the limit."""
        with self._changed:
            self._groups[group] = end
            self._peaks[group] = 0
            self._beyond.discard(group)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, group: int) -> tuple[int, bool]:
        """The most bytes that it was seen to hold, and whether it was ended for that."""
        with self._changed:
            self._groups.pop(group, None)
            self._changed.notify()
            return self._peaks.pop(group, 0), group in self._beyond

    def _look(self) -> None:
        pause = FIRST
        seen: frozenset[int] = frozenset()
        while True:
            with self._changed:
                if not self._groups and not self._changed.wait_for(lambda: bool(self._groups), timeout=1.0):
                    self._thread = None
                    return
                now = frozenset(self._groups)
            pause = FIRST if now != seen else min(pause * 1.5, LIMITED if self.limit else SLOWEST)
            seen = now
            held = memory_of(now)
            with self._changed:
                ends = []
                for group, size in held.items():
                    if group in self._groups:
                        self._peaks[group] = max(self._peaks[group], size)
                        if self.limit is not None and size > self.limit and group not in self._beyond:
                            self._beyond.add(group)
                            ends.append(self._groups[group])
            for end in ends:
                end()
            with self._changed:
                if not frozenset(self._groups) - seen:
                    self._changed.wait(timeout=pause)


def memory_of(groups: frozenset[int]) -> dict[int, int]:
    """Resident bytes of process groups, from /proc; nothing where there is none."""
    found = dict.fromkeys(groups, 0)
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            group = int(fields[2])
            if group in found:
                found[group] += int(fields[21]) * PAGE
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    return found


def used(usage: Usage | None, peak: int) -> dict[str, Any]:
    """What the record says of a step's attempt."""
    memory = peak
    if usage is not None and usage.memory > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT:
        memory = max(memory, usage.memory)
    return {"cpu_seconds": round(usage.cpu, 3) if usage is not None else None, "peak_memory": memory or None}


def cpu_of(pid: int) -> float | None:
    """CPU seconds of a process, also of a zombie, and of those that it waited for; None where nothing tells."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return sum(int(n) for n in file.read().rpartition(b")")[2].split()[11:15]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def birth(pid: int) -> str:
    """When a process began, as the kernel counts; empty if there is none or nothing tells."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def having(variable: str) -> list[int]:
    """Processes whose environment, as it was when they began, has a variable that begins so; none without /proc."""
    wanted = b"\0" + os.fsencode(variable)
    found = []
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if wanted in b"\0" + file.read():
                        found.append(int(name))
            except OSError:
                continue
    return found


def ended_for_memory() -> int:
    """How many processes the system has ended for lack of memory where this one lives; 0 where nothing tells."""
    for path in _COUNTERS:
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    name, _, number = line.partition(" ")
                    if name == "oom_kill":
                        return int(number)
        except (OSError, ValueError):
            continue
    return 0


def spell_bytes(size: float) -> str:
    """`512 B`, `1.5 MB`, `20 GB`: powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
