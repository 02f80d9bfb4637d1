"""Little programs of stages that count and write, for whatever steers them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp_lang.compiler import compile_file
from mlp_lang.compiler.graph import Graph
from mlp_lang.runner import RunResult

PRELUDE = """
component add: command {
  param i: string = "0"
  output n: string
  output out: file
  output again: bool
  environment = image("any")
  command = \"\"\"
    echo one more than ${i}
    echo $((${i} + 1)) | tee ${n} > ${out}
    test ${i} -lt 2 && echo true > ${again} || echo False > ${again}
    \"\"\"
}

component read: command {
  param f: file?
  param t: mltable?
  param s: string?
  output out: file
  environment = image("any")
  command = \"\"\"
    true > ${out}
    $[[cat ${f} >> ${out}]]
    $[[find ${t} -type f -not -name MLTable | sort | xargs --no-run-if-empty cat >> ${out}]]
    $[[echo ${s} >> ${out}]]
    \"\"\"
}

component put: command {
  param s: string
  output o: string
  output d: folder
  output t: mltable
  environment = image("any")
  command = \"\"\"
    echo ${s} > ${o}
    echo paths: > ${t}/MLTable
    for x in a b; do echo ${s}$x > ${d}/$x; echo ${s}$x > ${t}/$x; echo "- {file: ./$x}" >> ${t}/MLTable; done
    \"\"\"
}

component copy: command {
  param t: mltable
  output out: mltable
  environment = image("any")
  command = "cp ${t}/* ${out}"
}

component divide: command {
  param by: string
  output out: file
  environment = image("any")
  command = "echo $((12 / ${by})) > ${out}"
}
"""


def graph_of(folder: Path, body: str, pipelines: str = "", params: Mapping[str, str] = {}, uses: str = "") -> Graph:
    """The Graph of a pipeline `p` with this body, in a file with the components above."""
    path = folder / "p.mlp"
    path.write_text(f"{uses}\n{PRELUDE}\n{pipelines}\npipeline p {{\n  preview = true\n{body}\n}}\n")
    compiled = compile_file(path, pipeline="p", params=params)
    assert compiled.graphs, compiled.diagnostics
    return compiled.graphs[0]


def outputs(result: RunResult) -> dict[str, str]:
    """What the pipeline's outputs hold, on one line."""
    folder = Path(result.folder) / "outputs"
    return {p.name: " ".join(p.read_text().split()) for p in sorted(folder.iterdir())} if folder.is_dir() else {}


def step(result: RunResult, name: str) -> dict[str, Any]:
    """A step's part of the record."""
    found: dict[str, Any] = next(s for s in result.record["steps"] if s["name"] == name)
    return found
