"""From the steps that a caller names to those that run, those whose results are only taken, and those left out."""

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from mlp_lang.compiler.commandline import PATH
from mlp_lang.compiler.graph import Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.dsl.editdistance import closest
from mlp_lang.dsl.source import Source, Span
from mlp_lang.runner import serving
from mlp_lang.runner.bindings import needs


class Selection(NamedTuple):
    """What a caller asks for: `only` these steps; or all `from` some on, and `until` some, with what those need."""

    only: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    until: tuple[str, ...] = ()


class Chosen(NamedTuple):
    """`run` run, unless cached; `taken` are needed by those and come from the cache or an earlier run; others not."""

    run: frozenset[str]
    taken: frozenset[str]


EVERYTHING = Selection()


def all_needs(graph: Graph) -> dict[str, list[str]]:
    """For each step those that must have succeeded before: by data, by `after`, and to try an endpoint."""
    names = {node.name for node in graph.nodes}
    return {
        n.name: [other for other in {**needs(n), **dict.fromkeys(serving.further_needs(n, graph))} if other in names]
        for n in graph.nodes
    }


def needs_of(nodes: Iterable[Node], known: Container[str]) -> dict[str, list[str]]:
    """The same for steps of a turn of a loop, which deploys nothing."""
    return {node.name: [other for other in needs(node) if other in known] for node in nodes}


def runs(name: str, chosen: Chosen) -> bool:
    """Whether a step, or the loop that it stands in, is among those that run."""
    parts = name.split(".")
    return any(".".join(parts[:i]) in chosen.run for i in range(1, len(parts) + 1))


def going(graph: Graph, chosen: Chosen) -> frozenset[str]:
    """The steps of a Graph that run or are taken, those in the turns of loops among them."""
    return chosen.taken | {node.name for node in graph.nodes if runs(node.name, chosen)}


def choose(graph: Graph, asked: Selection) -> tuple[Chosen, list[Diagnostic]]:
    """The steps that a selection means; for names that no step has, and for contradictions, diagnostics."""
    names = {node.name: node.name for node in graph.nodes}
    names.update({node.title: node.name for node in graph.nodes if node.title and node.title not in names})
    wanted: dict[str, list[str]] = {}
    problems = []
    for option, given in (("--only", asked.only), ("--from", asked.first), ("--until", asked.until)):
        meant = {name: _meant(name, names) for name in given}
        wanted[option] = [step for steps in meant.values() for step in steps]
        problems += [_unknown(option, name, graph) for name, steps in meant.items() if not steps]
    upward = all_needs(graph)
    chosen = set(upward)
    if asked.only:
        chosen = set(wanted["--only"])
    if asked.first:
        chosen &= _reach(wanted["--from"], _reversed(upward))
    if asked.until:
        chosen &= _reach(wanted["--until"], upward)
    if not problems and not chosen and graph.nodes:
        said = ", ".join(f"{o} {' '.join(g)}" for o, g in wanted.items() if g)
        problems.append(
            Diagnostic(
                "MLP0920", f"no step lies within `{said}`", _span(said), help="the steps of `--until` come later"
            )
        )
    return Chosen(frozenset(chosen), frozenset(_reach(chosen, upward) - chosen)), problems


def _meant(name: str, names: Mapping[str, str]) -> list[str]:
    """The step of a name or title, or all steps of the pipeline that a stage of that name is."""
    if name in names:
        return [names[name]]
    start = name.replace("/", ".") + "."
    return list(dict.fromkeys(step for step in names.values() if step.startswith(start)))


def _reach(start: Iterable[str], along: Mapping[str, list[str]]) -> set[str]:
    found = set(start)
    pending = list(found)
    while pending:
        for other in along[pending.pop()]:
            if other not in found:
                found.add(other)
                pending.append(other)
    return found


def _reversed(along: Mapping[str, list[str]]) -> dict[str, list[str]]:
    back: dict[str, list[str]] = {name: [] for name in along}
    for name, others in along.items():
        for other in others:
            back[other].append(name)
    return back


def _unknown(option: str, name: str, graph: Graph) -> Diagnostic:
    titles = [node.title or node.name for node in graph.nodes]
    stages = dict.fromkeys(title.rpartition("/")[0] for title in titles if "/" in title)
    near = closest(name, [*stages, *titles, *(node.name for node in graph.nodes)])
    loops = {node.title or node.name for node in graph.nodes if node.control is not None and node.control.body}
    loop = next((t for t in loops if name.replace(".", "/").startswith(f"{t}/")), None)
    if loop is not None:
        help = f"a turn of a loop cannot be asked for; `{loop}` is the whole loop"
    elif near:
        help = f"did you mean `{near[0]}`?"
    else:
        help = f"it has {', '.join(f'`{n}`' for n in titles[:12])}"
    label, span = "unknown step", _span(f"{option} {name}", len(option) + 1)
    return Diagnostic("MLP0920", f"the pipeline has no step `{name}`", span, label=label, help=help)


def _span(text: str, start: int = 0) -> Span:
    return Span(Source(PATH, text), start, len(text))
