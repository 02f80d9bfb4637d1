"""Tables of data, models, imported data: what is registered, beside environments and components."""

from mlp_lang.lowering.checker.fields import ListOf, Table, of
from mlp_lang.lowering.checker.tables.common import AUTO_DELETE, ENVIRONMENT, NAMED, READ_ONLY, STORE

_ASSET = NAMED | READ_ONLY | {"version": "scalar", "tags": "mapping"}
_DATA = _ASSET | {"auto_delete_setting": AUTO_DELETE, "properties": "any"}
ENVIRONMENT_FILE = ENVIRONMENT._replace(required=("name",))
DATA = Table(
    "data asset",
    _DATA | of("text", "path", "datastore") | {"type": frozenset(["uri_file", "uri_folder", "mltable"])},
    ("path",),
)
DATA_IMPORT = Table(
    "data import",
    _DATA
    | of("text", "path", "datastore")
    | {"type": frozenset(["uri_file", "uri_folder", "mltable"]), "source": STORE},
    ("path", "source"),
)
_TEMPLATE = Table("deployment template", of("text", "asset_id"), open=True)
INLINE_MODEL = Table(
    "model",
    _ASSET
    | of("text", "path", "stage", "datastore", "job_name")
    | of("mapping", "properties", "flavors", "system_metadata")
    | {"type": frozenset(["custom_model", "mlflow_model", "triton_model"])}
    | {"default_deployment_template": _TEMPLATE, "allowed_deployment_templates": ListOf(_TEMPLATE)}
    | of("any", "intellectual_property", "utc_time_created"),
)
MODEL = INLINE_MODEL._replace(required=("name",))
