"""From a backend's name to a process in which Keras loads with it, quietly and on few threads. Loads nothing itself."""

import importlib.util
import os

from common.entry import Refusal

BACKENDS = ("tensorflow", "torch", "jax")
THREADS = "2"
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # its sums come in another order on another machine, and it says so at length
    "GRPC_VERBOSITY": "ERROR",
    "TF_NUM_INTRAOP_THREADS": THREADS,
    "TF_NUM_INTEROP_THREADS": THREADS,
    "OMP_NUM_THREADS": THREADS,
}


def prepare(backend: str) -> None:
    """Set what Keras and TensorFlow read when they load. Raises Refusal for a backend that is not installed."""
    if importlib.util.find_spec(backend) is None:
        raise Refusal(f"backend = {backend} needs the package {backend}, which is not installed here")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["KERAS_BACKEND"] = backend


def seed(number: int) -> None:
    """The same program gives the same weights, as far as the backend can. Keras is loaded here."""
    import keras

    keras.utils.set_random_seed(number)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
