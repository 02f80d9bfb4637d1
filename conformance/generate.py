"""From azure-ai-ml's schemas to fields.json and the corpus under fields/: `python -m conformance.generate`.

`--check` writes nothing and exits with 1 if what would be written differs: azure-ai-ml has got a field or lost one.
Rows that no file exercises are said, and exit with 1 too.
A file has as much as goes together; what comes in several forms takes turns, a file each.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from conformance import stubs
from conformance.cover import covered
from conformance.kinds import PIPELINE_SCHEMA
from conformance.schema import Field, Row, rows, trees
from conformance.stubs import BASE
from conformance.values import ALWAYS, AUXILIARY, LEFT_OUT, fixed, left_out, word

HERE = Path(__file__).resolve().parent
TABLE = HERE / "fields.json"
CORPUS = HERE / "fields"


def count(field: Field, path: str) -> int:
    """How many values it takes to show every form of a place; 0 if it is left out."""
    elsewhere = field.type.startswith("see ") and not field.type.startswith(("see component/", "see search_space"))
    if left_out(path) or elsewhere:
        return 0
    given = fixed(path)
    if given is not None:
        return len(given)
    if field.type == "mapping":
        return max([count(child, f"{path}.{name}") for name, child in field.children], default=1) or 1
    if field.type == "union":
        return sum(count(variant, f"{path}<{name}>") for name, variant in field.variants)
    return 1


def make(field: Field, path: str, turn: int) -> Any:
    """The value of a place in its `turn`: forms take turns, enumerated values too."""
    given = fixed(path)
    if given is not None:
        return given[turn % len(given)]
    if field.type == "mapping":
        result = {}
        for name, child in field.children:
            below = f"{path}.{name}"
            turns = count(child, below)
            if turns and (turn < turns or child.required or name in ALWAYS):
                result[name] = make(child, below, turn if turn < turns else 0)
        return result
    if field.type == "union":
        for name, variant in field.variants:
            below = f"{path}<{name}>"
            turns = count(variant, below)
            if turn < turns:
                if variant.type == "see search_space":
                    return {"type": "choice", "values": [make(field.variants[0][1], path, i) for i in range(2)]}
                return make(variant, below, turn)
            turn -= turns
        return make(field, path, 0)
    if field.type.startswith("see component/"):
        document = stubs.component(field.type.rpartition("/")[2], f"../{stubs.FOLDER}/src")
        return {key: value for key, value in document.items() if key not in ("name", "version")}
    if field.type == "file":
        return stubs.reference(path)
    if field.type in ("map", "list") and field.item is not None:
        below = f"{path}[]" if field.type == "list" else f"{path}.*"
        items = [make(field.item, below, i) for i in range(count(field.item, below))]
        return items if field.type == "list" else dict(zip(_keys(field.item, items), items, strict=True))
    if field.type == "enum":
        return field.enum[turn % len(field.enum)]
    return word(_name(path), field.type)


def _keys(field: Field, items: list[Any]) -> list[str]:
    names = [f"{i.get('type', 'a')}_one" if isinstance(i, dict) else "a_key" for i in items]
    return [f"{name}_{n}" if names.count(name) > 1 else name for n, name in enumerate(names)]


def _name(path: str) -> str:
    """The key that a value stands under."""
    bare = path
    while bare.endswith((">", "*", "]")):
        bare = bare[: bare.rindex("<")] if bare.endswith(">") else bare.removesuffix(".*").removesuffix("[]")
    return bare.rpartition(".")[2]


DEFINITIONS = {
    "component/pipeline": "pipelineComponent",
    "component/command": "commandComponent",
    "component/parallel": "parallelComponent",
    "component/spark": "sparkComponent",
    "component/import": "importComponent",
    "component/copy_data": "dataTransferCopyComponent",
    "component/import_data": "dataTransferImportComponent",
    "component/export_data": "dataTransferExportComponent",
    "environment": "environment",
    "data": "data",
    "model": "model",
    "endpoint/managed_online": "managedOnlineEndpoint",
    "endpoint/kubernetes_online": "kubernetesOnlineEndpoint",
    "endpoint/batch": "batchEndpoint",
    "deployment/managed_online": "managedOnlineDeployment",
    "deployment/kubernetes_online": "kubernetesOnlineDeployment",
    "deployment/batch": "batchDeployment",
    "deployment/model_batch": "modelBatchDeployment",
    "deployment/pipeline_component_batch": "pipelineComponentBatchDeployment",
    "schedule": "schedule",
}
"""The schema that a definition of each kind names."""


def definitions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and content of every file that is no pipeline job."""
    for kind, schema in DEFINITIONS.items():
        field = trees()[kind]
        for turn in range(count(field, kind)):
            document = make(field, kind, turn)
            document.pop("$schema", None)
            if kind == "component/pipeline":  # one without jobs defines nothing
                document.setdefault("jobs", {"only": {"type": "command", "component": "../stubs/command.yml"}})
            yield f"{kind.replace('/', '_')}/{turn + 1}.yml", {"$schema": f"{BASE}{schema}.schema.json", **document}


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Path and content of every file of the corpus."""
    top = trees()["pipeline"]
    jobs = {
        name: {"type": "command", "component": f"../{stubs.FOLDER}/command.yml"}
        for name in ("setup", "a_node", "cleanup")
    }
    whole = top._replace(children=tuple(c for c in top.children if c[0] not in ("jobs", "component")))
    for turn in range(count(whole, "pipeline")):
        document = make(whole, "pipeline", turn)
        yield f"job/{turn + 1}.yml", {"$schema": f"{BASE}{PIPELINE_SCHEMA}", **document, "jobs": jobs}
    component = dict(top.children)["component"]
    for turn in range(count(component, "pipeline.component")):
        document = pipeline({})
        del document["jobs"]
        yield f"job/component_{turn + 1}.yml", {**document, "component": make(component, "pipeline.component", turn)}
    node = dict(top.children)["jobs"].item
    assert node is not None
    for name, form in node.variants:
        path = f"pipeline.jobs.*<{name}>"
        turns = count(form, path)
        for turn in range(turns):
            folder, _, variant = name.replace(" in place", " in_place").partition(" ")
            stem = "_".join(x for x in (variant, str(turn + 1) if turns > 1 else "") if x) or "1"
            value = make(form, path, turn)
            if folder == "spark":  # either, not both; three forms of compute take the first turns
                value.pop("resources" if turn < 3 else "compute", None)
            _based(value)
            yield f"{folder}/{stem}.yml", pipeline({**AUXILIARY.get(folder, {}), "a_node": value})


def _based(node: dict[str, Any]) -> None:
    """Give an environment something to start from: azure-ai-ml names one by chance that has neither of these."""
    for holder in (node, node.get("task"), node.get("component")):
        environment = holder.get("environment") if isinstance(holder, dict) else None
        if isinstance(environment, dict) and not environment.keys() & {"image", "build"}:
            environment["image"] = stubs.IMAGE


def pipeline(jobs: dict[str, Any]) -> dict[str, Any]:
    """A pipeline job with these nodes, and with the inputs and outputs that they bind."""
    said = json.dumps(jobs)
    result: dict[str, Any] = {"$schema": f"{BASE}{PIPELINE_SCHEMA}", "type": "pipeline"}
    if "parent.inputs.word" in said:
        result["inputs"] = {"word": "text"}
    if "parent.outputs.a_folder_out" in said:
        result["outputs"] = {"a_folder_out": {"type": "uri_folder"}}
    return {**result, "settings": {"default_compute": "azureml:cpu-cluster"}, "jobs": jobs}


def table() -> list[Row]:
    """Every row, kind by kind."""
    return [row for kind, field in trees().items() for row in rows(field, kind)]


def table_text() -> str:
    """fields.json: a line a row."""
    lines = []
    for row in table():
        entry: dict[str, Any] = {"path": row.path, "type": row.type}
        if row.enum:
            entry["enum"] = list(row.enum)
        if row.required:
            entry["required"] = True
        if row.binding:
            entry["binding"] = True
        lines.append(json.dumps(entry, ensure_ascii=False))
    return "[\n" + ",\n".join(lines) + "\n]\n"


class _Dumper(yaml.SafeDumper):
    """Says everything where it stands: no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_text(document: dict[str, Any]) -> str:
    """A document as YAML, keys in their order."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def texts() -> dict[Path, str]:
    """Every file that is written, by where it lies."""
    found = {TABLE: table_text()}
    for path, text in stubs.FILES.items():
        found[CORPUS / stubs.FOLDER / path] = text
    for kind in stubs.KINDS:
        found[CORPUS / stubs.FOLDER / f"{kind}.yml"] = yaml_text(stubs.component(kind))
    for path, document in (*documents(), *definitions()):
        found[CORPUS / path] = yaml_text(document)
    return found


def uncovered() -> list[str]:
    """Rows that no file has and that are not left out for a reason."""
    kinds = {schema: kind for kind, schema in DEFINITIONS.items()} | {PIPELINE_SCHEMA.partition(".")[0]: "pipeline"}
    exercised: set[str] = set()
    for _, document in (*documents(), *definitions()):
        kind = kinds[document["$schema"].removeprefix(BASE).partition(".")[0]]
        exercised.update(covered(document, trees()[kind], kind))
    return [row.path for row in table() if row.path not in exercised and not left_out(row.path)]


def main(arguments: list[str] | None = None) -> int:
    """0 if all is as generated, or written now; 1 under --check if a file differs."""
    parser = argparse.ArgumentParser(prog="generate", description=__doc__)
    parser.add_argument("--check", action="store_true")
    check: bool = parser.parse_args(arguments).check
    wanted = texts()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'differs' if check else 'writes'}: {path.relative_to(HERE.parent)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    strays = sorted({p for p in CORPUS.rglob("*") if p.is_file()} - set(wanted)) if CORPUS.is_dir() else []
    for path in strays:
        print(f"{'not generated' if check else 'removes'}: {path.relative_to(HERE.parent)}")
        if not check:
            path.unlink()
    missing = uncovered()
    for row in missing:
        print(f"in no file: {row}")
    unused = [pattern.pattern for pattern, _ in LEFT_OUT if not any(pattern.search(row.path) for row in table())]
    for text in unused:
        print(f"left out, but nothing there: {text}")
    return 1 if missing or unused or ((stale or strays) and check) else 0


if __name__ == "__main__":
    sys.exit(main())
