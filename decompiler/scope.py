"""From the `${{ }}` of one pipeline's jobs to references, and from the jobs to the order in which they stand."""

import re

from mlp_lang.decompiler.spelling import is_name, key
from mlp_lang.lowering.checker.document import EXPRESSION, Field, Place

_INPUT = re.compile(r"parent\.inputs\.(.+)")
_PORT = re.compile(r"parent\.jobs\.([^.]+)\.outputs\.(.+)")
_JOB = re.compile(r"(?:parent\.jobs\.)?([^.{}\s]+)")
_OWN = re.compile(r"(?:inputs|outputs)\.(.+)")
_OUTPUT = re.compile(r"\$\{\{\s*parent\.outputs\.([^\s{}]+?)\s*\}\}")


class Scope:
    """The names that bindings of one pipeline may use."""

    def __init__(self, inputs: set[str], jobs: dict[str, Field]) -> None:
        self.inputs = inputs  # those that a program can refer to by name
        self.jobs = jobs
        self.single: dict[str, str] = {}  # the only output of a job, where it is known to be the only one
        self.shadowed: set[str] = set()

    def bind(self, expression: str) -> str | None:
        """The reference for what stands in `${{ }}` of a job."""
        found = _INPUT.fullmatch(expression)
        if found:
            return found[1] if found[1] in self.inputs and is_name(found[1]) else None
        found = _PORT.fullmatch(expression)
        if found and found[1] in self.jobs:
            return found[1] if self.single.get(found[1]) == found[2] else f"{found[1]}.{key(found[2])}"
        return None

    def bind_port(self, expression: str) -> str | None:
        """As `bind`, with the port named even where it is the only one."""
        found = _PORT.fullmatch(expression)
        if found and found[1] in self.jobs:
            return f"{found[1]}.{key(found[2])}"
        return self.bind(expression)

    def job(self, place: Place) -> str | None:
        """The job that `${{parent.jobs.x}}`, or a bare name, refers to."""
        text = place.text.strip()
        found = EXPRESSION.fullmatch(text)
        name = _JOB.fullmatch(found[1] if found else text)
        return name[1] if name and name[1] in self.jobs else None


def own(ports: set[str], expression: str) -> str | None:
    """The reference for what stands in `${{ }}` of a definition in place: one of its own ports."""
    found = _OWN.fullmatch(expression)
    return found[1] if found and found[1] in ports and is_name(found[1]) else None


def pipeline_output(text: str) -> str:
    """The output that `${{parent.outputs.o}}` names; empty for anything else."""
    found = _OUTPUT.fullmatch(text.strip())
    return found[1] if found else ""


def mentioned(place: Place) -> list[tuple[str, str, Place]]:
    """The inputs and jobs of the pipeline that a job's text refers to: kind, name and where."""
    found = []
    for scalar in place.scalars():
        if "${{" not in scalar.text:
            continue
        for match in EXPRESSION.finditer(scalar.text):
            inner = _INPUT.fullmatch(match[1])
            job = re.match(r"parent\.jobs\.([^.\s]+)", match[1])
            if inner:
                found.append(("input", inner[1], scalar))
            elif job:
                found.append(("job", job[1], scalar))
    return found


def ordered(names: list[str], needs: dict[str, set[str]]) -> list[str]:
    """The names in an order in which each comes after those that it needs; else as they are, cycles included."""
    waiting = list(names)
    done: set[str] = set()
    result = []
    while waiting:
        ready = next((n for n in waiting if needs[n] <= done | {n}), waiting[0])
        waiting.remove(ready)
        done.add(ready)
        result.append(ready)
    return result
