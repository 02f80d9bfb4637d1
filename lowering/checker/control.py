"""From conditions and loops of a pipeline to findings: what they run, what they go by, what they fill."""

from typing import NamedTuple

from mlp_lang.lowering.checker.bindings import Job, Level
from mlp_lang.lowering.checker.document import EXPRESSION, Place
from mlp_lang.lowering.checker.files import is_remote
from mlp_lang.lowering.checker.interfaces import Port, items_of, literal_problem
from mlp_lang.lowering.checker.tables.common import PRIMITIVES

LOOPS = frozenset(["do_while", "parallel_for"])
CONTROL = LOOPS | {"if_else"}


class Filler(NamedTuple):
    """The body of a loop, and the inputs that the loop fills."""

    body: str
    inputs: set[str]


def named_job(place: Place) -> str | None:
    """The job that `${{parent.jobs.x}}` names; None for anything else."""
    whole = EXPRESSION.fullmatch(place.text.strip()) if place.is_scalar else None
    match whole[1].split(".") if whole is not None else []:
        case ["parent", "jobs", name]:
            return name
        case _:
            return None


def filler(job: Job) -> Filler | None:
    """What a loop fills of its body, before anything is judged."""
    if job.kind not in LOOPS or "body" not in job.fields:
        return None
    body = named_job(job.fields["body"].value)
    if body is None:
        return None
    names: set[str] = set()
    if job.kind == "do_while" and "mapping" in job.fields:
        for field in job.fields["mapping"].value.fields().values():
            for target in _targets(field.value):
                names.add(target.text.strip("${} ").rsplit(".", 1)[-1])
    elif "items" in job.fields:
        names |= {name for item in _items(job.fields["items"].value) for name in item}
    return Filler(body, names)


def _targets(place: Place) -> list[Place]:
    return [place] if place.is_scalar else place.items()


def _items(place: Place) -> "list[dict[str, Place | object]]":
    """The items of a loop that are written down: places in YAML, values in a JSON text; none of a binding."""
    if place.is_mapping:
        return [{n: f.value for n, f in field.value.fields().items()} for field in place.fields().values()]
    if place.is_scalar:
        return [dict(item) for item in items_of(place) or []]
    return [{n: f.value for n, f in item.fields().items()} for item in place.items()]


def check_control(job: Job, level: Level) -> None:
    """Everything about a condition or a loop beside its fields, and who waits for whom because of it."""
    if job.kind == "if_else":
        _check_condition(job, level)
    elif job.kind == "do_while":
        _check_while(job, level)
    else:
        _check_for(job, level)


def _block(job: Job, level: Level, name: str) -> dict[str, Place]:
    """The jobs of a block, each there; they wait for the condition."""
    found: dict[str, Place] = {}
    if name not in job.fields:
        return found
    for place in _targets(job.fields[name].value):
        target = named_job(place)
        if target is None:
            message = f"`{name}` names jobs, and `{place.text}` is none"
            level.findings.report("MLP0816", message, place, help="write `${{parent.jobs.<name>}}`")
        elif target == job.name:
            level.findings.report("MLP0835", f"`{name}` runs the condition itself", place)
        elif level.job(target, place) is not None:
            found[target] = place
            level.waits(target, job.name, place)
    return found


def _check_condition(job: Job, level: Level) -> None:
    blocks = [_block(job, level, name) for name in ("true_block", "false_block")]
    if "true_block" not in job.fields and "false_block" not in job.fields:
        level.findings.report("MLP0835", f"condition `{job.name}` runs nothing, true or false", job.key)
    for name, place in blocks[1].items():
        if name in blocks[0]:
            level.findings.report("MLP0835", f"job `{name}` is run whether it is true or false", place)
    if "condition" in job.fields:
        _check_truth(job, job.fields["condition"].value, level)


def _check_truth(job: Job, place: Place, level: Level) -> None:
    """A condition is a constant, or an output or input that is a boolean."""
    whole = EXPRESSION.fullmatch(place.text.strip()) if place.is_scalar else None
    if whole is None:
        if isinstance(place.value(), str) and place.text.lower() not in ("true", "false"):
            level.findings.report("MLP0814", f"`{place.text}` is no condition", place)
        return
    source = level.resolve(job, whole[1], place)
    if isinstance(source, Port) and source.type is not None and source.type not in PRIMITIVES:
        level.findings.report("MLP0820", f"a condition is a boolean, found {source.type}", place)


def _body(job: Job, level: Level) -> Job | None:
    if "body" not in job.fields:
        return None
    place = job.fields["body"].value
    name = named_job(place)
    if name is None:
        message = f"`{place.text}` names no job for the body"
        level.findings.report("MLP0816", message, place, help="write `${{parent.jobs.<name>}}`")
        return None
    if name == job.name:
        level.findings.report("MLP0835", "a loop cannot be its own body", place)
        return None
    body = level.job(name, place)
    if body is not None:
        level.waits(job.name, name, place)
        if body.kind in CONTROL:
            level.findings.report("MLP0835", f"the body of a loop cannot be {body.kind}, put it in a pipeline", place)
            return None
    return body


def _check_while(job: Job, level: Level) -> None:
    body = _body(job, level)
    if "condition" in job.fields:
        place = job.fields["condition"].value
        if EXPRESSION.search(place.text):
            _check_truth(job, place, level)
            match place.text.strip("${} ").split("."):
                case ["parent", "jobs", other, *_] if body is not None and other != body.name and other in level.jobs:
                    level.findings.report("MLP0835", f"a loop goes by an output of its body, `{body.name}`", place)
        elif body is not None and body.interface.known and place.text not in body.interface.outputs:
            message = f"the body has no output `{place.text}`"
            level.findings.unknown("MLP0816", message, place, place.text, body.interface.outputs)
    if body is None or not body.interface.known or "mapping" not in job.fields:
        return
    linked: dict[str, str] = {}
    for name, field in job.fields["mapping"].value.fields().items():
        if name not in body.interface.outputs:
            message = f"the body has no output `{name}`"
            level.findings.unknown("MLP0817", message, field.key, name, body.interface.outputs)
        for target in _targets(field.value):
            short = target.text.strip("${} ").rsplit(".", 1)[-1]
            if "${{" in target.text:
                level.resolve_all(job, target)
            elif target.text not in body.interface.inputs:
                message = f"the body has no input `{target.text}`"
                level.findings.unknown("MLP0817", message, target, target.text, body.interface.inputs)
            if short in linked:
                message = f"input `{short}` follows `{linked[short]}` already"
                level.findings.report("MLP0835", message, target)
            linked[short] = name
            _check_carried(body, name, short, target, level)


def _check_carried(body: Job, output: str, name: str, place: Place, level: Level) -> None:
    """An asset does not become a value from one round to the next."""
    source, given = body.interface.outputs.get(output), body.interface.inputs.get(name)
    if source is None or given is None or source.type is None or given.type is None:
        return
    if source.type not in PRIMITIVES and given.type in PRIMITIVES:
        level.findings.report("MLP0820", f"input `{name}` wants {given.type}, found {source.type}", place)


def _check_for(job: Job, level: Level) -> None:
    body = _body(job, level)
    if "items" not in job.fields:
        return
    place = job.fields["items"].value
    whole = EXPRESSION.fullmatch(place.text.strip()) if place.is_scalar else None
    if whole is not None:
        level.resolve(job, whole[1], place)
        if body is not None:
            _follow(job, body, level)
        return
    if place.is_scalar and items_of(place) is None:
        level.findings.report("MLP0814", "items are a list or mapping of mappings, or a binding to one", place)
        return
    items = _items(place)
    if not items:
        level.findings.report("MLP0835", f"loop `{job.name}` has no items", place)
    unknown: set[str] = set()
    for item in items:
        for name, value in item.items():
            if isinstance(value, Place):
                for scalar in value.scalars():
                    level.resolve_all(job, scalar)
                path = value.fields().get("path")
                if path is not None and not is_remote(path.value.text):
                    message = "items cannot be local files: register them as data"
                    level.findings.report("MLP0835", message, path.value)
            if body is not None and body.interface.known:
                _check_item(name, value, body, place, level, unknown)
    if body is not None:
        _follow(job, body, level)
    _check_alike(items, place, level)


def _check_item(name: str, value: object, body: Job, items: Place, level: Level, unknown: set[str]) -> None:
    given = body.interface.inputs.get(name)
    place = value if isinstance(value, Place) else items
    if given is None:
        if name not in unknown:  # every item has it
            message = f"`{body.name}` has no input `{name}`"
            level.findings.unknown("MLP0817", message, place, name, body.interface.inputs)
        unknown.add(name)
        return
    literal = value.value() if isinstance(value, Place) and value.is_scalar else value
    if not isinstance(literal, Place | dict) and (problem := literal_problem(literal, given)):
        level.findings.report("MLP0819", f"input `{name}` of `{body.name}`: {problem}", place)


def _check_alike(items: "list[dict[str, Place | object]]", place: Place, level: Level) -> None:
    if any(set(item) != set(items[0]) for item in items[1:]):
        level.findings.report("MLP0835", "the items of a loop bind the same inputs, each of them", place)


def _follow(job: Job, body: Job, level: Level) -> None:
    """The body waits for what the items wait for."""
    for target, place in level.edges.get(job.name, {}).items():
        if target != body.name:
            level.waits(body.name, target, place)
