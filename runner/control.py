"""From a deadline, a signal or a cancellation to the running steps that it concerns."""

import signal
import threading
from collections.abc import Callable

from mlp_lang.runner.process import Process


class Control:
    """How a running step is reached from outside: stopped on cancellation and at its deadline."""

    def __init__(self, wake: Callable[[], None], note: Callable[[str, str], None] = lambda name, text: None) -> None:
        self.wake = wake  # has the scheduler look at the deadlines again
        self.note = note  # says how far a step is
        self.lock = threading.Lock()
        self.stopping = threading.Event()  # set with `cancelled`, for those who wait
        self.cancelled = False
        self.running: dict[str, Process] = {}
        self.deadlines: dict[str, float] = {}
        self.late: set[str] = set()
        self.tracked: dict[str, str] = {}  # of what has begun, its run in MLflow
        self.parents: dict[str, Callable[[], str]] = {}  # of sweeps, what begins or gives their runs

    def stop_all(self, number: int) -> None:
        """Cancel: signal what runs, and let nothing new start."""
        with self.lock:
            self.cancelled = True
            self.stopping.set()
            for process in self.running.values():
                process.stop(number)

    def set_deadline(self, when: float) -> None:
        """What was told to stop and still runs at `when` is killed."""
        with self.lock:
            for name in self.running:
                self.late.add(name)
                self.deadlines[name] = when

    def stop_one(self, name: str, number: int) -> None:
        """Signal one step, if it runs."""
        with self.lock:
            if name in self.running:
                self.running[name].stop(number)

    def stop_late(self, now: float, grace: float) -> None:
        """TERM to steps past their deadline, KILL to those that are `grace` seconds past it."""
        with self.lock:
            for name, deadline in list(self.deadlines.items()):
                if now >= deadline and name in self.running:
                    self.running[name].stop(signal.SIGKILL if name in self.late else signal.SIGTERM)
                    if name in self.late:
                        del self.deadlines[name]
                    else:
                        self.late.add(name)
                        self.deadlines[name] = now + grace

    def next_deadline(self) -> float | None:
        with self.lock:
            return min(self.deadlines.values(), default=None)


class CancelledError(Exception):
    """The run was stopped before or while a step ran."""
