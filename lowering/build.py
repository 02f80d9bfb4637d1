"""From texts and files to copy to a folder on disk, whole or not at all."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from mlp_lang.dsl.diagnostics import Diagnostic, Severity
from mlp_lang.lowering.lock import LOCK_HEADER, LOCK_NAME


class BuildError(Exception):
    """A build that cannot be made or written; the message says what is wrong and what to do."""


class Build:
    """What a Graph lowers to. `diagnostics` are lowering's findings; with an error among them nothing is written."""

    __slots__ = ("_render", "copies", "default_out", "diagnostics", "name")

    def __init__(
        self,
        name: str,
        default_out: str,
        copies: Mapping[str, str],
        diagnostics: tuple[Diagnostic, ...],
        render: Callable[[str], dict[str, bytes]],
    ) -> None:
        self.name = name
        self.default_out = default_out  # `build` beside the root program
        self.copies = copies  # path in the build -> file to copy
        self.diagnostics = diagnostics
        self._render = render

    def files(self, out: Path | None = None) -> dict[str, bytes]:
        """Every file of the build, by its path in `<out>/<name>/`.

        `out` matters for one thing: paths of local data are relative to where the pipeline lies. The same place
        relative to the program gives the same bytes. Raises BuildError if there are errors or a file is unreadable.
        """
        self._refuse_errors()
        target = os.path.join(os.fspath(out) if out is not None else self.default_out, self.name)
        return self._render(os.path.realpath(target))

    def write(self, out: Path) -> Path:
        """Write `<out>/<name>/` and return it; an earlier build there is replaced once the new one is complete.

        Raises BuildError where the place is taken by something that is no build, or cannot be written.
        """
        parent = os.path.realpath(out)
        target = os.path.join(parent, self.name)
        existed = _ours(target)
        files = self.files(Path(parent))
        strays = [p for p in (self.name, *files) if os.path.isabs(p) or ".." in p.split("/") or "\\" in p or "\0" in p]
        if strays or "/" in self.name:
            raise BuildError(f"`{(strays or [self.name])[0]}` would lie outside of the build; rename it")
        fresh = f"{target}.{os.getpid()}.new"
        old = f"{target}.{os.getpid()}.old"
        try:
            os.makedirs(parent, exist_ok=True)
            os.mkdir(fresh)
            made = set()
            for path, content in files.items():
                folder = path.rpartition("/")[0]
                if folder and folder not in made:
                    os.makedirs(f"{fresh}/{folder}", exist_ok=True)
                    made.add(folder)
                with open(f"{fresh}/{path}", "wb", buffering=0) as file:
                    file.write(content)
            if existed:
                os.rename(target, old)
            try:
                os.rename(fresh, target)
            except OSError:
                if existed:
                    os.rename(old, target)
                raise
        except OSError as error:
            raise BuildError(f"cannot write `{target}`: {error.strerror or error}") from error
        finally:
            _remove(fresh)
            if os.path.lexists(target):  # else what is in `old` is the only copy there is
                _remove(old)
        return Path(target)

    def _refuse_errors(self) -> None:
        errors = [d for d in self.diagnostics if d.severity is Severity.ERROR]
        if errors:
            raise BuildError(f"{errors[0].code}: {errors[0].message}")


def _remove(folder: str) -> None:
    if os.path.lexists(folder):
        import shutil  # seldom needed, and slow to import

        shutil.rmtree(folder, ignore_errors=True)


def _ours(target: str) -> bool:
    """Whether a build of ours is there to be replaced; raises BuildError for anything else in that place."""
    if not os.path.lexists(target):
        return False
    if os.path.islink(target) or not os.path.isdir(target):
        raise BuildError(f"`{target}` is no folder; move it away or choose another output folder")
    try:
        with open(os.path.join(target, LOCK_NAME), encoding="utf-8", errors="replace") as file:
            if file.readline().rstrip("\n") == f"# {LOCK_HEADER}":
                return True
    except OSError:
        pass
    if not os.listdir(target):
        return True
    raise BuildError(
        f"`{target}` holds no `{LOCK_NAME}` of mlp, so it stays; move it away or choose another output folder"
    )
