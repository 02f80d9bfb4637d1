"""From the folder of a build to what azure-ai-ml says when it loads and validates every definition, warnings included.

In this process, without network, credentials or telemetry: loaders read files, validation is the offline kind. What
azure-ai-ml says of itself (experimental classes, deprecated libraries) is no finding.
"""

import contextlib
import io
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.checker.folder import (
    COMPONENTS,
    DEPLOYED_ENDPOINTS,
    DEPLOYMENTS,
    ENDPOINTS,
    SCHEDULES,
    definition_files,
)

_OF_ITSELF = re.compile(r"experimental|RemovedInMarshmallow|pkg_resources", re.IGNORECASE)
_LOCATION = re.compile(r"#line (\d+)")
_MESSAGE = re.compile(r'"message": "((?:[^"\\]|\\.)*)"')


PREVIEW = "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"
"""The switch of azure-ai-ml for what it only previews."""
_STEERS = re.compile(r"^ +type: (?:if_else|do_while|parallel_for)$", re.MULTILINE)


class _Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def load_all(folder: str) -> list[Diagnostic]:
    """Findings about every definition of a build: MLP0830 (refused) and MLP0831 (warned of), one for each remark."""
    folder = os.path.realpath(folder)
    if os.environ.get(PREVIEW) != "true" and _previews(folder):
        return _with_preview(folder)
    findings: list[Diagnostic] = []
    for kind, pattern in (
        ("job", "pipeline.yml"),
        ("component", "component.yml"),
        ("component", COMPONENTS),
        ("environment", "environments/*/environment.yml"),
        ("data", "assets/*.yml"),
        ("online_endpoint", ENDPOINTS),
        ("online_endpoint", DEPLOYED_ENDPOINTS),
        ("online_deployment", DEPLOYMENTS),
        ("schedule", SCHEDULES),
    ):
        by_kind: dict[str, list[str]] = {}
        for path in definition_files(folder, pattern):
            by_kind.setdefault(_said(path) or kind, []).append(path)
        for one, paths in by_kind.items():
            findings += load_definitions(one, paths, folder)
    return findings


_LOADERS = {
    "model": "model",
    "batchEndpoint": "batch_endpoint",
    "modelBatchDeployment": "model_batch_deployment",
    "batchDeployment": "batch_deployment",
    "pipelineComponentBatchDeployment": "pipeline_component_batch_deployment",
}
"""Loaders of the definitions that share a folder with others, by the schema that they name."""
_SCHEMA = re.compile(r"^\$schema: \S*/(\w+)\.schema\.json$", re.MULTILINE)


def _said(path: str) -> str | None:
    """The loader for what a definition says that it is, if that is not what its folder is for."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = _SCHEMA.search(file.read(4096))
    except OSError:
        return None
    return _LOADERS.get(found[1]) if found is not None else None


def _previews(folder: str) -> bool:
    """Whether any pipeline of a build has nodes that azure-ai-ml knows behind its preview switch alone."""
    for path in (*definition_files(folder, "pipeline.yml"), *definition_files(folder, COMPONENTS)):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                if _STEERS.search(file.read()):
                    return True
        except OSError:
            continue  # whoever loads it says so
    return False


def _with_preview(folder: str) -> list[Diagnostic]:
    """The same in a process of its own: azure-ai-ml reads its switch once, while it is imported."""
    import json
    import subprocess
    import sys

    paths = [p for p in sys.path if p]
    environment = {**os.environ, PREVIEW: "true", "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", f"from {__name__} import told; told()", folder]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    try:
        told_of = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        message = f"azure-ai-ml could not load `{os.path.basename(folder)}`: {said[-1] if said else 'no answer'}"
        return [Diagnostic("MLP0830", message, Span(Source(folder, ""), 0, 0))]
    sources: dict[str, Source] = {}
    findings = []
    for code, message, severity, path, start, end in told_of:
        if path not in sources:
            try:
                with open(os.path.join(os.path.dirname(folder), path), encoding="utf-8", errors="replace") as file:
                    sources[path] = Source(path, file.read())
            except OSError:
                sources[path] = Source(path, "")
        span = Span(sources[path], start, end)
        findings.append(Diagnostic(code, message, span, severity=Severity(severity)))
    return findings


def told() -> None:
    """Write the findings about the folder that is the first argument to standard output, as JSON."""
    import json
    import sys

    rows = [
        (d.code, d.message, d.severity.value, d.span.source.path, d.span.start, d.span.end)
        for d in load_all(sys.argv[1])
    ]
    sys.stdout.write(json.dumps(rows))


def load_definitions(kind: str, paths: list[str], folder: str) -> list[Diagnostic]:
    """What azure-ai-ml says of definitions of one kind; `kind` is what its loader `load_<kind>` is called after."""
    with _quiet():  # what importing says is of azure-ai-ml itself
        from azure.ai.ml.entities import _load_functions as loaders
    load: Callable[[str], Any] = getattr(loaders, f"load_{kind}")
    return [finding for path in paths for finding in _load(load, path, folder)]


def _load(load: Callable[[str], Any], path: str, folder: str) -> list[Diagnostic]:
    shown = os.path.relpath(path, os.path.dirname(folder)).replace(os.sep, "/")
    refused: list[tuple[str, int]] = []
    with _quiet() as heard:
        try:
            entity = load(path)
            validate = getattr(entity, "_validate", None)
            result = validate() if validate is not None else None
            if result is not None:  # the offline kind; deployments have none and give None
                said = result._to_dict()
                refused += [
                    (f"{e.get('path')}: {e.get('message')}", _line(e.get("location"))) for e in said.get("errors", [])
                ]
                heard += [f"{e.get('path')}: {e.get('message')}" for e in said.get("warnings", [])]
        except NotImplementedError:
            pass  # azure-ai-ml has no judgement to give, as of monitors
        except Exception as error:  # whatever a library raises on a definition is a finding about it
            text = str(error) or type(error).__name__
            reasons = _MESSAGE.findall(text) or [text]
            refused.append((reasons[0], _line(text)))
        warned = [message for message in heard if not _OF_ITSELF.search(message)]
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            source = Source(shown, file.read())
    except OSError:
        source = Source(shown, "")
    findings = [_diagnostic("MLP0830", f"azure-ai-ml refuses `{shown}`", m, source, line) for m, line in refused]
    for message in dict.fromkeys(warned):
        finding = _diagnostic("MLP0831", f"azure-ai-ml warns of `{shown}`", message, source, 0)
        findings.append(finding._replace(severity=Severity.WARNING))
    return findings


def _line(text: str | None) -> int:
    match = _LOCATION.search(text or "")
    return int(match[1]) if match else 0


def _diagnostic(code: str, what: str, message: str, source: Source, line: int) -> Diagnostic:
    start = source.line_starts[line - 1] if 0 < line <= len(source.line_starts) else 0
    span = Span(source, start, start + len(source.line(max(line, 1)).rstrip()))
    said = " ".join(message.split())
    return Diagnostic(code, f"{what}: {said[:500]}", span)


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """Gather what is logged, warned of or printed meanwhile, and let none of it out; telemetry stays off."""
    heard: list[str] = []
    handler = _Records()
    handler.messages = heard
    # azure-ai-ml gives its logger a handler of its own and lets nothing up to the root: both are taken over.
    loggers = [logging.getLogger(name) for name in ("azure", "azure.ai.ml")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    collection = os.environ.get("AZURE_CORE_COLLECT_TELEMETRY")
    os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = "0"
    for logger in loggers:
        logger.handlers = [handler]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    printed = io.StringIO()
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            warnings.simplefilter("ignore", ImportWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield heard
            heard.extend(str(warning.message) for warning in caught)
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        if collection is None:
            del os.environ["AZURE_CORE_COLLECT_TELEMETRY"]
        else:
            os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = collection
