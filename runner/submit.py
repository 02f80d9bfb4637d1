"""From the arguments of `spark-submit` to that program of this Python's PySpark: `python -I submit.py …`."""

import importlib.util
import os
import sys


def main() -> None:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        sys.exit("mlp: PySpark is not installed in the step's Python: pip install 'mlp-lang[spark]'")
    home = os.path.dirname(found.origin)
    program = os.path.join(home, "bin", "spark-submit")
    environment = {**os.environ, "SPARK_HOME": home}
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    environment.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.execve(program, ["spark-submit", *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
