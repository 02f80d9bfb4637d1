"""From the facts of tables to the files that steps read; their content counts for the cache, not their place."""

import json
import os

from mlp_lang.compiler.graph import Facts, Graph
from mlp_lang.runner.content import digest_text


def spell_facts(facts: Facts) -> str:
    """The file's content."""
    return json.dumps(facts.document, indent=2, ensure_ascii=False) + "\n"


def write_facts(graph: Graph, folder: str, known: dict[str, str]) -> dict[str, str]:
    """Write a pipeline's facts under `folder`; the files by name, their digests added to `known`. Raises OSError."""
    files = {}
    for facts in graph.facts:
        path = os.path.join(folder, "facts", f"{facts.name}.json")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        text = spell_facts(facts)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        files[facts.name] = path
        known[path] = digest_text(text)
    return files
