"""What is said of a broken text: one error a mistake, at the place, in words, with the fix where there is one."""

import pytest
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source
from mlp_lang.dsl.syntax import Invalid, Pipeline


def found(text: str) -> list[Diagnostic]:
    return parse(Source("test.mlp", text))[1]


def shown(diagnostic: Diagnostic) -> str:
    line, column = diagnostic.span.source.position(diagnostic.span.start)
    return f"{line}:{column} {diagnostic.code} {diagnostic.message}"


def fixed(text: str) -> str:
    edits = [edit for d in found(text) for fix in d.fixes[:1] for edit in fix.edits]
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def stage(line: str) -> str:
    return f"pipeline p {{\n  train a using b {{\n    {line}\n  }}\n}}"


SLIPS = [
    ("size: 1", "5 MLP0001 found `:`, expected `=`", "size = 1"),
    ("size == 1", "6 MLP0001 found `==`, expected `=`", "size = 1"),
    ("size 1", "6 MLP0001 found `1`, expected `=`", "size = 1"),
    ("table split.train", "7 MLP0001 found `split`, expected `=`", "table = split.train"),
    ("size = 1,", "9 MLP0001 found `,`, expected the end of the line", "size = 1"),
    ("size = 1;", "9 MLP0006 found `;`, expected the end of the line", "size = 1"),
    ("on = a && b", "8 MLP0006 found `&&`, expected `and`", "on = a and b"),
    ("on = a || b", "8 MLP0006 found `||`, expected `or`", "on = a or b"),
    ("on = !b", "6 MLP0006 found `!`, expected `not`", "on = not b"),
    ("on = True", "6 MLP0006 found `True`, expected `true`", "on = true"),
    ("on = None", "6 MLP0006 found `None`, expected `none`", "on = none"),
    ("on = null", "6 MLP0006 found `null`, expected `none`", "on = none"),
    ("on = 'it'", "6 MLP0006 strings stand in double quotes", 'on = "it"'),
    ('on = "it', "6 MLP0003 unterminated string", 'on = "it"'),
    ('on = f("it)', "8 MLP0003 unterminated string", None),
    ("// words don't matter", "1 MLP0006 found `//`, expected a statement", "# words don't matter"),
    ("on = 1 // and some words", "11 MLP0001 found `and`, expected a value", None),
    ("on = 1 // some words", "16 MLP0001 found `words`, expected the end of the line", "on = 1 # some words"),
    ("on = .5", "6 MLP0001 found `.`, expected a value", "on = 0.5"),
    ("on = 5.", "8 MLP0001 found the end of the line, expected a digit", "on = 5.0"),
    ("on = 30minutes", "6 MLP0002 unknown unit `minutes`", "on = 30min"),
    ("on = 1h5", "6 MLP0002 `1h5` mixes units, or lacks one", None),
    ("on = 0.3B", "6 MLP0002 `0.3B` is not a whole number of bytes", None),
    ("on = 1e999", "6 MLP0002 a number too large for a float", None),
    ("on = [1 2]", "9 MLP0001 found `2`, expected `,` or `]`", "on = [1, 2]"),
    ("on = (1]", "8 MLP0004 found `]`, expected `)`", "on = (1)"),
    ("on = 1)", "7 MLP0004 `)` closes nothing", "on = 1"),
    ("on =", "5 MLP0001 found the end of the line, expected a value", None),
    ("on", "3 MLP0001 found the end of the line, expected `=` or `{`", None),
    ("in = 1", "1 MLP0013 `in` is reserved and cannot be a name", None),
    ("require a = 1", "11 MLP0001 found `=`, expected `==`", "require a == 1"),
    ("on = a < b < c", "6 MLP0001 comparisons do not chain", "on = a < b and b < c"),
    ('on = "\\d"', "7 MLP0005 unknown escape `\\d`", 'on = "\\\\d"'),
    ('on = "${a"', "7 MLP0003 `${` is never closed", None),
    ("on = ${a}", "6 MLP0002 found `$`, which begins nothing in this language", None),
    ("on = größe", "8 MLP0002 found `ö`, which begins nothing in this language", None),
    ("on = a\u00a0+ b", "7 MLP0002 invisible character U+00A0 (no-break space)", "on = a + b"),
    ("param x: int", "1 MLP0009 `param` cannot stand in a stage", None),
]


@pytest.mark.parametrize(("line", "message", "mended"), SLIPS, ids=[slip[0] for slip in SLIPS])
def test_slips_in_a_line(line: str, message: str, mended: str | None) -> None:
    (diagnostic,) = found(stage(line))
    row, column = map(int, shown(diagnostic).split(" ")[0].split(":"))
    assert row == 3
    assert f"{column - 4} {diagnostic.code} {diagnostic.message}".startswith(message)
    if mended is not None:
        assert fixed(stage(line)) == stage(mended)
        assert not found(stage(mended))


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("trian a using b {\n}", ["1:1 MLP0012 unknown statement `trian`"]),
        ('import "x" as y', ["1:1 MLP0012 unknown statement `import`"]),
        ("pipeline p {\n  train a b {\n x = 1 }\n}", ["2:11 MLP0001 found `b`, expected `using`"]),
        ("pipeline p\n{\n}", ["2:1 MLP0001 found the end of the line, expected `{`"]),
        ("pipeline p {\n} else {\n}", ["2:3 MLP0001 found `else`, expected the end of the line"]),
        ("let in = 1", ["1:5 MLP0013 `in` is reserved and cannot be a name"]),
        ("let x 1", ["1:7 MLP0001 found `1`, expected `:` or `=`"]),
        ("let x == 1", ["1:7 MLP0001 found `==`, expected `=`"]),
        ("train a using b {}", ["1:1 MLP0009 `train` cannot stand at the top of a file"]),
        ("profile p {\n  param x: int = 1\n}", ["2:9 MLP0009 a profile only replaces the value of a `param`"]),
        ("pipeline p {\n step a using b on c on d {}\n}", ["2:22 MLP0008 a second `on` clause"]),
        ("}", ["1:1 MLP0004 `}` closes nothing"]),
        ("pipeline p {", ["1:12 MLP0004 `{` is never closed"]),
        ('let x = """', ["1:9 MLP0003 unterminated string"]),
        # the block that lacks its brace, or has one too many, is told by the indentation
        (
            "pipeline p {\n  train a using b {\n    x = 1\n\n  train c using d {\n  }\n}",
            ["2:19 MLP0004 `{` is never closed"],
        ),
        ("pipeline p {\n  train a using b {\n    run {\n      x = 1\n  }\n}", ["3:9 MLP0004 `{` is never closed"]),
        ("pipeline p {\n  train a using b {\n  }\n  }\n  train c using d {}\n}", ["4:3 MLP0004 `}` closes nothing"]),
        (
            "pipeline p {\n  x = f(1,\n  y = [2\n  train c using d {\n  }\n}",
            ["2:8 MLP0004 `(` is never closed", "3:7 MLP0004 `[` is never closed"],
        ),
        (
            "pipeline p {\n  x = é\n",
            ["1:12 MLP0004 `{` is never closed", "2:7 MLP0002 found `é`, which begins nothing in this language"],
        ),
        ('pipeline p {\n  x = f(\n    "abc)\n}', ["3:5 MLP0003 unterminated string"]),
        ('pipeline p {\n  x = """abc\n}', ["2:7 MLP0003 unterminated string"]),
        # independent mistakes are all told
        (
            "let a = \nlet b = 'x'\npipeline p {\n  train c d\n  y: 1\n}\nlet e = [1\nlet f = 2 3",
            [
                "1:9 MLP0001 found the end of the line, expected a value",
                "2:9 MLP0006 strings stand in double quotes",
                "4:11 MLP0001 found `d`, expected `using`",
                "5:4 MLP0001 found `:`, expected `=`",
                "7:9 MLP0004 `[` is never closed",
                "8:11 MLP0001 found `3`, expected the end of the line",
            ],
        ),
    ],
)
def test_recovery(text: str, messages: list[str]) -> None:
    assert [shown(diagnostic) for diagnostic in found(text)] == messages


def test_what_is_broken_costs_its_line_or_its_block() -> None:
    file, _ = parse(Source("test.mlp", "pipeline p {\n  a = 1\n  b = [oops oh\n  train c d { x = y }\n  e = 2\n}"))
    (pipeline,) = file.items
    assert isinstance(pipeline, Pipeline)
    assert [type(item).__name__ for item in pipeline.items] == ["Setting", "Invalid", "Invalid", "Setting"]
    invalid = [item for item in pipeline.items if isinstance(item, Invalid)]
    assert invalid[0].names >= {"b", "oops", "oh"}
    assert invalid[1].span.text == "train c d { x = y }"


DEEP = {
    "parentheses": "let x = " + "(" * 10_000 + ")" * 10_000,
    "open parentheses": "let x = " + "(" * 10_000,
    "blocks": "a {\n" * 10_000 + "}" * 10_000,
    "lists": "let x = " + "[" * 10_000,
    "types": "let x: " + "list[" * 10_000,
    "interpolations": 'let x = "' + '${"' * 10_000,
    "sums": "let x = 1" + " + 1" * 10_000,
    "signs": "let x = " + "- " * 10_000 + "1",
    "attributes": "let x = a" + ".b" * 10_000,
    "else if": "pipeline p {\nif a {}" + " else if a {}" * 10_000 + "\n}",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_nesting(text: str) -> None:
    assert [d.code for d in found(text)] == ["MLP0007"]


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("pipeline p {\n  run {\n    x = 1\n\n  y = 2\n}\n", "pipeline p {\n  run {\n    x = 1\n  }\n\n  y = 2\n}\n"),
        ("pipeline p {\n  run {\n    x = 1\n}\n", "pipeline p {\n  run {\n    x = 1\n  }\n}\n"),
        ("pipeline p {\n  x = 1\n", "pipeline p {\n  x = 1\n}\n"),
        ("pipeline p {\n  x = 1", "pipeline p {\n  x = 1\n}"),
        ("pipeline p {\n  run {\n  }\n  }\n  x = 1\n}\n", "pipeline p {\n  run {\n  }\n  \n  x = 1\n}\n"),
    ],
)
def test_a_brace_is_mended_where_it_is_missing(text: str, mended: str) -> None:
    assert fixed(text) == mended
    assert not found(mended)
