"""MLflow tracking of one step: parameters, metrics, files and models; nothing at all without MLFLOW_TRACKING_URI."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.entry import Refusal
from common.files import finite

LONGEST_PARAMETER = 500  # Azure ML's limit; MLflow's own is higher


class Tracking:
    """What a step logs to; every method does nothing where no tracking server is set."""

    def __init__(self, client: Any = None) -> None:
        self._client = client

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Log parameters, long values cut."""
        if self._client is not None and values:
            self._client.log_params({name: str(value)[:LONGEST_PARAMETER] for name, value in values.items()})

    def metrics(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Log the finite numbers among the values, as those of one step of a training if `step` says which."""
        if self._client is not None:
            numbers = {name: float(x) for name, x in finite(dict(values)).items() if isinstance(x, int | float)}
            self._client.log_metrics(numbers, step=step)

    def file(self, path: Path | str, folder: str | None = None) -> None:
        """Log one file as an artifact."""
        if self._client is not None:
            self._client.log_artifact(str(path), folder)

    def folder(self, path: Path | str, name: str) -> None:
        """Log a folder, a saved model for one, as the artifact folder `name`."""
        if self._client is not None:
            self._client.log_artifacts(str(path), name)


@contextmanager
def run() -> Iterator[Tracking]:
    """The run that MLFLOW_RUN_ID names, or a new one. Raises Refusal if the server does not answer."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        yield Tracking()
        return
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_TELEMETRY", "false")
    import mlflow
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        with mlflow.start_run():
            yield Tracking(mlflow)
    except MlflowException as error:
        raise Refusal(f"MLflow at {os.environ['MLFLOW_TRACKING_URI']}: {error.message}") from None
