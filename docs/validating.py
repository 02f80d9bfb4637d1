"""From right definitions and single mistakes in them to docs/validation.md: what azure-ai-ml says, and what mlp says.

`make docs` writes the page; a test compares what is checked in with what this would write. Needs azure-ai-ml.
"""

import contextlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.render import render
from mlp_lang.lowering.checker import check_yaml

HERE = Path(__file__).resolve().parent
BASE = HERE / "validation"
PAGE = "validation.md"
SHOWN = 12  # lines of a long answer
# Which loader of azure-ai-ml reads which file.
LOADERS = {
    "pipeline.yml": "load_job",
    "sweep.yml": "load_job",
    "spark.yml": "load_job",
    "components/prep.yml": "load_component",
    "components/train.yml": "load_component",
    "endpoint.yml": "load_online_endpoint",
    "deployment.yml": "load_online_deployment",
    "schedule.yml": "load_schedule",
}


class Case(NamedTuple):
    """One mistake: in `file`, `new` stands where the right definition says `old`."""

    title: str
    file: str
    old: str
    new: str


CASES = [
    Case("A field that there is not", "pipeline.yml", "    compute: azureml:gpu", "    computer: azureml:gpu"),
    Case("A setting that there is not", "pipeline.yml", "default_compute:", "default_computer:"),
    Case("A value of the wrong type", "pipeline.yml", "display_name: churn", "display_name: 7"),
    Case("A binding to a job that there is not", "pipeline.yml", "parent.jobs.train.", "parent.jobs.trian."),
    Case(
        "A binding to an output that there is not",
        "pipeline.yml",
        "      table: ${{parent.jobs.prep.outputs.table}}\n      epochs",
        "      table: ${{parent.jobs.prep.outputs.tabel}}\n      epochs",
    ),
    Case(
        "A binding to an input that there is not", "pipeline.yml", "{{parent.inputs.limit}}", "{{parent.inputs.limt}}"
    ),
    Case("An input that the component needs", "pipeline.yml", "      epochs: 20\n", ""),
    Case("An input that the component has not", "pipeline.yml", "      method: mean", "      methud: mean"),
    Case("A word that the enumeration has not", "pipeline.yml", "method: mean", "method: mode"),
    Case("A number out of range", "pipeline.yml", "epochs: 20", "epochs: 2000"),
    Case("A text where a number is asked", "pipeline.yml", "epochs: 20", "epochs: many"),
    Case(
        "An asset of another type",
        "pipeline.yml",
        "model: ${{parent.jobs.train.outputs.model}}",
        "model: ${{parent.jobs.prep.outputs.table}}",
    ),
    Case(
        "Jobs that wait for one another",
        "pipeline.yml",
        "rows: ${{parent.inputs.rows}}",
        "rows: ${{parent.jobs.judge.outputs.metrics}}",
    ),
    Case("A key that is there twice", "pipeline.yml", "      epochs: 20", "      epochs: 20\n      epochs: 30"),
    Case(
        "A compute without `azureml:`",
        "pipeline.yml",
        "default_compute: azureml:cpu-cluster",
        "default_compute: cpu-cluster",
    ),
    Case(
        "A type of job that there is not",
        "pipeline.yml",
        "    type: command\n    component: ./components/judge",
        "    type: comand\n    component: ./components/judge",
    ),
    Case("A component file that is not there", "pipeline.yml", "./components/judge.yml", "./components/jugde.yml"),
    Case("An output that no job feeds", "pipeline.yml", "    outputs:\n      model: ${{parent.outputs.model}}\n", ""),
    Case("A folder of code that is not there", "components/prep.yml", "code: ../src", "code: ../source"),
    Case("A placeholder of no input", "components/prep.yml", "${{inputs.method}}", "${{inputs.methd}}"),
    Case(
        "An optional input outside of `$[[ ]]`",
        "components/train.yml",
        "$[[--from ${{inputs.warm_start}}]]",
        "--from ${{inputs.warm_start}}",
    ),
    Case("A default that is no value", "components/prep.yml", "default: mean", "default: mode"),
    Case("A distribution that there is not", "sweep.yml", "type: loguniform", "type: logunifrom"),
    Case("A distribution without a value", "sweep.yml", "min_value: -6, max_value: -1", "min_value: -1, max_value: -6"),
    Case("A search for a name that nothing searches", "sweep.yml", "search_space.depth", "search_space.dept"),
    Case("Slack in two ways", "sweep.yml", "slack_factor: 0.1", "slack_factor: 0.1, slack_amount: 0.2"),
    Case("An entry script that is not there", "spark.yml", "file: prep.py", "file: perp.py"),
    Case(
        "A scoring script that is not there", "deployment.yml", "scoring_script: score.py", "scoring_script: scoer.py"
    ),
    Case("A machine that is none", "deployment.yml", "Standard_DS3_v2", "DS3"),
    Case("A model without `azureml:`", "deployment.yml", "model: azureml:churn:1", "model: churn:1"),
    Case("Traffic that does not sum to 100", "endpoint.yml", "green: 10", "green: 20"),
    Case("Four fields of cron", "schedule.yml", "30 2 * * 1-5", "30 2 * *"),
    Case("An hour that no day has", "schedule.yml", "30 2 * * 1-5", "30 26 * * 1-5"),
    Case("A schedule for an input that there is not", "schedule.yml", "    limit: 0.9", "    limits: 0.9"),
]


def page() -> str:
    """The text of docs/validation.md."""
    with tempfile.TemporaryDirectory() as folder:
        roots = [Path(folder).resolve() / f"{number:02}" / "churn" for number in range(len(CASES))]
        for case, root in zip(CASES, roots, strict=True):
            write(case, root)
        said = _ask([root / case.file for case, root in zip(CASES, roots, strict=True)])
        sections = [_section(*parts) for parts in zip(CASES, roots, said, strict=True)]
    head = INTRODUCTION.format(cases=len(CASES), silent=sum(not text for text in said))
    return head + "".join(sections)


def write(case: Case, root: Path) -> None:
    """Write the right definitions with one mistake in them. Raises ValueError if the place is not there once."""
    shutil.copytree(BASE, root)
    target = root / case.file
    text = target.read_text(encoding="utf-8")
    if text.count(case.old) != 1:
        raise ValueError(f"{case.title}: {case.file} says {case.old!r} {text.count(case.old)} times")
    target.write_text(text.replace(case.old, case.new), encoding="utf-8")


def _ask(paths: list[Path]) -> list[str]:
    """What azure-ai-ml says of each file: a process of its own, where sets have one order and previews are off."""
    environment = os.environ | {"PYTHONHASHSEED": "0", "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED": "false"}
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, paths)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said: list[str] = json.loads(done.stdout)
    return said


INTRODUCTION = """# Mistakes, and what is said of them

`mlp check pipeline.yml` judges any Azure ML YAML, whoever wrote it, and what it names. This page compares it with
azure-ai-ml 1.35, which loads a definition (`load_job` and its like) and validates it as far as it can without a
workspace: {cases} mistakes, each the only one in definitions that are right otherwise (`docs/validation/`).
Of these, azure-ai-ml accepts {silent} without a word. What it says is quoted as it is, but for the folder; of long
answers the beginning is shown, and how many lines there are.

This page is made by `make docs` from `docs/validating.py`, which runs both.
"""


def _section(case: Case, root: Path, said: str) -> str:
    """The part of the page about one case, given what azure-ai-ml said."""
    text = (BASE / case.file).read_text(encoding="utf-8")
    azure = _block(_shortened(said.replace(str(root), "…/churn"))) if said else "It accepts this.\n"
    return (
        f"\n## {case.title}\n\n`{case.file}`:\n\n{_block(_fragment(text, case), 'diff')}\n"
        f"azure-ai-ml:\n\n{azure}\nmlp:\n\n{_block(mlp_says(root, case.file))}"
    )


def _fragment(text: str, case: Case) -> str:
    """The lines that the mistake is in, before and after."""
    before = text.split("\n")
    after = text.replace(case.old, case.new).split("\n")
    start = 0
    while before[start] == after[start]:
        start += 1
    end = 1
    while before[-end] == after[-end] and len(before) - end > start - 1 and len(after) - end > start - 1:
        end += 1
    removed, added = before[start : len(before) - end + 1], after[start : len(after) - end + 1]
    around = before[max(0, start - 1) : start]
    lines = [f"  {line}" for line in around] + [f"- {line}" for line in removed] + [f"+ {line}" for line in added]
    return "\n".join(lines)


def _block(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.rstrip()}\n```\n"


def _shortened(text: str) -> str:
    lines = [line.rstrip() for line in text.strip().split("\n")]
    if len(lines) <= SHOWN + 2:
        return "\n".join(lines)
    return "\n".join([*lines[:SHOWN], f"… {len(lines)} lines in all"])


def findings(root: Path, file: str) -> list[Diagnostic]:
    """What mlp's checker finds in a file of a project."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return check_yaml(file)
    finally:
        os.chdir(before)


def mlp_says(root: Path, file: str) -> str:
    """The report of `mlp check`, as text without colour."""
    return render(findings(root, file), "text", False)


def azure_says(path: Path) -> str:
    """What azure-ai-ml says when it loads and validates a definition; empty if it accepts it without a word."""
    with _captured() as heard:
        from azure.ai.ml.entities import _load_functions as loaders

        load: Callable[[str], Any] = getattr(loaders, LOADERS[path.relative_to(_root(path)).as_posix()])
        heard.clear()
        try:
            entity = load(str(path))
            validate = getattr(entity, "_validate", None)
            result = validate() if validate is not None else None
            if result is not None and not result.passed:
                heard.append(str(result))
        except Exception as error:  # whatever a library raises is what a person sees
            heard.append(f"{type(error).__name__}: {error}")
    said = "\n".join(heard)
    return re.sub(r"\x1b\[[0-9;]*m", "", said).replace("\u00a0", " ").strip()


def _root(path: Path) -> Path:
    return next(folder for folder in path.parents if (folder / "pipeline.yml").exists())


class _Records(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "experimental" not in message.lower():
            self.heard.append(message)


@contextlib.contextmanager
def _captured() -> Iterator[list[str]]:
    """What is logged meanwhile; nothing is printed, no telemetry is sent."""
    heard: list[str] = []
    os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = "0"
    logger = logging.getLogger("azure.ai.ml")
    before = logger.handlers, logger.propagate
    printed = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            warnings.simplefilter("ignore")
            logger.handlers, logger.propagate = [_Records(heard)], False
            yield heard
    finally:
        logger.handlers, logger.propagate = before


def main() -> None:
    """Write the page; given files, write what azure-ai-ml says of each to standard output, as JSON."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps([azure_says(Path(path)) for path in sys.argv[1:]]))
        return
    (HERE / PAGE).write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {len(CASES)} mistakes\n")


if __name__ == "__main__":
    main()
