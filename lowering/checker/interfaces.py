"""From a component's YAML to its interface: ports, what a port can take, what a command asks for."""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import Field, Findings, Place
from mlp_lang.lowering.checker.tables.common import PORT_TYPES

_PLACEHOLDER = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([\w.-]*?)\s*\}\}")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)", re.IGNORECASE)
_ALIASES = {"path": "uri_folder"}


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
    optional = "optional" in fields and fields["optional"].value.value() in (True, "True", "true")
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


def free_port(name: str, place: Place, type_: str | None = None) -> Port:
    """A port that takes what it is given."""
    return Port(name, type_, False, False, None, None, (), place)


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


def declared(fields: dict[str, Field], side: str) -> dict[str, Field]:
    """The entries of `inputs` or `outputs`."""
    return fields[side].value.fields() if side in fields else {}


def read_interface(root: Place) -> Interface:
    """The ports that a component declares. An import has one output, `output`; moved data are `source` and `sink`."""
    fields = root.fields()
    inputs = {name: port(name, field.value) for name, field in declared(fields, "inputs").items()}
    outputs = {name: port(name, field.value) for name, field in declared(fields, "outputs").items()}
    if "output" in fields:
        outputs["output"] = port("output", fields["output"].value)
    return Interface(inputs, outputs)


def own_interface(fields: dict[str, Field]) -> Interface:
    """A job without a component is its own interface: what it binds is what it has."""
    sides = []
    for side in ("inputs", "outputs"):
        ports = {}
        for name, entry in declared(fields, side).items():
            inner = entry.value.fields()
            ports[name] = free_port(name, entry.value, inner["type"].value.text if "type" in inner else None)
        sides.append(ports)
    return Interface(sides[0], sides[1])


def check_command(
    place: Place, interface: Interface, findings: Findings, searched: Iterable[str] | None = None, what: str = "command"
) -> None:
    """Placeholders of a command line name ports that are there; an optional input is asked for in `$[[ ]]` alone.

    `searched` are the names of the search space, where there is one.
    """
    text = place.text
    optional = [(m.start(), m.end()) for m in re.finditer(r"\$\[\[.*?\]\]", text, re.DOTALL)]
    for match in _PLACEHOLDER.finditer(text):
        side, name = match[1], match[2]
        at = place.part(match[0])
        if side == "search_space":
            if searched is not None and name not in (known := list(searched)):
                message = f"the {what} asks for `{name}`, which is not searched"
                findings.unknown("MLP0822", message, at, name, known)
            continue
        known_ports = interface.inputs if side == "inputs" else interface.outputs
        top = name.split(".", 1)[0]
        if name not in known_ports and top not in known_ports:
            if not interface.known:
                continue
            port_word = "input" if side == "inputs" else "output"
            message = f"the {what} asks for {port_word} `{name}`, which the component has not"
            findings.unknown("MLP0822", message, at, name, known_ports)
            continue
        free = (
            side == "inputs"
            and name in known_ports
            and known_ports[name].optional
            and not known_ports[name].has_default
        )
        if free and not any(start <= match.start() and match.end() <= end for start, end in optional):
            findings.report(
                "MLP0822",
                f"the {what} asks for optional input `{name}` outside of `$[[ ]]`",
                at,
                help=f"write `$[[… ${{{{inputs.{name}}}}}]]`: it is left out where there is no value",
                severity=Severity.ERROR if what == "command" else Severity.WARNING,
            )


def items_of(place: Place) -> "list[dict[str, Any]] | None":
    """The items of a JSON text that is a list of mappings or a mapping of them; None for anything else."""
    try:
        value = json.loads(place.text)
    except ValueError:
        return None
    items = list(value.values()) if isinstance(value, dict) else value
    return items if isinstance(items, list) and all(isinstance(i, dict) for i in items) else None
