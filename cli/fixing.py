"""From diagnostics to the mended text of the files they speak of; writes nothing."""

import os
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from mlp_lang.dsl.diagnostics import Diagnostic, Edit

BOM = "\ufeff"


def fixed_texts(diagnostics: Sequence[Diagnostic], files: Iterable[str]) -> tuple[dict[str, bytes], int]:
    """New content by file, and how many fixes went into it.

    A diagnostic with several fixes leaves the choice to a person. A fix that overlaps one already taken, or that
    touches a file not among `files`, waits for the next round or is left alone. A byte-order mark and line endings
    stay.
    """
    allowed = {os.path.realpath(name): name for name in files}
    taken: dict[str, list[Edit]] = {}  # by file, sorted by place
    number = 0
    for diagnostic in diagnostics:
        if len(diagnostic.fixes) != 1:
            continue
        edits = diagnostic.fixes[0].edits
        places = [os.path.realpath(e.span.source.path) for e in edits]
        if not edits or any(place not in allowed for place in places):
            continue
        if not all(_fits(e, taken.get(p, [])) for e, p in zip(edits, places, strict=True)):
            continue
        for edit, place in zip(edits, places, strict=True):
            insort(taken.setdefault(place, []), edit, key=_start)
        number += 1
    return {allowed[place]: _applied(place, edits) for place, edits in taken.items()}, number


def _start(edit: Edit) -> int:
    return edit.span.start


def _fits(edit: Edit, taken: list[Edit]) -> bool:
    """Whether no edit of `taken` touches the same text; two insertions at one place do, their order being unknown."""
    at = bisect_left(taken, edit.span.start, key=_start)
    if at > 0 and taken[at - 1].span.end > edit.span.start:
        return False
    return at == len(taken) or edit.span.end <= _start(taken[at]) != edit.span.start


def _applied(path: str, edits: list[Edit]) -> bytes:
    with open(path, "rb") as file:
        mark = BOM if file.read(3) == BOM.encode() else ""
    text = edits[0].span.source.text
    pieces = [mark]
    at = 0
    for edit in edits:
        pieces += [text[at : edit.span.start], edit.replacement]
        at = edit.span.end
    return "".join([*pieces, text[at:]]).encode()
