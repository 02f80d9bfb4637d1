"""`mlp init`: a folder with a small pipeline that runs, and what a repository around it needs."""

import os
import re
import shutil
import sys

import click
from mlp_lang import __version__
from mlp_lang.cli.group import Help, examples

STARTER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "starter")
FILES = {
    "pipeline.mlp.j2": "{name}.mlp",
    "README.md.j2": "README.md",
    "gitignore.j2": ".gitignore",
    "workflow.yml.j2": ".github/workflows/mlp.yml",
    "example.schema.json.j2": "data/example.schema.json",
}
"""Template in the starter folder, and where what it makes goes."""


@click.command(
    cls=Help,
    epilog=examples(
        "mlp init shop         then: cd shop && mlp check && mlp run shop.mlp",
        "mlp init              in the working directory",
        codes="0 fine, 2 a file is in the way, or the folder cannot be written",
    ),
)
@click.argument("folder", default=".", type=click.Path(file_okay=False), metavar="[DIR]")
def command(folder: str) -> int:
    """Start a project in DIR: a small pipeline, a row schema, a .gitignore and a GitHub workflow.

    Nothing that exists is overwritten, and either all files appear or none.
    """
    texts = starter(project_name(folder))
    taken = [path for path in texts if os.path.lexists(os.path.join(folder, path))]
    if taken:
        raise click.UsageError(f"{', '.join(taken)} exist{'s' * (len(taken) == 1)} in {folder!r}; nothing was written.")
    try:
        _place(folder, texts)
    except OSError as error:
        raise click.UsageError(f"cannot write {error.filename or folder!r}: {error.strerror}") from None
    sys.stdout.write("".join(f"created {os.path.normpath(os.path.join(folder, path))}\n" for path in texts))
    return 0


def project_name(folder: str) -> str:
    """A pipeline's name from a folder's: `My shop-2` is `my_shop_2`, and what leaves no letter is `pipeline`."""
    words = re.findall("[a-z0-9]+", os.path.basename(os.path.abspath(folder)).lower())
    name = "_".join(words).lstrip("0123456789_")
    reserved = {"in", "and", "or", "not", "true", "false", "none", "else"}
    return name if name and name not in reserved else "pipeline"


def starter(name: str) -> dict[str, str]:
    """Path and text of every file of a new project called `name`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # what is made is code and Markdown, into which only an identifier and a version go: nothing to escape
    templates = Environment(
        loader=FileSystemLoader(STARTER), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    values = {"name": name, "version": __version__}
    return {target.format(name=name): templates.get_template(t).render(values) for t, target in FILES.items()}


def _place(folder: str, texts: dict[str, str]) -> None:
    """Write all files beside the folder first and move them in; undo what was moved if one cannot be."""
    existed = os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    aside = os.path.join(folder, f".mlp-init-{os.getpid()}")
    made: list[str] = []
    try:
        for path, text in texts.items():
            fresh = os.path.join(aside, path)
            os.makedirs(os.path.dirname(fresh), exist_ok=True)
            with open(fresh, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        for path in texts:
            made += _folders(os.path.join(folder, os.path.dirname(path)))
            target = os.path.join(folder, path)
            os.rename(os.path.join(aside, path), target)
            made.append(target)
    except OSError:
        for path in reversed(made):
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if not existed and not os.listdir(folder):
            os.rmdir(folder)


def _folders(path: str) -> list[str]:
    """Create a folder and its parents; gives those that were not there, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        os.mkdir(folder)
    return missing[::-1]
