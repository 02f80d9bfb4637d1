"""Every code of the compiler has its page: the wrong program yields it and no other error, the right one nothing."""

import re
import shutil
from pathlib import Path

import pytest
from mlp_lang.compiler import check_file, compile_file
from mlp_lang.dsl.diagnostics import Severity

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "files"
CATALOGUE = ROOT / "dsl" / "catalogue"
OURS = sorted(p for p in CATALOGUE.glob("MLP0[1-7]*.md"))
PROGRAM = re.compile(r"## (Wrong|Right)\n\n```mlp\n(.*?)```", re.DOTALL)
WITHOUT_PROGRAM = {"MLP0704"}  # what a command line asks for


def programs(page: Path) -> dict[str, str]:
    return dict(PROGRAM.findall(page.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("catalogue") / "files"
    shutil.copytree(FILES, copy)
    return copy


@pytest.mark.parametrize("page", [p for p in OURS if p.stem not in WITHOUT_PROGRAM], ids=lambda p: p.stem)
def test_wrong_program_yields_the_code_and_the_right_one_nothing(page: Path, folder: Path) -> None:
    texts = programs(page)
    path = folder / f"{page.stem}.mlp"
    path.write_text(texts["Wrong"], encoding="utf-8")
    found = check_file(path)
    assert page.stem in {d.code for d in found}
    others = {d.code for d in found if d.severity is Severity.ERROR} - {page.stem}
    assert not others, "one mistake gives one error"
    path.write_text(texts["Right"], encoding="utf-8")
    assert [(d.code, d.message) for d in check_file(path)] == []


def test_every_code_that_the_compiler_gives_has_its_page() -> None:
    given = {c for f in (ROOT / "compiler").glob("*.py") for c in re.findall(r"MLP0[1-7]\d\d", f.read_text("utf-8"))}
    assert given == {p.stem for p in OURS}


def test_what_a_command_line_asks_for_must_be_there(folder: Path) -> None:
    path = folder / "asked.mlp"
    path.write_text(programs(CATALOGUE / "MLP0701.md")["Right"], encoding="utf-8")
    assert compile_file(path, profile="prod", pipeline="p", params={"seed": "9"}).graphs
    for wrong in ({"profile": "production"}, {"pipeline": "q"}, {"params": {"sede": "9"}}):
        result = compile_file(path, **wrong)  # type: ignore[arg-type]
        assert {d.code for d in result.diagnostics} == {"MLP0704"}
        assert result.graphs == ()
