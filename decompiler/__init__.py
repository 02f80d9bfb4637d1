"""From an Azure ML pipeline in YAML to the `.mlp` program that says the same."""

from mlp_lang.decompiler.pipeline import Decompiled, decompile, decompile_text
from mlp_lang.decompiler.program import Escape

__all__ = ["Decompiled", "Escape", "decompile", "decompile_text"]
