"""`mlp run`: a program executed on this machine, without Azure and without Docker."""

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from mlp_lang.cli.completing import params, pipelines, profiles, programs, steps
from mlp_lang.cli.group import Help, examples
from mlp_lang.cli.output import exit_code, missing, report
from mlp_lang.cli.programs import parameters
from mlp_lang.cli.quantities import SIZE

_MUST_STAND = ("profile", "pipeline", "param", "data", "given", "mapped", "rooms", "only", "first", "until")
"""Options that decide what a run is: one that is resumed without its program has those that it was started with."""


def _steps(*names: str, help: str) -> Callable[[Any], Any]:
    return click.option(*names, multiple=True, metavar="STEPS", shell_complete=steps, help=help)


@click.command(
    cls=Help,
    epilog=examples(
        "mlp run income.mlp                           everything, from cache where nothing changed",
        "mlp run income.mlp --dry-run                 what would run, and why",
        "mlp run income.mlp --param epsilon=0.5       with another value of a `param`",
        "mlp run income.mlp --data census=adult.data  with other data",
        "mlp run their/pipeline.yml --input rate=0.1  a pipeline, a job or a component in Azure ML's YAML",
        "mlp run income.mlp --until model             `model` and what it needs",
        "mlp run income.mlp --only quality --force    that step anew, on earlier results of the others",
        "mlp run income.mlp -o out --resume           go on with the run in out/",
        "mlp run --resume out                         the same, called as it was before",
        "mlp run income.mlp --format json             the record of the run on standard output",
        codes="0 fine, 1 the program is wrong, 2 the call is wrong, 3 the run failed, 130 interrupted",
    ),
)
@click.argument("file", type=click.Path(exists=True), shell_complete=programs)
@click.option(
    "-o", "--out", type=click.Path(file_okay=False), help="Folder of the run.  [default: .mlp/runs/<pipeline>-<n>]"
)
@click.option("--profile", metavar="NAME", shell_complete=profiles, help="Run under this profile.")
@click.option("--pipeline", metavar="NAME", shell_complete=pipelines, help="The pipeline to run, if FILE has several.")
@click.option(
    "--param", multiple=True, metavar="NAME=VALUE", shell_complete=params, help="Value of a `param`; repeatable."
)
@click.option("--data", multiple=True, metavar="NAME=PATH", help="A local path for a `data`; repeatable.")
@click.option("--input", "given", multiple=True, metavar="NAME=VALUE", help="Either of them, for what an input is.")
@click.option("--map", "mapped", multiple=True, metavar="ADDRESS=PATH", help="What stands here for a remote ADDRESS.")
@_steps("--only", help="These steps alone; what they need comes from the cache or an earlier run.")
@_steps("--from", "first", help="These steps and all that need them; the rest as with --only.")
@_steps("--until", help="These steps and all that they need.")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would run and why, and what is cached; do nothing.")
@click.option(
    "--env",
    "rooms",
    type=click.Choice(["installed", "venv", "docker", "podman"]),
    help="Where steps run: in this Python, in virtual environments or containers of theirs.  [default: installed]",
)
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Steps that run at a time.  [default: the cores here]")
@click.option("--memory", type=SIZE, help="End a step whose processes hold more: 500MB, 2GB.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, or in FILE if that is its folder.")
@click.option("--force", is_flag=True, help="Take nothing from the cache; what is made goes there.")
@click.option("--no-cache", is_flag=True, help="Run every step, and keep nothing for later runs.")
@click.option("--no-tracking", is_flag=True, help="Log nothing to MLflow.")
@click.option("--no-warm", is_flag=True, help="Start every step as a process of its own, which is slower.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def command(
    context: click.Context,
    /,
    file: str,
    out: str | None,
    jobs: int | None,
    memory: int | None,
    resume: bool,
    no_tracking: bool,
    no_warm: bool,
    form: str,
    **asked: Any,
) -> int:
    """Execute the program in FILE on this machine: a `.mlp` file, or Azure ML's YAML of a pipeline, job or component.

    Each step is a process under Azure ML's command contract; independent steps run at the same time; results are
    kept by content, so that a second run repeats nothing. A `deploy` starts a scoring server on loopback, tries it
    and stops it. STEPS are names of stages, several after commas or by repeating the option.
    """
    if os.path.isdir(file):
        file, out, asked = _as_before(context, file, out, resume, asked)
    if resume and out is None:
        raise click.UsageError("--resume needs the folder of the run: -o FOLDER.")
    if asked["only"] and (asked["first"] or asked["until"]):
        raise click.UsageError("--only names the steps; it does not go together with --from and --until.")
    gc.enable()  # a run lasts, and holds more than a tree
    with missing("run"):
        from mlp_lang.runner import Selection, choose_progress, run, summarise
        from mlp_lang.runner.local import read_local
    local, problems = read_local(os.path.dirname(file), asked["mapped"])
    if report(problems, stream=sys.stderr):
        return exit_code(problems)
    graph, data, code = _compiled(file, asked, local.component)
    if graph is None:
        return code
    names = {name: tuple(n.strip() for text in asked[name] for n in text.split(",")) for name in _SELECTING}
    options: dict[str, Any] = {
        "cache": not asked["no_cache"],
        "resume": resume,
        "data": data,
        "local": local,
        "rooms": asked["rooms"] or "installed",
        "select": Selection(names["only"], names["first"], names["until"]),
        "force": asked["force"],
    }
    if asked["dry"]:
        from mlp_lang.runner import plan

        return _said(plan(graph, out, **options), form)
    result = run(
        graph,
        out,
        jobs=jobs,
        memory=memory,
        tracking=not no_tracking,
        warm=not no_warm,
        progress=choose_progress(sys.stderr),
        call={"file": os.path.abspath(file), **{name: asked[name] for name in _MUST_STAND}},
        **options,
    )
    report(result.diagnostics, stream=sys.stderr)
    if form == "json":
        sys.stdout.write(json.dumps(result.record, indent=2) + "\n")
    elif result.record:
        sys.stdout.write(summarise(result.record, result.folder))
    if not result.folder and exit_code(result.diagnostics) == 2:
        return 2
    return 130 if result.status == "cancelled" else result.exit_code


_SELECTING = ("only", "first", "until")


def _as_before(
    context: click.Context, folder: str, out: str | None, resume: bool, asked: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """The program and the options of the run in a folder, which is to be resumed."""
    if not resume:
        raise click.BadParameter(f"{folder!r} is a directory; --resume goes on with its run.", param_hint="'FILE'")
    if out is not None:
        raise click.UsageError("Name the folder of the run once: `mlp run --resume FOLDER`.")
    given = [name for name in _MUST_STAND if asked[name]]
    if given:
        flag = next(p.opts[0] for p in context.command.params if p.name == given[0])
        raise click.UsageError(f"{flag} would make it another run: name the program, too (mlp run FILE -o {folder}).")
    from mlp_lang.runner.journal import state_of

    state = state_of(folder)
    file = str(state.call.get("file") or "") if state is not None else ""
    if state is None or not file:
        raise click.UsageError(f"{folder!r} does not say which program it ran: mlp run FILE -o {folder} --resume.")
    if not os.path.isfile(file):
        raise click.UsageError(f"The program of that run, {file}, is gone.")
    return file, folder, {**asked, **{name: state.call.get(name) or asked[name] for name in _MUST_STAND}}


def _compiled(
    file: str, asked: dict[str, Any], registered: Callable[[str], str | None]
) -> tuple[Any, dict[str, str], int]:
    """The one Graph that is meant and the paths of its data, or None and the exit code of what is wrong."""
    params, data = parameters(asked["param"]), parameters(asked["data"], "--data")
    given = parameters(asked["given"], "--input")
    graph, code = _graph(file, asked, params, registered)
    if graph is None or not given:
        return graph, data, code
    values = {i.parameter.name for i in graph.inputs if i.parameter.azure_type in PRIMITIVES and i.facts is None}
    more = {name: value for name, value in given.items() if name in values}
    for name in more.keys() & params.keys():
        raise click.BadParameter(f"{name!r} is given twice.", param_hint="'--input'")
    data.update({name: value for name, value in given.items() if name not in values})
    if more:
        graph, code = _graph(file, asked, {**params, **more}, registered)
    return graph, data, code


def _graph(
    file: str, asked: dict[str, Any], params: dict[str, str], registered: Callable[[str], str | None]
) -> tuple[Any, int]:
    from mlp_lang.compiler import compile_file

    if file.endswith((".yml", ".yaml")):
        from mlp_lang.decompiler import compile_yaml

        if asked["profile"] is not None:
            raise click.UsageError(f"{file} is no program: it has no profiles.")
        made = compile_yaml(Path(file), pipeline=asked["pipeline"], params=params, registered=registered)
    else:
        made = compile_file(
            Path(file), profile=asked["profile"], pipeline=asked["pipeline"], params=params, registered=registered
        )
    if report(made.diagnostics, stream=sys.stderr):
        return None, exit_code(made.diagnostics)
    if len(made.graphs) != 1:
        names = ", ".join(graph.title for graph in made.graphs)
        raise click.UsageError(
            f"{file} has {len(made.graphs)} pipelines ({names}): choose one with --pipeline."
            if made.graphs
            else f"{file} has no pipeline."
        )
    return made.graphs[0], 0


PRIMITIVES = frozenset(["number", "integer", "boolean", "string"])
"""Types of inputs that take a value; all others take data."""


def _said(planned: Any, form: str) -> int:
    from mlp_lang.runner.planning import refused, spell_plan

    report(planned.diagnostics, stream=sys.stderr)
    if form == "json":
        sys.stdout.write(json.dumps(planned.document(), indent=2) + "\n")
    elif planned.steps:
        sys.stdout.write(spell_plan(planned))
    if not refused(planned):
        return 0
    return 2 if exit_code(planned.diagnostics) == 2 else 3
