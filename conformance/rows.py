"""From a definition to its row: each step from import to equality, what came of it and how long it took."""

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from conformance import azure
from conformance.differences import Difference, differences
from conformance.kinds import Definition, read
from conformance.normalise import Copied, normalised

STEPS = ("import", "format", "check", "compile", "load", "dict", "rest")
"""The columns, in the order in which they are taken; a step that fails leaves the rest untaken, but `rest` follows
`dict` whatever came of that."""

Importer = Callable[[Path, Path], str]


class StepError(Exception):
    """A step that did not do what it should; the message says why, in one line."""

    def __init__(self, reason: str, found: tuple[Difference, ...] = ()) -> None:
        super().__init__(" ".join(reason.split()))
        self.found = found


class Step(NamedTuple):
    """What came of one step: `ok`, `failed`, `untaken`; or `online`, if azure-ai-ml needs a workspace for it."""

    name: str
    state: str
    seconds: float = 0.0
    reason: str = ""
    found: tuple[Difference, ...] = ()


class Row(NamedTuple):
    """A definition's line in the table; `azure_seconds` is what azure-ai-ml takes to load the original."""

    path: str
    kind: str
    schema: str
    steps: tuple[Step, ...]
    azure_seconds: float

    @property
    def passed(self) -> bool:
        return all(step.state in ("ok", "online") for step in self.steps)

    @property
    def failure(self) -> Step | None:
        return next((step for step in self.steps if step.state == "failed"), None)


def imported(path: Path, target: Path) -> str:
    """The program for a YAML file, as it would lie at `target`; StepError if the decompiler reports an error."""
    try:
        decompiler = importlib.import_module("mlp_lang.decompiler")
    except ModuleNotFoundError as error:
        raise StepError(f"no decompiler here: {error}") from error
    result = decompiler.decompile_text(path.read_text(encoding="utf-8"), path, target)
    _refuse(result.diagnostics)
    return str(result.text)


def row(definition: Definition, shown: str, folder: Path, importer: Importer = imported) -> Row:
    """Take a definition through every step; programs and builds go to `folder`, which is empty."""
    taken = _Taken(definition, folder, importer)
    steps: list[Step] = []
    stopped = False
    for name in STEPS:
        if stopped:
            steps.append(Step(name, "untaken"))
            continue
        start = time.perf_counter()
        try:
            getattr(taken, f"step_{name}")()
            steps.append(Step(name, "ok", time.perf_counter() - start))
        except azure.OnlineError as error:
            steps.append(Step(name, "online", reason=str(error)))
        except StepError as failure:
            steps.append(Step(name, "failed", time.perf_counter() - start, str(failure), failure.found))
        except Exception as error:  # a crash of any part is a finding about this file, and no end of the table
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            steps.append(Step(name, "failed", time.perf_counter() - start, reason))
        stopped = steps[-1].state == "failed" and name != "dict"
    return Row(shown, definition.kind.name, definition.schema, tuple(steps), taken.azure_seconds)


class _Taken:
    """One definition on its way."""

    def __init__(self, definition: Definition, folder: Path, importer: Importer) -> None:
        self.definition = definition
        self.folder = folder
        self.importer = importer
        self.program = folder / "program.mlp"
        self.text = ""
        self.built = folder
        self.copies: dict[str, str] = {}
        start = time.perf_counter()
        self.entity = azure.entity(definition.kind.loader, definition.path)
        self.azure_seconds = time.perf_counter() - start
        self.left: azure.Loaded | None = None
        self.right: azure.Loaded | None = None

    def step_import(self) -> None:
        self.text = self.importer(self.definition.path, self.program)
        self.program.write_text(self.text, encoding="utf-8")

    def step_format(self) -> None:
        """What import writes is in canonical form already, and stays so."""
        once = _formatted(self.program, self.text)
        if _formatted(self.program, once) != once:
            raise StepError("formatting twice gives another text")
        if once != self.text:
            raise StepError(f"not in canonical form: {_first_change(self.text, once)}")

    def step_check(self) -> None:
        from mlp_lang.compiler import check_file

        _refuse(check_file(self.program))

    def step_compile(self) -> None:
        from mlp_lang.compiler import compile_file
        from mlp_lang.lowering import lower_all

        compilation = compile_file(self.program)
        _refuse(compilation.diagnostics)
        builds = lower_all(compilation, str(self.program))
        if not builds:
            raise StepError("the program defines nothing")
        build = builds[-1]  # pipelines that others use as components come before those
        _refuse(build.diagnostics)
        self.built = build.write(self.folder / "build")
        self.copies = dict(build.copies)

    def step_load(self) -> None:
        kind = self.definition.kind
        path = next((p for pattern in kind.written for p in self._written(pattern)), None)
        if path is None:
            raise StepError(f"the build has no {' or '.join(kind.written)}")
        try:
            again = azure.entity(self.definition.kind.loader, path)
        except Exception as error:
            raise StepError(f"azure-ai-ml refuses the build: {error}"[:400]) from error
        self.left, self.right = azure.understood(self.entity, again)

    def _written(self, pattern: str) -> list[Path]:
        """What the definition may have become; of several components, the one of its name."""
        found = sorted(self.built.glob(pattern))
        if len(found) < 2:
            return found
        name = (read(self.definition.path) or {}).get("name")
        return [path for path in found if (read(path) or {}).get("name") == name] or found

    def step_dict(self) -> None:
        self._equal("dictionary")

    def step_rest(self) -> None:
        self._equal("rest")

    def _equal(self, tree: str) -> None:
        assert self.left is not None and self.right is not None
        copied = Copied(os.path.realpath(self.built), self.copies, azure.uploads)
        if tree == "rest" and isinstance(self.left.rest, azure.OnlineError):
            raise self.left.rest
        left = normalised(getattr(self.left, tree), self.left.bases)
        right = normalised(getattr(self.right, tree), self.right.bases, copied)
        found = tuple(differences(left, right))
        if found:
            raise StepError(str(found[0]), found)


def _formatted(path: Path, text: str) -> str:
    from mlp_lang.dsl.formatter import format_file
    from mlp_lang.dsl.parser import parse
    from mlp_lang.dsl.source import Source

    file, diagnostics = parse(Source(path.name, text))
    _refuse(diagnostics)
    return format_file(file)


def _refuse(diagnostics: Any) -> None:
    from mlp_lang.dsl.diagnostics import Severity

    errors = [d for d in diagnostics if d.severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StepError(f"{errors[0].code}: {errors[0].message}{more}")


def _first_change(before: str, after: str) -> str:
    old, new = before.splitlines(), after.splitlines()
    for number, (a, b) in enumerate(zip(old, new, strict=False), 1):
        if a != b:
            return f"line {number}: {a!r} becomes {b!r}"
    return f"{len(old)} lines become {len(new)}"
