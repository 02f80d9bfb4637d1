"""From a bundled component's name to a plain description of its interface, as JSON and as a page for a terminal."""

from typing import Any

from mlp_lang.compiler.catalog import AUTOML, bundled, tasks
from mlp_lang.compiler.interface import Input, Interface
from mlp_lang.compiler.types import canonical, spell


def describe(name: str) -> dict[str, Any] | None:
    """What a program may say of a component and what it gives back; None if there is no such component."""
    face = bundled(name)
    return None if face is None else document_of(face)


def document_of(face: Interface) -> dict[str, Any]:
    """The description of an interface; inputs that the compiler fills are left out, no program may set them."""
    release = face.release
    return {
        "name": face.name,
        "verbs": list(face.verbs),
        "description": sentence(face),
        "inputs": [_input(i) for i in face.inputs.values() if not i.filled],
        "outputs": [
            {
                "name": o.name,
                "type": canonical(o.type),
                "default": o.name == face.default_output or len(face.outputs) == 1,
                "description": o.port.description,
                "from": list(o.origin),
            }
            for o in face.outputs.values()
        ],
        "blocks": {word: list(spec["fields"]) for word, spec in _task(face).items()},
        "metrics": list(face.metrics),
        "stable": sorted(face.stable),
        "releases": None
        if release is None
        else {
            "outputs": list(release.outputs),
            "of": release.of,
            "epsilon": release.epsilon,
            "delta": release.delta,
            "mechanism": release.mechanism,
            "neighbours": list(release.neighbours),
        },
    }


def _task(face: Interface) -> dict[str, Any]:
    """The blocks of an AutoML task, `search_space` with them: they have Azure ML's names and types."""
    blocks: dict[str, Any] = tasks()[face.name.partition(".")[2]]["blocks"] if face.kind == AUTOML else {}
    return blocks


def sentence(face: Interface) -> str:
    """The description of a component, on one line."""
    return " ".join(str(face.data.get("description") or "").split())


def _input(i: Input) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": i.name,
        "type": canonical(i.type),
        "required": i.required,
        "description": i.parameter.description,
    }
    if i.parameter.has_default or i.parameter.default is not None:
        shown["default"] = i.parameter.default
    if i.frameworks:
        shown["frameworks"] = list(i.frameworks)
    for key in ("refusal", "deprecated"):
        if text := getattr(i, key):
            shown[key] = text
    return shown


def page(document: dict[str, Any]) -> str:
    """A description as a terminal shows it."""
    lines = [document["name"], f"  {document['description']}", f"  verbs: {', '.join(document['verbs'])}"]
    lines += ["", "Inputs"]
    for i in document["inputs"]:
        given = "required" if i["required"] else f"= {spell(i['default'])}" if "default" in i else "optional"
        lines.append(f"  {i['name']}: {i['type']}  ({given})")
        lines += [f"      {' '.join(text.split())}" for text in (i["description"], _remark(i)) if text]
    for word, fields in document["blocks"].items():
        lines += ["", f"Block {word}", *(f"  {field}" for field in fields)]
    lines += ["", "Outputs"]
    for o in document["outputs"]:
        lines.append(f"  {o['name']}: {o['type']}{'  (default)' if o['default'] else ''}")
        if o["description"]:
            lines.append(f"      {' '.join(o['description'].split())}")
    if document["metrics"]:
        lines += ["", "Metrics", f"  {', '.join(document['metrics'])}"]
    if release := document["releases"]:
        outputs = ", ".join(release["outputs"])
        lines += ["", "Privacy", f"  releases {outputs}: private data of `{release['of']}` may leave through it"]
    return "\n".join(lines) + "\n"


def _remark(i: dict[str, Any]) -> str:
    if "refusal" in i:
        return f"cannot be set: {i['refusal']}"
    if "deprecated" in i:
        return f"deprecated: {i['deprecated']}"
    return f"frameworks: {', '.join(i['frameworks'])}" if "frameworks" in i else ""
