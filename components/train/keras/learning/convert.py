"""From a folder with network.json and model.keras to model.onnx in it; runs as a process with Keras on TensorFlow."""

import json
import sys
from pathlib import Path

from learning import start


def main() -> None:
    """Convert the network in the folder that the command line names."""
    start.prepare("tensorflow")
    import onnx

    from learning import architectures, saving

    folder = Path(sys.argv[1])
    description = json.loads((folder / saving.DESCRIPTION).read_text(encoding="utf-8"))["network"]
    network = architectures.build(description)
    network.load_weights(folder / saving.MODEL)
    onnx.save(saving.converted(network), folder / "model.onnx")
