"""From a step's command line to its processes on this machine: each is told its place, and one that fails ends all.

Runs by itself, on the standard library alone: `python -I launcher.py SPEC`. The command's processes belong to the
launcher's process group, which whoever started it ends as a whole. What they print is passed on line by line, that of
the first as it is, that of the others with their number before it.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

HOST = "127.0.0.1"
GRACE = 3.0
"""Seconds from TERM to the end of all that is left."""
CLUSTER_WAIT = 60.0
"""Seconds that a Ray node may take to come up."""


class Member:
    """One process of the step; `server` if it is one that never ends by itself."""

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], server: bool = False) -> None:
        self.name = name
        self.server = server
        self.last = ""
        self.process = subprocess.Popen(
            arguments, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )


class Crew:
    """The processes that run now, and what they print."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.readers: list[threading.Thread] = []
        self.ended: SimpleQueue[Member] = SimpleQueue()
        self.lock = threading.Lock()
        self.stopping = False
        self._at_end = ""  # the last line of the log

    def start(self, member: Member, prefix: str = "") -> Member:
        self.members.append(member)
        reader = threading.Thread(target=self._pass_on, args=(member, prefix.encode()), daemon=True)
        reader.start()
        self.readers.append(reader)
        threading.Thread(target=self._await, args=(member,), daemon=True).start()
        return member

    def run(self) -> int:
        """Wait for all that end by themselves; the exit code of the first that failed, else 0."""
        left = sum(not m.server for m in self.members)
        while left:
            member = self.ended.get()
            code = member.process.returncode
            if member.server and (code == 0 or self.stopping):
                continue
            if code != 0:
                if not self.stopping:
                    self._blame(member, code)
                self.stop()
                return code if code > 0 else 128 - code
            left -= 1
        if any(m.server for m in self.members):
            self.stop()
        self._drain()
        return 0

    def stop(self) -> None:
        """TERM to the whole group, and wait a little; what is left is killed with the group once the launcher ends."""
        self.stopping = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpgrp(), signal.SIGTERM)
        until = time.monotonic() + GRACE
        for member in self.members:
            try:
                member.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
        self._drain()

    def say(self, text: str) -> None:
        with self.lock:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def _blame(self, member: Member, code: int) -> None:
        """Name who failed, with its own last word, so that this is what the log ends in."""
        self.readers[self.members.index(member)].join(1.0)
        said = member.last
        if said.startswith("mlp: "):
            self._at_end = said
            return
        ended = f"was ended by {_signal_name(-code)}" if code < 0 else f"failed with exit code {code}"
        others = len(self.members) - 1
        rest = "; the others were ended" if others else ""
        self._at_end = f"mlp: {member.name} {ended}{rest}" + (f": {said}" if said else "")

    def _drain(self) -> None:
        for reader in self.readers:
            reader.join(1.0)  # somebody may have left a child that holds the pipe
        if self._at_end:
            self.say(self._at_end)
            self._at_end = ""

    def _pass_on(self, member: Member, prefix: bytes) -> None:
        assert member.process.stdout is not None
        for line in member.process.stdout:
            text = line.rstrip(b"\r\n")
            if text.strip():
                member.last = text.decode("utf-8", "replace").strip()
            with self.lock:
                sys.stdout.buffer.write(prefix + text + b"\n")
                sys.stdout.buffer.flush()

    def _await(self, member: Member) -> None:
        member.process.wait()
        self.ended.put(member)


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        spec: dict[str, Any] = json.load(file)
    crew = Crew()

    def stop(*_: Any) -> None:
        crew.stopping = True  # its processes have had the same signal: wait for them, and blame none

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    kinds: dict[str, Callable[[dict[str, Any], Crew], int]] = {
        "pytorch": pytorch,
        "tensorflow": tensorflow,
        "mpi": mpi,
        "ray": ray,
    }
    return kinds[spec["kind"]](spec, crew)


def pytorch(spec: dict[str, Any], crew: Crew) -> int:
    world = spec["nodes"] * spec["each"]
    own = {"MASTER_ADDR": HOST, "MASTER_PORT": str(free_ports(1)[0]), "WORLD_SIZE": str(world), **_shared(world)}
    for rank in range(world):
        place = {"RANK": rank, "LOCAL_RANK": rank % spec["each"], "NODE_RANK": rank // spec["each"]}
        told = {**os.environ, **own, **{name: str(value) for name, value in place.items()}}
        member = Member(f"process {rank} of {world}", [spec["shell"], "-c", spec["line"]], told)
        crew.start(member, f"[{rank}] " if rank else "")
    return crew.run()


def tensorflow(spec: dict[str, Any], crew: Crew) -> int:
    workers, servers = spec["each"], spec["servers"]
    places = [f"{HOST}:{port}" for port in free_ports(workers + servers)]
    cluster = {"worker": places[:workers], **({"ps": places[workers:]} if servers else {})}
    roles = [("worker", i) for i in range(workers)] + [("ps", i) for i in range(servers)]
    for position, (role, index) in enumerate(roles):
        told = {"cluster": cluster, "task": {"type": role, "index": index}, "environment": "cloud"}
        environment = {**os.environ, **_shared(len(roles)), "TF_CONFIG": json.dumps(told)}
        member = Member(f"{role} {index}", [spec["shell"], "-c", spec["line"]], environment, role == "ps")
        crew.start(member, f"[{role} {index}] " if position else "")
    return crew.run()


def mpi(spec: dict[str, Any], crew: Crew) -> int:
    world = spec["nodes"] * spec["each"]
    program = spec["mpirun"]
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    flags = ["--oversubscribe"] if "Open MPI" in version or "OpenRTE" in version or "prte" in version.lower() else []
    port = free_ports(1)[0]
    environment = {
        **os.environ,
        **_shared(world),
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(port),
        "AZ_BATCH_MASTER_NODE": f"{HOST}:{port}",
        "AZ_BATCHAI_MPI_MASTER_NODE": HOST,
    }
    for family in ("OMPI", "PRTE"):  # these refuse the user root, who is what a container has
        environment[f"{family}_ALLOW_RUN_AS_ROOT"] = environment[f"{family}_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    environment.setdefault("OMPI_MCA_btl_vader_single_copy_mechanism", "none")  # forbidden in most containers
    environment["TMPDIR"] = short = _short_folder()
    environment["MLP_STEP_TMPDIR"] = os.environ.get("TMPDIR", short)
    line = f'export TMPDIR="$MLP_STEP_TMPDIR"; {spec["line"]}'
    arguments = [program, *flags, "-n", str(world), spec["shell"], "-c", line]
    try:
        crew.start(Member("mpirun", arguments, environment))
        return crew.run()
    finally:
        shutil.rmtree(short, ignore_errors=True)


def ray(spec: dict[str, Any], crew: Crew) -> int:
    settings = spec["ray"]
    address = settings.get("address")
    folder = ""
    try:
        if not address:
            folder = _short_folder()
            address = _cluster(spec, settings, folder, crew)
            if address is None:
                crew.stop()
                crew.say("mlp: the Ray cluster did not come up")
                return 1
        environment = {**os.environ, "RAY_ADDRESS": address}
        work = crew.start(Member("the command", [spec["shell"], "-c", spec["line"]], environment))
        code = crew.run()
        return code if work.process.returncode is not None else 1
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _cluster(spec: dict[str, Any], settings: Mapping[str, Any], folder: str, crew: Crew) -> str | None:
    """Start a head and the workers of a Ray cluster on loopback; its address once all nodes are there."""
    program = shutil.which("ray")
    if program is None:
        crew.say("mlp: `ray` is not on the step's PATH")
        return None
    port = settings.get("port") or free_ports(1)[0]
    address = f"{HOST}:{port}"
    common = ["--block", "--disable-usage-stats"]
    board = "true" if settings.get("include_dashboard") in (True, "true", "True") else "false"
    head = ["--head", f"--port={port}", f"--node-ip-address={HOST}", f"--temp-dir={folder}"]
    head.append(f"--include-dashboard={board}")
    if settings.get("dashboard_port"):
        head.append(f"--dashboard-port={settings['dashboard_port']}")
    head += shlex.split(str(settings.get("head_node_additional_args") or ""))
    environment = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    environment.setdefault("RAY_AUTH_MODE", "disabled")  # as its clients are, whatever token lies in the home folder
    crew.start(Member("the Ray head", [program, "start", *head, *common], environment, True), "[ray head] ")
    until = time.monotonic() + CLUSTER_WAIT
    if not _answers(int(port), until, crew):
        return None
    more = shlex.split(str(settings.get("worker_node_additional_args") or ""))
    for index in range(1, spec["nodes"]):
        arguments = [program, "start", f"--address={address}", f"--node-ip-address={HOST}", *more, *common]
        crew.start(Member(f"Ray worker {index}", arguments, environment, True), f"[ray {index}] ")
    if spec["nodes"] > 1:
        joined = ["python", "-c", _JOINED, address, str(spec["nodes"]), str(CLUSTER_WAIT)]
        if subprocess.run(joined, env=dict(os.environ), stdout=subprocess.DEVNULL, check=False).returncode != 0:
            return None
    return address


_JOINED = """
import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
until = time.monotonic() + float(sys.argv[3])
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    if time.monotonic() > until:
        sys.exit(1)
    time.sleep(0.1)
"""


def _answers(port: int, until: float, crew: Crew) -> bool:
    """Whether the head comes up: it serves its port once the cluster can be joined."""
    while time.monotonic() < until and not crew.stopping:
        if any(member.process.poll() is not None for member in crew.members):
            return False
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((HOST, port)) == 0:
                return True
        time.sleep(0.1)
    return False


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _shared(count: int) -> dict[str, str]:
    """Variables for processes that share this machine: threads for each its part, and loopback to talk over."""
    threads = max(1, (os.cpu_count() or 1) // max(1, count))
    own = {"OMP_NUM_THREADS": str(threads), "GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0"}
    return {name: value for name, value in own.items() if name not in os.environ}


def _short_folder() -> str:
    """A folder whose path leaves room for the names of sockets, which may have a hundred characters in all."""
    parent = "/tmp" if os.path.isdir("/tmp") else None
    return tempfile.mkdtemp(prefix="mlp-", dir=parent)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


if __name__ == "__main__":
    sys.exit(main())
