"""The components that ship with mlp are Azure ML components once the section `mlp` is gone, as lowering
leaves it: both judges take them."""

import shutil
from pathlib import Path

import mlp_lang.lowering
import pytest
import yaml
from mlp_lang.lowering.azure import load_definitions
from mlp_lang.lowering.checker.components import check_component
from mlp_lang.lowering.checker.document import Findings
from mlp_lang.lowering.emit import emit

COMPONENTS = Path(mlp_lang.lowering.__file__).resolve().parent.parent / "components"
FOUND = sorted(COMPONENTS.rglob("component.yml"))


def test_there_are_some() -> None:
    assert len(FOUND) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.parent.relative_to(COMPONENTS).as_posix())
def test_both_judges_take_it(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "components"
    shutil.copytree(COMPONENTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    stripped = copy / path.relative_to(COMPONENTS)
    document = yaml.safe_load(path.read_text())
    assert document.pop("mlp"), "says what it is for"
    document["environment"].pop(
        "name", None
    )  # lowering leaves it out: Azure ML warns of a name of what it will not register
    stripped.write_text(emit(document))
    findings = Findings(str(copy))
    root = findings.load(str(stripped))
    assert root is not None
    check_component(root, "command", findings)
    assert findings.diagnostics == []
    assert load_definitions("component", [str(stripped)], str(copy)) == []
