"""From a path that a program writes to the Asset there: a local file or folder that exists, or something elsewhere."""

import os

from mlp_lang.compiler.graph import Asset
from mlp_lang.compiler.report import Report
from mlp_lang.dsl.source import Span


def is_remote(path: str) -> bool:
    """Whether a path names something outside this machine: `azureml:census:3`, `https://…`, `wasbs://…`."""
    return path.startswith("azureml:") or "://" in path


def locate(report: Report, azure: str, path: str, span: Span, folder: str) -> Asset | None:
    """The asset at a path; a local one must exist and be a file or a folder as its type says."""
    if is_remote(path):
        return Asset(azure, path, False, span=span)
    full = os.path.normpath(os.path.join(folder, path))
    if azure in ("uri_file",):
        wrong = "" if os.path.isfile(full) else "is a folder" if os.path.isdir(full) else "does not exist"
    elif azure in ("uri_folder", "mltable"):
        wrong = "" if os.path.isdir(full) else "is a file" if os.path.isfile(full) else "does not exist"
    else:
        wrong = "" if os.path.exists(full) else "does not exist"
    if wrong:
        report.error("MLP0603", f"`{path}` {wrong}", span, help=f"paths start from the folder of `{span.source.path}`")
        return None
    return Asset(azure, full, True, span=span)
