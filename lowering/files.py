"""From a folder of source code to the files of it that travel in a build: relative path -> absolute path.

What Azure ML would not upload (`.amlignore`, else `.gitignore`) and what never is source (caches, version control,
virtual environments, builds of ours) stays behind. Links to files are followed; a link that leads out of the folder or
round in a circle is not.
"""

import os
import re
from typing import NamedTuple

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


class Rules(NamedTuple):
    """What an ignore file says of the paths below its folder, whose own path is `prefix`."""

    prefix: str
    lines: tuple[tuple[re.Pattern[str], bool, bool], ...]  # pattern, whether it takes back, whether for folders only

    def ignore(self, path: str, folderlike: bool) -> bool:
        """Whether a path is ignored, itself or with a folder above it; the last line that speaks of it decides."""
        result = False
        below = path[len(self.prefix) :]
        for pattern, negated, only_folders in self.lines:
            match = pattern.fullmatch(below)
            if match and (folderlike or not only_folders or match["below"]):
                result = not negated
        return result

    @property
    def takes_back(self) -> bool:
        return any(negated for _, negated, _ in self.lines)


def collect(
    folder: str,
    skip: frozenset[str] = frozenset(),
    *,
    above: tuple[Rules, ...] = (),
    at: str = "",
    nested: bool = False,
) -> dict[str, str]:
    """Files under `folder` in the order of their names, as POSIX paths; `skip` names files at its top (case counts).

    `above` are rules that hold beside the folder's own, for the paths that begin with `at`. With `nested` the ignore
    files of folders inside hold, too. Raises OSError where the folder cannot be read.
    """
    root = os.path.realpath(folder)
    rules = (*above, *rules_of(folder, at))
    found: dict[str, str] = {}
    _walk(folder, at, at, root, rules, skip, frozenset([root]), nested, found)
    return {path[len(at) :]: file for path, file in found.items()}


def _walk(
    folder: str,
    prefix: str,
    top: str,
    root: str,
    rules: tuple[Rules, ...],
    skip: frozenset[str],
    above: frozenset[str],
    nested: bool,
    found: dict[str, str],
) -> None:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    if prefix != top and any(entry.name == LOCK_NAME for entry in listed):
        return  # a build: it would hold copies of what is being copied
    for entry in listed:
        name = entry.name
        path = prefix + name
        if name in _NEVER or name.endswith((".pyc", ".pyo")) or (prefix == top and name in skip):
            continue
        folderlike = entry.is_dir()
        if any(r.ignore(path, folderlike) and not (folderlike and r.takes_back) for r in rules):
            continue  # files below a folder may be taken back one by one
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not (target + os.sep).startswith(root + os.sep) or target in above:
                continue
        if folderlike:
            more = rules_of(entry.path, path + "/") if nested else ()
            _walk(
                entry.path,
                path + "/",
                top,
                root,
                (*rules, *more),
                skip,
                above | {os.path.realpath(entry.path)},
                nested,
                found,
            )
        elif entry.is_file():
            found[path] = entry.path


def rules_of(folder: str, prefix: str = "") -> tuple[Rules, ...]:
    """The rules of a folder's own ignore file, none or one: the first file there is, as Azure ML."""
    for name in (".amlignore", ".gitignore"):
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                lines = file.read().split("\n")
        except OSError:
            continue
        return (Rules(prefix, tuple(rule for line in lines if (rule := _rule(line)))),)
    return ()


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
        return re.compile("".join(out) + "(?P<below>/.*)?", re.DOTALL), negated, only_folders
    except re.error:
        return None
