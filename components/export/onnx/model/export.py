"""From a scikit-learn model to the same model in ONNX, and proof on rows that both give the same answers."""

import argparse
import logging
from pathlib import Path
from typing import Any

import parity
from common import encoding, entry, files, models, onnx_graph, rows, tables, tracking
from common import facts as facts_of
from common.entry import Refusal
from parity import Parity

REQUIREMENTS = ("mlflow", "numpy", "onnx", "onnxruntime", "pandas")


def main(options: argparse.Namespace) -> None:
    for name, value in (("tolerance", options.tolerance), ("agreement", options.agreement)):
        if not 0.0 <= value <= 1.0:
            raise Refusal(f"{name} must lie between 0 and 1, found {value}")
    facts = facts_of.load(options.facts)
    native = models.load(options.model)
    if native.framework != "sklearn":
        raise Refusal(f"the model is an {native.framework} model, a scikit-learn model is expected")
    table = tables.read(options.table, facts)
    rows.check(table, facts)
    wanted = list(native.card.features) or list(encoding.features(table, facts).columns)
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise Refusal(f"the model wants the column {absent[0]!r}, which the table lacks")
    converted = onnx_graph.convert(native.native, native.card.task, native.card.component or "model")

    def prove(folder: Path) -> None:
        folder.rmdir()
        save(converted, options.model, folder, native.card)
        found = parity.compare(native, models.load(folder), table[wanted], options.tolerance, options.agreement)
        files.write_json(options.parity, document(found, native.card))
        print(told(found))
        with tracking.run() as log:
            log.metrics({k: v for k, v in found._asdict().items() if v is not None})
            log.file(options.parity)
        if not found.passed:
            raise Refusal(f"the exported model is not the model: {told(found)}; allow more, or keep the native model")

    files.write_folder(options.output_model, prove)
    with tracking.run() as log:
        log.folder(options.output_model, "model")


def save(converted: Any, source: Path, folder: Path, card: models.Card) -> None:
    """Write an MLflow model with MLflow's own ONNX flavour. Signature and example are those of the model it came from:
    nothing in the folder is taken from rows."""
    import mlflow.onnx
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        given = Model.load(str(source))
        example = given.load_input_example(str(source)) if given.saved_input_example_info else None
        mlflow.onnx.save_model(
            converted,
            str(folder),
            signature=given.signature,
            input_example=example,
            pip_requirements=models.requirements(REQUIREMENTS),
            metadata=card.to_metadata(),
            save_as_external_data=False,
        )
    except MlflowException as error:
        raise Refusal(f"MLflow cannot save the model: {error.message}") from None


def document(found: Parity, card: models.Card) -> dict[str, Any]:
    """The content of parity.json."""
    return found._asdict() | {"passed": found.passed, "of": card.component or card.task, "opset": dict(opsets())}


def opsets() -> list[tuple[str, int]]:
    """Operator sets that the exported model asks of a runtime."""
    return [(domain or "ai.onnx", version) for domain, version in onnx_graph.OPSET.items()]


def told(found: Parity) -> str:
    """One line for people."""
    pieces = []
    if found.max_abs_difference is not None:
        allowed = found.tolerance * found.scale
        pieces.append(f"largest difference {found.max_abs_difference:.3g} (allowed {allowed:.3g})")
    if found.label_agreement is not None:
        pieces.append(f"labels agree on {found.label_agreement:.2%} (at least {found.agreement:.2%})")
    return f"{', '.join(pieces)} of {found.rows} rows"


if __name__ == "__main__":
    arguments = entry.parser("Export a scikit-learn model to ONNX.")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--facts", type=Path)
    arguments.add_argument("--tolerance", type=float, default=1e-4)
    arguments.add_argument("--agreement", type=float, default=0.999)
    arguments.add_argument("--output-model", type=Path, required=True)
    arguments.add_argument("--parity", type=Path, required=True)
    entry.run(main, arguments)
