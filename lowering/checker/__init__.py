"""From Azure ML YAML (ours or anybody's) to diagnostics with spans, without azure-ai-ml, network or credentials."""

from mlp_lang.lowering.checker.definitions import check_yaml, is_definition
from mlp_lang.lowering.checker.folder import check_folder

__all__ = ["check_folder", "check_yaml", "is_definition"]
