"""Pages that are made: what is checked in is what would be made, and nothing points nowhere."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from mlp_lang.dsl.explanations import codes

ROOT = Path(__file__).resolve().parents[2]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_have_not_drifted() -> None:
    made = generator().pages()
    there = {f"components/{p.name}" for p in (ROOT / "docs" / "components").glob("*.md")}
    there |= {"diagnostics.md", "fields.md", "importing.md"}
    assert there == set(made), "run make docs"
    stale = [path for path, text in made.items() if (ROOT / "docs" / path).read_text(encoding="utf-8") != text]
    assert not stale, "run make docs"


def test_every_code_has_a_page_section() -> None:
    text = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    assert re.findall(r"\| \[(MLP\d{4})\]", text) == codes()


def test_the_program_of_the_readme_is_a_right_and_canonical_one(tmp_path: Path) -> None:
    from mlp_lang.compiler import check_file
    from mlp_lang.dsl.formatter import format_file
    from mlp_lang.dsl.parser import parse
    from mlp_lang.dsl.source import Source

    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("```mlp\n")[2].partition("```")[0]
    source = Source("README.mlp", text)
    assert check_file(ROOT / "pipelines" / "readme.mlp", source=source) == []
    assert format_file(parse(source)[0]) == text


PAGES = sorted(
    p.relative_to(ROOT).as_posix()
    for p in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "docs").rglob("*.md")]
    if not any(part.startswith(".") for part in p.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [x for x in links if x and "://" not in x and not (ROOT / page).parent.joinpath(x).exists()]
    assert not missing


@pytest.mark.parametrize(
    "folder",
    ["bench", "cli", "compiler", "components", "conformance", "decompiler", "dsl", "lowering", "pipelines", "runner"],
)
def test_every_part_says_what_it_is(folder: str) -> None:
    assert (ROOT / folder / "README.md").read_text(encoding="utf-8").startswith("# ")
