"""From a job that moves data to findings: what goes in and out of it has fixed names and types."""

from mlp_lang.lowering.checker.bindings import Job, Level
from mlp_lang.lowering.checker.interfaces import declared

# By task: the side that is fixed, the name on it, the field that says where to, the type that each place asks for.
_FIXED = {
    "import_data": ("outputs", "sink", "source", {"database": "mltable", "file_system": "uri_folder"}),
    "export_data": ("inputs", "source", "sink", {"database": "uri_file", "file_system": "uri_folder"}),
}


def check_transfer(job: Job, level: Level) -> None:
    """Imported data are the output `sink`, exported data the input `source`, of the type that the other end wants."""
    task = job.fields["task"].value.text.lower() if "task" in job.fields else ""
    if task not in _FIXED:
        return
    side, name, other, types = _FIXED[task]
    ports = declared(job.fields, side)
    for found, field in ports.items():
        if found != name:
            message = f"`{task}` has no {side[:-1]} `{found}`"
            level.findings.unknown("MLP0817", message, field.key, found, [name])
    if not ports:
        level.findings.report("MLP0818", f"`{task}` needs {side[:-1]} `{name}`", job.key)
    place = declared(job.fields, other).get("type")
    kind = place.value.text.lower() if place is not None else "file_system"
    if task == "export_data" and kind == "file_system" and other in job.fields:
        message = "data cannot be exported to a file system yet, but to a database"
        level.findings.report("MLP0814", message, place.value if place is not None else job.fields[other].value)
        return
    type_ = ports[name].value.fields().get("type") if name in ports else None
    wanted = types.get(kind)
    if type_ is not None and wanted is not None and type_.value.text.lower() != wanted:
        message = f"{side[:-1]} `{name}` of a {kind} is {wanted}, found {type_.value.text}"
        level.findings.report("MLP0820", message, type_.value)
