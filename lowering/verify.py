"""From the folder of a build to all that is wrong with it: mlp's own checker, and azure-ai-ml's loaders if installed.

Nothing here needs a network, a workspace or credentials. azure-ai-ml alone is no judge: see docs/azureml.md.
"""

from pathlib import Path

from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.lowering.checker import check_folder


def verify(folder: Path) -> list[Diagnostic]:
    """All findings about a build; an empty list means that both judges accept every definition without a remark."""
    findings = check_folder(str(folder))
    if not has_azure():
        return findings
    from mlp_lang.lowering.azure import load_all

    return findings + load_all(str(folder))


def has_azure() -> bool:
    """Whether the `azure` extra is installed, and so azure-ai-ml judges too."""
    from importlib.util import find_spec

    try:
        return find_spec("azure.ai.ml") is not None
    except ModuleNotFoundError:
        return False
