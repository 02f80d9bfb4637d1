"""From an Azure ML pipeline in YAML to the `.mlp` program that says the same, and to its Graph."""

from mlp_lang.decompiler.compiling import compile_yaml
from mlp_lang.decompiler.pipeline import Decompiled, decompile, decompile_text
from mlp_lang.decompiler.program import Escape

__all__ = ["Decompiled", "Escape", "compile_yaml", "decompile", "decompile_text"]
