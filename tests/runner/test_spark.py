"""Spark jobs on local PySpark: what is submitted, with what settings, and that its files are those of its code."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler.graph import Asset, Graph, Literal, Node, OutputPort, Parameter, PipelineInput, Run
from mlp_lang.runner import RunResult, spark
from mlp_lang.runner.bindings import BindingError

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]
FOLDER = OutputPort("out", "folder", "uri_folder")

MAIN = """
import json, os, sys
import helper
from pyspark import SparkFiles
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("counts").getOrCreate()
rows = spark.read.csv(sys.argv[2], header=True, inferSchema=True)
rows.groupBy("kind").count().coalesce(1).write.mode("overwrite").json(os.path.join(sys.argv[4], "counts"))
told = {
    "master": spark.sparkContext.master,
    "set": spark.conf.get("spark.sql.shuffle.partitions"),
    "memory": spark.sparkContext.getConf().get("spark.driver.memory"),
    "helped": rows.rdd.map(lambda row: helper.twice(row["n"])).sum(),
    "file": open(SparkFiles.get("words.txt")).read().strip(),
    "arguments": sys.argv[1:2] + sys.argv[3:4] + sys.argv[5:],
}
json.dump(told, open(os.path.join(sys.argv[4], "told.json"), "w"))
"""


def code(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "helper.py").write_text("def twice(n):\n    return 2 * n\n")
    (folder / "words.txt").write_text("words\n")
    return folder


def job(folder: Path, inputs: dict[str, Any] | None = None, settings: Run | None = None, **extra: Any) -> Node:
    made = step("s", "", inputs or {}, (FOLDER,), code=folder, settings=settings, extra=extra)
    return made._replace(kind="spark", component=made.component._replace(kind="spark"))


@pytest.mark.slow
def test_a_job(go: Go, tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("n,kind\n1,a\n2,b\n3,a\n")
    node = job(
        code(tmp_path),
        {"rows": Asset("uri_file", str(data), True), "word": "two; words $(touch pwned)"},
        entry={"file": "main.py"},
        py_files=["helper.py"],
        files=["words.txt"],
        conf={
            "spark.driver.cores": 1,
            "spark.driver.memory": "512m",
            "spark.executor.cores": 1,
            "spark.executor.instances": 1,
            "spark.executor.memory": "600m",
            "spark.sql.shuffle.partitions": "${{parent.inputs.parts}}",
        },
        args="--rows ${{inputs.rows}} --out ${{outputs.out}} ${{inputs.word}}",
    )
    made = graph(node, inputs=(PipelineInput(Parameter("parts", "int", "integer"), Literal(3)),))
    result = go(made)
    assert result.status == "completed", Path(result.folder, "steps/s/log.txt").read_text()
    out = Path(result.steps["s"].outputs["out"])
    (part,) = (out / "counts").glob("part-*.json")
    assert [json.loads(line) for line in sorted(part.read_text().splitlines())] == [
        {"kind": "a", "count": 2},
        {"kind": "b", "count": 1},
    ]
    assert json.loads((out / "told.json").read_text()) == {
        "master": "local[1]",
        "set": "3",
        "memory": "600m",
        "helped": 12,
        "file": "words",
        "arguments": ["--rows", "--out", "two; words $(touch pwned)"],
    }
    assert (
        "\nspark-submit '--master=local[1]' --driver-memory=600m "
        in Path(result.folder, "steps/s/command.txt").read_text()
    )
    assert states(go(made)) == {"s": "cached"}


@pytest.mark.slow
def test_a_job_that_fails_says_what_it_said(go: Go, tmp_path: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "main.py").write_text("raise SystemExit('no such table')\n")
    (found,) = go(graph(job(folder, entry={"file": "main.py"}))).diagnostics
    assert found.code == "MLP0902" and found.label == "no such table"


@pytest.mark.parametrize(
    ("conf", "cores", "memory"),
    [
        ({}, 8, 1024),
        ({"spark.executor.cores": 2, "spark.executor.instances": 2}, 4, 1024),
        ({"spark.executor.cores": "4", "spark.executor.instances": "10"}, 8, 1024),
        (
            {
                "spark.dynamicAllocation.enabled": True,
                "spark.dynamicAllocation.maxExecutors": 3,
                "spark.executor.cores": 2,
            },
            6,
            1024,
        ),
        ({"spark.driver.memory": "2g", "spark.executor.memory": "512m"}, 8, 2048),
        ({"spark.executor.memory": "1536m"}, 8, 1536),
        ({"spark.driver.memory": "400g"}, 8, 12288),
    ],
)
def test_a_cluster_comes_to_one_process(
    conf: dict[str, Any], cores: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * (1 << 30) // 4096}
    monkeypatch.setattr("os.sysconf", sizes.__getitem__)
    assert (spark.cores(conf), spark.memory(conf)) == (cores, memory)


def submitted(tmp_path: Path, made: Node, graph_: Graph | None = None) -> list[str]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return spark.command(made, graph_ or graph(), {}, {"out": "/o"}, str(tmp_path / "src"), str(scratch))[0]


def test_what_is_submitted(tmp_path: Path) -> None:
    folder = code(tmp_path)
    for name in ("first.jar", "second.jar", "env.zip"):
        (folder / name).write_text("")
    node = job(
        folder,
        settings=Run(extra={"conf": {"spark.x": True}, "args": "'a b' ${{outputs.out}}"}),
        entry={"class_name": "org.example.Main"},
        jars=["first.jar", "second.jar"],
        archives=["env.zip#env"],
        conf={"spark.x": False, "spark.executor.memory": "1g", "spark.dynamicAllocation.enabled": "true"},
        args="never",
    )
    line = submitted(tmp_path, node)
    assert line[-4:] == ["--class=org.example.Main", str(folder / "first.jar"), "a b", "/o"]
    assert f"{folder}/first.jar,{folder}/second.jar" == line[line.index("--jars") + 1]
    assert f"{folder}/env.zip#env" == line[line.index("--archives") + 1]
    assert "spark.x=true" in line and "spark.x=false" not in line
    assert not [word for word in line if word.startswith(("spark.executor", "spark.dynamicAllocation"))]
    assert shlex.join(line)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "where it begins"),
        ({"entry": {"file": "../main.py"}}, "outside"),
        ({"entry": {"file": "/etc/passwd"}}, "outside"),
        ({"entry": {"file": "other.py"}}, "not in the job's code folder"),
        ({"entry": {"file": "main.py"}, "py_files": ["../helper.py"]}, "outside"),
        ({"entry": {"file": "main.py"}, "jars": ["abfss://c@a/x.jar"]}, "not on this machine"),
        ({"entry": {"class_name": "Main"}}, "no jar"),
    ],
)
def test_what_begins_a_job_is_in_its_code(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    node = job(code(tmp_path), **fields)
    with pytest.raises(BindingError, match=said) as found:
        submitted(tmp_path, node)
    assert found.value.code == "MLP0942"


@pytest.mark.parametrize("lacks", ["java", "pyspark"])
def test_what_lacks_is_said_before_anything_runs(
    go: Go, tmp_path: Path, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlp_lang.runner import environment

    have = {"pyspark": "4.0.0"} if lacks == "java" else {}
    monkeypatch.setattr(environment, "installed", lambda: have)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    node = job(code(tmp_path), entry={"file": "main.py"})
    result = go(graph(step("first", "true"), node, node._replace(name="t", title="t")))
    (found,) = result.diagnostics
    assert not result.steps
    if lacks == "java":
        assert found.code == "MLP0941" and "no Java" in found.message and "default-jre-headless" in found.help
    else:
        assert found.code == "MLP0904" and "`pyspark`" in found.message and found.help.startswith("pip install")


def test_an_old_java_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_292\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "Java 17 or later" in (spark.lacking() or "")


PROGRAM = """
compute cpu = cluster("cpu")

pipeline count {
  compute = cpu
  data rows: file = "rows.csv"
  step counted using spark {
    rows = rows
    define {
      param rows: file
      output out: folder
      code = "src"
      entry = "main.py"
      py_files = ["helper.py"]
      files = ["words.txt"]
      args = "--rows ${rows} --out ${out}"
      environment = image("any")
      conf = {
        "spark.driver.cores": 1,
        "spark.driver.memory": "1g",
        "spark.executor.cores": 1,
        "spark.executor.memory": "1g",
        "spark.executor.instances": 1,
      }
    }
    run {
      runtime = "3.4"
      instance = "standard_e4s_v3"
    }
  }
  output counts = counted.out
}
"""


@pytest.mark.slow
def test_a_program(go: Go, tmp_path: Path) -> None:
    from mlp_lang.compiler import compile_file

    code(tmp_path)
    (tmp_path / "rows.csv").write_text("n,kind\n1,a\n")
    (tmp_path / "p.mlp").write_text(PROGRAM)
    made = compile_file(tmp_path / "p.mlp")
    assert len(made.graphs) == 1, made.diagnostics
    result = go(made.graphs[0])
    assert result.status == "completed", Path(result.folder, "steps/counted/log.txt").read_text()
    assert Path(result.folder, "outputs/counts/told.json").exists()
