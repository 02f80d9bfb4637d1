"""From a scoring folder and a model to Azure ML's own inference server, running here and bound to loopback alone."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import IO, Any

HOST = "127.0.0.1"
ENTRY_SCRIPT = "score.py"
READY_WITHIN = 120.0
"""Seconds after which a server that does not answer is given up."""


_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Refusal|Exit|Interrupt)\b.*: ")


class ServerError(Exception):
    """A server that does not come up or does not answer as it should."""


class Server:
    """A running scoring server. `close` ends it and everything that it started."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: str) -> None:
        self.process = process
        self.port = port
        self.log = log

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def score(self, payload: Mapping[str, Any], timeout: float = 60.0, withhold: bool = False) -> Any:
        """POST to `/score`; the parsed answer. Raises ServerError for anything but a 200 with JSON.

        With `withhold` the error quotes neither answer nor log: both may quote rows.
        """
        status, body = request(self.port, "POST", "/score", json.dumps(payload), timeout)
        if status != 200 and withhold:
            raise ServerError(f"the server answered {status}; its log is withheld because the data is private")
        if status != 200:
            said = " ".join(body.split())[:300]
            raise ServerError(f"the server answered {status}: {said}; its log: {last_words(self.log)}")
        try:
            return json.loads(body)
        except ValueError:
            raise ServerError(f"the server's answer is not JSON: {body[:200]}") from None

    def close(self, grace: float = 5.0) -> None:
        """Ask it to finish, and end it for good after `grace` seconds."""
        _signal(self.process, signal.SIGTERM)
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            _signal(self.process, signal.SIGKILL)
            self.process.wait()


def start(
    scoring: str,
    model: str,
    variables: Mapping[str, str],
    log: str,
    *,
    port: int = 0,
    workers: int = 1,
    own_group: bool = True,
) -> Server:
    """Start the server and wait until it answers.

    `scoring` holds `score.py`; `model` is the folder that AZUREML_MODEL_DIR is to be; `log` takes its output. Port 0
    is any free one. With `own_group` False it stays in the caller's process group and ends with it. Raises ServerError.
    """
    for attempt in range(3):
        chosen = port or free_port()
        with open(log, "ab") as stream:
            server = Server(_spawn(scoring, model, variables, stream, chosen, workers, own_group), chosen, log)
        try:
            _await(server)
            return server
        except ServerError as error:
            server.close()
            if port or attempt == 2 or "in use" not in str(error):
                raise
        except BaseException:
            server.close()
            raise
    raise ServerError("no free port")


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def request(port: int, method: str, path: str, body: str | None = None, timeout: float = 60.0) -> tuple[int, str]:
    """Status and text of one request to the local server. Raises OSError, also for broken HTTP."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from None
    finally:
        connection.close()


def bound_addresses(port: int) -> list[str]:
    """The addresses on which somebody listens at a port of this machine, sorted."""
    import psutil  # type: ignore[import-untyped]

    found = psutil.net_connections("inet")
    return sorted({c.laddr.ip for c in found if c.status == psutil.CONN_LISTEN and c.laddr.port == port})


def lay_out_model(model: str, root: str, name: str) -> str:
    """Put a model where Azure ML mounts it, `<root>/<name>/1/<folder>`, and return what AZUREML_MODEL_DIR is there."""
    from mlp_lang.runner.content import place

    directory = os.path.join(root, name, "1")
    os.makedirs(directory, exist_ok=True)
    place(model, os.path.join(directory, os.path.basename(model.rstrip("/")) or "model"))
    return directory


def _spawn(
    scoring: str, model: str, variables: Mapping[str, str], log: IO[bytes], port: int, workers: int, own_group: bool
) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        **variables,
        "AML_APP_ROOT": scoring,
        "AZUREML_ENTRY_SCRIPT": ENTRY_SCRIPT,
        "AZUREML_MODEL_DIR": model,
        "AML_APP_INSIGHTS_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }
    program = (
        "import sys\n"
        "from azureml_inference_server_http import amlserver_linux\n"
        "port, workers = int(sys.argv[1]), int(sys.argv[2])\n"
        f"amlserver_linux.run({HOST!r}, port, workers)\n"
    )
    try:
        return subprocess.Popen(
            [sys.executable, "-c", program, str(port), str(workers)],
            cwd=scoring,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=own_group,
        )
    except OSError as error:
        raise ServerError(f"the scoring server does not start: {error}") from None


def _await(server: Server) -> None:
    """The master binds first and answers nothing until a worker has loaded the model, so one request waits for it."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise ServerError(
                f"the scoring server ended with exit code {server.process.returncode}: {last_words(server.log)}"
            )
        with contextlib.suppress(OSError):
            status, body = request(server.port, "GET", "/", timeout=deadline - time.monotonic())
            if status == 200 and server.process.poll() is None:
                return
            raise ServerError(f"the scoring server answers {status}: {body[:200]}")
        time.sleep(0.05)
    raise ServerError(f"the scoring server did not answer within {READY_WITHIN:.0f} s: {last_words(server.log)}")


def last_words(log: str) -> str:
    """The line of a server's log that says most about its end."""
    try:
        with open(log, "rb") as stream:
            stream.seek(max(0, os.path.getsize(log) - 16384))
            lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        return "it left no log"
    raised = [line for line in lines if _RAISED.match(line) and ".UserScript" not in line]
    chosen = raised or [line for line in lines if "in use" in line] or lines
    return chosen[-1][:300] if chosen else "it printed nothing"


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
