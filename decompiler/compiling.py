"""From Azure ML's YAML of a pipeline, a job or a component to its Graph, by way of the program that says the same."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mlp_lang.compiler import Compilation, compile_file
from mlp_lang.decompiler.importing import decompile
from mlp_lang.decompiler.origins import Origins
from mlp_lang.dsl.reading import read
from mlp_lang.dsl.source import Source, display_path

_OF_PROGRAMS = frozenset(["MLP0111"])
"""What is said of a program that somebody writes, and helps nobody who has a pipeline that runs in Azure ML."""


def compile_yaml(
    path: Path,
    *,
    pipeline: str | None = None,
    params: Mapping[str, str] = {},
    registered: Callable[[str], str | None] | None = None,
) -> Compilation:
    """The Graph of what a YAML file defines: a pipeline, a pipeline component, or one job or component that stands
    alone, whose inputs are then the pipeline's. Never raises on a user's mistake.

    All positions are in the YAML. ``registered`` names files for registered components, as in `compile_file`."""
    made = decompile(str(path), alone=True)
    if made.text is None:
        return Compilation((), list(made.diagnostics))
    text, _ = read(path)
    program = Source(f"{display_path(path)} as a program", made.text)
    compiled = compile_file(path, pipeline=pipeline, params=params, source=program, registered=registered)
    origins = Origins(text or Source(display_path(path), ""), program, made.marks)
    said = [origins.diagnostic(d) for d in compiled.diagnostics if d.code not in _OF_PROGRAMS]
    graphs = tuple(origins.all(graph) for graph in compiled.graphs)
    return compiled._replace(graphs=graphs, diagnostics=[*made.diagnostics, *said])
