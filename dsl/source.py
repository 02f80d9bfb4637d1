"""From bytes or a path to a Source: decoded text that can tell line and column of any offset."""

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path  # slow to start, and whoever has a Path has paid for it


class Source:
    """The text of one file. Offsets count Unicode code points of ``text``; a byte-order mark is not part of it."""

    __slots__ = ("_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path = path  # as shown to a person: relative to the working directory where possible, '/' separators
        self.text = text.removeprefix("\ufeff")
        self._starts: list[int] | None = None

    def __repr__(self) -> str:
        return f"Source({self.path!r})"

    @property
    def line_starts(self) -> list[int]:
        """Offsets at which lines begin; a line ends with LF, CRLF or a lone CR."""
        if self._starts is None:
            starts = [0]
            text = self.text
            if "\r" in text:
                for i, c in enumerate(text):
                    if c == "\n" or (c == "\r" and text[i + 1 : i + 2] != "\n"):
                        starts.append(i + 1)
            else:
                i = text.find("\n")
                while i >= 0:
                    starts.append(i + 1)
                    i = text.find("\n", i + 1)
            self._starts = starts
        return self._starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1; a column counts code points, a tab is one."""
        starts = self.line_starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Text of line ``number`` (from 1) without its line ending."""
        starts = self.line_starts
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


class Span(NamedTuple):
    """Half-open range of offsets in a source."""

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    def to(self, other: "Span") -> "Span":
        """From the start of this span to the end of another in the same source."""
        return Span(self.source, self.start, other.end)


def display_path(path: "Path") -> str:
    """A path as people read it: relative to the working directory if it lies under it, always with '/'."""
    try:
        return path.resolve().relative_to(type(path).cwd().resolve()).as_posix()
    except ValueError:
        return path.as_posix()
