"""From a job that runs alone to findings: command, sweep, spark, AutoML, import."""

import os

from mlp_lang.lowering.checker.components import check_work
from mlp_lang.lowering.checker.document import Findings, Place
from mlp_lang.lowering.checker.fields import Table, Variants, check_fields
from mlp_lang.lowering.checker.files import check_code, check_path
from mlp_lang.lowering.checker.interfaces import check_command, declared, own_interface
from mlp_lang.lowering.checker.pipelines import check_inputs, check_outputs
from mlp_lang.lowering.checker.searching import check_early_termination, check_sweep
from mlp_lang.lowering.checker.spark import check_spark
from mlp_lang.lowering.checker.tables.automl import AUTOML
from mlp_lang.lowering.checker.tables.nodes import COMMAND_JOB, IMPORT_JOB, SPARK_JOB, SWEEP_JOB, TRIAL

_TABLES: dict[str, "Table | Variants"] = {
    "command": COMMAND_JOB,
    "sweep": SWEEP_JOB,
    "spark": SPARK_JOB,
    "automl": AUTOML,
    "import": IMPORT_JOB,
}


def check_job(root: Place, kind: str, findings: Findings) -> None:
    """Everything about a job that is submitted by itself."""
    check_fields(root, _TABLES[kind], findings)
    fields = root.fields()
    folder = os.path.dirname(root.path)
    check_inputs(declared(fields, "inputs"), folder, findings)
    check_outputs(declared(fields, "outputs"), findings)
    if kind in ("command", "spark"):
        check_work(root, kind, own_interface(fields), findings)
        if kind == "spark":
            check_spark(root, fields, {}, None, findings)
            if "compute" not in fields and "resources" not in fields:
                findings.report("MLP0828", "spark job has neither `compute` nor `resources`", root)
    elif kind == "sweep":
        check_sweep(fields, None, findings)
        if "trial" in fields:
            _check_trial(root, fields["trial"].value, findings)
    elif kind == "automl":
        _check_automl(root, findings)


def _check_trial(root: Place, trial: Place, findings: Findings) -> None:
    if trial.is_scalar:
        check_path(trial, os.path.dirname(root.path), findings)
        return
    check_fields(trial, TRIAL, findings)
    check_code(trial, findings)
    fields = root.fields()
    command = trial.fields().get("command")
    if command is not None:
        searched = declared(fields, "search_space")
        check_command(command.value, own_interface(fields), findings, searched)


def _check_automl(root: Place, findings: Findings) -> None:
    fields = root.fields()
    for name in ("training_data", "validation_data", "test_data"):
        inner = declared(fields, name)
        if "path" in inner:
            check_path(inner["path"].value, os.path.dirname(root.path), findings, findings.missing_data)
    sweep = declared(fields, "sweep")
    if "early_termination" in sweep:
        check_early_termination(sweep["early_termination"].value, findings)
