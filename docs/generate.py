"""From the catalogue, the component files and the tables of words to the pages that list them.

`make docs` writes them; a test compares what is checked in with what this would write.
"""

import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mlp_lang.cli.describe import document_of
from mlp_lang.compiler import vocabulary
from mlp_lang.compiler.catalog import bundled, names
from mlp_lang.compiler.settings import Raw, Words
from mlp_lang.compiler.types import canonical, spell
from mlp_lang.decompiler.vocabulary import PUBLIC_ESCAPES, VERBS
from mlp_lang.dsl.explanations import codes, explanation

HERE = Path(__file__).resolve().parent
RANGES = {
    "00": "Syntax and files",
    "01": "Names and imports",
    "02": "Inputs, types and values",
    "03": "Graph structure and stages",
    "04": "Gates and deployment",
    "05": "Privacy",
    "06": "Data and columns",
    "07": "Profiles and schedules",
    "08": "Lowering and Azure ML definitions",
    "09": "Running",
}


def pages() -> dict[str, str]:
    """Every generated page by its path under docs/."""
    # Markdown, not HTML: `cell` escapes what goes into a table, the rest are our own sentences
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    templates.filters["cell"] = cell
    templates.filters["spell"] = spell
    groups = {
        title: [e for c in codes() if c[3:5] == key and (e := explanation(c)) is not None]
        for key, title in RANGES.items()
    }
    made = {"diagnostics.md": templates.get_template("diagnostics.md.j2").render(groups=groups)}
    made["fields.md"] = templates.get_template("fields.md.j2").render(tables=_fields(), calls=_calls())
    made["importing.md"] = templates.get_template("importing.md.j2").render(verbs=VERBS, escapes=PUBLIC_ESCAPES)
    listed = []
    for name, members in _components().items():
        documents = [document_of(face) for m in members if (face := bundled(m)) is not None]
        shared = set.intersection(*({i["name"] for i in d["inputs"]} for d in documents))
        document = documents[0] | {"name": name, "members": members if members != [name] else []}
        document["inputs"] = [i for i in document["inputs"] if i["name"] in shared]
        document["file"] = f"{name.split('.<')[0]}.md"
        listed.append(document)
        made[f"components/{document['file']}"] = templates.get_template("component.md.j2").render(c=document)
    listed.sort(key=lambda d: (d["verbs"], d["name"]))
    made["components/README.md"] = templates.get_template("components.md.j2").render(components=listed)
    return made


def _fields() -> list[tuple[str, list[dict[str, str]]]]:
    """The rows of the vocabulary, table by table; a word of several kinds of job with the same field is one row."""
    return [
        (title, [_row(field) for field in fields])
        for title, fields in (
            ("`run`", vocabulary.RUN),
            ("`services { name { … } }` in `run`", vocabulary.SERVICES),
            ("`define`, `component`", vocabulary.DEFINE),
            ("`settings` of a pipeline", vocabulary.SETTINGS),
        )
    ]


def _row(field: vocabulary.Field) -> dict[str, str]:
    return {
        "word": field.word,
        "value": _value(field.type),
        "path": f"`{'.'.join(field.path)}`" if field.path else "(this machine alone)",
        "kinds": ", ".join(sorted(field.kinds)),
    }


def _value(asked: object) -> str:
    if isinstance(asked, Words):
        return ", ".join(f"`{w}`" for w in asked.members) or "a word"
    return "see [the language](language.md)" if isinstance(asked, Raw) else f"`{canonical(asked)}`"  # type: ignore[arg-type]


def _calls() -> list[dict[str, str]]:
    tables = [
        ("distribution", vocabulary.DISTRIBUTIONS),
        ("identity", {"managed": vocabulary.IDENTITY_ARGUMENTS}),
        ("source of an import", vocabulary.SOURCES["import"]),
        ("source, sink of a transfer", vocabulary.SOURCES["transfer"]),
    ]
    return [
        {
            "where": where,
            "name": name,
            "arguments": ", ".join(f"`{a.name}`" for a, _ in arguments),
            "azure": ", ".join(f"`{field}`" for _, field in arguments),
        }
        for where, table in tables
        for name, arguments in table.items()
    ]


def _components() -> dict[str, list[str]]:
    """Component names; the members of a family under one name, `sklearn.<Estimator>`."""
    found: dict[str, list[str]] = {}
    for name in names():
        face = bundled(name)
        if face is not None:
            found.setdefault(f"{name.split('.')[0]}.<Name>" if face.family else name, []).append(name)
    return found


def cell(text: str) -> str:
    """Text that stays one cell of a Markdown table and no tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def main() -> None:
    """Write the pages, and remove component pages that nothing makes any more."""
    made = pages()
    for path, text in made.items():
        target = HERE / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for stale in (HERE / "components").glob("*.md"):
        if f"components/{stale.name}" not in made:
            stale.unlink()
    sys.stdout.write(f"{len(made)} pages\n")


if __name__ == "__main__":
    main()
