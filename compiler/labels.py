"""Which private data may be seen in what flows into an input, and which inputs may be seen in an output."""

from collections.abc import Container

from mlp_lang.compiler.graph import FromInput, Template
from mlp_lang.compiler.instances import Instance

NO_LABELS: frozenset[str] = frozenset()


def labels_in(instance: Instance, name: str, private: Container[str]) -> frozenset[str]:
    """Names of the private data that may be seen in what flows into an input; ``private`` are all that there are."""
    pairs = instance.sources.get(name)
    if pairs:
        found = NO_LABELS
        for source, port in pairs:
            found |= source.labels.get(port, NO_LABELS)
        return found
    binding = instance.bindings.get(name)
    if isinstance(binding, FromInput) and binding.name in private:
        return frozenset((binding.name,))
    if isinstance(binding, Template):
        return frozenset(p.name for p in binding.parts if isinstance(p, FromInput) and p.name in private)
    return NO_LABELS


def seen_in(instance: Instance, port: str) -> list[str]:
    """The inputs whose data may be seen in an output; inputs that the component does not list count as seen."""
    face = instance.interface
    output = face.outputs.get(port) if face is not None else None
    names = list(dict.fromkeys([*instance.sources, *instance.bindings]))
    if output is None or face is None:
        return names
    return [n for n in names if n in output.origin or n not in face.inputs]
