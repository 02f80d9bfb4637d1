"""From a case's main.mlp to everything that the project makes of it: what stands beside it as the baseline."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from mlp_lang.compiler import check_file, compile_file
from mlp_lang.compiler.graph_json import definition_json, to_json
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.dsl.formatter import format_file
from mlp_lang.dsl.parser import parse
from mlp_lang.dsl.reading import read
from mlp_lang.dsl.render import render
from mlp_lang.lowering import Build, lower_all

HERE = Path(__file__).parent
CASES = sorted(p.parent for p in HERE.glob("*/main.mlp"))
GENERATED = ("diagnostics.txt", "formatted.mlp", "graph.json", "definitions.json", "compiled/")
# code, conda files and digests belong to the components and change with them; a case is about the program
DEFINITIONS = (".yml", ".json")


def produce(case: Path) -> dict[str, str]:
    """The files of a baseline by their path in the case's folder."""
    with inside(case):
        path = Path("main.mlp")
        source, _ = read(path)
        assert source is not None
        file, errors = parse(source)
        found = check_file(path)
        files = {"diagnostics.txt": render(found, "text").rstrip("\n") + "\n" if found else ""}
        if not errors:
            files["formatted.mlp"] = format_file(file)
        if any(d.severity is Severity.ERROR for d in found):
            return files
        made = compile_file(path)
        root = str(case.resolve())
        files["graph.json"] = text_of({g.name: to_json(g, root) for g in made.graphs})
        if made.definitions:
            files["definitions.json"] = text_of([definition_json(d, root) for d in made.definitions])
        for build in lower_all(made, str(path)):
            files |= written(build, case / "compiled")
        return files


def written(build: Build, out: Path) -> dict[str, str]:
    """The definitions of a build that would be written to ``out``."""
    if any(d.severity is Severity.ERROR for d in build.diagnostics):
        return {f"compiled/{build.name}/diagnostics.txt": render(build.diagnostics, "text")}
    return {
        f"compiled/{build.name}/{path}": content.decode("utf-8")
        for path, content in build.files(out).items()
        if path.endswith(DEFINITIONS) and "/scoring/" not in path and "/code/" not in path
    }


def text_of(document: object) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def recorded(case: Path) -> dict[str, str]:
    """The baseline as it stands on disk."""
    return {
        path.relative_to(case).as_posix(): path.read_text("utf-8")
        for path in sorted(case.rglob("*"))
        if path.is_file() and path.relative_to(case).as_posix().startswith(GENERATED)
    }


def rewrite(case: Path) -> list[str]:
    """Make the baseline anew; the paths that changed."""
    before, after = recorded(case), produce(case)
    changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    for path in changed:
        target = case / path
        if path in after:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(after[path], "utf-8")
        else:
            target.unlink()
            for folder in target.parents:
                if folder == case or any(folder.iterdir()):
                    break
                folder.rmdir()
    return changed


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Paths in messages are relative to the working directory: make it the case's."""
    before = os.getcwd()  # noqa: PTH109
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
