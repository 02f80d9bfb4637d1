"""`mlp run` with its choices, `mlp runs`, `logs`, `report` and `cache`: as processes, on three shell steps."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_programs import Mlp

PROGRAM = """\
component say: command {
  param word: string
  output out: file
  command = "echo says ${word}; echo ${word} > ${out}"
  environment = image("any")
}

component join: command {
  param left: file
  param right: file
  output out: file
  command = "echo joins; cat ${left} ${right} > ${out}"
  environment = image("any")
}

pipeline talk {
  param word: string = "hello"

  step first using say {
    word = word
  }

  step second using say {
    word = "world"
  }

  step both using join {
    left = first
    right = second
  }

  output said = both
}
"""


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlp: Mlp) -> Path:
    """A folder in which `talk.mlp` has run once, as talk-1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.mlp").write_text(PROGRAM)
    done = mlp("run", "talk.mlp", "--no-tracking")
    assert done.returncode == 0, done.stderr
    return tmp_path


RUN = ("run", "talk.mlp", "--no-tracking")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((*RUN, "--dry-run"), 0, r"(?m)^cached  first .*the same as before.*\n(.*\n)*talk: 3 cached; nothing was run"),
        ((*RUN, "--dry-run", "--param", "word=hi"), 0, r"run +first +changed: input `word`"),
        ((*RUN, "--dry-run", "--only", "bot"), 2, r"MLP0920(.*\n)*.*did you mean `both`\?"),
        ((*RUN, "--dry-run", "--only", "both", "--param", "word=hi"), 3, "MLP0921"),
        ((*RUN, "--only", "both", "--force"), 0, "2 cached, 1 ran"),
        ((*RUN, "--until", "first,second", "--force"), 0, "2 ran, 1 left out"),
        ((*RUN, "--from", "second", "--until", "first"), 2, "no step lies within"),
        ((*RUN, "--only", "first", "--from", "second"), 2, "does not go together"),
        ((*RUN, "--only", "both", "--param", "word=hi"), 3, r"MLP0921(.*\n)*.*changed: input `word`"),
        ((*RUN, "--memory", "lots"), 2, "write it as 500MB"),
        (("run", ".mlp/runs/talk-1"), 2, "--resume goes on"),
        (("run", "--resume", ".mlp/runs/talk-1"), 0, "3 cached"),
        (("run", "--resume", ".mlp/runs/talk-1", "--param", "word=hi"), 2, "--param would make it another run"),
        (("run", "--resume", ".mlp/runs/talk-1", "-o", "out"), 2, "once"),
        (("run", "--resume", ".mlp/cache"), 2, "does not say which program"),
        (("runs",), 0, r"(?m)^talk-1 +talk +completed .* 3 +0 +0  \.mlp/runs/talk-1$"),
        (("runs", "talk-1"), 0, "talk completed in"),
        (("runs", "talk-11"), 2, r"did you mean `talk-1`\?\n"),
        (("runs", "--pipeline", "other"), 0, "no runs here yet"),
        (("logs", "talk-1"), 0, r"first  \| says hello\nsecond \| says world\nboth   \| joins\n"),
        (("logs", ".mlp/runs/talk-1", "both"), 0, r"^joins\n$"),
        (("logs", "talk-1", "bth"), 2, "did you mean `both`"),
        (("logs", "talk-1", "-f"), 0, "both   . joins"),
        (("logs", "nowhere"), 2, "`mlp runs` lists them"),
        (("report", "talk-1"), 0, "wrote .*report.html"),
        (("report", "talk-1", "-o", "no/such/folder.html"), 2, "cannot be written"),
        (("cache",), 0, r"(?m)^talk.both +join +1 "),
        (("cache", "prune"), 2, "--older SPAN"),
        (("cache", "prune", "--older", "3x"), 2, "write it as"),
        (("cache", "prune", "--older", "1h"), 0, "removed 0 entries of 0 B .*; 3 entries"),
        (("cache", "prune", "--size", "0", "--dry-run"), 0, "would remove 3 entries"),
        (("cache", "clear"), 0, "removed 3 entries"),
    ],
)
def test_what_each_says_and_exits_with(mlp: Mlp, talk: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = mlp(*arguments)
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert re.search(said, output), output
    assert "Traceback" not in output and "internal error" not in output


def test_what_machines_read(mlp: Mlp, talk: Path) -> None:
    planned = json.loads(mlp(*RUN, "--dry-run", "--format", "json", "--param", "word=hi").stdout)
    assert planned["counts"] == {"run": 1, "cached": 1, "maybe": 1}
    assert [(s["name"], s["action"]) for s in planned["steps"]] == [
        ("first", "run"),
        ("second", "cached"),
        ("both", "maybe"),
    ]
    mlp(*RUN, "-o", "elsewhere")
    runs = json.loads(mlp("runs", "--format", "json").stdout)
    assert [(r["name"], r["cached"], r["ran"]) for r in runs] == [("elsewhere", 3, 0), ("talk-1", 0, 3)]
    record = json.loads(mlp("runs", "talk-1", "--format", "json").stdout)
    assert record == json.loads((talk / ".mlp/runs/talk-1/run.json").read_text())
    cache = json.loads(mlp("cache", "show", "--format", "json").stdout)
    assert cache["entries"] == 3 and {s["step"] for s in cache["steps"]} == {"first", "second", "both"}
    dry = json.loads(mlp("cache", "clear", "--dry-run", "--format", "json").stdout)
    assert dry["removed"]["entries"] == 3 and dry["left"]["entries"] == 0
    assert json.loads(mlp("cache", "show", "--format", "json").stdout) == cache


def test_a_dry_run_leaves_no_trace(mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talk.mlp").write_text(PROGRAM)
    done = mlp("run", "talk.mlp", "--dry-run", "-o", "out")
    assert done.returncode == 0 and "3 to run" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mlp"]


def test_a_run_goes_on_as_it_was_called(mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stop = tmp_path / "stop"
    stop.touch()
    program = PROGRAM.replace("echo joins;", f"test ! -e {stop} || exit 1; echo joins;")
    (tmp_path / "talk.mlp").write_text(program)
    failed = mlp("run", "talk.mlp", "--no-tracking", "--param", "word=hi", "--until", "both")
    assert failed.returncode == 3 and "resume   mlp run --resume .mlp/runs/talk-1" in failed.stdout
    stop.unlink()
    (tmp_path / "apart").mkdir()
    done = mlp("run", "--resume", ".mlp/runs/talk-1", "--no-tracking")
    assert done.returncode == 0 and "2 cached, 1 ran" in done.stdout
    assert (tmp_path / ".mlp/runs/talk-1/outputs/said").read_text() == "hi\nworld\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("mlp logs ", {"talk-1"}),
        ("mlp logs talk-1 ", {"first", "second", "both"}),
        ("mlp report t", {"talk-1"}),
        ("mlp run talk.mlp --only first,s", {"first,second"}),
        ("mlp run talk.mlp --until b", {"both"}),
        ("mlp cache ", {"show", "prune", "clear"}),
    ],
)
def test_completion(mlp: Mlp, talk: Path, words: str, offered: set[str]) -> None:
    count = len(words.split(" ")) - 1
    done = mlp(env={"_MLP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)})
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered


def test_logs_are_followed_until_the_steps_have_ended(talk: Path, mlp: Mlp) -> None:
    go = talk / "go"
    slow = PROGRAM.replace("echo joins;", f"echo before; while ! test -e {go}; do sleep 0.05; done; echo after;")
    (talk / "talk.mlp").write_text(slow)
    script = os.environ | {"PYTHONUNBUFFERED": "1"}

    tool = str(Path(sys.executable).with_name("mlp"))
    runner = subprocess.Popen(
        [tool, *RUN, "-o", "out"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=script
    )
    try:
        while not (talk / "out/steps/both/log.txt").exists():
            assert runner.poll() is None
        follower = subprocess.Popen([tool, "logs", "out", "both", "-f"], stdout=subprocess.PIPE, text=True, env=script)
        assert follower.stdout is not None and follower.stdout.readline() == "before\n"
        assert "running" in mlp("runs").stdout
        go.touch()
        assert follower.communicate(timeout=60)[0] == "after\n" and follower.returncode == 0
    finally:
        go.touch()
        assert runner.wait(timeout=60) == 0
