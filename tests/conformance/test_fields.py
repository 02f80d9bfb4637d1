"""The project's own corpus: as azure-ai-ml's schemas have it, loaded by it, and how much of it comes back.

azure-ai-ml decides on preview nodes when it is imported, so the tool runs in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.cover import covered, fits
from conformance.schema import Field, rows
from conformance.values import LEFT_OUT

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "conformance" / "fields"
EXPECTED = ROOT / "conformance" / "expected.json"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "python"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_table_and_corpus_are_as_generated_and_cover_every_row() -> None:
    done = _run("conformance.generate", "--check")
    assert (done.stdout, done.returncode) == ("", 0), f"run `make fields`\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    done = _run("conformance", "conformance/fields", "--format", "json")
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.slow
def test_azure_ai_ml_loads_every_file(measured: dict[str, Any]) -> None:
    loaded = {entry["path"] for entry in measured["rows"]}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in CORPUS.rglob("*.yml")
        if "$schema" in yaml.safe_load(path.read_text(encoding="utf-8"))
    }
    assert wanted <= loaded, sorted(wanted - loaded)
    assert len(wanted) > 150


@pytest.mark.slow
def test_what_comes_back_the_same_is_what_is_expected_to(measured: dict[str, Any]) -> None:
    """`python -m conformance --record` writes the list; once it has every row, nothing may fall out of it."""
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))["passing"]
    assert sorted(entry["path"] for entry in measured["rows"] if entry["passed"]) == expected


def test_every_reason_to_leave_a_row_out_says_something() -> None:
    assert all(reason and len(reason) > 10 for _, reason in LEFT_OUT)


STRING = Field("string")
KINDS = Field(
    "union",
    variants=(
        ("command", Field("mapping", children=(("type", Field("enum", ("command",))), ("code", STRING)))),
        (
            "spark",
            Field("mapping", children=(("type", Field("enum", ("spark",))), ("entry", Field("string", (), True)))),
        ),
        ("asset", Field("asset")),
        ("string", STRING),
        ("list", Field("list", item=Field("integer"))),
    ),
)
# a value, the rows that it exercises under `a`
COVERED = [
    ({"type": "command", "code": "x"}, ["a", "a<command>", "a<command>.type", "a<command>.code"]),
    ({"type": "spark", "entry": "x"}, ["a", "a<spark>", "a<spark>.type", "a<spark>.entry"]),
    ({"type": "spark"}, ["a"]),  # what is required is not there: no form fits
    ({"other": 1}, ["a"]),
    ("azureml:x:1", ["a", "a<asset>", "a<string>"]),
    ("x", ["a", "a<string>"]),
    ([1, 2], ["a", "a<list>", "a<list>[]", "a<list>[]"]),
]


@pytest.mark.parametrize(("value", "paths"), COVERED)
def test_a_value_covers_the_rows_of_the_forms_it_can_be(value: Any, paths: list[str]) -> None:
    assert list(covered(value, KINDS, "a")) == paths


def test_rows_name_keys_items_and_forms() -> None:
    assert [row.path for row in rows(KINDS, "a")] == [
        "a",
        "a<command>",
        "a<command>.type",
        "a<command>.code",
        "a<spark>",
        "a<spark>.type",
        "a<spark>.entry",
        "a<asset>",
        "a<string>",
        "a<list>",
        "a<list>[]",
    ]


@pytest.mark.parametrize(
    ("value", "kind", "fitting"),
    [
        (1, "integer", True),
        (True, "integer", False),
        (1, "number", False),
        (0.5, "number", True),
        ("git+https://x", "git", True),
        ("https://x", "url", True),
        ("azureml://registries/r/components/c/versions/1", "registry", True),
        ("azureml://registries/r/components/c/versions/1", "asset", False),
        ("./x", "path", True),
        ("azureml:x:1", "path", False),
    ],
)
def test_a_form_is_told_by_its_spelling(value: Any, kind: str, fitting: bool) -> None:
    assert fits(value, Field(kind)) == fitting
