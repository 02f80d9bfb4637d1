"""From `--env` to where each step runs: this interpreter, a virtual environment, or a container."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mlp_lang.compiler.graph import Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.runner import containers, interpreters
from mlp_lang.runner.bindings import Given
from mlp_lang.runner.containers import ENGINES, Engine
from mlp_lang.runner.interpreters import OWN, Interpreters

INSTALLED = "installed"
MODES = (INSTALLED, "venv", *ENGINES)


class Room(NamedTuple):
    """Where a step runs. `folder` holds its `python` (none in a container); what decides a result is the rest."""

    folder: str
    versions: Mapping[str, str]
    python: tuple[int | str, ...]
    image: str = ""


class Rooms(NamedTuple):
    """Where the steps of a run run that this interpreter does not."""

    pythons: Interpreters = OWN
    engine: Engine | None = None

    def of(self, node: Node) -> Room | None:
        """None for this interpreter."""
        image = self.engine.image(node) if self.engine is not None else None
        if image is not None:
            return Room("", {}, ("container", image), image)
        found = self.pythons.of(node)
        return None if found is None else Room(found.folder, found.versions, found.python)

    def enter(
        self,
        node: Node,
        line: str,
        shell: list[str],
        work: str,
        scratch: str,
        given: Iterable[Given],
        environment: dict[str, str],
    ) -> list[str]:
        """The words that run a step's line where it belongs; `shell` are those for here. Completes `environment`."""
        room = self.of(node)
        if room is None:
            return shell
        if room.image and self.engine is not None:
            own = node.run.environment_variables
            name = container(environment)
            return containers.arguments(self.engine, room.image, name, line, work, scratch, given, environment, own)
        environment["PATH"] = room.folder + os.pathsep + environment.get("PATH", os.defpath)
        environment["VIRTUAL_ENV"] = os.path.dirname(room.folder)
        return shell

    def leave(self, node: Node, environment: Mapping[str, str]) -> None:
        """Whatever became of a step's process: nothing of it stays."""
        if self.engine is not None and self.engine.image(node) is not None:
            containers.end(self.engine, container(environment))


HERE = Rooms()


def container(environment: Mapping[str, str]) -> str:
    """The name of a step's container."""
    return f"mlp-{os.getpid()}-{environment['AZUREML_RUN_ID']}"


def prepare(
    mode: str, graph: Graph, wanted: frozenset[str], home: str, say: Callable[[str], None], build: bool = True
) -> tuple[Rooms, list[Diagnostic]]:
    """The rooms of the nodes `wanted`, built if they are not there; without `build` only what is there counts."""
    if mode == "venv":
        pythons, problems = interpreters.prepare(graph, wanted, home, say, build)
        return Rooms(pythons), problems
    if mode in ENGINES:
        engine, problems = containers.prepare(graph, wanted, mode, home, say, build)
        return Rooms(engine=engine), problems
    return HERE, []
