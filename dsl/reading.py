"""From a path to a Source, or to the diagnostic that says why there is none."""

from typing import TYPE_CHECKING

from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span, display_path

if TYPE_CHECKING:
    from pathlib import Path


def read(path: "Path") -> tuple[Source | None, list[Diagnostic]]:
    """The text of a file. Missing or unreadable is MLP0010, not UTF-8 is MLP0011; their spans lie in an empty
    source.
    """
    shown = display_path(path)
    nowhere = Span(Source(shown, ""), 0, 0)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        return None, [Diagnostic("MLP0010", f"cannot read `{shown}`: {reason}", nowhere, help="check the path")]
    return decode(data, shown)


def decode(data: bytes, shown: str) -> tuple[Source | None, list[Diagnostic]]:
    """The text of bytes that came from elsewhere (standard input), called `shown` in messages."""
    try:
        return Source(shown, data.decode("utf-8")), []
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n") + 1
        message = f"`{shown}` is not UTF-8: byte 0x{data[error.start]:02x} on line {line}"
        nowhere = Span(Source(shown, ""), 0, 0)
        return None, [Diagnostic("MLP0011", message, nowhere, help="save the file as UTF-8")]
