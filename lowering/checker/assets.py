"""From environments, data, models and imported data in YAML to findings."""

import os

from mlp_lang.lowering.checker.document import Findings, Place
from mlp_lang.lowering.checker.files import check_environment, check_path
from mlp_lang.lowering.checker.serving import check_named
from mlp_lang.lowering.checker.tables.assets import DATA, DATA_IMPORT, ENVIRONMENT_FILE, MODEL


def check_environment_file(root: Place, findings: Findings) -> None:
    """An environment that is registered: named, with an image or a build context."""
    check_environment(root, os.path.dirname(root.path), findings, registering=True)
    check_named(root, ENVIRONMENT_FILE._replace(fields=dict.fromkeys(root.fields(), "any")), findings, partial=True)


def check_data(root: Place, findings: Findings) -> None:
    """A data asset whose path is there, as far as it is local."""
    check_named(root, DATA, findings, partial=True)
    _check_local(root, findings)


def check_model_file(root: Place, findings: Findings) -> None:
    """A model that is registered from a path."""
    check_named(root, MODEL, findings, partial=True)
    _check_local(root, findings)


def check_data_import(root: Place, findings: Findings) -> None:
    """Data that are imported over a connection."""
    check_named(root, DATA_IMPORT, findings, partial=True)


def _check_local(root: Place, findings: Findings) -> None:
    fields = root.fields()
    if "path" in fields:
        check_path(fields["path"].value, os.path.dirname(root.path), findings, findings.missing_data)
