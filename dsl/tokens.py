"""The tokens of a source in parallel lists, with comments and descriptions beside them, and the words of the
language.
"""

from mlp_lang.dsl._tables import WORDS
from mlp_lang.dsl.diagnostics import Diagnostic, Edit, Fix
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.syntax import Comment

KEYWORDS = {word: kind for word, kind in WORDS.items() if word[0].isalpha()}
SIGNS = {sign: kind for sign, kind in WORDS.items() if not sign[0].isalpha()}
RESERVED = frozenset(("in", "and", "or", "not", "true", "false", "none", "else"))
RESERVED_KINDS = frozenset(KEYWORDS[word] for word in RESERVED) | {"NOT_IN"}
NAME_KINDS = (frozenset(KEYWORDS.values()) - RESERVED_KINDS) | {"NAME"}
NUMBER_KINDS = frozenset(("INT", "FLOAT", "QUANTITY"))
# After one of these an operand is complete: `{` opens a block, and no other operand can follow.
OPERAND_ENDS = NAME_KINDS | NUMBER_KINDS | {"TRUE", "FALSE", "NONE", "ELSE", "STRING", "TEXT_END"}
OPERAND_ENDS |= {"RPAR", "RSQB", "RMAP", "QMARK", "BAD"}


class Tokens:
    """Kinds (terminals of mlp.lark, or BAD) with the offsets where each begins and ends.

    `texts` has the value of string tokens by index, `docs` the `##` lines by the offset of what stands below them,
    `depth` the most brackets open at once. `diagnostics` is what the lexer has to say.
    """

    __slots__ = ("comments", "depth", "diagnostics", "docs", "ends", "kinds", "source", "starts", "texts")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.kinds: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.texts: dict[int, str] = {}
        self.comments: list[Comment] = []
        self.docs: dict[int, tuple[Comment, ...]] = {}
        self.diagnostics: list[Diagnostic] = []
        self.depth = 0

    def emit(self, kind: str, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)

    def end_statement(self, offset: int) -> None:
        """A NL, unless there is one or none is due."""
        if self.kinds and self.kinds[-1] not in ("NL", "LBRACE"):
            self.emit("NL", offset, offset)

    def report(
        self, code: str, message: str, start: int, end: int, label: str, help: str = "", fix: Fix | None = None
    ) -> None:
        span = Span(self.source, start, end)
        self.diagnostics.append(Diagnostic(code, message, span, label, help=help, fixes=(fix,) if fix else ()))

    def fix(self, title: str, start: int, end: int, text: str) -> Fix:
        return Fix(title, (Edit(Span(self.source, start, end), text),))
