"""The schemas say what the compiler reads and writes, and reject what it does not."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from mlp_lang.compiler import catalog, compile_file, graph_schema
from mlp_lang.compiler.graph_json import from_json, to_json
from mlp_lang.compiler.interface import read_interface

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "files"
GRAPH = json.loads((ROOT / "schemas" / "graph.schema.json").read_text("utf-8"))
COMPONENT = json.loads((ROOT / "schemas" / "component.schema.json").read_text("utf-8"))
COMPONENTS = sorted((ROOT / "components").rglob("component.yml"))
PROGRAMS = sorted((ROOT / "pipelines").glob("*.mlp"))


def check(schema: dict[str, Any], document: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda p: str(p.parent.relative_to(ROOT / "components")))
def test_bundled_components_keep_to_the_schema_and_give_an_interface(path: Path) -> None:
    document = yaml.safe_load(path.read_text("utf-8"))
    check(COMPONENT, document)
    face = read_interface("x.y", "bundled", str(path), document)
    assert face.known
    assert set(face.inputs) == set(document["inputs"])
    for table in (f.of for f in face.inputs.values() if f.filled == "facts"):
        assert table in face.inputs


def test_every_bundled_component_can_be_found_by_name() -> None:
    names = catalog.names()
    assert {"tabular.split", "sklearn.SVC", "opendp.output_perturbation", "onnx.model"} <= set(names)
    assert all(catalog.bundled(n) is not None for n in names)
    for nothing in ("tabular", "tabular.", ".split", "../train.sklearn", "a.b.c", "sklearn.Nothing"):
        assert catalog.bundled(nothing) is None


def corruptions() -> list[tuple[str, Any]]:
    def stray(d: Any) -> None:
        d["mlp"]["verb"] = ["prepare"]

    def verb(d: Any) -> None:
        d["mlp"]["verbs"] = ["split"]

    release = {"outputs": ["train"], "of": "table", "delta": 0, "mechanism": "x"}

    def neighbours(d: Any) -> None:
        d["mlp"]["releases"] = {**release, "epsilon": 1, "neighbours": ["swap"]}

    def epsilon(d: Any) -> None:
        d["mlp"]["releases"] = {**release, "epsilon": 0, "neighbours": ["add_remove"]}

    def kind(d: Any) -> None:
        d["type"] = "parallel"

    def port(d: Any) -> None:
        d["inputs"]["table"]["type"] = "table"

    return [(f.__name__, f) for f in (stray, verb, neighbours, epsilon, kind, port)]


@pytest.mark.parametrize("change", [c for _, c in corruptions()], ids=[n for n, _ in corruptions()])
def test_a_corrupt_component_is_refused(change: Any) -> None:
    path = ROOT / "components/prepare/tabular/split/component.yml"
    document = yaml.safe_load(path.read_text("utf-8"))
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        check(COMPONENT, document)


def test_the_graph_schema_is_what_the_types_say() -> None:
    assert (ROOT / "schemas" / "graph.schema.json").read_text("utf-8") == graph_schema.text()


@pytest.mark.parametrize("path", [*PROGRAMS, FILES / "everything.mlp"], ids=lambda p: p.stem)
@pytest.mark.parametrize("relative", [False, True])
def test_graphs_go_through_json_and_back(path: Path, relative: bool) -> None:
    root = str(path.parent.resolve()) if relative else None
    result = compile_file(path)
    assert result.graphs, result.diagnostics
    for graph in result.graphs:
        document = json.loads(json.dumps(to_json(graph, root)))
        check(GRAPH, document)
        again = from_json(document, root)
        assert to_json(again, root) == document
        assert bare(again) == bare(graph)
        if relative:
            assert str(ROOT) not in json.dumps(document)


def bare(part: Any) -> Any:
    """A graph without spans, whose sources are equal only to themselves."""
    if type(part).__name__ == "Span":
        return None
    if isinstance(part, tuple):
        return (type(part).__name__, *(bare(p) for p in part))
    if isinstance(part, dict):
        return {k: bare(v) for k, v in part.items()}
    return part


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(version=2),
        lambda d: d.update(stray=1),
        lambda d: d["nodes"][0].update(name="Bad-Name"),
        lambda d: d["nodes"][0]["inputs"].update(x={"kind": "nothing"}),
        lambda d: d["nodes"][0]["component"].update(origin="found"),
        lambda d: d["inputs"][0]["parameter"].update(azure_type="float"),
        lambda d: d["nodes"][0].pop("component"),
    ],
)
def test_a_corrupt_graph_is_refused(spoil: Any) -> None:
    document = to_json(compile_file(FILES / "everything.mlp").graphs[0])
    spoiled = copy.deepcopy(json.loads(json.dumps(document)))
    spoil(spoiled)
    with pytest.raises(jsonschema.ValidationError):
        check(GRAPH, spoiled)
