"""Sweeps: what is tried, how many at a time and how long, what is stopped early, and what the best trial becomes."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.compiler.graph import Graph
from mlp_lang.runner import RunResult, plan, summarise
from mlp_lang.runner.folder import read_record
from mlp_lang.runner.logs import print_logs
from mlp_lang.runner.searching import Search, SearchError, check
from mlp_lang.runner.stopping import to_stop

from runner.hand_made import states
from runner.test_interruption import alive, wait_for

Go = Callable[..., RunResult]
ROOT = Path(__file__).parents[2]

PROGRAM = """
pipeline tuning {{
  param most: int = {trials}

  tune best using command {{
    x = {space}

    define {{
      output out: file
      {metrics}
      code = "src"
      environment = image("any")
      command = "python fit.py ${{x}} ${{out}} {arguments}"
    }}
    search {{
      goal = {goal}("score")
      trials = most
      {search}
    }}
  }}

  output out = best.out
}}
"""
REPORTS = """
import json, sys
x = float(sys.argv[1])
print("trying", x)
open(sys.argv[2], "w").write(sys.argv[1])
json.dump({"metrics": {"score": 0 - (x - 3) ** 2}}, open(sys.argv[3], "w"))
"""


def program(
    folder: Path,
    script: str = REPORTS,
    space: str = "uniform(0.0, 10.0)",
    search: str = "algorithm = random",
    **more: Any,
) -> Graph:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "fit.py").write_text(script)
    metrics = "" if "mlflow" in script else "output found: metrics"
    fields = {"trials": 6, "goal": "maximize", "metrics": metrics, "arguments": "${found}" if metrics else "", **more}
    (folder / "main.mlp").write_text(PROGRAM.format(space=space, search=search, **fields))
    made = compile_file(folder / "main.mlp")
    assert made.graphs, made.diagnostics
    return made.graphs[0]


def trials(record: dict[str, Any]) -> list[dict[str, Any]]:
    return list(next(s for s in record["steps"] if s["name"] == "best")["trials"])


def tried(result: RunResult) -> list[Any]:
    return [t["values"]["x"] for t in trials(result.record)]


# --- what is tried -------------------------------------------------------------------------------------------------


def draws(space: dict[str, Any], number: int, algorithm: Any = "random") -> list[Any]:
    search = Search({"x": space}, algorithm, True, False)
    return [draw.values["x"] for _ in range(number) if (draw := search.ask()) is not None]


SIGMA = 0.5


@pytest.mark.parametrize(
    ("space", "holds"),
    [
        ({"type": "choice", "values": ["a", 2, 0.5, True]}, lambda v: {str(x) for x in v} == {"a", "2", "0.5", "True"}),
        ({"type": "randint", "upper": 4}, lambda v: set(v) == {0, 1, 2, 3}),
        ({"type": "uniform", "min_value": -1, "max_value": 3}, lambda v: abs(fmean(v) - 1) < 0.1 and max(v) <= 3),
        ({"type": "quniform", "min_value": 1, "max_value": 10, "q": 3}, lambda v: set(v) == {0, 3, 6, 9}),
        ({"type": "quniform", "min_value": 0, "max_value": 1, "q": 0.25}, lambda v: set(v) == {0, 0.25, 0.5, 0.75, 1}),
        (
            {"type": "loguniform", "min_value": -4, "max_value": 0},
            lambda v: min(v) >= math.exp(-4) and max(v) <= 1 and abs(median(map(math.log, v)) + 2) < 0.2,
        ),
        ({"type": "qloguniform", "min_value": 0, "max_value": 2, "q": 2}, lambda v: set(v) == {2, 4, 6, 8}),
        (
            {"type": "normal", "mu": 5, "sigma": SIGMA},
            lambda v: abs(fmean(v) - 5) < 0.05 and abs(pstdev(v) - SIGMA) < 0.05,
        ),
        (
            {"type": "qnormal", "mu": 5, "sigma": 2, "q": 5},
            lambda v: {0, 5, 10} <= set(v) and not any(x % 5 for x in v),
        ),
        (
            {"type": "lognormal", "mu": 0, "sigma": SIGMA},
            lambda v: abs(fmean(map(math.log, v))) < 0.05 and abs(pstdev(map(math.log, v)) - SIGMA) < 0.05,
        ),
        ({"type": "qlognormal", "mu": 1, "sigma": SIGMA, "q": 1}, lambda v: all(x == int(x) for x in v)),
    ],
    ids=lambda v: v["type"] if isinstance(v, dict) else "",
)
@pytest.mark.parametrize("algorithm", ["random", {"type": "random", "rule": "sobol", "seed": 1}, "bayesian"])
def test_every_distribution(space: dict[str, Any], holds: Callable[[list[Any]], bool], algorithm: Any) -> None:
    assert holds(draws(space, 1024 if algorithm != "bayesian" else 400, algorithm))


def test_the_base_of_logarithms() -> None:
    found = draws({"type": "loguniform", "min_value": -4, "max_value": 0}, 400, {"type": "random", "logbase": 10})
    assert 1e-4 <= min(found) < 2e-4 and abs(median(map(math.log10, found)) + 2) < 0.3


def test_sobol_covers_evenly_and_random_does_not() -> None:
    space = {"type": "uniform", "min_value": 0, "max_value": 16}
    assert sorted(int(x) for x in draws(space, 16, {"type": "random", "rule": "sobol", "seed": 3})) == list(range(16))
    assert len({int(x) for x in draws(space, 16, {"type": "random", "seed": 3})}) < 16


@pytest.mark.parametrize("kind", ["random", "sobol", "bayesian"])
def test_a_seed_decides_what_is_drawn(kind: str) -> None:
    space = {"type": "uniform", "min_value": 0, "max_value": 1}

    def seeded(seed: int) -> Any:
        rule = {"rule": "sobol"} if kind == "sobol" else {}
        return {"type": "bayesian" if kind == "bayesian" else "random", "seed": seed, **rule}

    assert draws(space, 5, seeded(1)) == draws(space, 5, seeded(1)) != draws(space, 5, seeded(2))


def test_a_grid_is_every_combination_once_with_what_choices_bring() -> None:
    inner = {"kind": "b", "size": {"type": "choice", "values": [1, 2]}}
    search = Search(
        {"x": {"type": "choice", "values": [{"kind": "a"}, inner]}, "y": {"type": "choice", "values": [True, False]}},
        "grid",
        True,
        False,
    )
    found = []
    while (draw := search.ask()) is not None:
        found.append((draw.values["x"], draw.values["y"]))
    kinds = [{"kind": "a"}, {"kind": "b", "size": 1}, {"kind": "b", "size": 2}]
    assert found == [(kind, y) for kind in kinds for y in (True, False)]


def test_a_bayesian_search_goes_where_it_is_good() -> None:
    search = Search({"x": {"type": "uniform", "min_value": 0, "max_value": 10}}, "bayesian", False, False)
    found = []
    for _ in range(40):
        draw = search.ask()
        assert draw is not None
        found.append(draw.values["x"])
        search.tell(draw, (found[-1] - 7) ** 2)
    assert fmean(abs(x - 7) for x in found[30:]) < fmean(abs(x - 7) for x in found[:10]) / 2


@pytest.mark.parametrize(
    ("space", "algorithm", "said"),
    [
        ({"type": "uniform", "min_value": 0}, "random", "lacks `max_value`"),
        ({"type": "uniform", "min_value": 2, "max_value": 1}, "random", "`min_value` is above `max_value`"),
        ({"type": "normal", "mu": 0, "sigma": 0}, "random", "above 0"),
        ({"type": "choice", "values": []}, "random", "nothing to choose from"),
        ({"type": "triangular"}, "random", "no space that is known"),
        ({"type": "uniform", "min_value": 0, "max_value": 1}, "grid", "takes `choice` alone"),
        ({"type": "uniform", "min_value": 0, "max_value": 1}, "annealing", "`annealing` is not known"),
    ],
)
def test_what_cannot_be_searched(space: dict[str, Any], algorithm: str, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        check({"x": space}, algorithm)


# --- what a sweep comes to -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("goal", "pick"), [("maximize", max), ("minimize", min)])
def test_the_best_trials_outputs_are_the_sweeps(go: Go, tmp_path: Path, goal: str, pick: Callable[..., Any]) -> None:
    result = go(program(tmp_path, goal=goal))
    assert result.status == "completed", result.diagnostics
    made = trials(result.record)
    best = pick(made, key=lambda t: t["metric"])
    assert len(made) == 6 and [t["best"] for t in made] == [t is best for t in made]
    out = (Path(result.folder) / "outputs" / "out").read_text()
    assert float(out) == best["values"]["x"] and result.steps["best"].metrics["score"] == best["metric"]


def test_cached_whole_and_trial_by_trial(go: Go, tmp_path: Path) -> None:
    first = go(program(tmp_path))
    assert states(go(program(tmp_path))) == {"best": "cached"}
    more = go(program(tmp_path, trials=8))
    assert tried(more)[:6] == tried(first)
    assert [t["status"] for t in trials(more.record)] == ["cached"] * 6 + ["completed"] * 2
    other = program(tmp_path, search="algorithm = random(seed = 4)")
    assert plan(other, home=tmp_path / "home").steps[0].why == "changed: the search: at most 6 trials, random"
    assert tried(go(other)) != tried(first)


def test_concurrency_is_kept(go: Go, tmp_path: Path) -> None:
    script = REPORTS + "import os, time\nopen(f'{sys.argv[4]}/{x}', 'w'); time.sleep(0.3)\n"
    script += "assert len(os.listdir(sys.argv[4])) <= int(sys.argv[5])\nos.unlink(f'{sys.argv[4]}/{x}')\n"
    running = tmp_path / "running"
    for at_once, jobs, expected in ((2, 4, 2), (4, 3, 3), (3, 1, 1)):
        running.mkdir()
        made = program(
            tmp_path,
            script,
            search=f"algorithm = random\nconcurrency = {at_once}",
            arguments=f"${{found}} {running} {expected}",
        )
        result = go(made, jobs=jobs, cache=False)
        assert [t["status"] for t in trials(result.record)] == ["completed"] * 6, trials(result.record)
        running.rmdir()


def test_failed_trials_are_no_failure_of_the_sweep_until_all_fail(go: Go, tmp_path: Path) -> None:
    some = go(program(tmp_path, REPORTS + "assert x < 5, 'too large'\n", "choice(1, 9, 2)", "algorithm = grid"))
    assert [(t["status"], t["error"]) for t in trials(some.record)] == [
        ("completed", None),
        ("failed", "AssertionError: too large"),
        ("completed", None),
    ]
    assert some.status == "completed" and (Path(some.folder) / "outputs" / "out").read_text() == "2"
    none = go(program(tmp_path, REPORTS + "assert x < 0, 'too large'\n"))
    assert [(d.code, d.label) for d in none.diagnostics] == [("MLP0950", "AssertionError: too large")]


@pytest.mark.parametrize(
    ("search", "script", "code", "states_"),
    [
        ("trial_timeout = 1s", "import time\nif x > 5: time.sleep(600)\n", "", ["completed", "failed", "completed"]),
        ("timeout = 2s", "import time\nif x > 5: time.sleep(600)\n", "MLP0952", ["completed", "stopped"]),
    ],
)
def test_limits_of_time(go: Go, tmp_path: Path, search: str, script: str, code: str, states_: list[str]) -> None:
    made = program(tmp_path, REPORTS + script, "choice(1, 9, 2)", f"algorithm = grid\nconcurrency = 1\n{search}")
    result = go(made, grace=0.2)
    assert [d.code for d in result.diagnostics] == [code] * bool(code)
    assert [t["status"] for t in trials(result.record)] == states_


def test_a_metric_that_no_trial_gives(go: Go, tmp_path: Path) -> None:
    made = program(tmp_path, REPORTS.replace('"score"', '"scores"'))
    result = go(made)
    assert [(d.code, d.label) for d in result.diagnostics] == [("MLP0951", "trials gave `scores`")]


def test_what_is_wrong_is_said_before_anything_runs(go: Go, tmp_path: Path) -> None:
    made = program(tmp_path)
    node = made.nodes[0]
    search = {**(node.search or {}), "search_space": {"x": {"type": "triangular"}}}
    result = go(made._replace(nodes=(node._replace(search=search),)))
    assert [d.code for d in result.diagnostics] == ["MLP0953"] and result.folder == ""


def test_without_optuna_the_run_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """With a path on which all that is installed can be found but for Optuna, and mlp as its package says it is."""
    import sysconfig
    import tomllib

    import mlp_lang

    program(tmp_path)
    there = tmp_path / "site"
    there.mkdir()
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            if not entry.name.startswith(("optuna", "mlp_lang")) and entry.suffix != ".pth":
                (there / entry.name).symlink_to(entry)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needs = [f'Requires-Dist: {one}; extra == "{extra}"' for extra in ("run", "azure") for one in extras[extra]]
    (there / "mlp_lang-0.1.0.dist-info").mkdir()
    metadata = "\n".join(["Metadata-Version: 2.1", "Name: mlp-lang", "Version: 0.1.0", *needs])
    (there / "mlp_lang-0.1.0.dist-info" / "METADATA").write_text(metadata + "\n")
    root = str(Path(mlp_lang.__file__).parents[1])
    code = (
        f"import sys; sys.path[:0] = [{root!r}, {str(there)!r}]; from mlp_lang.cli.main import main; sys.exit(main())"
    )
    call = [sys.executable, "-S", "-c", code, "run", "main.mlp"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    ended = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 3 and "optuna" in ended.stderr and "pip install 'mlp-lang[run]'" in ended.stderr, ended
    assert not (tmp_path / ".mlp" / "runs").exists()


# --- early termination ---------------------------------------------------------------------------------------------

BEST, GOOD, BAD = [0.5, 0.7, 0.9, 0.9], [0.4, 0.6, 0.8, 0.8], [0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("policy", "maximize", "trial", "interval", "histories", "expected"),
    [
        ({"type": "bandit", "slack_factor": 0.2}, True, 1, 1, [[0.8], [0.66]], True),
        ({"type": "bandit", "slack_factor": 0.2}, True, 1, 1, [[0.8], [0.67]], False),
        ({"type": "bandit", "slack_amount": 0.2}, True, 1, 1, [[0.8], [0.59]], True),
        ({"type": "bandit", "slack_amount": 0.2}, True, 1, 1, [[0.8], [0.61]], False),
        ({"type": "bandit", "slack_factor": 0.2}, False, 1, 1, [[0.5], [0.61]], True),
        ({"type": "bandit", "slack_factor": 0.2}, False, 1, 1, [[0.5], [0.59]], False),
        ({"type": "bandit", "slack_factor": 0.1}, True, 1, 2, [[0.9], [0.1, 0.1]], False),  # nobody is that far
        ({"type": "bandit", "slack_amount": 0.2, "delay_evaluation": 3}, True, 1, 2, [BEST, BAD], False),
        ({"type": "bandit", "slack_amount": 0.2, "delay_evaluation": 3}, True, 1, 3, [BEST, BAD], True),
        ({"type": "bandit", "slack_amount": 0.2, "evaluation_interval": 2}, True, 1, 3, [BEST, BAD], False),
        ({"type": "bandit", "slack_amount": 0.2, "evaluation_interval": 2}, True, 1, 4, [BEST, BAD], True),
        ({"type": "median_stopping"}, True, 2, 2, [BEST, GOOD, BAD], True),
        ({"type": "median_stopping"}, True, 1, 2, [BEST, GOOD, BAD], False),
        ({"type": "median_stopping"}, False, 0, 2, [[0.9, 0.9], GOOD, BAD], True),
        ({"type": "truncation_selection", "truncation_percentage": 40}, True, 2, 1, [BEST, GOOD, BAD], True),
        ({"type": "truncation_selection", "truncation_percentage": 40}, True, 1, 1, [BEST, GOOD, BAD], False),
        ({"type": "truncation_selection", "truncation_percentage": 30}, True, 2, 1, [BEST, GOOD, BAD], False),
        ({"type": "truncation_selection", "truncation_percentage": 40}, False, 0, 1, [BEST, GOOD, BAD], True),
        (None, True, 1, 1, [BEST, BAD], False),
    ],
)
def test_policies(
    policy: Any, maximize: bool, trial: int, interval: int, histories: list[list[float]], expected: bool
) -> None:
    assert to_stop(policy, maximize, trial, interval, dict(enumerate(histories))) is expected


LOGS = """
import mlflow, sys, time
x = float(sys.argv[1])
with open("begun" if "place" not in globals() else place + "/begun", "a") as file:
    file.write(f"{x}\\n")
with mlflow.start_run():
    for step in range(40):
        mlflow.log_metric("score", x, step=step)
        if x > 5 and step >= 4:
            break
        time.sleep(0.5)
open(sys.argv[2], "w").write(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "stop",
    [
        "bandit(slack_factor = 0.1, every = 1, delay = 2)",
        "median(every = 1, delay = 2)",
        "truncate(percent = 50, every = 1, delay = 2)",
    ],
)
def test_trials_that_are_worse_are_really_stopped(go: Go, tmp_path: Path, stop: str) -> None:
    search = f"algorithm = grid\nconcurrency = 2\nstop = {stop}"
    result = go(program(tmp_path, LOGS, "choice(9, 1)", search), tracking=True, jobs=2, grace=1.0)
    assert result.status == "completed", result.diagnostics
    good, bad = trials(result.record)
    assert (good["status"], good["metric"], good["best"], good["reports"]) == ("completed", 9.0, True, 5)
    assert bad["status"] == "stopped" and 2 <= bad["reports"] < 40 and bad["metric"] == 1.0 and not bad["best"]
    said = (Path(result.folder) / "steps" / "best" / "log.txt").read_text()
    assert "trial 1: stopped early after logging score" in said


FORESTS = """
import argparse, mlflow, mlflow.sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x, out = __import__("sys").argv[1:3]
X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(C=float(x), max_iter=200)).fit(X_train, y_train)
with mlflow.start_run():
    mlflow.log_metric("score", model.score(X_test, y_test))
mlflow.sklearn.save_model(model, out)
"""


@pytest.mark.slow
def test_the_model_of_the_best_scikit_learn_trial_is_the_output(go: Go, tmp_path: Path) -> None:
    made = program(tmp_path, FORESTS, "choice(0.00001, 0.1)", "algorithm = grid\nconcurrency = 2")
    text = (tmp_path / "main.mlp").read_text().replace("output out: file", "output out: mlflow_model")
    (tmp_path / "main.mlp").write_text(text)
    made = compile_file(tmp_path / "main.mlp").graphs[0]
    result = go(made, tracking=True, report=True, jobs=2)
    assert result.status == "completed", result.diagnostics
    import mlflow
    from sklearn.datasets import load_breast_cancer

    model = mlflow.sklearn.load_model(str(Path(result.folder) / "outputs" / "out"))
    worst, best = trials(result.record)
    assert best["best"] and best["metric"] > 0.95 > worst["metric"]
    assert model.steps[-1][1].C == 0.1
    assert model.score(*load_breast_cancer(return_X_y=True)) > 0.95
    # the trials are runs in the sweep's, which is one in the pipeline's
    client = mlflow.MlflowClient(result.record["tracking"]["uri"])
    runs = {r.info.run_name: r for r in client.search_runs([e.experiment_id for e in client.search_experiments()])}
    assert runs["best trial 1"].data.tags["mlflow.parentRunId"] == runs["best"].info.run_id
    assert runs["best"].data.tags["mlflow.parentRunId"] == result.record["tracking"]["run_id"]
    assert runs["best"].data.metrics["score"] == best["metric"] and runs["best"].info.status == "FINISHED"
    assert runs["best trial 1"].data.tags["mlp.input.x"] == "0.1"
    page = (Path(result.folder) / "report.html").read_text()
    assert "Trials of best" in page and "steps/best/trials/1/log.txt" in page
    assert "best/1  score = " in summarise(result.record, result.folder)


# --- a sweep that is interrupted -----------------------------------------------------------------------------------

KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from mlp_lang.compiler import compile_file
from mlp_lang.runner import run
sys.exit(run(compile_file(Path("main.mlp")).graphs[0], "out", home="home", tracking=False, jobs=2).exit_code)
"""
WAITS = (
    REPORTS
    + """
import os, time
with open(f"{sys.argv[4]}/count", "a") as file:
    file.write(f"{x}\\n")
while len(open(f"{sys.argv[4]}/count").readlines()) > 3 and not os.path.exists(f"{sys.argv[4]}/go"):
    open(f"{sys.argv[4]}/pid", "w").write(str(os.getpid()))
    time.sleep(0.05)
"""
)


@pytest.mark.parametrize("algorithm", ["random(seed = 5)", "sobol(seed = 5)", "bayesian", "grid"])
@pytest.mark.parametrize("cache", [True, False])
def test_a_killed_sweep_goes_on_where_it_was(go: Go, tmp_path: Path, algorithm: str, cache: bool) -> None:
    space = "choice(1, 2, 3, 4, 5, 6)" if algorithm == "grid" else "uniform(0.0, 10.0)"
    made = program(
        tmp_path, WAITS, space, f"algorithm = {algorithm}\nconcurrency = 1", arguments=f"${{found}} {tmp_path}"
    )
    text = KILLED.format(tests=str(Path(__file__).parents[1])).replace("jobs=2", f"jobs=2, cache={cache}")
    runner = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "", None)
    runner.kill()
    runner.wait()
    wait_for(lambda: not (pid := (tmp_path / "pid").read_text()) or not alive(int(pid)))
    left = read_record(str(tmp_path / "out"))
    assert left is not None and left["status"] == "killed"
    assert [t["status"] for t in trials(left)] == ["completed"] * 3 + ["running"]
    assert (tmp_path / "out" / "steps" / "best" / "trials" / "0" / "entry.json").exists()
    (tmp_path / "go").touch()
    result = go(made, tmp_path / "out", home=tmp_path / "home", resume=True, cache=cache)
    assert result.status == "completed", result.diagnostics
    done = trials(result.record)
    assert [t["status"] for t in done] == ["cached"] * 3 + ["completed"] * 3
    assert [t["values"] for t in done[:4]] == [t["values"] for t in trials(left)]
    assert len(set(tried(result))) == 6  # none twice
    assert len((tmp_path / "count").read_text().splitlines()) == 3 + 1 + 3  # the fourth, killed, began again
    assert not (tmp_path / "out" / "steps" / "best" / "trials.jsonl").exists()


@pytest.mark.slow
def test_a_trial_that_was_stopped_early_is_not_tried_again(go: Go, tmp_path: Path) -> None:
    """The first trial ends, the second is stopped, and the run is killed in the third."""
    script = f"place = {str(tmp_path)!r}\n" + LOGS + STOPPED
    search = "algorithm = grid\nconcurrency = 1\nstop = bandit(slack_factor = 0.1, every = 1, delay = 2)"
    made = program(tmp_path, script, "choice(9, 1, 8.9)", search)
    text = KILLED.format(tests="").replace("tracking=False", "grace=1.0")
    runner = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path)
    wait_for((tmp_path / "waiting").exists)
    runner.kill()
    runner.wait()
    left = read_record(str(tmp_path / "out"))
    assert left is not None and [t["status"] for t in trials(left)] == ["completed", "stopped", "running"]
    (tmp_path / "go").touch()
    result = go(made, tmp_path / "out", home=tmp_path / "home", resume=True, tracking=True)
    assert result.status == "completed", result.diagnostics
    assert [t["status"] for t in trials(result.record)] == ["cached", "stopped", "completed"]
    assert trials(result.record)[1]["metric"] == 1.0
    assert (tmp_path / "begun").read_text().split() == ["9.0", "1.0", "8.9", "8.9"]


STOPPED = """
import os
if x == 8.9:
    open(os.path.join(place, "waiting"), "w")
    while not os.path.exists(os.path.join(place, "go")):
        time.sleep(0.05)
"""


def test_the_notes_of_a_sweep(go: Go, tmp_path: Path) -> None:
    from mlp_lang.runner.trials import Drawn, Notes

    notes = Notes(str(tmp_path), "key")
    notes.write(Drawn(0, {"x": 0.1}))
    notes.write(Drawn(1, {"x": 0.2}))
    notes.write(Drawn(1, {"x": 0.2}, True, [0.5, 0.4]))
    notes.write(Drawn(3, {"x": 0.4}))
    with (tmp_path / Notes.FILE).open("a") as file:
        file.write('{"number": 4')  # a kill in the middle of a line
    again = Notes(str(tmp_path), "key")
    assert again.of(1) == Drawn(1, {"x": 0.2}, True, [0.5, 0.4]) and again.of(2) is None
    assert again.parameters() == [{"x": 0.1}, {"x": 0.2}]
    assert Notes(str(tmp_path), "another").parameters() == []


def test_trials_in_the_summary_the_report_and_the_logs(go: Go, tmp_path: Path) -> None:
    import io

    said: list[str] = []

    class Told:
        def begin(self, graph: Graph, folder: str) -> None: ...
        def step(self, name: str, state: str, seconds: float, note: str = "") -> None: ...
        def say(self, text: str) -> None: ...
        def end(self) -> None: ...
        def note(self, name: str, text: str) -> None:
            said.append(text)

    result = go(program(tmp_path, space="choice(1, 3)", search="algorithm = grid"), report=True, progress=Told())
    assert said[-1].startswith("2 of at most 6 trials, best 0; trial")
    assert "best       best/1  score = 0  x = 3" in summarise(result.record, result.folder)
    lines = io.StringIO()
    print_logs(result.folder, ["best/1"], lines)
    assert lines.getvalue() == "trying 3.0\n"
    page = (Path(result.folder) / "report.html").read_text()
    assert "Trials of best" in page
    assert read_record(result.folder) == json.loads(json.dumps(result.record))
