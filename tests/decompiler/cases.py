"""The cases: folders with a pipeline.yml and the program that is expected of it."""

from pathlib import Path

from mlp_lang.decompiler import decompile

CASES = sorted(p.parent for p in Path(__file__).parent.glob("*/pipeline.yml"))
EXPECTED = "expected.mlp"


def program(case: Path) -> str:
    """What is made of a case now."""
    made = decompile(str(case / "pipeline.yml"))
    assert made.text is not None, made.diagnostics
    return made.text
