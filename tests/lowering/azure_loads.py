"""From files of definitions to what azure-ai-ml's loaders say of them, as JSON on standard output; empty is fine.

Run as a process of its own, because the switch that shows what is in preview is read when azure-ai-ml is imported.
Arguments: `load_<kind>:path`.
"""

import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml.entities import _load_functions as loaders  # noqa: E402


def said_of(loader: str, path: str) -> str:
    try:
        entity = getattr(loaders, loader)(path)
        validate = getattr(entity, "_validate", None)
        result = validate() if validate is not None else None
    except Exception as error:  # whatever a library raises is what it says
        return f"{type(error).__name__}: {error}"
    return "" if result is None or result.passed else str(result)


if __name__ == "__main__":
    arguments = [argument.partition(":") for argument in sys.argv[1:]]
    json.dump({path: said_of(loader, path) for loader, _, path in arguments}, sys.stdout)
