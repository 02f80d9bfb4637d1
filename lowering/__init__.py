"""From a Graph to the Azure ML definitions of a pipeline, and the checker of such definitions.

What is imported from here is loaded when it is asked for: running needs how values are spelled, and no more."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlp_lang.lowering.build import Build, BuildError
    from mlp_lang.lowering.graphs import lower, lower_all

__all__ = ["Build", "BuildError", "lower", "lower_all"]
_HOMES = {"Build": "build", "BuildError": "build", "lower": "graphs", "lower_all": "graphs"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
