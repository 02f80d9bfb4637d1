"""Which brackets are open while a text is read, and which one is to blame when they do not match.

A program whose brackets match means what they say, however it is indented. Only where braces do not match does a second
pass (``guided``) let the indentation tell which `}` is missing or too many.
"""

from mlp_lang.dsl.diagnostics import Fix
from mlp_lang.dsl.tokens import Tokens

MAX_DEPTH = (
    64  # brackets, blocks and interpolations inside each other: whoever walks the tree stays within Python's stack
)

_CLOSING = {"(": "RPAR", "[": "RSQB", "m": "RMAP", "{": "RBRACE"}
_SPELLED = {"(": "(", "[": "[", "m": "{", "{": "{", "$": "${"}
_PARTNER = {"(": ")", "[": "]"}


class TooDeepError(Exception):
    """More than MAX_DEPTH brackets inside each other; the tokens have the diagnostic."""


class Opener:
    """An open bracket: `(`, `[`, `{` of a block, `m` for the `{` of a map, `$` for `${`."""

    __slots__ = ("indent", "kind", "offset", "trusted")

    def __init__(self, kind: str, offset: int, indent: int) -> None:
        self.kind = kind
        self.offset = offset
        self.indent = indent  # width of the blanks before its line
        self.trusted: bool | None = None  # whether the first line inside is indented further; None before there is one


class Brackets:
    """The stack of open brackets. ``guided``: the brace that an earlier pass found "missing" or "extra", or ""."""

    __slots__ = (
        "guided",
        "indent",
        "line_start",
        "quiet_until",
        "stack",
        "statement",
        "statement_indent",
        "tokens",
        "unbalanced",
    )

    def __init__(self, tokens: Tokens, guided: str) -> None:
        self.tokens = tokens
        self.guided = guided
        self.stack: list[Opener] = []
        self.unbalanced = ""  # what `guided` of a second pass should be
        self.line_start = 0
        self.indent = 0  # width of the blanks before the current line
        self.statement = 0  # index of the first token of the current statement, -1 after its block
        self.statement_indent = 0  # width of the blanks before the line on which it begins
        self.quiet_until = -1  # offset up to which an earlier mistake explains what else is wrong

    @property
    def in_block(self) -> bool:
        """Whether no bracket is open but those of blocks: newlines end statements here."""
        return not self.stack or self.stack[-1].kind == "{"

    def begin_statement(self, ahead: int = 0) -> None:
        """The next token, or the one ``ahead`` of it, is the first of a statement."""
        self.statement = len(self.tokens.kinds) + ahead
        self.statement_indent = self.indent

    def open(self, kind: str, start: int) -> None:
        """Raises TooDeepError."""
        if len(self.stack) >= MAX_DEPTH:
            self.tokens.diagnostics.clear()
            message = f"more than {MAX_DEPTH} brackets and blocks inside each other"
            self.tokens.report("MLP0007", message, start, start + 1, "nested too deeply")
            raise TooDeepError
        if self.stack and self.stack[-1].trusted is None:
            self.stack[-1].trusted = self.indent > self.stack[-1].indent
        self.stack.append(Opener(kind, start, self.indent))
        self.tokens.depth = max(self.tokens.depth, len(self.stack))
        if kind == "{":
            self.begin_statement(1)

    def close(self, kind: str, start: int, end: int) -> str:
        """The token that `)` (kind "(") or `]` makes, "" where it closes nothing."""
        stack, tokens = self.stack, self.tokens
        depth = len(stack)
        while depth and stack[depth - 1].kind in ("(", "[", "m"):
            depth -= 1
            if stack[depth].kind == kind:
                for opener in stack[depth + 1 :]:
                    self.never_closed(opener)
                    tokens.emit(_CLOSING[opener.kind], start, start)
                del stack[depth:]
                return _CLOSING[kind]
        sign = tokens.source.text[start:end]
        if stack and stack[-1].kind in _PARTNER:
            opener = stack.pop()
            wanted = _PARTNER[opener.kind]
            fix = tokens.fix(f"write `{wanted}`", start, end, wanted)
            message = f"found `{sign}`, expected `{wanted}`"
            tokens.report("MLP0004", message, start, end, "closes no bracket of its kind", fix=fix)
            return _CLOSING[opener.kind]
        self._extra(start, end)
        return ""

    def close_brace(self, start: int, end: int, floor: int) -> str:
        """The token that `}` makes, "" where it closes nothing; below ``floor`` it must not reach."""
        stack = self.stack
        while len(stack) > floor and stack[-1].kind in _PARTNER:
            self.never_closed(stack.pop())
        begins_line = start - self.line_start == self.indent
        if self.guided == "missing":
            while (
                begins_line
                and len(stack) > 1
                and stack[-1].trusted
                and self.in_block
                and self.indent < stack[-1].indent
            ):
                self._close_missing(self.line_start)
        elif self.guided == "extra" and stack and begins_line and self.indent > stack[-1].indent:
            self._extra(start, end)
            return ""
        if len(stack) == floor:
            self.unbalanced = self.unbalanced or "extra"
            if self.guided:
                self._extra(start, end)
            return ""
        opener = stack.pop()
        if opener.kind == "{":
            self.tokens.end_statement(start)
            self.statement = -1
        return _CLOSING[opener.kind]

    def close_by_indent(self, newline: int) -> None:
        """In a text that lacks a `}`, a line indented no further than the header of a block is not in the block."""
        stack = self.stack
        while self.guided == "missing" and stack and self.in_block:
            if stack[-1].trusted is None:
                stack[-1].trusted = self.indent > stack[-1].indent
            if not stack[-1].trusted or self.indent > stack[-1].indent:
                return
            self._close_missing(newline)

    def abandon(self) -> None:
        """The brackets inside the current statement end here; of those opened on one line, the outermost is named."""
        text = self.tokens.source.text
        opened: list[Opener] = []
        while not self.in_block:
            opened.append(self.stack.pop())
        before = -1
        for opener in reversed(opened):
            if before < 0 or "\n" in text[before : opener.offset] or "\r" in text[before : opener.offset]:
                self.never_closed(opener)
            before = opener.offset

    def abandon_line(self) -> None:
        """The brackets opened on this line end with it; an unterminated string has swallowed what would close them."""
        while not self.in_block and self.stack[-1].kind != "$" and self.stack[-1].offset >= self.line_start:
            self.stack.pop()

    def finish(self, end: int) -> None:
        """The end of the text: whatever is open ends here, and one block is named."""
        tokens = self.tokens
        self.abandon()
        if self.stack:
            self.unbalanced = self.unbalanced or "missing"
            named = any(d.code == "MLP0004" and d.span.text == "{" for d in tokens.diagnostics)
            if self.guided and not named and end >= self.quiet_until:
                doubtful = next((opener for opener in self.stack if opener.trusted is False), self.stack[-1])
                self.never_closed(doubtful, end)
        for _ in self.stack:
            tokens.end_statement(end)
            tokens.emit("RBRACE", end, end)
        self.stack.clear()
        tokens.end_statement(end)

    def never_closed(self, opener: Opener, missing: int = -1) -> None:
        """``missing``: where the `}` of a block would have stood."""
        sign = _SPELLED[opener.kind]
        start, end = opener.offset, opener.offset + len(sign)
        if opener.kind == "{" or start >= self.quiet_until:
            fix = self._closing(opener, missing) if missing >= 0 else None
            self.tokens.report("MLP0004", f"`{sign}` is never closed", start, end, "opened here", fix=fix)

    def _closing(self, opener: Opener, missing: int) -> Fix:
        """A line with the `}`, indented as the block's first line is."""
        text = self.tokens.source.text
        begins_line = not missing or text[missing - 1] in "\r\n"
        brace = " " * opener.indent + "}"
        return self.tokens.fix("insert `}`", missing, missing, f"{brace}\n" if begins_line else f"\n{brace}")

    def _extra(self, start: int, end: int) -> None:
        sign = self.tokens.source.text[start:end]
        fix = self.tokens.fix(f"remove `{sign}`", start, end, "")
        self.tokens.report("MLP0004", f"`{sign}` closes nothing", start, end, "nothing is open here", fix=fix)

    def _close_missing(self, offset: int) -> None:
        self.never_closed(self.stack.pop(), offset)
        self.tokens.end_statement(offset)
        self.tokens.emit("RBRACE", offset, offset)
        self.statement = -1
