"""From the words typed so far to what a shell offers next: profiles, pipelines, parameters, codes, components."""

from pathlib import Path
from typing import Any

import click


def _items(context: click.Context) -> tuple[Any, ...]:
    """Declarations of the program that the line names; nothing if it names none that can be read."""
    from mlp_lang.dsl.parser import parse
    from mlp_lang.dsl.reading import read

    # an option that still waits for its value keeps click from telling arguments apart: then they all stand in `args`
    named = context.params.get("file") or context.params.get("files") or context.args
    for path in [named] if isinstance(named, str) else named:
        source, _ = read(Path(path))
        if source is not None:
            return parse(source)[0].items
    return ()


def profiles(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from mlp_lang.dsl.syntax import Profile

    names = {i.name.text for i in _items(context) if isinstance(i, Profile)}
    return sorted(n for n in names if n.startswith(incomplete))


def pipelines(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from mlp_lang.dsl.syntax import Pipeline

    return sorted(
        {i.name.text for i in _items(context) if isinstance(i, Pipeline) and i.name.text.startswith(incomplete)}
    )


def params(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from mlp_lang.dsl.syntax import Param, Pipeline

    names = {p.name.text for i in _items(context) if isinstance(i, Pipeline) for p in i.items if isinstance(p, Param)}
    return sorted(f"{n}=" for n in names if n.startswith(incomplete))


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from mlp_lang.dsl.explanations import codes as known

    return [c for c in known() if c.startswith(incomplete.upper())]


def components(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from mlp_lang.compiler.catalog import names

    return [n for n in names() if n.startswith(incomplete)]


def programs(_: click.Context, __: click.Parameter, incomplete: str) -> list[Any]:
    """Files and folders, by the shell's own means."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def steps(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Stages of the program that the line names, as they are written; the last of several after commas."""
    from mlp_lang.dsl.syntax import Pipeline, Stage

    before, comma, last = incomplete.rpartition(",")
    names = {s.name.text for i in _items(context) if isinstance(i, Pipeline) for s in i.items if isinstance(s, Stage)}
    return sorted(f"{before}{comma}{n}" for n in names if n.startswith(last))


def runs(_: click.Context, __: click.Parameter, incomplete: str) -> list[Any]:
    """Names of runs, and folders by the shell's own means."""
    from click.shell_completion import CompletionItem
    from mlp_lang.runner.places import listing

    named = [CompletionItem(r["name"], help=f"{r['status']}, {r['started'][:16]}") for r in listing()]
    return [n for n in named if n.value.startswith(incomplete)] or [CompletionItem(incomplete, type="dir")]


def run_steps(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Steps of the run that the line names."""
    from mlp_lang.runner.folder import read_record
    from mlp_lang.runner.places import NoRunError, find_run

    try:
        record = read_record(find_run(context.params.get("run") or (context.args or [""])[0]))
    except NoRunError:
        return []
    return [s["name"] for s in (record or {"steps": []})["steps"] if s["name"].startswith(incomplete)]
