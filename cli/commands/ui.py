"""`mlp ui`: MLflow's pages on what runs have tracked."""

import gc
import sys

import click
from mlp_lang.cli.completing import runs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import missing, sentence


@click.command(
    cls=Help,
    epilog=examples(
        "mlp ui                        all runs that were tracked here",
        "mlp ui income-3               the same, opened at this run",
        "mlp ui --port 8080 --no-browser",
        codes="0 stopped by Ctrl-C, 2 the call is wrong, or there is nothing to show",
    ),
)
@click.argument("run", required=False, shell_complete=runs)
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: 5000, or a free one]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
def command(run: str | None, port: int | None, no_browser: bool) -> int:
    """Show what runs have tracked in MLflow's own pages, on this machine alone, until Ctrl-C.

    RUN is a run's folder, or its name in `mlp runs`.
    """
    gc.enable()
    with missing("ui"):
        from mlp_lang.runner.places import NoRunError, find_run
        from mlp_lang.runner.viewing import ViewError, show, tracked
    try:
        return show(tracked(find_run(run) if run is not None else None, port or 0), not no_browser, sys.stdout)
    except NoRunError as error:
        raise click.BadParameter(sentence(error), param_hint="'RUN'") from None
    except ViewError as error:
        raise click.UsageError(sentence(error)) from None
