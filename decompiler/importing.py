"""From any definition in Azure ML's YAML to the program that says the same: pipelines, and what stands beside them."""

import os
from pathlib import Path

from mlp_lang.decompiler.definitions import definitions_of, kind_of
from mlp_lang.decompiler.document import Document, compose, read
from mlp_lang.decompiler.pipeline import pipeline_of
from mlp_lang.decompiler.program import Decompiled
from mlp_lang.dsl.source import Source, display_path
from mlp_lang.lowering.checker.document import Findings


def decompile(path: str, target: str | None = None) -> Decompiled:
    """The program for a YAML file; ``target`` is where it is to be written (beside the YAML unless told otherwise).

    A file that cannot be read, or defines nothing that a program could say, is a diagnostic.
    """
    findings = Findings(path)
    source = read(path, findings)
    if source is None:
        return Decompiled(None, tuple(findings.diagnostics), ())
    return _decompiled(source, path, target, findings)


def decompile_text(yaml_text: str, path: str, target: str | None = None) -> Decompiled:
    """As `decompile`, for the text of a file that may not be there; its path is what others are relative to."""
    return _decompiled(Source(display_path(Path(path)), yaml_text), path, target, Findings(path))


def _decompiled(source: Source, path: str, target: str | None, findings: Findings) -> Decompiled:
    document = compose(source, os.path.abspath(path), findings)
    if document is None:
        return Decompiled(None, tuple(findings.diagnostics), ())
    if is_pipeline(document):
        return pipeline_of(document, findings, target or path)
    return definitions_of([document], findings, target or path)


def is_pipeline(document: Document) -> bool:
    """Whether a document is a pipeline, job or component; what is nothing that is known counts as one gone wrong."""
    return "jobs" in document.root.fields() or kind_of(document.root) is None
