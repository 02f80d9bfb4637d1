"""`mlp runs`: the runs that there are, newest first, or one of them."""

import json
import sys

import click
from mlp_lang.cli.commands.cache import columns
from mlp_lang.cli.completing import runs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import missing, sentence


@click.command(
    cls=Help,
    epilog=examples(
        "mlp runs                            all, newest first",
        "mlp runs --pipeline income -n 5     the last five of a pipeline",
        "mlp runs income-3                   what one came to, be it finished or killed",
        "mlp runs income-3 --format json     its record, as in run.json",
        codes="0 fine, 2 there is no such run",
    ),
)
@click.argument("run", required=False, shell_complete=runs)
@click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--status", metavar="STATUS", help="Only runs that are running, completed, failed, cancelled or killed.")
@click.option("--number", "-n", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(run: str | None, pipeline: str | None, status: str | None, number: int | None, form: str) -> int:
    """List the runs in .mlp/runs (or MLP_HOME) and those that were kept elsewhere with -o; or show RUN."""
    with missing("runs"):
        from mlp_lang.runner import summarise
        from mlp_lang.runner.folder import read_record
        from mlp_lang.runner.places import NoRunError, find_run, listing
        from mlp_lang.runner.progress import spell_seconds
    if run is not None:
        try:
            folder = find_run(run)
        except NoRunError as error:
            raise click.BadParameter(sentence(error), param_hint="'RUN'") from None
        record = read_record(folder)
        assert record is not None
        sys.stdout.write(json.dumps(record, indent=2) + "\n" if form == "json" else summarise(record, folder))
        return 0
    rows = [r for r in listing() if pipeline in (None, r["pipeline"]) and status in (None, r["status"])][:number]
    if form == "json":
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    if not rows:
        sys.stdout.write("no runs here yet\n")
        return 0
    table = [("RUN", "PIPELINE", "STATUS", "STARTED", "TOOK", "RAN", "CACHED", "FAILED", "PLACE")]
    table += [
        (
            r["name"],
            r["pipeline"] + (f" ({r['profile']})" if r["profile"] else ""),
            r["status"],
            r["started"][:19].replace("T", " "),
            spell_seconds(r["seconds"]),
            str(r["ran"]),
            str(r["cached"]),
            str(r["failed"]),
            shown(r["folder"]),
        )
        for r in rows
    ]
    sys.stdout.write(columns(table, right={4, 5, 6, 7}) + "\n")
    return 0


def shown(path: str) -> str:
    import os

    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
