"""From a sweep's search space, limits and early termination to findings about what the numbers mean."""

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import Field, Findings, Place
from mlp_lang.lowering.checker.fields import word
from mlp_lang.lowering.checker.interfaces import Interface, literal_problem
from mlp_lang.lowering.checker.tables.sweep import DISTRIBUTIONS


def check_sweep(fields: dict[str, Field], interface: Interface | None, findings: Findings) -> None:
    """The search of a sweep, as a job of a pipeline (then `interface` is its trial's) or alone."""
    if "search_space" in fields:
        check_search_space(fields["search_space"].value, interface, findings)
    if "early_termination" in fields:
        check_early_termination(fields["early_termination"].value, findings)
    if "limits" in fields:
        _check_limits(fields["limits"].value.fields(), findings)
    if "sampling_algorithm" in fields and "search_space" in fields:
        _check_grid(fields["sampling_algorithm"].value, fields["search_space"].value, findings)


def check_search_space(place: Place, interface: Interface | None, findings: Findings) -> None:
    """Every entry can be drawn from, and feeds an input of the trial."""
    for name, field in place.fields().items():
        _check_entry(field, findings)
        if interface is None or not interface.known:
            continue
        given = interface.inputs.get(name)
        if given is None:
            message = f"the trial has no input `{name}` to search"
            findings.unknown("MLP0817", message, field.key, name, interface.inputs)
            continue
        values = field.value.fields().get("values")
        for item in values.value.items() if values is not None else []:
            if item.is_scalar and (problem := literal_problem(item.value(), given)):
                findings.report("MLP0819", f"input `{name}` of the trial: {problem}", item)


def _check_entry(field: Field, findings: Findings) -> None:
    fields = field.value.fields()
    kind = word(fields["type"].value.text, DISTRIBUTIONS) if "type" in fields else None
    if kind == "choice":
        values = fields.get("values")
        if values is None or (not values.value.items() and not values.value.is_mapping and not values.value.is_scalar):
            findings.report("MLP0834", f"there is nothing to choose for `{field.key.text}`", field.value)
        for item in values.value.items() if values is not None else []:
            for inner in item.fields().values():
                if inner.value.is_mapping:
                    _check_entry(inner, findings)
        return
    low, high = _number(fields, "min_value"), _number(fields, "max_value")
    if low is not None and high is not None and low > high:
        findings.report(
            "MLP0834", f"`{field.key.text}` has no value: its min is over its max", fields["min_value"].value
        )
    for name in ("sigma", "q"):
        value = _number(fields, name)
        if value is not None and (value < 0 or (name == "q" and value == 0)):
            findings.report("MLP0834", f"`{name}` of `{field.key.text}` must be over 0", fields[name].value)


def check_early_termination(place: Place, findings: Findings) -> None:
    """A bandit gives slack as a factor or as an amount, not both."""
    fields = place.fields()
    if "type" not in fields or fields["type"].value.text.lower() != "bandit":
        return
    slack = [name for name in ("slack_factor", "slack_amount") if name in fields]
    if len(slack) == 2:
        findings.report("MLP0834", "slack is a factor or an amount, not both", fields["slack_amount"].key)
    elif not slack:
        findings.report("MLP0834", "a bandit policy needs `slack_factor` or `slack_amount`", place)
    for name in slack:
        value = _number(fields, name)
        if value is not None and value < 0:
            findings.report("MLP0834", f"`{name}` must not be negative", fields[name].value)


def _check_limits(fields: dict[str, Field], findings: Findings) -> None:
    total, at_once = _number(fields, "max_total_trials"), _number(fields, "max_concurrent_trials")
    if total is not None and at_once is not None and at_once > total:
        message = f"{at_once:g} trials at once, of {total:g} in all"
        findings.report("MLP0834", message, fields["max_concurrent_trials"].value, severity=Severity.WARNING)
    whole, one = _number(fields, "timeout"), _number(fields, "trial_timeout")
    if whole is not None and one is not None and one > whole:
        message = "a trial may take longer than the whole search"
        findings.report("MLP0834", message, fields["trial_timeout"].value, severity=Severity.WARNING)


def _check_grid(algorithm: Place, space: Place, findings: Findings) -> None:
    fields = algorithm.fields()
    name = fields["type"].value.text if "type" in fields else algorithm.text
    if name.lower() != "grid":
        return
    drawn = [f for f in space.fields().values() if "type" in f.value.fields()]
    drawn = [f for f in drawn if f.value.fields()["type"].value.text.lower() != "choice"]
    if drawn:
        names = ", ".join(f"`{field.key.text}`" for field in drawn)
        message = f"a grid goes through choices, which {names} {'are' if len(drawn) > 1 else 'is'} not"
        findings.report("MLP0834", message, drawn[0].value.fields()["type"].value)


def _number(fields: dict[str, Field], name: str) -> float | None:
    if name not in fields:
        return None
    try:
        return float(fields[name].value.text)
    except ValueError:
        return None
