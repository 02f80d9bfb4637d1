"""From a component's dotted name to its bundled Interface, read from `components/` when it is first asked for."""

import os
from typing import Any

from mlp_lang.compiler.interface import BadInterface, Input, Interface, Output, add_output, parameter, read_interface
from mlp_lang.compiler.typenames import type_of
from mlp_lang.compiler.types import PORTS
from mlp_lang.compiler.yaml_files import BadYaml, load_yaml

VERBS = ("prepare", "train", "tune", "privatize", "evaluate", "explain", "export", "deploy", "monitor")
ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "components"))

_interfaces: dict[str, Interface | None] = {}
_tables: dict[str, dict[str, Any]] = {}


def bundled(name: str) -> Interface | None:
    """The Interface of `tabular.split` or `sklearn.SVC`; None if there is no such component.

    Raises BadInterface with the file's name if the library itself is broken."""
    if name in _interfaces:
        return _interfaces[name]
    framework, _, rest = name.partition(".")
    face: Interface | None = None
    # names come from programs: only identifiers, never a path
    if framework.isidentifier() and rest.isidentifier():
        face = _from_folder(name, framework, rest) or _from_family(name, framework, rest)
        face = face or (_from_task(name, rest) if framework == AUTOML else None)
    _interfaces[name] = face
    return face


def _from_folder(name: str, framework: str, rest: str) -> Interface | None:
    for verb in VERBS:
        path = f"{ROOT}/{verb}/{framework}/{rest}/component.yml"
        if os.path.isfile(path):
            return _read(name, path)
    return None


def _read(name: str, path: str) -> Interface:
    try:
        return read_interface(name, "bundled", path, load_yaml(path))
    except (BadInterface, BadYaml) as error:
        raise BadInterface(f"{os.path.relpath(path, ROOT)}: {error}") from None


def _family(framework: str) -> Interface | None:
    for verb in VERBS:
        path = f"{ROOT}/{verb}/{framework}/component.yml"
        if os.path.isfile(path):
            face = _read(framework, path)
            return face if face.family else None
    return None


def estimators(face: Interface) -> dict[str, Any]:
    """The members of a family by name, from its table."""
    found: dict[str, Any] = _table(face)["estimators"]
    return found


def _table(face: Interface) -> dict[str, Any]:
    path = f"{face.folder}/{face.family}"
    if path not in _tables:
        import json

        with open(path, encoding="utf-8") as file:
            _tables[path] = json.load(file)
    return _tables[path]


def estimator(name: str) -> dict[str, Any] | None:
    """What the table of `sklearn.<Estimator>` says of one, or None."""
    framework, _, rest = name.partition(".")
    face = _family(framework) if bundled(name) is not None else None
    return estimators(face).get(rest) if face is not None else None


def _from_family(name: str, framework: str, rest: str) -> Interface | None:
    base = _family(framework)
    spec = estimators(base).get(rest) if base is not None else None
    if base is None or spec is None:
        return None
    face = Interface(name, "bundled", base.folder, base.source)
    for slot in Interface.__slots__:
        if slot not in ("name", "inputs", "component", "complete"):
            setattr(face, slot, getattr(base, slot))
    face.inputs = {k: i for k, i in base.inputs.items() if k != "estimator"}
    for key, one in (_table(base).get("shared", {}) | spec["parameters"]).items():
        t = type_of(one["type"])
        shown = parameter(key, t, None, description=one["description"], default=one.get("default"))
        refusal = "only a Python object would do" if one.get("object") else ""
        face.inputs[key] = Input(
            key, t, shown, False, True, refusal=refusal, deprecated=str(one.get("deprecated") or ""), hyper=True
        )
    face.outputs = {
        k: Output(o.name, o.type, o.port, tuple(f for f in o.origin if f in base.inputs), o.like)
        for k, o in base.outputs.items()
    }
    face.component = None
    return face


AUTOML = "automl"
"""The framework whose components are tasks of Azure ML's own, with no code to bring along."""
AUTOML_TABLES = ("training_data", "validation_data", "test_data")


def tasks() -> dict[str, Any]:
    """What an AutoML job of each task may say: see components/train/README.md."""
    path = f"{ROOT}/train/{AUTOML}/tasks.json"
    if path not in _tables:
        import json

        with open(path, encoding="utf-8") as file:
            _tables[path] = json.load(file)["tasks"]
    return _tables[path]


def _from_task(name: str, task: str) -> Interface | None:
    spec = tasks().get(task)
    if spec is None:
        return None
    face = Interface(name, "bundled", f"{ROOT}/train/{AUTOML}", f"{ROOT}/train/{AUTOML}/tasks.json")
    face.kind = AUTOML
    face.verbs = ("train", "tune")
    face.data = {"description": spec["description"]}
    for key, one in spec["inputs"].items():
        t = type_of(one["type"])
        default = one.get("default")
        shown = parameter(key, t, None, description=one["description"], default=default, optional=True)
        face.inputs[key] = Input(key, t, shown, bool(one.get("required")), True)
    best = {"description": "The best model that was found, in MLflow's format."}
    add_output(face, "best_model", PORTS["mlflow_model"], "mlflow_model", best, tuple(face.inputs))
    face.default_output = "best_model"
    return face


def names() -> list[str]:
    """Every bundled component, families member by member: what `did you mean` chooses from."""
    found: list[str] = []
    for verb in VERBS:
        for framework in _folders(f"{ROOT}/{verb}"):
            here = f"{ROOT}/{verb}/{framework}"
            if os.path.isfile(f"{here}/component.yml"):
                face = _family(framework)
                if face is not None:
                    found += [f"{framework}.{n}" for n in estimators(face)]
            if framework == AUTOML:
                found += [f"{framework}.{n}" for n in tasks()]
            found += [f"{framework}.{n}" for n in _folders(here) if os.path.isfile(f"{here}/{n}/component.yml")]
    return found


def _folders(path: str) -> list[str]:
    try:
        return sorted(e.name for e in os.scandir(path) if e.is_dir())
    except OSError:
        return []


def refusal(name: str, face: Interface) -> str:
    """Why a bundled component cannot be used although it exists, or nothing."""
    if face.family is None:
        return ""
    spec = estimators(face)[name.partition(".")[2]]
    if spec.get("needs_estimator"):
        return f"`{name}` is built from another estimator, which a program cannot say yet"
    return ""
