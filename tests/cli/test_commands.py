"""What each command does, says and exits with, as a process."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_programs import BAD, GOOD, Mlp
from mlp_lang.cli.group import COMMANDS
from mlp_lang.dsl.explanations import codes

HAD = {"good.mlp": GOOD, "bad.mlp": BAD, "ugly.mlp": GOOD.replace("  ", " ")}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, r"^mlp \d+\.\d+\.\d+$"),
        (["--version", "check"], 0, r"^mlp \d"),
        (["--help"], 0, "Exit codes"),
        ([], 2, "Usage"),
        (["chekc"], 2, "Did you mean `check`"),
        (["good.mlp"], 2, "mlp check good.mlp"),
        (["--bogus"], 2, "No such option"),
        (["check", "good.mlp"], 0, "1 program checked"),
        (["check", "good.mlp", "--profile", "strict"], 0, ""),
        (["check", "good.mlp", "--profile", "strickt"], 2, r"(?m)^1 \+ --profile strict$"),
        (["check", "good.mlp", "--profile", "strickt", "--fix"], 2, "0 fixes applied"),
        (["check", "bad.mlp", "--profile", "strickt"], 1, "2 errors"),
        (["check", "bad.mlp"], 1, "MLP0203"),
        (["check"], 1, "bad.mlp"),
        (["check", "."], 1, "bad.mlp"),
        (["check", "absent.mlp"], 2, "No such file or folder"),
        (["check", "empty"], 2, "No .mlp file in folder"),
        (["check", "good.mlp", "--format", "xml"], 2, "Invalid value"),
        (["check", "--fix", "-"], 2, "standard input"),
        (["fmt"], 2, "Missing argument"),
        (["fmt", "--check", "good.mlp"], 0, ""),
        (["fmt", "--check", "ugly.mlp"], 1, "not canonical: ugly.mlp"),
        (["fmt", "--diff", "ugly.mlp"], 1, r"(?m)^\+  param floor"),
        (["fmt", "absent.mlp"], 2, "No such file"),
        (["compile", "good.mlp", "-o", "out"], 0, "wrote out/good"),
        (["compile", "bad.mlp", "-o", "out"], 1, "MLP0203"),
        (["compile", "good.mlp", "--param", "floor"], 2, "is not NAME=VALUE"),
        (["compile", "good.mlp", "--param", "floor=1", "--param", "floor=0"], 2, "given twice"),
        (["compile", "good.mlp", "--param", "floor=7", "-o", "out"], 2, "(?m)^1 . --param floor=7$"),
        (["compile", "good.mlp", "--param", "x=7", "--param", "y=7", "-o", "out"], 2, "2 errors"),
        (["compile", "good.mlp", "--param", "floor=0.25", "-o", "out"], 0, "wrote"),
        (["compile", "good.mlp", "--pipeline", "god", "-o", "out"], 2, "MLP0704"),
        (["compile", "good.mlp", "--emit", "graph", "--verify"], 2, "--verify"),
        (["compile", "."], 2, "is a directory"),
        (["compile", "good.mlp", "-o", "good.mlp"], 2, "is a file"),
        (["run", "bad.mlp"], 1, "MLP0203"),
        (["run", "good.mlp", "--resume"], 2, "--resume needs"),
        (["run", "good.mlp", "--jobs", "0"], 2, "Invalid value"),
        (["serve", "."], 3, "."),
        (["serve", "nowhere"], 2, "does not exist"),
        (["explain"], 0, "MLP0801  "),
        (["explain", "mlp801"], 0, "^MLP0801: "),
        (["explain", "MLP0899"], 2, "There is no code"),
        (["explain", "../../etc/passwd"], 2, "There is no code"),
        (["components"], 0, r"(?m)^tabular\.split "),
        (["components", "list", "--verb", "deploy"], 0, "azureml.online_deployment"),
        (["components", "show", "tabular.split"], 0, "test_size: float"),
        (["components", "show", "tabular.splitt"], 2, "Did you mean tabular.split"),
        (["completion", "tcsh"], 2, "Invalid value"),
        (["init", "good.mlp"], 2, "is a file"),
    ],
)
def test_exit_codes(mlp: Mlp, folder: Path, arguments: list[str], code: int, said: str) -> None:
    (folder / "empty").mkdir()
    done = mlp(*arguments)
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert re.search(said, output), output
    assert "Traceback" not in output and "internal error" not in output
    if code:
        assert {p.name: p.read_text() for p in folder.glob("*.mlp")} == HAD
        assert not (folder / "out").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example_and_its_exit_codes(mlp: Mlp, name: str) -> None:
    done = mlp(name, "--help")
    assert done.returncode == 0
    assert f"  mlp {name}" in done.stdout.partition("Examples:")[2]
    assert "0 " in done.stdout.partition("Exit codes:")[2]
    assert COMMANDS[name][:-1] in mlp("--help").stdout


def test_listing_commands_imports_none_of_them() -> None:
    script = (
        "import sys; sys.argv = ['mlp', '--help']\nfrom mlp_lang.cli.main import main\nmain()\n"
        "found = [m for m in sys.modules if m.startswith('mlp_lang.') and not m.startswith('mlp_lang.cli')]\n"
        "found += [m for m in sys.modules if m.startswith('mlp_lang.cli.commands.')]\nassert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize(
    "arguments",
    [["check", "good.mlp"], ["fmt", "--check", "good.mlp"], ["compile", "good.mlp", "-o", "out"], ["import", "p.yml"]],
)
def test_short_commands_import_nothing_heavy(folder: Path, arguments: list[str]) -> None:
    (folder / "p.yml").write_text("type: pipeline\njobs: {a: {component: azureml:c:1}}\n")
    heavy = ("numpy", "pandas", "mlflow", "azure", "jsonschema", "jinja2", "rich", "lark", "importlib.metadata")
    script = (
        f"import sys; sys.argv = ['mlp', *{arguments!r}]\nfrom mlp_lang.cli.main import main\nassert main() == 0\n"
        f"found = [m for m in {heavy!r} if m in sys.modules]\nassert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_check_from_standard_input(mlp: Mlp, folder: Path) -> None:
    assert mlp("check", "-", input=GOOD).returncode == 0
    done = mlp("check", "-", "--format", "json", input=BAD)
    assert done.returncode == 1
    assert {d["file"] for d in json.loads(done.stdout)["diagnostics"]} == {"<stdin>"}


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_check_for_machines_writes_the_report_alone_to_standard_output(mlp: Mlp, folder: Path, form: str) -> None:
    good, bad = mlp("check", "good.mlp", "--format", form), mlp("check", "bad.mlp", "--format", form)
    assert (good.returncode, bad.returncode) == (0, 1)
    if form == "github":
        assert good.stdout == ""
        assert bad.stdout.startswith("::error file=bad.mlp,line=13,col=5,endLine=13,endColumn=10,title=MLP0203::")
    else:
        assert json.loads(good.stdout) and "MLP0203" in json.dumps(json.loads(bad.stdout))


def test_a_file_that_two_programs_import_is_reported_once(mlp: Mlp, folder: Path) -> None:
    (folder / "lib.mlp").write_text(BAD)
    for name in ("one", "two"):
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / f"{name}.mlp").write_text('use "../lib.mlp" as lib\n\nlet x = 1\n')
    found = json.loads(mlp("check", "sub", "--format", "json").stdout)["diagnostics"]
    assert len({json.dumps(d) for d in found}) == len(found)


def test_fix_mends_what_it_can_and_keeps_line_endings(mlp: Mlp, folder: Path) -> None:
    (folder / "bad.mlp").write_bytes(b"\xef\xbb\xbf" + BAD.replace("\n", "\r\n").encode())
    done = mlp("check", "--fix", "bad.mlp")
    assert (done.returncode, "1 fix applied" in done.stderr) == (0, True), done.stdout
    assert (folder / "bad.mlp").read_bytes() == b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()


def test_fix_leaves_what_no_fix_mends(mlp: Mlp, folder: Path) -> None:
    program = GOOD.replace("split.train", "nothing_like_it")
    (folder / "bad.mlp").write_text(program)
    done = mlp("check", "--fix", "bad.mlp")
    assert done.returncode == 1
    assert (folder / "bad.mlp").read_text() == program


def test_fmt_writes_back_and_is_idempotent(mlp: Mlp, folder: Path) -> None:
    (folder / "ugly.mlp").chmod(0o640)
    (folder / "link.mlp").symlink_to("ugly.mlp")
    assert mlp("fmt", "link.mlp", "good.mlp").stderr == "1 file rewritten, 1 left as they were\n"
    assert (folder / "ugly.mlp").read_text() == GOOD
    assert (folder / "ugly.mlp").stat().st_mode & 0o777 == 0o640
    assert (folder / "link.mlp").is_symlink()
    assert mlp("fmt", "--check", ".").returncode == 0


def test_fmt_passes_standard_input_to_standard_output(mlp: Mlp, folder: Path) -> None:
    done = mlp("fmt", "-", input=HAD["ugly.mlp"].replace("floor", "bödeli"))
    assert done.returncode == (0 if done.stdout else 1)
    assert mlp("fmt", "-", input=HAD["ugly.mlp"]).stdout == GOOD
    broken = mlp("fmt", "-", input="pipeline {")
    assert (broken.returncode, broken.stdout) == (1, "")
    assert "<stdin>:1:" in broken.stderr


def test_fmt_shows_line_endings_that_it_would_change(mlp: Mlp, folder: Path) -> None:
    (folder / "crlf.mlp").write_bytes(GOOD.replace("\n", "\r\n").encode())
    done = mlp("fmt", "--diff", "crlf.mlp")
    assert done.returncode == 1
    assert "-pipeline good {\\r\n" in done.stdout and "+pipeline good {\n" in done.stdout


def test_a_broken_file_does_not_keep_others_from_being_formatted(mlp: Mlp, folder: Path) -> None:
    (folder / "broken.mlp").write_text("pipeline {")
    done = mlp("fmt", ".")
    assert done.returncode == 1
    assert (folder / "broken.mlp").read_text() == "pipeline {"
    assert (folder / "ugly.mlp").read_text() == GOOD


def test_compile_writes_a_graph_or_a_folder(mlp: Mlp, folder: Path) -> None:
    graph = json.loads(mlp("compile", "good.mlp", "--emit", "graph").stdout)
    assert graph["name"] == "good"
    assert mlp("compile", "good.mlp", "--emit", "graph", "-o", "out").returncode == 0
    assert json.loads((folder / "out/good/graph.json").read_text()) == graph
    assert mlp("compile", "good.mlp", "-o", "build").returncode == 0
    assert (folder / "build/good/pipeline.yml").exists()


def test_compile_that_cannot_write_leaves_nothing(mlp: Mlp, folder: Path) -> None:
    (folder / "build").mkdir()
    (folder / "build" / "good").write_text("mine")
    done = mlp("compile", "good.mlp", "-o", "build")
    assert done.returncode == 2 or done.returncode == 1
    assert "build/good" in done.stderr
    assert [p.name for p in (folder / "build").iterdir()] == ["good"]
    assert (folder / "build" / "good").read_text() == "mine"


@pytest.mark.parametrize(
    ("env", "terminal", "colored"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_color_on_a_terminal_only_and_never_against_no_color(
    mlp: Mlp, folder: Path, env: dict[str, str], terminal: bool, colored: bool
) -> None:
    if not terminal:
        assert ("\x1b[" in mlp("check", "bad.mlp", env=env).stdout) is colored
        return
    ours, theirs = pty.openpty()
    known = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")} | {"TERM": "xterm"} | env
    process = subprocess.Popen([Path(sys.executable).with_name("mlp"), "check", "bad.mlp"], stdout=theirs, env=known)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 1
    assert (b"\x1b[" in shown) is colored


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(mlp: Mlp, shell: str) -> None:
    done = mlp("completion", shell)
    assert done.returncode == 0
    assert "_MLP_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("mlp ch", ["check"]),
        ("mlp ", list(COMMANDS)),
        ("mlp compile good.mlp --profile ", ["strict"]),
        ("mlp compile good.mlp --pipeline g", ["good"]),
        ("mlp compile good.mlp --param fl", ["floor="]),
        ("mlp check --format s", ["sarif"]),
        ("mlp explain mlp080", [c for c in codes() if c.startswith("MLP080")]),
        ("mlp components show tabular.s", ["tabular.split"]),
        ("mlp compile bad", ["bad"]),
    ],
)
def test_completion_offers(mlp: Mlp, folder: Path, line: str, offers: list[str]) -> None:
    words = line.split(" ")
    env = {"_MLP_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    found = [x.partition(",")[2] for x in mlp(env=env).stdout.splitlines()]
    assert found == offers


@pytest.mark.parametrize("name", ["shop", "Mein Laden-2", "2024", "in"])
def test_init_makes_a_project_that_checks(mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = mlp("init", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("created ") == sum(p.is_file() for p in Path(name).rglob("*"))
    monkeypatch.chdir(tmp_path / name)
    (program,) = Path().glob("*.mlp")
    assert mlp("fmt", "--check", ".").returncode == 0
    assert mlp("check").returncode == 0, mlp("check").stdout
    assert mlp("compile", str(program), "-o", "build").returncode == 0
    json.loads(Path("data/example.schema.json").read_text())


def test_init_writes_nothing_where_anything_is_in_the_way(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "shop" / ".github").mkdir(parents=True)
    (tmp_path / "shop" / ".github" / "workflows").write_text("a file where a folder should be")
    done = mlp("init", str(tmp_path / "shop"))
    assert done.returncode == 2
    assert [p.name for p in (tmp_path / "shop").rglob("*")] == [".github", "workflows"]


def test_an_internal_error_is_one_message(folder: Path) -> None:
    script = (
        "import sys; sys.argv = ['mlp', 'check', 'good.mlp']\nimport mlp_lang.compiler as c\n"
        "c.check_file = lambda *a, **k: 1 / 0\nfrom mlp_lang.cli.main import main\nsys.exit(main())"
    )
    for debug, trace in (("", False), ("1", True)):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env=os.environ | {"MLP_DEBUG": debug},
            check=False,
        )
        assert done.returncode == 70
        assert "internal error: ZeroDivisionError" in done.stderr and "MLP_DEBUG=1" in done.stderr
        assert ("Traceback" in done.stderr) is trace


def test_a_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    script = Path(sys.executable).with_name("mlp")
    process = subprocess.Popen([script, "components"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.wait(), process.stderr.read()) == (141, b"")


def test_ctrl_c_is_one_line(folder: Path) -> None:
    os.mkfifo("pipe.mlp")
    script = Path(sys.executable).with_name("mlp")
    process = subprocess.Popen([script, "check", "pipe.mlp"], stderr=subprocess.PIPE)
    assert process.stderr is not None
    with Path("pipe.mlp").open("wb"):  # opens when mlp has opened the other end, and now it waits for text
        process.send_signal(signal.SIGINT)
        assert (process.wait(), process.stderr.read()) == (130, b"\ninterrupted\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("latin.mlp", "pipeline é {}".encode("latin-1")),
        ("nul.mlp", b"\0\0\0"),
        ("empty.mlp", b""),
        ("bom.mlp", b"\xef\xbb\xbf"),
        ("deep.mlp", b"let x = " + b"(" * 5000 + b"1" + b")" * 5000),
        ("\udcff.mlp", b"pipeline {"),
        ("a\nb\x1b[31m.mlp", b"pipeline {"),
    ],
)
def test_odd_files_give_diagnostics_and_no_traceback(mlp: Mlp, folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    for arguments in (["check"], ["check", "--format", "json"], ["check", "--format", "sarif"], ["fmt", "--check"]):
        done = mlp(*arguments, name)
        assert done.returncode in (0, 1), done.stderr
        assert "internal error" not in done.stderr and "Traceback" not in done.stderr
        assert "\x1b" not in done.stdout + done.stderr


DEFINED = """
asset people = data("people") { path = "people.csv" }
endpoint scoring = online("people-scoring")
deployment blue = managed(scoring) {
  model = "azureml:people:1"
  instance = "Standard_DS3_v2"
  instances = 1
}
"""
STAGE = """
pipeline {name} {{
  step s using command {{
    define {{
      command = "true"
      environment = "azureml:e:1"
    }}
  }}
}}
"""


@pytest.mark.parametrize(("pipeline", "jobs"), [("", []), ("defined", ["defined"]), ("other", ["other"])])
def test_compile_writes_what_a_file_defines(pipeline: str, jobs: list[str], folder: Path, mlp: Mlp) -> None:
    """Into a folder called like the file, which is that of the pipeline of the same name if there is one."""
    (folder / "people.csv").write_text("a\n")
    (folder / "defined.mlp").write_text(DEFINED + (STAGE.format(name=pipeline) if pipeline else ""))
    result = mlp("compile", "defined.mlp", "-o", "out")
    assert result.returncode == 0, result.stderr
    written = {p.relative_to(folder / "out").as_posix() for p in (folder / "out").rglob("*") if p.is_file()}
    assert written >= {
        "defined/assets/people.yml",
        "defined/endpoints/scoring.yml",
        "defined/deployments/scoring/blue/deployment.yml",
        "defined/mlp.lock",
    }
    assert sorted(p for p in written if p.endswith("pipeline.yml")) == [f"{job}/pipeline.yml" for job in jobs]
    assert "path: ../../../people.csv" in (folder / "out/defined/assets/people.yml").read_text()
    assert mlp("compile", "defined.mlp", "-o", "out").returncode == 0, "a build of ours is replaced"
    graphs = mlp("compile", "defined.mlp", "--emit", "graph", "-o", "out")
    assert graphs.returncode == 0, graphs.stderr
    assert (folder / "out/defined/definitions.json").exists()
