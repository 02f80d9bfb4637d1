"""From the specification of a parallel job to its rows: mini batches, a pool of workers, retries, and what failed.

A process of its own that imports nothing of mlp: it runs by its path, since a step's environment leads to none. With
`--worker` it is one of the pool: it imports the entry script once, and answers a line of JSON for each line that it
gets. Lines that begin with `mlp: ` are what a person is told of a failure.
"""

import contextlib
import fnmatch
import importlib.util
import inspect
import json
import logging
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

_START = 600.0
"""Seconds that a worker may take to import the entry script and call its `init`."""


class Refusal(Exception):
    """What ends the job; the message is for a person."""


class Batch(NamedTuple):
    """One mini batch: file paths, or the file of a pickled table; `items` counts what is in it."""

    index: int
    items: int
    files: list[str]
    table: str
    keys: dict[str, str]


def main(spec: dict[str, Any]) -> None:
    """Carry the job out. Raises Refusal."""
    scratch = tempfile.mkdtemp(prefix="parallel-")
    batches = split(spec, scratch)
    workers = max(1, min(spec["workers"], len(batches)))
    print(f"{len(batches)} mini batches, {sum(b.items for b in batches)} items, {workers} workers", flush=True)
    pool = _Pool(spec, scratch, batches)
    pool.work(workers)
    items, rows = sum(b.items for b in batches), sum(pool.rows.values())
    print(
        f"{rows} results of {items} items; {pool.failed_items} items and {len(pool.failed)} mini batches failed",
        flush=True,
    )
    if spec["append_to"]:
        _append(spec["append_to"], scratch, len(batches))


def split(spec: dict[str, Any], scratch: str) -> list[Batch]:
    """The mini batches, in an order that depends on the data alone. Raises Refusal."""
    if spec["tabular"]:
        return _tables(spec, scratch)
    root = spec["data"]
    files = sorted(_walk(root)) if os.path.isdir(root) else [root]
    groups: list[tuple[dict[str, str], list[str]]] = []
    if spec["keys"]:
        found: dict[tuple[str, ...], list[str]] = {}
        for file in files:
            found.setdefault(_partition(file, root, spec["keys"]), []).append(file)
        groups = [(dict(zip(spec["keys"], values, strict=True)), found[values]) for values in sorted(found)]
    else:
        size = spec["size"]
        groups = [({}, files[i : i + size]) for i in range(0, len(files), size)]
    return [Batch(i, len(some), some, "", keys) for i, (keys, some) in enumerate(groups)]


def _walk(root: str) -> list[str]:
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.join(folder, name) for name in names if not name.startswith(".") and name != "MLTable"]
    return found


def _partition(file: str, root: str, keys: list[str]) -> tuple[str, ...]:
    """The values of the keys, from folders that are called `key=value`."""
    said = dict(p.split("=", 1) for p in os.path.relpath(file, root).split(os.sep)[:-1] if "=" in p)
    lacking = [key for key in keys if key not in said]
    if lacking:
        raise Refusal(
            f"`{os.path.relpath(file, root)}` lies in no folder `{lacking[0]}=…`, by which the data is to be split"
        )
    return tuple(said[key] for key in keys)


def _tables(spec: dict[str, Any], scratch: str) -> list[Batch]:
    import pandas as pd

    frames = read_tables(spec["data"])
    parts: list[tuple[dict[str, str], Any]] = []
    if spec["keys"]:
        whole = pd.concat([frame for frame, _ in frames], ignore_index=True)
        lacking = [key for key in spec["keys"] if key not in whole.columns]
        if lacking:
            raise Refusal(f"the table has no column `{lacking[0]}`, by which it is to be split")
        for values, part in whole.groupby(list(spec["keys"]), sort=True):
            parts.append((dict(zip(spec["keys"], map(str, values), strict=True)), part.reset_index(drop=True)))
    else:
        for frame, size in frames:
            rows = max(1, round(len(frame) * spec["size"] / size)) if size else max(1, len(frame))
            parts += [({}, frame.iloc[i : i + rows].reset_index(drop=True)) for i in range(0, len(frame), rows)]
    batches = []
    for index, (keys, part) in enumerate(parts):
        path = os.path.join(scratch, f"{index}.pickle")
        part.to_pickle(path)
        batches.append(Batch(index, len(part), [], path, keys))
    return batches


def read_tables(path: str) -> list[tuple[Any, int]]:
    """The tables of an MLTable folder, or of a file, each with its size on the disk. Raises Refusal."""
    import pandas as pd

    read: dict[str, Any] = {}
    files = [path]
    if os.path.isdir(path):
        files, read = _mltable(path)
    frames = []
    for file in files:
        try:
            if "read_parquet" in read or file.endswith((".parquet", ".pq")):
                frame = pd.read_parquet(file)
            elif "read_json_lines" in read or file.endswith(".jsonl"):
                frame = pd.read_json(file, lines=True)
            else:
                said = read.get("read_delimited") or {}
                headless = str(said.get("header", "")).endswith("no_header")
                frame = pd.read_csv(
                    file,
                    sep=said.get("delimiter") or ",",
                    encoding={"utf8": "utf-8"}.get(said.get("encoding", "utf8"), said.get("encoding")),
                    header=None if headless else 0,
                )
        except Exception as error:
            raise Refusal(f"`{file}` cannot be read as a table: {error}") from error
        frames.append((frame, os.path.getsize(file)))
    return frames


def _mltable(folder: str) -> tuple[list[str], dict[str, Any]]:
    """Files and reading of an MLTable folder; all its files where none is named."""
    import yaml

    path = os.path.join(folder, "MLTable")
    document: Any = {}
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            document = yaml.safe_load(file) or {}
    read: dict[str, Any] = {}
    for step in document.get("transformations") or ():
        name, said = next(iter(step.items())) if isinstance(step, dict) else (str(step), {})
        if not name.startswith("read_"):
            raise Refusal(f"the MLTable asks for `{name}`, which is not done here; only reading is")
        read[name] = said or {}
    every = sorted(_walk(folder))
    files: list[str] = []
    for entry in document.get("paths") or ():
        if "file" in entry:
            files.append(os.path.join(folder, entry["file"]))
        elif "pattern" in entry:
            pattern = os.path.normpath(os.path.join(folder, entry["pattern"]))
            files += [f for f in every if fnmatch.fnmatch(f, pattern)]
        elif "folder" in entry:
            inner = os.path.join(os.path.normpath(os.path.join(folder, entry["folder"])), "")
            files += [f for f in every if f.startswith(inner)]
    return files or every, read


def _append(target: str, scratch: str, number: int) -> None:
    """One file of all rows, in the order of the mini batches whoever did them; there whole, or not."""
    temporary = f"{target}.new"
    with open(temporary, "wb") as out:
        for index in range(number):
            with contextlib.suppress(FileNotFoundError), open(os.path.join(scratch, f"{index}.rows"), "rb") as rows:
                while block := rows.read(1 << 20):
                    out.write(block)
    os.replace(temporary, target)


class _Pool:
    """Workers that take one mini batch after another; a failed one is tried again, a stuck worker replaced."""

    def __init__(self, spec: dict[str, Any], scratch: str, batches: list[Batch]) -> None:
        self.spec = spec
        self.scratch = scratch
        self.pending: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        for batch in batches:
            self.pending.put(batch)
        self.lock = threading.Lock()
        self.rows: dict[int, int] = {}
        self.failed: list[int] = []
        self.failed_items = 0
        self.why = ""
        self.problem: str | None = None

    def work(self, number: int) -> None:
        threads = [threading.Thread(target=self._serve) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.problem is not None:
            raise Refusal(self.problem)

    def _serve(self) -> None:
        worker = None
        try:
            while self.problem is None:
                try:
                    batch = self.pending.get_nowait()
                except queue.Empty:
                    break
                worker = self._one(batch, worker)
            if worker is not None:
                worker.dismiss()
        except Refusal as refusal:
            self.problem = self.problem or str(refusal)
        except Exception as error:
            self.problem = self.problem or f"{type(error).__name__}: {error}"
        finally:
            if worker is not None:
                worker.kill()

    def _one(self, batch: Batch, worker: "_Worker | None") -> "_Worker | None":
        reply: dict[str, Any] = {}
        for attempt in range(1 + self.spec["retries"]):
            if worker is None:
                worker = _Worker(self.spec, self.scratch)
            reply = worker.ask(batch._asdict(), self.spec["timeout"])
            if "error" not in reply:
                break
            print(f"mini batch {batch.index}, attempt {attempt + 1}: {reply['error']}", flush=True)
            if reply.get("gone"):
                worker.kill()
                worker = None
        with self.lock:
            if "error" in reply:
                self.failed.append(batch.index)
                self.failed_items += batch.items
                self.why = reply["error"]
                with contextlib.suppress(FileNotFoundError):  # what an earlier attempt left
                    os.unlink(os.path.join(self.scratch, f"{batch.index}.rows"))
            else:
                self.rows[batch.index] = reply["rows"]
                lacking = max(0, batch.items - reply["rows"])
                self.failed_items += lacking
                if lacking:
                    self.why = f"mini batch {batch.index} gave {reply['rows']} results for {batch.items} items"
            for count, limit, what in (
                (self.failed_items, self.spec["item_limit"], "items"),
                (len(self.failed), self.spec["batch_limit"], "mini batches"),
            ):
                if 0 <= limit < count:
                    self.problem = f"{count} {what} failed, and {limit} may; the last: {self.why}"
        return worker


class _Worker:
    """One process of the pool. Raises Refusal if the entry script cannot be used."""

    def __init__(self, spec: dict[str, Any], scratch: str) -> None:
        about = {"entry": spec["entry"], "arguments": spec["arguments"], "level": spec["level"], "scratch": scratch}
        self._process = subprocess.Popen(
            [sys.executable, "-P", os.path.abspath(__file__), "--worker", json.dumps(about)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        reply = self._receive(_START)
        if "error" in reply:
            self.kill()
            raise Refusal(reply["error"])

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """The reply; `error` says why there is none, `gone` that the process must be replaced."""
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return {"error": "the worker ended", "gone": True}
        return self._receive(timeout)

    def dismiss(self) -> None:
        """Let it call `shutdown`, and wait for its end. Raises Refusal if that fails."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        reply = self._receive(_START)
        self._process.wait()
        if "error" in reply and not reply.get("gone"):
            raise Refusal(reply["error"])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _receive(self, timeout: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        file = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([file], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return {"error": f"it did not end within {timeout:g} seconds", "gone": True}
            block = os.read(file, 65536)
            if not block:
                code = self._process.wait()
                return {"error": f"the worker ended with exit code {code}", "gone": True}
            line += block
        return dict(json.loads(line))


def work(about: dict[str, Any]) -> None:
    """Be a worker: one line in, one line out."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the script prints is no reply
    sys.stdout = sys.stderr

    def say(reply: dict[str, Any]) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    entry = about["entry"]
    logging.basicConfig(level=getattr(logging, about["level"], logging.INFO))
    sys.argv = [entry, *about["arguments"]]
    doing = "import"
    try:
        module = _load(entry)
        if not callable(getattr(module, "run", None)):
            say({"error": f"`{entry}` has no function `run(mini_batch)`"})
            return
        doing = "init()"
        if callable(getattr(module, "init", None)):
            module.init()
    except BaseException as error:
        traceback.print_exc()
        what = "cannot be imported" if doing == "import" else "fails in init()"
        say({"error": f"`{entry}` {what}: {_said(error)}"})
        return
    say({})
    for line in sys.stdin:
        try:
            say({"rows": _run(module, json.loads(line), about["scratch"])})
        except BaseException as error:
            traceback.print_exc()
            say({"error": f"run() of `{entry}` failed: {_said(error)}"})
    try:
        if callable(getattr(module, "shutdown", None)):
            module.shutdown()
        say({})
    except BaseException as error:
        traceback.print_exc()
        say({"error": f"shutdown() of `{entry}` failed: {_said(error)}"})


def _load(entry: str) -> ModuleType:
    path = os.path.abspath(entry)
    sys.path.insert(0, os.path.dirname(path))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file `{entry}` among the code")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _run(module: ModuleType, batch: dict[str, Any], scratch: str) -> int:
    """Do one mini batch and write down its rows; how many there are."""
    data: Any = batch["files"]
    if batch["table"]:
        import pandas as pd

        data = pd.read_pickle(batch["table"])
    arguments = [data]
    if len(inspect.signature(module.run).parameters) > 1:
        context = SimpleNamespace(
            minibatch_index=batch["index"], mini_batch_id=str(batch["index"]), partition_key_value=batch["keys"]
        )
        arguments.append(context)
    result = module.run(*arguments)
    if result is None or isinstance(result, str | bytes | dict) or not hasattr(result, "__len__"):
        raise TypeError(f"it returned {type(result).__name__}, and a list or a DataFrame is expected")
    with open(os.path.join(scratch, f"{batch['index']}.rows"), "w", encoding="utf-8") as file:
        if hasattr(result, "to_csv") and hasattr(result, "columns"):
            result.to_csv(file, sep=" ", header=False, index=False)
        else:
            file.writelines(f"{row}\n" for row in result)
    return len(result)


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        work(json.loads(sys.argv[2]))
    else:
        with open(sys.argv[1], encoding="utf-8") as stream:
            told = json.load(stream)
        try:
            main(told)
        except Refusal as refusal:
            print(f"mlp: {refusal}", flush=True)
            sys.exit(1)
