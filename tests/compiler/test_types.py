"""Types: one spelling each, which constants they admit, and which run-time values flow into which."""

from typing import Any

import pytest
from mlp_lang.compiler.fit import kind_of, misfit, mismatch
from mlp_lang.compiler.graph import Value
from mlp_lang.compiler.interface import BadInterface, azure_type
from mlp_lang.compiler.typenames import type_of
from mlp_lang.compiler.types import azure_scalar, bounds, canonical

SPELLINGS = [
    ("float", "float"),
    ("float(0..1)", "float(0..1)"),
    ("float(>0..<1)", "float(>0..<1)"),
    ("int(1..)", "int(1..)"),
    ("float(..0.5)", "float(..0.5)"),
    ("int(-3..3)", "int(-3..3)"),
    ("duration(1h..2h)", "duration(3600..7200)"),
    ('enum("a", "b")', 'enum("a", "b")'),
    ("enum(1, 2)", "enum(1, 2)"),
    ("list[int(0..)]", "list[int(0..)]"),
    ("map[list[float]]", "map[list[float]]"),
    ("int?", "int | none"),
    ("int | int", "int"),
    ("float? | int", "float | none | int"),
    ("model[sklearn]", "model[sklearn]"),
    ("table | mltable", "table | mltable"),
    ("like table", "like table"),
    ("int(0..) | none", "int(0..) | none"),
]


@pytest.mark.parametrize(("text", "canon"), SPELLINGS)
def test_one_spelling(text: str, canon: str) -> None:
    assert canonical(type_of(text)) == canon


CONSTANTS: list[tuple[Value, str, str, str | None]] = [
    (1, "int", "int", None),
    (1, "int", "float", None),
    (1.0, "float", "int", "MLP0204"),
    (True, "bool", "int", "MLP0204"),
    (1, "int", "bool", "MLP0204"),
    ("x", "string", "string", None),
    (None, "none", "string", "MLP0204"),
    (None, "none", "string | none", None),
    (0.5, "float", "float(0..1)", None),
    (0, "int", "float(>0..)", "MLP0205"),
    (1, "int", "float(>0..<1)", "MLP0205"),
    (1, "int", "int(..1)", None),
    (7200, "duration", "duration", None),
    (7200, "int", "duration", "MLP0204"),
    (7200, "duration", "int", "MLP0204"),
    ("a", "string", 'enum("a", "b")', None),
    ("c", "string", 'enum("a", "b")', "MLP0206"),
    (1, "int", 'enum("a", "b")', "MLP0204"),
    (3, "int", "enum(1, 2)", "MLP0206"),
    (1.5, "float", 'int | float(0..1) | enum("auto")', "MLP0205"),
    ("atuo", "string", 'float(0..1) | enum("auto")', "MLP0206"),
    ([1, 2], "list", "list[int]", None),
    ([1, "2"], "list", "list[int]", "MLP0204"),
    ({"a": 1}, "map", "map[int]", None),
    ({"a": "b"}, "map", "map[int]", "MLP0204"),
    ([1, "2", None], "list", "any", None),
    ("x", "string", "table", "MLP0204"),
]


@pytest.mark.parametrize(("value", "kind", "target", "code"), CONSTANTS)
def test_constants_in_types(value: Value, kind: str, target: str, code: str | None) -> None:
    problem = misfit(value, kind, type_of(target))
    assert (problem.code if problem else None) == code
    assert kind_of(value) == kind or kind == "duration"


FLOWS: list[tuple[str, str, str | None]] = [
    ("int", "float", None),
    ("float", "int", "MLP0204"),
    ("float(0..1)", "float(0..2)", None),
    ("float(0..2)", "float(0..1)", "MLP0205"),
    ("float(0..1)", "float(>0..1)", "MLP0205"),
    ("float(>0..1)", "float(>0..1)", None),
    ("float", "float(0..1)", None),  # a run-time value claims nothing: the step judges
    ("int(0..3)", "float(0..3)", None),
    ('enum("a")', 'enum("a", "b")', None),
    ('enum("a", "c")', 'enum("a", "b")', "MLP0206"),
    ('enum("a")', "string", None),
    ("string", 'enum("a")', "MLP0204"),
    ("int", 'int | enum("auto")', None),
    ("int | none", "int", "MLP0204"),
    ("int | none", "int | string | none", None),
    ("list[int]", "list[float]", None),
    ("list[string]", "list[float]", "MLP0204"),
    ("bool", "int", "MLP0204"),
    ("table", "table", None),
    ("table", "file", None),
    ("table", "uri_file", None),
    ("file", "table", None),
    ("table", "metrics", "MLP0204"),
    ("file", "folder", "MLP0207"),
    ("folder", "file", "MLP0207"),
    ("images", "folder", None),
    ("model[sklearn]", "model", None),
    ("model", "folder", None),
    ("folder", "model", "MLP0207"),
    ("mltable", "folder", None),
    ("mlflow_model", "custom_model", "MLP0204"),
    ("model", "table", "MLP0204"),
    ("table", "string", "MLP0204"),
    ("string", "table", "MLP0204"),
]


@pytest.mark.parametrize(("source", "target", "code"), FLOWS)
def test_flows_between_types(source: str, target: str, code: str | None) -> None:
    problem = mismatch(type_of(source), type_of(target))
    assert (problem.code if problem else None) == code


@pytest.mark.parametrize(
    ("text", "azure", "low_high"),
    [
        ("float(0..1)", ("number", "plain"), (0, 1)),
        ("int(>0..<10)", ("integer", "plain"), (1, 9)),
        ("float(>0..)", ("number", "plain"), (0, None)),
        ("bool", ("boolean", "plain"), (None, None)),
        ("duration", ("integer", "plain"), (None, None)),
        ('enum("a", "b")', ("string", "plain"), (None, None)),
        ("enum(1, 2)", ("integer", "plain"), (None, None)),
        ('enum("a", 2)', ("string", "json"), (None, None)),
        ("int | none", ("string", "json"), (None, None)),
        ("list[int]", ("string", "json"), (None, None)),
    ],
)
def test_azure_mls_words_for_a_type(text: str, azure: tuple[str, str], low_high: tuple[object, object]) -> None:
    assert azure_scalar(type_of(text)) == azure
    assert bounds(type_of(text)) == low_high


# the ends of a range in Azure ML's YAML, the type; None where they are no numbers
ENDS = [
    ({"type": "number", "min": 0.1, "max": 0.9}, "float(0.1..0.9)"),
    ({"type": "number", "min": "0.1", "max": "0.9"}, "float(0.1..0.9)"),
    ({"type": "integer", "min": "-1", "max": 9}, "int(-1..9)"),
    ({"type": "integer", "max": " 9 "}, "int(..9)"),
    ({"type": "number", "min": "1e-3"}, "float(0.001..)"),
    ({"type": "number", "min": "low"}, None),
    ({"type": "number", "min": "nan"}, None),
    ({"type": "number", "min": True}, None),
    ({"type": "number", "min": [1]}, None),
]


@pytest.mark.parametrize(("raw", "expected"), ENDS)
def test_a_range_in_yaml_has_numbers_or_texts_of_numbers(raw: dict[str, Any], expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadInterface, match="numbers"):
            azure_type(raw)
    else:
        assert canonical(azure_type(raw)) == expected
