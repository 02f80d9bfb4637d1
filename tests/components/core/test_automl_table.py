"""tasks.json: what the installed azure-ai-ml takes of an AutoML job, in types that the language knows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from component_steps import COMPONENTS, module
from mlp_lang.compiler.spaces import SPACES
from mlp_lang.compiler.typenames import type_of

FOLDER = COMPONENTS / "train/automl"
TABLE: dict[str, Any] = json.loads((FOLDER / "tasks.json").read_text(encoding="utf-8"))


def fields(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All fields of a task, those of its blocks included."""
    for field in (*spec.get("inputs", {}).values(), *spec.get("blocks", {}).values(), *spec.get("fields", {}).values()):
        if "fields" in field:
            yield from fields(field)
        else:
            yield field


@pytest.mark.filterwarnings("ignore")
def test_the_table_is_what_the_installed_azure_ai_ml_says() -> None:
    pytest.importorskip("azure.ai.ml")
    generate = module("train/automl/generate.py", "generate_tasks")
    made = generate.table()
    assert made["tasks"] == TABLE["tasks"]
    assert generate.render(TABLE) == (FOLDER / "tasks.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("task", TABLE["tasks"])
def test_types_and_spaces_are_those_of_the_language(task: str) -> None:
    known = {space.type for space in SPACES.values()}
    for field in fields(TABLE["tasks"][task]):
        type_of(field["type"])
        assert set(field.get("spaces", [])) <= known


def test_no_sentence_speaks_of_nothing() -> None:
    sentences = json.loads((FOLDER / "sentences.json").read_text(encoding="utf-8"))
    used = set(TABLE["tasks"]) | {word for spec in TABLE["tasks"].values() for word in spec["inputs"]}
    assert used == sentences.keys()
