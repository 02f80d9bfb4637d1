"""From a Graph to an order in which its nodes can run, and to what each node needs."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from mlp_lang.compiler.graph import FromNode, Graph, Node, Template

T = TypeVar("T")


def predecessors(node: Node) -> set[str]:
    """Names of the nodes that must have succeeded before this one starts: by data and by `after`."""
    found = set(node.after)
    for _, binding in node.inputs:
        if isinstance(binding, FromNode):
            found.add(binding.node)
        elif isinstance(binding, Template):
            found.update(p.node for p in binding.parts if isinstance(p, FromNode))
    control = node.control
    if control is not None:
        found.update(b.node for b in (control.condition, control.items) if isinstance(b, FromNode))
        if control.body is not None:
            found.add(control.body)
    return found


def steered(graph: Graph) -> dict[str, set[str]]:
    """For each node that another one steers, what must be known before it may start."""
    found: dict[str, set[str]] = {}
    bodies = {n.name: n.control.body for n in graph.nodes if n.control is not None}
    for node in graph.nodes:
        control = node.control
        if control is None:
            continue
        for name in (*control.then, *control.otherwise):
            for one in (name, bodies.get(name)):
                if one is not None:
                    found.setdefault(one, set()).add(node.name)
        if control.body is not None and isinstance(control.items, FromNode):
            found.setdefault(control.body, set()).add(control.items.node)
    return found


def topological(graph: Graph) -> list[Node]:
    """The nodes, each after all that it needs; where that leaves a choice, in the author's order.

    Raises ValueError if the graph has a cycle, which no compiled one has."""
    nodes = {n.name: n for n in graph.nodes}
    before = steered(graph)
    names, ring = sort(nodes, lambda name: predecessors(nodes[name]) | before.get(name, set()))
    if ring:
        raise ValueError("cycle: " + " → ".join(ring))
    return [nodes[n] for n in names]


def sort(items: Iterable[T], needs: Callable[[T], Iterable[T]]) -> tuple[list[T], list[T]]:
    """Items in an order that respects ``needs``, stable otherwise; and, if there is none, one cycle, closed.

    Depth first with a stack of its own: a chain of any length costs no recursion."""
    done: set[T] = set()
    open_: dict[T, None] = {}
    order: list[T] = []
    everything = list(items)
    known = set(everything)
    position = {item: i for i, item in enumerate(everything)}
    for root in everything:
        if root in done:
            continue
        stack = [(root, iter(sorted((n for n in needs(root) if n in known), key=position.__getitem__)))]
        open_[root] = None
        while stack:
            item, rest = stack[-1]
            for other in rest:
                if other in open_:
                    path = list(open_)
                    return order, [*path[path.index(other) :], other]
                if other not in done:
                    open_[other] = None
                    stack.append(
                        (other, iter(sorted((n for n in needs(other) if n in known), key=position.__getitem__)))
                    )
                    break
            else:
                stack.pop()
                del open_[item]
                done.add(item)
                order.append(item)
    return order, []
