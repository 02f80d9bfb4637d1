"""Tables of data, models, imported data: what is registered, beside environments and components."""

from mlp_lang.lowering.checker.fields import ListOf, Table, of
from mlp_lang.lowering.checker.tables.common import AUTO_DELETE, ENVIRONMENT, NAMED, READ_ONLY, STORE

_ASSET = NAMED | READ_ONLY | {"version": "scalar", "tags": "mapping", "auto_delete_setting": AUTO_DELETE}
ENVIRONMENT_FILE = ENVIRONMENT._replace(required=("name",))
DATA = Table(
    "data asset",
    _ASSET | of("text", "path", "datastore") | {"type": frozenset(["uri_file", "uri_folder", "mltable"])},
    ("path",),
)
DATA_IMPORT = Table(
    "data import",
    _ASSET | of("text", "path", "datastore") | {"type": frozenset(["uri_folder", "mltable"]), "source": STORE},
    ("path", "source"),
)
_TEMPLATE = Table("deployment template", of("text", "asset_id", "name", "version"), open=True)
INLINE_MODEL = Table(
    "model",
    _ASSET
    | of("text", "path", "stage", "datastore", "job_name", "utc_time_created", "hash")
    | of("mapping", "properties", "flavors", "system_metadata")
    | {"type": frozenset(["custom_model", "mlflow_model", "triton_model"])}
    | {"default_deployment_template": _TEMPLATE, "allowed_deployment_templates": ListOf(_TEMPLATE)}
    | of("any", "hash_version", "intellectual_property"),
)
MODEL = INLINE_MODEL._replace(required=("name",))
