"""Parallel jobs: how data becomes mini batches, what the entry script is told, and what becomes of failures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler import compile_file
from mlp_lang.compiler.graph import Graph
from mlp_lang.runner import RunResult, plan, summarise
from mlp_lang.runner.folder import read_record
from mlp_lang.runner.logs import NoStepError, print_logs

from runner.hand_made import states

Go = Callable[..., RunResult]

PROGRAM = """
pipeline scoring {{
  data rows: {type} = "{data}"

  step score using parallel {{
    rows = rows

    define {{
      param rows: {type}
      output scores: {output}
      code = "src"
      entry = "score.py"
      arguments = "{arguments}"
      append_to = "${{scores}}"
      environment = image("any")
    }}
    run {{
      input_data = rows
      max_concurrency_per_instance = 2
      {settings}
    }}
  }}

  output scores = score
}}
"""
NAMES = """
import os
def run(mini_batch):
    return [" ".join(os.path.basename(path) for path in mini_batch)] * len(mini_batch)
"""
SIZES = """
def run(mini_batch):
    import pandas as pd
    assert isinstance(mini_batch, pd.DataFrame)
    return mini_batch.assign(n=len(mini_batch))[["a", "n"]]
"""
KEYS = """
def run(mini_batch, context):
    return [f"{context.minibatch_index} {sorted(context.partition_key_value.items())} {len(mini_batch)}"]
"""


def program(folder: Path, script: str, settings: str = "", **more: str) -> Graph:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "score.py").write_text(script)
    fields = {"type": "folder", "data": "rows", "output": "file", "arguments": "", "settings": settings, **more}
    (folder / "main.mlp").write_text(PROGRAM.format(**fields))
    made = compile_file(folder / "main.mlp")
    assert made.graphs, made.diagnostics
    return made.graphs[0]


def files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def table(folder: Path, said: str, **tables: str) -> None:
    folder.mkdir()
    (folder / "MLTable").write_text(said)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)


def scores(result: RunResult) -> list[str]:
    assert result.status == "completed", result.diagnostics
    return Path(result.steps["score"].outputs["scores"]).read_text().splitlines()


def batches(result: RunResult) -> dict[str, Any]:
    found = next(s for s in result.record["steps"] if s["name"] == "score")["batches"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("2", ["a b", "a b", "c d/e", "c d/e", "f"]),
        ("1", ["a", "b", "c", "d/e", "f"]),
        ("10", ["a b c d/e f"] * 5),
        ("", ["a b c d/e f"] * 5),
    ],
)
def test_files_go_by_number_in_the_order_of_their_names(go: Go, tmp_path: Path, size: str, expected: list[str]) -> None:
    files(tmp_path / "rows", "a", "b", "c", "d/e", "f")
    made = program(tmp_path, NAMES, f'mini_batch_size = "{size}"' if size else "")
    assert scores(go(made)) == [line.replace("d/e", "e") for line in expected]
    assert states(go(made)) == {"score": "cached"}


TEN = "a\n" + "".join(f"{i}\n" for i in range(10))
READ = "paths:\n  - pattern: ./*.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n"


@pytest.mark.parametrize(
    ("said", "size", "expected"),
    [
        (READ, "12b", ["5 5"] * 2),
        (READ, "1kb", ["10"]),
        (READ, "1MB", ["10"]),
        (READ, "", ["10"]),
        (READ + "  - take: 4\n", "1kb", ["4"]),
        (READ + "  - skip: 3\n", "1kb", ["7"]),
        (READ + "  - keep_columns: [a]\n", "1kb", ["10"]),
        (READ + "  - convert_column_types:\n      - {columns: a, column_type: float}\n", "1kb", ["10"]),
    ],
)
def test_tables_go_by_bytes(go: Go, tmp_path: Path, said: str, size: str, expected: list[str]) -> None:
    table(tmp_path / "rows", said, rows=TEN)
    size = size.replace("b", "") if size.endswith("2b") else size
    made = program(tmp_path, SIZES, f'mini_batch_size = "{size}"' if size else "", type="mltable")
    found = [line.split()[1] for line in scores(go(made))]
    assert sorted(set(found)) == sorted({n for line in expected for n in line.split()})


def test_files_go_by_the_keys_of_their_folders(go: Go, tmp_path: Path) -> None:
    places = ("store=1/brand=a/x", "store=1/brand=b/x", "store=1/brand=b/y", "store=2/brand=a/x")
    files(tmp_path / "rows", *places)
    assert scores(go(program(tmp_path, KEYS, 'partition_keys = ["store", "brand"]'))) == [
        "0 [('brand', 'a'), ('store', '1')] 1",
        "1 [('brand', 'b'), ('store', '1')] 2",
        "2 [('brand', 'a'), ('store', '2')] 1",
    ]


@pytest.mark.parametrize(
    ("said", "tables", "expected"),
    [
        (READ, {"x": "store,v\n2,1\n1,2\n2,3\n", "y": "store,v\n1,4\n"}, ["1 2", "2 2"]),
        (
            READ + "  - extract_columns_from_partition_format: '/{store}.csv'\n",
            {"north": "v\n1\n2\n", "south": "v\n3\n"},
            ["north 2", "south 1"],
        ),
    ],
)
def test_tables_go_by_columns(go: Go, tmp_path: Path, said: str, tables: dict[str, str], expected: list[str]) -> None:
    table(tmp_path / "rows", said, **tables)
    script = 'def run(b, context):\n    return [f"{b.store.iloc[0]} {len(b)}"] * len(b)\n'
    made = program(tmp_path, script, 'partition_keys = ["store"]\nerror_threshold = 0', type="mltable")
    assert list(dict.fromkeys(scores(go(made)))) == expected


def test_an_mltable_that_reads_nothing_is_a_list_of_files(go: Go, tmp_path: Path) -> None:
    table(tmp_path / "rows", "paths:\n  - file: ./b.csv\n  - pattern: ./a*.csv\n", a1="", a2="", b="", c="")
    made = program(tmp_path, NAMES, 'mini_batch_size = "2"', type="mltable")
    assert scores(go(made)) == ["b.csv a1.csv"] * 2 + ["a2.csv"]


ARGUMENTS = """
import argparse, atexit, logging, os, sys
from azureml_user.parallel_run import EntryScript
def init():
    global said
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows")
    parser.add_argument("--note")
    said, rest = parser.parse_known_args()
    assert rest == ["--allowed_failed_percent", "50"], rest
    assert EntryScript() is EntryScript()
    EntryScript().logger.debug("debugging")
    EntryScript().logger.info("informing")
    print("init in", os.path.basename(os.getcwd()))
def run(mini_batch):
    print("seen", len(mini_batch))
    assert all(path.startswith(said.rows) for path in mini_batch)
    assert os.path.isdir(os.environ["AZUREML_BI_OUTPUT_PATH"]) and os.environ["COLOUR"] == "red"
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], f"{os.path.basename(mini_batch[0])}.txt"), "w") as f:
        f.write(said.note)
    return mini_batch
def shutdown():
    print("shut down")
"""


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_the_entry_script_has_its_arguments_variables_logger_and_folders(go: Go, tmp_path: Path, level: str) -> None:
    files(tmp_path / "rows", "a", "b", "c")
    made = program(
        tmp_path,
        ARGUMENTS,
        f'mini_batch_size = "1"\nlogging_level = "{level}"\nenv {{ COLOUR = "red" }}',
        arguments="--rows ${rows} --note 'two words' --allowed_failed_percent 50",
        output="folder",
    )
    result = go(made)
    assert result.status == "completed", result.diagnostics
    out = Path(result.steps["score"].outputs["scores"])
    assert sorted(p.name for p in out.iterdir()) == ["a.txt", "b.txt", "c.txt", "parallel_run_step.txt"]
    assert (out / "a.txt").read_text() == "two words"
    assert [Path(line).name for line in (out / "parallel_run_step.txt").read_text().splitlines()] == ["a", "b", "c"]
    log = (Path(result.folder) / "steps" / "score" / "log.txt").read_text()
    assert log.count("init in code") == log.count("shut down") == 2
    assert all(f"[{i}] seen 1" in log for i in range(3))
    assert ("DEBUG EntryScript: debugging" in log) == (level == "DEBUG") and "INFO EntryScript: informing" in log


FAILS = """
import os, sys, time
def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    if "bad" in names[0]:
        raise ValueError("no good: " + names[0])
    return [n for n in names if "lost" not in n]
"""


@pytest.mark.parametrize(
    ("names", "settings", "arguments", "error"),
    [
        (["a", "bad", "c"], "", "", ""),
        (["a", "bad", "c"], "mini_batch_error_threshold = 1", "", ""),
        (["a", "bad", "c"], "mini_batch_error_threshold = 0", "", "1 mini batches failed, and 0 may"),
        (["a", "bad1", "bad2"], "mini_batch_error_threshold = 1", "", "2 mini batches failed, and 1 may"),
        (["a", "bad", "c"], "error_threshold = 1", "", ""),
        (["a", "bad", "c"], "error_threshold = 0", "", "1 items failed, and 0 may"),
        (["a", "lost", "c"], "error_threshold = 0", "", "gave 0 results for 1 items"),
        (["a", "lost", "c"], "mini_batch_error_threshold = 0", "", ""),
        (["a", "bad", "c"], "", "--error_threshold 0", "1 items failed, and 0 may"),
        (["a", "bad", "c", "d"], "", "--allowed_failed_percent 25", ""),
        (["a", "bad1", "bad2", "d"], "", "--allowed_failed_percent=25", "2 mini batches failed, and 1 may"),
        (["a", "bad"], "", "--error_threshold many", "is `many`, and no number"),
    ],
)
def test_limits_on_failures(
    go: Go, tmp_path: Path, names: list[str], settings: str, arguments: str, error: str
) -> None:
    files(tmp_path / "rows", *names)
    made = program(tmp_path, FAILS, f'mini_batch_size = "1"\nretries = 0\n{settings}', arguments=arguments)
    result = go(made)
    if error:
        assert result.status == "failed"
        said = [d.label or d.message for d in result.diagnostics]
        assert error in said[-1], said
    else:
        good = [n for n in names if "bad" not in n and "lost" not in n]
        assert scores(result) == good
        assert batches(result)["failed"] == sum("bad" in n for n in names)


RETRIED = """
import os, time
def run(mini_batch):
    seen = mini_batch[0] + ".seen"
    with open(seen.replace("/rows/", "/seen/"), "a") as file:
        file.write("x")
    name = os.path.basename(mini_batch[0])
    times = os.path.getsize(seen.replace("/rows/", "/seen/"))
    if name == "raises" and times < 3:
        raise RuntimeError("not yet")
    if name == "hangs" and times < 2:
        time.sleep(600)
    if name == "dies" and times < 2:
        os._exit(9)
    return [name]
"""


@pytest.mark.parametrize(
    ("retries", "kept", "tries"),
    [
        (2, ["dies", "fine", "hangs", "raises"], {"dies": 2, "fine": 1, "hangs": 2, "raises": 3}),
        (1, ["dies", "fine", "hangs"], {"dies": 2, "fine": 1, "hangs": 2, "raises": 2}),
        (0, ["fine"], {"dies": 1, "fine": 1, "hangs": 1, "raises": 1}),
    ],
)
def test_a_mini_batch_that_raises_hangs_or_dies_is_tried_again(
    go: Go, tmp_path: Path, retries: int, kept: list[str], tries: dict[str, int]
) -> None:
    files(tmp_path / "rows", *tries)
    (tmp_path / "seen").mkdir()
    made = program(tmp_path, RETRIED, f'mini_batch_size = "1"\nretries = {retries}\ntimeout = 1s')
    result = go(made)
    assert scores(result) == kept
    assert {name: len((tmp_path / "seen" / f"{name}.seen").read_text()) for name in tries} == tries
    assert [b["attempts"] for b in batches(result)["listed"]] == [tries[n] for n in sorted(tries)]


@pytest.mark.parametrize(
    ("script", "settings", "code", "said"),
    [
        ("import nothing_such", "", "MLP0902", "`score.py` cannot be imported: ModuleNotFoundError"),
        ("def init(): 1 / 0\ndef run(b): return b", "", "MLP0902", "fails in init(): ZeroDivisionError"),
        ("def runs(b): return b", "", "MLP0902", "has no function `run(mini_batch)`"),
        ("def run(b): return 3", "error_threshold = 0", "MLP0902", "returned int, and a list or a DataFrame"),
        ("def run(b): return b\ndef shutdown(): 1 / 0", "", "MLP0902", "shutdown() of `score.py` failed"),
        ("def run(b): return b", 'mini_batch_size = "10kb"', "MLP0954", "a number of files, as `10`"),
        ("def run(b): return b", 'partition_keys = ["k"]', "MLP0902", "lies in no folder `k=…`"),
    ],
)
def test_what_is_wrong_is_said(go: Go, tmp_path: Path, script: str, settings: str, code: str, said: str) -> None:
    files(tmp_path / "rows", "a", "b")
    result = go(program(tmp_path, script, settings + "\nretries = 0"))
    assert [d.code for d in result.diagnostics] == [code]
    found = result.diagnostics[0]
    assert said in f"{found.message} {found.label}", found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('entry = "score.py"', 'entry = "other.py"', "there is no `other.py` among its code"),
        ('entry = "score.py"', 'entry = "../outside.py"', "there is no `../outside.py` among its code"),
        ('entry = "score.py"', 'task_type = model\nmodel = "azureml:m:1"', "its task is a `model`"),
        ('append_to = "${scores}"', 'append_to = "/tmp/rows.txt"', "which is no place in one of its outputs"),
        ('append_to = "${scores}"', 'append_to = "${scores}/../rows.txt"', "which is no place in one of its outputs"),
    ],
)
def test_what_is_known_to_be_wrong_is_said_before_anything_runs(
    go: Go, tmp_path: Path, old: str, new: str, said: str
) -> None:
    files(tmp_path / "rows", "a")
    program(tmp_path, NAMES)
    (tmp_path / "outside.py").write_text(NAMES)
    text = (tmp_path / "main.mlp").read_text()
    assert old in text
    (tmp_path / "main.mlp").write_text(text.replace(old, new))
    made = compile_file(tmp_path / "main.mlp")
    assert made.graphs, made.diagnostics
    result = go(made.graphs[0])
    assert [d.code for d in result.diagnostics] == ["MLP0954"] and said in result.diagnostics[0].message
    assert result.folder == "" and [d.code for d in plan(made.graphs[0]).diagnostics] == ["MLP0954"]


def test_the_pool_is_as_large_as_the_instances_and_the_machine_allow(go: Go, tmp_path: Path) -> None:
    files(tmp_path / "rows", *"abcdefgh")
    script = "import os, time\ndef run(b):\n    time.sleep(0.2)\n    return [os.getpid()]\n"
    for nodes, jobs, expected in ((1, 8, 2), (2, 8, 4), (2, 3, 3), (1, 1, 1)):
        made = program(tmp_path, script, f'mini_batch_size = "1"\nnodes = {nodes}')
        result = go(made, jobs=jobs, cache=False)
        assert len(set(scores(result))) == batches(result)["workers"] == expected


def test_what_counts_for_the_cache(go: Go, tmp_path: Path) -> None:
    files(tmp_path / "rows", "a", "b", "c")
    same = 'mini_batch_size = "2"'
    assert states(go(program(tmp_path, NAMES, same))) == {"score": "completed"}
    assert states(go(program(tmp_path, NAMES, same + "\nnodes = 2"), jobs=4)) == {"score": "cached"}
    for settings in ('mini_batch_size = "1"', same + "\nretries = 1", same + "\nerror_threshold = 4"):
        made = program(tmp_path, NAMES, settings)
        assert plan(made, home=tmp_path / "home").steps[0].why.startswith("changed: how the parallel job splits")
        assert states(go(made)) == {"score": "completed"}


def test_mini_batches_in_the_record_the_summary_the_report_and_the_logs(go: Go, tmp_path: Path) -> None:
    import io

    files(tmp_path / "rows", "a", "bad<b>", "c")
    made = program(tmp_path, FAILS + "    print(1)\n", 'mini_batch_size = "1"\nretries = 1')
    result = go(made, report=True)
    found = batches(result)
    assert (found["total"], found["failed"], found["retried"], found["rows"]) == (3, 1, 1, 2)
    assert [b["status"] for b in found["listed"]] == ["completed", "failed", "completed"]
    assert "ValueError: no good: bad<b>" in found["listed"][1]["error"]
    assert "score: 3 mini batches, 1 failed, 1 tried again" in summarise(result.record, result.folder)
    page = (Path(result.folder) / "report.html").read_text()
    assert "Mini batches" in page and "no good: bad&lt;b&gt;" in page
    lines = io.StringIO()
    print_logs(result.folder, ["score/1"], lines)
    assert "no good" in lines.getvalue() and all(line.startswith("[1]") for line in lines.getvalue().splitlines())
    with pytest.raises(NoStepError):
        print_logs(result.folder, ["score/x"], lines)
    again = go(made)
    assert batches(again) == found and read_record(again.folder) == json.loads(json.dumps(again.record))
