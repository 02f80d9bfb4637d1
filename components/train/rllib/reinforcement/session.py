"""From a number of workers to a Ray of this step's own, which is gone when the step is."""

import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLES = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RLLIB_TEST_NO_TF_IMPORT": "1",  # TensorFlow, where it is installed, is not needed and slow to import
}
"""What Ray reads when it is imported."""
LONGEST = 40
"""Letters of a folder in which Ray's sockets may lie: the system allows 107 for a socket's whole path."""
STORE = 256 * 2**20
"""Bytes of shared memory for episodes and weights in transit; a container may have little of it."""


@contextmanager
def ray(workers: int) -> Iterator[Path]:
    """Ray on this machine alone, without its pages, with a core for each worker whether the machine has it or not.

    Gives the folder that it lives in.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    import ray as library
    import torch

    torch.set_num_threads(1)  # the quickest for networks this small
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    if "MLP_TRACEBACK" not in os.environ:
        logging.disable(logging.ERROR)  # RLlib logs tracebacks of what the step tells in a line
    folder = Path(tempfile.mkdtemp(prefix="mlp-ray-"))
    if len(str(folder)) > LONGEST:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="mlp-ray-", dir="/tmp"))
    # workers import what this script imports
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in sys.path if path))
    try:
        library.init(
            address="local",
            num_cpus=max(os.cpu_count() or 1, workers + 1),
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=STORE,
            _temp_dir=str(folder),
        )
        yield folder
    finally:
        import psutil  # Ray brings it along

        started = psutil.Process().children(recursive=True)
        library.shutdown()
        _, alive = psutil.wait_procs(started, timeout=3)
        for process in alive:  # Ray's agents look for their parent now and then only
            with suppress(psutil.NoSuchProcess):
                process.kill()
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder, ignore_errors=True)
