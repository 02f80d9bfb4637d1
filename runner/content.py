"""From files and folders to digests of their content, remembered by size, times and inode in one SQLite file."""

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple

SETTLED = 2.0
"""Seconds after its last change from which on a file's time stamps are trusted to show the next change."""


class Entry(NamedTuple):
    """One file of a stored tree: relative path (empty for a tree that is one file), size, mtime in ns, digest."""

    path: str
    size: int
    mtime: int
    digest: str


class Memory:
    """Digests of files that have not changed since. Safe for threads and several runs; forgets rather than fails."""

    def __init__(self, file: str, *, read_only: bool = False) -> None:
        self._lock = threading.Lock()
        self._fresh: dict[str, tuple[int, int, int, int, str]] = {}
        self._connection: sqlite3.Connection | None = None
        if read_only:
            with contextlib.suppress(sqlite3.Error):
                address = f"{Path(file).absolute().as_uri()}?mode=ro"
                self._connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
            return
        try:
            os.makedirs(os.path.dirname(file), exist_ok=True)
            self._connection = sqlite3.connect(file, timeout=2, check_same_thread=False, isolation_level=None)
            self._connection.execute(
                "create table if not exists files "
                "(path text primary key, size int, mtime int, ctime int, inode int, digest text) without rowid"
            )
        except (sqlite3.Error, OSError):
            self._connection = None

    def file(self, path: str) -> str:
        """SHA-256 of a file's bytes, hexadecimal. Raises OSError."""
        found = os.stat(path)
        stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        with self._lock:
            known = self._recall(path)
        if known is not None and known[:4] == stamp:
            return known[4]
        digest = digest_file(path)
        if time.time() - max(found.st_mtime, found.st_ctime) > SETTLED:
            with self._lock:
                self._fresh[path] = (*stamp, digest)
        return digest

    def tree(self, path: str) -> str:
        """Digest of a file, or of a folder: relative paths, digests and executable bits, in the order of the paths."""
        if not os.path.isdir(path):
            return self.file(path)
        return combine([(name, self.file(full), executable(full)) for name, full in walk(path)])

    def save(self) -> None:
        """Write what was learned; a failure only costs time later."""
        with self._lock:
            if self._connection is None or not self._fresh:
                return
            rows = [(path, *stamp) for path, stamp in self._fresh.items()]
            try:
                self._connection.execute("begin immediate")
                self._connection.executemany("insert or replace into files values (?, ?, ?, ?, ?, ?)", rows)
                self._connection.execute("commit")
            except sqlite3.Error:
                return
            self._fresh.clear()

    def close(self) -> None:
        self.save()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _recall(self, path: str) -> tuple[int, int, int, int, str] | None:
        fresh = self._fresh.get(path)
        if fresh is not None or self._connection is None:
            return fresh
        try:
            row = self._connection.execute(
                "select size, mtime, ctime, inode, digest from files where path = ?", (path,)
            ).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else (row[0], row[1], row[2], row[3], row[4])


def digest_file(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def combine(files: list[tuple[str, str, bool]]) -> str:
    """Digest of a tree from (relative path, digest, executable) of its files."""
    lines = [f"{name}\0{digest}\0{'x' if runs else '-'}\n" for name, digest, runs in sorted(files)]
    return digest_text("tree\n" + "".join(lines))


def executable(path: str) -> bool:
    return os.stat(path).st_mode & 0o100 != 0


def walk(folder: str, *, folders: bool = False) -> list[tuple[str, str]]:
    """Files under a folder as (relative path with '/', full path), in order; links are followed, circles are not.

    With `folders` also the folders, each before what is in it, their relative paths ending in '/'.
    """
    found: list[tuple[str, str]] = []
    seen = {os.path.realpath(folder)}
    pending = [("", folder)]
    while pending:
        prefix, current = pending.pop()
        with os.scandir(current) as entries:
            for entry in entries:
                if entry.is_dir():
                    real = os.path.realpath(entry.path) if entry.is_symlink() else ""
                    if real and real in seen:
                        continue
                    if real:
                        seen.add(real)
                    pending.append((f"{prefix}{entry.name}/", entry.path))
                    if folders:
                        found.append(pending[-1])
                elif entry.is_file():
                    found.append((prefix + entry.name, entry.path))
    return sorted(found)


def entries(path: str) -> list[Entry]:
    """All files of a tree with their stamps and digests. Raises OSError."""
    pairs = walk(path) if os.path.isdir(path) else [("", path)]
    result = []
    for name, full in pairs:
        found = os.stat(full)
        result.append(Entry(name, found.st_size, found.st_mtime_ns, digest_file(full)))
    return result


def tree_digest(path: str, files: list[Entry]) -> str:
    """What `Memory.tree` gives for the tree at `path`, from its entries."""
    if not os.path.isdir(path):
        return files[0].digest
    return combine([(e.path, e.digest, executable(os.path.join(path, e.path))) for e in files])


def intact(path: str, files: list[Entry], folder: bool) -> bool:
    """Whether the tree still has the content of its entries: by stamps, and by digest where a stamp differs."""
    try:
        if os.path.isdir(path) != folder:
            return False
        if folder and [name for name, _ in walk(path)] != [e.path for e in files]:
            return False
        for e in files:
            full = os.path.join(path, e.path) if e.path else path
            found = os.stat(full)
            if found.st_size != e.size or (found.st_mtime_ns != e.mtime and digest_file(full) != e.digest):
                return False
    except OSError:
        return False
    return True


def place(source: str, target: str) -> None:
    """Make `target` the same tree as `source`: hard links where the file system has them, copies elsewhere.

    Raises OSError; what was made until then stays for the caller to remove.
    """
    if not os.path.isdir(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _link(source, target)
        return
    os.makedirs(target, exist_ok=True)
    for name, full in walk(source, folders=True):
        there = os.path.join(target, name)
        if name.endswith("/"):
            os.makedirs(there, exist_ok=True)
        else:
            _link(full, there)


def place_whole(source: str, target: str) -> None:
    """As `place`, the target appearing whole; what was there before gives way. Raises OSError."""
    parent, name = os.path.split(target)
    staging = os.path.join(parent, f".new-{name}")
    remove(staging)
    try:
        place(source, staging)
        remove(target)
        os.rename(staging, target)
    except BaseException:
        remove(staging)
        raise


def remove(path: str) -> None:
    """Take away a file, a link or a tree, if it is there. Raises nothing."""
    import shutil

    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        import shutil

        shutil.copy2(source, target)


def protect(path: str) -> None:
    """Take the right to write away from every file of a tree."""
    for _, full in walk(path) if os.path.isdir(path) else [("", path)]:
        os.chmod(full, os.stat(full).st_mode & 0o7555)
