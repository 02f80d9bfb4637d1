"""Every code of lowering is explained, and its wrong and right YAML are judged as the explanation says."""

import re
from pathlib import Path

import mlp_lang.lowering
import pytest
from mlp_lang.lowering.checker import check_folder
from mlp_lang.lowering.verify import verify

LOWERING = Path(mlp_lang.lowering.__file__).parent
CATALOGUE = LOWERING.parent / "dsl/catalogue"
PAGES = sorted(p for p in CATALOGUE.glob("MLP08*.md") if p.stem < "MLP0870")  # above: tests/decompiler
BLOCK = re.compile(r"^```yaml\n# ([\w./-]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OF_AZURE = {"MLP0830", "MLP0831"}


def examples(page: Path, section: str) -> dict[str, str]:
    """Files of one section, over those that every example takes for granted."""
    files = {}
    for source in (CATALOGUE / "MLP0810.md", CATALOGUE / "MLP0813.md", page):
        text = source.read_text()
        chosen = section if source == page else "Right"
        part = re.split(r"^## ", text, flags=re.MULTILINE)
        body = next(p for p in part if p.startswith(chosen))
        files.update({name: f"# {name}\n{content}" for name, content in BLOCK.findall(body)})
    return files


@pytest.mark.parametrize("page", [p for p in PAGES if "```yaml" in p.read_text()], ids=lambda p: p.stem)
@pytest.mark.parametrize("section", ["Wrong", "Right"])
def test_examples(page: Path, section: str, tmp_path: Path) -> None:
    for name, text in examples(page, section).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    code = page.stem
    findings = verify(tmp_path) if code in OF_AZURE else check_folder(str(tmp_path))
    found = {d.code for d in findings}
    assert (code in found) if section == "Wrong" else not found
    assert section == "Right" or code in OF_AZURE or found == {code}


def test_every_code_is_explained_and_no_other() -> None:
    used = {code for p in LOWERING.rglob("*.py") for code in re.findall(r"MLP08\d\d", p.read_text())}
    assert used == {p.stem for p in PAGES}
