"""From a path that a program writes to the Asset there: a local file or folder that exists, or something elsewhere."""

import os

from mlp_lang.compiler.graph import Asset
from mlp_lang.compiler.report import Report
from mlp_lang.dsl.source import Span


def is_remote(path: str) -> bool:
    """Whether a path names something outside this machine: `azureml:census:3`, `https://…`, `wasbs://…`."""
    return path.startswith("azureml:") or "://" in path


def locate(report: Report, azure: str, path: str, span: Span, folder: str) -> Asset | None:
    """The asset at a path. That a local one is missing, or is no file or folder as its type says, is a warning: data
    may come later, and what runs the pipeline looks again."""
    if is_remote(path):
        return Asset(azure, path, False, span=span)
    if not path or "\0" in path:
        report.error("MLP0603", f"`{path!r}` is no path", span)
        return None
    full = os.path.normpath(os.path.join(folder, path))
    if azure in ("uri_file",):
        wrong = "" if os.path.isfile(full) else "is a folder" if os.path.isdir(full) else "does not exist"
    elif azure in ("uri_folder", "mltable"):
        wrong = "" if os.path.isdir(full) else "is a file" if os.path.isfile(full) else "does not exist"
    else:
        wrong = "" if os.path.exists(full) else "does not exist"
    if wrong:
        help = f"paths start from the folder of `{span.source.path}`"
        report.warning("MLP0603", f"`{path}` {wrong}", span, help=help)
    return Asset(azure, full, True, span=span)
