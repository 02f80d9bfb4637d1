"""From Azure ML's YAML to the `.mlp` programs that say the same, and to their Graphs: pipelines, and what is defined
beside them."""

from mlp_lang.decompiler.compiling import compile_yaml
from mlp_lang.decompiler.definitions import decompile_definitions
from mlp_lang.decompiler.folder import Found, programs
from mlp_lang.decompiler.importing import decompile, decompile_text
from mlp_lang.decompiler.program import Decompiled, Escape

__all__ = [
    "Decompiled",
    "Escape",
    "Found",
    "compile_yaml",
    "decompile",
    "decompile_definitions",
    "decompile_text",
    "programs",
]
