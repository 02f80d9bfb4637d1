"""What an AutoML stage says beside its inputs: from its blocks and its `search_space` to the fields of Azure ML's job.

The tables of components/train/automl say which blocks a task has, and their fields, under Azure ML's own names.
"""

from typing import TYPE_CHECKING, Any

from mlp_lang.compiler import catalog, search, settings, spaces
from mlp_lang.compiler.checks import report_misfit, unknown_word, value_fits
from mlp_lang.compiler.fit import Misfit
from mlp_lang.compiler.graph import Component, OutputSetting
from mlp_lang.compiler.instances import Instance
from mlp_lang.compiler.interface import Interface, add_output, component_of
from mlp_lang.compiler.symbols import Scope
from mlp_lang.compiler.typenames import type_of
from mlp_lang.compiler.types import INT, PORTS
from mlp_lang.compiler.unroll import forgive
from mlp_lang.compiler.values import AssetValue, Bad, Constant, SearchSpace
from mlp_lang.dsl import syntax

if TYPE_CHECKING:
    from mlp_lang.compiler.stages import Context

SPACE = "search_space"
SEARCH = "search"


def task_of(face: Interface) -> str:
    """`classification` of `automl.classification`."""
    return face.name.partition(".")[2]


def words(instance: Instance) -> list[str]:
    """The blocks that a stage has because it is AutoML."""
    if instance.kind != "automl" or instance.interface is None:
        return []
    return [word for word, spec in _spec(instance)["blocks"].items() if not spec.get("many")]


def _spec(instance: Instance) -> dict[str, Any]:
    assert instance.interface is not None
    spec: dict[str, Any] = catalog.tasks()[task_of(instance.interface)]
    return spec


def block(context: "Context", instance: Instance, item: syntax.Block) -> bool:
    """Read a block that AutoML alone has; False if it is one that other stages have too."""
    spec = _spec(instance)
    word = item.name.text
    if word == SEARCH and not spec["searches"]:
        forgive(context.report, item.items)
        message = f"`{instance.spec.name.text}` searches by itself: a table's task has no `search`"
        help = "say how long in `limits`, and among what in `training`"
        context.report.error("MLP0315", message, item.name.span, help=help)
        return True
    if word == "inputs":
        message = "azure-ai-ml makes a text of a table whose mode is said, and of what else is said of it"
        context.report.warning("MLP0343", message, item.name.span, help="say it of the `data`")
        return False
    if word == SEARCH:
        search.read_block(context, instance, item)
        return True
    described = spec["blocks"].get(word)
    if described is None or described.get("many"):
        return False
    instance.definition[word] = _block(context, instance.scope, item, described["fields"])
    return True


def _block(context: "Context", scope: Scope, item: syntax.Block, fields: dict[str, Any]) -> dict[str, Any]:
    """A mapping of Azure ML's: its fields against the table, mappings inside it likewise."""
    nested = tuple(word for word, field in fields.items() if "fields" in field)
    vocabulary: settings.Vocabulary = {w: type_of(f["type"]) for w, f in fields.items() if "type" in f}
    given = settings.read(
        context.evaluator, item.items, scope, vocabulary, f"`{item.name.text}`", nested, bindable=True
    )
    found: dict[str, Any] = {}
    for word, setting in given.items():
        value = setting.value
        if isinstance(value, settings.Bound):
            value = value.text
        _keys(context, fields[word], value, setting)
        found[word] = value
    for inner in item.items:
        if isinstance(inner, syntax.Block) and inner.name.text in nested:
            found[inner.name.text] = _block(context, scope, inner, fields[inner.name.text]["fields"])
    return found


def _keys(context: "Context", field: dict[str, Any], value: Any, setting: settings.Setting) -> None:
    known: list[str] = field.get("keys", [])
    for key in value if known and isinstance(value, dict) else ():
        if key not in known:
            unknown_word(context.report, "MLP0206", "key", syntax.Name(key, setting.span), known)


def own_outputs(instance: Instance, face: Interface) -> Interface:
    """The interface of one stage: with the outputs whose type its block `outputs` says."""
    named = {
        port.name.text: setting.value.name
        for block in instance.spec.items or ()
        if isinstance(block, syntax.Block) and block.name.text == "outputs"
        for port in block.items
        if isinstance(port, syntax.Block) and port.name.text not in face.outputs
        for setting in port.items
        if isinstance(setting, syntax.Setting) and setting.name.text == "type"
        if isinstance(setting.value, syntax.Reference) and setting.value.name in PORTS
    }
    if not named:
        return face
    own = Interface(face.name, face.origin, face.folder, face.source)
    for slot in Interface.__slots__:
        setattr(own, slot, getattr(face, slot))
    own.outputs, own.component = dict(face.outputs), None
    for name, word in named.items():
        add_output(own, name, PORTS[word], PORTS[word].azure, {}, tuple(face.inputs))
    return own


# --- search_space -----------------------------------------------------------------------------------------------------


def take(context: "Context", instance: Instance, given: dict[str, syntax.Setting]) -> None:
    """Read `search_space = [ … ]` and take it from what is given: its values are no constants."""
    for name in catalog.AUTOML_TABLES:
        if name in given:
            _table(context, instance, given[name], f"`{name}`")
    described = _spec(instance)["blocks"].get(SPACE)
    setting = given.pop(SPACE, None) if described is not None else None
    if setting is None:
        return
    parts = setting.value.items if isinstance(setting.value, syntax.ListExpr) else (setting.value,)
    found = []
    for part in parts:
        if not isinstance(part, syntax.MapExpr):
            message = "`search_space` is a list of maps, one for each family of models"
            help = "search_space = [{ learning_rate: uniform(0.001, 0.01) }]"
            context.report.error("MLP0204", message, part.span, help=help)
            continue
        found.append(_alternative(context, instance.scope, part, described["fields"]))
    instance.definition[SPACE] = found


def _table(context: "Context", instance: Instance, setting: syntax.Setting, what: str) -> None:
    """A table comes from the pipeline or from a stage: azure-ai-ml makes a text of one that is given in place."""
    value = context.evaluator.evaluate(setting.value, instance.scope)
    if isinstance(value, AssetValue):
        message = f"azure-ai-ml makes a text of {what} that is given in place"
        help = f"declare `data rows: mltable = …` and write `{setting.name.text} = rows`"
        context.report.warning("MLP0343", message, setting.value.span, help=help)
    instance.evaluated[setting.name.text] = value


def _alternative(context: "Context", scope: Scope, part: syntax.MapExpr, fields: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for entry in part.entries:
        if isinstance(entry.key, syntax.Name):
            name = entry.key
        else:
            key = context.evaluator.constant(entry.key, scope, "a key")
            if key is None:
                continue
            name = syntax.Name(str(key.value), entry.key.span)
        field = fields.get(name.text)
        if field is None:
            unknown_word(context.report, "MLP0208", f"parameter of `{SPACE}`", name, list(fields))
            continue
        if name.text in made:
            context.report.error("MLP0202", f"the key `{name.text}` stands twice in this map", name.span)
            continue
        value = _tried(context, scope, entry.value, field, f"`{name.text}`")
        if value is not None:
            made[name.text] = value
    return made


def _tried(context: "Context", scope: Scope, expr: syntax.Expr, field: dict[str, Any], what: str) -> Any:
    """A constant, a space that Azure ML takes for this parameter, or what a run says; None once reported."""
    report = context.report
    value = context.evaluator.evaluate(expr, scope)
    target = type_of(field["type"])
    if isinstance(value, Constant):
        return value.value if value_fits(report, value, target, expr.span, what) else None
    if isinstance(value, SearchSpace):
        row = spaces.SPACES[value.function]
        if row.type not in field.get("spaces", ()):
            known = ", ".join(f"`{r.word}`" for r in spaces.SPACES.values() if r.type in field["spaces"])
            message = f"{what} takes no `{value.function}`"
            report.error("MLP0342", message, expr.span, help=f"it takes {known}")
            return None
        good = True
        for stray in spaces.strays(value, target):
            good = report_misfit(report, stray.misfit, stray.span, what) and good
        ends = [v for k, v in value.document.items() if k not in ("type", "values")]
        if good and target == INT and not all(isinstance(end, int) for end in ends):
            good = report_misfit(report, Misfit("MLP0204", "a space with fractions", "`int`"), expr.span, what)
        return dict(value.document) if good else None
    text = settings.run_time_text(value)
    if text is None and not isinstance(value, Bad):
        context.evaluator.not_constant(value, expr.span, what)
    return text


# --- the Graph --------------------------------------------------------------------------------------------------------


def component(instance: Instance, face: Interface) -> Component:
    """The component of one stage: AutoML's job is its own definition, and has no code."""
    base = component_of(face, complete=False)
    inputs = tuple(p for p in base.inputs if p.name in instance.bindings)
    extra: dict[str, Any] = {"task": task_of(face), **instance.definition}
    return base._replace(inputs=inputs, extra=extra, in_place=True, command="", code=None)


def say_output(instance: Instance) -> None:
    """Azure ML knows the type of AutoML's output only where its job says so, and needs it where a stage takes it."""
    face = instance.interface
    assert face is not None
    for port in face.outputs.values():
        setting = instance.outputs.get(port.name)
        if setting is None and instance.needed:
            instance.outputs[port.name] = OutputSetting(port.name, type=port.port.azure_type)
        elif setting is not None and setting.type is None and (setting.name or setting.mode or setting.path):
            instance.outputs[port.name] = setting._replace(type=port.port.azure_type)
