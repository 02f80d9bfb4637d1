"""A step that is forked from a process with its imports cannot tell, nor can anybody: each script is run both ways."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler.graph import FromNode, Run
from mlp_lang.runner import RunResult
from mlp_lang.runner.imports import READ_AT_IMPORT, Reader
from mlp_lang.runner.process import common_environment
from mlp_lang.runner.warm import Zygotes, plain_words

from runner.hand_made import graph, states, step
from runner.test_interruption import alive, wait_for

Go = Callable[..., RunResult]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="steps are forked on Linux alone")

FORKED = "import os\nforked = 'zygote.py' in open(f'/proc/{os.getppid()}/cmdline').read()\n"

SURROUNDINGS = """
'''A docstring.'''
import gc, json, os, pathlib, resource, signal, sys, tempfile, threading, multiprocessing, warnings
names = sorted(vars())
found = {
    "names": [n for n in names if n not in ("gc", "json")],
    "main": [repr(vars().get(n)) for n in ("__name__", "__file__", "__doc__", "__package__", "__spec__", "__cached__")],
    "builtins": repr(__builtins__), "loader": [type(__loader__).__name__, __loader__.name, __loader__.path],
    "registered": vars(sys.modules["__main__"]) is globals(), "file": os.path.samefile(__file__, sys.argv[0]),
    "argv": sys.argv, "original": sys.orig_argv, "path": sys.path,
    "executable": sys.executable, "flags": repr(sys.flags),
    "folder": os.getcwd(), "environment": dict(os.environ), "temporary": tempfile.gettempdir(),
    "handlers": {s.name: repr(signal.getsignal(s)) .split(" at ")[0] for s in signal.Signals},
    "blocked": repr(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "mask": os.umask(0), "nice": os.nice(0), "limits": [resource.getrlimit(n) for n in range(10)],
    "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "input": [sys.stdin.read(), os.readlink("/proc/self/fd/0")],
    "streams": [[s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.fileno(), s.isatty()]
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    "descriptors": sorted(os.listdir("/proc/self/fd"))[:-1], "threads": len(os.listdir("/proc/self/task")),
    "thread": [threading.current_thread().name, threading.current_thread() is threading.main_thread()],
    "process": multiprocessing.current_process().name, "collects": [gc.isenabled(), gc.get_threshold()],
    "hooks": [sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__, sys.gettrace()],
    "warnings": [sys.warnoptions, len(warnings.filters)], "recursion": sys.getrecursionlimit(),
}
print(json.dumps(found, indent=1, sort_keys=True))
open(os.environ["AZURE_ML_OUTPUT_out"], "w").write("x")
"""

ENDINGS = {
    "well": "print('done')",
    "exit with nothing": "import sys; sys.exit()",
    "exit with a number": "import sys; sys.exit(7)",
    "exit beyond a byte": "import sys; sys.exit(256 + 3)",
    "exit with true": "import sys; sys.exit(True)",
    "exit with text": "import sys; print('before'); sys.exit('the reason')",
    "exit with a tuple": "raise SystemExit((1, 2))",
    "the shell's exit": "exit(4)",
    "at once": "import os; os._exit(5)",
    "uncaught": "def f():\n    raise ValueError('no ☃')\nprint('a')\nf()",
    "uncaught with a cause": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e",
    "interrupted": "raise KeyboardInterrupt",
    "a group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "a hook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__, a[2].tb_lineno)\nraise OSError",
    "no syntax": "print('never'\n",
    "a missing import": "import no_such_module_here",
    "a thread that exits": "import sys, threading as t\na = t.Thread(target=lambda: sys.exit(9))\na.start()\na.join()",
    "a thread that fails": "import threading as t\na = t.Thread(target=lambda: 1 / 0, name='t')\na.start()\na.join()",
    "a thread that lasts": "import threading, time\nthreading.Timer(0.1, print, ['late']).start()\nprint('early')",
    "handlers at the end": "import atexit as a\na.register(print, 'first')\na.register(print, 'second')\nprint('end')",
    "a handler that fails": "import atexit\natexit.register(lambda: 1 / 0)",
    "a file left open": "import os\nf = open(os.environ['AZURE_ML_OUTPUT_out'], 'w')\nf.write('written')",
    "an object that goes": "class A:\n    def __del__(self): print('gone')\na = A()",
    "a signal": "import os, signal\nprint('now')\nos.kill(os.getpid(), signal.SIGSEGV)",
    "a signal to itself": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "output below Python": "import os, ctypes\nos.system('echo shell')\nctypes.CDLL(None).printf(b'c\\n')",
    "children": "import subprocess as s, sys\nprint(s.run([sys.executable, '-c', 'print(1)'], capture_output=True))",
    "a pool": (
        "import multiprocessing as m\nimport os\ndef f(x): return x * x\nif __name__ == '__main__':\n"
        "    for how in ('fork', 'spawn'):\n"
        "        with m.get_context(how).Pool(2) as p: print(p.map(f, range(4)))"
    ),
    "a package beside it": "from pack.inner import name\nimport pack\nprint(name, pack.inner.__name__)",
    "pickle of its own class": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__module__)",
    "not UTF-8": "# -*- coding: latin-1 -*-\nprint('ok')",
    "typing": "x: int = 3\nprint(__annotations__)",
}


def both(go: Go, folder: Path, text: str, command: str = "python script.py", **options: Any) -> list[tuple[int, str]]:
    """Exit code and log of a script, forked and not; addresses and process numbers are no difference."""
    code = folder / "code"
    (code / "pack").mkdir(parents=True, exist_ok=True)
    (code / "pack" / "__init__.py").write_text("")
    (code / "pack" / "inner.py").write_text("name = 'inside'\n")
    (code / "script.py").write_text(text)
    found = []
    for warm in (True, False):
        made = graph(step("a", command, code=code, **options))
        result = go(made, folder / "out", warm=warm, cache=False, jobs=1)
        code_ = result.steps["a"].exit_code
        assert code_ is not None, result.diagnostics
        log = (folder / "out" / "steps" / "a" / "log.txt").read_text()
        found.append((code_, re.sub(r"0x[0-9a-f]{6,}", "0x…", log)))
    return found


@pytest.mark.parametrize("command", ["python script.py", "python -u ./script.py --a 'b c' \"d'e\" f\\ g '' é"])
def test_surroundings_are_the_same(go: Go, tmp_path: Path, command: str) -> None:
    command = command.replace(" é", "")
    (warm, said), (cold, expected) = both(go, tmp_path, SURROUNDINGS, command)
    assert warm == cold == 0, said
    assert json.loads(said) == json.loads(expected)


@pytest.mark.parametrize("text", ENDINGS.values(), ids=ENDINGS.keys())
def test_endings_are_the_same(go: Go, tmp_path: Path, text: str) -> None:
    warm, cold = both(go, tmp_path, text)
    assert warm == cold


@pytest.mark.parametrize(
    ("command", "files", "settings", "expected"),
    [
        ("python script.py", {}, Run(), True),
        ("python script.py --x '{\"a\": [1, 2]}'", {}, Run(), True),
        ("python  -u script.py", {}, Run(), True),
        ("python -m script", {}, Run(), False),
        ("python -O script.py", {}, Run(), False),
        ("python3 script.py", {}, Run(), False),
        ("X=1 python script.py", {}, Run(), False),
        ("python script.py && true", {}, Run(), False),
        ("python script.py > /dev/null; true", {}, Run(), False),
        ("python script.py $HOME", {}, Run(), False),
        ("python script.py *.txt", {}, Run(), False),
        ("python script.py", {}, Run(environment_variables={"OMP_NUM_THREADS": "1"}), False),
        ("python script.py", {}, Run(environment_variables={"PYTHONHASHSEED": "0"}), False),
        ("python script.py", {}, Run(environment_variables={"MY_OWN": "1"}), True),
        ("python script.py", {}, Run(distribution={"type": "pytorch", "process_count_per_instance": 1}), False),
        ("python script.py", {"json.py": "loads = None"}, Run(), False),
        ("python script.py", {"beside.py": "import os\nos.environ['OMP_NUM_THREADS'] = '1'"}, Run(), True),
        ("python user.py", {"user.py": "import os\nos.environ['MKL_NUM_THREADS'] = '1'\nimport script"}, Run(), False),
    ],
)
def test_what_is_forked(
    go: Go, tmp_path: Path, command: str, files: dict[str, str], settings: Run, expected: bool
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(FORKED + "open(os.environ['AZURE_ML_OUTPUT_out'], 'w').write(str(forked))")
    for name, text in files.items():
        (code / name).write_text(text)
    result = go(graph(step("a", command, code=code, settings=settings)))
    assert result.status == "completed", (tmp_path / "home/runs/demo-1/steps/a/log.txt").read_text()
    assert Path(result.steps["a"].outputs["out"]).read_text() == str(expected)


@pytest.mark.parametrize("off", ["option", "variable"])
def test_it_can_be_turned_off(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    if off == "variable":
        monkeypatch.setenv("MLP_WARM", "0")
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(FORKED + "open(os.environ['AZURE_ML_OUTPUT_out'], 'w').write(str(forked))")
    result = go(graph(step("a", "python script.py", code=code)), warm=off != "option")
    assert Path(result.steps["a"].outputs["out"]).read_text() == "False"


LEAKS = """
import json, os, sys, random, signal, tempfile, warnings
import numpy
seen = [getattr(json, "leak", None), os.environ.get("LEAK"), "leak" in sys.path, signal.getsignal(signal.SIGUSR1) != 0,
        os.umask(0o22), os.path.basename(tempfile.gettempdir()), "leaked" in sys.modules, len(warnings.filters)]
json.leak = 1; os.environ["LEAK"] = "1"; sys.path.append("leak"); signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.umask(0); sys.modules["leaked"] = json; warnings.simplefilter("error"); os.chdir("/")
draws = [random.random(), float(numpy.random.rand()), os.urandom(4).hex()]
open(os.environ["AZURE_ML_OUTPUT_out"], "w").write(json.dumps([seen, draws]))
"""


def test_nothing_passes_from_step_to_step(go: Go, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(LEAKS)
    nodes = [step(f"s{i}", f"python script.py {i}", code=code, after=(f"s{i - 1}",) if i else ()) for i in range(3)]
    result = go(graph(*nodes))
    seen, draws = zip(*(json.loads(Path(o.outputs["out"]).read_text()) for o in result.steps.values()), strict=True)
    assert seen[0] == seen[1] == seen[2] and seen[0][:4] == [None, None, False, False]
    assert all(len(set(drawn)) == 3 for drawn in zip(*draws, strict=True))


USES = """
import os, threading
import numpy, pandas, sklearn.linear_model, pyarrow
from sklearn.ensemble import RandomForestClassifier
from sklearn.cluster import KMeans
a = numpy.random.default_rng(0).random((400, 400))
total = (a @ a).sum()
forest = RandomForestClassifier(20, n_jobs=2, random_state=0).fit(a, a[:, 0] > 0.5)
threads = RandomForestClassifier(20, n_jobs=2, random_state=0)
means = KMeans(3, n_init=1, random_state=0).fit(a)
table = pyarrow.Table.from_pandas(pandas.DataFrame(a)).to_pandas()
print(f"{total:.6f} {forest.score(a, a[:, 0] > 0.5)} {means.inertia_:.6f} {table.shape}")
"""


@pytest.mark.slow
def test_libraries_with_threads_work_in_a_fork(go: Go, tmp_path: Path) -> None:
    warm, cold = both(go, tmp_path, USES)
    assert warm == cold and warm[0] == 0, warm


NOISE = """
import os
import opendp.prelude as dp
dp.enable_features("contrib")
m = dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l2_distance(T=float), scale=1e6)
open(os.environ["AZURE_ML_OUTPUT_out"], "w").write(repr(m([0.0] * 4)))
"""


@pytest.mark.slow
def test_forks_do_not_share_the_noise_of_releases(go: Go, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(FORKED + "assert forked\n" + NOISE)
    result = go(graph(*(step(f"s{i}", f"python script.py {i}", code=code) for i in range(4))))
    assert result.status == "completed", result.diagnostics
    assert len({Path(o.outputs["out"]).read_text() for o in result.steps.values()}) == 4


def test_no_zygote_for_what_is_cached_or_no_python(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text("import os\nopen(os.environ['AZURE_ML_OUTPUT_out'], 'w').write('x')")
    made = graph(step("a", "python script.py", code=code))
    assert go(made).status == "completed"
    monkeypatch.setattr("mlp_lang.runner.warm._ZYGOTE", "/nonexistent")  # whoever starts one now gets none
    started: list[object] = []
    monkeypatch.setattr("mlp_lang.runner.warm._Zygote", lambda *a: started.append(a))
    assert states(go(made)) == {"a": "cached"}
    assert states(go(graph(step("b", "echo x > ${{outputs.out}}")))) == {"b": "completed"}
    assert started == []


def test_a_library_that_starts_a_thread_is_not_forked(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock would be held for ever in a child; the step is a process of its own, as without zygotes."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    )
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(
        FORKED + "import sys\nsys.path.append(sys.argv[1])\nimport threaded\n"
        "open(os.environ['AZURE_ML_OUTPUT_out'], 'w').write(str(forked))"
    )
    environment = common_environment(str(Path(sys.executable).parent)) | {"PYTHONPATH": str(library)}
    monkeypatch.setattr("mlp_lang.runner.session.common_environment", lambda _: environment)
    monkeypatch.setattr("mlp_lang.runner.steps.common_environment", lambda _: dict(environment))
    result = go(graph(step("a", f"python script.py {library}", code=code)))
    assert result.status == "completed", result.diagnostics
    assert Path(result.steps["a"].outputs["out"]).read_text() == "False"


def test_a_timeout_ends_a_forked_step_and_all_that_it_started(go: Go, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(
        "import os, signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '300'])\nopen(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}')\n"
        "time.sleep(300)"
    )
    made = graph(step("a", f"python script.py {tmp_path}/pids", code=code, settings=Run(timeout=1)))
    result = go(made, grace=0.2)
    assert states(result) == {"a": "failed"} and result.diagnostics[0].code == "MLP0903"
    assert not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from runner.hand_made import graph, step
from mlp_lang.runner import run
from pathlib import Path
folder = Path({folder!r})
made = graph(step("a", f"python script.py {{folder}}/pids", code=folder / "code"), step("b", "true", after=("a",)))
result = run(made, "out", home="home", tracking=False, grace=0.5)
sys.exit(result.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("during", ["step", "import"])
def test_nothing_outlives_the_runner(tmp_path: Path, number: signal.Signals, during: str) -> None:
    """Neither a step, nor what it started, nor the zygote; whether a step runs or an import is still going on."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "script.py").write_text(
        ("import sklearn.linear_model, mlflow, matplotlib.pyplot\n" if during == "import" else "")
        + "import os, subprocess, sys, time\nchild = subprocess.Popen(['sleep', '300'])\n"
        "open(sys.argv[1] + '.new', 'w').write(f'{os.getpid()} {os.getppid()} {child.pid}')\n"
        "os.rename(sys.argv[1] + '.new', sys.argv[1])\ntime.sleep(300)"
    )
    text = PROGRAM.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    runner = subprocess.Popen([sys.executable, "-c", text], cwd=tmp_path, env={**os.environ, "RUN_OF": str(tmp_path)})
    found: list[int] = []
    if during == "step":
        wait_for(lambda: (tmp_path / "pids").exists(), runner)  # type: ignore[arg-type]
        found = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    else:
        wait_for(lambda: bool(zygotes(tmp_path)), runner)  # type: ignore[arg-type]
        found = zygotes(tmp_path)
    runner.send_signal(number)
    assert runner.wait(60) == (3 if number != signal.SIGKILL else -signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in found))
    wait_for(lambda: not zygotes(tmp_path))


def zygotes(folder: Path) -> list[int]:
    """Zygotes and forks of them of runs in `folder`, by a variable that they inherit."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
            mine = f"RUN_OF={folder}\0".encode() in (entry / "environ").read_bytes() + b"\0"
        except (OSError, ValueError):
            continue
        if b"zygote.py" in words and mine:
            found.append(int(entry.name))
    return found


def test_a_zygote_that_is_killed_fails_its_steps_and_no_others(go: Go, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "script.py").write_text(
        FORKED + "import signal, time\nassert forked\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(300)"
    )
    (code / "other.py").write_text("import os\nopen(os.environ['AZURE_ML_OUTPUT_out'], 'w').write('x')")
    a, b = step("a", "python script.py", code=code), step("b", "python other.py", code=code)
    result = go(graph(a, b._replace(after=())), jobs=1)
    assert states(result) == {"a": "failed", "b": "completed"}
    assert result.steps["a"].exit_code == -signal.SIGKILL


def test_steps_hand_on_data(go: Go, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "add.py").write_text(
        "import sys\nn = int(open(sys.argv[2]).read()) if sys.argv[2:] else 0\nopen(sys.argv[1], 'w').write(str(n + 1))"
    )
    nodes = [step("s0", "python add.py ${{outputs.out}}", code=code)]
    nodes += [
        step(f"s{i}", "python add.py ${{outputs.out}} ${{inputs.i}}", {"i": FromNode(f"s{i - 1}", "out")}, code=code)
        for i in range(1, 20)
    ]
    result = go(graph(*nodes))
    assert Path(result.steps["s19"].outputs["out"]).read_text() == "20"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python a.py", ["python", "a.py"]),
        ("  python   a.py\t--x=1  ", ["python", "a.py", "--x=1"]),
        ("python a.py 'it'\\''s' \"a \\\"b\\\" \\$c\" ''", ["python", "a.py", "it's", 'a "b" $c', ""]),
        ("python a.py a'b c'd", ["python", "a.py", "ab cd"]),
        ("python a.py '$x `y` \n z'", ["python", "a.py", "$x `y` \n z"]),
        ("X=1 python a.py", None),
        (f"python a.py {'long' * 5000} {'words ' * 5000}$x", None),
        *((f"python a.py {text}", None) for text in ["$x", "`x`", '"$x"', "a;b", "a|b", "a&", "<a", "(a)", "~", "a*"]),
        *(
            (f"python a.py {text}", None)
            for text in ["{a,b}", "#a", "a?", "[a]", "'a", '"a', "a\nb", "!a", "é", "$'a'"]
        ),
        ("", None),
    ],
)
def test_words_are_those_of_bash(line: str, expected: list[str] | None) -> None:
    assert plain_words(line) == expected
    if expected is not None:
        shown = subprocess.run(
            ["bash", "-c", "python() { printf '%s\\0' python \"$@\"; }\n" + line], capture_output=True, check=True
        )
        assert shown.stdout.decode().split("\0")[:-1] == expected


def test_imports_are_read_and_not_run(tmp_path: Path) -> None:
    files = {
        "run.py": "import numpy as np, os\nfrom common import entry, other\nfrom a.b import c, d as e\nimport beside\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\nraise SystemExit",
        "beside.py": "def f():\n    import torch.nn\n    from . import nothing\n",
        "common/__init__.py": "",
        "common/entry.py": "from .deep import x\nfrom common.deep import y\nimport onnxruntime, mlp_lang.dsl",
        "common/deep.py": "import sklearn.linear_model",
        "unused.py": "import tensorflow, yaml",
    }
    paths = {}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        paths[name] = str(tmp_path / name)
    found = Reader().read("run.py", paths)
    assert found.against == "" and found.frameworks == {"torch"}
    assert set(found.modules) == {"numpy", "a.b", "a.b:c", "a.b:d", "torch.nn", "sklearn.linear_model"}


def test_variables_read_at_import_are_known() -> None:
    early = (
        "OMP_NUM_THREADS OPENBLAS_NUM_THREADS PYTHONHASHSEED TF_CPP_MIN_LOG_LEVEL CUDA_VISIBLE_DEVICES MPLBACKEND TZ"
    )
    late = "MLFLOW_TRACKING_URI MLFLOW_RUN_ID AZUREML_RUN_ID AZURE_ML_OUTPUT_out TMPDIR MY_SETTING RANK PATH"
    assert all(READ_AT_IMPORT.match(name) for name in early.split())
    assert not any(READ_AT_IMPORT.match(name) for name in late.split())


def test_at_most_three_zygotes(tmp_path: Path) -> None:
    class Nobody:
        def begin(self) -> None: ...

        def watch(self, group: int) -> None: ...

        def forget(self, group: int) -> None: ...

    python = str(Path(sys.executable).parent)
    zygotes = Zygotes(python, "/bin/bash", common_environment(python), Nobody(), True, False)
    try:
        given = [zygotes._for(frozenset([name]), begin=True) for name in "abcd"]
        assert [one is not None for one in given] == [True, True, True, False]
    finally:
        zygotes.close()
