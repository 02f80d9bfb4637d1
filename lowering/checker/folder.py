"""From a folder of Azure ML YAML to findings about all of it: a build of ours, or anybody's definitions."""

import os

from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.checker.components import check_component, kind_of_component
from mlp_lang.lowering.checker.definitions import check_definition, kind_of
from mlp_lang.lowering.checker.document import Findings, Place
from mlp_lang.lowering.checker.pipelines import check_pipeline
from mlp_lang.lowering.checker.schedules import check_schedule
from mlp_lang.lowering.checker.serving import check_deployment, check_endpoint
from mlp_lang.lowering.lock import LOCK_NAME, digest

COMPONENTS = "components/*/component.yml"
ENDPOINTS = "endpoints/*.yml"
DEPLOYMENTS = "deployments/*/*/deployment.yml"
DEPLOYED_ENDPOINTS = "deployments/*/*/endpoint.yml"
SCHEDULES = "schedules/*.yml"


def check_folder(folder: str) -> list[Diagnostic]:
    """What is wrong with a build: pipeline.yml, all that it refers to, endpoints, deployments, schedules, the lock."""
    folder = os.path.realpath(folder)
    findings = Findings(folder)
    published = os.path.join(folder, "component.yml")
    if os.path.exists(published):  # a build of a pipeline component has this instead
        component = findings.load(published)
        if component is not None:
            check_component(component, kind_of_component(component.fields()), findings, named=True)
        root = None
    else:
        root = findings.load(os.path.join(folder, "pipeline.yml"))
    inputs: dict[str, set[str]] = {}
    if root is not None and kind_of(root) is None:
        check_definition(root, findings, root.path)
    elif root is not None:
        check_pipeline(root, findings)
        fields = root.fields()
        inputs[root.path] = set(fields["inputs"].value.fields()) if "inputs" in fields else set()
    for path in definition_files(folder, COMPONENTS):
        if not findings.has_read(path):
            component = findings.load(path)
            if component is not None:
                check_component(component, kind_of_component(component.fields()), findings, named=True)
    endpoints: set[str] = set()
    for path in definition_files(folder, ENDPOINTS):
        _add(endpoints, check_endpoint(place, findings) if (place := findings.load(path)) is not None else None)
    for path in definition_files(folder, DEPLOYED_ENDPOINTS):
        _add(endpoints, check_endpoint(place, findings) if (place := findings.load(path)) is not None else None)
    for path in definition_files(folder, DEPLOYMENTS):
        if (place := findings.load(path)) is not None:
            check_deployment(place, endpoints, findings)
    for path in definition_files(folder, SCHEDULES):
        if (place := findings.load(path)) is not None:
            check_schedule(place, inputs, findings)
    if os.path.exists(os.path.join(folder, LOCK_NAME)):
        lock = findings.load(os.path.join(folder, LOCK_NAME))
        if lock is not None:
            _check_lock(folder, lock, findings)
    return findings.diagnostics


def definition_files(folder: str, pattern: str) -> list[str]:
    """Files of a build by a pattern (`components/*/component.yml`), in the order of their names."""
    found = [folder]
    for part in pattern.split("/"):
        prefix, star, suffix = part.partition("*")
        listed = []
        for parent in found:
            if not star:
                names = [part] if os.path.exists(os.path.join(parent, part)) else []
            else:
                names = [n for n in _names(parent) if n.startswith(prefix) and n.endswith(suffix)]
            listed += [os.path.join(parent, name) for name in names]
        found = listed
    return [path for path in found if os.path.isfile(path)]


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _add(names: set[str], name: str | None) -> None:
    if name is not None:
        names.add(name)


def _check_lock(folder: str, lock: Place, findings: Findings) -> None:
    """Every file of the build is in the lock, with its digest, and none is missing."""
    fields = lock.fields()
    if "files" not in fields:
        findings.report("MLP0825", f"`{LOCK_NAME}` lists no files", lock)
        return
    listed = fields["files"].value.fields()
    there: set[str] = set()
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        there.update(os.path.relpath(os.path.join(path, name), folder).replace(os.sep, "/") for name in files)
    there.discard(LOCK_NAME)
    for name, field in listed.items():
        if name not in there:
            findings.report("MLP0825", f"`{name}` is missing from the build", field.key)
            continue
        try:
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
        except OSError as error:
            findings.report("MLP0825", f"cannot read `{name}`: {(error.strerror or '').lower()}", field.key)
            continue
        if digest(content) != field.value.text:
            findings.report(
                "MLP0825",
                f"`{name}` is not what was compiled",
                field.value,
                help="change the program and compile again, so that what is reviewed is what runs",
            )
    for name in sorted(there - set(listed)):
        span = Span(Source(findings.shown(os.path.join(folder, name)), ""), 0, 0)
        findings.report("MLP0825", f"`{name}` was not compiled into this build", span)
