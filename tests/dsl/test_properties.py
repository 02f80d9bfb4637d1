"""What holds for every program and every text: printing and parsing are inverse, comments stay, spans are exact."""

import random
from collections import Counter

from dsl_programs import expressions, trees, words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlp_lang.dsl.formatter import format_file
from mlp_lang.dsl.lexer import tokenize
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source, Span
from mlp_lang.dsl.spelling import named
from mlp_lang.dsl.syntax import (
    Attribute,
    Binary,
    Call,
    Comment,
    File,
    Group,
    Index,
    ListExpr,
    Literal,
    MapExpr,
    Name,
    Override,
    Reference,
    String,
    Unary,
    comparable,
)

EXPRESSIONS = (Literal, String, Reference, Attribute, Index, Call, ListExpr, MapExpr, Unary, Binary, Group)
unhurried = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def parsed(text: str) -> File:
    file, diagnostics = parse(Source("test.mlp", text))
    assert not diagnostics, (diagnostics[0].message, diagnostics[0].span.text, text)
    return file


def comments(file: File) -> Counter[str]:
    return Counter(comment.text for comment in file.comments)


@unhurried
@given(trees)
def test_printing_and_parsing_are_inverse(tree: File) -> None:
    text = format_file(tree)
    file = parsed(text)
    assert comparable(file) == comparable(tree)
    again = format_file(file)
    assert comparable(parsed(again)) == comparable(tree)
    assert format_file(parsed(again)) == again


def with_comments(text: str, chance: random.Random) -> tuple[str, int]:
    """The text with comments put where a line ends or may end, and how many."""
    tokens = tokenize(Source("", text))
    pieces, done, count, depth = [], 0, 0, 0
    for kind, end in zip(tokens.kinds, tokens.ends, strict=True):
        depth += (kind in ("LPAR", "LSQB", "LMAP")) - (kind in ("RPAR", "RSQB", "RMAP"))
        depth += (kind == "TEXT_START") * 1000 - (kind == "TEXT_END") * 1000  # no comment inside a string
        if end < done or not (kind in ("NL", "LBRACE") or 0 < depth < 1000) or chance.random() < 0.6:
            continue
        if kind == "NL" and text[end : end + 1] not in ("", "\n"):
            continue  # the end of a statement inside an inline block
        pieces.append(text[done:end])
        done = end
        for own_line in chance.choice([(False,), (True,), (False, True), (True, True)]):
            pieces.append(f"{chance.choice(['', ' ', chr(10), chr(10) * 3]) if own_line else ' '}")
            if own_line and not pieces[-1].startswith("\n"):
                pieces.append("\n")
            pieces.append(f"# {count}")
            count += 1
        if text[end : end + 1] != "\n":
            pieces.append("\n")
    return "".join((*pieces, text[done:])), count


@unhurried
@given(trees, st.integers())
def test_no_comment_is_lost(tree: File, seed: int) -> None:
    text, count = with_comments(format_file(tree), random.Random(seed))
    file = parsed(text)
    assert len(file.comments) == count
    once = format_file(file)
    assert comments(parsed(once)) == comments(file), (text, once)
    assert comparable(parsed(once)) == comparable(file)
    assert format_file(parsed(once)) == once


def nodes(node: object) -> list[object]:
    found: list[object] = []
    pending = [node]
    while pending:
        value = pending.pop()
        if isinstance(value, Span | Source) or not isinstance(value, tuple):
            continue
        if hasattr(value, "span") and not isinstance(value, File):
            found.append(value)
        pending.extend(value)
    return found


@unhurried
@given(
    trees, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "\ufeff"]), st.sampled_from(["  ", "\t", "\f "])
)
def test_the_text_of_a_span_is_its_node(tree: File, newline: str, mark: str, indent: str) -> None:
    text = "# 😀 wide 漢字 \u202e\n" + format_file(tree)
    lines = [indent * (len(x) - len(x.lstrip())) + x.lstrip() for x in text.split("\n")]
    if '"""' not in text:  # blanks are part of a block string
        text = "\n".join(lines)
    file = parsed(mark + text.replace("\n", newline))
    for node in nodes(file):
        span: Span = node.span  # type: ignore[attr-defined]
        match node:
            case Name() if span.text.startswith('"'):
                assert span.text == named(node)
            case Name(name) | Reference(name):
                assert span.text == name
            case Comment(comment):
                assert span.text.rstrip() == comment
            case Override():
                assert span.text.startswith(node.keyword.text)
            case _ if isinstance(node, EXPRESSIONS):
                assert span.text == span.text.strip()
                (setting,) = parsed("pipeline p {\nx = (" + span.text + "\n)\n}").items[0].items  # type: ignore[union-attr]
                assert comparable(setting.value.value) == comparable(node)  # type: ignore[union-attr]


@unhurried
@given(st.binary())
def test_bytes_yield_diagnostics_only(data: bytes) -> None:
    check_any(data.decode("utf-8", "surrogateescape"))


FRAGMENTS = st.sampled_from(
    [
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        '"',
        '"""',
        "${",
        "${{",
        "}}",
        "$[[",
        "\\",
        "#",
        "##",
        "=",
        "==",
        ",",
        ":",
        ".",
        "..",
        "if",
        "else",
        "when",
        "for",
        "each",
        "stage",
        "train",
        "using",
        "on",
        "after",
        "pipeline",
        "p",
        "param",
        "x",
        "1",
        "2h",
        "1.5",
        "not",
        "in",
        "'",
        ";",
        "&&",
        "||",
        "!",
        "|",
        "?",
        "//",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\ufeff",
        "é",
        "😀",
        "\x00",
        "true",
        "None",
    ]
)


@unhurried
@given(st.lists(FRAGMENTS, max_size=60), st.sampled_from(["", " "]))
def test_fragments_yield_diagnostics_only(fragments: list[str], glue: str) -> None:
    check_any(glue.join(fragments))


@unhurried
@given(trees, st.integers(0), st.integers(0, 6), FRAGMENTS)
def test_a_damaged_program_yields_diagnostics_only(tree: File, place: int, length: int, fragment: str) -> None:
    text = format_file(tree)
    place %= len(text) + 1
    check_any(text[:place] + fragment + text[place + length :])


def check_any(text: str) -> None:
    file, diagnostics = parse(Source("any.mlp", text))
    comparable(file)
    for diagnostic in diagnostics:
        assert diagnostic.message
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(file.source.text)
        for fix in diagnostic.fixes:
            assert all(edit.span.source is file.source for edit in fix.edits)
    if not diagnostics:
        once = format_file(file)
        assert comparable(parsed(once)) == comparable(file)
        assert format_file(parsed(once)) == once


@unhurried
@given(words, expressions)
def test_any_identifier_is_a_name(word: str, value: object) -> None:
    forms = """
        X = 1
        X { }
        train X using X.X on X after X when X {;X = X;}
        param X: X = X
        data X: table
        for X in [X] { }
        for each X in X { }
        repeat X up to 2 until X { carry X = X then X }
        derive X = X(X = X.X)
        step x using y { require X > 0 }
        output X = { X: X }
    """
    lines = [line.strip().replace("X", word).replace(";", "\n") for line in forms.strip().split("\n")]
    for line in lines:
        parsed(f"pipeline {word} {{\n{line}\n}}")
    parsed(
        f'use "x" as {word}\ncompute {word} = {word}\nprofile {word} for {word} {{ }}\nschedule {word} for {word} {{ }}'
    )
