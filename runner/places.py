"""From a home to the runs that it knows: those under `runs/`, and those that were kept elsewhere with `-o`."""

import os
from collections.abc import Iterator
from typing import Any

from mlp_lang.dsl.editdistance import closest
from mlp_lang.runner import journal
from mlp_lang.runner.folder import home_folder, read_record
from mlp_lang.runner.store import read_json

ELSEWHERE = "elsewhere.txt"
"""Paths of run folders outside of the home, one a line, oldest first."""


class NoRunError(Exception):
    """There is no such run; the message says what there is."""


def remember(home: str, folder: str) -> None:
    """Note a run that lies elsewhere, for `runs` to list. A failure only leaves it unlisted."""
    if os.path.dirname(folder) == os.path.join(home, "runs") or "\n" in folder:
        return
    try:
        if folder not in _elsewhere(home):
            with open(os.path.join(home, ELSEWHERE), "a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(folder + "\n")
    except OSError:
        pass


def run_folders(home: str) -> list[str]:
    """The folders that may hold a run, in no order."""
    inside = os.path.join(home, "runs")
    try:
        names = os.listdir(inside)
    except OSError:
        names = []
    return [*(os.path.join(inside, name) for name in names), *_elsewhere(home)]


def find_run(word: str, home: str | None = None) -> str:
    """The folder of a run that is named by its folder, or by its name in the home. Raises NoRunError."""
    where = home_folder(home)
    candidates = {os.path.basename(folder): folder for folder in reversed(run_folders(where)) if _holds_run(folder)}
    for folder in (word, candidates.get(word, "")):
        if folder and _holds_run(folder):
            return os.path.abspath(folder)
    near = closest(word, candidates)
    if os.path.isdir(word):
        raise NoRunError(f"`{word}` holds no run")
    hint = f"did you mean `{near[0]}`?" if near else "`mlp runs` lists them" if candidates else "there is none here yet"
    raise NoRunError(f"there is no run `{word}`; {hint}")


def listing(home: str | None = None) -> list[dict[str, Any]]:
    """What there is to say of each run in a line: newest first."""
    rows = [row for folder in run_folders(home_folder(home)) if (row := _row(folder)) is not None]
    return sorted(rows, key=lambda row: str(row["started"]), reverse=True)


def earlier_runs(home: str, pipeline: str, but: str = "") -> tuple[str, ...]:
    """Folders of the runs of a pipeline, newest first."""
    rows = [row for row in listing(home) if row["pipeline"] == pipeline and row["folder"] != but]
    return tuple(str(row["folder"]) for row in rows)


def last_entries(home: str, pipeline: str, step: str, but: str = "") -> Iterator[dict[str, Any]]:
    """What earlier runs of a pipeline say of the results of a step, newest first."""
    for folder in earlier_runs(home, pipeline, but):
        document = read_json(os.path.join(folder, "steps", step, "entry.json"))
        if isinstance(document, dict):
            yield document


def _row(folder: str) -> dict[str, Any] | None:
    record = read_record(folder)
    if record is None:
        return None
    states = [step["status"] for step in record["steps"]]
    return {
        "name": os.path.basename(folder),
        "pipeline": record["pipeline"],
        "profile": record.get("profile"),
        "status": record["status"],
        "started": record["started"],
        "seconds": record["seconds"],
        "steps": len(states),
        "cached": states.count("cached"),
        "ran": states.count("completed"),
        "failed": states.count("failed"),
        "folder": folder,
    }


def _holds_run(folder: str) -> bool:
    return journal.state_of(folder) is not None or read_record(folder) is not None


def _elsewhere(home: str) -> list[str]:
    try:
        with open(os.path.join(home, ELSEWHERE), encoding="utf-8", errors="surrogateescape") as file:
            return list(dict.fromkeys(line for line in file.read().split("\n") if line))
    except OSError:
        return []
