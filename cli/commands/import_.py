"""`mlp import`: Azure ML pipelines in YAML as programs, one file or all below a folder."""

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import click
from mlp_lang.cli.completing import programs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import report, write_whole
from mlp_lang.dsl.render import visible

if TYPE_CHECKING:
    from mlp_lang.decompiler import Decompiled

STDOUT = "-"


class Imported(NamedTuple):
    """`target` is None where the program goes to standard output, or was not made."""

    source: str
    target: str | None
    made: "Decompiled"
    skipped: bool = False


@click.command(
    cls=Help,
    epilog=examples(
        "mlp import pipeline.yml                   the program, on standard output",
        "mlp import pipeline.yml -o pipeline.mlp   written; paths in it are relative to its folder",
        "mlp import jobs                           every pipeline below a folder, each beside its YAML",
        "mlp import jobs -o programs --format json every pipeline, same layout elsewhere, with a report for scripts",
        codes="0 fine, 1 a YAML file has errors or a program is there already (--force), 2 the call is wrong",
    ),
)
@click.argument("path", type=click.Path(exists=True), metavar="FILE|FOLDER", shell_complete=programs)
@click.option("-o", "--out", metavar="PATH", help="File, or folder for a folder, to write; `-` is standard output.")
@click.option("--force", is_flag=True, help="Overwrite programs that are there.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Form of the report.")
def command(path: str, out: str | None, force: bool, form: str) -> int:
    """Turn Azure ML pipelines in YAML into programs.

    A pipeline job or a pipeline component becomes one `.mlp` file that says the same; component files stay what they
    are. What the language has no word for stands in `azureml` blocks, and is listed on standard error.
    """
    if os.path.isdir(path):
        if out == STDOUT:
            raise click.UsageError("A folder of programs does not go to standard output; name a folder with -o.")
        if out is not None and os.path.isfile(out):
            raise click.UsageError(f"{out!r} is a file; programs of a folder need a folder.")
        results = _folder(path, out or path, force)
    else:
        if out is not None and os.path.isdir(out):
            raise click.UsageError(f"{out!r} is a folder; name the file to write.")
        target = None if out in (None, STDOUT) else out
        results = [_one(path, target, force)]
    if form == "json":
        _json(results)
    else:
        _text(results, os.path.isdir(path))
    return 1 if any(r.made.text is None or r.skipped for r in results) else 0


def _folder(folder: str, out: str, force: bool) -> list[Imported]:
    from mlp_lang.decompiler.folder import pipelines, targets

    found = pipelines(folder)
    if not found:
        raise click.UsageError(f"No pipeline in folder {folder!r}.")
    results = []
    progress = sys.stderr.isatty()
    for number, (path, target) in enumerate(zip(found, targets(found, folder, out), strict=True), 1):
        if progress:
            sys.stderr.write(f"\r\x1b[K{number}/{len(found)} {visible(path)}"[:200])
            sys.stderr.flush()
        results.append(_one(path, target, force))
    if progress:
        sys.stderr.write("\r\x1b[K")
    return results


def _one(path: str, target: str | None, force: bool) -> Imported:
    from mlp_lang.decompiler import decompile

    made = decompile(path, target)
    if made.text is None or target is None:
        return Imported(path, None, made)
    if os.path.exists(target) and not force:
        return Imported(path, target, made, skipped=True)
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        write_whole(target, made.text.encode())
    except OSError as error:
        raise click.FileError(target, error.strerror or str(error)) from None
    return Imported(path, target, made)


def _text(results: list[Imported], several: bool) -> None:
    for result in results:
        report(result.made.diagnostics, stream=sys.stderr)
        for escape in result.made.escapes:
            where = f"job {escape.where}: " if escape.where else ""
            sys.stderr.write(f"{visible(result.source)}:{escape.line}: azureml: {visible(where + escape.field)}\n")
        if result.skipped:
            sys.stderr.write(f"{visible(result.target or '')} is there already; --force overwrites it\n")
        elif result.target is not None:
            sys.stderr.write(f"wrote {visible(result.target)}\n")
        elif result.made.text is not None:
            sys.stdout.write(result.made.text)
    if several:
        written = sum(r.target is not None and not r.skipped for r in results)
        escapes = sum(len(r.made.escapes) for r in results)
        failed = sum(r.made.text is None for r in results)
        said = f"{written} of {len(results)} pipelines written"
        said += f", {sum(r.skipped for r in results)} there already" if any(r.skipped for r in results) else ""
        said += f", {failed} with errors" if failed else ""
        sys.stderr.write(f"{said}; {escapes} field{'s' * (escapes != 1)} in azureml blocks\n")


def _json(results: list[Imported]) -> None:
    import json

    from mlp_lang.dsl.render import render

    files = []
    for result in results:
        diagnostics = json.loads(render(result.made.diagnostics, "json")) if result.made.diagnostics else []
        files.append(
            {
                "source": result.source,
                "target": None if result.skipped else result.target,
                "pipelines": [result.made.name] if result.made.text is not None else [],
                "escapes": [e._asdict() for e in result.made.escapes],
                "diagnostics": diagnostics,
            }
        )
        if result.target is None and result.made.text is not None:
            files[-1]["text"] = result.made.text
    json.dump({"files": files}, sys.stdout, indent=2)
    sys.stdout.write("\n")
