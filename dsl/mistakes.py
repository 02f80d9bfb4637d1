"""From the place where parsing failed to the Diagnostic: found, expected, and typical slips mended."""

from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix
from mlp_lang.dsl.editdistance import closest
from mlp_lang.dsl.source import Span
from mlp_lang.dsl.tokens import KEYWORDS, NAME_KINDS, RESERVED, RESERVED_KINDS, SIGNS, Tokens

# A word that only a language with statements of its own has at a line's start.
ELSEWHERE = {
    "import": "use", "from": "use", "include": "use", "var": "let", "const": "let", "local": "let", "parameter":
    "param", "input": "param", "assert": "require", "stage": "step", "job": "step", "task": "step", "node": "step",
    "elif": "else if", "elseif": "else if", "switch": "if", "while": "repeat", "foreach": "for each", "dataset": "data",
}  # fmt: skip
STATEMENTS = tuple(
    word for word, kind in KEYWORDS.items()
    if kind in NAME_KINDS and kind not in ("USING", "ON", "AFTER", "EACH", "UP", "TO", "UNTIL", "AS", "THEN", "LIKE")
)  # fmt: skip
_OPERANDS = NAME_KINDS | {
    "INT",
    "FLOAT",
    "QUANTITY",
    "STRING",
    "TEXT_START",
    "LPAR",
    "LSQB",
    "LMAP",
    "TRUE",
    "FALSE",
    "NONE",
}
_OPERANDS |= {"NOT", "MINUS"}
_INFIX = frozenset(
    SIGNS[sign] for sign in ("==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "//", "%", ".", "[", "(")
)
_INFIX |= {"AND", "OR", "IN", "NOT_IN"}
_SPELLED = {kind: f"`{sign}`" for sign, kind in SIGNS.items()} | {
    "LBRACE": "`{`", "RBRACE": "`}`", "LMAP": "`{`", "RMAP": "`}`", "NL": "the end of the line",
    "$END": "the end of the text", "TEXT_MIDDLE": "`}`", "TEXT_END": "`}`", "TEXT_START": "a string",
    "STRING": "a string",
}  # fmt: skip
_SPELLED |= {kind: f"`{word}`" for word, kind in KEYWORDS.items() if kind not in ("VERB", "RESOURCE")}


def found(tokens: Tokens, at: int) -> str:
    """A token in words: `the end of the line`, `a string`, or its text in backquotes."""
    kind = tokens.kinds[at]
    if kind in ("NL", "$END", "STRING", "TEXT_START"):
        if kind == "NL" and tokens.kinds[at + 1] == "RBRACE" and tokens.starts[at] == tokens.starts[at + 1]:
            return "`}`"
        if kind == "NL" and tokens.starts[at] >= len(tokens.source.text):
            return "the end of the file"
        return _SPELLED[kind]
    if kind in ("TEXT_MIDDLE", "TEXT_END"):
        return "`}`"
    text = tokens.source.text[tokens.starts[at] : tokens.ends[at]]
    return f"`{text}`" if len(text) <= 40 else f"`{text[:37]}…`"


def expected(row: frozenset[str]) -> str:
    """What a state of the parser takes, in words. After a complete operand the operators that may follow go unsaid."""
    kinds = set(row)
    if "PIPELINE" in kinds and ("RBRACE" in kinds or "$END" in kinds):
        return "a statement" + (" or `}`" if "RBRACE" in kinds else "")
    words: list[str] = []
    if "INT" in kinds and "NAME" in kinds:
        words.append("a value")
        kinds -= _OPERANDS | _INFIX | {"PLUS"}
    elif "NAME" in kinds:
        words.append("a name")
        kinds -= NAME_KINDS
    elif "PLUS" in kinds:
        kinds -= _INFIX
    elif "DOT" in kinds and "NL" in kinds:
        kinds.discard("DOT")
    kinds -= {"$END"} if len(kinds) > 1 else set()
    words += sorted({_SPELLED.get(kind, kind.lower()) for kind in kinds}, key=lambda w: (w == _SPELLED["NL"], w))
    return (
        " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0] if words else "something else"
    )


def explain(tokens: Tokens, at: int, first: int, row: frozenset[str]) -> Diagnostic:
    """The error at token ``at`` of the statement that begins at token ``first``; ``row``: what could have come."""
    return _Mistake(tokens, at, first, row).diagnostic()


class _Mistake:
    def __init__(self, tokens: Tokens, at: int, first: int, row: frozenset[str]) -> None:
        self.tokens = tokens
        self.at = at
        self.first = min(first, at)
        self.row = row
        self.kind = tokens.kinds[at]
        self.next = tokens.kinds[at + 1] if at + 1 < len(tokens.kinds) else "$END"
        self.begins = tokens.kinds[self.first]
        self.span = Span(tokens.source, tokens.starts[at], tokens.ends[at])

    def text(self, at: int) -> str:
        return self.tokens.source.text[self.tokens.starts[at] : self.tokens.ends[at]]

    def make(
        self, wanted: str, label: str = "", help: str = "", fix: Fix | None = None, code: str = "MLP0001"
    ) -> Diagnostic:
        message = f"found {found(self.tokens, self.at)}, expected {wanted}"
        return Diagnostic(
            code, message, self.span, label or f"expected {wanted}", help=help, fixes=(fix,) if fix else ()
        )

    def replace(self, text: str, title: str = "") -> Fix:
        return Fix(title or f"write `{text}`", (Edit(self.span, text),))

    def insert(self, offset: int, text: str) -> Fix:
        return Fix(f"insert `{text.strip()}`", (Edit(Span(self.span.source, offset, offset), text),))

    def diagnostic(self) -> Diagnostic:
        """The first of the slips that fits, else found and expected."""
        for slip in (
            self.statement,
            self.equals,
            self.using,
            self.comma,
            self.comparison,
            self.point,
            self.reserved,
            self.separator,
        ):
            diagnostic = slip()
            if diagnostic:
                break
        else:
            diagnostic = self.make(expected(self.row))
        return self.with_comment_help(diagnostic)

    def statement(self) -> Diagnostic | None:
        """A line that begins with a word that begins no statement."""
        word = self.text(self.first)
        if self.at == self.first and self.kind == "ELSE":
            return self.make("a statement", "no `if` or `when` block ends just before")
        if self.at != self.first + 1 or self.begins != "NAME":
            return None
        near = [ELSEWHERE[word]] if word in ELSEWHERE else closest(word, STATEMENTS)
        header = self.kind in NAME_KINDS and self.next in ("USING", "COLON", "LBRACE", "FOR", "EQUAL", "IN", "UP")
        if not (header or (near and self.kind in NAME_KINDS | {"STRING"})) or (
            header and self.next == "EQUAL" and not near
        ):
            return None
        span = Span(self.span.source, self.tokens.starts[self.first], self.tokens.ends[self.first])
        help = f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else "a statement begins with its keyword"
        fix = (Fix(f"write `{near[0]}`", (Edit(span, near[0]),)),) if near else ()
        return Diagnostic("MLP0012", f"unknown statement `{word}`", span, "begins no statement", help=help, fixes=fix)

    def equals(self) -> Diagnostic | None:
        """`:` or `==` for `=`, or none of them."""
        if "EQUAL" not in self.row or "PLUS" in self.row:
            return None
        if self.kind == "EQUAL_TO":
            return self.make("`=`", fix=self.replace("="), help="`=` gives a value, `==` compares")
        if self.kind == "COLON":
            gap = "" if self.tokens.ends[self.at - 1] < self.span.start else " "
            return self.make("`=`", fix=self.replace(gap + "=", "write `=`"))
        wants = "`:` or `=`" if "COLON" in self.row else "`=`"
        if self.kind in _OPERANDS and not (
            self.begins == "NAME" and self.at > self.first + 1 and "COLON" not in self.row
        ):
            return self.make(wants, fix=self.insert(self.span.start, "= "))
        return None

    def using(self) -> Diagnostic | None:
        """A stage without `using`."""
        if "USING" not in self.row or "NAME" in self.row:
            return None
        if self.kind in ("EQUAL", "COLON"):
            return self.make(
                "`using`", fix=self.replace("using"), help="a stage is `<verb> <name> using <component> { … }`"
            )
        fix = self.insert(self.span.start, "using ") if self.kind in NAME_KINDS else None
        return self.make("`using`", fix=fix, help="a stage is `<verb> <name> using <component> { … }`")

    def comma(self) -> Diagnostic | None:
        if self.kind != "COMMA" or "COMMA" in self.row or "NL" not in self.row:
            return None
        fix = self.replace("", "remove `,`") if self.next == "NL" else None
        return self.make("the end of the line", help="in a block each line is one item, without commas", fix=fix)

    def comparison(self) -> Diagnostic | None:
        """`=` in a condition."""
        if (
            self.kind != "EQUAL"
            or "PLUS" not in self.row
            or self.begins not in ("REQUIRE", "EXPECT", "IF", "WHEN", "VERB", "REPEAT")
        ):
            return None
        return self.make("`==`", fix=self.replace("=="), help="`==` compares, `=` gives a value")

    def point(self) -> Diagnostic | None:
        """`.5` and `5.`"""
        kinds, at = self.tokens.kinds, self.at
        help = "a number has digits on both sides of its point"
        if self.kind == "DOT" and self.next == "INT" and "INT" in self.row:
            return self.make("a value", help=help, fix=self.replace("0.", "write the zero"))
        if at >= 2 and kinds[at - 1] == "DOT" and kinds[at - 2] == "INT":
            end = self.tokens.ends[at - 1]
            return self.make(
                "a digit", help=help, fix=Fix("write the zero", (Edit(Span(self.span.source, end, end), "0"),))
            )
        return None

    def reserved(self) -> Diagnostic | None:
        if self.kind not in RESERVED_KINDS or "NAME" not in self.row or self.kind in self.row:
            return None
        if self.next not in ("EQUAL", "LBRACE", "COLON", "USING", "NL", "COMMA", "RPAR") or "INT" in self.row:
            return None
        word = self.text(self.at)
        return Diagnostic(
            "MLP0013", f"`{word}` is reserved and cannot be a name", self.span, "a reserved word",
            help=f"the reserved words are {', '.join(sorted(RESERVED))}",
        )  # fmt: skip

    def separator(self) -> Diagnostic | None:
        """A comma that lacks between two values."""
        if "COMMA" not in self.row or self.kind not in _OPERANDS or not {"RPAR", "RSQB", "RMAP"} & self.row:
            return None
        return self.make(expected(self.row), fix=self.insert(self.tokens.ends[self.at - 1], ","))

    def with_comment_help(self, diagnostic: Diagnostic) -> Diagnostic:
        """Who ends a line with `// words` meant a comment."""
        text = self.tokens.source.text
        for i in range(self.at, self.first, -1):
            if self.tokens.kinds[i] == "FLOOR" and not {"\n", "\r"} & set(text[self.tokens.ends[i] : self.span.start]):
                start, end = self.tokens.starts[i], self.tokens.ends[i]
                fix = Fix("write `#`", (Edit(Span(self.span.source, start, end), "#"),))
                return diagnostic._replace(help="`//` divides; a comment begins with `#`", fixes=(fix,))
        return diagnostic
