"""From a deployment's scoring folder, its model and test rows to proof that the endpoint answers as the model does.

Runs as a process: `python -m mlp_lang.runner.endpoint_check spec.json`. It starts the scoring server, sends it test
rows in MLflow's protocol for Azure ML, loads the model here and compares, measures latency, and writes `endpoint.json`.
"""

import json
import math
import os
import sys
import time
from typing import Any

ROWS = 200
"""Rows sent in one request and compared."""
REQUESTS = 50
"""Single-row requests whose latency is measured, after five that are not."""


def main(path: str) -> int:
    """Exit code 0, or 1 with the last line of standard error saying why."""
    from mlp_lang.runner.server import ServerError
    from mlp_lang.runner.store import read_json, write_json

    spec = read_json(path)
    try:
        result = check(spec)
    except ServerError as error:
        return _fail(str(error))
    except Exception as error:
        from mlp_lang.runner.endpoint_rows import refusal

        if isinstance(error, refusal()):
            return _fail(str(error))
        what = f"unexpected {type(error).__name__}"
        return _fail(f"{what}; its message is withheld" if is_private(spec["facts"]) else f"{what}: {error}")
    for target in spec["write"]:
        write_json(target, result)
    print(json.dumps(result))
    if result["agreement"] is not None and result["agreement"] < spec["least_agreement"]:
        return _fail(
            f"the endpoint agrees with its model on {result['agreement']:.1%} of {result['rows']} rows; "
            f"at least {spec['least_agreement']:.1%} is expected"
        )
    return 0


def check(spec: dict[str, Any]) -> dict[str, Any]:
    """The document of endpoint.json. Raises ServerError and the components' Refusal."""
    from mlp_lang.runner import server as servers

    scratch = spec["scratch"]
    model_dir = servers.lay_out_model(spec["model"], os.path.join(scratch, "models"), spec["model_name"])
    log = os.path.join(scratch, "server.log")
    private = is_private(spec["facts"])
    begun = time.monotonic()
    try:
        return _tried(spec, model_dir, log, begun, private)
    finally:
        if not private:
            _copy_log(log)


def _tried(spec: dict[str, Any], model_dir: str, log: str, begun: float, private: bool) -> dict[str, Any]:
    """Start, try, stop; `begun` is when the start began."""
    from mlp_lang.runner import server as servers
    from mlp_lang.runner.endpoint_rows import example, load_model, load_rows, payload

    server = servers.start(spec["scoring"], model_dir, spec["variables"], log, own_group=False)
    try:
        ready = time.monotonic() - begun
        addresses = servers.bound_addresses(server.port)
        if addresses != [servers.HOST]:
            raise servers.ServerError(f"the scoring server listens on {', '.join(addresses)}, not on loopback alone")
        agreement: float | None = None
        largest: float | None = None
        taken: list[float] = []
        rows = 0
        if spec["table"] is not None:
            model = load_model(spec["model"])
            frame = load_rows(spec["table"], spec["facts"], model, spec["model"], ROWS)
            rows = len(frame)
            answer = predictions(server.score(payload(frame), withhold=private))
            agreement, largest = compare(answer, list(model.predict(frame)))
            for number in range(REQUESTS + 5):
                one = payload(frame.iloc[[number % rows]])
                before = time.perf_counter()
                server.score(one, withhold=private)
                if number >= 5:
                    taken.append((time.perf_counter() - before) * 1000)
        taken.sort()
        latency = {"p50": quantile(taken, 0.5), "p95": quantile(taken, 0.95), "n": len(taken)} if taken else None
        return {
            "endpoint": spec["endpoint"],
            "deployment": spec["deployment"],
            "address": addresses,
            "ready_seconds": round(ready, 3),
            "rows": rows,
            "agreement": agreement,
            "max_abs_difference": largest,
            "latency_ms": latency,
            "example": example(spec["model"]),
        }
    finally:
        server.close()


def predictions(answer: Any) -> list[Any]:
    """The predicted values in an answer: a list, or an object with `predictions`, of values, or of one-value rows."""
    from mlp_lang.runner.server import ServerError

    if isinstance(answer, str):  # a script that returns JSON text has it quoted once more
        answer = json.loads(answer)
    found = answer.get("predictions") if isinstance(answer, dict) else answer
    if not isinstance(found, list):
        raise ServerError(f"the endpoint's answer holds no list of predictions: {json.dumps(answer)[:200]}")
    return [next(iter(x.values())) if isinstance(x, dict) and len(x) == 1 else x for x in found]


def compare(served: list[Any], native: list[Any]) -> tuple[float, float | None]:
    """Share of equal predictions (numbers to 1e-6 relative), and for numbers the largest difference."""
    from mlp_lang.runner.server import ServerError

    if len(served) != len(native):
        raise ServerError(f"the endpoint answered {len(served)} predictions for {len(native)} rows")
    equal = 0
    largest: float | None = None
    for a, b in zip(served, native, strict=True):
        b = b.item() if hasattr(b, "item") else b
        if isinstance(b, float) and isinstance(a, int | float):
            largest = max(largest or 0.0, abs(a - b))
            equal += math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)
        else:
            equal += a == b
    return equal / len(native), largest


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least `share` of the ordered values do not exceed."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3)


def is_private(facts: str | None) -> bool:
    """Whether the rows are private: then no log and no message that may quote them is kept."""
    from mlp_lang.runner.store import read_json

    return facts is not None and bool((read_json(facts) or {}).get("private"))


def _copy_log(path: str) -> None:
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as stream:
            print(stream.read(), flush=True)


def _fail(message: str) -> int:
    sys.stdout.flush()
    print("mlp: " + " ".join(message.split()), file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
