"""From a folder of source code to the files of it that travel in a build: relative path -> absolute path.

What Azure ML would not upload (`.amlignore`, else `.gitignore`) and what never is source (caches, version control,
virtual environments, builds of ours) stays behind. Links to files are followed; a link that leads out of the folder or
round in a circle is not.
"""

import os
import re
from collections.abc import Callable

from mlp_lang.lowering.lock import LOCK_NAME

_NEVER = frozenset(
    [
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".mlp",
        ".venv",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".ipynb_checkpoints",
        ".DS_Store",
    ]
)


def collect(folder: str, skip: frozenset[str] = frozenset()) -> dict[str, str]:
    """Files under `folder` in the order of their names, as POSIX paths; `skip` names files at its top (case counts).

    Raises OSError where the folder cannot be read.
    """
    root = os.path.realpath(folder)
    ignored = _ignore_rules(folder)
    found: dict[str, str] = {}
    _walk(folder, "", root, ignored, skip, frozenset([root]), found)
    return found


def _walk(
    folder: str,
    prefix: str,
    root: str,
    ignored: Callable[[str, bool], bool],
    skip: frozenset[str],
    above: frozenset[str],
    found: dict[str, str],
) -> None:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    if prefix and any(entry.name == LOCK_NAME for entry in listed):
        return  # a build: it would hold copies of what is being copied
    for entry in listed:
        name = entry.name
        path = prefix + name
        if name in _NEVER or name.endswith((".pyc", ".pyo")) or (not prefix and name in skip):
            continue
        folderlike = entry.is_dir()
        if ignored(path, folderlike):
            continue
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not (target + os.sep).startswith(root + os.sep) or target in above:
                continue
        if folderlike:
            _walk(entry.path, path + "/", root, ignored, skip, above | {os.path.realpath(entry.path)}, found)
        elif entry.is_file():
            found[path] = entry.path


def _ignore_rules(folder: str) -> Callable[[str, bool], bool]:
    """A test for (relative path, is a folder) by the folder's own ignore file: the first one there is, as Azure ML."""
    for name in (".amlignore", ".gitignore"):
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError:
            continue
        rules = [rule for line in lines if (rule := _rule(line))]
        break
    else:
        return lambda path, folderlike: False

    def ignored(path: str, folderlike: bool) -> bool:
        result = False
        for pattern, negated, only_folders in rules:
            if (folderlike or not only_folders) and pattern.fullmatch(path):
                result = not negated
        return result

    return ignored


def _rule(line: str) -> tuple[re.Pattern[str], bool, bool] | None:
    """One line of gitignore: pattern over relative paths, whether it takes back, whether it is for folders only."""
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!")
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    text = text.removeprefix("/")
    out = [] if anchored else ["(?:.*/)?"]
    i = 0
    while i < len(text):
        if text.startswith("**/", i):
            out.append("(?:.*/)?")
            i += 3
        elif text.startswith("**", i):
            out.append(".*")
            i += 2
        elif text[i] == "*":
            out.append("[^/]*")
            i += 1
        elif text[i] == "?":
            out.append("[^/]")
            i += 1
        elif text[i] == "[" and (end := text.find("]", i + 2)) > 0:
            body = text[i + 1 : end].replace("\\", "\\\\")
            out.append(f"[^{body[1:]}]" if body[0] in "!^" else f"[{body}]")
            i = end + 1
        else:
            out.append(re.escape(text[i]))
            i += 1
    try:
        return re.compile("".join(out), re.DOTALL), negated, only_folders
    except re.error:
        return None
