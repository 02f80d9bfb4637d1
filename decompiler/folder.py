"""From a folder to the pipeline definitions below it, and to where their programs go."""

import os
import re

_SKIPPED = frozenset({"node_modules", "__pycache__"})
_JOBS = re.compile(rb"^jobs[ \t]*:", re.MULTILINE)


def pipelines(folder: str) -> list[str]:
    """YAML files below a folder that have `jobs` at their top, sorted. Hidden folders are not looked into."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for name in sorted(files):
            path = os.path.normpath(os.path.join(here, name))
            if name.endswith((".yml", ".yaml")) and _has_jobs(path):
                found.append(path)
    return found


def _has_jobs(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return _JOBS.search(file.read()) is not None
    except OSError:
        return False


def targets(paths: list[str], folder: str, out: str) -> list[str]:
    """A program for each file, in the same layout below ``out``; two of one stem keep their endings in their names."""
    made: list[str] = []
    taken: set[str] = set()
    for path in paths:
        stem, ending = os.path.splitext(os.path.relpath(path, folder))
        target = os.path.join(out, f"{stem}.mlp")
        if target in taken:
            target = os.path.join(out, f"{stem}_{ending[1:]}.mlp")
        taken.add(target)
        made.append(os.path.normpath(target))
    return made
