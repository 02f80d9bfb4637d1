"""From a folder to processes that execute pipelines, for bench.py to time: mlp, dvc, Snakemake and a plain script.

A chain of steps of which each adds one to the number that it reads: as scripts, and as lines for a shell. No two steps
read the same, so that none is another's result. Whoever runs it gets the same script, the same Python and two jobs.
`cold` starts without anything kept, `again` with everything.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".bench"
STEP = """import sys
number = int(open(sys.argv[2]).read()) if sys.argv[2:] else 0
with open(sys.argv[1], "w") as file:
    file.write(str(number + 1))
"""
MLP = """compute cpu = cluster("cpu-cluster")

component link: command {{
  param given: file?
  output made: file
  code = "code"
  environment = image("any")
  command = "{command}"
}}

pipeline chain {{
  compute = cpu
{stages}}}
"""


class Work(NamedTuple):
    """`command` runs in `folder` after `before`, which is not timed; `says` is in what it prints, or it did less."""

    name: str
    size: int
    command: list[str]
    rounds: int
    folder: Path
    before: Callable[[], None]
    says: str = ""


def works(folder: Path, mlp: str, quick: bool) -> list[Work]:
    """Everything to time that this machine has."""
    shutil.rmtree(folder, ignore_errors=True)
    found: list[Work] = []
    for size in (20,) if quick else (20, 1000):
        found += _mlp(folder, mlp, size, 5 if size == 20 else 1)
    found += _dvc(folder, 20) + _snakemake(folder, 20) + _income(folder, mlp, 2 if quick else 3)
    return found


def _mlp(folder: Path, mlp: str, size: int, rounds: int) -> list[Work]:
    found = []
    commands = {
        "scripts": "python step.py ${made} $[[${given}]]",
        "shell": "echo $((1 $[[+ $(cat ${given})]])) > ${made}",
    }
    for name, command in commands.items():
        place = folder / f"mlp_{name}_{size}"
        (place / "code").mkdir(parents=True)
        (place / "code" / "step.py").write_text(STEP)
        stages = "".join(
            f"\n  step s{i} using link {{\n    {f'given = s{i - 1}' if i else ''}\n  }}\n" for i in range(size)
        )
        (place / "chain.mlp").write_text(MLP.format(command=command, stages=stages))
        run = [mlp, "run", "chain.mlp", "--jobs", "2"]
        found.append(Work(f"mlp run, {name}, cold", size, run, rounds, place, _without(place / ".mlp"), f" {size} ran"))
        found.append(Work(f"mlp run, {name}, again", size, run, rounds, place, _nothing, f" {size} cached"))
    return found


def _dvc(folder: Path, size: int) -> list[Work]:
    dvc = TOOLS / "dvc" / "bin" / "dvc"
    if not dvc.exists():
        return []
    place = folder / "dvc"
    place.mkdir(parents=True)
    (place / "step.py").write_text(STEP)
    subprocess.run([str(dvc), "init", "--no-scm", "--quiet"], cwd=place, check=True)
    subprocess.run([str(dvc), "config", "core.analytics", "false"], cwd=place, check=True)
    lines = ["stages:"]
    for i in range(size):
        given = f" s{i - 1}.txt" if i else ""
        lines += [f"  s{i}:", f"    cmd: {sys.executable} step.py s{i}.txt{given}", "    deps:", "    - step.py"]
        lines += [f"    - s{i - 1}.txt"] if i else []
        lines += ["    outs:", f"    - s{i}.txt"]
    (place / "dvc.yaml").write_text("\n".join(lines) + "\n")
    made = [place / f"s{i}.txt" for i in range(size)]
    fresh = _without(place / "dvc.lock", place / ".dvc" / "cache", place / ".dvc" / "tmp", *made)
    run = [str(dvc), "repro", "--quiet"]
    return [
        Work("dvc repro, cold", size, run, 3, place, fresh),
        Work("dvc repro, again", size, run, 3, place, _nothing),
    ]


def _snakemake(folder: Path, size: int) -> list[Work]:
    snakemake = TOOLS / "snakemake" / "bin" / "snakemake"
    if not snakemake.exists():
        return []
    place = folder / "snakemake"
    place.mkdir(parents=True)
    (place / "step.py").write_text(STEP)
    rules = [f"rule all:\n    input: 's{size - 1}.txt'\n"]
    for i in range(size):
        given = f"    input: 's{i - 1}.txt'\n" if i else ""
        shell = f"{sys.executable} step.py {{output}} {'{input}' if i else ''}"
        rules.append(f"rule s{i}:\n{given}    output: 's{i}.txt'\n    shell: '{shell}'\n")
    (place / "Snakefile").write_text("\n".join(rules))
    fresh = _without(place / ".snakemake", *(place / f"s{i}.txt" for i in range(size)))
    run = [str(snakemake), "--cores", "2", "--quiet"]
    return [
        Work("snakemake, cold", size, run, 3, place, fresh),
        Work("snakemake, again", size, run, 3, place, _nothing),
    ]


def _income(folder: Path, mlp: str, rounds: int) -> list[Work]:
    """The flagship, and the script that does the same work; both with MLflow, and both without."""
    place = folder / "income"
    place.mkdir(parents=True)
    program = str(ROOT / "pipelines" / "income.mlp")
    hand = [sys.executable, str(ROOT / "bench" / "income_by_hand.py"), str(place / "hand")]
    run = [mlp, "run", program]
    fresh = _without(place / ".mlp", place / "hand")
    return [
        Work("mlp run income.mlp, cold", 7, run, rounds, place, fresh),
        Work("mlp run income.mlp, again", 7, run, rounds, place, _nothing),
        Work("income by hand", 7, hand, rounds, place, fresh),
        Work("mlp run income, untracked", 7, [*run, "--no-tracking"], rounds, place, fresh),
        Work("income by hand, untracked", 7, [*hand, "--no-tracking"], rounds, place, fresh),
    ]


def _nothing() -> None: ...


def _without(*paths: Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.chmod(0o644)
                path.unlink()

    return remove
