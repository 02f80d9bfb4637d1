"""The YAML writer: what it writes is read back as the same data by PyYAML, whatever the data."""

import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mlp_lang.lowering.emit import Commented, emit

TEXT = st.text() | st.sampled_from(["yes", "1e-5", "a: b", "- x", "# no", "${{parent.inputs.x}}", "a\nb\n", " ", "é"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


def same(a: object, b: object) -> bool:
    """Equal, types too (YAML must not turn 1 into 1.0 or true)."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=600, deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_any_data_comes_back(data: dict[str, object]) -> None:
    text = emit(data)
    assert same(yaml.safe_load(text), data), text
    text.encode("ascii", "backslashreplace")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab #:-|>'\"\\\t\n\r&*!%@`{}[],?", max_size=160))
def test_text_of_marks_and_blanks_comes_back(text: str) -> None:
    data = {"x": text, "list": [text, [text]], text: 1}
    assert same(yaml.safe_load(emit(data)), data)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="abc-$#{}", min_size=1, max_size=30), min_size=1, max_size=60))
def test_long_commands_are_folded_and_come_back(words: list[str]) -> None:
    command = " ".join(words)
    text = emit({"command": command})
    assert yaml.safe_load(text) == {"command": command}
    assert all(len(line) <= 125 for line in text.splitlines())


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_a_comment_stays_a_comment(comment: str) -> None:
    assert yaml.safe_load(emit({"a": Commented(1, comment), "b": [Commented({"c": 2}, comment)]}, comment)) == {
        "a": 1,
        "b": [{"c": 2}],
    }


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain", "x: plain"),
        ("./components/a/component.yml", "x: ./components/a/component.yml"),
        ("${{parent.inputs.a}}", "x: ${{parent.inputs.a}}"),
        ("yes", 'x: "yes"'),
        ("No", 'x: "No"'),
        ("on", 'x: "on"'),
        ("OFF", 'x: "OFF"'),
        ("y", 'x: "y"'),
        ("~", 'x: "~"'),
        ("null", 'x: "null"'),
        ("1e-5", 'x: "1e-5"'),
        ("0o17", 'x: "0o17"'),
        ("017", 'x: "017"'),
        ("0x1F", 'x: "0x1F"'),
        ("1_000", 'x: "1_000"'),
        ("12:30:45", 'x: "12:30:45"'),
        ("2024-01-31", 'x: "2024-01-31"'),
        (".inf", 'x: ".inf"'),
        ("=", 'x: "="'),
        ("<<", 'x: "<<"'),
        ("", 'x: ""'),
        ("a: b", 'x: "a: b"'),
        ("a #b", 'x: "a #b"'),
        ("<=50K", 'x: "<=50K"'),
        (True, "x: true"),
        (None, "x: null"),
        (3, "x: 3"),
        (0.1, "x: 0.1"),
        (1e-05, "x: 1.0e-05"),
        (1e22, "x: 1.0e+22"),
        (1.5e-7, "x: 1.5e-07"),
        (math.inf, "x: .inf"),
        (-math.inf, "x: -.inf"),
        ([], "x: []"),
        ({}, "x: {}"),
    ],
)
def test_spelling(value: object, line: str) -> None:
    text = emit({"x": value})
    assert text == line + "\n"
    assert same(yaml.safe_load(text), {"x": value})


def test_blocks() -> None:
    assert emit({"a": "one\ntwo\n", "b": [{"c": 1, "d": [[2]]}]}, "From here.") == (
        "# From here.\na: |\n  one\n  two\nb:\n  - c: 1\n    d:\n      - - 2\n"
    )
