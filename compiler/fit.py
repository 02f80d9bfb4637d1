"""Whether a constant, or a run-time value of some type, goes into a type: nothing, or a Misfit that says why not."""

from typing import NamedTuple

from mlp_lang.compiler.graph import Parameter, Value
from mlp_lang.compiler.types import EnumType, ListType, MapType, Port, Scalar, Type, Union, Unknown, canonical, spell


class Misfit(NamedTuple):
    """`code` MLP0204 wrong type, MLP0205 out of range, MLP0206 not a member, MLP0207 warning on the kind of asset."""

    code: str
    found: str
    expected: str
    candidates: tuple[str, ...] = ()


KINDS: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "map"}


def kind_of(value: Value) -> str:
    return "none" if value is None else KINDS[type(value)]


def misfit(value: Value, kind: str, target: Type) -> Misfit | None:
    """Why a constant of a kind (`int`, `duration`, …) may not stand where ``target`` is asked, or None if it may."""
    if isinstance(target, Scalar):
        return _scalar_misfit(value, kind, target)
    if isinstance(target, EnumType):
        for member in target.members:
            if member == value and isinstance(member, bool) == isinstance(value, bool):
                return None
        names = tuple(m for m in target.members if isinstance(m, str))
        if kind == "string" and names:
            return Misfit("MLP0206", spell(value), _one_of(target), names)
        if any(kind_of(m) == kind for m in target.members):
            return Misfit("MLP0206", spell(value), _one_of(target))
        return Misfit("MLP0204", f"{kind} {spell(value)}", _one_of(target))
    if isinstance(target, Union):
        return _union_misfit(value, kind, target)
    if isinstance(target, ListType):
        if not isinstance(value, list):
            return Misfit("MLP0204", f"{kind} {spell(value)}", f"`{canonical(target)}`")
        for item in value:
            found = misfit(item, kind_of(item), target.item)
            if found is not None:
                return found
        return None
    if isinstance(target, MapType):
        if not isinstance(value, dict):
            return Misfit("MLP0204", f"{kind} {spell(value)}", f"`{canonical(target)}`")
        for item in value.values():
            found = misfit(item, kind_of(item), target.item)
            if found is not None:
                return found
        return None
    if isinstance(target, Unknown):
        return None
    what = target.name if isinstance(target, Port) else canonical(target)
    return Misfit("MLP0204", f"{kind} {spell(value)}", f"`{what}`, the output of a stage, a `data` or an asset")


def _scalar_misfit(value: Value, kind: str, target: Scalar) -> Misfit | None:
    name = target.name
    if name == "any" or (name == kind and name not in ("int", "float", "duration", "size")):
        return None
    if not (name == kind or (name == "float" and kind == "int")):
        expected = f"`{canonical(target)}`"
        if name == "duration":
            expected += ", such as `2h` or `30min`"
        elif name == "size":
            expected += ", such as `16GiB`"
        return Misfit("MLP0204", f"{kind} {spell(value)}" if value is not None else "none", expected)
    if isinstance(value, int | float):
        low, high = target.low, target.high
        below = low is not None and (value < low or (target.low_open and value == low))
        above = high is not None and (value > high or (target.high_open and value == high))
        if below or above:
            return Misfit("MLP0205", spell(value), f"`{canonical(target)}`")
    return None


def _union_misfit(value: Value, kind: str, target: Union) -> Misfit | None:
    best: Misfit | None = None
    for member in target.members:
        found = misfit(value, kind, member)
        if found is None:
            return None
        # a member of the right kind says more than "wrong type": 1.5 for `int | float(0..1)` is out of range
        if best is None or (best.code == "MLP0204" and found.code != "MLP0204"):
            best = found
    assert best is not None
    code = best.code
    return Misfit(code, spell(value) if code != "MLP0204" else best.found, f"`{canonical(target)}`", best.candidates)


def _one_of(t: EnumType) -> str:
    return "one of " + ", ".join(spell(m) for m in t.members)


def mismatch(source: Type, target: Type) -> Misfit | None:
    """Why a run-time value of type ``source`` may not flow into ``target``, or None if it may.

    A declared end of the source's range must lie in the target's; an end that the source does not declare claims
    nothing and is left to the step. MLP0207 is a warning."""
    if isinstance(source, Unknown) or isinstance(target, Unknown):
        return None
    if isinstance(target, Union):
        problems = [mismatch(source, m) for m in target.members]
        if None in problems:
            return None
        if isinstance(source, Union):
            return next((p for m in source.members if (p := mismatch(m, target)) is not None), None)
        ranked = sorted(
            (p for p in problems if p is not None), key=lambda p: {"MLP0207": 0, "MLP0205": 1}.get(p.code, 2)
        )
        return Misfit(ranked[0].code, ranked[0].found, f"`{canonical(target)}`")
    if isinstance(source, Union):
        return next((p for m in source.members if (p := mismatch(m, target)) is not None), None)
    if isinstance(source, Port) or isinstance(target, Port):
        if isinstance(source, Port) and isinstance(target, Port):
            return _port_mismatch(source, target)
        return Misfit("MLP0204", f"`{canonical(source)}`", f"`{canonical(target)}`")
    if isinstance(target, Scalar):
        return _to_scalar(source, target)
    if isinstance(target, EnumType):
        if isinstance(source, EnumType):
            extra = [m for m in source.members if m not in target.members]
            return Misfit("MLP0206", spell(extra[0]), _one_of(target)) if extra else None
        return Misfit("MLP0204", f"`{canonical(source)}`", _one_of(target))
    if isinstance(target, ListType) and isinstance(source, ListType):
        return mismatch(source.item, target.item)
    if isinstance(target, MapType) and isinstance(source, MapType):
        return mismatch(source.item, target.item)
    return Misfit("MLP0204", f"`{canonical(source)}`", f"`{canonical(target)}`")


def _to_scalar(source: Type, target: Scalar) -> Misfit | None:
    wrong = Misfit("MLP0204", f"`{canonical(source)}`", f"`{canonical(target)}`")
    if target.name == "any":
        return None
    if isinstance(source, EnumType):
        return next((wrong for m in source.members if misfit(m, kind_of(m), target)), None)
    if not isinstance(source, Scalar):
        return wrong
    if source.name == "any":
        return None
    if source.name != target.name and (source.name, target.name) != ("int", "float"):
        return wrong
    if _leaves(source.low, target.low, source.low_open, target.low_open, 1) or _leaves(
        source.high, target.high, source.high_open, target.high_open, -1
    ):
        return Misfit("MLP0205", f"`{canonical(source)}`", f"`{canonical(target)}`")
    return None


def _leaves(end: float | None, limit: float | None, end_open: bool, limit_open: bool, direction: int) -> bool:
    """Whether a declared end of a range lies beyond the target's; ``direction`` points to the inside."""
    if end is None or limit is None:
        return False
    return (end - limit) * direction < 0 or (end == limit and limit_open and not end_open)


_MODELS = frozenset({"mlflow_model", "custom_model", "triton_model"})
_PLAIN = frozenset({"file", "uri_file", "folder", "uri_folder"})


def _port_mismatch(source: Port, target: Port) -> Misfit | None:
    if source.name == target.name or source.name == target.azure:
        return None
    if source.azure == target.azure:
        # `table` into `file` forgets, `file` into `table` hopes; `table` into `metrics` is a mistake
        if source.name in _PLAIN or target.name in _PLAIN or target.name == target.azure or target.name == "model":
            return None
        return Misfit("MLP0204", f"`{source.name}`", f"`{target.name}`")
    if target.azure == "uri_folder" and (source.azure in _MODELS or source.azure == "mltable"):
        return None
    if source.name in ("metrics", "report") or target.name in ("metrics", "report"):
        plain = source.name in _PLAIN or target.name in _PLAIN
        return None if plain else Misfit("MLP0204", f"`{source.name}`", f"`{target.name}`")
    if target.azure in _MODELS and source.azure in _MODELS:
        return Misfit("MLP0204", f"`{source.name}`", f"`{target.name}`")
    if source.azure in _MODELS or target.name == "table":
        return Misfit("MLP0204", f"`{source.name}`", f"`{target.name}`")
    return Misfit("MLP0207", f"`{source.name}`", f"`{target.name}`")


def azure_takes(value: Value, parameter: Parameter) -> bool:
    """Whether Azure ML takes a literal that is of another type: to it all of them are text."""
    if isinstance(value, list | dict) or value is None or parameter.encoding == "json":
        return False
    if parameter.azure_type == "string":
        return not parameter.enum or str(value) in parameter.enum
    if not isinstance(value, str) or parameter.azure_type not in ("integer", "number", "boolean"):
        return False
    if "${{" in value:
        return True
    if parameter.azure_type == "boolean":
        return value.lower() in ("true", "false")
    try:
        number = int(value) if parameter.azure_type == "integer" else float(value)
    except ValueError:
        return False
    low, high = parameter.minimum, parameter.maximum
    return (low is None or number >= low) and (high is None or number <= high)
