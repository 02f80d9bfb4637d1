"""Each code of syntax and files is explained, with a program that yields it and the mended one."""

import re
from pathlib import Path

import pytest
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.source import Source

DSL = Path(__file__).parents[2] / "dsl"
SYNTAX = sorted((DSL / "catalogue").glob("MLP00*.md"))


@pytest.mark.parametrize("path", SYNTAX, ids=lambda path: path.stem)
def test_programs_of_the_catalogue(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.match(rf"# {path.stem}: [^\n]+\n\n\S", text)
    wrong, right = re.findall(r"## (?:Wrong|Right)\n\n```(?:mlp|text)\n(.*?)```", text, re.DOTALL)
    if "```mlp" in text:
        assert {d.code for d in parse(Source("wrong.mlp", wrong))[1]} == {path.stem}
        assert not parse(Source("right.mlp", right))[1]


def test_every_code_is_explained() -> None:
    codes = {code for path in DSL.glob("*.py") for code in re.findall(r'"(MLP00\d\d)"', path.read_text("utf-8"))}
    assert codes == {path.stem for path in SYNTAX}
