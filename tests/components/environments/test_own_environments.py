"""Every component runs with nothing installed but what its conda.yaml names: an environment for each framework."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from component_steps import COMPONENTS, ROOT, mlp

PROGRAMS = {
    "wine": {"mlp-tabular", "mlp-sklearn"},
    "income": {"mlp-privacy", "mlp-fairlearn", "mlp-deploy"},
    "cartpole": {"mlp-rllib"},
    "digits_torch": {"mlp-torch"},
    "digits_keras": {"mlp-tensorflow"},
    "watched": {"mlp-interpret", "mlp-monitor"},
}
"""The program that is run for each environment; all but the last are in pipelines/."""
WATCHED = """\
compute cpu = cluster("cpu")

pipeline watched {
  compute = cpu

  prepare tumours using sklearn.dataset {
    name = "breast_cancer"
  }

  prepare split using tabular.split {
    table = tumours
  }

  train model using interpret.ebm {
    table = split.train
    max_rounds = 50
    interactions = 0
    outer_bags = 2
  }

  evaluate quality using sklearn.classification {
    model = model
    table = split.test
    require accuracy >= 0.9
  }

  monitor drift using drift.tabular {
    reference = split.train
    current = split.test
  }
}
"""


def environments() -> dict[str, set[str]]:
    """The texts of the conda files of all components, by the name of their environment."""
    found: dict[str, set[str]] = {}
    for file in COMPONENTS.glob("*/**/component.yml"):
        named = yaml.safe_load(file.read_text(encoding="utf-8"))["environment"]["name"]
        found.setdefault(named, set()).add((file.parent / "conda.yaml").read_text(encoding="utf-8"))
    return found


def test_components_of_one_framework_have_one_environment() -> None:
    for name, texts in environments().items():
        assert len(texts) == 1, name
        assert yaml.safe_load(texts.pop())["name"] == name


def test_every_environment_is_tried_by_a_program() -> None:
    assert set().union(*PROGRAMS.values()) == set(environments())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs, cache and environments of this module; some gigabytes, which are not left behind."""
    folder = tmp_path_factory.mktemp("home")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_in_environments_of_its_own(home: Path, tmp_path: Path, name: str) -> None:
    program = ROOT / f"pipelines/{name}.mlp"
    if not program.exists():
        program = tmp_path / f"{name}.mlp"
        program.write_text(WATCHED, encoding="utf-8")
    before = rooms(home)
    done = mlp("run", program, "--env", "venv", cwd=tmp_path, home=home)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    if name != "wine":  # the environments that all programs share stay; a framework's is large
        for room in rooms(home) - before:
            shutil.rmtree(room)


def rooms(home: Path) -> set[Path]:
    folder = home / "environments"
    return {room for room in folder.iterdir() if room.is_dir()} if folder.is_dir() else set()
