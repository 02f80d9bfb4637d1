"""From a folder of Azure ML YAML to findings about all of it: a build of ours, or anybody's definitions."""

import os
from collections.abc import Iterator

from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.source import Source, Span
from mlp_lang.lowering.checker.components import check_component, kind_of_component
from mlp_lang.lowering.checker.definitions import CHECKS, check_definition, kind_of, start_schedule
from mlp_lang.lowering.checker.document import Findings, Place
from mlp_lang.lowering.checker.pipelines import check_pipeline
from mlp_lang.lowering.checker.serving import check_batch_deployment, check_deployment, check_endpoint
from mlp_lang.lowering.deployments import folder_of_endpoint
from mlp_lang.lowering.lock import LOCK_NAME, digest

COMPONENTS = "components/*/component.yml"
ENDPOINTS = "endpoints/*.yml"
DEPLOYMENTS = "deployments/*/*/deployment.yml"
DEPLOYED_ENDPOINTS = "deployments/*/*/endpoint.yml"
SCHEDULES = "schedules/*.yml"
# Where a build has its definitions, and which they may be: the first of them unless the file says another.
PLACES: dict[str, tuple[str, ...]] = {
    COMPONENTS: ("component",),
    "environments/*/environment.yml": ("environment",),
    "assets/*.yml": ("data", "model", "data import"),
    ENDPOINTS: ("online endpoint", "batch endpoint"),
    DEPLOYED_ENDPOINTS: ("online endpoint", "batch endpoint"),
    DEPLOYMENTS: ("online deployment", "batch deployment"),
    SCHEDULES: ("schedule",),
}


def check_folder(folder: str) -> list[Diagnostic]:
    """What is wrong with a build: pipeline.yml, all that it refers to, what is defined beside it, the lock."""
    folder = os.path.realpath(folder)
    findings = Findings(folder)
    published = os.path.join(folder, "component.yml")
    main = os.path.join(folder, "pipeline.yml")
    root = None
    if os.path.exists(published):  # a build of a pipeline component has this instead
        component = findings.load(published)
        if component is not None:
            check_component(component, kind_of_component(component.fields()), findings, named=True)
    elif os.path.exists(main) or not any(definition_files(folder, pattern) for pattern in PLACES):
        root = findings.load(main)
    if root is not None and kind_of(root) is None:
        check_definition(root, findings, root.path)
    elif root is not None:
        check_pipeline(root, findings)
    endpoints: dict[str, str] = {}
    for place, kind in _definitions(folder, findings):
        match kind:
            case "online endpoint" | "batch endpoint":
                name = check_endpoint(place, findings, batch=kind == "batch endpoint")
                if name is not None:
                    endpoints[name] = kind
            case "online deployment" | "batch deployment":
                _check_deployment(place, kind, endpoints, findings)
            case "schedule":
                start_schedule(place, findings, partial=False)
            case _:
                CHECKS[kind](place, findings)
    if os.path.exists(os.path.join(folder, LOCK_NAME)):
        lock = findings.load(os.path.join(folder, LOCK_NAME))
        if lock is not None:
            _check_lock(folder, lock, findings)
    return findings.diagnostics


def _definitions(folder: str, findings: Findings) -> Iterator[tuple[Place, str]]:
    """What a build defines that nothing has led to yet, and which definition it is; endpoints before deployments."""
    for pattern, kinds in PLACES.items():
        for path in definition_files(folder, pattern):
            if not findings.has_read(path) and (place := findings.load(path)) is not None:
                found = kind_of(place)
                yield place, found if found in kinds else kinds[0]


def _check_deployment(root: Place, kind: str, endpoints: dict[str, str], findings: Findings) -> None:
    """A deployment, of an endpoint that is defined here or that the deployment's folder is named after."""
    if kind == "batch deployment":
        check_batch_deployment(root, findings)
    else:
        check_deployment(root, None, findings)
    fields = root.fields()
    if "endpoint_name" not in fields:
        return
    place = fields["endpoint_name"].value
    wanted = kind.replace("deployment", "endpoint")
    around = os.path.basename(os.path.dirname(os.path.dirname(root.path)))
    if place.text in endpoints:
        if endpoints[place.text] != wanted:
            message = f"`{place.text}` is no {wanted}, which {'an' if kind[0] == 'o' else 'a'} {kind} needs"
            findings.report("MLP0823", message, place)
    elif folder_of_endpoint(place.text) != around:
        findings.unknown("MLP0823", f"no definition here makes endpoint `{place.text}`", place, place.text, endpoints)


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
