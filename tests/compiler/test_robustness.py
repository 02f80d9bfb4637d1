"""No program makes the compiler raise: whatever is cut out of one, or put into it, comes back as diagnostics."""

# ruff: noqa: E501 - programs of one line a case

import re
from pathlib import Path

import pytest
from compiling import FILES, PEOPLE, PRIVATE, RELEASED, TRAINED, Bench, pipeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlp_lang.compiler import check_file, compile_file
from mlp_lang.dsl.diagnostics import Severity

TOKEN = re.compile(r'"[^"\n]*"|\w+|\s+|.')
EVERYTHING = TOKEN.findall((FILES / "everything.mlp").read_text("utf-8"))
PRIVACY = TOKEN.findall(pipeline(PRIVATE, TRAINED, RELEASED, "  output o = released\n"))
WORDS = sorted(
    {t for t in EVERYTHING + PRIVACY if t.strip()} | {"[*]", "none", "true", "1", '"x"', "-1", "0.5", "${x}"}
)


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    tokens = list(draw(st.sampled_from([EVERYTHING, PRIVACY])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(tokens) - 1))
        change = draw(st.sampled_from(["cut", "put", "swap"]))
        if change == "cut":
            del tokens[at]
        elif change == "put":
            tokens.insert(at, draw(st.sampled_from(WORDS)))
        else:
            tokens[at] = draw(st.sampled_from(WORDS))
    return "".join(tokens)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=spoiled())
def test_spoiled_programs_give_diagnostics(bench: Bench, text: str) -> None:
    path = bench.write(text)
    found = check_file(path)
    result = compile_file(path)
    errors = [d for d in found if d.severity is Severity.ERROR]
    assert bool(result.graphs) <= (not [d for d in result.diagnostics if d.severity is Severity.ERROR])
    for finding in (*found, *result.diagnostics):
        source = finding.span.source
        assert 0 <= finding.span.start <= finding.span.end <= len(source.text)
        assert finding.message and "\n" not in finding.message
    if not errors and result.graphs:
        assert all(n.component.command for g in result.graphs for n in g.nodes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(yaml=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["type", "command", "inputs", "outputs", "mlp", "verbs", "releases", "of", "facts", "environment", "name", "a"]), x, max_size=4), max_leaves=12))  # fmt: skip
def test_any_component_file_gives_diagnostics(bench: Bench, yaml: object) -> None:
    import yaml as library

    document = yaml
    if isinstance(document, dict):
        document = {"type": "command", "command": "x", "name": "x", "environment": "e", **document}
    (bench.folder / "c.yml").write_text(library.safe_dump(document), encoding="utf-8")
    path = bench.write(pipeline(PEOPLE, "  step s using c {\n    a = people\n  }\n", before='use "c.yml" as c\n'))
    assert all(d.code.startswith("MLP0") for d in check_file(path))
    compile_file(path)


@pytest.mark.parametrize(
    "schema",
    ["", "{", "[]", "{}", '{"properties": []}', '{"properties": {"a": 1}}', '{"properties": {}}', "null", '"x"'],
)
def test_any_schema_file_gives_diagnostics(bench: Bench, schema: str) -> None:
    (bench.folder / "people.schema.json").write_text(schema)
    stage = "  prepare s using tabular.split {\n    table = people\n  }\n  output o = s.train\n"
    assert {c for c, _ in bench.errors(pipeline(PRIVATE, stage))} == {"MLP0604"}


@pytest.mark.parametrize("name", ["a/../../nothing", "\x00", "~", "a" * 5000, "people.csv/x", "", "."])
def test_any_path_gives_diagnostics(bench: Bench, name: str) -> None:
    text = pipeline(PEOPLE.replace("people.csv", name), "  prepare s using tabular.split {\n    table = people\n  }\n")
    assert {"MLP0603", "MLP0002"} & {d.code for d in bench.check(text)}


@pytest.mark.parametrize("name", ["https://x/y.csv", "azureml:a:1", "azureml://datastores/d/paths/p.csv"])
def test_what_lies_elsewhere_is_not_looked_for(bench: Bench, name: str) -> None:
    text = pipeline(PEOPLE.replace("people.csv", name), "  prepare s using tabular.split {\n    table = people\n  }\n")
    assert bench.errors(text) == []


def test_long_chains_of_constants_end_in_a_value_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "chain.mlp"
    path.write_text("let x0 = 1\n" + "".join(f"let x{i} = x{i - 1} + 1\n" for i in range(1, 3000)))
    assert {d.code for d in check_file(path)} <= {"MLP0211"}
