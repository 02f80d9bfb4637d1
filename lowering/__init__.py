"""From a Graph to the Azure ML definitions of a pipeline, and the checker of such definitions."""

from mlp_lang.compiler import Compilation
from mlp_lang.lowering.build import Build, BuildError
from mlp_lang.lowering.lower import lower

__all__ = ["Build", "BuildError", "lower", "lower_all"]


def lower_all(made: Compilation, path: str, profile: str | None = None) -> list[Build]:
    """A Build for each pipeline of a file, and one for what it defines beside them: in the folder of the pipeline that
    is called like the file, if there is one."""
    if not made.definitions:
        return [lower(graph) for graph in made.graphs]
    from mlp_lang.lowering.definitions import definition_name, lower_definitions

    name = definition_name(path)
    shared = next((graph for graph in made.graphs if graph.name == name), None)
    builds = [lower(graph, made.definitions if graph is shared else ()) for graph in made.graphs]
    return builds if shared is not None else [*builds, lower_definitions(made.definitions, path, profile)]
