"""Which steps run: chosen ones, those that must, those that could be taken; and the plan, which says so beforehand."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlp_lang.compiler.graph import Asset, FromNode, Graph, Privacy, Release
from mlp_lang.runner import RunResult, Selection, plan
from mlp_lang.runner.places import earlier_runs
from mlp_lang.runner.planning import spell_plan

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]


def pipeline(word: str = "x", once: str = "") -> Graph:
    """a → b → d, a → c → d, and e apart; `once` names a step that is never the same."""
    made = [
        step("a", f"echo {word} > ${{{{outputs.out}}}}"),
        step("b", "cat ${{inputs.i}} > ${{outputs.out}}; echo b >> ${{outputs.out}}", {"i": FromNode("a", "out")}),
        step("c", "wc -l < ${{inputs.i}} > ${{outputs.out}}", {"i": FromNode("a", "out")}),
        step(
            "d",
            "cat ${{inputs.i}} ${{inputs.j}} > ${{outputs.out}}",
            {"i": FromNode("b", "out"), "j": FromNode("c", "out")},
        ),
        step("e", "echo e > ${{outputs.out}}"),
    ]
    nodes = [n._replace(component=n.component._replace(deterministic=n.name != once)) for n in made]
    return graph(*nodes)


def said(found: dict[str, str]) -> str:
    """`a=cached d=completed`, without what is left out."""
    return " ".join(f"{name}={state}" for name, state in sorted(found.items()) if state != "omitted")


@pytest.mark.parametrize(
    ("select", "force", "expected"),
    [
        (Selection(), False, "a=cached b=cached c=cached d=cached e=cached"),
        (Selection(), True, "a=completed b=completed c=completed d=completed e=completed"),
        (Selection(only=("b",)), False, "a=cached b=cached"),
        (Selection(only=("b",)), True, "a=cached b=completed"),
        (Selection(only=("d", "a")), True, "a=completed b=cached c=cached d=completed"),
        (Selection(first=("b",)), True, "a=cached b=completed c=cached d=completed"),
        (Selection(until=("b",)), True, "a=completed b=completed"),
        (Selection(until=("b", "e")), True, "a=completed b=completed e=completed"),
        (Selection(first=("b",), until=("b",)), True, "a=cached b=completed"),
    ],
)
def test_what_runs_and_what_is_taken(go: Go, select: Selection, force: bool, expected: str) -> None:
    assert go(pipeline()).status == "completed"
    result = go(pipeline(), select=select, force=force)
    assert (result.status, said(states(result))) == ("completed", expected)
    assert {s["status"] for s in result.record["steps"]} <= {"completed", "cached", "omitted"}


def test_on_an_empty_cache_only_until_needs_nothing(go: Go, tmp_path: Path) -> None:
    assert said(states(go(pipeline(), select=Selection(until=("b",))))) == "a=completed b=completed"
    result = go(pipeline(), tmp_path / "out", select=Selection(only=("d",)))
    (found,) = result.diagnostics
    assert (found.code, found.label) == ("MLP0921", "it has not run here yet") and "`c`" in found.message
    assert result.folder == "" and not (tmp_path / "out").exists()


def test_what_has_changed_since_is_not_taken(go: Go) -> None:
    go(pipeline())
    result = go(pipeline("other"), select=Selection(only=("d",)))
    assert [(d.code, d.label) for d in result.diagnostics] == [("MLP0921", "changed: the command")]


def test_what_the_cache_never_holds_is_taken_from_an_earlier_run(go: Go, tmp_path: Path) -> None:
    go(pipeline(once="b"), tmp_path / "first")
    result = go(pipeline(once="b"), select=Selection(only=("d",)), force=True)
    assert said(states(result)) == "a=cached b=cached c=cached d=completed"
    go(pipeline(once="b"), cache=False, home=tmp_path / "apart")
    uncached = go(pipeline(once="b"), cache=False, home=tmp_path / "apart", select=Selection(first=("d",)))
    assert said(states(uncached)) == "a=cached b=cached c=cached d=completed"
    assert len(earlier_runs(str(tmp_path / "home"), "demo")) == 2


@pytest.mark.parametrize(
    ("select", "message", "help"),
    [
        (Selection(only=("bb",)), "no step `bb`", "did you mean `b`?"),
        (Selection(until=("nowhere",)), "no step `nowhere`", "it has `a`, `b`"),
        (Selection(first=("d",), until=("a",)), "no step lies within `--from d, --until a`", "later"),
    ],
)
def test_steps_that_there_are_not(go: Go, tmp_path: Path, select: Selection, message: str, help: str) -> None:
    for diagnostics in (go(pipeline(), select=select).diagnostics, plan(pipeline(), select=select).diagnostics):
        (found,) = diagnostics
        assert found.code == "MLP0920" and message in found.message and help in found.help
        assert found.span.source.path == "<command line>"
    assert not (tmp_path / "home").exists()


def test_a_program_may_force_itself(go: Go) -> None:
    made = pipeline()._replace(extra={"settings": {"force_rerun": True}})
    for _ in range(2):
        assert set(states(go(made)).values()) == {"completed"}
    assert set(states(go(pipeline())).values()) == {"cached"}  # what was made by force is kept


def test_a_release_that_is_made_again_is_said_to_cost_more(go: Go) -> None:
    made = pipeline()._replace(
        privacy=Privacy(releases=(Release("t", "b", 1.0, 0.0, "1.0", 1, "laplace", "replace_one"),))
    )
    assert not go(made).diagnostics
    assert [(d.code, d.severity.value) for d in go(made, force=True).diagnostics] == [("MLP0924", "warning")]
    assert not go(made, force=True, select=Selection(only=("d",))).diagnostics


def actions(made: Graph, home: Path, **options: object) -> str:
    return " ".join(f"{s.name}={s.action}" for s in plan(made, home=home, **options).steps)  # type: ignore[arg-type]


def everything_under(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


def test_a_plan_says_what_a_run_then_does_and_changes_nothing(go: Go, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert actions(pipeline(), home) == "a=run b=run c=run d=run e=run"
    assert not home.exists()
    go(pipeline())
    before = everything_under(tmp_path)
    assert actions(pipeline(), home) == "a=cached b=cached c=cached d=cached e=cached"
    assert actions(pipeline("other"), home) == "a=run b=maybe c=maybe d=maybe e=cached"
    assert actions(pipeline(), home, force=True) == "a=run b=run c=run d=run e=run"
    assert actions(pipeline(once="b"), home) == "a=cached b=run c=cached d=maybe e=cached"
    assert actions(pipeline("other"), home, select=Selection(only=("d",))) == "a=lacks b=lacks c=lacks d=maybe e=omit"
    assert everything_under(tmp_path) == before
    assert said(states(go(pipeline("other")))) == "a=completed b=completed c=completed d=completed e=cached"


def test_a_plan_says_why(go: Go, tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_text("1\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.sh").write_text("cat $1\n")

    def made(word: str = "x") -> Graph:
        reads = {"d": Asset("uri_file", str(data), True), "w": word}
        first = step("first", "sh main.sh ${{inputs.d}} > ${{outputs.out}}", reads, code=tmp_path / "code")
        return graph(first, step("last", "cat ${{inputs.i}} > ${{outputs.out}}", {"i": FromNode("first", "out")}))

    def why(word: str = "x") -> str:
        return plan(made(word), home=tmp_path / "home").steps[0].why

    assert why() == "it has not run here yet"
    go(made())
    assert why() == "the same as before"
    assert why("y") == "changed: input `w`"
    data.write_text("2\n")
    assert why() == "changed: input `d`"
    (tmp_path / "code" / "main.sh").write_text("cat $1 # said\n")
    assert why("y") == "changed: the code, input `d`, input `w`"
    data.write_text("1\n")
    (tmp_path / "code" / "main.sh").write_text("cat $1\n")
    (tmp_path / "home" / "cache").rename(tmp_path / "gone")
    assert why() == "its result is in an earlier run, and not in the cache"
    text = spell_plan(plan(made(), home=tmp_path / "home"))
    assert text.splitlines()[-1] == "demo: 1 to run, 1 perhaps to run; nothing was run"
    data.unlink()
    assert plan(made(), home=tmp_path / "home").steps[0].action == "fails"


def test_a_plan_of_a_resumed_run(go: Go, tmp_path: Path) -> None:
    bad = pipeline()._replace(nodes=(*pipeline(once="b").nodes[:3], step("d", "false", {"i": FromNode("b", "out")})))
    go(bad, tmp_path / "out", cache=False)
    found = plan(bad, tmp_path / "out", resume=True, cache=False, home=tmp_path / "home")
    assert [(s.name, s.action) for s in found.steps] == [
        ("a", "cached"),
        ("b", "cached"),
        ("c", "cached"),
        ("d", "run"),
    ]
    assert found.steps[0].why == "finished in this run"
