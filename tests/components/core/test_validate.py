"""The validation step: what it keeps, what it reports, and that batches and formats do not matter."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from common import facts as facts_of
from common import tables
from component_steps import PEOPLE, PRIVATE, Step, put, refused, succeeded

SCRIPT = "prepare/tabular/validate/validate.py"
OUTPUTS = ("--valid", "valid", "--report", "report")
ROWS = """\
|a comment, as the UCI repository's test files have one

39, 40.5, Private, 1, true, Male, >50K.
16, ?, ?, 2, false, Female, <=50K
50, 101, Self, 3, true, Female, <=50K
61, , State-gov, 3, yes, Female, <=50K
"""
WRONG = [
    ("2", "age", "minimum 17", "16"),
    ("3", "hours", "maximum 100", "101.0"),
    ("3", "work", "enum", "Self"),
    ("4", "member", "type boolean", "yes"),
]
pytestmark = pytest.mark.slow


def listed(folder: Path) -> list[tuple[str, ...]]:
    with (folder / "report/rows.csv").open(encoding="utf-8", newline="") as stream:
        return [tuple(line) for line in csv.reader(stream)]


@pytest.mark.parametrize("batch", [1, 2, 3, 65536])
def test_offending_rows_are_dropped_and_told(step: Step, tmp_path: Path, batch: int) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    (tmp_path / "people").write_text(ROWS, encoding="utf-8")
    given = ("--table", "people", "--facts", facts, "--batch-rows", batch)
    said = succeeded(step(SCRIPT, *given, "--on-violation", "drop", *OUTPUTS))
    assert said.splitlines() == ["rows = 4", "valid_rows = 1", "invalid_rows = 3"]
    kept = tables.read(tmp_path / "valid", facts_of.load(facts))
    assert kept.to_dict("records") == [
        dict(zip(PEOPLE["schema"]["properties"], (39, 40.5, "Private", 1, True, "Male", ">50K"), strict=True))
    ]
    head, *lines = listed(tmp_path)
    assert head == ("row", "column", "rule", "value")
    assert lines == WRONG
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert (report["rows"], report["valid"]) == (4, 1)
    assert {(v["column"], v["rule"], v["rows"]) for v in report["violations"]} == {(c, r, 1) for _, c, r, _ in WRONG}


def test_a_failure_leaves_the_report_alone(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    (tmp_path / "people").write_text(ROWS, encoding="utf-8")
    said = refused(step(SCRIPT, "--table", "people", "--facts", facts, *OUTPUTS))
    assert said.startswith("3 of 4 rows of 'people' do not follow its schema, most often column ")
    assert {path.name for path in tmp_path.iterdir()} == {"facts.json", "people", "report"}
    assert listed(tmp_path)[1:] == WRONG


def test_no_value_of_private_rows_is_told(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": PRIVATE})
    (tmp_path / "people").write_text(ROWS, encoding="utf-8")
    done = step(SCRIPT, "--table", "people", "--facts", facts, *OUTPUTS)
    refused(done)
    assert listed(tmp_path) == [("row", "column", "rule"), *(line[:3] for line in WRONG)]
    told = done.stdout + done.stderr + "".join(p.read_text() for p in (tmp_path / "report").iterdir())
    assert not any(value in told for value in ("Self", "101", "yes"))


def test_parquet_keeps_its_own_types(step: Step, tmp_path: Path) -> None:
    document = {"name": "ages", "schema": {"properties": {"age": {"type": "integer", "maximum": 9}}}}
    facts = put(tmp_path / "facts.json", document)
    frame = pd.DataFrame({"age": pd.array([1, 10, 3], "int8"), "at": pd.to_datetime(["2024-01-01"] * 3)})
    frame.to_parquet(tmp_path / "people", index=False)
    succeeded(step(SCRIPT, "--table", "people", "--facts", facts, "--on-violation", "drop", *OUTPUTS))
    kept = pd.read_parquet(tmp_path / "valid")
    pd.testing.assert_frame_equal(kept, frame[frame["age"] < 9].reset_index(drop=True))


@pytest.mark.parametrize(
    ("document", "rows", "more", "said"),
    [
        ({**PEOPLE, "schema": None, "label": None, "sensitive": []}, ROWS, (), "nothing to check against"),
        (PEOPLE, "", (), "is empty"),
        (PEOPLE, "age,sex\n1,2\n", (), "lacks the column"),
        (PEOPLE, "1,2,3,4,5,6,7\n1,2\n", (), "2 cells in row 2"),
        (PEOPLE, "1, 2, 3, 4, 5, 6, 7\n", ("--on-violation", "drop"), "none of the 1 rows"),
        (PEOPLE, ROWS, ("--batch-rows", "0"), "batch_rows must be at least 1"),
        (PEOPLE, "a\0b", (), "neither CSV nor Parquet"),
        (PEOPLE, "PAR1", (), "begins like Parquet"),
    ],
)
def test_what_is_no_table_of_the_schema(
    step: Step, tmp_path: Path, document: Any, rows: str, more: tuple[str, ...], said: str
) -> None:
    facts = put(tmp_path / "facts.json", document)
    (tmp_path / "people").write_text(rows, encoding="utf-8")
    assert said in refused(step(SCRIPT, "--table", "people", "--facts", facts, *more, *OUTPUTS))
    assert not (tmp_path / "valid").exists()
