"""Gathers diagnostics: each finding once, whatever pipeline, profile or copy of a stage it was found in."""

from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix, Related, Severity
from mlp_lang.dsl.source import Span


class Report:
    """Findings in the order of discovery; `sorted` gives them in the order of the text.

    `forgiven` are the identifiers in text that did not parse: nothing may call them unknown or unused.
    """

    __slots__ = ("_seen", "failed", "findings", "forgiven")

    def __init__(self) -> None:
        self.findings: list[Diagnostic] = []
        self.failed = False
        self.forgiven: set[str] = set()
        self._seen: set[tuple[str, str, int, int]] = set()

    def add(self, finding: Diagnostic) -> None:
        span = finding.span
        key = (finding.code, span.source.path, span.start, span.end)
        if key in self._seen:
            return
        self._seen.add(key)
        self.findings.append(finding)
        if finding.severity is Severity.ERROR:
            self.failed = True

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        help: str = "",
        related: tuple[Related, ...] = (),
        notes: tuple[str, ...] = (),
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        self.add(Diagnostic(code, message, span, label, Severity.ERROR, related, notes, help, fixes))

    def warning(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        help: str = "",
        related: tuple[Related, ...] = (),
        notes: tuple[str, ...] = (),
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        self.add(Diagnostic(code, message, span, label, Severity.WARNING, related, notes, help, fixes))

    def sorted(self, root: str) -> list[Diagnostic]:
        """Root file first, then the others by path, each from top to bottom; errors before warnings in one place."""
        return sorted(
            self.findings,
            key=lambda d: (d.span.source.path != root, d.span.source.path, d.span.start, d.severity.value, d.code),
        )


def replace(title: str, span: Span, text: str) -> Fix:
    """A fix of one edit."""
    return Fix(title, (Edit(span, text),))
