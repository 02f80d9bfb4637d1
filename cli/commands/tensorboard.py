"""`mlp tensorboard`: TensorBoard over the event files of the steps of runs."""

import gc
import sys

import click
from mlp_lang.cli.completing import runs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import missing, sentence


@click.command(
    cls=Help,
    epilog=examples(
        "mlp tensorboard               what the steps of all runs have written",
        "mlp tensorboard pets-3        those of one run, also while it goes",
        "mlp tensorboard pets-3 --port 8080 --no-browser",
        codes="0 stopped by Ctrl-C, 2 the call is wrong, or there is nothing to show",
    ),
)
@click.argument("run", required=False, shell_complete=runs)
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1.  [default: 6006, or a free one]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
def command(run: str | None, port: int | None, no_browser: bool) -> int:
    """Show the event files of the steps of RUN in TensorBoard, on this machine alone, until Ctrl-C.

    RUN is a run's folder, or its name in `mlp runs`; without it those of all runs are shown beside each other.
    """
    gc.enable()
    import tempfile

    with missing("tensorboard"):
        from mlp_lang.runner.places import NoRunError, find_run
        from mlp_lang.runner.viewing import ViewError, boards, show
    try:
        with tempfile.TemporaryDirectory(prefix="mlp-boards-") as links:
            view = boards(find_run(run) if run is not None else None, links, port or 0)
            return show(view, not no_browser, sys.stdout)
    except NoRunError as error:
        raise click.BadParameter(sentence(error), param_hint="'RUN'") from None
    except ViewError as error:
        raise click.UsageError(sentence(error)) from None
