"""Each normalisation: what it makes equal, and what it must not."""

from pathlib import Path
from typing import Any

import pytest

from conformance.differences import differences
from conformance.normalise import Copied, anchored, literals_as_text, normalised, without_digest, without_own_tags

COPIED = Copied(
    "/build",
    {
        "components/a/code/main.py": "/src/a/main.py",
        "components/a/code/sub/more.py": "/src/a/sub/more.py",
        "components/b/code/x.py": "/src/b/x.py",
        "components/b/code/y.py": "/elsewhere/y.py",
        "components/a/score.py": "/src/score.py",
    },
)


def _job(path: str, key: str = "path") -> dict[str, Any]:
    return {"inputs": {"a": {"type": "uri_folder", key: path}}}


# original (lies in /src), definition in the build (lies in /build), equal?
PATHS = [
    (_job("./data"), _job("../src/data"), True),
    (_job("azureml:./data"), _job("azureml:../src/data"), True),
    (_job("data"), _job("../src/data"), True),
    (_job("./data", "uri"), _job("../src/data", "uri"), True),
    (_job("file:./data"), _job("../src/data"), True),
    ({"code": "./a"}, {"code": "./components/a/code"}, True),
    ({"code": "./a/main.py"}, {"code": "./components/a/code/main.py"}, True),
    ({"additional_includes": ["./a"]}, {"additional_includes": ["components/a/code"]}, True),
    ({"build": {"contextUri": "a"}}, {"build": {"contextUri": "./components/a/code"}}, True),
    ({"codeId": "./a"}, {"codeId": "./components/a/code"}, True),
    ({"build": {"contextUri": "https://example.org/a"}}, {"build": {"contextUri": "./components/a/code"}}, False),
    ({"additional_includes": ["OrderedDict([('a', 1)])"]}, {"additional_includes": ["OrderedDict([('a', 1)])"]}, True),
    ({"additional_includes": ["OrderedDict([('a', 1)])"]}, {"additional_includes": ["OrderedDict([('a', 2)])"]}, False),
    ({"codeId": "./a"}, {"codeId": "./components/b/code"}, False),
    (_job("./data"), _job("../src/other"), False),
    (_job("azureml:data:1"), _job("../src/data:1"), False),
    (_job("azureml:data:1"), _job("azureml:data:2"), False),
    (_job("https://example.org/a"), _job("https://example.org/b"), False),
    ({"code": "./a"}, {"code": "./components/b/code"}, False),  # a copy out of two folders
    ({"code": "./a"}, {"code": "./a"}, False),  # the same words, from another folder
    ({"inputs": {"path": "./a"}}, {"inputs": {"path": "../src/a"}}, False),  # an input of that name
    ({"image": "./a"}, {"image": "../src/a"}, False),  # no field for a path
    ({"source": {"type": "s3", "path": "orders/"}}, {"source": {"type": "s3", "path": "orders/"}}, True),
    ({"source": {"type": "s3", "path": "orders/"}}, {"source": {"type": "s3", "path": "../src/orders/"}}, False),
]


@pytest.mark.parametrize(("original", "built", "equal"), PATHS)
def test_a_local_path_is_what_it_leads_to(original: Any, built: Any, equal: bool) -> None:
    left = anchored(original, {(): "/src"}, exists=lambda _: False)
    right = anchored(built, {(): "/build"}, COPIED, exists=lambda _: False)
    assert (left == right) == equal


def test_what_is_there_is_a_path_without_a_dot_too(tmp_path: Path) -> None:
    (tmp_path / "src" / "code").mkdir(parents=True)
    (tmp_path / "build").mkdir()
    left = anchored({"code": "code"}, {(): str(tmp_path / "src")})
    assert left == anchored({"code": "../src/code"}, {(): str(tmp_path / "build")})
    assert left != anchored({"code": "code"}, {(): str(tmp_path / "build")})


# what Azure ML would upload from the source, is the copy whole?
UPLOADS = [
    ({"main.py", "sub/more.py"}, True),
    ({"main.py", "component.yml"}, True),
    ({"main.py", "sub/more.py", "data.csv"}, False),
]


@pytest.mark.parametrize(("names", "whole"), UPLOADS)
def test_a_copy_that_lacks_a_file_is_none(names: set[str], whole: bool) -> None:
    copied = COPIED._replace(uploads=lambda _: frozenset(names))
    found = anchored({"code": "./components/a/code"}, {(): "/build"}, copied, exists=lambda _: False)
    assert found == {"code": "/src/a" if whole else "/src/a without data.csv"}


def test_a_component_anchors_its_own_paths() -> None:
    tree = {"code": "./x", "jobs": {"a": {"component": {"code": "./x"}, "inputs": {}}}}
    bases = {(): "/one", ("jobs", "a", "component"): "/two"}
    found = anchored(tree, bases, exists=lambda _: False)
    assert (found["code"], found["jobs"]["a"]["component"]["code"]) == ("/one/x", "/two/x")


def _nested(value: Any) -> dict[str, Any]:
    return {"jobs": {"a": {"component": {"jobs": {"b": {"inputs": {"x": value}}}}}}}


# two dictionaries, equal?
LITERALS = [
    ({"inputs": {"x": 20}}, {"inputs": {"x": "20"}}, True),
    ({"jobs": {"a": {"inputs": {"x": 0.5}}}}, {"jobs": {"a": {"inputs": {"x": "0.5"}}}}, True),
    (_nested(True), _nested("True"), True),
    ({"inputs": {"x": 20}}, {"inputs": {"x": 20.0}}, False),
    ({"inputs": {"x": True}}, {"inputs": {"x": "true"}}, False),
    ({"inputs": {"x": 20}}, {"inputs": {"x": {"value": 20}}}, False),
    ({"tags": {"x": 20}}, {"tags": {"x": "20"}}, False),
    ({"inputs": {"x": {"default": 20}}}, {"inputs": {"x": {"default": "20"}}}, False),
]


@pytest.mark.parametrize(("one", "other", "equal"), LITERALS)
def test_a_literal_input_is_text(one: Any, other: Any, equal: bool) -> None:
    assert (not list(differences(literals_as_text(one), literals_as_text(other)))) == equal


# two trees, equal?
TAGS = [
    ({"tags": {"mlp.profile": "dev", "a": "b"}}, {"tags": {"a": "b"}}, True),
    ({"tags": {"mlp.profile": "dev"}}, {}, True),
    ({"jobs": {"a": {"tags": {"mlp.from": "x"}}}}, {"jobs": {"a": {}}}, True),
    ({"tags": {}}, {}, False),
    ({"tags": {"a": "b"}}, {}, False),
    ({"properties": {"mlp.profile": "dev"}}, {"properties": {}}, False),
]


@pytest.mark.parametrize(("one", "other", "equal"), TAGS)
def test_tags_of_the_compiler_are_no_difference(one: Any, other: Any, equal: bool) -> None:
    assert (without_own_tags(one) == without_own_tags(other)) == equal


# two trees, equal?
DIGESTS = [
    ({"properties": {"client_component_hash": "1"}}, {"properties": {"client_component_hash": "2"}}, True),
    ({"jobs": {"a": [{"client_component_hash": "1"}]}}, {"jobs": {"a": [{"client_component_hash": "2"}]}}, True),
    ({"client_component_hash": "1", "name": "a"}, {"client_component_hash": "1", "name": "b"}, False),
    ({"component_hash": "1"}, {"component_hash": "2"}, False),
]


@pytest.mark.parametrize(("one", "other", "equal"), DIGESTS)
def test_the_digest_of_a_component_is_no_difference(one: Any, other: Any, equal: bool) -> None:
    assert (without_digest(one) == without_digest(other)) == equal


# two trees, the differences as they are shown
SHOWN = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ({"a": 1}, {"a": True}, ["a: 1 | true"]),
    ({"a": 1}, {"a": 1.0}, ["a: 1 | 1.0"]),
    ({"a": None}, {}, ["a: null | (absent)"]),
    ({"a": [1, 2]}, {"a": [2, 1]}, ["a[0]: 1 | 2", "a[1]: 2 | 1"]),
    ({"a": [1]}, {"a": [1, {"b": "é"}]}, ['a[1]: (absent) | {"b": "é"}']),
    ({"a": {"b": "x"}}, {"a": {"b": "y", "c": "z"}}, ['a.b: "x" | "y"', 'a.c: (absent) | "z"']),
]


@pytest.mark.parametrize(("left", "right", "shown"), SHOWN)
def test_differences_name_the_place_and_both_sides(left: Any, right: Any, shown: list[str]) -> None:
    assert [str(d) for d in differences(left, right)] == shown


def test_nothing_else_is_forgiven() -> None:
    tree = {
        "name": "a",
        "_source": "REMOTE.REGISTRY",
        "settings": {},
        "jobs": {"a": {"type": "command", "comment": "x"}},
    }
    assert normalised(tree, {(): "/src"}) == tree
