"""How a literal is spelled for Azure ML, on a command line and in YAML."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlp_lang.compiler.graph import Parameter, Value
from mlp_lang.lowering.values import azure_text, yaml_value


@pytest.mark.parametrize(
    ("azure_type", "encoding", "value", "text", "in_yaml"),
    [
        ("boolean", "plain", True, "True", True),
        ("boolean", "plain", False, "False", False),
        ("integer", "plain", 7, "7", 7),
        ("number", "plain", 0.1, "0.1", 0.1),
        ("number", "plain", 1e-08, "1e-08", 1e-08),
        ("number", "plain", 2, "2", 2),
        ("string", "plain", "yes", "yes", "yes"),
        ("string", "plain", 5, "5", "5"),
        ("string", "plain", True, "True", "True"),
        ("string", "json", None, "null", "null"),
        ("string", "json", 5, "5", "5"),
        ("string", "json", True, "true", "true"),
        ("string", "json", "sqrt", '"sqrt"', '"sqrt"'),
        ("string", "json", [0.5, "é", None], '[0.5, "é", null]', '[0.5, "é", null]'),
        ("string", "json", "it's", '"it\\u0027s"', '"it\\u0027s"'),
        ("string", "json", {"b": 1, "a": 2}, '{"b": 1, "a": 2}', '{"b": 1, "a": 2}'),
    ],
)
def test_spelling(azure_type: str, encoding: str, value: Value, text: str, in_yaml: Value) -> None:
    parameter = Parameter("p", "any", azure_type, encoding=encoding)
    assert azure_text(value, parameter) == text
    spelled = yaml_value(value, parameter)
    assert (type(spelled), spelled) == (type(in_yaml), in_yaml)


@given(st.floats(allow_nan=False))
def test_numbers_lose_nothing(number: float) -> None:
    assert float(azure_text(number, Parameter("p", "float", "number"))) == number


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_json_inputs_come_back(value: Value) -> None:
    assert json.loads(azure_text(value, Parameter("p", "any", "string", encoding="json"))) == value
