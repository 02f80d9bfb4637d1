"""`mlp logs`: what the steps of a run printed, or print."""

import sys

import click
from mlp_lang.cli.completing import run_steps, runs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import missing, sentence


@click.command(
    cls=Help,
    epilog=examples(
        "mlp logs income-3              the logs of all steps, each line under its step's name",
        "mlp logs income-3 model        of one step, as it printed it",
        "mlp logs out model split -f    of two, as they come, until they have ended",
        "mlp logs income-3 tuned/4      of trial 4 of a sweep, or of mini batch 4 of a parallel job",
        codes="0 fine, 2 there is no such run or step, 130 interrupted",
    ),
)
@click.argument("run", shell_complete=runs)
@click.argument("step", nargs=-1, shell_complete=run_steps)
@click.option("--follow", "-f", is_flag=True, help="Go on until the steps have ended.")
def command(run: str, step: tuple[str, ...], follow: bool) -> int:
    """Print what the steps of RUN (its folder, or its name in `mlp runs`) printed; all steps, or those named."""
    with missing("logs"):
        from mlp_lang.runner.logs import NoStepError, print_logs
        from mlp_lang.runner.places import NoRunError, find_run
    try:
        there = print_logs(find_run(run), step, sys.stdout, follow=follow)
    except NoRunError as error:
        raise click.BadParameter(sentence(error), param_hint="'RUN'") from None
    except NoStepError as error:
        raise click.BadParameter(sentence(error), param_hint="'STEP'") from None
    if not there:
        sys.stderr.write("no log: none of these steps has run\n")
    return 0
