"""The tables that are checked in are lark's, and the loop that walks them accepts what lark accepts."""

import random
from collections.abc import Iterator
from functools import cache

import pytest
from lark import Lark, Token, UnexpectedInput
from lark.common import LexerConf
from lark.lexer import Lexer
from mlp_lang.dsl import generate
from mlp_lang.dsl.lexer import tokenize
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source
from mlp_lang.dsl.tree import Builder

PROGRAM = """
use "lib.mlp" as lib { x = 1 }
compute cpu = cluster("cpu")
pipeline p {
  param a: float(>0..<1)? | list[int] = [0.5, -1e-3]
  data d: table = "x.csv" { label = "y" }
  train m using sk.Model on cpu after n[*], o when a > 1 and not b { x = { k: "v ${a}" }
  require q >= 0.8 }
  repeat r up to 5 until m.ok { carry s = a.b then c.d }
  if a { } else if b { } else { output z = m }
}
"""


def test_the_tables_are_those_of_the_grammar() -> None:
    assert (generate.FOLDER / "_tables.py").read_text("utf-8") == generate.tables()


def test_every_reduction_has_its_method() -> None:
    from mlp_lang.dsl._tables import RULES

    methods = {method for _, _, method in RULES if method}
    assert not [method for method in methods if not callable(getattr(Builder, method, None))]


class Ours(Lexer):
    """dsl/lexer.py behind lark's interface for lexers."""

    def __init__(self, configuration: LexerConf) -> None:
        pass

    def lex(self, text: object) -> Iterator[Token]:
        tokens = tokenize(Source("test.mlp", str(getattr(text, "text", text))))
        for kind, start, end in zip(tokens.kinds, tokens.starts, tokens.ends, strict=True):
            if kind != "$END":
                yield Token(kind, tokens.source.text[start:end])


@cache
def lark() -> Lark:
    grammar = (generate.FOLDER / "mlp.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer=Ours, start="file")


def accepted_by_lark(text: str) -> bool:
    try:
        lark().parse(text)
    except UnexpectedInput:
        return False
    return True


@pytest.mark.parametrize("seed", range(150))
def test_lark_agrees(seed: int) -> None:
    chance = random.Random(seed)
    words = PROGRAM.split(" ")
    for _ in range(chance.choice([0, 1, 1, 2])):
        action, place = chance.choice(["drop", "swap", "double"]), chance.randrange(len(words) - 1)
        if action == "drop":
            del words[place]
        elif action == "swap":
            words[place], words[place + 1] = words[place + 1], words[place]
        else:
            words.insert(place, words[place])
    text = " ".join(words)
    ours = {d.code for d in parse(Source("test.mlp", text))[1]} & {"MLP0001", "MLP0012", "MLP0013"}
    lexical = tokenize(Source("test.mlp", text)).diagnostics
    if not lexical:  # a mistake that the lexer mends is none for the tables
        assert accepted_by_lark(text) is not bool(ours)
