"""From an Azure ML pipeline in YAML to the `.mlp` program that says the same."""

from mlp_lang.decompiler.pipeline import Decompiled, Escape, decompile, decompile_text

__all__ = ["Decompiled", "Escape", "decompile", "decompile_text"]
