"""From the specification of a parallel job to its rows: mini batches, a pool of workers, retries, and what failed.

A process of its own that imports nothing of mlp and is run by its path, since a step's environment need not have mlp.
Lines that begin with `mlp: ` are what a person is told of a failure; `[3] …` is what mini batch 3 printed.
"""

import contextlib
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Any, NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "\x1e"
"""Begins the line by which a worker says to which mini batch the following ones belong."""


class RefusalError(Exception):
    """What ends the job; the message is for a person."""


class Batch(NamedTuple):
    """One mini batch: file paths, or the file of a pickled table; `items` counts what is in it."""

    number: int
    items: int
    files: list[str]
    table: str
    keys: dict[str, str]


def main(spec: dict[str, Any]) -> None:
    """Carry the job out. Raises RefusalError."""
    scratch = tempfile.mkdtemp(prefix="parallel-")
    batches = _split(spec, scratch)
    workers = max(1, min(spec["workers"], len(batches)))
    print(f"{len(batches)} mini batches, {sum(b.items for b in batches)} items, {workers} workers", flush=True)
    pool = _Pool(spec, scratch, batches)
    try:
        pool.work(workers)
    finally:
        pool.report(spec["report"], workers)
    rows = sum(done["rows"] for done in pool.done.values())
    items = sum(b.items for b in batches)
    said = f"{pool.failed_items} items and {pool.failed} mini batches failed"
    print(f"{rows} results of {items} items; {said}", flush=True)
    if spec["append_to"]:
        _append(spec["append_to"], scratch, len(batches))


def _split(spec: dict[str, Any], scratch: str) -> list[Batch]:
    target = os.path.join(scratch, "batches.json")
    script = os.path.join(HERE, "parallel_split.py")
    ended = subprocess.run([sys.executable, "-P", script, spec["itself"], target], check=False)
    if ended.returncode != 0:
        sys.exit(ended.returncode if ended.returncode > 0 else 1)
    with open(target, encoding="utf-8") as file:
        return [Batch(**batch) for batch in json.load(file)]


def _append(target: str, scratch: str, number: int) -> None:
    """One file of all rows, in the order of the mini batches whoever did them; there whole, or not."""
    temporary = f"{target}.new"
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    with open(temporary, "wb") as out:
        for index in range(number):
            with contextlib.suppress(FileNotFoundError), open(os.path.join(scratch, f"{index}.rows"), "rb") as rows:
                out.writelines(rows)
    os.replace(temporary, target)


class _Pool:
    """A thread for each worker: it takes mini batches as long as there are some and the limits hold."""

    def __init__(self, spec: dict[str, Any], scratch: str, batches: list[Batch]) -> None:
        self.spec = spec
        self.scratch = scratch
        self.total = len(batches)
        self.pending: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        for batch in batches:
            self.pending.put(batch)
        self.lock = threading.Lock()
        self.done: dict[int, dict[str, Any]] = {}  # by mini batch what it came to
        self.failed = 0
        self.failed_items = 0
        self.why = ""
        self.problem: str | None = None
        self.workers: set[_Worker] = set()
        limits = [spec["batch_limit"]] if spec["batch_limit"] >= 0 else []
        limits += [int(self.total * spec["percent_limit"] / 100)] if spec["percent_limit"] < 100 else []
        self.batch_limit = min(limits, default=-1)

    def work(self, number: int) -> None:
        """Do all mini batches. Raises RefusalError once more has failed than may."""
        threads = [threading.Thread(target=self._serve, args=(i,)) for i in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.problem is not None:
            raise RefusalError(self.problem)

    def report(self, target: str, workers: int) -> None:
        """Write down what each mini batch came to, for the record of the run."""
        document = {"total": self.total, "workers": workers, "batches": [self.done[i] for i in sorted(self.done)]}
        with open(f"{target}.new", "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.replace(f"{target}.new", target)

    def _serve(self, number: int) -> None:
        worker = None
        try:
            while self.problem is None:
                try:
                    batch = self.pending.get_nowait()
                except queue.Empty:
                    break
                worker = self._one(batch, worker, number)
            if worker is not None and self.problem is None:
                worker.dismiss()
        except RefusalError as refusal:
            self._end(str(refusal))
        except Exception as error:
            self._end(f"{type(error).__name__}: {error}")
        finally:
            if worker is not None:
                worker.kill()

    def _end(self, problem: str) -> None:
        """Nothing new begins, and what runs is of no use any more."""
        with self.lock:
            self.problem = self.problem or problem
            running = list(self.workers)
        for worker in running:
            worker.kill()

    def _one(self, batch: Batch, worker: "_Worker | None", number: int) -> "_Worker | None":
        begun = time.monotonic()
        reply: dict[str, Any] = {}
        attempt = 0
        while attempt <= self.spec["retries"] and self.problem is None:
            attempt += 1
            if worker is None:
                worker = self._new(number)
            reply = worker.ask({**batch._asdict(), "attempt": attempt}, self.spec["timeout"])
            if "error" not in reply or self.problem is not None:
                break
            if reply.get("gone"):
                worker.kill()
                print(f"[{batch.number}] {reply['error']}", flush=True)  # of what it raises it has said so itself
                with self.lock:
                    self.workers.discard(worker)
                worker = None
        if self.problem is None:
            self._settle(batch, reply, attempt, time.monotonic() - begun)
        return worker

    def _new(self, number: int) -> "_Worker":
        worker = _Worker(self.spec, self.scratch, number)
        with self.lock:
            self.workers.add(worker)
        worker.begin()
        return worker

    def _settle(self, batch: Batch, reply: dict[str, Any], attempts: int, seconds: float) -> None:
        error = reply.get("error")
        rows = 0 if error else int(reply["rows"])
        lacking = max(0, batch.items - rows)
        if error:
            with contextlib.suppress(FileNotFoundError):  # what an earlier attempt left
                os.unlink(os.path.join(self.scratch, f"{batch.number}.rows"))
        with self.lock:
            self.failed += bool(error)
            self.failed_items += lacking
            if error:
                self.why = error
            elif lacking:
                self.why = f"mini batch {batch.number} gave {rows} results for {batch.items} items"
            self.done[batch.number] = {
                "number": batch.number,
                "status": "failed" if error else "completed",
                "items": batch.items,
                "rows": rows,
                "attempts": attempts,
                "seconds": round(seconds, 3),
                "keys": batch.keys,
                "error": error,
            }
            beyond = [
                f"{count} {what} failed, and {limit} may"
                for count, limit, what in (
                    (self.failed_items, self.spec["item_limit"], "items"),
                    (self.failed, self.batch_limit, "mini batches"),
                )
                if 0 <= limit < count
            ]
            with open(self.spec["progress"], "w", encoding="utf-8") as file:
                file.write(f"{len(self.done)} {self.total} {self.failed}")
        if beyond:
            self._end(f"{beyond[0]}; the last: {self.why}")


class _Worker:
    """One process of the pool."""

    def __init__(self, spec: dict[str, Any], scratch: str, number: int) -> None:
        names = ("entry", "arguments", "level")
        about = {name: spec[name] for name in names} | {"scratch": scratch, "number": number}
        self._start = spec["start"]
        self._process = subprocess.Popen(
            [sys.executable, "-P", os.path.join(HERE, "parallel_worker.py"), json.dumps(about)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "AZUREML_BI_OUTPUT_PATH": spec["output_folder"]},
        )
        assert self._process.stderr is not None
        self._pump = threading.Thread(target=_pump, args=(self._process.stderr,), daemon=True)
        self._pump.start()

    def begin(self) -> None:
        """Wait until it is ready. Raises RefusalError if the entry script cannot be used."""
        reply = self._receive(self._start)
        if "error" in reply:
            self.kill()
            raise RefusalError(reply["error"])

    def ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """The reply; `error` says why there is none, `gone` that the process must be replaced."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return {"error": "the worker ended", "gone": True}
        return self._receive(timeout)

    def dismiss(self) -> None:
        """Let it call `shutdown`, and wait for its end. Raises RefusalError if that fails."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        reply = self._receive(self._start)
        if not reply.get("gone"):
            self._process.wait()
        if "error" in reply:
            raise RefusalError(reply["error"] if not reply.get("gone") else f"shutdown(): {reply['error']}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._pump.join(1.0)  # who holds its standard error may live on

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


def _pump(stream: IO[bytes]) -> None:
    """What a worker prints, line by line, with the number of its mini batch."""
    prefix = b""
    for line in stream:
        if line.startswith(MARK.encode()):
            number = line[len(MARK) :].strip()
            prefix = b"[" + number + b"] " if number else b""
        else:
            sys.stdout.buffer.write(prefix + line.rstrip(b"\n") + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as stream:
        told = json.load(stream)
    try:
        main(told)
    except RefusalError as refusal:
        print(f"mlp: {refusal}", flush=True)
        sys.exit(1)
