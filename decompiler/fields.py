"""From a YAML mapping to its fields, each asked for once: what nobody asked for is left, and goes to `azureml`."""

from mlp_lang.decompiler.spelling import key, no_binding, value
from mlp_lang.lowering.checker.document import Field, Place


class Fields:
    """The fields of a mapping. A path such as `resources.instance_count` reaches into mappings inside it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.entries = place.fields()
        self._taken: set[str] = set()
        self._inner: dict[str, Fields] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def inner(self, name: str) -> "Fields | None":
        """The fields of the mapping under a name; None if there is none or it is no mapping."""
        if name not in self._inner:
            field = self.entries.get(name)
            if field is None or not field.value.is_mapping:
                return None
            self._inner[name] = Fields(field.value)
        return self._inner[name]

    def peek(self, path: str) -> Field | None:
        head, dot, rest = path.partition(".")
        if not dot:
            return None if head in self._taken else self.entries.get(head)
        below = self.inner(head)
        return below.peek(rest) if below is not None and head not in self._taken else None

    def take(self, path: str) -> Field | None:
        """The field, which is then said; None if there is none, or it was taken before."""
        field = self.peek(path)
        if field is not None:
            self._take(path)
        return field

    def _take(self, path: str) -> None:
        head, dot, rest = path.partition(".")
        if not dot:
            self._taken.add(head)
            return
        below = self.inner(head)
        if below is not None:
            below._take(rest)

    def take_name(self, name: str) -> None:
        """The field of this name is said; dots in it are its own."""
        self._taken.add(name)

    def put_back(self, path: str) -> None:
        """The field could not be said after all."""
        head, dot, rest = path.partition(".")
        if not dot:
            self._taken.discard(head)
        elif head in self._inner:
            self._inner[head].put_back(rest)

    def text(self, path: str) -> str:
        """The text of a field without taking it; empty if there is none."""
        field = self.peek(path)
        return field.value.text if field is not None else ""

    def rest(self) -> list[tuple[str, Field, str]]:
        """What is left: name, field and spelling of its value; of a mapping that was partly taken, the rest of it."""
        left = []
        for name, field in self.entries.items():
            if name in self._taken:
                continue
            below = self._inner.get(name)
            if below is not None and below.touched():
                inner = [f"{key(n)}: {spelled}" for n, _, spelled in below.rest()]
                if inner:
                    left.append((name, field, "{ " + ", ".join(inner) + " }"))
            else:
                left.append((name, field, value(field.value, no_binding)))
        return left

    def touched(self) -> bool:
        return bool(self._taken) or any(inner.touched() for inner in self._inner.values())

    def left(self) -> list[tuple[str, Field]]:
        """What is left, each the topmost field of which nothing was taken, with its path."""
        found = []
        for name, field in self.entries.items():
            if name in self._taken:
                continue
            below = self._inner.get(name)
            if below is not None and below.touched():
                found += [(f"{name}.{path}", inner) for path, inner in below.left()]
            else:
                found.append((name, field))
        return found
