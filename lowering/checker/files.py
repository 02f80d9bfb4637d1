"""From what a definition names (code, files, environments, data) to findings: is it there, is the reference one."""

import os
import re

from mlp_lang.dsl.diagnostics import Edit, Fix, Severity
from mlp_lang.lowering.checker.document import Field, Findings, Place
from mlp_lang.lowering.checker.fields import check_fields
from mlp_lang.lowering.checker.tables.common import ENVIRONMENT

_REMOTE = re.compile(r"[A-Za-z][\w+.-]+:")
_NAME_AND_VERSION = re.compile(r"[A-Za-z0-9][\w.-]*(:[\w.-]+|@\w+)")
_HELP = {
    "environment": "write `azureml:<name>:<version>`, `azureml:<name>@latest` or a definition in place",
    "component": "write `azureml:<name>:<version>` or the path of a component file",
    "model": "write `azureml:<name>:<version>` or `azureml:<name>@latest`",
    "compute": "write `azureml:<name>` or `serverless`",
    "datastore": "write `azureml:<name>`",
}


def is_remote(text: str) -> bool:
    """Whether a text names something that is elsewhere, or will only be known when it runs."""
    return "${{" in text or _REMOTE.match(text) is not None


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


def check_environment(place: Place, folder: str, findings: Findings, registering: bool = False) -> None:
    """An environment is a reference, a file, or an image or build context with an optional conda file that is there."""
    if place.is_scalar:
        text = place.text
        if text.startswith("file:"):
            check_path(place, folder, findings)
        elif not text.startswith(("azureml:", "/subscriptions/")) and "${{" not in text:
            check_reference(place, "environment", folder, findings)
        return
    check_fields(place, ENVIRONMENT, findings)
    fields = place.fields()
    if "image" not in fields and "build" not in fields and "id" not in fields:
        message = "environment has neither `image` nor `build`"
        # A name and a version alone name what is registered, to azure-ai-ml at least.
        findings.report("MLP0813", message, place, severity=_unless("version" in fields and not registering))
    if "conda_file" in fields and fields["conda_file"].value.is_scalar:
        check_path(fields["conda_file"].value, folder, findings)
    build = fields["build"].value.fields() if "build" in fields else {}
    if "path" in build:
        check_path(build["path"].value, folder, findings)


def _unless(doubtful: bool) -> Severity:
    return Severity.WARNING if doubtful else Severity.ERROR


def check_reference(place: Place, what: str, folder: str, findings: Findings) -> None:
    """Report a text that is no reference to what it should name: usually `azureml:` is missing."""
    text = place.text
    new = None
    if what == "environment" and os.path.isfile(os.path.join(folder, text)):
        new = f"file:{text}"
    elif _NAME_AND_VERSION.fullmatch(text) or (what in ("compute", "datastore") and re.fullmatch(r"[\w-]+", text)):
        new = f"azureml:{text}"
    fixes = (Fix(f"Write `{new}`", (Edit(place.span, new),)),) if new and place.span.end > place.span.start else ()
    label = f"did you mean `{new}`?" if new else ""
    findings.report(
        "MLP0814", f"`{text}` refers to no {what}", place, label, help="" if new else _HELP[what], fixes=fixes
    )


def check_path(place: Place, folder: str, findings: Findings, severity: Severity = Severity.ERROR) -> str | None:
    """The absolute path that a scalar names, if it is there; remote places and expressions are taken as they are."""
    text = place.text.removeprefix("file:") if place.is_scalar else ""
    if not place.is_scalar or is_remote(text):
        return None
    path = os.path.join(folder, text)
    if text and os.path.exists(path):
        return path
    name = os.path.basename(os.path.abspath(folder)) or folder
    findings.report(
        "MLP0815", f"there is no `{text}` here", place, help=f"it is looked for from `{name}`", severity=severity
    )
    return None


def check_inside(place: Place, code: str | None, findings: Findings, what: str) -> None:
    """A script that must be in a folder of code that is there itself."""
    if code is None or not place.is_scalar or "${{" in place.text:
        return
    if not os.path.exists(os.path.join(code, place.text)):
        name = os.path.basename(os.path.normpath(code))
        findings.report("MLP0815", f"there is no {what} `{place.text}` in `{name}`", place)


def code_folder(fields: dict[str, Field], folder: str) -> str | None:
    """The folder of a definition's local code, if it is there."""
    field = fields.get("code")
    if field is None or not field.value.is_scalar or is_remote(field.value.text):
        return None
    path = os.path.join(folder, field.value.text)
    return path if os.path.isdir(path) else None
