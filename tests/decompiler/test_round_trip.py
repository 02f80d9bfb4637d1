"""A Graph that is lowered to Azure ML's YAML and imported again is the same Graph."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, note, settings
from mlp_lang.compiler import compile_file
from mlp_lang.compiler.graph import Graph
from mlp_lang.decompiler import decompile
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering import lower
from random_graphs import FIT, essence, programs

from conformance.differences import differences


def compiled(path: Path) -> Graph:
    made = compile_file(path)
    errors = [f"{d.code}: {d.message} at {d.span.text}" for d in made.diagnostics if d.severity is Severity.ERROR]
    assert not errors, errors
    return made.graphs[-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_a_random_graph_lowered_and_imported_is_the_same_graph(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "fit.yml").write_text(FIT, encoding="utf-8")
        (here / "src").mkdir()
        (here / "src" / "a.py").write_text("", encoding="utf-8")
        (here / "random.mlp").write_text(text, encoding="utf-8")
        note(text)
        graph = compiled(here / "random.mlp")
        built = lower(graph).write(here / "build")
        note((built / "pipeline.yml").read_text(encoding="utf-8"))
        imported = decompile(str(built / "pipeline.yml"))
        assert imported.text is not None, imported.diagnostics
        assert not imported.escapes
        note(imported.text)
        again = built / "again.mlp"
        again.write_text(imported.text, encoding="utf-8")
        found = differences(essence(graph), essence(compiled(again)))
        assert [str(difference) for difference in found] == []
