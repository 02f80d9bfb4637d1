"""From a component of any kind to findings about it alone: fields, ports, defaults, commands, files."""

import os
import re

from mlp_lang.lowering.checker.document import Field, Findings, Place, said
from mlp_lang.lowering.checker.fields import check_fields
from mlp_lang.lowering.checker.files import check_code, check_environment, check_inside, check_path, code_folder
from mlp_lang.lowering.checker.interfaces import (
    Interface,
    check_command,
    declared,
    literal_problem,
    read_interface,
)
from mlp_lang.lowering.checker.tables.components import COMPONENTS

DECLARED = frozenset(["command", "pipeline", "parallel", "spark", "import", "sweep"])
"""Kinds of component whose file says the whole interface; a flow's, say, is elsewhere."""
_NAME = re.compile(r"[a-z][a-z\d_]*")


def kind_of_component(fields: dict[str, Field]) -> str:
    """The type of a component: as written, or what its fields imply; empty if nothing does."""
    implied = {"command": "command", "jobs": "pipeline", "entry": "spark", "task": "parallel"}
    return said(fields, "type").lower() or next((kind for name, kind in implied.items() if name in fields), "")


def check_component(root: Place, kind: str, findings: Findings, named: bool = False) -> None:
    """Everything about a component that can be said without its uses; the jobs of a pipeline are judged elsewhere.

    `named` says that the file is to be registered under its name.
    """
    table = COMPONENTS.get(kind)
    fields = root.fields()
    if table is None:
        if "type" not in fields:
            findings.report("MLP0813", "component has no `type`", root)
            return
        place = fields["type"].value
        if not place.text.endswith(("Component", "@1-legacy", "@1")) and "@" not in place.text:
            findings.unknown("MLP0814", f"`type` cannot be `{place.text}`", place, place.text, COMPONENTS)
        return
    check_fields(root, table, findings)
    fields = root.fields()
    if "type" not in fields and kind != "command":
        findings.report("MLP0813", f"{kind} component has no `type`, and is read as a command", root)
    if named and "name" in fields and not _NAME.fullmatch(fields["name"].value.text):
        findings.report(
            "MLP0814",
            f"`{fields['name'].value.text}` cannot name a component",
            fields["name"].value,
            help="lower case letters, digits and `_`, a letter first",
        )
    interface = read_interface(root)
    _check_defaults(interface, findings)
    check_work(root, kind, interface, findings)


def _check_defaults(interface: Interface, findings: Findings) -> None:
    for given in interface.inputs.values():
        fields = given.place.fields()
        default = fields.get("default")
        if default is not None and given.type not in (None, "uri_file", "uri_folder", "mltable", "mlflow_model"):
            problem = literal_problem(default.value.value(), given) if "_model" not in str(given.type) else ""
            if problem:
                findings.report("MLP0819", f"default of input `{given.name}`: {problem}", default.value)
        for name, value in (("min", given.minimum), ("max", given.maximum)):
            if name in fields and value is None:
                findings.report("MLP0814", f"`{name}` of input `{given.name}` is no number", fields[name].value)
        if given.minimum is not None and given.maximum is not None and given.minimum > given.maximum:
            findings.report(
                "MLP0819", f"no value of input `{given.name}`: its min is over its max", fields["min"].value
            )


def check_work(root: Place, kind: str, interface: Interface, findings: Findings) -> None:
    """What a component or a job without one runs: its command or arguments, code, scripts, environment."""
    fields = root.fields()
    if kind == "parallel":
        _check_task(root, fields, interface, findings)
        return
    check_code(root, findings)
    folder = os.path.dirname(root.path)
    if "command" in fields:
        space = declared(fields, "search_space") if "search_space" in fields else None
        check_command(fields["command"].value, interface, findings, space)
    if kind == "spark":
        if "args" in fields:
            check_command(fields["args"].value, interface, findings, what="argument list")
        entry = fields["entry"].value.fields() if "entry" in fields else {}
        code = code_folder(fields, folder)
        if "file" in entry:
            check_inside(entry["file"].value, code, findings, "entry script")
        elif "entry" in fields and fields["entry"].value.is_mapping and "class_name" not in entry:
            findings.report("MLP0813", "entry has neither `file` nor `class_name`", fields["entry"].key)
        for name in ("py_files", "jars", "files", "archives"):
            for item in fields[name].value.items() if name in fields else []:
                check_inside(item, code, findings, "file")


def _check_task(root: Place, fields: dict[str, Field], interface: Interface, findings: Findings) -> None:
    folder = os.path.dirname(root.path)
    if "input_data" in fields:
        check_command(fields["input_data"].value, interface, findings, what="parallel task")
    if "environment" in fields:
        check_environment(fields["environment"].value, folder, findings)
    if "task" not in fields:
        return
    task = fields["task"].value
    inner = task.fields()
    for name in ("program_arguments", "append_row_to", "model"):
        if name in inner:
            check_command(inner[name].value, interface, findings, what="parallel task")
    if "code" in inner:
        check_path(inner["code"].value, folder, findings)
    if "entry_script" in inner:
        check_inside(inner["entry_script"].value, code_folder(inner, folder), findings, "entry script")
    elif "type" in inner and inner["type"].value.text.lower() == "run_function":
        findings.report("MLP0813", "task has no `entry_script`", fields["task"].key)
    if "environment" in inner:
        check_environment(inner["environment"].value, folder, findings)
