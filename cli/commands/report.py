"""`mlp report`: a run as one page of HTML that needs nothing else."""

import sys

import click
from mlp_lang.cli.completing import runs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import missing, sentence, write_whole


@click.command(
    cls=Help,
    epilog=examples(
        "mlp report income-3                 writes report.html into the run's folder",
        "mlp report income-3 -o income.html  somewhere else, with its links to logs",
        codes="0 fine, 2 there is no such run, or the page cannot be written",
    ),
)
@click.argument("run", shell_complete=runs)
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="The page.  [default: report.html of the run]")
def command(run: str, out: str | None) -> int:
    """Write a report of RUN (its folder, or its name in `mlp runs`): graph, times, metrics, gates, privacy, lineage.

    The page is one file without scripts; it loads nothing. A finished run has one already, report.html.
    """
    import os

    with missing("report"):
        from mlp_lang.runner.folder import REPORT, read_record
        from mlp_lang.runner.places import NoRunError, find_run
        from mlp_lang.runner.report import report_of
    try:
        folder = find_run(run)
    except NoRunError as error:
        raise click.BadParameter(sentence(error), param_hint="'RUN'") from None
    record = read_record(folder)
    assert record is not None
    target = out or os.path.join(folder, REPORT)
    try:
        write_whole(target, report_of(folder, record, os.path.dirname(os.path.abspath(target))).encode())
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}.") from None
    sys.stdout.write(f"wrote {target}\n")
    return 0
