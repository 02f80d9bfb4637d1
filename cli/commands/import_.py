"""`mlp import`: Azure ML definitions in YAML as programs, one file or all below a folder."""

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
    """`source` is a file, or a folder of definitions; `target` is None where the program goes to standard output, or
    was not made."""

    source: str
    target: str | None
    made: "Decompiled"
    skipped: bool = False
    definitions: tuple[str, ...] = ()  # the files of a folder's program


@click.command(
    cls=Help,
    epilog=examples(
        "mlp import pipeline.yml                   the program, on standard output",
        "mlp import pipeline.yml -o pipeline.mlp   written; paths in it are relative to its folder",
        "mlp import endpoint.yml                   an environment, asset, endpoint, deployment or schedule alike",
        "mlp import jobs                           all below a folder, pipelines beside their YAML",
        "mlp import jobs -o programs --format json the same layout elsewhere, with a report for scripts",
        codes="0 fine, 1 a YAML file has errors or a program is there already (--force), 2 the call is wrong",
    ),
)
@click.argument("path", type=click.Path(exists=True), metavar="FILE|FOLDER", shell_complete=programs)
@click.option("-o", "--out", metavar="PATH", help="File, or folder for a folder, to write; `-` is standard output.")
@click.option("--force", is_flag=True, help="Overwrite programs that are there.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Form of the report.")
def command(path: str, out: str | None, force: bool, form: str) -> int:
    """Turn Azure ML definitions in YAML into programs.

    A pipeline job or a pipeline component becomes one `.mlp` file that says the same; component files stay what they
    are. Of a folder, all other definitions (environments, data, models, endpoints, deployments, schedules) become one
    file, named after the folder. What the language has no word for stands in `azureml` blocks, and is listed on
    standard error.
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
    from mlp_lang.decompiler import decompile, decompile_definitions, programs

    found = programs(folder, out)
    if not found:
        raise click.UsageError(f"No pipeline or other definition in folder {folder!r}.")
    results = []
    progress = sys.stderr.isatty()
    for number, (sources, target, is_pipeline) in enumerate(found, 1):
        if progress:
            sys.stderr.write(f"\r\x1b[K{number}/{len(found)} {visible(sources[0])}"[:200])
            sys.stderr.flush()
        if is_pipeline:
            results.append(_written(Imported(sources[0], target, decompile(sources[0], target)), force))
        else:
            made = decompile_definitions(sources, target)
            home = os.path.dirname(sources[0]) or "."
            results.append(_written(Imported(home, target, made, definitions=sources), force))
    if progress:
        sys.stderr.write("\r\x1b[K")
    return results


def _one(path: str, target: str | None, force: bool) -> Imported:
    from mlp_lang.decompiler import decompile

    made = decompile(path, target)
    return _written(Imported(path, target, made, definitions=(path,) if made.definitions else ()), force)


def _written(imported: Imported, force: bool) -> Imported:
    """The same, once the program is written; skipped where one is there."""
    target, text = imported.target, imported.made.text
    if text is None or target is None:
        return imported._replace(target=None)
    if os.path.exists(target) and not force:
        return imported._replace(skipped=True)
    try:
        os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
        write_whole(target, text.encode())
    except OSError as error:
        raise click.FileError(target, error.strerror or str(error)) from None
    return imported


def _text(results: list[Imported], several: bool) -> None:
    for result in results:
        report(result.made.diagnostics, stream=sys.stderr)
        for escape in result.made.escapes:
            what = "" if result.definitions else "job "
            where = f"{what}{escape.where}: " if escape.where else ""
            source = escape.source or result.source
            sys.stderr.write(f"{visible(source)}:{escape.line}: azureml: {visible(where + escape.field)}\n")
        if result.skipped:
            sys.stderr.write(f"{visible(result.target or '')} is there already; --force overwrites it\n")
        elif result.target is not None:
            sys.stderr.write(f"wrote {visible(result.target)}\n")
        elif result.made.text is not None:
            sys.stdout.write(result.made.text)
    if several:
        jobs = [r for r in results if not r.definitions]
        counts = [(len(jobs), sum(map(_is_written, jobs)), "pipelines")]
        defined = [(len(r.definitions), len(r.definitions) * _is_written(r)) for r in results if r.definitions]
        counts.append((sum(of for of, _ in defined), sum(done for _, done in defined), "definitions"))
        said = ", ".join(f"{done} of {of} {what}" for of, done, what in counts if of) + " written"
        escapes = sum(len(r.made.escapes) for r in results)
        failed = sum(r.made.text is None for r in results)
        said += f", {sum(r.skipped for r in results)} there already" if any(r.skipped for r in results) else ""
        said += f", {failed} with errors" if failed else ""
        sys.stderr.write(f"{said}; {escapes} field{'s' * (escapes != 1)} in azureml blocks\n")


def _is_written(result: Imported) -> bool:
    return result.target is not None and not result.skipped


def _json(results: list[Imported]) -> None:
    import json

    from mlp_lang.dsl.render import render

    files = []
    for result in results:
        escapes, kinds = result.made.escapes, dict(result.made.definitions)
        diagnostics = json.loads(render(result.made.diagnostics, "json")) if result.made.diagnostics else []
        files.append(
            {
                "source": result.source,
                "target": None if result.skipped else result.target,
                "pipelines": [result.made.name] if result.made.name else [],
                "definitions": [{"source": s, "kind": kinds.get(s)} for s in result.definitions],
                "escapes": [{k: v for k, v in e._asdict().items() if v != "" or k == "where"} for e in escapes],
                "diagnostics": diagnostics,
            }
        )
        if result.target is None and result.made.text is not None:
            files[-1]["text"] = result.made.text
    json.dump({"files": files}, sys.stdout, indent=2)
    sys.stdout.write("\n")
