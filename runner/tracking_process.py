"""From requests on standard input to MLflow runs in a local store: one JSON object a line in, one a line out.

A process of its own because importing mlflow costs more than a second, which the runner spends preparing the first
step; and because it alone creates the store, before any step can open it.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no reply
    session: Session | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "open":
                session = Session(request)
                reply = session.opened()
            elif session is None:
                reply = {"error": "not open"}
            elif request["do"] == "start":
                reply = session.start(request)
            elif request["do"] == "logged":
                reply = session.logged(request)
            elif request["do"] == "past":
                reply = session.past(request)
            else:
                reply = session.end(request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
    if session is not None:
        session.abandon()
    os._exit(0)  # all is written; unloading mlflow's imports takes most of a second


def _create_fast() -> None:
    """Let this process write the many small transactions that make a store without waiting for the disk after each.

    A machine that loses power in these seconds loses a store that holds nothing yet.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", lambda connection, _: connection.execute("pragma synchronous=off"))


class Session:
    """One pipeline run in the store: an open parent run, and the runs of its steps."""

    def __init__(self, request: dict[str, Any]) -> None:
        import fcntl
        import logging

        folder = request["folder"]
        os.makedirs(folder, exist_ok=True)
        file = os.path.join(folder, "mlflow.db")
        with open(os.path.join(folder, "mlflow.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of several first runs one creates the store
            from mlflow.tracking import MlflowClient

            if not os.path.exists(file):
                _create_fast()
            logging.getLogger("mlflow").setLevel(logging.ERROR)
            logging.getLogger("alembic").setLevel(logging.ERROR)
            self.client = MlflowClient(f"sqlite:///{file}")
            name = request["experiment"]
            found = self.client.get_experiment_by_name(name)
            if found is None:
                place = Path(folder, "artifacts", request["experiment_folder"]).as_uri()
                self.experiment = self.client.create_experiment(name, artifact_location=place)
            else:
                self.experiment = found.experiment_id
                if found.lifecycle_stage == "deleted":
                    self.client.restore_experiment(self.experiment)
            connection = sqlite3.connect(file, timeout=10)
            connection.execute("pragma journal_mode=wal")  # steps write at the same time
            connection.close()
        self.parent = self._create(request["name"], request["tags"])
        for key, value in request["parameters"].items():
            self.client.log_param(self.parent, key, str(value)[:500])
        self.running = {self.parent}

    def opened(self) -> dict[str, str]:
        return {"run_id": self.parent, "experiment_id": self.experiment}

    def start(self, request: dict[str, Any]) -> dict[str, str]:
        run = self._create(request["name"], self._nested(request))
        self.running.add(run)
        return {"run_id": run}

    def past(self, request: dict[str, Any]) -> dict[str, str]:
        run = self._create(request["name"], self._nested(request), request["started"])
        self.client.set_terminated(run, request["status"], request["ended"])
        return {}

    def end(self, request: dict[str, Any]) -> dict[str, str]:
        run = request["run_id"]
        for name, value in request.get("metrics", {}).items():
            self.client.log_metric(run, name, float(value))
        self.client.set_terminated(run, request["status"])
        self.running.discard(run)
        return {}

    def logged(self, request: dict[str, Any]) -> dict[str, Any]:
        run = request["run_id"]
        found = {}
        for name in self.client.get_run(run).data.metrics:
            history = self.client.get_metric_history(run, name)
            found[name] = [m.value for m in sorted(history, key=lambda m: (m.step, m.timestamp))]
        return {"logged": found}

    def abandon(self) -> None:
        """The runner is gone: what is still open was killed."""
        for run in self.running:
            self.client.set_terminated(run, "KILLED")

    def _nested(self, request: dict[str, Any]) -> dict[str, str]:
        return {**request["tags"], "mlflow.parentRunId": request.get("parent") or self.parent}

    def _create(self, name: str, tags: dict[str, str], started: int | None = None) -> str:
        run = self.client.create_run(self.experiment, start_time=started, run_name=name, tags=tags)
        return str(run.info.run_id)


if __name__ == "__main__":
    main()
