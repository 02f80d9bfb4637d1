"""From a sweep to the inputs of a `tune` that are spaces, and its block `search`; likewise for AutoML."""

import math

from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.spelling import key, no_binding, quoted, value
from mlp_lang.decompiler.statements import Statement
from mlp_lang.decompiler.values import Site, row_statements
from mlp_lang.decompiler.vocabulary import SEARCH, SPACES, STOPS
from mlp_lang.lowering.checker.document import Field, Place

SHORT = 8  # characters of a bound that people would rather read than its logarithm


def spaces(job: Fields) -> list[Statement]:
    """`name = choice(…)` for each parameter of `search_space` whose distribution the language has."""
    fields = job.inner("search_space")
    found = []
    for name in list(fields.entries) if fields is not None else ():
        assert fields is not None
        field = fields.entries[name]
        text = space(field.value)
        if text:
            fields.take_name(name)
            found.append(Statement(f"{key(name)} = {text}", field))
    return found


def space(place: Place) -> str:
    """A distribution as a call; empty if it is none."""
    fields = Fields(place)
    kind = fields.text("type").lower().replace("_", "")
    if kind not in SPACES:
        return ""
    function, names = SPACES[kind]
    taken = [fields.take(name) for name in names]
    present = [field for field in taken if field is not None]
    if len(present) < len(names) or any(name != "type" for name, _, _ in fields.rest()):
        return ""
    if kind == "choice":
        items = present[0].value.items()
        if present[0].value.is_mapping or not items or not all(item.is_scalar or item.is_mapping for item in items):
            return ""
        return f"choice({', '.join(_choice(item) for item in items)})"
    numbers = [field.value.value() if field.value.is_scalar else None for field in present]
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        return ""
    spelled = [value(field.value, no_binding) for field in present]
    if function in ("log_uniform", "qlog_uniform"):
        bounds = [_exponential(n) for n in numbers[:2] if isinstance(n, int | float)]
        if all(bounds):
            spelled[:2] = bounds
        else:
            spelled[:2] = [f"exp = [{spelled[0]}, {spelled[1]}]"]
            spelled[1:] = [f"q = {text}" for text in spelled[1:]]
    return f"{function}({', '.join(spelled)})"


def _choice(item: Place) -> str:
    """A value to choose: a literal, or a map whose values may be distributions in turn."""
    if item.is_scalar:
        return value(item, no_binding)
    inner = [f"{key(n)}: {space(f.value) or value(f.value, no_binding)}" for n, f in item.fields().items()]
    return "{ " + ", ".join(inner) + " }" if inner else "{}"


def searched(job: Fields) -> set[str]:
    """The inputs that a sweep searches: what its `inputs` say of them besides has no word."""
    return {name for name, field in side.items() if space(field.value)} if (side := _space_fields(job)) else set()


def _space_fields(job: Fields) -> dict[str, Field]:
    inner = job.inner("search_space")
    return inner.entries if inner is not None else {}


def _exponential(exponent: float) -> str:
    """The number whose logarithm this is, if it is one that people write; else empty."""
    if not -300 < exponent < 300:
        return ""
    bound = math.exp(exponent)
    text = repr(bound)
    return text if len(text) <= SHORT and math.log(bound) == exponent else ""


def search_block(job: Fields, site: Site, where: str = "") -> Statement | None:
    """The block `search`; ``where`` is the path of the mapping that has the fields, for AutoML."""
    prefix = f"{where}." if where else ""
    body = []
    goal, metric = job.peek(f"{prefix}objective.goal"), job.peek(f"{prefix}objective.primary_metric")
    if goal is not None and metric is not None and goal.value.text.lower() in ("maximize", "minimize"):
        job.take(f"{prefix}objective.goal")
        job.take(f"{prefix}objective.primary_metric")
        text = f"goal = {goal.value.text.lower()}({value(metric.value, no_binding)})"
        body.append(Statement(text, goal))
    for name, spelled in (("sampling_algorithm", _algorithm), ("early_termination", _stop)):
        field = job.peek(prefix + name)
        text = spelled(field) if field is not None else ""
        if text and field is not None:
            job.take(prefix + name)
            body.append(Statement(text, field))
    if not where:
        limits = row_statements(job, SEARCH, site)
        body[2:2] = limits
        body = [*[s for s in body if not s.text.startswith("stop")], *[s for s in body if s.text.startswith("stop")]]
    return Statement("search", None, body, inline=True) if body else None


def _algorithm(field: Field) -> str:
    if field.value.is_scalar:
        name = field.value.text.lower()
        return f"algorithm = {name}" if name in ("random", "grid", "bayesian") else ""
    fields = Fields(field.value)
    name = fields.text("type").lower()
    if name not in ("random", "grid", "bayesian"):
        return ""
    given = []
    for word in ("seed", "logbase", "rule") if name == "random" else ():
        entry = fields.take(word)
        if entry is not None and entry.value.is_scalar:
            text = entry.value.text if word == "rule" and entry.value.text in ("sobol", "random") else ""
            given.append(f"{word} = {text or value(entry.value, no_binding)}")
    if any(n != "type" for n, _, _ in fields.rest()):
        return ""
    return f"algorithm = {name}({', '.join(given)})"


def _stop(field: Field) -> str:
    fields = Fields(field.value)
    kind = fields.text("type").lower()
    if kind not in STOPS:
        return ""
    function, names = STOPS[kind]
    given = []
    for word, name in names.items():
        entry = fields.take(name)
        if entry is not None:
            given.append(f"{word} = {value(entry.value, no_binding)}")
    if any(n != "type" for n, _, _ in fields.rest()):
        return ""
    return f"stop = {function}({', '.join(given)})"


def automl_space(place: Place) -> str:
    """`search_space` of AutoML: a list of maps, or one, whose values may be distributions."""
    if place.is_mapping:
        inner = [f"{key(n)}: {space(f.value) or value(f.value, no_binding)}" for n, f in place.fields().items()]
        return "{ " + ", ".join(inner) + " }" if inner else "{}"
    if place.is_scalar:
        return quoted(place.text) if isinstance(place.value(), str) else value(place, no_binding)
    items = [automl_space(item) for item in place.items()]
    return "[\n" + ",\n".join(items) + ",\n]" if items else "[]"
