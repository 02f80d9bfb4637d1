"""What the project makes of each case is what stands beside it; `python -m tests.baselines` makes that anew."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.baselines.produce import CASES, inside, produce, recorded


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_baseline(case: Path) -> None:
    made, kept = produce(case), recorded(case)
    assert made.keys() == kept.keys(), "run `python -m tests.baselines`"
    for path, text in made.items():
        assert text == kept[path], f"{path} differs: run `python -m tests.baselines {case.name}` and read the diff"


def test_results_do_not_depend_on_where_the_program_is_compiled_from(tmp_path: Path) -> None:
    case = CASES[0].parent / "flagship"
    with inside(tmp_path):
        assert produce(case) == recorded(case)
