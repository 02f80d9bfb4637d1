"""`mlp completion`: the script that makes a shell complete `mlp` commands, files, profiles, codes and components."""

import sys

import click
from mlp_lang.cli.group import Help, cli, examples


@click.command(
    cls=Help,
    epilog=examples(
        "mlp completion bash > ~/.local/share/bash-completion/completions/mlp",
        'mlp completion zsh > "${fpath[1]}/_mlp"',
        "mlp completion fish > ~/.config/fish/completions/mlp.fish",
        codes="0 fine, 2 the call is wrong",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print the completion script of SHELL."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # one of the three that click brings
    # ShellComplete.source: bash's own class asks for the version of the bash that runs, which writing a script needs
    # not
    sys.stdout.write(ShellComplete.source(kind(cli, {}, "mlp", "_MLP_COMPLETE")) + "\n")
    return 0
