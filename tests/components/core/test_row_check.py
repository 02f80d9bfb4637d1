"""The row check says what jsonschema says, cell for cell."""

from typing import Any

import jsonschema
import pandas as pd
import pytest
from common import facts as facts_of
from common import rows
from common.entry import Refusal
from hypothesis import given
from hypothesis import strategies as some

CELLS = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-5, 5),
    some.sampled_from([0.5, 1.0, -2.0, 2.5]),
    some.sampled_from(["", "a", "abc", "1", "b-b"]),
)
NUMBERS = some.one_of(some.integers(-4, 4), some.sampled_from([0.5, 2.5]))
TYPES = some.lists(some.sampled_from(["null", "boolean", "integer", "number", "string"]), min_size=1, unique=True)
RULES = some.fixed_dictionaries(
    {},
    optional={
        "type": some.one_of(TYPES, some.sampled_from(["integer", "number", "string"])),
        "enum": some.lists(CELLS, min_size=1, max_size=4),
        "const": CELLS,
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "multipleOf": some.sampled_from([1, 2, 0.5]),
        "minLength": some.integers(0, 3),
        "maxLength": some.integers(0, 3),
        "pattern": some.sampled_from(["a", "^b", "[0-9]"]),
        "title": some.just("says nothing"),
    },
)
NUMERIC_CELLS = some.one_of(some.none(), NUMBERS)


def facts_with(rules: dict[str, Any]) -> facts_of.Facts:
    document = {"name": "t", "schema": {"properties": {"x": {}}}}
    column = facts_of.Column("x", facts_of.Kind.MIXED, True, None, None, None, rules)
    return facts_of.parse(document)._replace(columns={"x": column})


def by_jsonschema(cells: list[Any], rules: dict[str, Any]) -> dict[str, int]:
    """How many cells break each rule; a cell in an enum twice is no error, as in JSON Schema itself."""
    validator = jsonschema.Draft202012Validator
    return {
        keyword: count
        for keyword, expected in rules.items()
        if (count := sum(not validator({keyword: expected}).is_valid(cell) for cell in cells))
    }


@given(cells=some.lists(CELLS, min_size=1, max_size=8), rules=RULES)
def test_cells_of_any_kind(cells: list[Any], rules: dict[str, Any]) -> None:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object)})
    found = {v.rule.split()[0]: v.cells for v in rows.violations(frame, facts_with(rules))}
    assert found == by_jsonschema(cells, rules)


@given(cells=some.lists(NUMERIC_CELLS, min_size=1, max_size=8), rules=RULES)
def test_columns_of_numbers(cells: list[Any], rules: dict[str, Any]) -> None:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=float)})
    found = {v.rule.split()[0]: v.cells for v in rows.violations(frame, facts_with(rules))}
    assert found == by_jsonschema(cells, rules)


def test_columns_that_are_required_or_unknown() -> None:
    schema = {"properties": {"x": {}, "z": {}}, "required": ["x", "z"], "additionalProperties": False}
    facts = facts_of.parse({"name": "t", "schema": schema})
    found = rows.violations(pd.DataFrame({"x": [1, 2], "y": [1, 2]}), facts)
    assert [(v.column, v.rule, v.cells) for v in found] == [("z", "required", 2), ("y", "additionalProperties", 2)]


def test_a_keyword_that_is_not_checked_is_refused_not_ignored() -> None:
    facts = facts_of.parse({"name": "t", "schema": {"properties": {"x": {"anyOf": [{"type": "integer"}]}}}})
    with pytest.raises(Refusal, match="keyword 'anyOf'; supported are type, enum"):
        rows.check(pd.DataFrame({"x": [1]}), facts)


def test_the_message_names_column_rule_count_and_first_row() -> None:
    facts = facts_of.parse({"name": "t", "schema": {"properties": {"x": {"type": "integer", "maximum": 3}}}})
    with pytest.raises(Refusal, match=r"column 'x' breaks maximum 3 in 2 rows, first in row 2: 4"):
        rows.check(pd.DataFrame({"x": [3, 4, 5]}), facts)
