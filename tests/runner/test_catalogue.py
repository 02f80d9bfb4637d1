"""Every code of the runner has an explanation, and every explanation a code that the runner gives."""

import re
from pathlib import Path

from mlp_lang.dsl.explanations import codes, explanation

ROOT = Path(__file__).parents[2]


def test_codes_and_explanations_match() -> None:
    given = {c for file in (ROOT / "runner").glob("*.py") for c in re.findall(r'"(MLP\d{4})"', file.read_text())}
    assert given == {code for code in codes() if code.startswith("MLP09")}


def test_every_explanation_has_both_sides() -> None:
    for code in codes():
        if code.startswith("MLP09"):
            found = explanation(code)
            assert found is not None and found.title and "## Wrong" in found.body and "## Right" in found.body
