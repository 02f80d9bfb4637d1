"""Where steps run: virtual environments that are built once for each specification, and containers."""

import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlp_lang.compiler.graph import Environment, Node
from mlp_lang.runner import RunResult, plan
from mlp_lang.runner.bindings import Given
from mlp_lang.runner.containers import Engine, arguments, dockerfile
from mlp_lang.runner.environment import SpecificationError, requirements, specified
from mlp_lang.runner.interpreters import FOLDER, READY, prepare, specification

from runner.hand_made import graph, states, step

Go = Callable[..., RunResult]
SAY = 'python -c "import small, sys; print(small.VERSION, sys.prefix)" > ${{outputs.out}}'


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of one package, `small` 1.0 and 2.0; pip looks nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        about = f"small-{version}.dist-info"
        with zipfile.ZipFile(folder / f"small-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("small.py", f"VERSION = {version!r}\n")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: small\nVersion: {version}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def using(*lines: str) -> Environment:
    return Environment(image="any", conda={"dependencies": ["python=3.11", {"pip": list(lines)}]})


def wants(name: str, *lines: str, command: str = SAY, **fields: Any) -> Node:
    return step(name, command, environment=using(*lines), **fields)


@pytest.mark.slow
def test_steps_run_in_environments_of_their_own_each_built_once(go: Go, tmp_path: Path, wheels: Path) -> None:
    made = graph(wants("a", "small==1.0"), wants("b", "small==1.0", command=f"{SAY} # again"), wants("c", "small==2.0"))
    refused = go(made)
    assert [d.code for d in refused.diagnostics] == ["MLP0904"] and not refused.steps
    first = go(made, rooms="venv")
    assert first.status == "completed", first.diagnostics
    said = {name: Path(first.steps[name].outputs["out"]).read_text().split() for name in "abc"}
    assert [said[name][0] for name in "abc"] == ["1.0", "1.0", "2.0"]
    assert said["a"][1] == said["b"][1] != said["c"][1]
    folder = tmp_path / "home" / FOLDER
    assert len(list(folder.glob(f"*/{READY}"))) == 2
    stamps = {p: p.stat().st_mtime_ns for p in folder.glob(f"*/{READY}")}
    assert set(states(go(made, rooms="venv")).values()) == {"cached"}
    assert {p: p.stat().st_mtime_ns for p in folder.glob(f"*/{READY}")} == stamps
    asked = plan(made, home=tmp_path / "home", rooms="venv")
    assert {s.action for s in asked.steps} == {"cached"} and not asked.diagnostics


@pytest.mark.slow
def test_what_a_killed_build_left_is_made_anew_and_two_runs_build_once(tmp_path: Path, wheels: Path) -> None:
    made = graph(wants("a", "small==1.0"))
    home, said = str(tmp_path / "home"), []
    found, _ = prepare(made, frozenset("a"), home, said.append)
    room = found.of(made.nodes[0])
    assert room is not None and room.versions["small"] == "1.0"
    Path(room.folder).parent.joinpath(READY).unlink()
    (Path(room.folder) / "python").unlink()
    said.clear()
    threads = [threading.Thread(target=prepare, args=(made, frozenset("a"), home, said.append)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("installing" in text for text in said) == 1
    assert prepare(made, frozenset("a"), home, said.append, build=False)[0].of(made.nodes[0]) is not None


@pytest.mark.slow
def test_an_environment_that_cannot_be_built_refuses_the_run(go: Go, tmp_path: Path, wheels: Path) -> None:
    ran = wants("a", command=f"touch {tmp_path}/ran; echo > ${{{{outputs.out}}}}")
    result = go(graph(ran, wants("b", "small==3.0")), rooms="venv")
    (found,) = result.diagnostics
    assert found.code == "MLP0972" and "small==3.0" in found.label and not (tmp_path / "ran").exists()
    assert not list((tmp_path / "home" / FOLDER).glob("*/bin"))
    unknown = ran._replace(component=ran.component._replace(environment=Environment(reference="azureml:x:1")))
    codes = [d.code for d in go(graph(unknown), rooms="venv").diagnostics]
    assert codes == ["MLP0971", "MLP0972"]


@pytest.mark.parametrize(
    ("conda", "pip", "lines", "python", "left"),
    [
        (["python=3.8", "pip"], [], (), (3, 8), ()),
        (["numpy=1.21.2"], [], ("numpy==1.21.2.*",), None, ()),
        (["numpy=1.21.*"], [], ("numpy==1.21.*",), None, ()),
        (["numpy==1.21.2"], [], ("numpy==1.21.2",), None, ()),
        (["scipy=1.7=py38_0", "pandas >=1.1,<1.2"], [], ("scipy==1.7.*", "pandas>=1.1,<1.2"), None, ()),
        (["pytorch::pytorch=2.1", "cudatoolkit=11"], [], ("torch==2.1.*",), None, ("cudatoolkit=11",)),
        ([], ["a==1", "--extra-index-url x", "azureml-defaults"], ("a==1", "--extra-index-url x"), None, ()),
        ([], ["a==1", "a==1"], ("a==1",), None, ()),
    ],
)
def test_what_pip_installs_for_a_specification(
    conda: list[str], pip: list[str], lines: tuple[str, ...], python: tuple[int, int] | None, left: tuple[str, ...]
) -> None:
    made = specification(Environment(image="i", conda={"dependencies": [*conda, {"pip": [*pip]}]}))
    assert (made.lines, made.python, made.left_out) == (lines, python, left)


def test_what_scripts_track_with_is_the_mlflow_of_the_runs() -> None:
    (line,) = specification(using("azureml-mlflow")).lines
    assert line.startswith("mlflow==")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("needs.txt", "a>=1 # said\n-r more.txt\n\n", ["a>=1", "b"]),
        ("conda.yml", "dependencies: [python=3.9, {pip: [c, '-r more.txt']}]", ["c", "b"]),
        ("env.yml", "image: i\nconda_file: conda2.yml", ["d"]),
        ("inline.yml", "image: i\nconda_file: {dependencies: [e]}", ["e"]),
        ("bare.yml", "image: i", []),
        ("none.yml", "name: x", None),
        ("absent.yml", None, None),
    ],
)
def test_files_that_say_what_an_environment_holds(
    tmp_path: Path, name: str, text: str | None, found: list[str] | None
) -> None:
    (tmp_path / "more.txt").write_text("b\n")
    (tmp_path / "conda2.yml").write_text("dependencies: [d]")
    if text is not None:
        (tmp_path / name).write_text(text)
    if found is None:
        with pytest.raises(SpecificationError):
            specified(str(tmp_path / name))
    else:
        assert [r.text for r in requirements(specified(str(tmp_path / name)))] == found


def test_requirements_files_that_name_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n-r a.txt\n")
    assert {r.text for r in requirements(specified(str(tmp_path / "a.txt")))} == {"one"}


def test_without_an_engine_the_run_is_refused(go: Go, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = go(graph(step("a", "true")), rooms="podman").diagnostics
    assert found.code == "MLP0973" and "podman" in found.message


def test_the_line_of_a_container(tmp_path: Path) -> None:
    """Inputs cannot be written, paths are the same inside and outside, and the image's own PATH stays."""
    given = [Given("d", "/data", "/data"), Given("own", "/s/in", "/elsewhere", mode="download"), Given("n", "3")]
    environment = {"PATH": "/bin", "AZUREML_RUN_ID": "r_a", "SECRET": "x", "MINE": "y"}
    engine, own = Engine("docker", {}, "/home"), {"MINE": "y"}
    made = arguments(engine, "img:1", "mlp-1-a", "echo 'x'", "/s/code", "/s", given, environment, own)
    assert made[-5:] == ["--entrypoint", "bash", "img:1", "-c", "echo 'x'"]
    mounts = [made[i + 1] for i, word in enumerate(made) if word == "-v"]
    assert mounts == ["/data:/data:ro", "/home:/home", "/s:/s"]
    assert [made[i + 1] for i, word in enumerate(made) if word == "-e"] == ["AZUREML_RUN_ID=r_a", "MINE=y"]


def test_an_image_with_a_conda_file_is_built_on_it() -> None:
    text = dockerfile(using("small==1.0"))
    assert text.startswith("FROM any\n") and "conda env create" in text
