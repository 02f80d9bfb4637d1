"""`mlp compile`: a program's Azure ML definitions in a folder, or its Graph as JSON."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mlp_lang.cli.completing import params, pipelines, profiles, programs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import exit_code, report, write_whole
from mlp_lang.cli.programs import parameters
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.render import FORMATS

if TYPE_CHECKING:
    from mlp_lang.compiler import Compilation


@click.command(
    cls=Help,
    epilog=examples(
        "mlp compile income.mlp -o build              then: az ml job create -f build/income/pipeline.yml",
        "mlp compile income.mlp --profile prod --param epsilon=0.5",
        "mlp compile income.mlp --verify              judge the result with azure-ai-ml (extra `azure`)",
        "mlp compile income.mlp --emit graph          the typed Graph as JSON, on standard output",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False), shell_complete=programs)
@click.option(
    "-o", "--out", type=click.Path(file_okay=False), help="Folder to write into: <out>/<pipeline>/.  [default: build]"
)
@click.option("--profile", metavar="NAME", shell_complete=profiles, help="Compile under this profile.")
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="Only this pipeline of the file.")
@click.option(
    "--param", multiple=True, metavar="NAME=VALUE", shell_complete=params, help="Value of a `param`; repeatable."
)
@click.option(
    "--emit", type=click.Choice(["azureml", "graph"]), default="azureml", show_default=True, help="What to write."
)
@click.option("--verify", is_flag=True, help="Load every definition with azure-ai-ml and check what it does not.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the report."
)
def command(
    file: str,
    out: str | None,
    profile: str | None,
    pipeline: str | None,
    param: tuple[str, ...],
    emit: str,
    verify: bool,
    form: str,
) -> int:
    """Write the Azure ML definitions of the program in FILE.

    The folder needs no mlp to be used: pipeline.yml, components, environments, endpoints, deployments, schedules and
    a lock with the digest of all that went in. Same input, same bytes. A folder is written whole or not at all.
    """
    if verify and emit != "azureml":
        raise click.UsageError("--verify judges Azure ML definitions; --emit graph writes none.")
    from mlp_lang.compiler import compile_file

    made = compile_file(Path(file), profile=profile, pipeline=pipeline, params=parameters(param))
    if any(d.severity is Severity.ERROR for d in made.diagnostics):
        report(made.diagnostics, form)
        return exit_code(made.diagnostics)
    if emit == "graph":
        report(made.diagnostics, form, sys.stderr)
        _graphs(made, file, out)
        return 0
    return _build(made, file, profile, out or "build", verify, form)


def _graphs(made: "Compilation", file: str, out: str | None) -> None:
    """Graphs as JSON: one object, or a list where the program has several pipelines; a file each with `out`.

    What a file defines beside pipelines is an object of its own, a list of definitions."""
    import json

    from mlp_lang.compiler.graph_json import definition_json, to_json

    documents: list[object] = [to_json(graph) for graph in made.graphs]
    defined = {"definitions": [definition_json(d) for d in made.definitions]}
    if out is None:
        documents += [defined] if made.definitions else []
        json.dump(documents[0] if len(documents) == 1 else documents, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    import os

    paths = [os.path.join(out, graph.name, "graph.json") for graph in made.graphs]
    if made.definitions:
        documents.append(defined)
        paths.append(os.path.join(out, os.path.splitext(os.path.basename(file))[0].lower(), "definitions.json"))
    for path, document in zip(paths, documents, strict=True):
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_whole(path, (json.dumps(document, indent=2) + "\n").encode())
        except OSError as error:
            raise click.FileError(path, error.strerror or str(error)) from None
        sys.stderr.write(f"wrote {path}\n")


def _build(made: "Compilation", file: str, profile: str | None, out: str, verify: bool, form: str) -> int:
    from mlp_lang.lowering import BuildError, lower_all

    builds = lower_all(made, file, profile)
    found = [*made.diagnostics, *(d for build in builds for d in build.diagnostics)]
    if any(d.severity is Severity.ERROR for d in found):
        report(found, form)
        return 1
    try:
        folders = [build.write(Path(out)) for build in builds]
    except BuildError as error:
        raise click.ClickException(str(error)) from None
    if verify:
        found += _verified(folders)
    wrong = report(found, form)
    for folder in folders:
        sys.stderr.write(f"wrote {Path(out) / folder.name}\n")
    return 1 if wrong else 0


def _verified(folders: list[Path]) -> list[Diagnostic]:
    from importlib.util import find_spec

    if find_spec("azure") is None or find_spec("azure.ai") is None or find_spec("azure.ai.ml") is None:
        raise click.UsageError("--verify needs azure-ai-ml: pip install 'mlp-lang[azure]'")
    from mlp_lang.lowering.verify import verify

    return [d for folder in folders for d in verify(folder)]
