"""From a Spark job, in a pipeline or alone, to findings: what it runs on, its configuration, how it reads data."""

from mlp_lang.dsl.diagnostics import Severity
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Findings, Place
from mlp_lang.lowering.checker.interfaces import Interface, declared
from mlp_lang.lowering.checker.tables.common import ASSETS

_CORES = ("spark.driver.cores", "spark.driver.memory", "spark.executor.cores", "spark.executor.memory")
_DYNAMIC = ("spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors")


def check_spark(
    key: Place, fields: dict[str, Field], component: dict[str, Field], interface: Interface | None, findings: Findings
) -> None:
    """What azure-ai-ml and the service ask of a Spark job; `component` are the fields of its component, if known."""
    if "compute" in fields and "resources" in fields:
        message = "a spark job has `compute` or `resources`, not both"
        findings.report("MLP0814", message, fields["resources"].key)
    conf = declared(component, "conf") | declared(fields, "conf")
    if conf or "entry" in fields or "entry" in component:
        place = fields["conf"].key if "conf" in fields else component["conf"].key if "conf" in component else key
        _check_conf(conf, place, findings)
    for side in ("inputs", "outputs"):
        for name, field in declared(fields, side).items():
            ports = None if interface is None else interface.inputs if side == "inputs" else interface.outputs
            said = ports[name].place.fields().get("mode") if ports is not None and name in ports else None
            if said is None or said.value.text.lower() != "direct":
                _check_mode(field, side[:-1], findings)
    entry = declared(fields, "entry") or declared(component, "entry")
    if "class_name" in entry:
        message = "azure-ai-ml submits no `class_name`, but a `file`"
        findings.report("MLP0814", message, entry["class_name"].key, severity=Severity.WARNING)


def _check_conf(conf: dict[str, Field], place: Place, findings: Findings) -> None:
    enabled = conf.get("spark.dynamicAllocation.enabled")
    dynamic = enabled is not None and enabled.value.text.lower() == "true"
    wanted = (*_CORES, *_DYNAMIC) if dynamic else (*_CORES, "spark.executor.instances")
    missing = [name for name in wanted if name not in conf]
    if missing:
        findings.report("MLP0813", f"conf has no {', '.join(f'`{name}`' for name in missing)}", place)
    for name in _DYNAMIC if not dynamic else ():
        if name in conf:
            message = f"`{name}` means nothing without `spark.dynamicAllocation.enabled: true`"
            findings.report("MLP0814", message, conf[name].key)


def _check_mode(field: Field, side: str, findings: Findings) -> None:
    inner = field.value.fields()
    bound = "path" in inner and EXPRESSION.search(inner["path"].value.text) is not None
    asset = "type" in inner and inner["type"].value.text.lower() in ASSETS
    mode = inner["mode"].value if "mode" in inner else None
    if asset and not bound and (mode is None or mode.text.lower() != "direct"):
        found = f"`{mode.text}`" if mode is not None else "none"
        message = f"a spark job reads and writes by mode `direct`: {side} `{field.key.text}` has {found}"
        findings.report("MLP0814", message, mode or field.key)
