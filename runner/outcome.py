"""What a step came to, and what a run came to: plain data that the record, the summary and the CLI read."""

from enum import Enum
from typing import Any, NamedTuple

from mlp_lang.dsl.diagnostics import Diagnostic


class Status(Enum):
    """How a step ended. `cached` means that an earlier run's result, or a resumed run's own, was taken.

    `omitted` is a step that was not asked for, or that a condition left out.
    """

    COMPLETED = "completed"
    CACHED = "cached"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    OMITTED = "omitted"

    @property
    def succeeded(self) -> bool:
        return self in (Status.COMPLETED, Status.CACHED)


class Outcome(NamedTuple):
    """One step's end. `outputs` are absolute paths by port, `digests` their contents', `seconds` wall time here.

    `key` is what decided it, `read` the data that went in (name, source, digest), `started` the monotonic clock when it
    began, `resources` what the attempt that made its results used, then or now.
    `note` is what of it no figure says: what a condition came to, how many turns there were, why it was left out.
    `trials` are those of a sweep and `batches` those of a parallel job, as the record has them; `logged` is what a
    trial gave MLflow, by metric, in order.
    `metrics`, `gates`, `release`, `parity` and `endpoint` are what its outputs say, else None or empty.
    """

    status: Status
    seconds: float = 0.0
    attempts: int = 0
    exit_code: int | None = None
    outputs: dict[str, str] = {}  # noqa: RUF012
    digests: dict[str, str] = {}  # noqa: RUF012
    metrics: dict[str, Any] = {}  # noqa: RUF012
    gates: tuple[dict[str, Any], ...] = ()
    release: dict[str, Any] | None = None
    parity: dict[str, Any] | None = None
    endpoint: dict[str, Any] | None = None
    diagnostic: Diagnostic | None = None
    key: str = ""
    read: tuple[dict[str, str], ...] = ()
    started: float | None = None
    resources: dict[str, Any] | None = None
    note: str = ""
    trials: tuple[dict[str, Any], ...] = ()
    logged: dict[str, list[float]] = {}  # noqa: RUF012
    batches: dict[str, Any] | None = None


class RunResult(NamedTuple):
    """A whole run. `status` is completed, failed or cancelled; `record` is what run.json holds.

    `folder` is empty if the run was refused before it began; `diagnostics` then say why.
    """

    status: str
    folder: str
    record: dict[str, Any]
    steps: dict[str, Outcome]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def exit_code(self) -> int:
        """0, or 3 if the run did not complete."""
        return 0 if self.status == "completed" else 3
