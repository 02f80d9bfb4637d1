"""From a step's script to the modules that it will import, and to what in it speaks against a start by fork.

Nothing is run: the script and the modules beside it are parsed. Imports inside functions count, too, since most steps
come to them; names of modules that are put together while running are not seen, and are imported by the step.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

OWN_START = frozenset(["azure", "grpc", "jax", "mlp_lang", "onnxruntime", "ray", "tensorflow"])
"""Packages that no process may be forked after importing: they start threads (or hold files open) on import."""
FRAMEWORKS = frozenset(["keras", "lightgbm", "torch", "torchvision", "transformers", "xgboost"])
"""Packages so large that only steps which use them share a process that has them."""
AT_FIRST_USE = {
    "mlflow": (
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        "mlflow.store.tracking.sqlalchemy_store",
        "alembic.command",
        "sqlalchemy.dialects.sqlite",
        "git",
    )
}
"""What a package imports when a step first logs to a local store."""
_NAMES = (
    "DO_NOT_TRACK HOME LANG LANGUAGE MATPLOTLIBRC MPLBACKEND MPLCONFIGDIR TZ MLFLOW_CONFIGURE_LOGGING "
    "MLFLOW_DISABLE_AGENT_HINT MLFLOW_DISABLE_TELEMETRY MLFLOW_LOGGING_CONFIGURE_LOGGING MLFLOW_LOGGING_LEVEL"
)
_PREFIXES = (
    "ACCELERATE ARROW BLIS CUBLAS CUDA CUDNN DATABRICKS GLIBC GOMP GOTO HF HIP JAX JOBLIB KERAS KMP LC LD LOKY MALLOC "
    "MKL NCCL NPY NUMEXPR NUMPY NVIDIA NVPL OMP ONNX OPENBLAS OPENDP ORT OTEL PANDAS PIL PILLOW PROTOCOL_BUFFERS "
    "PSUTIL PYDANTIC PYTORCH RAY RUST SCIPY SKLEARN SSL TF TORCH TORCHINDUCTOR TRANSFORMERS VECLIB WRAPT XDG XLA"
)
READ_AT_IMPORT = re.compile(
    rf"(?:{'|'.join(_NAMES.split())}|PYTHON[A-Z0-9_]*|(?:{'|'.join(_PREFIXES.split())})_[A-Z0-9_]*)\Z"
)
"""Environment variables that Python and the libraries read when they start or are imported, and not again."""


class Imports(NamedTuple):
    """What a script imports that is not beside it: modules, `a.b:c` for what `from a.b import c` names.

    `against` says why the script must start afresh, or is empty.
    """

    modules: tuple[str, ...]
    against: str

    def roots(self) -> set[str]:
        """The packages among them."""
        return {name.partition(":")[0].partition(".")[0] for name in self.modules}

    @property
    def frameworks(self) -> frozenset[str]:
        return FRAMEWORKS & self.roots()


class _Parsed(NamedTuple):
    imported: tuple[tuple[str, int, tuple[str, ...]], ...]  # module, level, names
    sets: str


class Reader:
    """Reads scripts; what several share is parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[str, _Parsed | None] = {}

    def read(self, script: str, files: Mapping[str, str]) -> Imports:
        """The imports of `script` and of what it imports beside it; `files` is relative path -> file, and has them."""
        base = os.path.dirname(script)
        found: dict[str, None] = {}
        seen = {script}
        pending = [script]
        while pending:
            name = pending.pop(0)
            parsed = self._parse(files[name])
            if parsed is None:
                return Imports((), f"`{name}` cannot be parsed")
            if parsed.sets:
                return Imports((), f"`{name}` names the variable {parsed.sets}, which libraries read on import")
            for module, level, names in parsed.imported:
                local = list(_beside(module, level, names, os.path.dirname(name) if level else base, files))
                pending += [file for file in local if file not in seen]
                seen.update(local)
                root = module.partition(".")[0]
                if not local and not level and root not in sys.stdlib_module_names and root not in OWN_START:
                    found.update(dict.fromkeys([module, *(f"{module}:{n}" for n in names if n != "*")]))
        return Imports(tuple(found), "")

    def _parse(self, file: str) -> _Parsed | None:
        if file not in self._parsed:
            try:
                with open(file, "rb") as stream:
                    tree = ast.parse(stream.read())
            except (OSError, SyntaxError, ValueError, RecursionError):
                self._parsed[file] = None
            else:
                self._parsed[file] = _read(tree)
        return self._parsed[file]


def _read(tree: ast.Module) -> _Parsed:
    imported: list[tuple[str, int, tuple[str, ...]]] = []
    sets = ""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop(0)
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                pending += node.orelse
                continue
            case ast.Import():
                imported += [(alias.name, 0, ()) for alias in node.names]
            case ast.ImportFrom():
                imported.append((node.module or "", node.level, tuple(alias.name for alias in node.names)))
            case ast.Constant(value=str(text)) if READ_AT_IMPORT.match(text):
                sets = text
        pending += ast.iter_child_nodes(node)
    return _Parsed(tuple(imported), sets)


def _beside(module: str, level: int, names: tuple[str, ...], folder: str, files: Mapping[str, str]) -> Iterator[str]:
    """The files among `files` that an import runs: each package on the way, the module, and modules among the names."""
    for _ in range(level - 1):
        folder = os.path.dirname(folder)
    parts = module.split(".") if module else []
    for end in range(len(parts) + 1):
        path = "/".join(filter(None, [folder, *parts[:end]]))
        yield from (f for f in (f"{path}.py", f"{path}/__init__.py") if (end or level) and f in files)
    for name in names:
        path = "/".join(filter(None, [folder, *parts, name]))
        yield from (f for f in (f"{path}.py", f"{path}/__init__.py") if (parts or level) and f in files)
