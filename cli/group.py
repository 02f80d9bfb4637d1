"""The `mlp` group: a table of commands, each imported when it is called and not when it is listed."""

from importlib import import_module
from keyword import iskeyword
from typing import Any, NoReturn

import click

COMMANDS = {
    "check": "Report what is wrong with programs.",
    "fmt": "Rewrite programs in canonical form.",
    "compile": "Write the Azure ML definitions of a program.",
    "import": "Turn Azure ML pipelines in YAML into programs.",
    "run": "Execute a program on this machine.",
    "runs": "List the runs here, or show one.",
    "logs": "Print what the steps of a run printed.",
    "report": "Write a report of a run, one page of HTML.",
    "ui": "Show what runs have tracked in MLflow's pages.",
    "tensorboard": "Show what the steps of runs have written in TensorBoard.",
    "cache": "Show what runs keep for later ones, or keep less of it.",
    "serve": "Keep the endpoint of a finished run up.",
    "explain": "Explain a diagnostic code, with examples.",
    "components": "List the bundled components, or show one.",
    "init": "Start a project in a folder.",
    "completion": "Print the completion script of a shell.",
}
"""Name and one-line help; module `mlp_lang.cli.commands.<name>` (`import_`) holds the command as `command`."""


class LazyGroup(click.Group):
    """A group whose commands are the modules named in COMMANDS."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = f"{name}_" if iskeyword(name) else name
        command: click.Command = import_module(f"mlp_lang.cli.commands.{module}").command
        return command

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        for word in args:
            if "\0" in word:  # no path and no name has one, and the system refuses it with an exception of its own
                context.fail(f"{word!r} holds a null character.")
        return super().parse_args(context, args)

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            _unknown(context, args[0])
        return super().resolve_command(context, args)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        named = [CompletionItem(n, help=text) for n, text in COMMANDS.items() if n.startswith(incomplete)]
        return named or click.Command.shell_complete(self, context, incomplete)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _unknown(context: click.Context, name: str) -> NoReturn:
    from mlp_lang.dsl.editdistance import closest

    near = closest(name, COMMANDS)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    if name.endswith(".mlp"):
        hint = f" Did you mean `mlp check {name}`?"
    context.fail(f"No such command {name!r}.{hint}")


def examples(*lines: str, codes: str = "0 fine, 1 the program is wrong, 2 the call is wrong") -> str:
    """The epilog of a command's help: examples and exit codes, each line kept as it is."""
    shown = "\n".join(f"  {line}" for line in lines)
    return f"\b\nExamples:\n{shown}\n\n\b\nExit codes:\n  {codes}"


class Help(click.Command):
    """A command whose epilog stands at the margin, like the sections above it."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write_paragraph()
            formatter.write(self.epilog.replace("\b\n", "") + "\n")


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from mlp_lang import __version__

        click.echo(f"mlp {__version__}")
        context.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version.")
def cli() -> None:
    """A small language, compiler and component library for Azure Machine Learning pipelines.

    \b
    Examples:
      mlp init shop && cd shop       start a project
      mlp check                      report what is wrong with its programs
      mlp run wine.mlp               execute one on this machine
      mlp compile wine.mlp -o build  write its Azure ML definitions

    \b
    Exit codes:
      0 fine, 1 the program is wrong, 2 the call is wrong, 3 the run failed
    """
