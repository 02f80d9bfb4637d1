"""From a `when`, `repeat` or `for each` and the stages in it to the Control of its node, or to what Azure ML cannot do.

Azure ML has no operators and no scopes here: a condition is a value that is there, and the body of a loop is one job.
"""

from typing import TYPE_CHECKING

from mlp_lang.compiler.fit import mismatch
from mlp_lang.compiler.graph import Component, Control, Environment, FromInput, FromNode, Literal, OutputPort
from mlp_lang.compiler.instances import Instance, ItemKey, Plan
from mlp_lang.compiler.interface import Interface, Output
from mlp_lang.compiler.items import check_items, keys_of, read_items
from mlp_lang.compiler.report import Report
from mlp_lang.compiler.symbols import Kind, Scope
from mlp_lang.compiler.types import BOOL, PORTS, STRING, UNKNOWN, Port, Scalar, Type, canonical
from mlp_lang.compiler.values import BAD, Bad, Constant, Evaluated, InputRef, PortRef
from mlp_lang.dsl import syntax
from mlp_lang.dsl.diagnostics import Related
from mlp_lang.dsl.source import Span

if TYPE_CHECKING:
    from mlp_lang.compiler.stages import Context

MOST_ROUNDS = Scalar("int", 1, 1000)
_KINDS = {"when": "if_else", "repeat": "do_while", "for": "parallel_for"}
_WORDS = {"when": "when", "repeat": "repeat", "for": "for each"}
_BODIES = ("command", "pipeline")
"""Kinds of job that Azure ML repeats."""
_RUN_TIME = frozenset({Kind.PARAM, Kind.DATA, Kind.STAGE, Kind.DERIVE, Kind.CARRY, Kind.ITEM})


def prepare(context: "Context", instances: list[Instance], *, preview: bool) -> None:
    """Before stages are compiled: which stage is the body of which loop, and what each construct may be called by."""
    steerings = [(i, i.plan) for i in instances if i.plan is not None]
    for steering, plan in steerings:
        word = _WORDS[steering.spec.verb.text]
        if not preview:
            message = f"`{word}` needs azure-ai-ml's preview features"
            context.report.error("MLP0310", message, plan.where, help="write `preview = true` in the pipeline")
        if isinstance(plan.item, syntax.Conditional):
            _sides(context.report, steering, plan)
        else:
            _body(context.report, steering, plan, word)
    for steering, plan in steerings:
        for member in (*plan.members, *plan.otherwise):
            if isinstance(plan.item, syntax.Conditional):
                member.waits.append(steering)
                if member.plan is not None and not isinstance(member.plan.item, syntax.Conditional):
                    for body in member.plan.members:
                        body.waits.append(steering)
        steering.interface = _interface(steering, plan)


def _sides(report: Report, steering: Instance, plan: Plan) -> None:
    if not plan.members and not plan.otherwise:
        report.error("MLP0326", "this `when` has no stages", plan.where, help="remove it, or put a stage in")


def _body(report: Report, steering: Instance, plan: Plan, word: str) -> None:
    _gather(plan, steering, plan)
    plan.outlined = len(plan.inside) != 1
    loops = [i for i in plan.inside if i.plan is not None and not isinstance(i.plan.item, syntax.Conditional)]
    if plan.stages and not loops:
        return
    plan.broken = True
    found = f"a `{_WORDS[loops[0].spec.verb.text]}`" if loops else "nothing"
    help = (
        "put what belongs together into a pipeline of its own, and use that as a stage" if loops else "put a stage in"
    )
    report.error("MLP0326", f"a `{word}` repeats stages, found {found}", plan.where, help=help)


def _gather(loop: Plan, steering: Instance, plan: Plan) -> None:
    """Everything in a loop, also in the choices that it holds."""
    for member in (*plan.members, *plan.otherwise):
        member.body_of = steering
        loop.inside.append(member)
        if member.plan is None:
            loop.stages.append(member)
        else:
            _gather(loop, steering, member.plan)


def body_name(steering: Instance) -> str:
    """What a loop repeats: its stage, or the pipeline that holds its stages."""
    plan = steering.plan
    assert plan is not None
    return f"{steering.name}_body" if plan.outlined else plan.members[0].name


def exports(plan: Plan) -> dict[tuple[str, str], str]:
    """The outputs of the pipeline that the stages of a loop become, by stage and port."""
    found: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for stage in plan.stages:
        for port in stage.interface.outputs if stage.interface is not None else ():
            name = f"{stage.name}_{port}"
            while name in taken:
                name += "_"
            taken.add(name)
            found[stage.name, port] = name
    return found


def _interface(steering: Instance, plan: Plan) -> Interface:
    verb = steering.spec.verb.text
    face = Interface(_WORDS[verb], "inline", plan.scope.folder, plan.scope.file(steering.spec.span))
    face.kind = _KINDS[verb]
    face.known = True
    return face


def gather(instances: list[Instance]) -> None:
    """Once the components of bodies are known: what a `for each` gives is a table of what its turns give."""
    for steering in instances:
        plan, face = steering.plan, steering.interface
        if plan is None or face is None or not isinstance(plan.item, syntax.For):
            continue
        if plan.broken or any(stage.interface is None for stage in plan.stages):
            steering.interface = None
            continue
        names = exports(plan)
        bodies = [(s, s.interface) for s in plan.stages if s.interface is not None]
        face.open = not plan.outlined and bodies[0][1].open
        for stage, port, output in [(s, p, o) for s, body in bodies for p, o in body.outputs.items()]:
            name = names[stage.name, port] if plan.outlined else port
            t: Type = PORTS["mltable"] if isinstance(output.type, Port) else STRING
            azure = t.azure if isinstance(t, Port) else "string"
            description = f"All that the turns give as `{name}`."
            face.outputs[name] = Output(name, t, OutputPort(name, canonical(t), azure, description), ())


def component(steering: Instance) -> Component:
    """The component of a node that runs nothing."""
    face = steering.interface
    assert face is not None
    return Component(
        name=face.name,
        azure_name=face.kind,
        version="1",
        display_name="",
        description="",
        origin="inline",
        kind=face.kind,
        folder=face.folder,
        source=face.source,
        inputs=(),
        outputs=tuple(o.port for o in face.outputs.values()),
        command="",
        code=None,
        includes=(),
        environment=Environment(),
        in_place=True,
    )


def awaited(report: Report, stage: Instance, span: Span) -> Instance | None:
    """What `after` waits for where it names a construct; None once it is reported that nothing stands for it."""
    plan = stage.plan
    if plan is None:
        return stage
    if isinstance(plan.item, syntax.Repeat) and plan.stages:
        return plan.stages[-1]
    face = stage.interface
    if isinstance(plan.item, syntax.For) and (face is None or face.outputs):
        return stage
    report.error(
        "MLP0332",
        f"`{span.text}` gives nothing that another stage could wait for",
        span,
        help="Azure ML orders steps by what flows: wait for a stage in it",
    )
    return None


# --- inputs of a body -------------------------------------------------------------------------------------------------


def from_loop(context: "Context", instance: Instance, name: str, setting: syntax.Setting) -> Evaluated | None:
    """What the loop around a stage gives to one of its inputs; None if the loop has nothing to do with it.

    A carried value comes to what it is in the first round. What an item gives is not bound (BAD): Azure ML hands it
    over by the input's name."""
    expr = _bare(setting.value)
    scope = instance.scope
    if isinstance(expr, syntax.Reference):
        symbol = scope.find(expr.name)
        if symbol is None or symbol.kind is not Kind.CARRY:
            return None
        symbol.used = True
        instance.carried[name] = symbol.name
        carry: syntax.Carry = symbol.node
        return context.evaluator.evaluate(carry.first, symbol.value)
    if not isinstance(expr, syntax.Attribute) or not isinstance(expr.value, syntax.Reference):
        return None
    symbol = scope.find(expr.value.name)
    if symbol is None or symbol.kind is not Kind.ITEM:
        return None
    symbol.used = True
    key = expr.name.text
    loop = instance.body_of
    plan = loop.plan if loop is not None else None
    if key != name and plan is not None and not plan.outlined:
        plan.broken = True  # or its items would lack a key, too
        context.report.error(
            "MLP0329",
            f"the entry `{key}` of an item can only be the input `{key}`",
            expr.span,
            "Azure ML hands entries over by name",
            help=f"call the entry `{name}` where the items are made: `{name} = {expr.value.name}.{name}`",
        )
    instance.item_keys[name] = ItemKey(key, expr.span)
    return BAD


def _bare(expr: syntax.Expr) -> syntax.Expr:
    while isinstance(expr, syntax.Group):
        expr = expr.value
    return expr


# --- after stages are compiled ----------------------------------------------------------------------------------------


def compile_controls(
    context: "Context", instances: list[Instance], loops: list[tuple[Instance, tuple[syntax.Item, ...]]]
) -> None:
    """Fill in the Control of each construct."""
    said = {id(steering): items for steering, items in loops}
    for steering in instances:
        plan = steering.plan
        if plan is None:
            continue
        items = said.get(id(steering), ())
        _beside(context, steering, items)
        if isinstance(plan.item, syntax.Conditional):
            _choice(context, steering, plan, plan.item)
        elif isinstance(plan.item, syntax.Repeat):
            _repetition(context, steering, plan, plan.item, items)
        else:
            _turns(context, steering, plan, plan.item, items)


def _beside(context: "Context", steering: Instance, items: tuple[syntax.Item, ...]) -> None:
    """What a construct says of its own job: `outputs` of a `for each`, and `azureml`."""
    from mlp_lang.compiler.blocks import stage_block

    for block in items:
        if isinstance(block, syntax.Block) and block.name.text in _BLOCKS:
            stage_block(context, steering, block)


def _choice(context: "Context", steering: Instance, plan: Plan, item: syntax.Conditional) -> None:
    found, negated = _condition(context, item.condition, plan.scope, steering)
    then, otherwise = tuple(m.name for m in plan.members), tuple(m.name for m in plan.otherwise)
    if found is not None:
        sides = (otherwise, then) if negated else (then, otherwise)
        steering.control = Control(condition=found, then=sides[0], otherwise=sides[1])


def _condition(
    context: "Context", expr: syntax.Expr, scope: Scope, steering: Instance
) -> tuple[Literal | FromInput | FromNode | None, bool]:
    """A condition without its `not`s, and whether there is an odd number of them; None once reported."""
    negated = False
    expr = _bare(expr)
    while isinstance(expr, syntax.Unary) and expr.operator == "not":
        expr = _bare(expr.operand)
        negated = not negated
    report, evaluator = context.report, context.evaluator
    if isinstance(expr, syntax.Binary | syntax.Unary) and _computes(context, expr, scope):
        return None, negated
    if _verdict(context, expr, scope):
        return None, negated
    value = evaluator.evaluate(expr, scope)
    t: Type = UNKNOWN
    if isinstance(value, Constant):
        t = Scalar(value.kind)
    elif isinstance(value, InputRef | PortRef):
        t = value.type
    elif not isinstance(value, Bad):
        evaluator.not_constant(value, expr.span, "a condition that is no output and no `param`")
    if isinstance(value, Bad) or not isinstance(value, Constant | InputRef | PortRef):
        return None, negated
    if mismatch(t, BOOL) is not None:
        report.error(
            "MLP0324",
            f"a condition is true or false, this is `{canonical(t)}`",
            expr.span,
            help="let a stage decide: give it `output passed: bool`",
        )
        return None, negated
    if isinstance(value, Constant):
        return Literal(value.value, expr.span), negated
    if isinstance(value, InputRef):
        return FromInput(value.symbol.name, expr.span), negated
    steering.sources["condition"] = ((value.instance, value.port),)
    return FromNode(value.instance.name, value.port, expr.span), negated


def _computes(context: "Context", expr: syntax.Binary | syntax.Unary, scope: Scope) -> bool:
    """Whether an operator would work on what is known only at run time; reports that."""
    symbols = [context.evaluator.lookup(r.name, r.span, scope) for r in _references(expr)]
    late = [s for s in symbols if s is not None and s.kind in _RUN_TIME]
    for symbol in late:
        if isinstance(symbol.value, Instance):
            symbol.value.needed = True
    if late:
        context.report.error(
            "MLP0323",
            f"Azure ML cannot compute `{expr.operator}` in a condition",
            expr.span,
            "a condition is an output, a `param` or a constant, or `not` before one",
            help="let a stage compute it, with an `output passed: bool`, and write `when <stage>.passed`",
        )
    return bool(late) or None in symbols


def _references(expr: object) -> list[syntax.Reference]:
    if isinstance(expr, syntax.Reference):
        return [expr]
    parts = expr if isinstance(expr, tuple) and not isinstance(expr, Span | syntax.Name) else ()
    return [reference for part in parts for reference in _references(part)]


def _verdict(context: "Context", expr: syntax.Expr, scope: Scope) -> bool:
    """`quality.passed` of a stage whose component judges, and does not hand the verdict on; reports that."""
    if not isinstance(expr, syntax.Attribute) or expr.name.text != "passed":
        return False
    chosen = context.evaluator.copies(expr.value, scope) if not isinstance(expr.value, syntax.Attribute) else None
    if not chosen or len(chosen) != 1:
        return False
    face = chosen[0].interface
    if face is None or not face.gates or face.open or "passed" in face.outputs:
        return False
    chosen[0].needed = True
    context.report.error(
        "MLP0333",
        f"`{face.name}` judges, and has no output that tells whether `{chosen[0].title}` passed",
        expr.span,
        "needs a boolean output `passed`",
        help="let a stage read its metrics and decide: give it `output passed: bool`",
    )
    return True


def _repetition(
    context: "Context", steering: Instance, plan: Plan, item: syntax.Repeat, carried: tuple[syntax.Item, ...]
) -> None:
    from mlp_lang.compiler.checks import value_fits

    limit = context.evaluator.constant(item.limit, plan.scope, "the limit of a `repeat`")
    good = limit is not None and value_fits(context.report, limit, MOST_ROUNDS, item.limit.span, "the number of rounds")
    condition: Literal | FromInput | FromNode | None = None
    if item.until is not None:
        condition, negated = _condition(context, item.until, plan.inner, steering)
        steering.sources.pop("condition", None)  # of its own body: no order between stages
        good = good and condition is not None
        if condition is not None and not plan.broken and not _goes_on(context, plan, item.until, condition, negated):
            good = False
    if plan.broken:
        for carry in carried:
            if isinstance(carry, syntax.Carry):
                context.evaluator.evaluate(carry.first, plan.scope)
                for reference in _references(carry.then):
                    context.evaluator.lookup(reference.name, reference.span, plan.inner)
        return
    steering.waits += plan.stages
    if not _repeatable(context.report, plan, "repeat"):
        return
    mapping: dict[str, tuple[str, ...]] = {}
    for carry in carried:
        if isinstance(carry, syntax.Carry):
            good = _carry(context, plan, carry, mapping) and good
    if good and limit is not None and isinstance(limit.value, int):
        body = body_name(steering)
        steering.control = Control(condition=condition, body=body, mapping=mapping, limit=limit.value)


def _goes_on(
    context: "Context", plan: Plan, expr: syntax.Expr, condition: Literal | FromInput | FromNode, negated: bool
) -> bool:
    stages = {stage.name: stage for stage in plan.stages}
    said = stages.get(condition.node) if isinstance(condition, FromNode) else None
    if said is None or not isinstance(condition, FromNode):
        context.report.error(
            "MLP0325",
            "a `repeat` ends by what a stage of its own says",
            expr.span,
            help=f"until not {plan.stages[-1].spec.name.text}.<output>",
        )
        return False
    if not negated:
        context.report.error(
            "MLP0325",
            f"Azure ML goes on while `{condition.port}` is true, and cannot turn it around",
            expr.span,
            "would end when it is true",
            help=f"let `{said.title}` say whether to go on, and write `until not {said.spec.name.text}.<output>`",
        )
    return negated


def _carry(context: "Context", plan: Plan, carry: syntax.Carry, mapping: dict[str, tuple[str, ...]]) -> bool:
    report = context.report
    name = carry.name.text
    users = [(stage, k) for stage in plan.stages for k, carried in stage.carried.items() if carried == name]
    if not users:
        context.evaluator.evaluate(carry.first, plan.scope)
    value = context.evaluator.evaluate(carry.then, plan.inner)
    if isinstance(value, Bad) or any(s.interface is None or _unread(s) for s in plan.stages):
        return False
    if not isinstance(value, PortRef) or value.instance not in plan.stages:
        last = plan.stages[-1].spec.name.text
        message = "what goes into the next round is an output of a stage in the loop"
        report.error("MLP0328", message, carry.then.span, help=f"then {last}.<output>")
        return False
    if not users:
        message = f"no stage of the loop takes `{name}`"
        report.error("MLP0328", message, carry.name.span, help=f"<input> = {name}")
        return False
    good = True
    for stage, key in users:
        problem = mismatch(value.type, stage.interface.inputs[key].type) if stage.interface is not None else None
        if problem is not None and problem.code != "MLP0207":
            from mlp_lang.compiler.checks import report_misfit

            shown = (Related(stage.spec.name.span, f"`{stage.title}` takes it as `{key}`"),)
            good = report_misfit(report, problem, carry.then.span, f"`{name}`", shown) and good
    port, inputs = value.port, tuple(key for _, key in users)
    if plan.outlined:
        port, inputs = exports(plan)[value.instance.name, value.port], (name,)
    mapping[port] = (*mapping.get(port, ()), *inputs)
    return good


def _unread(stage: Instance) -> bool:
    """Whether some of its text did not parse: nobody knows what that takes."""
    return any(isinstance(i, syntax.Invalid) for i in stage.spec.items or ())


def _repeatable(report: Report, plan: Plan, word: str) -> bool:
    if any(stage.interface is None for stage in plan.stages):
        return False
    body = plan.stages[0]
    if plan.outlined or body.kind in _BODIES:
        return True
    report.error(
        "MLP0327",
        f"Azure ML cannot repeat a `{body.kind}` job in a `{word}`",
        body.spec.name.span,
        "the body is a command or a pipeline",
        help="put it into a pipeline of its own, and use that as the stage",
    )
    return False


_TURNS = {"max_concurrency": Scalar("int", 1)}
_BLOCKS = ("outputs", "azureml")


def _turns(context: "Context", steering: Instance, plan: Plan, item: syntax.For, said: tuple[syntax.Item, ...]) -> None:
    from mlp_lang.compiler import settings

    given = settings.read(context.evaluator, said, plan.scope, dict(_TURNS), "a `for each`", _BLOCKS)
    items = read_items(context.evaluator, item.iterable, plan.scope)
    if isinstance(items, PortRef):
        steering.sources["items"] = ((items.instance, items.port),)
    if plan.broken:
        return
    sources = [source for source, _ in steering.sources.get("items", ())]
    for stage in plan.stages:
        stage.waits += sources
    steering.waits += plan.stages
    if items is None or not _repeatable(context.report, plan, "for each"):
        return
    if any(_unread(stage) for stage in plan.stages) or not check_items(context.report, items, plan, item):
        return
    concurrency = given["max_concurrency"].value if "max_concurrency" in given else None
    bound: Literal | FromInput | FromNode
    if isinstance(items, PortRef):
        bound = FromNode(items.instance.name, items.port, item.iterable.span)
    elif isinstance(items, InputRef):
        bound = FromInput(items.symbol.name, item.iterable.span)
    else:
        bound = Literal(items.value, item.iterable.span)
    steering.control = Control(body=body_name(steering), items=bound, keys=keys_of(plan), max_concurrency=concurrency)
