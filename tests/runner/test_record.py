"""What a run leaves to read: run.json under its schema, the summary, the progress on a terminal and elsewhere."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from mlp_lang.compiler.graph import (
    Asset,
    FromNode,
    Graph,
    Literal,
    OutputPort,
    Parameter,
    PipelineInput,
    PipelineOutput,
    Privacy,
    PrivacyBudget,
    Release,
)
from mlp_lang.runner import RunResult, choose_progress, summarise
from mlp_lang.runner.progress import Live, spell_seconds

from runner.hand_made import graph, step

Go = Callable[..., RunResult]
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text())
REPORT = OutputPort("out", "report", "uri_file")
METRICS = OutputPort("out", "metrics", "uri_file")


def says(name: str, port: OutputPort, document: object, verb: str = "evaluate") -> object:
    return step(name, f"echo '{json.dumps(document)}' > ${{{{outputs.out}}}}", outputs=(port,), verb=verb)


def pipeline(tmp_path: Path) -> Graph:
    (tmp_path / "d.csv").write_text("1\n")
    gates = [{"text": "accuracy >= 0.8", "hard": True, "passed": True, "values": {"accuracy": 0.85}}]
    nodes = (
        says("quality", METRICS, {"metrics": {"accuracy": 0.85, "nothing": None}, "gates": gates}),
        says("released", REPORT, {"mechanism": "gaussian", "epsilon": 1.0, "delta": 1e-6}, "privatize"),
        says(
            "portable",
            REPORT,
            {"rows": 100, "max_abs_difference": 1e-7, "label_agreement": 1.0, "tolerance": 1e-5},
            "export",
        ),
    )
    made = graph(
        *nodes,  # type: ignore[arg-type]
        inputs=(
            PipelineInput(Parameter("p", "float", "number"), Literal(0.5)),
            PipelineInput(Parameter("d", "table", "uri_file"), Asset("uri_file", str(tmp_path / "d.csv"), True)),
        ),
        outputs=(PipelineOutput("report", "report", "uri_file", FromNode("portable", "out")),),
    )
    return made._replace(
        privacy=Privacy(
            budgets=(PrivacyBudget("d", "row", "replace_one", 2.0, 1e-6, 1.0, 1e-6),),
            releases=(Release("d", "released", 1.0, 1e-6, "epsilon", 1, "gaussian", "replace_one"),),
            verdicts=("quality",),
        )
    )


def test_the_record_keeps_to_its_schema(go: Go, tmp_path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    bad = graph(step("bad", "echo half > ${{outputs.out}}; exit 1"), step("late", "true", after=("bad",)))
    for result in (go(pipeline(tmp_path)), go(pipeline(tmp_path)), go(bad)):
        record = json.loads(Path(result.folder, "run.json").read_text())
        jsonschema.validate(record, SCHEMA)
        assert record == json.loads(json.dumps(result.record))
        for entry in record["steps"]:
            for path in (*entry["outputs"].values(), *filter(None, [entry["log"]])):
                assert Path(result.folder, path).exists()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**record, "steps": [{"name": "x"}]}, SCHEMA)


def test_the_record_holds_what_reports_say(go: Go, tmp_path: Path) -> None:
    result = go(pipeline(tmp_path))
    record = result.record
    assert record["parameters"] == {"p": 0.5} and record["data"] == {"d": str(tmp_path / "d.csv")}
    assert record["steps"][0]["metrics"]["accuracy"] == 0.85 and record["steps"][0]["gates"][0]["passed"]
    assert record["privacy"]["released"] == [
        {"mechanism": "gaussian", "epsilon": 1.0, "delta": 1e-6, "step": "released"}
    ]
    assert record["parity"][0]["label_agreement"] == 1.0
    assert record["outputs"] == {"report": "outputs/report"}
    assert json.loads(Path(result.folder, "outputs/report").read_text())["rows"] == 100


def test_the_summary_says_what_matters(go: Go, tmp_path: Path) -> None:
    result = go(pipeline(tmp_path), tmp_path / "out")
    text = re.sub(r"in \d+\.\ds", "in …", summarise(result.record, result.folder))
    text = re.sub(r"used     \d+\.\ds of CPU(, at most .* in one step \(\w+\))?\n", "used     …\n", text)
    assert text == (
        "demo completed in …: 3 ran\n"
        "\n"
        "metrics\n"
        "  quality.accuracy = 0.85\n"
        "\n"
        "gates\n"
        "  passed: quality require accuracy >= 0.8 (accuracy = 0.85)\n"
        "\n"
        "privacy\n"
        "  d: epsilon 1 of 2, delta 1e-06 of 1e-06 spent at most (unit row, neighbours replace_one)\n"
        "  released released with gaussian: epsilon 1, delta 1e-06\n"
        "  the verdict of quality tells one bit about private rows\n"
        "\n"
        "parity of exported models\n"
        "  portable: largest difference 1e-07 (tolerance 1e-05), labels agree on 100.00% of 100 rows\n"
        "\n"
        "used     …\n"
        "run      out\n"
        "output   report: out/outputs/report\n"
    )


def test_plain_progress_is_a_line_an_event(go: Go) -> None:
    out = io.StringIO()
    made = graph(
        step("a", "echo x > ${{outputs.out}}"), step("b", "false", after=("a",)), step("c", "true", after=("b",))
    )
    go(made, progress=choose_progress(out), jobs=1)
    lines = [re.sub(r"\d+\.\ds", "…s", line[9:]) for line in out.getvalue().splitlines()]
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in out.getvalue().splitlines())
    assert lines[1:] == [
        "a … started",
        "a … done in …s",
        "b … started",
        "b … failed after …s: `b` failed with exit code 1",
        "c … skipped",
    ]


def test_the_live_tree_shows_every_state(go: Go, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    progress = choose_progress(out)
    assert isinstance(progress, Live)
    go(
        graph(step("a", "echo x > ${{outputs.out}}"), step("b", "false"), step("c", "true", after=("b",))),
        progress=progress,
    )
    text = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", out.getvalue())
    assert re.search(r"✓ a +\d+\.\ds", text) and re.search(r"✗ b +\d+\.\ds", text) and re.search("- c +skipped", text)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0s"), (1.25, "1.2s"), (59.9, "59.9s"), (65, "1min 05s"), (7800, "2h 10min")]
)
def test_spans_of_time(seconds: float, said: str) -> None:
    assert spell_seconds(seconds) == said
