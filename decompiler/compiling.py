"""From an Azure ML pipeline in YAML to its Graph, by way of the program that says the same."""

from collections.abc import Mapping
from pathlib import Path

from mlp_lang.compiler import Compilation, compile_file
from mlp_lang.decompiler.importing import decompile
from mlp_lang.dsl.source import Source, display_path


def compile_yaml(path: Path, *, pipeline: str | None = None, params: Mapping[str, str] = {}) -> Compilation:
    """The Graph of a pipeline in YAML. Never raises on a user's mistake.

    What is wrong with the YAML has positions in it. What the compiler says then has positions in the program that the
    YAML became, which is nowhere written: its source is called `<file> as a program`."""
    made = decompile(str(path))
    if made.text is None:
        return Compilation((), list(made.diagnostics))
    source = Source(f"{display_path(path)} as a program", made.text)
    compiled = compile_file(path, pipeline=pipeline, params=params, source=source)
    return compiled._replace(diagnostics=[*made.diagnostics, *compiled.diagnostics])
