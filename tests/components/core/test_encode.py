"""The encoding step: what each kind of column becomes, that its schema holds, and that rows do not see each other."""

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from component_steps import PEOPLE, PRIVATE, Step, put, refused, succeeded

SCRIPT = "prepare/tabular/encode/encode.py"
OUTPUTS = ("--encoded", "out", "--schema", "schema.json")
ROWS = "17, 100, Private, 1, true, Male, >50K\n90, ?, ?, 3, false, Female, <=50K\n"
NONE = None
HOT = {
    "work=State-gov": [0, 0],
    "work=Private": [1, 0],
    "grade=1": [1, 0],
    "grade=2": [0, 0],
    "grade=3": [0, 1],
}
REST: dict[str, list[Any]] = {"member": [1, 0], "sex": ["Male", "Female"], "income": [">50K", "<=50K"]}
CASES: list[tuple[tuple[str, ...], dict[str, list[Any]]]] = [
    ((), {"age": [0, 1], "hours": [1, NONE], **HOT, **REST}),
    (("--numbers", "symmetric"), {"age": [-1, 1], "hours": [1, NONE], **HOT, **REST}),
    (("--numbers", "standard"), {"age": [-math.sqrt(3), math.sqrt(3)], "hours": [math.sqrt(3), NONE], **HOT, **REST}),
    (
        ("--categories", "ordinal", "--numbers", "keep"),
        {"age": [17, 90], "hours": [100, NONE], "work": [1, NONE], "grade": [0, 2], **REST},
    ),
    (
        ("--ordinal", '["grade"]'),
        {"age": [0, 1], "hours": [1, NONE], **{k: v for k, v in HOT.items() if "work" in k}, "grade": [0, 2], **REST},
    ),
]
pytestmark = pytest.mark.slow


def cells(path: Path) -> dict[str, list[Any]]:
    frame = pd.read_parquet(path)
    return {str(n): [None if c is None or c != c else c for c in frame[n].tolist()] for n in frame.columns}


@pytest.mark.parametrize(("options", "expected"), CASES)
def test_what_becomes_of_the_columns(
    step: Step, tmp_path: Path, options: tuple[str, ...], expected: dict[str, list[Any]]
) -> None:
    facts = put(tmp_path / "facts.json", {**PEOPLE, "private": PRIVATE})
    (tmp_path / "t").write_text(ROWS, encoding="utf-8")
    succeeded(step(SCRIPT, "--table", "t", "--facts", facts, *options, *OUTPUTS))
    found = cells(tmp_path / "out")
    assert list(found) == list(expected)
    for name, wanted in expected.items():
        assert found[name] == [pytest.approx(c) if isinstance(c, float) else c for c in wanted], name
    schema = json.loads((tmp_path / "schema.json").read_text())
    for row in zip(*found.values(), strict=True):
        jsonschema.validate(dict(zip(found, row, strict=True)), schema)


def test_a_row_is_encoded_alike_in_every_company(step: Step, tmp_path: Path) -> None:
    facts = put(tmp_path / "facts.json", PEOPLE)
    first, second = ROWS.splitlines()
    alone = {}
    for name, text in (("both", ROWS), ("first", first), ("second", second)):
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
        succeeded(
            step(SCRIPT, "--table", name, "--facts", facts, "--encoded", f"{name}.out", "--schema", f"{name}.json")
        )
        alone[name] = cells(tmp_path / f"{name}.out")
    assert alone["both"] == {k: v + alone["second"][k] for k, v in alone["first"].items()}
    assert (tmp_path / "both.json").read_text() == (tmp_path / "first.json").read_text()


def changed(column: str, rules: Any) -> dict[str, Any]:
    schema = PEOPLE["schema"]
    return {**PEOPLE, "schema": {**schema, "properties": {**schema["properties"], column: rules}}}


@pytest.mark.parametrize(
    ("document", "options", "said"),
    [
        ({**PEOPLE, "schema": None, "label": None, "sensitive": []}, (), "give the data a `schema`"),
        (changed("age", {"type": "integer"}), (), "has no `minimum` and `maximum`"),
        (changed("work", {"type": ["string", "null"]}), (), "text without a vocabulary"),
        (PEOPLE, ("--ordinal", '["age"]'), "no feature with a vocabulary"),
        (PEOPLE, ("--ordinal", '["sex"]'), "no feature with a vocabulary"),
        (PEOPLE, ("--numbers", "quantile"), "invalid choice"),
        (changed("age", {"type": "integer", "minimum": 18}), (), "breaks minimum 18"),
    ],
)
def test_what_is_refused(step: Step, tmp_path: Path, document: Any, options: tuple[str, ...], said: str) -> None:
    facts = put(tmp_path / "facts.json", document)
    rows = "a,b\n1,2\n" if document["schema"] is None else ROWS
    (tmp_path / "t").write_text(rows, encoding="utf-8")
    assert said in refused(step(SCRIPT, "--table", "t", "--facts", facts, *options, *OUTPUTS))
    assert not (tmp_path / "out").exists()
