"""What the front end has to say about a program: codes, severities, spans, related places and applicable fixes."""

from enum import Enum
from typing import NamedTuple

from mlp_lang.dsl.source import Span


class Severity(Enum):
    """How bad it is. Errors stop compilation; warnings do not, unless a caller asks for it."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Related(NamedTuple):
    """A second place that explains the first: where a name was first declared, where a port gets its type."""

    span: Span
    message: str


class Edit(NamedTuple):
    """Replace the text of ``span`` by ``replacement``."""

    span: Span
    replacement: str


class Fix(NamedTuple):
    """A change that can be applied as it is; ``title`` is an imperative sentence."""

    title: str
    edits: tuple[Edit, ...]


class Diagnostic(NamedTuple):
    """One finding. `code` is a key of the catalogue (dsl/catalogue); `label` stands under the underline."""

    code: str
    message: str
    span: Span
    label: str = ""
    severity: Severity = Severity.ERROR
    related: tuple[Related, ...] = ()
    notes: tuple[str, ...] = ()
    help: str = ""
    fixes: tuple[Fix, ...] = ()
