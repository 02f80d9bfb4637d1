"""From a component's YAML to its interface, with findings about the component itself: fields, ports, command, files."""

import os
import re
from typing import Any, NamedTuple

from mlp_lang.lowering.checker.document import Findings, Place
from mlp_lang.lowering.checker.fields import (
    COMMAND_COMPONENT,
    COMPONENT_INPUT,
    COMPONENT_OUTPUT,
    ENVIRONMENT,
    PORT_TYPES,
    check_fields,
)

_PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([\w.-]*?)\s*\}\}")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)", re.IGNORECASE)
_ALIASES = {"path": "uri_folder", "float": "number", "Integer": "integer", "Boolean": "boolean", "String": "string"}


class Port(NamedTuple):
    """One input or output. `type` is Azure ML's, its legacy spellings resolved; None if nothing is known."""

    name: str
    type: str | None
    optional: bool
    has_default: bool
    minimum: float | None
    maximum: float | None
    members: tuple[str, ...]
    place: Place


class Interface(NamedTuple):
    """What a job may bind. `known` is False where the definition is elsewhere: then nothing can be said."""

    inputs: dict[str, Port]
    outputs: dict[str, Port]
    known: bool = True


UNKNOWN = Interface({}, {}, False)


def port(name: str, place: Place) -> Port:
    """A port from its declaration."""
    fields = place.fields()
    kind = fields["type"].value.text if "type" in fields else None

    def number(field: str) -> float | None:
        try:
            return float(fields[field].value.text)
        except (KeyError, ValueError):
            return None

    members = tuple(item.text for item in fields["enum"].value.items()) if "enum" in fields else ()
    optional = "optional" in fields and fields["optional"].value.value() in (True, "True")
    return Port(
        name,
        _ALIASES.get(kind, kind) if kind else None,
        optional,
        "default" in fields,
        number("min"),
        number("max"),
        members,
        place,
    )


def literal_problem(value: Any, given: Port) -> str:
    """Why a literal is no value of an input, or the empty string: type, then range, then the allowed words."""
    if isinstance(value, str) and "${{" in value:
        return ""
    text = str(value)
    match given.type:
        case "boolean":
            fine = isinstance(value, bool) or text.lower() in ("true", "false")
            return "" if fine else f"`{text}` is no boolean"
        case "integer" | "number":
            if isinstance(value, bool) or not _NUMBER.fullmatch(text.strip()):
                return f"`{text}` is no {given.type}"
            number = float(text)
            if given.type == "integer" and not (isinstance(value, int) or text.strip().lstrip("+-").isdigit()):
                return f"`{text}` is no integer"
            if given.minimum is not None and number < given.minimum:
                return f"{text} is less than {given.minimum:g}"
            if given.maximum is not None and number > given.maximum:
                return f"{text} is more than {given.maximum:g}"
            return ""
        case "string" if given.members and text not in given.members:
            return f"`{text}` is none of {', '.join(f'`{m}`' for m in given.members)}"
        case kind if kind in PORT_TYPES:
            return f"`{text}` is no {kind}"
        case _:
            return "" if value is not None else "null is no value"


def read_interface(root: Place) -> Interface:
    """The ports that a component declares."""
    fields = root.fields()
    sides = []
    for side in ("inputs", "outputs"):
        declared = fields[side].value.fields() if side in fields else {}
        sides.append({name: port(name, field.value) for name, field in declared.items()})
    return Interface(sides[0], sides[1])


def check_command_component(root: Place, findings: Findings) -> None:
    """Everything about a command component that can be said without its uses."""
    check_fields(root, COMMAND_COMPONENT, findings)
    fields = root.fields()
    for side, table in (("inputs", COMPONENT_INPUT), ("outputs", COMPONENT_OUTPUT)):
        if side in fields:
            for field in fields[side].value.fields().values():
                check_fields(field.value, table, findings)
    interface = read_interface(root)
    for given in interface.inputs.values():
        default = given.place.fields().get("default")
        if default is not None and (problem := literal_problem(default.value.value(), given)):
            findings.report("MLP0819", f"default of input `{given.name}`: {problem}", default.value)
    if "command" in fields:
        check_command(fields["command"].value, interface, findings)
    check_code(root, findings)


def check_command(place: Place, interface: Interface, findings: Findings) -> None:
    """Placeholders of a command line name ports that are there; an optional input is asked for in `$[[ ]]` alone."""
    text = place.text
    optional = [(m.start(), m.end()) for m in re.finditer(r"\$\[\[.*?\]\]", text, re.DOTALL)]
    for match in _PLACEHOLDER.finditer(text):
        side, name = match[1], match[2]
        if side == "search_space":
            continue
        known = interface.inputs if side == "inputs" else interface.outputs
        top = name.split(".", 1)[0]
        if name not in known and top not in known:
            what = "input" if side == "inputs" else "output"
            message = f"the command asks for {what} `{name}`, which the component has not"
            findings.unknown("MLP0822", message, place, name, known)
            continue
        free = side == "inputs" and name in known and known[name].optional and not known[name].has_default
        if free and not any(start <= match.start() and match.end() <= end for start, end in optional):
            findings.report(
                "MLP0822",
                f"the command asks for optional input `{name}` outside of `$[[ ]]`",
                place,
                help=f"write `$[[… ${{{{inputs.{name}}}}}]]`: it is left out where there is no value",
            )


def check_code(root: Place, findings: Findings) -> None:
    """Code, shared folders and environment files that a definition names are there."""
    fields = root.fields()
    folder = os.path.dirname(root.path)
    if "code" in fields:
        check_path(fields["code"].value, folder, findings)
    if "additional_includes" in fields:
        for item in fields["additional_includes"].value.items():
            check_path(item, folder, findings)
    if "environment" in fields:
        check_environment(fields["environment"].value, folder, findings)


def check_environment(place: Place, folder: str, findings: Findings) -> None:
    """An environment is a reference, a file, or an image or build context with an optional conda file that is there."""
    if place.is_scalar:
        if not place.text.startswith(("azureml:", "azureml://", "/")):
            check_path(place, folder, findings)
        return
    check_fields(place, ENVIRONMENT, findings)
    fields = place.fields()
    if "image" not in fields and "build" not in fields:
        findings.report("MLP0813", "environment has neither `image` nor `build`", place)
    if "conda_file" in fields and fields["conda_file"].value.is_scalar:
        check_path(fields["conda_file"].value, folder, findings)
    build = fields["build"].value.fields() if "build" in fields else {}
    if "path" in build:
        check_path(build["path"].value, folder, findings)


def check_path(place: Place, folder: str, findings: Findings) -> str | None:
    """The absolute path that a scalar names, if it is there; remote places and expressions are taken as they are."""
    text = place.text
    if not place.is_scalar or "${{" in text or re.match(r"[A-Za-z][\w+.-]+:", text):
        return None
    path = os.path.join(folder, text)
    if text and os.path.exists(path):
        return path
    findings.report("MLP0815", f"there is no `{text}` here", place, help=f"it is looked for from `{_name(folder)}`")
    return None


def _name(folder: str) -> str:
    return os.path.basename(folder) or folder
