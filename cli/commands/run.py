"""`mlp run`: a program executed on this machine, without Azure and without Docker."""

import gc
import json
import sys
from pathlib import Path

import click
from mlp_lang.cli.completing import params, pipelines, profiles, programs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import exit_code, report
from mlp_lang.cli.programs import parameters


@click.command(
    cls=Help,
    epilog=examples(
        "mlp run income.mlp                           everything, from cache where nothing changed",
        "mlp run income.mlp --param epsilon=0.5       with another value of a `param`",
        "mlp run income.mlp --data census=adult.data  with other data",
        "mlp run income.mlp -o out --resume           go on with the run in out/",
        "mlp run income.mlp --format json             the record of the run on standard output",
        codes="0 fine, 1 the program is wrong, 2 the call is wrong, 3 the run failed, 130 interrupted",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False), shell_complete=programs)
@click.option(
    "-o", "--out", type=click.Path(file_okay=False), help="Folder of the run.  [default: .mlp/runs/<pipeline>-<n>]"
)
@click.option("--profile", metavar="NAME", shell_complete=profiles, help="Run under this profile.")
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="The pipeline to run, if FILE has several.")
@click.option(
    "--param", multiple=True, metavar="NAME=VALUE", shell_complete=params, help="Value of a `param`; repeatable."
)
@click.option("--data", multiple=True, metavar="NAME=PATH", help="A local path for a `data`; repeatable.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Steps that run at a time.  [default: the cores here]")
@click.option("--resume", is_flag=True, help="Go on with the run in --out: what has finished stays.")
@click.option("--no-cache", is_flag=True, help="Run every step, and keep nothing for later runs.")
@click.option("--no-tracking", is_flag=True, help="Log nothing to MLflow.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    file: str,
    out: str | None,
    profile: str | None,
    pipeline: str | None,
    param: tuple[str, ...],
    data: tuple[str, ...],
    jobs: int | None,
    resume: bool,
    no_cache: bool,
    no_tracking: bool,
    form: str,
) -> int:
    """Execute the program in FILE on this machine.

    Each step is a process under Azure ML's command contract; independent steps run at the same time; results are
    kept by content, so that a second run repeats nothing. A `deploy` starts a scoring server on loopback, tries it
    and stops it.
    """
    if resume and out is None:
        raise click.UsageError("--resume needs the folder of the run: -o FOLDER.")
    values, paths = parameters(param), parameters(data, "--data")
    gc.enable()  # a run lasts, and holds more than a tree
    from mlp_lang.compiler import compile_file

    made = compile_file(Path(file), profile=profile, pipeline=pipeline, params=values)
    if report(made.diagnostics, stream=sys.stderr):
        return exit_code(made.diagnostics)
    if len(made.graphs) != 1:
        names = ", ".join(graph.title for graph in made.graphs)
        raise click.UsageError(
            f"{file} has {len(made.graphs)} pipelines ({names}): choose one with --pipeline."
            if made.graphs
            else f"{file} has no pipeline."
        )
    try:
        from mlp_lang.runner import choose_progress, run, summarise
    except ModuleNotFoundError as error:
        raise click.UsageError(f"mlp run needs {error.name}: pip install 'mlp-lang[run]'") from None
    result = run(
        made.graphs[0],
        out,
        jobs=jobs,
        cache=not no_cache,
        resume=resume,
        data=paths,
        tracking=not no_tracking,
        progress=choose_progress(sys.stderr),
    )
    report(result.diagnostics, stream=sys.stderr)
    if form == "json":
        sys.stdout.write(json.dumps(result.record, indent=2) + "\n")
    elif result.record:
        sys.stdout.write(summarise(result.record, result.folder))
    return 130 if result.status == "cancelled" else result.exit_code
