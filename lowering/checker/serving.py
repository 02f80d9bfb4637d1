"""From endpoints and deployments in YAML, online and batch, to findings."""

import os
import re

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.components import check_component, kind_of_component
from mlp_lang.lowering.checker.document import Field, Findings, Place
from mlp_lang.lowering.checker.fields import Table, Variants, check_fields, word
from mlp_lang.lowering.checker.files import check_environment, check_inside, check_path, check_reference, is_remote
from mlp_lang.lowering.checker.pipelines import Scope
from mlp_lang.lowering.checker.tables.assets import INLINE_MODEL
from mlp_lang.lowering.checker.tables.serving import (
    BATCH_DEPLOYMENT,
    BATCH_ENDPOINT,
    ONLINE_DEPLOYMENT,
    ONLINE_ENDPOINT,
)

# Azure ML: 3 to 32 characters, a letter first, no dash at the end; deployments alike.
_ENDPOINT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
_INSTANCE_TYPE = re.compile(r"(Standard|Basic)_[A-Za-z]+[0-9]+[A-Za-z0-9_-]*", re.IGNORECASE)


def check_endpoint(root: Place, findings: Findings, batch: bool = False, partial: bool = False) -> str | None:
    """The endpoint's name, if it has one. What is `partial` may be completed on the command line."""
    check_named(root, BATCH_ENDPOINT if batch else ONLINE_ENDPOINT, findings, partial)
    fields = root.fields()
    name = fields["name"].value if "name" in fields else None
    if name is not None and not _ENDPOINT_NAME.fullmatch(name.text):
        findings.report(
            "MLP0814",
            f"`{name.text}` cannot name an endpoint",
            name,
            help="3 to 32 letters, digits and dashes, a letter first and no dash last",
        )
    if "traffic" in fields:
        shares = [field.value.value() for field in fields["traffic"].value.fields().values()]
        whole = [s for s in shares if isinstance(s, int) and not isinstance(s, bool)]
        if len(whole) == len(shares) and all(0 <= s <= 100 for s in whole) and sum(whole) not in (0, 100):
            findings.report("MLP0826", "traffic must be whole percentages that sum to 100", fields["traffic"].key)
    return name.text if name is not None else None


def check_named(root: Place, table: "Table | Variants", findings: Findings, partial: bool) -> None:
    """Fields of a definition; where names may be given on the command line, one that is missing is a warning."""
    if not partial:
        check_fields(root, table, findings)
        return
    tables = [table] if isinstance(table, Table) else list(table.tables.values())
    named = ("name", "endpoint_name", "version")
    bare = [t._replace(required=tuple(n for n in t.required if n not in named)) for t in tables]
    if isinstance(table, Variants):
        check_fields(root, table._replace(tables=dict(zip(table.tables, bare, strict=True))), findings)
    else:
        check_fields(root, bare[0], findings)
    fields = root.fields()
    for name in tables[0].required:
        if name in named and name not in fields:
            option = "--" + name.replace("_", "-")
            message = f"{tables[0].name} has no `{name}`"
            findings.report("MLP0813", message, root, help=f"or give `{option}`", severity=Severity.WARNING)


def check_deployment(root: Place, endpoints: set[str] | None, findings: Findings) -> None:
    """An online deployment, whose endpoint is one of `endpoints` where those are known."""
    check_named(root, ONLINE_DEPLOYMENT, findings, partial=endpoints is None)
    fields = root.fields()
    if "endpoint_name" in fields and endpoints is not None:
        place = fields["endpoint_name"].value
        if place.text not in endpoints:
            message = f"no definition here makes endpoint `{place.text}`"
            findings.unknown("MLP0823", message, place, place.text, endpoints)
    managed = "type" not in fields or fields["type"].value.text.lower() == "managed"
    if "instance_type" in fields:
        place = fields["instance_type"].value
        if managed and not _INSTANCE_TYPE.fullmatch(place.text):
            findings.report("MLP0824", f"`{place.text}` names no virtual machine size", place)
    elif managed:
        findings.report("MLP0813", "deployment has no `instance_type`", root)
    if managed and "instance_count" not in fields and "scale_settings" not in fields:
        findings.report("MLP0813", "deployment has no `instance_count`", root)
    check_served(root, fields, findings)


def check_batch_deployment(root: Place, findings: Findings) -> None:
    """A batch deployment of a model or of a pipeline component."""
    fields = root.fields()
    pipeline = "type" in fields and word(fields["type"].value.text, frozenset(["pipeline"])) is not None
    implied = "type" not in fields and ("component" in fields or "job_definition" in fields)
    table = BATCH_DEPLOYMENT.tables["pipeline"] if implied else BATCH_DEPLOYMENT
    check_named(root, table, findings, partial=True)
    fields = root.fields()
    folder = os.path.dirname(root.path)
    if "component" in fields:
        _check_component(fields["component"].value, folder, findings)
    elif (pipeline or implied) and "job_definition" not in fields:
        findings.report("MLP0813", "deployment has neither `component` nor `job_definition`", root)
    check_served(root, fields, findings)


def _check_component(place: Place, folder: str, findings: Findings) -> None:
    if not place.is_scalar or place.text.startswith("azureml:"):
        return
    if is_remote(place.text.removeprefix("file:")):
        check_reference(place, "component", folder, findings)
        return
    path = check_path(place, folder, findings)
    root = findings.load(path, place) if path is not None and os.path.isfile(path) else None
    if root is None:
        return
    kind = kind_of_component(root.fields())
    if kind not in ("", "pipeline"):
        findings.report("MLP0833", f"a batch deployment runs a pipeline, its component is of type {kind}", place)
    check_component(root, kind, findings)
    if kind == "pipeline":
        Scope(root, findings).check()


def check_served(root: Place, fields: dict[str, Field], findings: Findings) -> None:
    """Model, environment and scoring script of a deployment."""
    folder = os.path.dirname(root.path)
    if "model" in fields:
        check_model(fields["model"].value, folder, findings)
    if "environment" in fields:
        check_environment(fields["environment"].value, folder, findings)
    if "code_configuration" in fields:
        code = fields["code_configuration"].value.fields()
        path = check_path(code["code"].value, folder, findings) if "code" in code else None
        if path is not None and "scoring_script" in code:
            check_inside(code["scoring_script"].value, path, findings, "scoring script")


def check_model(place: Place, folder: str, findings: Findings) -> None:
    """A model is a reference or a path in place."""
    if place.is_scalar:
        text = place.text
        if not text.startswith(("azureml:", "/subscriptions/")) and "${{" not in text:
            check_reference(place, "model", folder, findings)
        return
    check_fields(place, INLINE_MODEL, findings)
    inner = place.fields()
    if "path" in inner:
        check_path(inner["path"].value, folder, findings, findings.missing_data)
