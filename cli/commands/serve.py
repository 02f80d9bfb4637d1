"""`mlp serve`: the endpoint of a finished run, kept up on loopback."""

import gc

import click
from mlp_lang.cli.group import Help, examples


class _Failed(click.ClickException):
    exit_code = 3


@click.command(
    cls=Help,
    epilog=examples(
        "mlp serve .mlp/runs/income-1",
        "mlp serve out --port 8080",
        codes="0 stopped by Ctrl-C, 2 the call is wrong, 3 the server failed",
    ),
)
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.option("--deployment", metavar="NAME", help="Which deployment, if the run has several.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1.  [default: any free one]")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that answer.")
def command(run: str, deployment: str | None, port: int, workers: int) -> int:
    """Keep the endpoint of the finished run in folder RUN up, on this machine alone, until Ctrl-C."""
    gc.enable()
    try:
        from mlp_lang.runner import ServeError, serve
    except ModuleNotFoundError as error:
        raise click.UsageError(f"mlp serve needs {error.name}: pip install 'mlp-lang[run,serve]'") from None
    try:
        return serve(run, deployment=deployment, port=port, workers=workers)
    except ServeError as error:
        raise _Failed(str(error)) from None
