"""From a File to its canonical text: `mlp fmt`.

Two blanks of indentation, one statement a line, lines of at most 100 characters where lists and calls can
be broken. The author decides on order, on blank lines that group (one at most), on how numbers and strings are
spelled, on whether a block of one attribute, a header or a bracket takes several lines.
Every comment stays, next to what it stood next to.
"""

import re
from collections.abc import Callable
from typing import Any

from mlp_lang.dsl.spelling import Bracket, Node, Row, anatomy, flat
from mlp_lang.dsl.strings import shift
from mlp_lang.dsl.syntax import (
    Block,
    Carry,
    ComponentDecl,
    Conditional,
    Data,
    Declassify,
    Derive,
    File,
    For,
    Invalid,
    Item,
    Let,
    Output,
    Override,
    Param,
    Pipeline,
    Profile,
    Repeat,
    Requirement,
    Resource,
    Schedule,
    Setting,
    Stage,
    String,
    TypeExpr,
    Ungated,
    Use,
)

WIDTH = 100
STEP = 2
_BREAK = re.compile(r"\r\n|\n|\r")
_BLANK_LINE = re.compile(r"(?:\r\n|\n|\r(?!\n))[ \t\f\v]*[\r\n]")
_BREAKS_FIRST = re.compile(r"[ \t\f\v]*(?:#[^\r\n]*)?[\r\n]")
_FILLER = re.compile(r"(?:[ \t\f\v\r\n]|#[^\r\n]*)*")


def format_file(file: File) -> str:
    """The canonical text of a file that parsed without errors; ends with a line break unless there is nothing.

    Raises ValueError for a file with Invalid items: what did not parse has no canonical form.
    """
    printer = _Printer(file)
    printer.declarations(file.items)
    return "".join(line + "\n" for line in printer.lines)


class _Printer:
    """Prints in the order of the source; a comment is printed when what follows it is."""

    def __init__(self, file: File) -> None:
        self.text = file.source.text
        self.source = file.source
        self.comments = sorted(file.comments, key=lambda c: c.span.start)
        self.pending = 0  # index of the first comment that is not printed yet
        self.lines: list[str] = []
        self.cursor = 0  # offset in the source up to which everything is printed
        self.fresh = True  # nothing stands in this block yet

    # --- sequences ------------------------------------------------------------------------------------------------

    def declarations(self, items: tuple[Item, ...]) -> None:
        several = False  # whether the declaration before took more than a line
        for number, item in enumerate(items):
            begin = len(self.lines)
            self.leading(self.begin(item), 0)
            first = len(self.lines)
            self.statement(item, 0)
            before, several = several, len(self.lines) - first > 1
            if number and (before or several) and "" not in self.lines[begin : first + 1]:
                self.lines.insert(begin, "")
        self.leading(len(self.text) + 1, 0)

    def body(self, items: tuple[Item, ...], indent: int, opening: int, closing: int) -> None:
        """The lines between two braces at these offsets, and the line of the closing one."""
        self.cursor, self.fresh = opening + 1, True
        self.trailing(opening + 1)
        for item in items:
            self.leading(self.begin(item), indent + STEP)
            self.statement(item, indent + STEP)
        self.leading(closing, indent + STEP)
        self.lines.append(" " * indent + "}")
        self.cursor, self.fresh = closing + 1, False

    def leading(self, offset: int, indent: int) -> None:
        """The comments before an offset, each on a line of its own, and the blank line before what stands there."""
        while self.pending < len(self.comments) and self.comments[self.pending].span.start < offset:
            comment = self.comments[self.pending]
            self.gap(comment.span.start)
            self.lines.append(" " * indent + comment.text)
            self.cursor, self.fresh = comment.span.end, False
            self.pending += 1
        if offset <= len(self.text) and self.text[offset : offset + 1] != "}":
            self.gap(offset)

    def gap(self, offset: int) -> None:
        if not self.fresh and _BLANK_LINE.search(self.text, self.cursor, offset):
            self.lines.append("")
            self.cursor = offset

    def trailing(self, end: int) -> None:
        """The comment that stands on the line on which something ends."""
        if self.pending < len(self.comments):
            comment = self.comments[self.pending]
            start = comment.span.start
            if start >= end and not comment.own_line and not _BREAK.search(self.text, end, start):
                self.lines[-1] += "  " + comment.text
                self.cursor = comment.span.end
                self.pending += 1

    def begin(self, item: Item) -> int:
        """Where an item begins, with its description."""
        doc = getattr(item, "doc", "")
        if not doc or not self.text:
            return item.span.start
        line, _ = self.source.position(item.span.start)
        return self.source.line_starts[max(line - doc.count("\n") - 2, 0)]

    def commented(self, end: int) -> bool:
        """Whether a comment that is not printed yet stands before an offset."""
        return self.pending < len(self.comments) and self.comments[self.pending].span.start < end

    # --- statements -----------------------------------------------------------------------------------------------

    def statement(self, item: Item, indent: int) -> None:
        first = len(self.lines)
        doc = getattr(item, "doc", "")
        if doc:
            self.lines += [" " * indent + f"## {line}".rstrip() for line in doc.split("\n")]
        self.fresh = False
        _STATEMENTS[type(item)](self, item, indent)
        left = self.pending
        while self.pending < len(self.comments) and self.comments[self.pending].span.start < item.span.end:
            self.pending += 1
        # comments at places that have no line of their own, as inside the parentheses of a type
        self.lines[first:first] = [" " * indent + c.text for c in self.comments[left : self.pending]]
        self.cursor = item.span.end
        self.trailing(item.span.end)

    def put(self, row: Row, indent: int, items: tuple[Item, ...] | None = None, span: Any = None) -> None:
        """A statement: its row of text and nodes, then its block if it has one."""
        self.lines += self.row([" " * indent, *row], indent, 0, 0 if items is None else 2)
        if items is not None:
            self.block(items, indent, row, span.end)

    def block(self, items: tuple[Item, ...], indent: int, row: Row, end: int) -> None:
        closing = end - 1
        last = next((node for node in reversed(row) if not isinstance(node, str)), None)
        opening = self.brace(last.span.end) if last is not None else -1
        inline = self.inline(items, opening, closing, indent)
        if inline is not None:
            self.lines[-1] += inline
            return
        self.lines[-1] += " {"
        self.body(items, indent, opening, closing)

    def inline(self, items: tuple[Item, ...], opening: int, closing: int, indent: int) -> str | None:
        """The block on the line of its header: if it is empty, or holds one attribute and the author wrote it so."""
        if self.commented(closing):
            return None
        if not items:
            return " {}"
        if len(items) > 1 or not isinstance(items[0], Setting | Block):
            return None
        if not self.text or _BREAK.search(self.text, opening, closing):
            return None
        inner = _Printer(File(items, (), self.source, items[0].span))
        inner.statement(items[0], 0)
        if len(inner.lines) > 1 or len(self.lines[-1]) + len(inner.lines[0]) + 5 > WIDTH:
            return None
        return f" {{ {inner.lines[0]} }}"

    def brace(self, offset: int) -> int:
        """The offset of the next character that is neither blank nor in a comment."""
        found = _FILLER.match(self.text, offset)
        return found.end() if found else offset

    # --- expressions and types ------------------------------------------------------------------------------------

    def row(self, row: Row, indent: int, used: int, tail: int) -> list[str]:
        """Pieces one after the other from column ``used`` on; ``tail`` characters must fit behind them."""
        lines = [""]
        for i, piece in enumerate(row):
            if isinstance(piece, str):
                lines[-1] += piece
                continue
            column = len(lines[-1]) + (used if len(lines) == 1 else 0)
            after = row[i + 1] if i + 1 < len(row) else None
            behind = tail if after is None else len(after) if isinstance(after, str) else 0
            first, *rest = self.node(piece, indent, column, behind)
            lines[-1] += first
            lines += rest
        return lines

    def node(self, node: Node, indent: int, used: int, tail: int) -> list[str]:
        """The lines of a node; the first continues the current line, the others have their indentation."""
        text = flat(node)
        written = node.span.text
        several = "\n" in text or "\n" in written or "\r" in written
        if not several and used + len(text) + tail <= WIDTH:
            return [text]
        if isinstance(node, String):
            return shift(text, indent + STEP) if node.block else [text]
        parts = anatomy(node)
        if not isinstance(parts, Bracket):
            return self.row(parts, indent, used, tail) if len(parts) > 1 or not isinstance(parts[0], str) else [text]
        fits = "\n" not in text and used + len(text) + tail <= WIDTH
        if parts.elements:
            inside = written.partition(parts.opening[-1])[2]
            if _BREAKS_FIRST.match(inside) or not fits or self.commented(node.span.end):
                return self.broken(parts, indent, node.span.end)
        elif self.commented(node.span.end):
            return self.broken(parts, indent, node.span.end)
        padding = parts.padding if parts.elements else ""
        row: Row = [parts.opening + padding]
        for i, element in enumerate(parts.elements):
            row += [", ", element] if i else [element]
        return self.row([*row, padding + parts.closing], indent, used, tail)

    def broken(self, bracket: Bracket, indent: int, end: int) -> list[str]:
        """Brackets with each element, and each comment between them, on a line of its own."""
        blanks = " " * (indent + STEP)
        lines = [bracket.opening]
        for element in bracket.elements:
            while self.commented(element.span.start):
                lines.append(blanks + self.comments[self.pending].text)
                self.pending += 1
            comma = "," if bracket.commas else ""
            lines += self.row([blanks, element, comma], indent + STEP, 0, 0)
            if self.commented(end):
                comment = self.comments[self.pending]
                if not comment.own_line and not self.text[element.span.end : comment.span.start].strip(" \t\f\v,"):
                    lines[-1] += "  " + comment.text
                    self.pending += 1
        while self.commented(end):
            lines.append(blanks + self.comments[self.pending].text)
            self.pending += 1
        return [*lines, " " * indent + bracket.closing]

    # --- one method a shape of statement --------------------------------------------------------------------------

    def declared(self, item: Param | Let | Derive | Data | Output, indent: int) -> None:
        """`<keyword> <name>: <type> = <value> { … }`."""
        value = item.default if isinstance(item, Param) else item.value
        kind: TypeExpr | None = None if isinstance(item, Derive) else item.type
        row: Row = [type(item).__name__.lower() + " ", item.name]
        row += [": ", kind] if kind else []
        row += [" = ", value] if value else []
        self.put(row, indent, item.items if isinstance(item, Data | Output) else None, item.span)

    def resource(self, item: Resource, indent: int) -> None:
        row: Row = [item.keyword.text + " ", item.name, *([" = ", item.value] if item.value else [])]
        self.put(row, indent, item.items, item.span)

    def use(self, item: Use, indent: int) -> None:
        self.put(["use ", item.path, " as ", item.alias], indent, item.items, item.span)

    def named(self, item: Pipeline | Profile | Schedule | ComponentDecl, indent: int) -> None:
        row: Row = [_KEYWORDS[type(item)] + " ", item.name]
        if isinstance(item, ComponentDecl):
            row += [": ", item.kind]
        elif not isinstance(item, Pipeline) and item.target:
            row += [" for ", item.target]
        self.put(row, indent, item.items, item.span)

    def stage(self, item: Stage, indent: int) -> None:
        row: Row = [item.verb.text + " ", item.name, " using "]
        for i, name in enumerate(item.component):
            row += [".", name] if i else [name]
        clauses: list[Row] = [["on ", item.on]] if item.on else []
        if item.after:
            after: Row = ["after "]
            for i, stage in enumerate(item.after):
                after += [", ", stage] if i else [stage]
            clauses.append(after)
        clauses += [["when ", item.when]] if item.when else []
        starts = [node.span.start for clause in clauses for node in clause if not isinstance(node, str)]
        ends = [node.span.end for clause in clauses for node in clause if not isinstance(node, str)]
        path = item.component[-1].span.end
        one_line = list(row)
        for clause in clauses:
            one_line += [" ", *clause]
        length = indent + sum(len(flat(piece)) for piece in one_line) + 2
        if not clauses or not (
            length > WIDTH or _BREAK.search(self.text, path, min(starts)) or self.commented(max(ends))
        ):
            self.put(one_line, indent, item.items, item.span)
            return
        self.lines += self.row([" " * indent, *row], indent, 0, 0)
        self.trailing(path)
        inner = indent + STEP
        for clause in clauses:
            first = next(node for node in clause if not isinstance(node, str))
            last = next(node for node in reversed(clause) if not isinstance(node, str))
            while self.commented(first.span.start):
                self.lines.append(" " * inner + self.comments[self.pending].text)
                self.pending += 1
            self.lines += self.row([" " * inner, *clause], inner, 0, 2)
            if clause is not clauses[-1] or item.items is None:
                self.trailing(last.span.end)
        if item.items is not None:
            at = max(
                zip(ends, (n for c in clauses for n in c if not isinstance(n, str)), strict=True), key=lambda x: x[0]
            )
            self.block(item.items, indent, [at[1]], item.span.end)

    def loop(self, item: For, indent: int) -> None:
        words = "for each " if item.each else "for "
        row: Row = [words, item.variable, " in ", item.iterable]
        row += [" as ", item.name] if item.name else []
        self.put(row, indent, item.items, item.span)

    def repeat(self, item: Repeat, indent: int) -> None:
        row: Row = ["repeat ", item.name, " up to ", item.limit]
        self.put([*row, *([" until ", item.until] if item.until else [])], indent, item.items, item.span)

    def conditional(self, item: Conditional, indent: int) -> None:
        self.lines.append(" " * indent)
        while True:
            head = self.lines.pop()
            row: Row = [head, "when " if item.runtime else "if ", item.condition]
            row += [" as ", item.name] if item.name else []
            self.lines += self.row(row, indent, 0, 2)
            opening = self.brace((item.name or item.condition).span.end)
            closing = self.brace(item.items[-1].span.end if item.items else opening + 1)
            if item.otherwise is None:
                self.branch(item.items, indent, opening, closing)
                return
            other = self.brace(closing + 1)  # the `else`
            brace = self.brace(other + 4)
            chained = self.text[brace : brace + 1] != "{" if self.text else _is_chain(item)
            self.branch(item.items, indent, opening, other)
            self.lines[-1] += " else"
            if chained and isinstance(item.otherwise[0], Conditional):
                self.lines[-1] += " "
                item = item.otherwise[0]
                continue
            self.branch(item.otherwise or (), indent, brace, item.span.end - 1)
            return

    def branch(self, items: tuple[Item, ...], indent: int, opening: int, closing: int) -> None:
        if not items and not self.commented(closing):
            self.lines[-1] += " {}"
            self.cursor = closing + 1
            return
        self.lines[-1] += " {"
        self.body(items, indent, opening, closing)

    def setting(self, item: Setting, indent: int) -> None:
        self.put([item.name, " = ", item.value], indent)

    def named_block(self, item: Block, indent: int) -> None:
        self.put([item.name], indent, item.items, item.span)

    def requirement(self, item: Requirement, indent: int) -> None:
        self.put(["require " if item.hard else "expect ", item.condition], indent)

    def declassify(self, item: Declassify, indent: int) -> None:
        self.put(["declassify ", item.port, " ", item.reason], indent)

    def ungated(self, item: Ungated, indent: int) -> None:
        self.put(["ungated ", item.reason], indent)

    def carry(self, item: Carry, indent: int) -> None:
        self.put(["carry ", item.name, " = ", item.first, " then ", item.then], indent)

    def override(self, item: Override, indent: int) -> None:
        self.put([item.keyword.text + " ", item.name, " = ", item.value], indent)

    def invalid(self, item: Item, indent: int) -> None:
        raise ValueError(f"{self.source.path}: text that did not parse has no canonical form")


def _is_chain(item: Conditional) -> bool:
    """In a tree without a text: `else if` where that is all the branch holds."""
    others = item.otherwise or ()
    return len(others) == 1 and isinstance(others[0], Conditional) and others[0].runtime == item.runtime


_KEYWORDS: dict[type, str] = {
    Pipeline: "pipeline",
    Profile: "profile",
    Schedule: "schedule",
    ComponentDecl: "component",
}
_STATEMENTS: dict[type, Callable[[_Printer, Any, int], None]] = {
    Setting: _Printer.setting,
    Block: _Printer.named_block,
    Requirement: _Printer.requirement,
    Declassify: _Printer.declassify,
    Ungated: _Printer.ungated,
    Carry: _Printer.carry,
    Invalid: _Printer.invalid,
    Param: _Printer.declared,
    Let: _Printer.declared,
    Derive: _Printer.declared,
    Data: _Printer.declared,
    Output: _Printer.declared,
    Stage: _Printer.stage,
    For: _Printer.loop,
    Conditional: _Printer.conditional,
    Repeat: _Printer.repeat,
    Use: _Printer.use,
    Resource: _Printer.resource,
    ComponentDecl: _Printer.named,
    Pipeline: _Printer.named,
    Override: _Printer.override,
    Profile: _Printer.named,
    Schedule: _Printer.named,
}
