"""The cleaning step: each thing that it does, by hand-made tables, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from common import facts as facts_of
from common import tables
from component_steps import PEOPLE, PRIVATE, Step, module, put, refused, succeeded
from hypothesis import given
from hypothesis import strategies as some

SCRIPT = "prepare/tabular/clean/clean.py"
clean = module(SCRIPT, "core_clean")
SIMPLE: dict[str, Any] = {
    "name": "simple",
    "schema": {
        "properties": {
            "n": {"type": ["integer", "null"], "minimum": 0, "maximum": 10},
            "x": {"type": ["number", "null"]},
            "w": {"enum": ["a", "b", None]},
            "k": {"enum": [1, 5, None]},
            "y": {"type": ["number", "null"]},
        }
    },
    "label": "y",
    "features": ["n", "x", "w", "k"],
}
ROWS = "n,x,w,k,y\n1,1.0,a,1,1\n2,,,5,\n4,3.0,b,1,3\n,5.0,b,,99\n"
N = None
MEMBERS = {"w": [*"abbb"], "k": [1, 5, 1, 1]}


# options, the columns that differ from what was read, by their cells
CASES: list[tuple[str, dict[str, Any], dict[str, list[Any]]]] = [
    ("nothing asked", {}, {}),
    ("constants", {"fill": {"x": 0.5, "w": "a", "y": 7}}, {"x": [1, 0.5, 3, 5], "w": [*"aabb"], "y": [1, 7, 3, 99]}),
    ("mean, rounded for whole numbers", {"impute": "mean"}, {"n": [1, 2, 4, 2], "x": [1, 3, 3, 5], **MEMBERS}),
    ("median", {"impute": "median"}, {"n": [1, 2, 4, 2], "x": [1, 3, 3, 5], **MEMBERS}),
    ("the least of equals", {"impute": "most_frequent"}, {"n": [1, 2, 4, 1], "x": [1, 1, 3, 5], **MEMBERS}),
    ("quantiles; whole numbers stay whole", {"clip-quantile": 0.25}, {"n": [1, 2, 3, N], "x": [2, N, 3, 4]}),
    ("Tukey's fences", {"clip-iqr": 0.1}, {"n": [1, 2, 4, N], "x": [1.8, N, 3, 4.2]}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "changed"), CASES)
def test_what_becomes_of_the_cells(
    step: Step, tmp_path: Path, name: str, options: dict[str, Any], changed: dict[str, list[Any]]
) -> None:
    facts = put(tmp_path / "facts.json", SIMPLE)
    (tmp_path / "t").write_text(ROWS, encoding="utf-8")
    given = [x for k, v in options.items() for x in (f"--{k}", v if isinstance(v, str) else json.dumps(v))]
    succeeded(step(SCRIPT, "--table", "t", "--facts", facts, *given, "--cleaned", "out"))
    before, after = (tables.read(tmp_path / file, facts_of.load(facts)) for file in ("t", "out"))
    for column in before.columns:
        cells = [None if c != c or c is None else c for c in after[column].tolist()]
        was = [None if c != c or c is None else c for c in before[column].tolist()]
        expected = changed.get(column, was)
        assert [c is None for c in cells] == [c is None for c in expected], (name, column)
        assert [c for c in cells if c is not None] == [
            pytest.approx(c) if isinstance(c, float) else c for c in expected if c is not None
        ], (name, column)


@pytest.mark.slow
def test_bounds_and_repeated_rows(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", SIMPLE)
    (tmp_path / "t").write_text("n,x,w,k,y,z\n-3,1,a,1,1,p\n0,1,a,1,1,q\n99,1,a,1,1,p\n", encoding="utf-8")
    arguments = ("--table", "t", "--facts", facts, "--clip-bounds", "True", "--drop-duplicates", "True")
    said = succeeded(step(SCRIPT, *arguments, "--drop-columns", '["z"]', "--cleaned", "out"))
    assert said.splitlines() == ["rows = 2", "dropped_rows = 1", "filled_cells = 0", "clipped_cells = 2"]
    kept = pd.read_parquet(tmp_path / "out")
    assert kept["n"].tolist() == [0, 10]
    assert list(kept.columns) == ["n", "x", "w", "k", "y"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--drop-columns", '["x"]'), "which later steps look for"),
        (("--drop-columns", '["q"]'), "no column 'q' to drop"),
        (("--drop-columns", '"x"'), "expected a list of columns"),
        (("--fill", '{"q": 1}'), "no column 'q' to fill"),
        (("--fill", '{"x": "none"}'), "holds numbers"),
        (("--fill", '{"n": 11}'), "breaks maximum 10"),
        (("--fill", "[1]"), "fill is a map"),
        (("--clip-iqr", "1.5", "--clip-quantile", "0.1"), "clipped one way"),
        (("--clip-bounds", "true", "--clip-quantile", "0.1"), "clipped one way"),
        (("--clip-quantile", "0.5"), "clip_quantile must lie above 0 and below 0.5"),
        (("--clip-iqr", "0"), "clip_iqr must lie above 0"),
        (("--impute", "mode"), "invalid choice"),
    ],
)
def test_what_is_refused(step: Step, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    facts = put(tmp_path / "facts.json", SIMPLE)
    (tmp_path / "t").write_text(ROWS, encoding="utf-8")
    assert said in refused(step(SCRIPT, "--table", "t", "--facts", facts, *options, "--cleaned", "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_private_value_is_not_told(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": PRIVATE})
    (tmp_path / "t").write_text("39, 1, Private, 1, true, Male, >50K\n40, 1, Secret, 1, true, Male, >50K\n")
    done = step(SCRIPT, "--table", "t", "--facts", facts, "--cleaned", "out")
    assert "breaks enum in 1 row" in refused(done)
    assert "Secret" not in done.stderr + done.stdout


CELL = some.one_of(some.none(), some.integers(-5, 20).map(float))


@given(table=some.lists(CELL, min_size=2, max_size=12), place=some.integers(0, 11), cell=CELL)
def test_constants_and_bounds_see_one_row_at_a_time(table: list[Any], place: int, cell: Any) -> None:
    place %= len(table)
    other = [*table[:place], cell, *table[place + 1 :]]
    facts = facts_of.parse(SIMPLE)

    def cleaned(cells: list[Any]) -> list[float]:
        frame, _ = clean.with_constants(pd.DataFrame({"n": pd.Series(cells, dtype=float)}), {"n": 3})
        options = clean.argparse.Namespace(clip_bounds=True, clip_iqr=None, clip_quantile=None)
        for name, low, high in clean.limits_of(frame, options, None, facts):
            frame[name] = frame[name].clip(low, high)
        return list(frame["n"])

    assert sum(a != b for a, b in zip(cleaned(table), cleaned(other), strict=True)) <= 1
