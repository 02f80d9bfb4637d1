"""Tables: what reads as what, UCI Adult's two files among them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from common import facts as facts_of
from common import rows, tables
from common.entry import Refusal
from component_steps import PEOPLE, PRIVATE, ROOT

FACTS = facts_of.parse(PEOPLE)
HEADER = "age,hours,work,grade,member,sex,income\n"
WANTED = [
    [39, 40.0, "State-gov", 1, True, "Male", "<=50K"],
    [50, None, None, 2, False, "Female", ">50K"],
]
SAME = {
    "header": HEADER + "39,40,State-gov,1,true,Male,<=50K\n50,,,2,false,Female,>50K\n",
    "no header": "39, 40, State-gov, 1, true, Male, <=50K\n50, ?, ?, 2, false, Female, >50K\n",
    "junk line and full stops": "|1x3 Cross validator\n39, 40, State-gov, 1, True, Male, <=50K.\n"
    "50, ?, ?, 2, False, Female, >50K.\n\n",
    "windows": "\ufeff" + HEADER[:-1] + '\r\n39,40,"State-gov",1,true,Male,<=50K\r\n50,,,2,false,Female,>50K\r\n',
    "semicolons": HEADER.replace(",", ";") + "39;40;State-gov;1;true;Male;<=50K\n50;;;2;false;Female;>50K\n",
    "columns in another order": "income,sex,member,grade,work,hours,age\n<=50K,Male,true,1,State-gov,40,39\n"
    ">50K,Female,false,2,,,50\n",
}  # fmt: skip


def listed(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if pd.isna(cell) else cell for cell in row] for row in frame.astype(object).values.tolist()]


@pytest.mark.parametrize("text", SAME.values(), ids=SAME.keys())
def test_every_spelling_reads_as_the_same_table(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table"  # no suffix: content decides
    path.write_text(text, encoding="utf-8", newline="")
    frame = tables.read(path, FACTS)
    rows.check(frame, FACTS)
    assert list(frame.columns) == list(FACTS.columns)
    assert listed(frame) == WANTED
    assert frame["age"].dtype == np.int64
    tables.write_parquet(frame, tmp_path / "again.csv")  # the suffix lies
    assert listed(tables.read(tmp_path / "again.csv", FACTS)) == WANTED


ADULT = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, "
    "United-States, <=50K{}\n"
    "54, ?, 180211, Some-college, 10, Married-civ-spouse, ?, Husband, Asian-Pac-Islander, Male, 0, 0, 60, South, "
    ">50K{}\n"
    "90, Private, 1490400, 1st-4th, 2, Widowed, Other-service, Unmarried, Black, Female, 99999, 4356, 99, ?, <=50K{}\n"
)


@pytest.mark.parametrize(("before", "after"), [("", ""), ("|1x3 Cross validator\n", ".")], ids=["data", "test"])
def test_files_in_uci_adults_format_follow_the_census_schema(before: str, after: str, tmp_path: Path) -> None:
    import json

    schema = json.loads((ROOT / "pipelines/data/census.schema.json").read_text())
    facts = facts_of.parse({"name": "adult", "schema": schema, "label": "income", "sensitive": ["sex", "race"]})
    path = tmp_path / "adult"
    path.write_text(before + ADULT.format(after, after, after) + "\n", encoding="utf-8")
    frame = tables.read(path, facts)
    rows.check(frame, facts)
    assert frame["income"].tolist() == ["<=50K", ">50K", "<=50K"]
    assert frame["workclass"].tolist() == ["State-gov", None, "Private"]
    assert frame["native-country"].tolist() == ["United-States", "South", None]
    assert frame["fnlwgt"].tolist() == [77516, 180211, 1490400]


ROW = "39,40,Private,1,true,Male,<=50K"
REFUSED = {
    "empty": (b"", "is empty"),
    "header alone": (HEADER.encode(), "has no rows"),
    "junk line alone": (b"|1x3 Cross validator\n", "is empty"),
    "binary": (b"\x7fELF\x00\x00", "neither CSV nor Parquet"),
    "broken parquet": (b"PAR1 and no more", "begins like Parquet"),
    "latin-1": ("age\n\xe9".encode("latin-1"), "not UTF-8"),
    "too few columns": (b"39, 40, Private\n", "3 columns and no header; the schema has 7"),
    "ragged": ((HEADER + ROW + ",8,9\n").encode(), "9 cells in row 1, its other rows have 7"),
    "short row": ((HEADER + ROW + "\n39,40\n").encode(), "2 cells in row 2"),
    "field too long": (HEADER.encode() + b"x" * 200_000 + b"\n", "not well-formed CSV in line 2"),
    "misspelt column": ((HEADER.replace("sex", "sexe") + ROW).encode(), "lacks the column 'sex'"),
    "column twice": ((HEADER.replace("sex", "age") + ROW).encode(), "more than one column"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_table_of_the_schema_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(content)
    with pytest.raises(Refusal) as told:
        tables.read(path, FACTS)
    assert reason in str(told.value)


def test_a_missing_file_and_a_headerless_one_without_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="No such file"):
        tables.read(tmp_path / "absent", FACTS)
    (tmp_path / "bare").write_text("1, 2\n3, 4\n")
    with pytest.raises(Refusal, match="no header row"):
        tables.read(tmp_path / "bare")


def test_numbers_are_guessed_only_where_no_schema_is_known(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a,b\n1,x\n?,2\n")
    frame = tables.read(tmp_path / "t")
    assert listed(frame) == [[1.0, "x"], [None, "2"]]


def test_the_full_stop_is_cut_from_labels_alone_and_only_where_the_vocabulary_lacks_it(tmp_path: Path) -> None:
    facts = facts_of.parse(
        {"name": "t", "schema": {"properties": {"a": {"enum": ["x"]}, "y": {"enum": ["n", "n.", "m"]}}}, "label": "y"}
    )
    (tmp_path / "t").write_text("a,y\nx.,n.\nx,m.\n")
    frame = tables.read(tmp_path / "t", facts)
    assert frame["y"].tolist() == ["n.", "m"]
    with pytest.raises(Refusal, match="'a' breaks enum"):
        rows.check(frame, facts)


def test_values_of_private_rows_are_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(HEADER + "39,40,Private,1,true,Male,<=50K\n17,many-secret-hours,Private,1,true,Male,<=50K\n")
    with pytest.raises(Refusal, match=r"'hours' breaks type .* in 1 row, first in row 2: 'many-secret-hours'"):
        rows.check(tables.read(path, FACTS), FACTS)
    private = facts_of.parse({**PEOPLE, "private": PRIVATE})
    with pytest.raises(Refusal, match=r"'hours' breaks type .* in 1 row;") as told:
        rows.check(tables.read(path, private), private)
    assert "secret" not in str(told.value)
