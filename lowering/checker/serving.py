"""From endpoints, deployments and schedules in YAML to findings."""

import os
import re

from mlp_lang.lowering.checker.document import Findings, Place
from mlp_lang.lowering.checker.fields import CRON, DEPLOYMENT, ENDPOINT, RECURRENCE, SCHEDULE, check_fields
from mlp_lang.lowering.checker.interfaces import check_environment, check_path

# Azure ML: 3 to 32 characters, a letter first, no dash at the end; deployments alike.
_ENDPOINT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
_INSTANCE_TYPE = re.compile(r"(Standard|Basic)_[A-Za-z]+[0-9]+[A-Za-z0-9_-]*", re.IGNORECASE)
_MODEL = re.compile(r"azureml:[\w.-]+(:[\w.-]+|@[\w.-]+)?|azureml://\S+|/subscriptions/\S+")
_CRON_FIELD = re.compile(r"[\d*/,\-A-Za-z]+")


def check_endpoint(root: Place, findings: Findings) -> str | None:
    """The endpoint's name, if it has one."""
    check_fields(root, ENDPOINT, findings)
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
        wrong = not all(isinstance(s, int) and not isinstance(s, bool) and 0 <= s <= 100 for s in shares)
        if wrong or sum(shares) not in (0, 100):
            findings.report("MLP0826", "traffic must be whole percentages that sum to 100", fields["traffic"].key)
    return name.text if name is not None else None


def check_deployment(root: Place, endpoints: set[str], findings: Findings) -> None:
    """A managed online deployment, whose endpoint is one of `endpoints`."""
    check_fields(root, DEPLOYMENT, findings)
    fields = root.fields()
    folder = os.path.dirname(root.path)
    if "endpoint_name" in fields:
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
    if "model" in fields:
        _check_model(fields["model"].value, folder, findings)
    if "environment" in fields:
        check_environment(fields["environment"].value, folder, findings)
    if "code_configuration" in fields:
        code = fields["code_configuration"].value.fields()
        path = check_path(code["code"].value, folder, findings) if "code" in code else None
        if path is not None and "scoring_script" in code:
            check_path(code["scoring_script"].value, path, findings)


def _check_model(place: Place, folder: str, findings: Findings) -> None:
    if place.is_scalar:
        if not _MODEL.fullmatch(place.text):
            findings.report(
                "MLP0814",
                f"`{place.text}` refers to no model",
                place,
                help="write `azureml:<name>:<version>` or `azureml:<name>@latest`",
            )
        return
    inner = place.fields()
    if "path" in inner:
        check_path(inner["path"].value, folder, findings)


def check_schedule(root: Place, inputs: dict[str, set[str]], findings: Findings) -> None:
    """A schedule; `inputs` are the names of a pipeline file's inputs, by its path."""
    check_fields(root, SCHEDULE, findings)
    fields = root.fields()
    if "trigger" in fields:
        trigger = fields["trigger"].value
        inner = trigger.fields()
        kind = inner["type"].value.text.lower() if "type" in inner else ""
        check_fields(trigger, RECURRENCE if kind == "recurrence" else CRON, findings)
        if kind == "cron" and "expression" in inner:
            parts = inner["expression"].value.text.split()
            if len(parts) != 5 or not all(_CRON_FIELD.fullmatch(part) for part in parts):
                message = f"`{inner['expression'].value.text}` is no cron expression of five fields"
                findings.report("MLP0814", message, inner["expression"].value)
    job = fields["create_job"].value if "create_job" in fields else None
    if job is None:
        return
    inner = job.fields()
    reference = job if job.is_scalar else (inner["job"].value if "job" in inner else None)
    if reference is None:
        findings.report("MLP0813", "create_job has no `job`", job)
        return
    text = reference.text.removeprefix("file:")
    path = check_path(reference, os.path.dirname(root.path), findings)
    known = inputs.get(os.path.realpath(path)) if path is not None and text else None
    if known is not None and "inputs" in inner:
        for name, field in inner["inputs"].value.fields().items():
            if name not in known:
                findings.unknown("MLP0816", f"the pipeline has no input `{name}`", field.key, name, known)
