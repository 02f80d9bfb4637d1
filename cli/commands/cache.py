"""`mlp cache`: what earlier runs keep for later ones, and how to keep less of it."""

import json
import sys
import time
from collections.abc import Container, Sequence
from typing import Any

import click
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.quantities import SIZE, SPAN

_FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "mlp cache                                how much there is, by step",
        "mlp cache prune --older 30d --dry-run    what nobody asked for in a month",
        "mlp cache prune --size 2GB               the longest unused, until 2 GB are left",
        "mlp cache clear                          everything",
        codes="0 fine, 2 the call is wrong",
    ),
)
@click.pass_context
def command(context: click.Context) -> int:
    """Show what earlier runs keep for later ones, or keep less of it.

    The results of every step that ran are kept under .mlp/cache (or MLP_HOME), and taken when the same step is to run
    again. Runs have their results in their own folders: none is lost with the cache.
    """
    return 0 if context.invoked_subcommand else context.invoke(show)


@command.result_callback()
def _code(result: int) -> int:
    return result


@command.command("show", cls=Help, epilog=examples("mlp cache show --format json", codes="0 fine"))
@_FORMAT
def show(form: str = "text") -> int:
    """Show what is in the cache: entries, sizes and ages, by step."""
    from mlp_lang.runner.folder import home_folder
    from mlp_lang.runner.upkeep import by_step, entries_of

    home = home_folder(None)
    kept = entries_of(home)
    rows = by_step(kept)
    if form == "json":
        total = {"folder": f"{home}/cache", "entries": len(kept), "bytes": sum(k.size for k in kept)}
        _print({**total, "freed_by_clearing": sum(k.freed for k in kept), "steps": rows})
        return 0
    from mlp_lang.runner.progress import spell_seconds
    from mlp_lang.runner.resources import spell_bytes

    table = [("STEP", "COMPONENT", "ENTRIES", "SIZE", "LAST USED", "TOOK")]
    now = time.time()
    table += [
        (
            f"{r['pipeline']}.{r['step']}" if r["step"] else "(unknown)",
            r["component"],
            str(r["entries"]),
            spell_bytes(r["bytes"]),
            f"{spell_age(now - r['last_used'])} ago",
            spell_seconds(r["seconds"]),
        )
        for r in rows
    ]
    if rows:
        sys.stdout.write(columns(table, right={2, 3, 5}) + "\n")
    sys.stdout.write(
        f"{len(kept)} entries, {spell_bytes(sum(k.size for k in kept))} in {home}/cache; "
        f"without it {spell_bytes(sum(k.freed for k in kept))} would be free, the rest is shared with runs\n"
    )
    return 0


@command.command(
    "prune",
    cls=Help,
    epilog=examples(
        "mlp cache prune --older 7d",
        "mlp cache prune --size 500MB --dry-run",
        codes="0 fine, 2 the call is wrong",
    ),
)
@click.option("--older", type=SPAN, help="What nobody asked for in this time: 12h, 7d, 4w.")
@click.option("--size", type=SIZE, help="The longest unused, until no more than this is left: 500MB, 2GB.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would go; remove nothing.")
@_FORMAT
def prune(older: int | None, size: int | None, dry: bool, form: str) -> int:
    """Remove old entries, or the longest unused. Runs that go on at the same time lose nothing."""
    if older is None and size is None:
        raise click.UsageError("Say what may go: --older SPAN, --size SIZE, or both; `mlp cache clear` removes all.")
    return _prune(form, older=older, size=size, dry=dry)


@command.command("clear", cls=Help, epilog=examples("mlp cache clear --dry-run", codes="0 fine, 2 the call is wrong"))
@click.option("--dry-run", "dry", is_flag=True, help="Say what would go; remove nothing.")
@_FORMAT
def clear(dry: bool, form: str) -> int:
    """Remove every entry: the next run makes everything anew."""
    return _prune(form, all_=True, dry=dry)


def _prune(form: str, *, dry: bool, **what: Any) -> int:
    from mlp_lang.runner.folder import home_folder
    from mlp_lang.runner.resources import spell_bytes
    from mlp_lang.runner.upkeep import by_step
    from mlp_lang.runner.upkeep import prune as remove

    try:
        done = remove(home_folder(None), dry=dry, **what)
    except OSError as error:
        raise click.UsageError(f"The cache cannot be changed: {error.strerror} ({error.filename}).") from None
    size, freed = sum(k.size for k in done.gone), sum(k.freed for k in done.gone)
    left = sum(k.size for k in done.left)
    if form == "json":
        counts = {"entries": len(done.gone), "bytes": size, "freed": freed}
        left_ = {"entries": len(done.left), "bytes": left}
        _print({"dry_run": dry, "removed": counts, "left": left_, "steps": by_step(done.gone)})
        return 0
    verb = "would remove" if dry else "removed"
    sys.stdout.write(
        f"{verb} {len(done.gone)} entries of {spell_bytes(size)} (free: {spell_bytes(freed)}); "
        f"{len(done.left)} entries of {spell_bytes(left)} {'would be left' if dry else 'are left'}\n"
    )
    return 0


def spell_age(seconds: float) -> str:
    """`5 min`, `3 h`, `12 d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def columns(rows: Sequence[tuple[str, ...]], right: Container[int] = ()) -> str:
    """A table whose columns are as wide as they need to be."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(f"{cell:>{w}}" if i in right else f"{cell:<{w}}" for i, (cell, w) in cells))
    return "\n".join(line.rstrip() for line in lines)


def _print(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
