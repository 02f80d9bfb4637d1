"""What counts for the cache: each cause of another result is a miss, everything else a hit."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import Asset, Environment, FromNode, Gate, Graph, Literal, Node, Run
from mlp_lang.runner import RunResult

from runner.hand_made import graph, span_of, states, step

Go = Callable[..., RunResult]
GATES = '[{{"hard": true, "text": "x > 0", "span": "demo.mlp:{}:3", "condition": true}}]'


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "code").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "data").mkdir()
    (folder / "code" / "main.sh").write_text("cat $1/rows lib/word\n")
    (folder / "code" / "component.yml").write_text("# definition\n")
    (folder / "lib" / "word").write_text("word\n")
    (folder / "data" / "rows").write_text("1\n2\n")
    return folder


def pipeline(files: Path) -> Graph:
    first = step(
        "first",
        "sh main.sh ${{inputs.d}} > ${{outputs.out}}; echo ${{inputs.p}} >> ${{outputs.out}}",
        {"d": Asset("uri_folder", str(files / "data"), True), "p": 1.5, "gates": GATES.format(7)},
        code=files / "code",
        includes=("../lib",),
        gates=(Gate(True, "x > 0", ("x",), span_of("require x > 0", "require")),),
    )
    return graph(first, step("second", "sort ${{inputs.i}} > ${{outputs.out}}", {"i": FromNode("first", "out")}))


def change(made: Graph, **fields: object) -> Graph:
    first, second = made.nodes
    return made._replace(nodes=(first._replace(component=first.component._replace(**fields)), second))  # type: ignore[arg-type]


def bind(made: Graph, name: str, value: object) -> Graph:
    first, second = made.nodes
    inputs = tuple((n, Literal(value) if n == name else b) for n, b in first.inputs)  # type: ignore[arg-type]
    return made._replace(nodes=(first._replace(inputs=inputs), second))


def edit(path: str, content: str) -> Callable[[Graph, Path], Graph]:
    def apply(made: Graph, files: Path) -> Graph:
        (files / path).write_text(content)
        return made

    return apply


def run_mode(made: Graph, files: Path) -> Graph:
    (files / "code" / "main.sh").chmod(0o755)
    return made


def rename(made: Graph, files: Path) -> Graph:
    first, second = made.nodes
    other: Node = second._replace(name="other", title="other")
    return made._replace(nodes=(first._replace(title="another title", description="said"), other))


HITS = {"first": "cached", "second": "cached"}
MISSES = {"first": "completed", "second": "completed"}
CUT_OFF = {"first": "completed", "second": "cached"}  # a step that ran again and gave the same stops the change there
CHANGES: list[tuple[str, Callable[[Graph, Path], Graph], dict[str, str]]] = [
    ("nothing", lambda g, f: g, HITS),
    ("a file's times alone", lambda g, f: edit("data/rows", "1\n2\n")(g, f), HITS),
    ("content of the data", edit("data/rows", "1\n3\n"), MISSES),
    ("another file in the data", edit("data/more", ""), CUT_OFF),
    ("the code", edit("code/main.sh", "cat $1/rows lib/word; echo new\n"), MISSES),
    ("the code, with the same result", edit("code/main.sh", "cat $1/rows lib/word # said\n"), CUT_OFF),
    ("an executable bit of the code", run_mode, CUT_OFF),
    ("a comment in the definition", edit("code/component.yml", "# other\n"), HITS),
    ("included code", edit("lib/word", "other\n"), MISSES),
    ("a parameter", lambda g, f: bind(g, "p", 2.5), MISSES),
    ("the lines at which gates are written", lambda g, f: bind(g, "gates", GATES.format(9)), HITS),
    ("a gate", lambda g, f: bind(g, "gates", GATES.format(7).replace("x > 0", "x > 1")), CUT_OFF),
    ("the command", lambda g, f: change(g, command=g.nodes[0].component.command + "; true"), CUT_OFF),
    ("the environment", lambda g, f: change(g, environment=Environment(image="other")), CUT_OFF),
    ("title, description, names of other steps", lambda g, f: rename(g, f), {"first": "cached", "other": "cached"}),
    ("a step that says it is not deterministic", lambda g, f: change(g, deterministic=False), CUT_OFF),
]


@pytest.mark.parametrize(("what", "edits", "expected"), CHANGES, ids=[c[0] for c in CHANGES])
def test_what_counts(
    go: Go, files: Path, what: str, edits: Callable[[Graph, Path], Graph], expected: dict[str, str]
) -> None:
    assert states(go(pipeline(files))) == MISSES
    assert states(go(edits(pipeline(files), files))) == expected


def test_environment_variables_count(go: Go) -> None:
    made = [
        step("a", "echo $V > ${{outputs.out}}", settings=Run(environment_variables={"V": v})) for v in ("1", "2", "1")
    ]
    assert [states(go(graph(node)))["a"] for node in made] == ["completed", "completed", "cached"]


def test_failures_are_not_cached(go: Go, tmp_path: Path) -> None:
    made = graph(step("a", f"test -e {tmp_path}/now && echo x > ${{{{outputs.out}}}}"))
    assert states(go(made)) == {"a": "failed"}
    (tmp_path / "now").touch()
    assert states(go(made)) == {"a": "completed"}


def test_without_the_cache_everything_runs_and_nothing_is_kept(go: Go, files: Path, tmp_path: Path) -> None:
    assert states(go(pipeline(files), cache=False)) == MISSES
    assert states(go(pipeline(files), cache=False)) == MISSES
    assert states(go(pipeline(files))) == MISSES


@pytest.mark.parametrize("damage", ["edit", "cut", "remove", "add", "entry", "empty"])
def test_a_damaged_entry_is_made_anew(go: Go, tmp_path: Path, damage: str) -> None:
    out = "mkdir -p ${{outputs.out}}; for i in 1 2; do echo $i > ${{outputs.out}}/$i; done"
    made = graph(step("a", f"rm -rf ${{{{outputs.out}}}}; {out}"))
    go(made)
    (entry,) = (tmp_path / "home" / "cache").glob("*/*")
    victim = entry / "outputs" / "out" / "1"
    match damage:
        case "edit":
            victim.unlink()
            victim.write_text("9\n")
        case "cut":
            victim.unlink()
            victim.write_text("")
        case "remove":
            victim.unlink()
        case "add":
            (entry / "outputs" / "out" / "3").write_text("3\n")
        case "entry":
            (entry / "entry.json").write_text("{")
        case "empty":
            shutil.rmtree(entry)
            entry.mkdir()
    result = go(made)
    assert states(result) == {"a": "completed"}
    folder = Path(result.steps["a"].outputs["out"])
    assert {p.name: p.read_text() for p in folder.iterdir()} == {"1": "1\n", "2": "2\n"}
    assert states(go(made)) == {"a": "cached"}


def test_a_released_draw_is_shared_by_runs_and_not_by_steps(go: Go) -> None:
    from mlp_lang.compiler.graph import Privacy, Release

    draw = "cat /proc/sys/kernel/random/uuid > ${{outputs.out}}"
    releases = tuple(Release("d", name, 1.0, 0.0, "1.0", 1, "gaussian", "replace_one") for name in "ab")
    made = graph(step("a", draw), step("b", draw))._replace(privacy=Privacy(releases=releases))
    first = go(made, jobs=1)
    assert states(first) == {"a": "completed", "b": "completed"} and states(go(made)) == {"a": "cached", "b": "cached"}
    assert first.steps["a"].digests != first.steps["b"].digests


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from runner.hand_made import graph, step
from mlp_lang.compiler.graph import FromNode
from mlp_lang.runner import run
nodes = [step("s0", "echo 0 > ${{{{outputs.out}}}}")]
for i in range(1, 8):
    line = "cat ${{{{inputs.i}}}} > ${{{{outputs.out}}}}; echo %d >> ${{{{outputs.out}}}}" % i
    nodes.append(step(f"s{{i}}", line, {{"i": FromNode(f"s{{i-1}}", "out")}}))
result = run(graph(*nodes), home={home!r}, tracking=False)
assert result.status == "completed", result.diagnostics
print(open(result.steps["s7"].outputs["out"]).read())
"""


def test_runs_at_the_same_time_share_a_cache(tmp_path: Path) -> None:
    text = PROGRAM.format(tests=str(Path(__file__).parents[1]), home=str(tmp_path / "home"))
    runs = [subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = [p.communicate(timeout=120)[0] for p in runs]
    assert [p.returncode for p in runs] == [0] * 6
    assert set(said) == {"".join(f"{i}\n" for i in range(8)) + "\n"}
    assert len(list((tmp_path / "home" / "runs").iterdir())) == 6
    assert not any((tmp_path / "home" / "scratch").iterdir())
