"""`mlp check`: every error of every program, under every profile, and of Azure ML YAML."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from mlp_lang.cli.completing import profiles, programs
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import exit_code, report, write_whole
from mlp_lang.cli.programs import STDIN, program_files, read_stdin
from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.dsl.render import FORMATS

YAML = (".yml", ".yaml")


@click.command(
    cls=Help,
    epilog=examples(
        "mlp check                                 every program in this folder",
        "mlp check income.mlp --profile prod       one program, under one profile only",
        "mlp check . --format github               annotations in GitHub Actions",
        "mlp check . --format sarif > mlp.sarif    for code scanning",
        "mlp check --fix income.mlp                apply the fixes that are certain",
        "mlp check - < income.mlp                  from standard input",
        "mlp check pipeline.yml                    a definition of Azure ML, and what it names",
        "mlp check --yaml .                        every such definition in this folder, too",
    ),
)
@click.argument("files", nargs=-1, metavar="[FILES|FOLDERS|-]", shell_complete=programs)
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="Form of the report."
)
@click.option(
    "--profile", metavar="NAME", shell_complete=profiles, help="Check under this profile only; all if not given."
)
@click.option("--yaml", is_flag=True, help="Check Azure ML YAML in folders too; standard input is YAML.")
@click.option("--fix", is_flag=True, help="Apply fixes in the named files, then check again.")
@click.option("--strict", is_flag=True, help="Let warnings count as errors in the exit code.")
def command(files: tuple[str, ...], form: str, profile: str | None, yaml: bool, fix: bool, strict: bool) -> int:
    """Report what is wrong with programs: FILES, all programs in FOLDERS, or those in the working directory.

    Every pipeline is checked under every profile. A file that ends in .yml or .yaml is a definition of Azure ML: a
    job, component, endpoint, deployment, environment, data asset, model or schedule. Warnings do not change the
    exit code.
    """
    names = _files(files or (".",), yaml)
    if fix and STDIN in names:
        raise click.UsageError("--fix writes to files; standard input is none.")
    found = _check(names, profile, yaml)
    if fix:
        found = _mend(names, profile, found)
    report(found, form)
    if not found and form == "text":
        sys.stderr.write(f"{_counted(names, yaml)} checked, nothing to report\n")
    return exit_code(found) or int(strict and any(d.severity is Severity.WARNING for d in found))


def _files(words: Sequence[str], yaml: bool) -> list[str]:
    """The files that the words name; in folders YAML is looked at if asked for, and if it is of Azure ML."""
    if not yaml:
        return program_files(words)
    from mlp_lang.lowering.checker import is_definition

    named = set(words)
    names = program_files(words, (".mlp", *YAML))
    return [name for name in names if name in named or not name.endswith(YAML) or is_definition(name)]


def _counted(names: Sequence[str], yaml: bool) -> str:
    definitions = sum(_is_yaml(name, yaml) for name in names)
    counts = ((len(names) - definitions, "program"), (definitions, "definition"))
    said = [f"{number} {what}{'s' * (number != 1)}" for number, what in counts if number or what == "program"]
    return " and ".join(said[-1:] if definitions == len(names) and names else said)


def _is_yaml(name: str, yaml: bool) -> bool:
    return name.endswith(YAML) or (yaml and name == STDIN)


def _check(names: Sequence[str], profile: str | None, yaml: bool = False) -> list[Diagnostic]:
    """Diagnostics of all files, each once: files that import the same file would repeat what is wrong with it."""
    found: dict[Diagnostic | tuple[object, ...], Diagnostic] = {}
    for name in names:
        for d in _problems(name, profile, _is_yaml(name, yaml)):
            found.setdefault((d.code, d.message, d.span.source.path, d.span.start, d.span.end), d)
    return list(found.values())


def _problems(name: str, profile: str | None, yaml: bool) -> list[Diagnostic]:
    source = None
    if name == STDIN:
        from mlp_lang.dsl.reading import decode

        source, problems = decode(read_stdin(), "<stdin>")
        if source is None:
            return problems
        name = "<stdin>"
    if yaml:
        from mlp_lang.lowering.checker import check_yaml

        return check_yaml(name, source)
    from mlp_lang.compiler import check_file

    return check_file(Path(name), profile=profile, source=source)


def _mend(names: Sequence[str], profile: str | None, found: list[Diagnostic]) -> list[Diagnostic]:
    """Apply the fixes of `found` in the named files as long as that leaves fewer problems; gives what is left."""
    from mlp_lang.cli.fixing import fixed_texts

    applied = 0
    while True:
        texts, number = fixed_texts(found, names)
        if not texts:
            break
        before = {name: _read(name) for name in texts}
        for name, data in texts.items():
            _write(name, data)
        left = _check(names, profile)
        if len(left) >= len(found):  # a fix that mends nothing is none
            for name, data in before.items():
                _write(name, data)
            break
        found = left
        applied += number
    sys.stderr.write(f"{applied} fix{'es' * (applied != 1)} applied\n")
    return found


def _read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()


def _write(name: str, data: bytes) -> None:
    try:
        write_whole(name, data)
    except OSError as error:
        raise click.FileError(name, error.strerror or str(error)) from None
