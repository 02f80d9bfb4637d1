"""From diagnostics to text for people (`text`) and for machines (`json`, `sarif`, `github`).

The text form shows the source line with the exact span underlined. Columns in every format count Unicode code points
from 1; what the underline counts are terminal cells, in which a tab fills up to the next multiple of four, a wide
character or an emoji takes two and a combining mark none. Characters that a terminal would obey (escapes, direction
overrides) are spelled out.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mlp_lang.dsl.diagnostics import Diagnostic, Fix, Severity
from mlp_lang.dsl.source import Source, Span

FORMATS = ("text", "json", "sarif", "github")

TAB = 4
WINDOW = 160  # code points shown on either side of what is underlined: a line may be megabytes long
HEAD, TAIL = 3, 2  # lines shown of a span of many lines
SUGGESTED = 8  # a fix that touches more lines is named, not shown


def render(diagnostics: Sequence[Diagnostic], format: str = "text", color: bool = False) -> str:
    """All diagnostics, sorted by file and position, in one of FORMATS; `color` matters to `text` alone.

    Text is empty without diagnostics and otherwise ends in a line that counts them. Raises ValueError for another
    format.
    """
    ordered = sorted(diagnostics, key=lambda d: (d.span.source.path, d.span.start, d.span.end, d.code, d.message))
    match format:
        case "text":
            return _text(ordered, color)
        case "json":
            return _json(ordered)
        case "sarif":
            return _sarif(ordered)
        case "github":
            return _github(ordered)
    raise ValueError(f"no format {format!r}: one of {', '.join(FORMATS)}")


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`: what the last line of the text form says."""
    number = dict.fromkeys(Severity, 0)
    for d in diagnostics:
        number[d.severity] += 1
    return ", ".join(f"{n} {s.value}{'s' * (n != 1)}" for s, n in number.items() if n)


# --- terminal cells ---------------------------------------------------------------------------------------------------

_OBEYED = frozenset(
    {0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
)


def visible(text: str) -> str:
    """The text with every character that a terminal or a reader's eye would obey instead of show spelled as an
    escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(c) or c for c in text)


def _spelled(character: str) -> str | None:
    """`\\x1b` for a control character, `\\u202e` for a direction override, None for what can be shown."""
    point = ord(character)
    if point < 0x20 or 0x7F <= point < 0xA0:
        return f"\\x{point:02x}"
    if point in _OBEYED or 0xD800 <= point < 0xE000:
        return f"\\u{point:04x}"
    return None


def cells(text: str, column: int = 0) -> tuple[str, list[int]]:
    """How a piece of a line looks: the text to print, and the cell in which each code point of it begins (one more:
    the end).

    `column` is the cell where the piece begins; tab stops count from there. ASCII takes a path of its own, being
    nearly all that there is.
    """
    if text.isascii() and text.isprintable():
        return text, list(range(column, column + len(text) + 1))
    shown: list[str] = []
    starts: list[int] = []
    previous = ""
    at = column
    for character in text:
        starts.append(at)
        if character == "\t":
            piece = " " * (TAB - at % TAB)
            width = len(piece)
        elif " " <= character <= "~":
            piece, width = character, 1
        elif (escape := _spelled(character)) is not None:
            piece, width = escape, len(escape)
        else:
            piece, width = character, _width(character, previous)
        shown.append(piece)
        at += width
        previous = character
    starts.append(at)
    return "".join(shown), starts


def _width(character: str, previous: str) -> int:
    """Cells that a character adds after `previous`; negative never, so that underlines stay in order."""
    from unicodedata import category, east_asian_width

    point = ord(character)
    if previous == "\u200d" and point > 0x2000:  # joined to the emoji before it
        return 0
    if point == 0xFE0F:  # asks for the emoji form of the character before it, which is two cells wide
        return 1 if previous and east_asian_width(previous) not in "WF" and ord(previous) > 0x7F else 0
    if 0x1F3FB <= point <= 0x1F3FF and previous and ord(previous) > 0x2000:  # a skin tone colours what stands before it
        return 0
    if 0x1160 <= point <= 0x11FF or category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


# --- text -------------------------------------------------------------------------------------------------------------


class _Paint(NamedTuple):
    """Start sequences by role; all empty without colour."""

    error: str = ""
    warning: str = ""
    note: str = ""
    bold: str = ""
    frame: str = ""
    help: str = ""
    removed: str = ""
    reset: str = ""

    def of(self, severity: Severity) -> str:
        return {Severity.ERROR: self.error, Severity.WARNING: self.warning, Severity.NOTE: self.note}[severity]


_PLAIN = _Paint()
_COLORED = _Paint(
    error="\x1b[1;31m",
    warning="\x1b[1;33m",
    note="\x1b[1;36m",
    bold="\x1b[1m",
    frame="\x1b[1;34m",
    help="\x1b[1;32m",
    removed="\x1b[31m",
    reset="\x1b[0m",
)


def _text(diagnostics: Sequence[Diagnostic], color: bool) -> str:
    if not diagnostics:
        return ""
    paint = _COLORED if color else _PLAIN
    lines: list[str] = []
    for diagnostic in diagnostics:
        _one(diagnostic, paint, lines)
        lines.append("")
    worst = min(diagnostics, key=lambda d: list(Severity).index(d.severity)).severity
    lines.append(f"{paint.of(worst)}{count(diagnostics)}{paint.reset}\n")
    return "\n".join(lines)


def _one(d: Diagnostic, paint: _Paint, lines: list[str]) -> None:
    accent = paint.of(d.severity)
    places = [d.span, *(r.span for r in d.related), *(e.span for f in d.fixes for e in f.edits)]
    gutter = max(len(str(_lines_of(s)[1])) for s in places)
    blank = " " * gutter
    frame = f"{paint.frame}{blank} |{paint.reset}"
    lines.append(f"{accent}{d.severity.value}[{d.code}]{paint.reset}{paint.bold}: {visible(d.message)}{paint.reset}")
    _snippet(d.span, d.label, accent, "^", gutter, paint, lines)
    tail = [f"note: {note}" for note in d.notes]
    shown = d.fixes[0] if d.fixes else None
    if d.help and not shown:
        tail.append(f"help: {d.help}")
    if tail:
        lines.append(frame)
    for text in tail:
        first, *more = text.split("\n")  # lines to be copied stand alone
        lines.append(f"{blank} {paint.frame}={paint.reset} {visible(first)}")
        lines.extend(f"{blank}       {visible(line)}" for line in more)
    for related in d.related:
        lines.append(f"{paint.note}note{paint.reset}: {visible(related.message)}")
        _snippet(related.span, "", paint.note, "-", gutter, paint, lines)
    if shown:
        lines.append(f"{paint.help}help{paint.reset}: {visible(d.help or shown.title)}")
        _suggestion(shown, gutter, paint, lines)
        lines.extend(f"{paint.help}help{paint.reset}: or {visible(other.title)}" for other in d.fixes[1:])


def _lines_of(span: Span) -> tuple[int, int]:
    """First and last line that a span touches; a line ending at its end belongs to the line that it ends."""
    source, start, end = _clamped(span)
    first = source.position(start)[0]
    return first, max(first, source.position(end - 1)[0]) if end > start else first


def _clamped(span: Span) -> Span:
    """The span within its source, start before end."""
    size = len(span.source.text)
    start = min(max(span.start, 0), size)
    return Span(span.source, start, min(max(span.end, start), size))


def _bounds(source: Source, number: int) -> tuple[int, int]:
    """Offsets of line `number` without its ending; touches no more than the ending, however long the line."""
    starts = source.line_starts
    start = starts[number - 1]
    end = starts[number] if number < len(starts) else len(source.text)
    while end > start and source.text[end - 1] in "\r\n":
        end -= 1
    return start, end


class _Row(NamedTuple):
    """A line as it is printed, and the cells of it that the span covers."""

    text: str
    left: int
    right: int
    indented: bool  # nothing but blanks before the span


def _row(source: Source, number: int, start: int, end: int) -> _Row:
    """Line `number`, with the part of [start, end) that lies in it; a long line is cut to a window around that part."""
    low, high = _bounds(source, number)
    start, end = min(max(start, low), high), min(max(end, low), high)
    end = max(end, start)
    near, far = max(low, start - WINDOW), min(high, start + 2 * WINDOW)
    lead = "…" if near > low else ""
    shown, starts = cells(source.text[near:far], len(lead))
    left, right = starts[start - near], starts[min(end, far) - near]
    blank = not source.text[near:start].strip() and not lead
    return _Row(lead + shown + ("…" if far < high else ""), left, max(right, left + 1), blank)


def _snippet(span: Span, label: str, accent: str, mark: str, gutter: int, paint: _Paint, lines: list[str]) -> None:
    """` --> file:line:column` and the source below it, underlined, with the label at the end of the underline."""
    span = _clamped(span)
    source = span.source
    line, column = source.position(span.start)
    first, last = _lines_of(span)
    blank = " " * gutter
    frame = f"{paint.frame}{blank} |{paint.reset}"
    lines.append(f"{paint.frame}{blank}-->{paint.reset} {visible(source.path)}:{line}:{column}")
    if not source.text:
        return
    lines.append(frame)

    def numbered(number: int) -> str:
        return f"{paint.frame}{number:>{gutter}} |{paint.reset}"

    caption = f" {visible(label)}" if label else ""
    if first == last:
        row = _row(source, first, span.start, span.end)
        lines.append(f"{numbered(first)} {row.text}".rstrip())
        lines.append(f"{frame} {' ' * row.left}{accent}{mark * (row.right - row.left)}{caption}{paint.reset}")
        return
    row = _row(source, first, span.start, span.end)
    bar = f"{accent}|{paint.reset}"
    if row.indented:
        lines.append(f"{numbered(first)} {accent}/{paint.reset} {row.text}")
    else:
        lines.append(f"{numbered(first)}   {row.text}")
        lines.append(f"{frame} {accent} {'_' * (row.left + 1)}{mark}{paint.reset}")
    between = range(first + 1, last + 1)
    cut = len(between) > HEAD + TAIL
    for number in between:
        if cut and number == first + HEAD:
            lines.append(f"{paint.frame}{'.' * 3:<{gutter + 2}}{paint.reset} {bar}")
        if cut and first + HEAD <= number <= last - TAIL:
            continue
        lines.append(
            f"{numbered(number)} {bar} {_row(source, number, source.line_starts[number - 1], span.end).text}".rstrip()
        )
    final = _row(source, last, source.line_starts[last - 1], span.end)
    lines.append(f"{frame} {accent}|{'_' * final.right}{mark}{caption}{paint.reset}")


def _suggestion(fix: Fix, gutter: int, paint: _Paint, lines: list[str]) -> None:
    """The lines that a fix touches, before (`-`) and after (`+`)."""
    sources = {id(e.span.source): e.span.source for e in fix.edits}
    if len(sources) != 1:
        return
    source = next(iter(sources.values()))
    edits = sorted((_clamped(e.span), e.replacement) for e in fix.edits)
    first = source.position(edits[0][0].start)[0]
    last = max(source.position(span.end)[0] for span, _ in edits)
    low, high = _bounds(source, first)[0], _bounds(source, last)[1]
    if last - first >= SUGGESTED or high - low > 2 * WINDOW * SUGGESTED:
        return
    pieces: list[str] = []
    at = low
    for span, replacement in edits:
        if span.start < at:
            return  # edits that overlap have no picture
        pieces += [source.text[at : span.start], replacement]
        at = span.end
    before = source.text[low:high].splitlines() or [""]
    after = ("".join(pieces) + source.text[at:high]).splitlines() or [""]
    same = 0  # lines that stay as they are say nothing
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    end = 0
    while end < min(len(before), len(after)) - same and before[-1 - end] == after[-1 - end]:
        end += 1
    lines.append(f"{paint.frame}{' ' * gutter} |{paint.reset}")
    for sign, accent, texts in (("-", paint.removed, before), ("+", paint.help, after)):
        for number, text in enumerate(texts[same : len(texts) - end], first + same):
            lines.append(
                f"{paint.frame}{number:>{gutter}}{paint.reset} {accent}{sign} {cells(text)[0]}{paint.reset}".rstrip()
            )


# --- for machines -----------------------------------------------------------------------------------------------------


def _region(span: Span) -> dict[str, Any]:
    source, start, end = _clamped(span)
    line, column = source.position(start)
    end_line, end_column = source.position(end)
    return {"file": source.path, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


def _json(diagnostics: Sequence[Diagnostic]) -> str:
    import json

    def fix(f: Fix) -> dict[str, Any]:
        return {"title": f.title, "edits": [{**_region(e.span), "replacement": e.replacement} for e in f.edits]}

    found = [
        {
            "code": d.code,
            "severity": d.severity.value,
            "message": d.message,
            **_region(d.span),
            "label": d.label,
            "related": [{**_region(r.span), "message": r.message} for r in d.related],
            "fixes": [fix(f) for f in d.fixes],
            "notes": list(d.notes),
            "help": d.help,
        }
        for d in diagnostics
    ]
    return json.dumps({"diagnostics": found}, indent=2) + "\n"


def _sarif(diagnostics: Sequence[Diagnostic]) -> str:
    import json
    from urllib.parse import quote

    from mlp_lang import __version__
    from mlp_lang.dsl.explanations import explanation

    def artifact(source: Source) -> dict[str, str]:
        path = source.path.replace("\\", "/")
        return {"uri": ("file://" if path.startswith("/") else "") + quote(path, errors="surrogateescape")}

    def region(span: Span) -> dict[str, int]:
        r = _region(span)
        return {
            "startLine": r["line"],
            "startColumn": r["column"],
            "endLine": r["end_line"],
            "endColumn": r["end_column"],
        }

    def place(span: Span) -> dict[str, Any]:
        return {"physicalLocation": {"artifactLocation": artifact(span.source), "region": region(span)}}

    def fix(f: Fix) -> dict[str, Any]:
        changes: dict[str, dict[str, Any]] = {}
        for e in f.edits:
            change = changes.setdefault(
                e.span.source.path, {"artifactLocation": artifact(e.span.source), "replacements": []}
            )
            change["replacements"].append({"deletedRegion": region(e.span), "insertedContent": {"text": e.replacement}})
        return {"description": {"text": f.title}, "artifactChanges": list(changes.values())}

    def result(d: Diagnostic) -> dict[str, Any]:
        # SARIF has one text for a result: label, notes and help follow the message, a line each
        parts = [d.message, d.label, *(f"note: {n}" for n in d.notes), d.help and f"help: {d.help}"]
        found: dict[str, Any] = {
            "ruleId": d.code,
            "ruleIndex": index[d.code],
            "level": d.severity.value,
            "message": {"text": "\n".join(p for p in parts if p)},
            "locations": [place(d.span)],
        }
        if d.related:
            found["relatedLocations"] = [
                {"id": i, **place(r.span), "message": {"text": r.message}} for i, r in enumerate(d.related)
            ]
        if any(f.edits for f in d.fixes):
            found["fixes"] = [fix(f) for f in d.fixes if f.edits]
        return found

    index = {code: i for i, code in enumerate(sorted({d.code for d in diagnostics}))}
    rules = []
    for code in index:
        rule: dict[str, Any] = {"id": code}
        if entry := explanation(code):
            rule["shortDescription"] = {"text": entry.title}
            rule["fullDescription"] = {"text": entry.summary}
            rule["help"] = {"text": entry.body, "markdown": entry.body}
        rules.append(rule)
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "mlp", "version": __version__, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [result(d) for d in diagnostics],
            }
        ],
    }
    return json.dumps(log, indent=2) + "\n"


def _github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands of GitHub Actions; escapes as its own toolkit (`@actions/core`, command.ts) does."""

    def data(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def attribute(value: object) -> str:
        return data(str(value)).replace(":", "%3A").replace(",", "%2C")

    lines = []
    for d in diagnostics:
        r = _region(d.span)
        level = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}[d.severity]
        places = {"file": r["file"], "line": r["line"], "col": r["column"], "endLine": r["end_line"]}
        if r["line"] == r["end_line"]:  # GitHub takes an end column on one line only
            places["endColumn"] = r["end_column"]
        places["title"] = d.code
        tail = "".join(f"\n{t}" for t in (d.label, *(f"note: {n}" for n in d.notes), d.help and f"help: {d.help}") if t)
        lines.append(
            f"::{level} {','.join(f'{k}={attribute(v)}' for k, v in places.items())}::{data(d.message + tail)}\n"
        )
    return "".join(lines)
