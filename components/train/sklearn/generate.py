"""From the installed scikit-learn and skl2onnx to estimators.json (every estimator with its parameters and types) and
transformers.json (what may stand between the encoder and the estimator).

python generate.py [FOLDER]     rewrites both beside this script, or in FOLDER
"""

import inspect
import json
import math
import re
import sys
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from sklearn.utils import _param_validation as constraints
from sklearn.utils import all_estimators

HERE = Path(__file__).resolve().parent
TASKS = {"classifier": "classifier", "regressor": "regressor", "cluster": "clusterer"}
WORDS = {"boolean": "bool", "verbose": "bool | int(0..)", "random_state": "int(0..4294967295)", "cv_object": "int(2..)"}
CLASSES = {
    bool: "bool",
    dict: "map[any]",
    list: "list[any]",
    tuple: "list[any]",
    str: "string",
    np.ndarray: "list[any]",
}


def table() -> dict[str, Any]:
    """The whole document, estimators in alphabetical order and parameters in the constructor's."""
    sentences = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))
    convertible = {estimator.__name__ for estimator in sklearn_operator_name_map}
    estimators = {}
    for kind, task in TASKS.items():
        for name, estimator in all_estimators(kind):
            parameters = {
                parameter.name: describe(name, estimator, parameter, sentences)
                for parameter in inspect.signature(estimator).parameters.values()
            }
            estimators[name] = {
                "task": task,
                "module": estimator.__module__.rsplit("._", 1)[0],
                "onnx": name in convertible,
                "needs_estimator": any("default" not in p and "default_text" not in p for p in parameters.values()),
                "parameters": parameters,
            }
    return {"sklearn": sklearn.__version__, "shared": shared(), "estimators": dict(sorted(estimators.items()))}


def shared() -> dict[str, Any]:
    """What every estimator takes besides its own parameters."""
    names = ", ".join(json.dumps(name) for name in transformers()["transformers"])
    description = (
        "Transformers between the encoder and the estimator, in order: names, or maps of one name to its parameters "
        "({ PCA: { n_components: 5 } }); fitted to the rows."
    )
    return {
        "transform": {"type": f"list[enum({names}) | map[any]] | none", "default": None, "description": description}
    }


FAMILIES = ("decomposition", "feature_selection", "kernel_approximation", "preprocessing", "random_projection")
"""Modules of scikit-learn whose transformers take a matrix of numbers."""
LEFT_OUT = ("FunctionTransformer", "OrdinalEncoder", "TargetEncoder")
"""What does nothing without a function, and what is for columns that the encoder has encoded already."""


def transformers() -> dict[str, Any]:
    """Transformers that make a matrix of numbers from one, with the types of their parameters; each was tried."""
    convertible = {estimator.__name__ for estimator in sklearn_operator_name_map}
    found = {}
    for name, transformer in all_estimators("transformer"):
        module = transformer.__module__.rsplit("._", 1)[0]
        if module.removeprefix("sklearn.") not in FAMILIES or name in LEFT_OUT or not tried(transformer):
            continue
        parameters = {}
        for parameter in inspect.signature(transformer).parameters:
            members, objects = canonical(transformer._parameter_constraints[parameter])
            if not (objects and not set(members) - {"none"}):
                parameters[parameter] = " | ".join(members)
        found[name] = {"module": module, "onnx": name in convertible, "parameters": parameters}
    return {"sklearn": sklearn.__version__, "transformers": found}


def tried(transformer: type) -> bool:
    """Whether it gives as many rows of numbers as it gets, without being told more, and skops holds it."""
    import skops.io
    from common.trusted import TRUSTED

    draw = np.random.default_rng(0)
    rows = draw.random((40, 6))
    try:
        made = transformer()
        given = made.fit(rows, np.arange(40) % 2).transform(rows)
        return (
            isinstance(given, np.ndarray)
            and given.ndim == 2
            and len(given) == 40
            and np.issubdtype(given.dtype, np.number)
            and set(skops.io.get_untrusted_types(data=skops.io.dumps(made))) <= set(TRUSTED)
        )
    except Exception:  # it needs something that a program cannot give
        return False


def describe(name: str, estimator: type, parameter: inspect.Parameter, sentences: dict[str, str]) -> dict[str, Any]:
    """One parameter: type, default, sentence, and `deprecated` or `object` where they hold."""
    allowed = estimator._parameter_constraints[parameter.name]  # type: ignore[attr-defined]
    members, objects = canonical(allowed)
    only_objects = objects and not set(members) - {"none"}
    entry: dict[str, Any] = {"type": "any" if only_objects else " | ".join(members)}
    if parameter.default is not inspect.Parameter.empty:
        entry |= default(parameter.default)
    entry["description"] = sentences.get(f"{name}.{parameter.name}") or sentences[parameter.name]
    since = deprecated(estimator, parameter)
    if since:
        entry["deprecated"] = since
    if only_objects:
        entry["object"] = True
    return entry


def canonical(allowed: Any) -> tuple[list[str], bool]:
    """Members of the union in mlp's spelling, `none` last, and whether objects were left out of it."""
    if allowed == "no_validation":
        return [], True
    members: list[str] = []
    objects = False
    for constraint in allowed:
        text = member(constraint)
        if text is None:
            objects = objects or not isinstance(constraint, constraints.Hidden | constraints.Options)
        members += [piece for piece in (text or "").split(" | ") if piece and piece not in members]
        if constraint in ("random_state", "cv_object") and "none" not in members:
            members.append("none")
    return sorted(members, key=lambda piece: piece == "none"), objects


def member(constraint: Any) -> str | None:
    """One constraint in mlp's spelling; None for what only an object, or nothing that JSON has, would satisfy."""
    match constraint:
        case None:
            return "none"
        case constraints.Interval():
            return interval(constraint)
        case constraints.StrOptions():
            return "enum(" + ", ".join(json.dumps(x) for x in sorted(constraint.options - constraint.deprecated)) + ")"
        case "array-like":
            return "list[any]"
        case str():
            return WORDS.get(constraint)
        case type() if constraint in CLASSES:
            return CLASSES[constraint]
        case type() if constraint is Integral:
            return "int"
        case type() if constraint is Real:
            return "float"
    return None


def interval(constraint: Any) -> str:
    """`int(1..)`, `float(>0..<1)`; an open end of integers becomes the closed one next to it."""
    whole = constraint.type is Integral
    low, high = constraint.left, constraint.right
    low = None if low is None or math.isinf(low) else low
    high = None if high is None or math.isinf(high) else high
    open_low, open_high = constraint.closed in ("right", "neither"), constraint.closed in ("left", "neither")
    if whole:
        low = None if low is None else int(low) + open_low
        high = None if high is None else int(high) - open_high
        open_low = open_high = False
    if low is None and high is None:
        return "int" if whole else "float"
    left = "" if low is None else (">" if open_low else "") + number(low)
    right = "" if high is None else ("<" if open_high else "") + number(high)
    return f"{'int' if whole else 'float'}({left}..{right})"


def number(x: float) -> str:
    """A bound without a needless fraction."""
    return str(int(x)) if float(x).is_integer() else repr(float(x))


def default(value: Any) -> dict[str, Any]:
    """`default` as JSON; `default_text` for what JSON cannot say (infinities, functions, markers of deprecation)."""
    if value in ("deprecated", "warn") and isinstance(value, str):
        return {"default_text": "unset"}
    if isinstance(value, float) and not math.isfinite(value):
        return {"default_text": "infinity" if value > 0 else "nan" if math.isnan(value) else "-infinity"}
    if callable(value):
        return {"default_text": getattr(value, "__name__", type(value).__name__)}
    return {"default": list(value) if isinstance(value, tuple) else value}


def deprecated(estimator: type, parameter: inspect.Parameter) -> str | None:
    """The version in which the whole parameter was deprecated, from the marker in its default or its documentation."""
    entry = re.search(rf"^    {parameter.name} ?:.*\n((?:        .*\n|\s*\n)*)", estimator.__doc__ or "", re.M)
    text = " ".join(entry[1].split()) if entry else ""
    notice = re.search(rf"\.\. ?deprecated:: ([\d.]+)\.? (?:The )?(?:parameter )?`{parameter.name}`(?! ?=)", text)
    if notice and release(notice[1]) <= release(sklearn.__version__):
        return notice[1]
    if parameter.default == "deprecated":
        found = re.search(r"\.\. ?deprecated:: ([\d.]+)", text)
        return found[1] if found else "unknown"
    return None


def release(version: str) -> tuple[int, ...]:
    """Major and minor, for comparing."""
    return tuple(int(piece) for piece in version.split(".")[:2])


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0]) if arguments else HERE
    (folder / "estimators.json").write_text(render(table(), "estimators"), encoding="utf-8", newline="\n")
    (folder / "transformers.json").write_text(render(transformers(), "transformers"), encoding="utf-8", newline="\n")


def render(document: dict[str, Any], key: str) -> str:
    """One parameter a line, so that an update of scikit-learn reads as a diff."""
    lines = ["{", f'  "sklearn": {json.dumps(document["sklearn"])},']
    if "shared" in document:
        lines.append(f'  "shared": {json.dumps(document["shared"])},')
    lines.append(f'  "{key}": {{')
    for i, (name, estimator) in enumerate(document[key].items()):
        head = ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in estimator.items() if k != "parameters")
        lines.append(f'    {json.dumps(name)}: {{{head}, "parameters": {{')
        items = [f"      {json.dumps(k)}: {json.dumps(v)}" for k, v in estimator["parameters"].items()]
        lines += [item + "," for item in items[:-1]] + items[-1:]
        lines.append("    }}" + ("," if i + 1 < len(document[key]) else ""))
    return "\n".join([*lines, "  }", "}", ""])


if __name__ == "__main__":
    main(sys.argv[1:])
