"""Runs of programs that steer, as people handle them: killed and resumed, planned, in parts, read afterwards."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from mlp_lang.compiler.graph import Privacy, Release
from mlp_lang.runner import RunResult, Selection, choose_progress, plan, summarise
from mlp_lang.runner.folder import read_record
from mlp_lang.runner.logs import print_logs
from mlp_lang.runner.planning import spell_plan
from mlp_lang.runner.progress import Live
from mlp_lang.runner.report import report_of

from runner.hand_made import states
from runner.programs_that_steer import graph_of, outputs, step
from runner.test_interruption import wait_for

Go = Callable[..., RunResult]
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text())

INNER = """
pipeline inner {
  param i: string
  step one using add { i = i }
  step two using add { i = one.n }
  output n = two.n
}
"""
BODY = """
  param first: string = "0"
  step outer using inner { i = first }
  repeat r up to 4 until not u.again {
    carry x = first then u.n
    step u using add { i = x }
  }
  when u.again as w { step yes using add {} } else { step no using read { f = u.out } }
  for each item in [{ i: "1" }, { i: "5" }] as all { step e using add { i = item.i } }
  step z using read { t = all.out }
  output n = no.out
  output z = z.out
"""
INSIDE = ("outer.one", "outer.two", "r", "r.1.u", "r.2.u", "r.3.u", "w", "no", "all", "all.1.e", "all.2.e", "z")

SLOW = """
component slow: command {{
  param i: string
  output n: string
  environment = image("any")
  deterministic = false
  command = \"\"\"
    echo ${{i}} >> {folder}/ran
    echo $((${{i}} + 1)) > ${{n}}
    if test ${{i}} = 2; then echo $$ > {folder}/shell; while ! test -e {folder}/go; do sleep 0.05; done; fi
    \"\"\"
}}
"""
REPEAT = """
  repeat r up to 4 {
    carry x = "0" then b.n
    step a using slow { i = x }
    step b using read_on { i = a.n }
  }
  output n = b.n
"""
EACH = """
  for each item in [{ i: "1" }, { i: "2" }, { i: "3" }] as all {
    max_concurrency = 1
    step a using slow { i = item.i }
  }
  step z using read { s = all.n }
  output n = z.out
"""
READ_ON = """
component read_on: command {
  param i: string
  output n: string
  environment = image("any")
  command = "echo ${i} > ${n}"
}
"""
RUNNER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from runner.test_steering_runs import program
from mlp_lang.runner import choose_progress, run
made = program(Path({folder!r}), {body!r})
result = run(made, "out", home="home", tracking=False, jobs=2, grace=0.5, progress=choose_progress())
sys.exit(result.exit_code)
"""


def program(folder: Path, body: str) -> object:
    """A loop whose step waits for a file once it is at 2."""
    return graph_of(folder, body, SLOW.format(folder=folder) + READ_ON)


@pytest.mark.parametrize(
    ("body", "half", "whole", "ran"),
    [
        (REPEAT, {"r.1.a", "r.1.b", "r.2.a", "r.2.b"}, "4", "0 1 2 2 3"),
        (EACH, {"all.1.a"}, '["2", "3", "4"]', "1 2 2 3"),
    ],
    ids=["repeat", "for each"],
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_is_stopped_in_a_turn_goes_on_in_it(
    go: Go, tmp_path: Path, body: str, half: set[str], whole: str, ran: str, how: signal.Signals
) -> None:
    text = RUNNER.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path), body=body)
    process = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path, stderr=subprocess.PIPE)
    wait_for(lambda: (tmp_path / "shell").exists() and (tmp_path / "shell").read_text() != "")
    os.kill(process.pid, how)
    process.communicate(timeout=60)
    record = read_record(str(tmp_path / "out"))
    assert record is not None and record["status"] == ("killed" if how is signal.SIGKILL else "cancelled")
    done = {s["name"] for s in record["steps"] if s["status"] == "completed"}
    assert half - {"r.2.a", "r.2.b"} <= done <= half | {"r.2.a"}
    (tmp_path / "go").touch()
    again = go(program(tmp_path, body), tmp_path / "out", resume=True)  # type: ignore[arg-type]
    assert again.status == "completed", [d.message for d in again.diagnostics]
    assert outputs(again) == {"n": whole}
    assert {states(again)[name] for name in done} == {"cached"}
    assert " ".join((tmp_path / "ran").read_text().split()) == ran


def test_a_plan_says_what_only_a_run_tells(go: Go, tmp_path: Path) -> None:
    made = graph_of(tmp_path, BODY, INNER)
    home = tmp_path / "home"
    before = {s.name: (s.action, s.why) for s in plan(made, home=home).steps}
    assert before["outer.two"][0] == "run"
    assert before["r"] == ("steer", "at most 4 turns; what follows turn 1 only a run tells")
    assert before["r.1.u"][0] == "run" and "r.2.u" not in before
    assert before["w"] == ("steer", "it is known when `r` has run")
    assert before["yes"] == before["no"] == ("maybe", "only a run tells whether `w` lets it")
    assert before["all"] == ("steer", "2 turns") and before["all.2.e"][0] == "run"
    assert not home.exists()

    go(made)
    after = plan(made, home=home)
    assert {s.name: s.action for s in after.steps} == {**dict.fromkeys(INSIDE, "cached"), "yes": "omit"}
    assert [s.title for s in after.steps if s.name.startswith("r")] == ["r", "r/1/u", "r/2/u", "r/3/u"]
    assert spell_plan(after).count("`r.again` is false") == 2

    changed = graph_of(tmp_path, BODY, INNER, params={"first": "7"})
    now = {s.name: (s.action, s.why) for s in plan(changed, home=home).steps}
    assert now["outer.one"] == ("run", "changed: input `i`") and now["outer.two"][0] == "maybe"
    assert [now[name][0] for name in ("r", "r.1.u", "w", "no", "all", "z")] == [
        "steer",
        "run",
        "steer",
        "maybe",
        "cached",
        "cached",
    ]


def test_a_plan_of_items_that_a_step_writes(go: Go, tmp_path: Path) -> None:
    body = """
  step made using put { s = "x" }
  for each item in made.d as all { step r using read { f = item.f } }
  step z using read { t = all.out }
"""
    made = graph_of(tmp_path, body)
    before = {s.name: (s.action, s.why) for s in plan(made, home=tmp_path / "home").steps}
    assert before["all"] == ("steer", "its turns are known when `made` has run")
    go(made)
    after = {s.name: s.action for s in plan(made, home=tmp_path / "home").steps}
    assert after == dict.fromkeys(("made", "all", "all.a.r", "all.b.r", "z"), "cached")


SELECTIONS = (
    (Selection(until=("outer",)), {"outer.one", "outer.two"}),
    (Selection(only=("outer/two",)), {"outer.two"}),
    (Selection(only=("r",)), {"r", "r.1.u", "r.2.u", "r.3.u"}),
    (Selection(only=("no",)), {"no"}),
    (Selection(first=("w",)), {"no"}),
    (Selection(first=("all",)), {"all", "all.1.e", "all.2.e", "z"}),
)


@pytest.mark.parametrize(("asked", "ran"), SELECTIONS, ids=[" ".join(sum(a, ())) for a, _ in SELECTIONS])
def test_parts_of_it(go: Go, tmp_path: Path, asked: Selection, ran: set[str]) -> None:
    """What is asked for runs anew; what that rests on comes from an earlier run, turns of loops, too."""
    made = graph_of(tmp_path, BODY, INNER)
    go(made)
    result = go(made, select=asked, force=True)
    assert result.status == "completed", [d.message for d in result.diagnostics]
    told = states(result)
    assert {name for name, state in told.items() if state == "completed"} == ran


def test_a_part_whose_ground_is_not_there(go: Go, tmp_path: Path) -> None:
    result = go(graph_of(tmp_path, BODY, INNER), select=Selection(only=("no",)))
    assert result.folder == "" and {d.code for d in result.diagnostics if d.severity.value == "error"} == {"MLP0921"}


def test_what_is_left_to_read(go: Go, tmp_path: Path) -> None:
    made = graph_of(tmp_path, BODY, INNER)
    said = io.StringIO()
    result = go(made, progress=choose_progress(said))
    jsonschema.validate(result.record, SCHEMA)
    needs = {s["name"]: s["needs"] for s in result.record["steps"]}
    assert needs["r.2.u"] == ["r.1.u"] and needs["r"] == ["r.3.u"] and needs["w"] == ["r"]
    assert needs["all"] == ["all.1.e", "all.2.e"] and needs["no"] == ["r", "w"]
    assert [s["name"] for s in result.record["steps"] if s["name"].startswith("r")] == ["r", "r.1.u", "r.2.u", "r.3.u"]
    assert {n: step(result, n)["note"] for n in ("r", "w", "yes", "all")} == {
        "r": "3 turns",
        "w": "`r.again` is false",
        "yes": "`r.again` is false",
        "all": "2 turns",
    }
    assert result.record == read_record(result.folder)

    lines = said.getvalue()
    for line in (
        "outer/one … started",
        "r/3/u … done",
        "w … done in 0.0s: `r.again` is false",
        "yes … left out: `r.again` is false",
    ):
        assert line in lines
    assert "1 left out" in summarise(result.record, result.folder)
    page = report_of(result.folder, result.record, result.folder)
    assert "r/3/u" in page and "outer/two" in page and "3 turns" in page

    for names, words in (
        (("r/2/u",), ["one more than 1"]),
        (("r",), ["r/1/u", "r/2/u", "r/3/u"]),
        (("outer",), ["outer/one | one more than 0", "outer/two | one more than 1"]),
    ):
        out = io.StringIO()
        assert print_logs(result.folder, names, out)
        assert all(word in out.getvalue() for word in words)
        assert names[0].split("/")[0] == "outer" or "outer" not in out.getvalue()


def test_turns_join_the_live_view(go: Go, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    live = choose_progress(Terminal())
    assert isinstance(live, Live)
    go(graph_of(tmp_path, BODY, INNER), progress=live)
    names = [name for name, _, _ in live._names()]
    assert names == ["outer.one", "outer.two", "r", "r.1.u", "r.2.u", "r.3.u", "w", "yes", "no", *INSIDE[-4:]]


def test_each_turn_that_releases_is_a_draw_of_its_own(go: Go, tmp_path: Path) -> None:
    """Turns that are the same but for their place share a result, unless that is a release of private data."""
    body = """
  for each item in [{ i: "1" }, { i: "1" }] as all {
    max_concurrency = 1
    step e using add { i = item.i }
  }
"""
    made = graph_of(tmp_path, body)
    release = Release("rows", "e", 1.0, 0.0, "1.0", 2, "laplace", "replace_one")
    drawn = go(made._replace(privacy=Privacy(releases=(release,))))
    plain = go(made)
    assert [states(drawn)[f"all.{turn}.e"] for turn in (1, 2)] == ["completed", "completed"]
    assert step(drawn, "all.1.e")["key"] != step(drawn, "all.2.e")["key"]
    assert [states(plain)[f"all.{turn}.e"] for turn in (1, 2)] == ["completed", "cached"]


def test_many_turns(go: Go, tmp_path: Path) -> None:
    """Each joins the journal once, whatever came before it."""
    items = ", ".join(f'{{ i: "{i}" }}' for i in range(60))
    body = f"  for each item in [{items}] as all {{ step e using add {{ i = item.i }} }}\n"
    body += "  step z using read { t = all.out }\n"
    result = go(graph_of(tmp_path, body), jobs=4)
    assert result.status == "completed" and len(result.record["steps"]) == 62
    assert len(step(result, "all")["needs"]) == 60


UNKNOWN = (
    ("outr", "did you mean `outer`?"),
    ("outer/tow", "did you mean `outer/two`?"),
    ("r/2/u", "a turn of a loop cannot be asked for; `r` is the whole loop"),
)


@pytest.mark.parametrize(("name", "help"), UNKNOWN)
def test_steps_that_there_are_not(go: Go, tmp_path: Path, name: str, help: str) -> None:
    (found,) = go(graph_of(tmp_path, BODY, INNER), select=Selection(only=(name,))).diagnostics
    assert (found.code, found.help) == ("MLP0920", help)
