"""From a component to its code: the digest that decides about the cache, and a copy of its own for each step."""

import os
import shutil
import stat

from mlp_lang.compiler.graph import Component
from mlp_lang.lowering.files import collect
from mlp_lang.runner.content import Memory, combine, executable, walk


def files(component: Component) -> dict[str, str]:
    """Relative path -> file of all that a step finds in its working folder: code, then what is included beside it.

    Definitions (component.yml, its conda file) are no code. Raises OSError.
    """
    found: dict[str, str] = {}
    if component.code is not None and "://" not in component.code and not component.code.startswith("azureml:"):
        root = os.path.join(component.folder, component.code)
        if os.path.isfile(root):
            found[os.path.basename(root)] = root
        else:
            found.update(collect(root, _definitions(component, root)))
    for include in component.includes:
        source = os.path.realpath(os.path.join(component.folder, include))
        name = os.path.basename(source)
        if os.path.isfile(source):
            found[name] = source
        else:
            found.update({f"{name}/{path}": file for path, file in collect(source).items()})
    return found


def digest(component: Component, memory: Memory) -> str:
    """Digest of all the code; names, contents and executable bits count. Raises OSError."""
    return combine([(name, memory.file(path), executable(path)) for name, path in files(component).items()])


def lay_out(component: Component, target: str) -> dict[str, str]:
    """Copy the code into the folder `target`, writable and apart from the sources; what was copied. Raises OSError."""
    made = set()
    found = files(component)
    for name, path in found.items():
        there = os.path.join(target, name)
        parent = os.path.dirname(there)
        if parent not in made:
            os.makedirs(parent, exist_ok=True)
            made.add(parent)
        shutil.copy2(path, there)
    return found


def copy_writable(source: str, target: str) -> None:
    """A copy of a file or folder that its reader may change."""
    if not os.path.isdir(source):
        shutil.copy2(source, target)
        os.chmod(target, os.stat(target).st_mode | stat.S_IWUSR)
        return
    os.makedirs(target)
    for name, full in walk(source):
        there = os.path.join(target, name)
        os.makedirs(os.path.dirname(there), exist_ok=True)
        shutil.copy2(full, there)
        os.chmod(there, os.stat(there).st_mode | stat.S_IWUSR)


def keep_artifacts(work: str, target: str) -> None:
    """Move `outputs/` and `logs/` of the working folder, which Azure ML keeps with the run, if they hold anything."""
    for name in ("outputs", "logs"):
        source = os.path.join(work, name)
        if os.path.isdir(source) and not os.path.islink(source) and os.listdir(source):
            os.makedirs(target, exist_ok=True)
            shutil.move(source, os.path.join(target, name))
            own(os.path.join(target, name))


def own(path: str) -> None:
    """Make an output the step's own: what is a link to something else, or shares it, becomes a copy.

    Raises OSError, also for a link that leads nowhere.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        _own_file(path)
        return
    for folder, folders, names in os.walk(path):
        for name in folders:
            full = os.path.join(folder, name)
            if os.path.islink(full):
                _own_file(full)
        for name in names:
            _own_file(os.path.join(folder, name))


def _own_file(path: str) -> None:
    found = os.lstat(path)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return
    copy = f"{path}.{os.getpid()}.own"
    if os.path.isdir(path):
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)
    os.unlink(path)
    os.rename(copy, path)


def _definitions(component: Component, root: str) -> frozenset[str]:
    """Files at the top of the code folder that say what the component is: a comment in them changes no result."""
    here = os.path.realpath(root)
    named = (component.source, component.environment.conda_file)
    return frozenset(
        os.path.basename(file)
        for file in named
        if file and file.endswith((".yml", ".yaml")) and os.path.realpath(os.path.dirname(file)) == here
    )
