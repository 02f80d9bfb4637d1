"""From the jobs that decide and repeat to `when`, `repeat` and `for each`, with the stages that they govern."""

import json
import re
from collections.abc import Callable
from typing import Any

from mlp_lang.decompiler.fields import Fields
from mlp_lang.decompiler.ports import Ports, mapping_value, read_outputs
from mlp_lang.decompiler.program import Program, is_null
from mlp_lang.decompiler.scope import Scope
from mlp_lang.decompiler.spelling import RESERVED, is_name, key, quoted, slug, value
from mlp_lang.decompiler.stages import Stages, side_of
from mlp_lang.decompiler.statements import Statement
from mlp_lang.decompiler.vocabulary import SILENT
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Findings, Place

NESTED = 12  # blocks inside each other: more than any pipeline has
_MAPPED = re.compile(r"(?:\$\{\{\s*)?(?:parent\.jobs\.[^.\s]+\.inputs\.)?([^\s{}.]+)(?:\s*\}\})?")
_CONDITION = re.compile(r"(?:parent\.jobs\.[^.\s]+\.outputs\.)?([^\s{}.]+)")


def members(job: Fields, scope: Scope) -> dict[str, list[tuple[str, Place]]]:
    """The jobs that one that decides or repeats governs, by the field that names them, and where."""
    found: dict[str, list[tuple[str, Place]]] = {}
    for part in ("true_block", "false_block", "body"):
        field = job.entries.get(part)
        if field is None:
            continue
        places = [field.value] if field.value.is_scalar or field.value.is_mapping else field.value.items()
        found[part] = [(scope.job(p) or "", p) for p in places if not is_null(p)]
    return found


def govern(jobs: dict[str, Field], controls: set[str], scope: Scope, findings: Findings) -> dict[str, str] | None:
    """Which job each job stands inside of; None, with what is wrong reported, if that makes no tree."""
    owner: dict[str, str] = {}
    fine = True
    for name in controls:
        for inside in members(Fields(jobs[name].value), scope).values():
            for member, place in inside:
                if not member:
                    what = f"`{place.text}`" if place.is_scalar else "a value"
                    findings.report("MLP0816", f"job `{name}` governs {what}, which is no job", place)
                    fine = False
                elif member in owner:
                    findings.report("MLP0872", f"job `{member}` stands in `{owner[member]}` already", place)
                    fine = False
                else:
                    owner[member] = name
    for name in jobs:
        above, depth = owner.get(name), 0
        while above is not None and depth <= NESTED:
            above, depth = owner.get(above), depth + 1
        if depth > NESTED:
            findings.report("MLP0872", f"job `{name}` stands inside itself, or too deep", jobs[name].key)
            return None
    return owner if fine else None


class Controls:
    """Makes blocks of the jobs that decide and repeat."""

    def __init__(self, stages: Stages, make: Callable[[list[str]], list[Statement]], findings: Findings) -> None:
        self.stages = stages
        self.program: Program = stages.program
        self.scope = stages.scope
        self.make = make  # stages, in order, from the names of jobs
        self.findings = findings

    def block(self, name: str, field: Field, kind: str) -> Statement:
        job = Fields(field.value)
        inside = members(job, self.scope)
        statement = {"if_else": self._when, "do_while": self._repeat, "parallel_for": self._each}[kind](
            name, field, job, inside
        )
        escaped = self.program.escaped(job, name, SILENT)
        if escaped is not None and statement.body is not None:
            statement.body.insert(0, escaped)
        statement.blank = True
        return statement

    def _condition(self, field: Field | None, default: str) -> str:
        if field is None:
            return default
        if not field.value.is_scalar:
            self.findings.report("MLP0814", "a condition is an output of a job, or true or false", field.value)
            return default
        whole = EXPRESSION.fullmatch(field.value.text.strip())
        bound = self.scope.bind_port(whole[1]) if whole else None
        return bound or value(field.value, self.scope.bind)

    def _when(self, name: str, field: Field, job: Fields, inside: dict[str, Any]) -> Statement:
        condition = self._condition(job.take("condition"), "true")
        sides = [[member for member, _ in inside.get(part, [])] for part in ("true_block", "false_block")]
        job.take("true_block")
        job.take("false_block")
        made = Statement(f"when {condition} as {name}", field, self.make(sides[0]))
        made.otherwise = self.make(sides[1]) if sides[1] else None
        return made

    def _repeat(self, name: str, field: Field, job: Fields, inside: dict[str, Any]) -> Statement:
        body = next((member for member, _ in inside.get("body", [])), "")
        job.take("body")
        limit = job.take("limits.max_iteration_count")
        header = f"repeat {name} up to {value(limit.value, self.scope.bind) if limit is not None else 1}"
        condition = job.take("condition")
        if condition is not None:
            text = self._condition(condition, "")
            port = _CONDITION.fullmatch(condition.value.text) if condition.value.is_scalar else None
            if port and "${{" not in condition.value.text and isinstance(condition.value.value(), str) and body:
                text = f"{body}.{key(port[1])}"  # the name of an output of the body
            header += f" until not {text}"
        carries = self._carries(body, job) if body else []
        return Statement(header, field, [*carries, *self.make([body] if body else [])])

    def _carries(self, body: str, job: Fields) -> list[Statement]:
        mapping = job.inner("mapping")
        given = side_of(Fields(self.scope.jobs[body].value), "inputs")
        found = []
        for port in list(mapping.entries) if mapping is not None else ():
            assert mapping is not None
            entry = mapping.entries[port]
            places = [entry.value] if entry.value.is_scalar else entry.value.items()
            names = [m[1] if (m := _MAPPED.fullmatch(p.text)) else "" for p in places]
            if not names or not all(names):
                continue
            mapping.take_name(port)
            for target in names:
                variable = self.program.distinct(target if is_name(target) else slug(target) or "carried", "so_far")
                start = "none"  # nothing in the first round
                if target in given:
                    first = given[target].value
                    said = mapping_value(Fields(first), self.stages.site) if first.is_mapping else ""
                    start = said or value(first, self.scope.bind)
                    self.stages.carried.setdefault(body, {})[target] = variable
                else:
                    self.stages.added.setdefault(body, []).append(Statement(f"{key(target)} = {variable}"))
                found.append(Statement(f"carry {variable} = {start} then {body}.{key(port)}", entry))
        return found

    def _each(self, name: str, field: Field, job: Fields, inside: dict[str, Any]) -> Statement:
        body = next((member for member, _ in inside.get("body", [])), "")
        job.take("body")
        items = job.take("items")
        spelled, keys = self._items(items.value) if items is not None else ("[]", [])
        variable = self.program.distinct("item")
        for target in keys:
            self.stages.carried.setdefault(body, {})[target] = ""  # what the body gives itself is never looked at
        self.stages.added[body] = [Statement(f"{key(target)} = {variable}.{key(target)}") for target in keys]
        statements = []
        limit = job.take("max_concurrency")
        if limit is not None:
            statements.append(Statement(f"max_concurrency = {value(limit.value, self.scope.bind)}", limit))
        outputs: Ports = read_outputs(job, name, self.stages.site, False, self.stages.feeds)
        if outputs.blocks:
            statements.append(Statement("outputs", None, outputs.blocks, inline=True))
        if job.inner("outputs") is not None and not Fields(job.entries["outputs"].value).entries:
            job.take("outputs")
        header = f"for each {variable} in {spelled} as {name}"
        return Statement(header, field, [*statements, *self.make([body] if body else [])])

    def _items(self, place: Place) -> tuple[str, list[str]]:
        """The list, and the names that every item has; those of a list that is only known later are not known."""
        if place.is_scalar:
            text = place.text
            try:
                parsed = json.loads(text) if text.lstrip()[:1] in ("[", "{") else None
                return (_json(parsed), _common(parsed)) if parsed is not None else (self._bound(place), [])
            except (ValueError, RecursionError):
                return self._bound(place), []
        entries = [f.value for f in place.fields().values()] if place.is_mapping else place.items()
        return value(place, self.scope.bind), _shared([list(e.fields()) for e in entries if e.is_mapping])

    def _bound(self, place: Place) -> str:
        return value(place, self.scope.bind_port)


def _shared(names: list[list[str]]) -> list[str]:
    return [n for n in names[0] if all(n in others for others in names)] if names else []


def _common(parsed: Any) -> list[str]:
    entries = list(parsed.values()) if isinstance(parsed, dict) else parsed
    return _shared([[str(k) for k in entry] for entry in entries if isinstance(entry, dict)])


def _json(found: Any) -> str:
    match found:
        case None:
            return "none"
        case bool():
            return "true" if found else "false"
        case int() | float():
            text = repr(found)
            return text if text.lstrip("-")[:1].isdigit() and len(text) < 300 else quoted(text)
        case str():
            return quoted(found)
        case dict():
            inner = [f"{key(str(n)) if str(n) not in RESERVED else quoted(n)}: {_json(v)}" for n, v in found.items()]
            return "{ " + ", ".join(inner) + " }" if inner else "{}"
        case _:
            return "[" + ", ".join(_json(v) for v in found) + "]"
