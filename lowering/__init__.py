"""From a Graph to the Azure ML definitions of a pipeline, and the checker of such definitions."""

from mlp_lang.lowering.build import Build, BuildError
from mlp_lang.lowering.lower import lower

__all__ = ["Build", "BuildError", "lower"]
