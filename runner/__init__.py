"""From a Graph to its execution on this machine: `run` makes a run, `serve` keeps a run's endpoint up."""

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
