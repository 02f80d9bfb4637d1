"""The `search` of a stage: from its block to `objective`, `sampling_algorithm`, `limits`, `early_termination`, and back
from what is searched to Azure ML's `search_space`; what the trials of a `tune` are.

Words are rows: `SEARCH` for the settings, `GOALS`, `ALGORITHMS` and `STOPS` for the calls that they take.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from mlp_lang.compiler import settings, spaces
from mlp_lang.compiler.checks import report_misfit, unknown_word
from mlp_lang.compiler.fit import azure_takes
from mlp_lang.compiler.graph import Component, Run
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Input, Interface
from mlp_lang.compiler.settings import RAW, Argument, Words
from mlp_lang.compiler.types import FLOAT, INT, STRING, Scalar, Union
from mlp_lang.compiler.unroll import forgive
from mlp_lang.compiler.values import BAD, SearchSpace
from mlp_lang.compiler.vocabulary import DURATION, NATURAL, POSITIVE, Field, put, words
from mlp_lang.dsl import syntax
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.stages import Context

_SWEEP = frozenset(["sweep"])
_BOTH = frozenset(["sweep", "automl"])
SEARCH: tuple[Field, ...] = (
    Field("goal", ("objective",), RAW, _SWEEP),
    Field("algorithm", ("sampling_algorithm",), RAW, _BOTH),
    Field("trials", ("limits", "max_total_trials"), POSITIVE, _SWEEP),
    Field("concurrency", ("limits", "max_concurrent_trials"), POSITIVE, _SWEEP),
    Field("timeout", ("limits", "timeout"), DURATION, _SWEEP),
    Field("trial_timeout", ("limits", "trial_timeout"), DURATION, _SWEEP),
    Field("stop", ("early_termination",), RAW, _BOTH),
)
"""What a `search` block may say, of a `tune` and of an AutoML stage."""


class Call(NamedTuple):
    """A word that a setting of `search` takes: what Azure ML calls it, and its arguments with their fields."""

    fixed: dict[str, Any]
    arguments: tuple[tuple[Argument, str], ...] = ()
    plain: str = ""  # how Azure ML spells it where nothing is said besides


_METRIC = ((Argument("metric", STRING, True), "primary_metric"),)
GOALS: dict[str, Call] = {
    "maximize": Call({"goal": "maximize"}, _METRIC),
    "minimize": Call({"goal": "minimize"}, _METRIC),
}
_SEED = (Argument("seed", INT), "seed")
_LOGBASE = (Argument("logbase", Union((FLOAT, STRING))), "logbase")
ALGORITHMS: dict[str, Call] = {
    "random": Call(
        {"type": "random"}, (_SEED, _LOGBASE, (Argument("rule", Words(("random", "sobol"))), "rule")), "random"
    ),
    "sobol": Call({"type": "random", "rule": "sobol"}, (_SEED, _LOGBASE)),
    "grid": Call({"type": "grid"}, plain="grid"),
    "bayesian": Call({"type": "bayesian"}, plain="bayesian"),
}
_EVERY = ((Argument("every", NATURAL), "evaluation_interval"), (Argument("delay", NATURAL), "delay_evaluation"))
STOPS: dict[str, Call] = {
    "bandit": Call(
        {"type": "bandit"},
        (
            (Argument("slack_factor", FLOAT), "slack_factor"),
            (Argument("slack_amount", FLOAT), "slack_amount"),
            *_EVERY,
        ),
    ),
    "median": Call({"type": "median_stopping"}, _EVERY),
    "truncate": Call(
        {"type": "truncation_selection"},
        ((Argument("percent", Scalar("int", 1, 99), True), "truncation_percentage"), *_EVERY),
    ),
}
_CALLS = {
    "goal": (GOALS, "goal"),
    "algorithm": (ALGORITHMS, "algorithm"),
    "stop": (STOPS, "rule to stop by"),
}
_NEEDED = {"goal": 'goal = maximize("accuracy")', "algorithm": "algorithm = random", "trials": "trials = 16"}
"""What Azure ML must be told of a sweep, and an example of it."""
TAKES = {"grid": ("choice",), "bayesian": ("choice", "uniform", "quniform")}
"""The spaces that an algorithm of Azure ML can search; any other takes all."""


def read_block(context: "Context", instance: Instance, block: syntax.Block) -> None:
    """Read the `search` of a stage into the instance, as Azure ML has it."""
    kind = instance.kind
    if instance.interface is not None and _no_trial(instance):
        forgive(context.report, block.items)
        return
    if kind not in _BOTH and instance.interface is not None:
        forgive(context.report, block.items)
        message = "a `search` belongs to a `tune`"
        help = f"write `tune {instance.spec.name.text} using …`"
        context.report.error("MLP0315", message, block.name.span, help=help)
        return
    rows = words(SEARCH, kind if kind in _BOTH else "sweep")
    vocabulary: settings.Vocabulary = {word: row.type for word, row in rows.items()}
    given = settings.read(context.evaluator, block.items, instance.scope, vocabulary, "`search`", bindable=True)
    found: dict[str, Any] = {}
    for word, setting in given.items():
        value = setting.value
        if word in _CALLS:
            value = _call(context, instance, word, value)
        elif isinstance(value, settings.Bound):
            value = value.text
        elif rows[word].type is DURATION:
            value = math.ceil(value)
        if value is not None:
            put(found, rows[word].path, value)
    if kind == "automl":
        instance.definition["sweep"] = found
        return
    if kind == "sweep":
        _complete(context, block, given.keys())
    instance.search = found


def _complete(context: "Context", block: syntax.Block, given: Any) -> None:
    written = {i.name.text for i in block.items if isinstance(i, syntax.Setting | syntax.Block)}
    missing = [word for word in _NEEDED if word not in given and word not in written]
    if missing and not any(isinstance(i, syntax.Invalid) for i in block.items):
        names = ", ".join(f"`{word}`" for word in missing)
        help = f"write {', '.join(f'`{_NEEDED[word]}`' for word in missing)}"
        context.report.error("MLP0336", f"this `search` does not say {names}", block.name.span, help=help)


def _call(context: "Context", instance: Instance, word: str, expr: syntax.Expr) -> "dict[str, Any] | str | None":
    table, what = _CALLS[word]
    report = context.report
    call = settings.call(report, expr, table, what)
    if call is None:
        return None
    row = table[call.function.text]
    found = settings.arguments(context.evaluator, call, instance.scope, tuple(a for a, _ in row.arguments))
    if found is None:
        return None
    if row.plain and isinstance(expr, syntax.Reference):
        return row.plain
    slack = len(found.keys() & {"slack_factor", "slack_amount"}) if call.function.text == "bandit" else 1
    if slack == 0:
        report.error("MLP0215", "`bandit` needs either `slack_factor` or `slack_amount`", call.span)
        return None
    if slack == 2:
        message = "`bandit` is given two measures of slack: Azure ML documents one or the other"
        report.warning("MLP0371", message, call.span, help="keep `slack_factor` or `slack_amount`")
    if word == "goal":
        _metric(context, instance, found["metric"], call)
    return row.fixed | {field: found[a.name] for a, field in row.arguments if a.name in found}


def _metric(context: "Context", instance: Instance, name: str, call: syntax.Call) -> None:
    """A metric that the trial says it logs; one that says nothing is taken at its word."""
    face = instance.interface
    if face is None or not face.metrics or name in face.metrics:
        return
    argument = call.arguments[0].value.span if call.arguments else call.span
    inner = Span(argument.source, argument.start + 1, argument.end - 1)  # without its quotes
    unknown_word(context.report, "MLP0402", "metric", syntax.Name(name, inner), list(face.metrics))


# --- what is searched -------------------------------------------------------------------------------------------------


def take(context: "Context", instance: Instance, asked: Input, space: SearchSpace, face: Interface) -> None:
    """An input that is given a space: whether every value of it may stand there."""
    report = context.report
    what = f"`{asked.name}`"
    if _no_trial(instance):
        return
    if instance.kind != "sweep":
        message = f"`{space.function}` gives a range to search, which only a `tune` does"
        report.error("MLP0315", message, space.span)
        return
    good = True
    for stray in spaces.strays(space, asked.type):
        if stray.possible:
            help = "a `uniform` space has ends"
            said = f"trials may give {what} {stray.misfit.found}, which may lie outside of {stray.misfit.expected}"
            report.warning("MLP0338", said, stray.span, help=help)
        elif face.origin != "file" or not azure_takes(stray.value, asked.parameter):
            # Azure ML hands text over, whatever a YAML calls the input's type
            good = report_misfit(report, stray.misfit, stray.span, what) and good
    if good:
        instance.spaces[asked.name] = space


def _no_trial(instance: Instance) -> bool:
    """Whether a `tune` uses what Azure ML cannot try: `finish` says so, once."""
    return instance.spec.verb.text == "tune" and instance.kind not in _BOTH


def finish(context: "Context", instance: Instance) -> None:
    """What a `tune` must have as a whole, once its inputs are read."""
    report, face = context.report, instance.interface
    spec = instance.spec
    if face is None or instance.kind != "sweep":
        if face is not None and _no_trial(instance):
            message = f"`{face.name}` is a `{face.kind}`: a trial is a `command`"
            report.error("MLP0339", message, spec.component[0].span)
        return
    broken = any(isinstance(i, syntax.Invalid) for i in spec.items or ())
    block = next((i for i in spec.items or () if isinstance(i, syntax.Block) and i.name.text == "search"), None)
    if block is None:
        if not broken:
            help = f"write `search {{ … }}` with {', '.join(f'`{example}`' for example in _NEEDED.values())}"
            message = f"`{instance.title}` does not say how to search"
            report.error("MLP0335", message, spec.verb.span, "tries several trainings", help=help)
        return
    wrong = any(value is BAD for value in instance.evaluated.values())  # which may have been a space
    if not broken and not wrong and not any(_tries(item) for item in spec.items or ()):
        names = ", ".join(f"`{word}`" for word in spaces.SPACES)
        message = f"`{instance.title}` has nothing to search"
        report.warning("MLP0335", message, block.name.span, help=f"give an input one of {names}")
    _algorithm(context, instance)
    _trial(context, instance, face)


def _tries(item: syntax.Item) -> bool:
    """Whether a line of a stage gives an input a space, be it a wrong one."""
    value = item.value if isinstance(item, syntax.Setting) else None
    return isinstance(value, syntax.Call) and value.function.text in spaces.SPACES


def _algorithm(context: "Context", instance: Instance) -> None:
    """Azure ML's service refuses a space that its algorithm cannot search; azure-ai-ml does not notice."""
    algorithm = instance.search.get("sampling_algorithm") if instance.search else None
    word = algorithm.get("type") if isinstance(algorithm, dict) else algorithm
    takes = TAKES.get(word or "")
    for space in instance.spaces.values():
        if takes is not None and space.function not in takes:
            known = ", ".join(f"`{t}`" for t in takes)
            message = f"a `{word}` search of Azure ML takes no `{space.function}`"
            context.report.warning("MLP0340", message, space.span, help=f"it takes {known}; `random` takes all")


_OF_TRIAL = ("distribution", "environment", "env")
"""Words of `run` that Azure ML has in the trial, not in the job."""


def _trial(context: "Context", instance: Instance, face: Interface) -> None:
    """What a job cannot say of a trial, by where that is defined."""
    elsewhere = face.origin in ("file", "registered")
    for item in instance.spec.items or ():
        if not isinstance(item, syntax.Block) or item.name.text != "run":
            continue
        for inner in item.items:
            name = getattr(inner, "name", None)
            if not isinstance(name, syntax.Name) or name.text not in _OF_TRIAL:
                continue
            if elsewhere:
                message = f"Azure ML has `{name.text}` of a trial in its component, and `{face.name}` has its own"
                context.report.error("MLP0341", message, name.span, help="say it in the component's YAML")
            elif name.text == "env" and not (face.origin == "inline" and face.data.get("in_place")):
                message = "Azure ML has no environment variables of a component, and so none of a trial"
                help = "hand the value over as an input"
                context.report.error("MLP0341", message, name.span, help=help)
            elif name.text == "env":
                message = "azure-ai-ml reads the environment variables of a trial, and does not send them"
                help = "hand the value over as an input"
                context.report.warning("MLP0341", message, name.span, help=help)


# --- the Graph --------------------------------------------------------------------------------------------------------


def of_node(instance: Instance, component: Component) -> dict[str, Any] | None:
    """`search` of a sweep's node: its spaces spelled for the inputs that they go to."""
    if instance.kind != "sweep" or instance.search is None:
        return None
    parameters = {p.name: p for p in component.inputs}
    found: dict[str, Any] = {}
    for name, space in instance.spaces.items():
        parameter = parameters.get(name)
        found[name] = spaces.document(space, parameter is not None and parameter.encoding == "json")
    return {"search_space": found, **instance.search}


def trial(component: Component, run: Run) -> tuple[Component, Run]:
    """A sweep's component and run: what Azure ML has in the trial goes from the one to the other."""
    said: dict[str, Any] = {}
    if run.distribution is not None:
        said["distribution"] = run.distribution
    if run.environment_variables:
        said["environment_variables"] = run.environment_variables
    if not said:
        return component, run
    run = run._replace(distribution=None, environment_variables={})
    return component._replace(extra={**component.extra, **said}), run


def trials(instance: Instance) -> int | None:
    """How often a stage runs its component: once, or for each trial; None if a run says how often."""
    if instance.kind != "sweep":
        return 1
    found = ((instance.search or {}).get("limits") or {}).get("max_total_trials", 1)
    return found if isinstance(found, int) else None
