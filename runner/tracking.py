"""From steps that start and end to MLflow runs, through a process that is only started if a step really runs."""

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any


class Tracking:
    """The tracking of one pipeline run. Without mlflow, or if its process fails, every step runs untracked.

    `problem` then says why, in one sentence.
    """

    def __init__(
        self, folder: str, experiment: str, name: str, tags: Mapping[str, str], parameters: Mapping[str, object]
    ):
        self.folder = folder
        self.uri = f"sqlite:///{os.path.join(folder, 'mlflow.db')}"
        self.experiment = experiment
        self.experiment_id = ""
        self.run_id = ""
        self.problem = ""
        self._open = {
            "do": "open",
            "folder": folder,
            "experiment": experiment,
            "experiment_folder": re.sub(r"[^A-Za-z0-9_.-]", "_", experiment) or "_",
            "name": name,
            "tags": dict(tags),
            "parameters": dict(parameters),
        }
        self._lock = threading.Lock()
        self._past: list[dict[str, Any]] = []
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start the process, without waiting for it; the second and later calls do nothing."""
        with self._lock:
            self._begin()

    def _begin(self) -> None:
        if self._process is not None or self.problem:
            return
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlp_lang.runner.tracking_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                text=True,
            )
            self._send(self._open)
        except OSError as error:
            self._give_up(str(error))

    def start(self, name: str, tags: Mapping[str, str], parent: str = "") -> str:
        """A new run for a step, nested in another, else in the pipeline's; empty if there is no tracking."""
        with self._lock:
            self._begin()
            self._opened()
            return str(self._ask({"do": "start", "name": name, "tags": dict(tags), "parent": parent}).get("run_id", ""))

    def end(self, run_id: str, status: str, metrics: Mapping[str, float] | None = None) -> None:
        """End a run as FINISHED, FAILED or KILLED; `metrics` are logged to it before."""
        if run_id:
            with self._lock:
                self._ask({"do": "end", "run_id": run_id, "status": status, "metrics": dict(metrics or {})})

    def logged(self, run_id: str) -> dict[str, list[float]]:
        """By metric all values that a run has logged, in order."""
        if not run_id:
            return {}
        with self._lock:
            found = self._ask({"do": "logged", "run_id": run_id}).get("logged", {})
        return {str(name): [float(value) for value in values] for name, values in found.items()}

    def past(self, name: str, tags: Mapping[str, str], seconds: float, status: str, parent: str = "") -> None:
        """A step that ended now and could not log: told of at the end, so that it need not wait for MLflow to start."""
        ended = int(time.time() * 1000)
        run = {"do": "past", "name": name, "tags": dict(tags), "status": status, "ended": ended, "parent": parent}
        with self._lock:
            self._past.append({**run, "started": ended - int(seconds * 1000)})

    def close(self, status: str) -> None:
        """End the pipeline's run and the process; does nothing if none was begun."""
        with self._lock:
            if self._process is None:
                return
            self._opened()
            for run in self._past:
                self._ask(run)
            if self.run_id:
                self._ask({"do": "end", "run_id": self.run_id, "status": status})
            process, self._process = self._process, None
            if process is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()  # type: ignore[union-attr]
                process.wait()
                process.stdout.close()  # type: ignore[union-attr]

    def variables(self, run_id: str) -> dict[str, str]:
        """What a step finds in its environment."""
        if not run_id:
            return {}
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_RUN_ID": run_id,
            "MLFLOW_EXPERIMENT_ID": self.experiment_id,
            "MLFLOW_EXPERIMENT_NAME": self.experiment,
            "AZUREML_RUN_ID": run_id,
            "AZUREML_ROOT_RUN_ID": self.run_id,
            "AZUREML_EXPERIMENT_ID": self.experiment_id,
        }

    def _opened(self) -> None:
        if self._process is not None and not self.run_id:
            reply = self._receive()
            self.run_id = str(reply.get("run_id", ""))
            self.experiment_id = str(reply.get("experiment_id", ""))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            return {}
        self._send(request)
        return self._receive()

    def _send(self, request: dict[str, Any]) -> None:
        try:
            stream = self._process.stdin  # type: ignore[union-attr]
            stream.write(json.dumps(request, default=str) + "\n")  # type: ignore[union-attr]
            stream.flush()  # type: ignore[union-attr]
        except OSError as error:
            self._give_up(str(error))

    def _receive(self) -> dict[str, Any]:
        if self._process is None:
            return {}
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        reply = json.loads(line) if line else {"error": "its process ended"}
        if "error" in reply:
            self._give_up(reply["error"])
            return {}
        return dict(reply)

    def _give_up(self, why: str) -> None:
        self.problem = self.problem or f"steps run without MLflow tracking: {why}"
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
