"""From a definition in YAML to a program, to YAML again, and to what azure-ai-ml makes of both: shared by the tests of
definitions."""

import hashlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from mlp_lang.compiler import compile_file
from mlp_lang.decompiler import Decompiled, decompile
from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering import lower_all
from mlp_lang.lowering.files import collect

LOADERS = {
    "component": "component",
    "environment": "environment",
    "data": "data",
    "model": "model",
    "online": "online_endpoint",
    "kubernetes endpoint": "online_endpoint",
    "batch endpoint": "batch_endpoint",
    "managed": "online_deployment",
    "kubernetes": "online_deployment",
    "batch": "model_batch_deployment",
    "flat": "batch_deployment",
    "pipeline": "pipeline_component_batch_deployment",
    "schedule": "schedule",
}
WRITTEN = {
    "component": "components/*/component.yml",
    "environment": "environments/*/environment.yml",
    "data": "assets/*.yml",
    "model": "assets/*.yml",
    "online": "endpoints/*.yml",
    "kubernetes endpoint": "endpoints/*.yml",
    "batch endpoint": "endpoints/*.yml",
    "schedule": "schedules/*.yml",
}
_DEPLOYMENTS = "deployments/*/*/deployment.yml"
_GIVEN = {"name": "given-name", "endpoint_name": "given-endpoint"}  # a command line may say them instead
_PATHS = ("path", "code", "conda_file", "component", "local_path", "codeId", "contextUri", "additional_includes")
_HASHES = ("$schema", "client_component_hash", "file")


class Round(NamedTuple):
    """`errors` are codes and messages of a program that does not compile; `written` is the YAML of one that does."""

    made: Decompiled
    program: str
    errors: list[tuple[str, str]]
    written: Path | None


def go_round(path: Path, folder: Path) -> Round:
    """The program for a YAML file, written into ``folder``, and what it is compiled to."""
    target = folder / "program.mlp"
    made = decompile(str(path), str(target))
    assert made.text is not None, [d.message for d in made.diagnostics]
    target.write_text(made.text, "utf-8")
    compiled = compile_file(target)
    builds = lower_all(compiled, str(target))
    found = [*compiled.diagnostics, *(d for build in builds for d in build.diagnostics)]
    errors = [(d.code, d.message) for d in found if d.severity is Severity.ERROR]
    if errors:
        return Round(made, made.text, errors, None)
    build = builds[-1].write(folder / "build")
    names = sorted(build.glob(WRITTEN.get(made.definitions[0][1], _DEPLOYMENTS)))
    component = compiled.definitions[0].component
    if component is not None and len(names) > 1:  # with the components of its jobs
        names = [n for n in names if yaml.safe_load(n.read_text("utf-8")).get("name") == component.azure_name]
    return Round(made, made.text, [], names[0])


def load(kind: str, path: Path) -> Any:
    """What azure-ai-ml makes of a definition. Raises whatever it raises."""
    with quiet():
        from azure.ai.ml.entities import DataImport, _load_functions

        document = yaml.safe_load(path.read_text("utf-8"))
        if kind == "data" and "source" in document:
            return DataImport._load(document, yaml_path=path)
        given: list[dict[str, Any]] = []
        if kind not in WRITTEN:
            given = [{k: v} for k, v in _GIVEN.items() if k not in document]
            given += [{"compute": "given"}] if kind == "batch" and "compute" not in document else []
        return getattr(_load_functions, f"load_{LOADERS[kind]}")(path, params_override=given)


def as_data(entity: Any, base: Path) -> Any:
    """An entity as plain data, with the digest of what lies at each local path in place of the path."""
    with quiet():
        return _located(entity._to_dict(), str(base), "")


def as_request(entity: Any, base: Path) -> Any:
    """What would be sent to Azure ML, where that can be said offline; else None."""
    with quiet():
        try:
            made = entity._to_rest_object()
            return _located(made.as_dict(), str(base), "") if hasattr(made, "as_dict") else None
        except Exception:  # asks for a workspace, or for a location
            return None


@contextmanager
def quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    preview = os.environ.get("AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED")
    os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = "true"
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        if preview is None:
            del os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"]
        else:
            os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = preview


def _located(value: Any, base: str, key: str) -> Any:
    if isinstance(value, dict):
        return {k: _located(v, base, k) for k, v in value.items() if k not in _HASHES}
    if isinstance(value, list | tuple):
        return [_located(v, base, key) for v in value]
    if (
        not isinstance(value, str)
        or "${{" in value
        or "://" in value
        or value.startswith("azureml:")
        or value in ("", "/")
    ):
        return value
    local = value.removeprefix("file:")
    if key in _PATHS or local.startswith(("/", "./", "../")):
        return _digest(Path(os.path.normpath(f"{base}/{local}" if local[0] != "/" else local)))
    return value


def _digest(path: Path) -> str:
    if path.is_dir():
        contents = [(name, Path(file).read_bytes()) for name, file in sorted(collect(str(path)).items())]
        return f"folder {hashlib.sha256(repr(contents).encode()).hexdigest()}"
    if path.is_file():
        return f"file {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return str(path) if path.parent == Path("/") else f"missing {path}"
