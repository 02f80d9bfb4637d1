"""From the text of a program to what the compiler says of it: shared by the tests of this folder."""

import shutil
from pathlib import Path

from mlp_lang.compiler import Compilation, check_file, compile_file
from mlp_lang.compiler.graph import Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic, Severity

FILES = Path(__file__).parent / "files"

PEOPLE = """
  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    sensitive = ["sex"]
  }
"""
PRIVATE = """
  data people: table = "people.csv" {
    schema = "people.schema.json"
    label = "income"
    private {
      epsilon = 4.0
      delta = 1e-5
    }
  }
"""
TRAINED = """
  train model using sklearn.LogisticRegression {
    table = people
    fit_intercept = false
  }
"""
RELEASED = """
  privatize released using opendp.output_perturbation {
    model = model
    table = people
    epsilon = 1.0
  }
"""


class Bench:
    """A folder with the files that programs speak of, and programs written into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "files"
        shutil.copytree(FILES, self.folder)

    def write(self, text: str, name: str = "main.mlp") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def check(self, text: str) -> list[Diagnostic]:
        return check_file(self.write(text))

    def compile(self, text: str, **options: object) -> Compilation:
        return compile_file(self.write(text), **options)  # type: ignore[arg-type]

    def graph(self, text: str, **options: object) -> Graph:
        result = self.compile(text, **options)
        assert result.graphs, [(d.code, d.message) for d in result.diagnostics]
        return result.graphs[0]

    def errors(self, text: str) -> list[tuple[str, str]]:
        """Code and underlined text of every error."""
        return [(d.code, d.span.text) for d in self.check(text) if d.severity is Severity.ERROR]


def pipeline(*parts: str, before: str = "", after: str = "") -> str:
    return f"{before}\npipeline p {{\n{''.join(parts)}\n}}\n{after}"


def nodes(graph: Graph) -> dict[str, Node]:
    return {n.name: n for n in graph.nodes}
