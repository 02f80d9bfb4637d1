"""Times whole processes in one sitting and prints one table; everything it measured goes to .bench/bench.json.

Each figure is the median wall time of several runs, taken in turns, so that a busy minute of the machine falls on
all. Ratios stand beside what they are held to. `--quick` leaves out 10,000 stages and whatever takes more than seconds.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import running
import shape

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / ".bench"
PYTHON = sys.executable
MLP = str(Path(PYTHON).parent / "mlp")
SIZES = (10, 100, 1_000, 10_000)
PARTS = ("cli", "dsl", "compiler", "lowering", "decompiler", "runner")
PEER_SIZES = (10, 100, 1_000)


class Task(NamedTuple):
    """A process to time; `name` and `size` are its row and column, `rounds` how often it runs."""

    name: str
    size: int
    command: list[str]
    rounds: int


class Target(NamedTuple):
    """`dividend` by `divisor` must be at least or at most `bound`; each is a task's name and size."""

    text: str
    dividend: tuple[str, int]
    divisor: tuple[str, int]
    bound: float
    least: bool


RUNNING = (
    Target("mlp / dvc, chain of 20, cold", ("mlp run, scripts, cold", 20), ("dvc repro, cold", 20), 1, least=False),
    Target(
        "mlp / snakemake, chain of 20, cold", ("mlp run, scripts, cold", 20), ("snakemake, cold", 20), 1, least=False
    ),
    Target("income.mlp cold / by hand", ("mlp run income.mlp, cold", 7), ("income by hand", 7), 1.3, least=False),
    Target("the same, untracked", ("mlp run income, untracked", 7), ("income by hand, untracked", 7), 1.3, least=False),
    *(
        Target(
            f"1,000 / 20 steps, {kind}",
            (f"mlp run, {kind}, cold", 1000),
            (f"mlp run, {kind}, cold", 20),
            75,
            least=False,
        )
        for kind in ("scripts", "shell")
    ),
)
"""1,000 steps may take 75 times what 20 take: 1.5 times as long a step."""
SECONDS = {("mlp run, scripts, again", 20): 0.25, ("mlp run income.mlp, again", 7): 0.4}
"""What a whole process may take when nothing is to be done."""
TARGETS = (
    Target("mlp --version / python -c pass", ("mlp --version", 0), ("python -c pass", 0), 5, least=False),
    Target(
        "mlp check income.mlp / python -c pass", ("mlp check income.mlp", 0), ("python -c pass", 0), 14, least=False
    ),
    Target("azure-ai-ml / mlp check, 1,000 stages", ("azure-ai-ml load", 1000), ("mlp check", 1000), 30, least=True),
    Target(
        "azure-ai-ml / mlp compile, 1,000 stages", ("azure-ai-ml load", 1000), ("mlp compile", 1000), 15, least=True
    ),
    *(
        Target(f"azure-ai-ml / {name}, {size} stages", ("azure-ai-ml load", size), (name, size), 1, least=True)
        for name in ("mlp import", "mlp check, of YAML")
        for size in (10, 1000)
    ),
    *(
        Target(f"{name}, 10,000 / 1,000 stages", (name, 10_000), (name, 1000), 12, least=False)
        for name in ("mlp check", "mlp fmt", "mlp compile", "mlp import")
    ),
)


def tasks(folder: Path, quick: bool) -> list[Task]:
    """Everything to time that this machine has. Compiles what azure-ai-ml is to load."""
    found = [
        Task("python -c pass", 0, [PYTHON, "-c", "pass"], 21),
        Task("mlp --version", 0, [MLP, "--version"], 21),
        Task("mlp check income.mlp", 0, [MLP, "check", str(ROOT / "pipelines" / "income.mlp")], 15),
    ]
    data = os.path.relpath(ROOT / "pipelines" / "data", folder)
    for size in SIZES[:3] if quick else SIZES:
        program = folder / f"chain_{size}.mlp"
        program.write_text(shape.mlp(size, data), encoding="utf-8")
        rounds = 9 if size <= 100 else 5 if size <= 1000 else 3
        build = folder / "build"
        compile_ = [MLP, "compile", str(program), "-o", str(build)]
        found += [
            Task("mlp check", size, [MLP, "check", str(program)], rounds),
            Task("mlp fmt", size, [MLP, "fmt", "--check", str(program)], rounds),
            Task("mlp compile", size, compile_, rounds),
        ]
        subprocess.run(compile_, check=True, capture_output=True)
        job = build / f"chain_{size}" / "pipeline.yml"
        imported = [MLP, "import", str(job), "-o", str(folder / f"imported_{size}.mlp"), "--force"]
        found += [
            Task("mlp import", size, imported, rounds),
            Task("mlp check, of YAML", size, [MLP, "check", str(job)], rounds),
        ]
        if size in PEER_SIZES:
            slow = size >= 1000
            if not (quick and slow):
                load = [PYTHON, str(ROOT / "bench" / "azure_load.py"), str(job)]
                found.append(Task("azure-ai-ml load", size, load, 3))
            found += _peers(folder, size, 3)
    return found


def _peers(folder: Path, size: int, rounds: int) -> list[Task]:
    """miniwdl and kfp, where `make bench-peers` has installed them."""
    found = []
    miniwdl = OUT / "miniwdl" / "bin" / "miniwdl"
    if miniwdl.exists():
        workflow = folder / f"chain_{size}.wdl"
        workflow.write_text(shape.wdl(size), encoding="utf-8")
        found.append(Task("miniwdl check", size, [str(miniwdl), "check", str(workflow)], rounds))
    kfp = OUT / "kfp" / "bin" / "python"
    if kfp.exists():
        script = str(ROOT / "bench" / "kfp_compile.py")
        target = str(folder / f"kfp_{size}.yaml")
        found.append(Task("kfp compile", size, [str(kfp), script, str(size), target], rounds))
    return found


def measure(found: list[Task]) -> dict[tuple[str, int], list[float]]:
    """Seconds of every run, by task. Exits if a command fails: a failure is no timing."""
    seconds: dict[tuple[str, int], list[float]] = {(t.name, t.size): [] for t in found}
    for turn in range(max(t.rounds for t in found)):
        for task in found:
            if turn >= task.rounds:
                continue
            if sys.stderr.isatty():
                sys.stderr.write(f"\r\x1b[Kround {turn + 1}: {task.name} {task.size or ''}")
            start = time.perf_counter()
            done = subprocess.run(task.command, capture_output=True, text=True, check=False)
            seconds[task.name, task.size].append(time.perf_counter() - start)
            if done.returncode != 0:
                said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
                sys.exit(f"\n{' '.join(task.command)} gave {done.returncode}:\n{said}")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return seconds


def table(medians: dict[tuple[str, int], float]) -> str:
    """One row a command, one column a size."""
    lines = [f"{'seconds, median':<24}{'':>10}" + "".join(f"{size:>10,}" for size in SIZES)]
    for name in dict.fromkeys(n for n, _ in medians):
        cells = [f"{medians[name, s]:>10.3f}" if (name, s) in medians else f"{'':>10}" for s in (0, *SIZES)]
        lines.append(f"{name:<24}{''.join(cells)}".rstrip())
    return "\n".join(lines)


def run_works(quick: bool) -> dict[tuple[str, int], list[float]]:
    """Seconds of everything that executes pipelines; what stands before a run is not timed."""
    found = running.works(OUT / "running", MLP, quick)
    seconds: dict[tuple[str, int], list[float]] = {(w.name, w.size): [] for w in found}
    for turn in range(max(w.rounds for w in found)):
        for work in found:
            if turn >= work.rounds:
                continue
            work.before()
            start = time.perf_counter()
            done = subprocess.run(work.command, capture_output=True, text=True, check=False, cwd=work.folder)
            seconds[work.name, work.size].append(time.perf_counter() - start)
            if done.returncode != 0:
                sys.exit(f"\n{' '.join(work.command)} gave {done.returncode}:\n{done.stderr[-2000:]}")
            if work.says not in done.stdout.partition("\n")[0]:
                sys.exit(f"\n{work.name} did not do all {work.size} steps:\n{done.stdout[:500]}")
    shutil.rmtree(OUT / "running")
    return seconds


def run_table(seconds: dict[tuple[str, int], list[float]]) -> str:
    """One row a command: its steps, its median, and by step."""
    lines = [f"{'running pipelines':<30}{'steps':>8}{'seconds':>10}{'ms a step':>11}"]
    for (name, size), values in seconds.items():
        median = statistics.median(values)
        lines.append(f"{name:<30}{size:>8,}{median:>10.3f}{median / size * 1000:>11.1f}")
    return "\n".join(lines)


def within(medians: dict[tuple[str, int], float]) -> list[dict[str, object]]:
    """The commands that are held to seconds."""
    return [
        {
            "what": f"{name}, seconds",
            "ratio": medians[name, size],
            "bound": bound,
            "least": False,
            "met": medians[name, size] <= bound,
        }
        for (name, size), bound in SECONDS.items()
        if (name, size) in medians
    ]


def ratios(medians: dict[tuple[str, int], float]) -> list[dict[str, object]]:
    """Every target that was measured: its ratio, its bound and whether it is met."""
    found: list[dict[str, object]] = []
    for target in (*TARGETS, *RUNNING):
        if target.dividend in medians and target.divisor in medians:
            ratio = medians[target.dividend] / medians[target.divisor]
            met = ratio >= target.bound if target.least else ratio <= target.bound
            found.append(
                {"what": target.text, "ratio": ratio, "bound": target.bound, "least": target.least, "met": met}
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--part", choices=["all", "programs", "running"], default="all", help="what to time")
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    # what pip does for a package that it installs, whatever this shell says of writing byte code
    subprocess.run([PYTHON, "-m", "compileall", "-q", *(str(ROOT / part) for part in PARTS)], check=True)
    seconds: dict[tuple[str, int], list[float]] = {}
    if options.part != "running":
        with tempfile.TemporaryDirectory(dir=OUT) as folder:
            seconds |= measure(tasks(Path(folder), options.quick))
        print(table({key: statistics.median(values) for key, values in seconds.items()}), end="\n\n")
    if options.part != "programs":
        ran = run_works(options.quick)
        print(run_table(ran), end="\n\n")
        seconds |= ran
    medians = {key: statistics.median(values) for key, values in seconds.items()}
    held = ratios(medians) + within(medians)
    for r in held:
        bound = f"{'≥' if r['least'] else '≤'} {r['bound']:g}"
        print(f"{r['what']:<42}{r['ratio']:>8.2f}  {bound:<6} {'met' if r['met'] else 'not met'}")
    document = {
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()},
        "runs": [{"name": n, "stages": s, "median": medians[n, s], "seconds": v} for (n, s), v in seconds.items()],
        "targets": held,
    }
    path = OUT / "bench.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
