"""From a job's `inputs` and `outputs` to the inputs of a stage, the blocks beside them, and what feeds what."""

from typing import NamedTuple

from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.program import is_null
from mlp_lang.decompiler.scope import pipeline_output
from mlp_lang.decompiler.spelling import key, pieces, quoted, scalar, string
from mlp_lang.decompiler.statements import Statement
from mlp_lang.decompiler.values import Site, row_statements
from mlp_lang.decompiler.vocabulary import INPUT, LITERAL_TYPES, OUTPUT, PORT_TYPES
from mlp_lang.lowering.checker.document import Field


class Ports(NamedTuple):
    """What was made of one side of a job."""

    settings: list[Statement]  # `name = value`
    declared: list[Statement]  # lines of `define`
    blocks: list[Statement]  # the content of `inputs` or `outputs`


def read_inputs(job: Fields, site: Site, inline: bool, carried: dict[str, str]) -> Ports:
    """The inputs of a job. ``carried`` has the expressions that loops give for some of them; empty: leave it."""
    ports = Ports([], [], [])
    fields = job.inner("inputs")
    for name in list(fields.entries) if fields is not None else ():
        assert fields is not None
        if carried.get(name) != "":
            read_input(fields, name, site, inline, carried.get(name, ""), ports)
    return ports


def read_input(side: Fields, name: str, site: Site, inline: bool, carried: str, ports: Ports) -> None:
    """One input; what cannot be said of it stays in ``side``."""
    field = side.entries[name]
    if carried and not field.value.is_mapping:
        side.take_name(name)
        ports.settings.append(Statement(f"{key(name)} = {carried}", field))
    elif field.value.is_scalar:
        side.take_name(name)
        ports.settings.append(Statement(f"{key(name)} = {scalar(field.value, site.bind)}", field))
    elif field.value.is_mapping:
        fields = side.inner(name)
        assert fields is not None
        kind = fields.text("type")
        pathed = "path" in fields
        text = mapping_value(fields, site)
        text = carried or text
        if text:
            ports.settings.append(Statement(f"{key(name)} = {text}", field))
        block = row_statements(fields, INPUT, site) if text else []
        if block:
            ports.blocks.append(Statement(key(name), None, block, inline=True))
        type_ = fields.peek("type")
        typed = type_ is not None and (kind in PORT_TYPES or kind in LITERAL_TYPES)
        if inline and text and (block or typed or (pathed and not kind)):
            word = PORT_TYPES.get(kind) or LITERAL_TYPES.get(kind) or "folder"  # as Azure ML takes it
            ports.declared.append(Statement(f"param {key(name)}: {word}", type_))
            if kind:
                fields.take("type")
        elif text and kind in PORT_TYPES:
            fields.take("type")  # azure-ai-ml itself forgets the type of what is bound to a component


def mapping_value(fields: Fields, site: Site) -> str:
    """The value of an input in dict form: what it binds, an asset, or a literal. Empty if it is none of them."""
    path = fields.peek("path")
    kind = fields.text("type")
    if path is not None and path.value.is_scalar and isinstance(path.value.value(), str):
        parts = pieces(path.value.text, site.bind)
        if len(parts) == 1 and parts[0][0]:
            fields.take("path")
            return parts[0][1]
        if kind in PORT_TYPES or not kind:
            fields.take("path")
            if kind:
                fields.take("type")
            return f"{PORT_TYPES.get(kind, 'folder')}({string(site.program.path(path.value.text), site.bind)})"
    given = fields.peek("value")
    if given is not None and given.value.is_scalar:
        fields.take("value")
        return scalar(given.value, site.bind)
    return ""


class Feeds:
    """Which port of which job feeds which output of the pipeline; the outputs with their types, as far as said."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self.outputs = outputs
        self.by_output: dict[str, tuple[str, str]] = {}

    def claim(self, output: str, job: str, port: str) -> bool:
        """Whether the output takes it: it is declared, and nothing feeds it yet."""
        if output not in self.outputs or output in self.by_output:
            return False
        self.by_output[output] = (job, port)
        return True


def read_outputs(job: Fields, name: str, site: Site, inline: bool, feeds: Feeds, alone: str = "") -> Ports:
    """The outputs of a job; ``alone`` is the field with its only one, where the job has such a field."""
    ports = Ports([], [], [])
    if alone and job.inner(alone) is not None:
        _read_output(job, alone, name, site, inline, feeds, ports)
    side = job.inner("outputs")
    for port in list(side.entries) if side is not None else ():
        assert side is not None
        _read_output(side, port, name, site, inline, feeds, ports)
    return ports


def _read_output(side: Fields, port: str, job: str, site: Site, inline: bool, feeds: Feeds, ports: Ports) -> None:
    field = side.entries[port]
    type_: Field | None = None
    text = ""
    if is_null(field.value) or (field.value.is_mapping and not field.value.fields()):
        side.take_name(port)
    elif field.value.is_scalar:
        output = pipeline_output(field.value.text)
        if feeds.claim(output, job, port):
            side.take_name(port)
            text = PORT_TYPES.get(feeds.outputs[output], "")  # Azure ML gives the port the type of the output
    elif field.value.is_mapping:
        fields = side.inner(port)
        assert fields is not None
        if feeds.claim(pipeline_output(fields.text("path")), job, port):
            fields.take("path")
        if inline and fields.text("type") in PORT_TYPES:
            text = PORT_TYPES[fields.text("type")]
            type_ = fields.take("type")
        block = row_statements(fields, OUTPUT, site)
        if block:
            ports.blocks.append(Statement(key(port), None, block, inline=True))
    if inline:
        declared = Statement(f"output {key(port)}" + (f": {text}" if text else ""), type_ or field)
        declared.first = field.key.node.start_mark.line
        declared.last = max(declared.first, declared.last if type_ is not None or field.value.is_scalar else 0)
        ports.declared.append(declared)


def component_ports(component: Fields, site: Site) -> list[Statement]:
    """The `param` and `output` lines of a component that is defined in place."""
    found = []
    for side, keyword in (("inputs", "param"), ("outputs", "output")):
        fields = component.inner(side)
        for name in list(fields.entries) if fields is not None else ():
            assert fields is not None
            entry = fields.entries[name]
            inner = fields.inner(name)
            if inner is None:
                if keyword == "output" and is_null(entry.value):
                    fields.take_name(name)
                    found.append(Statement(f"output {key(name)}", entry))
                continue
            line = port_line(inner, keyword, name, entry, site)
            if line is not None:
                found.append(line)
    return found


def port_line(fields: Fields, keyword: str, name: str, entry: Field, site: Site) -> Statement | None:
    """`<keyword> name: type = default` of a declared port; None, and nothing taken, where its type has no word."""
    kind = fields.text("type")
    stated = fields.peek("type")
    if stated is not None and not stated.value.is_scalar:
        return None
    literal = LITERAL_TYPES.get(kind)
    word = PORT_TYPES.get(kind) or literal or ""
    if kind and not word:
        return None
    fields.take("type")
    if literal:
        word = _literal_type(fields, kind, literal, site)
    optional = fields.peek("optional")
    if word and optional is not None and optional.value.is_scalar and optional.value.value() in (True, False):
        fields.take("optional")
        word += "?" if optional.value.value() else ""
    text = f"{keyword} {key(name)}" + (f": {word}" if word else "")
    default = fields.peek("default")
    if literal and default is not None and default.value.is_scalar:
        fields.take("default")
        text += f" = {_default(default, kind, site)}"
    return Statement(text, entry, doc=take_doc(fields, "description"))


def _default(field: Field, kind: str, site: Site) -> str:
    value = field.value.value()
    if kind in ("integer", "number") and isinstance(value, str):
        try:
            return repr(int(value) if kind == "integer" else float(value)) if "_" not in value else quoted(value)
        except ValueError:
            return quoted(value)
    if kind == "boolean" and str(value).lower() in ("true", "false"):
        return str(value).lower()
    if kind == "string" and not isinstance(value, str) and value is not None:
        return quoted(field.value.text)
    return scalar(field.value, site.bind)


def _literal_type(fields: Fields, kind: str, word: str, site: Site) -> str:
    """`int(1..10)`, `enum("a", "b")`, or the plain type."""
    if kind in ("integer", "number"):
        ends = []
        for name in ("min", "max"):
            field = fields.peek(name)
            number = field.value.value() if field is not None and field.value.is_scalar else None
            text = ""
            if field is not None and isinstance(number, int | float) and not isinstance(number, bool):
                text = scalar(field.value, site.bind)
            if text.startswith('"'):  # infinite
                text = ""
            elif text:
                fields.take(name)
            ends.append(text)
        return f"{word}({ends[0]}..{ends[1]})" if any(ends) else word
    members = fields.peek("enum")
    items = members.value.items() if members is not None else []
    if kind == "string" and items and all(i.is_scalar and isinstance(i.value(), str) for i in items):
        fields.take("enum")
        return f"enum({', '.join(quoted(i.text) for i in items)})"
    return word


def take_doc(fields: Fields, name: str) -> str:
    """A description as the `##` lines above a declaration can say it; else it stays where it is, and this is empty."""
    field = fields.peek(name)
    if field is None or not field.value.is_scalar or not isinstance(field.value.value(), str):
        return ""
    text = field.value.text.rstrip()
    lines = text.split("\n")
    plain = text.isprintable() or all(line.isprintable() for line in lines)
    if not text or not plain or any(line != line.rstrip() for line in lines):
        return ""
    fields.take(name)
    return text
