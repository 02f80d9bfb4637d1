"""`mlp components`: what the bundled library holds, from the component files themselves."""

import sys

import click
from mlp_lang.cli.completing import components
from mlp_lang.cli.describe import describe, page, sentence
from mlp_lang.cli.group import Help, examples
from mlp_lang.compiler.catalog import bundled, names


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "mlp components                             all of them",
        "mlp components list --verb train           those that a verb may use",
        "mlp components show tabular.split          inputs, outputs, metrics",
        "mlp components show sklearn.SVC --format json",
        codes="0 fine, 2 there is no such component",
    ),
)
@click.pass_context
def command(context: click.Context) -> int:
    """List the bundled components, or show one."""
    return 0 if context.invoked_subcommand else context.invoke(listing)


@command.result_callback()
def _code(result: int) -> int:
    return result


@command.command("list", cls=Help, epilog=examples("mlp components list --format json", codes="0 fine"))
@click.option("--verb", help="Only components that serve this verb.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def listing(verb: str | None = None, form: str = "text") -> int:
    """List the bundled components: name, verbs, one sentence."""
    rows = []
    for name in names():
        face = bundled(name)
        if face is not None and (verb is None or verb in face.verbs):
            rows.append({"name": name, "verbs": list(face.verbs), "description": sentence(face)})
    if form == "json":
        _print(rows)
        return 0
    width = max((len(r["name"]) for r in rows), default=0)
    for row in rows:
        sys.stdout.write(f"{row['name']:<{width}}  {' '.join(row['verbs']):<16}  {row['description']}\n")
    return 0


@command.command(
    "show", cls=Help, epilog=examples("mlp components show onnx.model", codes="0 fine, 2 no such component")
)
@click.argument("name", shell_complete=components)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(name: str, form: str) -> int:
    """Show the interface of a component: what it takes, gives and measures."""
    document = describe(name)
    if document is None:
        from mlp_lang.dsl.editdistance import closest

        near = closest(name, names())
        hint = f" Did you mean {', '.join(near)}?" if near else " `mlp components` lists them."
        raise click.BadParameter(f"There is no component {name!r}.{hint}", param_hint="'NAME'")
    if form == "json":
        _print(document)
    else:
        sys.stdout.write(page(document))
    return 0


def _print(document: object) -> None:
    import json

    sys.stdout.write(json.dumps(document, indent=2) + "\n")
