"""From a Graph to its execution on this machine: `run` makes a run, `serve` keeps a run's endpoint up.

What is imported from here is loaded when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp_lang.runner.outcome import Outcome, RunResult, Status
    from mlp_lang.runner.planning import Plan, plan
    from mlp_lang.runner.progress import choose as choose_progress
    from mlp_lang.runner.selection import Selection
    from mlp_lang.runner.serving import ServeError, serve
    from mlp_lang.runner.session import run
    from mlp_lang.runner.summary import summarise

__all__ = [
    "Outcome",
    "Plan",
    "RunResult",
    "Selection",
    "ServeError",
    "Status",
    "choose_progress",
    "plan",
    "run",
    "serve",
    "summarise",
]
_HOMES = {
    "Outcome": "outcome",
    "Plan": "planning",
    "RunResult": "outcome",
    "Selection": "selection",
    "ServeError": "serving",
    "Status": "outcome",
    "choose_progress": "progress",
    "plan": "planning",
    "run": "session",
    "serve": "serving",
    "summarise": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), {"choose_progress": "choose"}.get(name, name))
