"""From a Source to Tokens: what the grammar calls terminals, comments, descriptions, and what is wrong with the text.

One regular expression finds the tokens. The lexer also settles what a grammar cannot: which newlines end a statement,
which `{` opens a map, and where an unclosed bracket must have ended. It never fails: a mistake is reported once and
replaced by the token that was meant, or by BAD.
"""

import re

from mlp_lang.dsl._tables import PATTERNS
from mlp_lang.dsl.brackets import Brackets, TooDeepError
from mlp_lang.dsl.slips import foreign, slashes
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.strings import LEGAL, PIECE, dedent, resolve
from mlp_lang.dsl.syntax import Comment
from mlp_lang.dsl.tokens import KEYWORDS, NAME_KINDS, OPERAND_ENDS, SIGNS, Tokens

_MASTER = re.compile(
    r"[ \t\f\v]*(?:"
    rf"({PATTERNS['NAME']})"
    r"|((?:\r\n|\n|\r)(?:[ \t\f\v]*(?:\r\n|\n|\r))*)"
    r'|("""|"[^"\\$\r\n]*")'
    rf"|({PATTERNS['FLOAT']})"
    rf"|({PATTERNS['QUANTITY']})"
    rf"|({PATTERNS['INT']})"
    rf"|({'|'.join(re.escape(s) for s in sorted(SIGNS, key=len, reverse=True))})"
    r"|([{}])"
    r"|(#[^\r\n]*)"
    r"|(.)"
    r"|(\Z))",
    re.DOTALL,
)
_NAME, _NEWLINE, _STRING, _FLOAT, _QUANTITY, _INT, _SIGN, _BRACE, _COMMENT, _OTHER, _END = range(1, 12)
_NUMBERS = {_FLOAT: "FLOAT", _QUANTITY: "QUANTITY", _INT: "INT"}
_OPENERS = {"LPAR": "(", "LSQB": "["}
_CLOSERS = {"RPAR": "(", "RSQB": "["}
_CLAUSES = {"VERB": ("using", "on", "after", "when"), "REPEAT": ("up", "until")}
# Inside brackets no expression goes on like this: the line is the next statement, and a bracket was left open.
_STATEMENT = re.compile(
    r"(?!(?:and|or|not|in|else)\b)[A-Za-z_]\w*+"
    r"(?:[ \t]*(?:(=(?!=))|\{|\")|(?<!like)[ \t]+(?!(?:and|or|not|in|else)\b)[A-Za-z_])"
)
_ASSIGNED = re.compile(r"[ \t]*(?:=(?!=)|\{)")
_WORD = re.compile(PATTERNS["NAME"])
_BREAKS = frozenset(("\n", "\r\n", "\r"))


def tokenize(source: Source) -> Tokens:
    """All tokens of a source, ending with NL (if there is any other) and $END."""
    tokens = Tokens(source)
    end = len(source.text)
    try:
        lexer = _Lexer(tokens, "")
        lexer.run(0)
        if lexer.brackets.unbalanced:
            tokens = Tokens(source)
            _Lexer(tokens, lexer.brackets.unbalanced).run(0)
    except TooDeepError:
        deep = tokens.diagnostics
        tokens = Tokens(source)
        tokens.diagnostics = deep
        tokens.emit("BAD", 0, end)
        tokens.emit("NL", end, end)
    tokens.emit("$END", end, end)
    return tokens


class _Lexer:
    """One pass over a source."""

    def __init__(self, tokens: Tokens, guided: str) -> None:
        self.tokens = tokens
        self.source = tokens.source
        self.text = tokens.source.text
        self.brackets = Brackets(tokens, guided)
        self.newline = 0  # offset of a line break that is not settled yet, or -1; the file begins like a line
        self.group: list[Comment] = []  # `##` lines that may describe what follows

    def run(self, pos: int) -> int:
        """Tokens from ``pos`` to the end, or to the `}` of the interpolation that it is in. Gives the offset
        after it.
        """
        text, match, words = self.text, _MASTER.match, KEYWORDS
        kinds, starts, ends, stack = self.tokens.kinds, self.tokens.starts, self.tokens.ends, self.brackets.stack
        inside = bool(stack) and stack[-1].kind == "$"
        floor = len(stack)
        while True:
            found = match(text, pos)
            assert found is not None  # the expression ends in "any character" and "end of text"
            group = found.lastindex or _END
            start, pos = found.span(group)
            if group == _NEWLINE:
                if inside:
                    return self.broken_interpolation(floor, start)
                if self.newline < 0:
                    self.newline = start
                self.brackets.line_start = pos
                if self.group and text[start:pos] not in _BREAKS:
                    self.group = []
                continue
            if group == _COMMENT and not inside:
                self.comment(start, pos)
                continue
            if self.newline >= 0:
                self.settle(start, group)
            if group == _NAME:
                word = text[start:pos]
                kind = words.get(word, "NAME")
                if kind == "IN" and kinds and kinds[-1] == "NOT" and ends[-1] <= start:
                    kinds[-1], ends[-1] = "NOT_IN", pos
                    continue
            elif group == _SIGN:
                kind = SIGNS[text[start:pos]]
                if kind in _OPENERS:
                    self.brackets.open(_OPENERS[kind], start)
                elif kind in _CLOSERS:
                    kind = self.brackets.close(_CLOSERS[kind], start, pos)
                    if not kind:
                        continue
                elif kind == "FLOOR" and (not kinds or kinds[-1] in ("NL", "LBRACE")):
                    pos = slashes(self.tokens, start)
                    continue
                elif kind == "VBAR" and text.startswith("||", start):
                    pos = foreign(self.tokens, self.brackets, start)
                    continue
            elif group in _NUMBERS:
                kind = _NUMBERS[group]
            elif group == _STRING:
                if pos - start == 3 and text.startswith('"""', start):
                    pos = self.string(start, pos, block=True)
                    continue
                self.tokens.texts[len(kinds)] = text[start + 1 : pos - 1]
                kind = "STRING"
            elif group == _BRACE:
                if text[start] == "{":
                    is_block = self.brackets.in_block and (not kinds or kinds[-1] == "NL" or kinds[-1] in OPERAND_ENDS)
                    kind = "LBRACE" if is_block else "LMAP"
                    self.brackets.open("{" if is_block else "m", start)
                elif inside and len(stack) == floor:
                    return pos
                else:
                    kind = self.brackets.close_brace(start, pos, floor if inside else 0)
                    if not kind:
                        continue
            elif group == _END:
                if inside:
                    return self.broken_interpolation(floor, start)
                self.brackets.finish(start)
                return start
            elif text[start] == '"':
                pos = self.string(start, pos, block=False)
                continue
            else:
                pos = foreign(self.tokens, self.brackets, start)
                continue
            kinds.append(kind)
            starts.append(start)
            ends.append(pos)

    def comment(self, start: int, end: int) -> None:
        own_line = self.newline >= 0
        comment = Comment(self.text[start:end].rstrip(), own_line, Span(self.source, start, end))
        self.tokens.comments.append(comment)
        if own_line and comment.text.startswith("##") and not comment.text.startswith("###"):
            self.group.append(comment)
        else:
            self.group = []

    # --- newlines -------------------------------------------------------------------------------------------------

    def settle(self, start: int, group: int) -> None:
        """A token stands at ``start``, on a later line than the one before it: does a statement end between them?"""
        newline, self.newline = self.newline, -1
        brackets, kinds, text = self.brackets, self.tokens.kinds, self.text
        brackets.indent = start - brackets.line_start
        if self.group:
            if brackets.in_block:
                self.tokens.docs[start] = tuple(self.group)
            self.group = []
        if not brackets.in_block:
            found = _STATEMENT.match(text, start)
            argument = found and found[1] and brackets.stack[-1].kind == "(" and kinds[-1] not in OPERAND_ENDS
            if group != _END and (not found or argument):
                return
            brackets.abandon()
        if group != _BRACE or text[start] != "}":
            brackets.close_by_indent(newline)
        if kinds and kinds[-1] not in ("NL", "LBRACE"):
            if self.continues(start, group, newline):
                return
            self.tokens.emit("NL", newline, newline)
        brackets.begin_statement()

    def continues(self, start: int, group: int, newline: int) -> bool:
        """Whether the line goes on with the statement of the line before: a clause, an `else`, a brace gone astray."""
        kinds, text = self.tokens.kinds, self.text
        header = self.in_header()
        if kinds[-1] == "COMMA" and header:
            return True
        if group == _BRACE and text[start] == "{":
            fix = self.tokens.fix("move it there", newline, start + 1, " {") if text[newline:start].isspace() else None
            message = "found the end of the line, expected `{`"
            self.tokens.report("MLP0001", message, start, start + 1, "belongs on the line above", fix=fix)
            return True
        found = _WORD.match(text, start)
        word = found[0] if found else ""
        if word == "else":
            return kinds[-1] == "RBRACE"
        if (
            not header
            or word not in _CLAUSES[kinds[self.brackets.statement]]
            or _ASSIGNED.match(text, start + len(word))
        ):
            return False
        # a block that begins with `when` may follow a stage without braces: its clause is indented further than the
        # stage
        return word != "when" or self.brackets.indent > self.brackets.statement_indent

    def in_header(self) -> bool:
        first, kinds = self.brackets.statement, self.tokens.kinds
        return 0 <= first < len(kinds) - 1 and kinds[first] in _CLAUSES and kinds[first + 1] in NAME_KINDS

    # --- strings --------------------------------------------------------------------------------------------------

    def string(self, start: int, pos: int, *, block: bool) -> int:
        """The tokens of a string literal from its opening quotes; the offset after it."""
        text, tokens, stack = self.text, self.tokens, self.brackets.stack
        quotes = '"""' if block else '"'
        raws: list[str] = []
        indices: list[int] = []
        mark = pos  # where the current piece of text begins
        token_start = start
        while True:
            found = PIECE.match(text, pos)
            if found is None:
                if text.startswith(quotes, pos):
                    break
                if pos >= len(text) or (not block and text[pos] in "\r\n"):
                    self.unterminated(start, pos, quotes)
                    quotes = ""
                    break
                if text.startswith("${{", pos):
                    tokens.report("MLP0003", "`${{` is never closed", pos, pos + 3, "expected `}}` on this line")
                pos += 1  # a quote in a block, a line break, a dollar that means itself
                continue
            if found[2] and not LEGAL.match(found[2]):
                if found[2][1] not in "\r\n":
                    fix = tokens.fix("double the backslash", pos, pos, "\\")
                    help = "a backslash itself is written `\\\\`"
                    tokens.report(
                        "MLP0005", f"unknown escape `{found[2]}`", pos, found.end(), "not an escape", help, fix
                    )
                elif not block:
                    pos += 1
                    continue
            if found[4] is None:
                pos = found.end()
                continue
            raws.append(text[mark:pos])
            indices.append(len(tokens.kinds))
            tokens.emit("TEXT_MIDDLE" if len(indices) > 1 else "TEXT_START", token_start, pos + 2)
            depth = len(stack)
            self.brackets.open("$", pos)
            pos = mark = self.run(pos + 2)
            token_start = pos - (len(stack) > depth)  # its `}`, if there is one, belongs to the next piece
            del stack[depth:]
        raws.append(text[mark:pos])
        indices.append(len(tokens.kinds))
        end = pos + len(quotes)
        tokens.emit("TEXT_END" if len(indices) > 1 else "STRING", token_start, end)
        for index, value in zip(indices, dedent(raws) if block else raws, strict=True):
            tokens.texts[index] = resolve(value)
        if block:
            last_break = max(text.rfind("\n", start, end), text.rfind("\r", start, end))
            self.brackets.line_start = max(self.brackets.line_start, last_break + 1)
        return end

    def unterminated(self, start: int, end: int, quotes: str) -> None:
        """A string that its line, or the file, does not close. Brackets of that line are taken as closed with it."""
        inside = next((opener for opener in reversed(self.brackets.stack) if opener.kind == "$"), None)
        if inside:
            self.never_closed(inside.offset)  # the quote was meant to end the string around it
        elif start >= self.brackets.quiet_until:
            fix = self.tokens.fix(f"close the string with `{quotes}`", end, end, quotes) if quotes == '"' else None
            self.tokens.report("MLP0003", "unterminated string", start, end, f"expected a closing `{quotes}`", fix=fix)
        self.brackets.quiet_until = end + 1 + (end == len(self.text))
        self.brackets.abandon_line()

    def broken_interpolation(self, floor: int, end: int) -> int:
        """A line ends inside `${`: the string ends there too."""
        self.never_closed(self.brackets.stack[floor - 1].offset)
        del self.brackets.stack[floor - 1 :]
        self.brackets.quiet_until = end + 1
        return end

    def never_closed(self, start: int) -> None:
        """A `${` without its `}`."""
        if start >= self.brackets.quiet_until:
            help = "a literal `${` is written `$${`"
            self.tokens.report("MLP0003", "`${` is never closed", start, start + 2, "expected `}` on this line", help)
