"""From a `.mlp` file to Graphs and diagnostics. `compile_file` and `check_file` are what other parts call."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mlp_lang.compiler.graph import Definition, Graph
    from mlp_lang.dsl.diagnostics import Diagnostic
    from mlp_lang.dsl.source import Source


class Compilation(NamedTuple):
    """What came of a file: a Graph for each pipeline, in the author's order, and what the file defines beside them;
    none of them if there are errors."""

    graphs: "tuple[Graph, ...]"
    diagnostics: "list[Diagnostic]"
    definitions: "tuple[Definition, ...]" = ()


def compile_file(
    path: Path,
    *,
    profile: str | None = None,
    pipeline: str | None = None,
    params: Mapping[str, str] = {},
    source: "Source | None" = None,
    registered: Callable[[str], str | None] | None = None,
) -> Compilation:
    """The Graphs of a file under one profile. Never raises on a user's mistake.

    ``pipeline`` restricts to one, ``params`` are values for its parameters as text (`epsilon` → `0.5`). ``source`` is
    the text to take instead of the file's: ``path`` then says what its paths are relative to. ``registered`` gives for
    a registered component (`azureml:clean:1`) the local file that stands for it, if there is one."""
    from mlp_lang.compiler.files import compile_pipelines

    return Compilation(*compile_pipelines(path, profile, pipeline, params, source, registered))


def compile_definitions(path: Path, *, profile: str | None = None) -> "tuple[tuple[Definition, ...], list[Diagnostic]]":
    """What a file defines beside its pipelines (environments, assets, endpoints, deployments, schedules of other jobs),
    under one profile. Never raises on a user's mistake."""
    made = compile_file(path, profile=profile)
    return made.definitions, made.diagnostics


def check_file(path: Path, *, profile: str | None = None, source: "Source | None" = None) -> "list[Diagnostic]":
    """What is wrong with any pipeline of a file, without a profile and under each; every finding once.

    With ``profile``, under this one only. ``source`` is the text to take instead of the file's (an unsaved one, or
    standard input): ``path`` then says what its paths are relative to."""
    from mlp_lang.compiler.files import check_pipelines

    return check_pipelines(path, profile, source)
