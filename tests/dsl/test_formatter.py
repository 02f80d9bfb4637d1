"""The canonical form: text as it is written beside text as it is printed."""

import re
from pathlib import Path

import pytest
from mlp_lang.dsl.formatter import format_file
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source

ROOT = Path(__file__).parents[2]

LONG = '"' + "a" * 40 + '"'

CASES = {
    "nothing": ("", ""),
    "only a comment": ("\n\n  # so\n\n\n", "# so\n"),
    "blanks": ("let   x=1+2\n", "let x = 1 + 2\n"),
    "blank lines group": ("let a = 1\n\n\n\nlet b = 2\nlet c = 3\n", "let a = 1\n\nlet b = 2\nlet c = 3\n"),
    "declarations of several lines stand apart": (
        "let a = 1\npipeline p {\n\n  x = 1\n\n}\nlet b = 2\n",
        "let a = 1\n\npipeline p {\n  x = 1\n}\n\nlet b = 2\n",
    ),
    "a description stays with what it describes": (
        "let a = 1\n##  one\n##\n## two\npipeline p {\n## in\nparam x\n}",
        "let a = 1\n\n##  one\n##\n## two\npipeline p {\n  ## in\n  param x\n}\n",
    ),
    "trailing comments": (
        "pipeline p { # a\nx = 1# b\nrun { # c\n# d\n} # e\n} # f\n",
        "pipeline p {  # a\n  x = 1  # b\n  run {  # c\n    # d\n  }  # e\n}  # f\n",
    ),
    "a block of one attribute stays on its line": (
        "compute c = x { a=1 }\ncompute d = x {\na = 1 }\ncompute e = x { b { c = 1 } }\ncompute f = x { }\n",
        "compute c = x { a = 1 }\n\ncompute d = x {\n  a = 1\n}\n\ncompute e = x { b { c = 1 } }\ncompute f = x {}\n",
    ),
    "brackets that fit": (
        'let a = [1,2,\n 3]\nlet b = {x:1,"y":2}\n',
        'let a = [1, 2, 3]\nlet b = { x: 1, "y": 2 }\n',
    ),
    "brackets that the author opens": ("let a = [\n1, 2]\n", "let a = [\n  1,\n  2,\n]\n"),
    "brackets that are too long": (
        f"let a = f({LONG}, [1, 2], x = {LONG})\n",
        f"let a = f(\n  {LONG},\n  [1, 2],\n  x = {LONG},\n)\n",
    ),
    "comments in brackets": (
        "let a = [ # a\n# b\n1, # c\n2 # d\n# e\n]\nlet b = (\n# f\n1)\n",
        "let a = [\n  # a\n  # b\n  1,  # c\n  2,  # d\n  # e\n]\n\nlet b = (\n  # f\n  1\n)\n",
    ),
    "a comment without a line of its own moves up": ("let a: int( # a\n0..) = 1\n", "# a\nlet a: int(0..) = 1\n"),
    "headers": (
        "pipeline p {\nstep a using b   on c after d,e when f {\n}\nstep a using b\non c # x\n# y\nafter d,\ne {\n"
        "x = 1\n}\n}",
        "pipeline p {\n  step a using b on c after d, e when f {}\n  step a using b\n    on c  # x\n    # y\n"
        "    after d, e {\n    x = 1\n  }\n}\n",
    ),
    "a header that is too long": (
        f"pipeline p {{\nstep {'a' * 40} using {'b' * 40} on cluster after quality {{}}\n}}",
        f"pipeline p {{\n  step {'a' * 40} using {'b' * 40}\n    on cluster\n    after quality {{}}\n}}\n",
    ),
    "else": (
        "pipeline p {\nif a { # x\nb = 1\n}\n# y\nelse if c {}\nelse {\n# z\n}\n}",
        "pipeline p {\n  if a {  # x\n    b = 1\n    # y\n  } else if c {} else {\n    # z\n  }\n}\n",
    ),
    "blocks of text": (
        'pipeline p {\nc = """\n        a \\\n          b\n\n        ${c}\n  """\n}',
        'pipeline p {\n  c = """\n    a \\\n      b\n\n    ${c}\n    """\n}\n',
    ),
    "spellings stay": ("let a = 1.50e-08\nlet b = 0010\nlet c = \"\\u00e9 ${ x+1 }\"\nlet d = 90min\n",) * 2,
    "line endings become one": ("let a = 1\r\nlet b = 2\rlet c = 3", "let a = 1\nlet b = 2\nlet c = 3\n"),
}  # fmt: skip


def printed(text: str) -> str:
    file, diagnostics = parse(Source("test.mlp", text))
    assert not diagnostics, diagnostics
    return format_file(file)


@pytest.mark.parametrize(("written", "canonical"), CASES.values(), ids=CASES)
def test_canonical_form(written: str, canonical: str) -> None:
    assert printed(written) == canonical
    assert printed(canonical) == canonical


def test_text_that_did_not_parse_has_no_canonical_form() -> None:
    file, _ = parse(Source("test.mlp", "let x = ="))
    with pytest.raises(ValueError, match="did not parse"):
        format_file(file)


REFERENCE = (ROOT / "docs" / "language.md").read_text("utf-8")
SNIPPETS = re.findall(r"```mlp\n(.*?)```", REFERENCE, re.DOTALL)
PROGRAMS = [
    *((path.name, path.read_text("utf-8")) for path in sorted((ROOT / "pipelines").glob("*.mlp"))),
    *((f"language.md {number}", text) for number, text in enumerate(SNIPPETS)),
]


@pytest.mark.parametrize("text", [text for _, text in PROGRAMS], ids=[name for name, _ in PROGRAMS])
def test_the_programs_of_this_project_are_canonical(text: str) -> None:
    assert printed(text) == text
