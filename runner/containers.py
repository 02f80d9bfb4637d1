"""From the environments of steps to images of a container engine, and from a step's line to the engine's."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mlp_lang.compiler.graph import Environment, Graph, Node
from mlp_lang.dsl.diagnostics import Diagnostic
from mlp_lang.runner import distribution, failures, serving
from mlp_lang.runner.bindings import COPIED_MODES, Given
from mlp_lang.runner.content import digest_text
from mlp_lang.runner.environment import dependencies, environment_of

ENGINES = ("docker", "podman")
PASSED = ("AZUREML_", "AZURE_ML_", "MLFLOW_", "RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_", "PYTHON")
"""Variables of a step that its container gets; PATH and the like are the image's."""

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
"""What may stand on the engine's command line: no option, and nothing that ends a line of a Dockerfile."""


class Engine(NamedTuple):
    """A container engine that answers, and the image of each environment."""

    program: str
    images: Mapping[str, str]  # by `identity`
    home: str  # mounted too: tracking lies there

    def image(self, node: Node) -> str | None:
        return None if node.deployment is not None else self.images.get(identity(environment_of(node)))


def identity(environment: Environment) -> str:
    """What an image is made of, as far as it is known without a look into its context."""
    conda, pip = dependencies(environment)
    return digest_text(repr((environment.image, environment.build_context, environment.dockerfile, conda, pip)))[:16]


def prepare(
    graph: Graph, wanted: frozenset[str], name: str, home: str, say: Callable[[str], None], build: bool = True
) -> tuple[Engine | None, list[Diagnostic]]:
    """The engine and the images of the nodes `wanted`, built where an environment is more than an image."""
    program = shutil.which(name)
    answer = _answer(program) if program is not None else f"there is no `{name}` on the path"
    if program is None or answer:
        message = f"steps cannot run in containers: {answer}"
        help = "start it, or use `--env venv`, or `--env installed` for what is installed"
        return None, [Diagnostic("MLP0973", message, failures.place(None, graph), help=help)]
    images: dict[str, str] = {}
    problems = []
    for node in graph.nodes:
        if node.name not in wanted or node.deployment is not None or serving.elsewhere(node):
            continue
        if distribution.said(node) or node.kind != "command":
            what = "starts several processes" if node.kind == "command" else f"is a `{node.kind}` job"
            message = f"`{node.title or node.name}` {what}, which a container of one command does not run here"
            help = "use `--env venv`, or `--env installed` for what is installed"
            problems.append(Diagnostic("MLP0973", message, failures.place(node), help=help))
            continue
        environment = environment_of(node)
        key = identity(environment)
        if key in images:
            continue
        if environment.image is None and environment.build_context is None:
            message = f"`{node.title or node.name}` runs in `{environment.reference}`, whose image is not known here"
            help = "say in mlp.toml, under [local-environments], which environment with an image stands for it"
            problems.append(Diagnostic("MLP0972", message, failures.place(node), help=help))
            continue
        if environment.image is not None and not _IMAGE.fullmatch(environment.image):
            image, failed = "", f"`{environment.image}` is no name of an image"
        else:
            image, failed = _image(program, environment, key, home, say, build)
        if failed:
            message = f"the image of `{node.title or node.name}` cannot be built"
            problems.append(Diagnostic("MLP0972", message, failures.place(node), failed[:300]))
        images[key] = image
    return Engine(program, images, home), problems


def arguments(
    engine: Engine,
    image: str,
    name: str,
    line: str,
    work: str,
    scratch: str,
    given: Iterable[Given],
    environment: Mapping[str, str],
    own: Mapping[str, str],
) -> list[str]:
    """The engine's command line for a step's line. Paths are the same inside and outside; inputs cannot be written."""
    mounts = {scratch: "", engine.home: ""}
    mounts |= {g.path: ":ro" for g in given if g.path is not None and g.mode not in COPIED_MODES}
    passed = {n: v for n, v in environment.items() if n.startswith(PASSED) or n in own or n == "TMPDIR"}
    made = [engine.program, "run", "--rm", "--init", "--name", name]
    if os.path.basename(engine.program) == "podman":
        made += ["--userns", "keep-id"]
    else:
        made += ["--user", f"{os.getuid()}:{os.getgid()}"]
    for path, how in sorted(mounts.items()):
        made += ["-v", f"{path}:{path}{how}"]
    for variable, value in sorted(passed.items()):
        made += ["-e", f"{variable}={value}"]
    return [*made, "-w", work, "--entrypoint", "bash", image, "-c", line]


def end(engine: Engine, name: str) -> None:
    """Take away a container whose client was killed; nothing if it has gone."""
    subprocess.run([engine.program, "rm", "-f", name], capture_output=True, check=False)


def dockerfile(environment: Environment) -> str:
    """An image and a conda file as one image: in an environment of conda where the image has it, else by pip."""
    conda, pip = dependencies(environment)
    lines = [f"FROM {environment.image}", "COPY conda.yml requirements.txt /tmp/mlp/"]
    if conda or pip:
        lines.append(
            "RUN if command -v conda >/dev/null; then conda env create -q -p /opt/mlp -f /tmp/mlp/conda.yml; "
            "else python -m venv /opt/mlp && /opt/mlp/bin/pip install -r /tmp/mlp/requirements.txt; fi"
        )
        lines.append("ENV PATH=/opt/mlp/bin:$PATH")
    return "\n".join(lines) + "\n"


def _answer(program: str) -> str:
    """Why an engine does not answer, or nothing."""
    try:
        ended = subprocess.run([program, "info"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`{program}` does not answer: {error}"
    said = [line for line in ended.stderr.split("\n") if line.strip()]
    return "" if ended.returncode == 0 else f"`{program}` says: {said[-1].strip() if said else 'nothing'}"


def _image(
    program: str, environment: Environment, key: str, home: str, say: Callable[[str], None], build: bool
) -> tuple[str, str]:
    """The image of an environment, and why it could not be built, or nothing."""
    conda, pip = dependencies(environment)
    if environment.build_context is None and not conda and not pip:
        return str(environment.image), ""
    tag = f"mlp-environment:{key}"
    there = subprocess.run([program, "image", "inspect", tag], capture_output=True, check=False).returncode == 0
    if (there and environment.build_context is None) or not build:
        return tag, ""
    say(f"image {tag}: building")
    context = environment.build_context
    file = environment.dockerfile or "Dockerfile"
    if context is None:
        import yaml
        from mlp_lang.runner.interpreters import specification

        context, file = os.path.join(home, "environments", f"image-{key}"), "Dockerfile"
        os.makedirs(context, exist_ok=True)
        documents = {
            "Dockerfile": dockerfile(environment),
            "conda.yml": yaml.safe_dump({"dependencies": [*conda, *([{"pip": pip}] if pip else [])]}),
            "requirements.txt": "\n".join(specification(environment).lines) + "\n",
        }
        for name, text in documents.items():
            with open(os.path.join(context, name), "w", encoding="utf-8") as stream:
                stream.write(text)
    made = subprocess.run(
        [program, "build", "-q", "-t", tag, "-f", os.path.join(context, file), context],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in made.stderr.split("\n") if line.strip()]
    return tag, "" if made.returncode == 0 else (said[-1].strip() if said else "the engine says nothing")
