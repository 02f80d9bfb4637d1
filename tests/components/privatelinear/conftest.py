"""Where the modules of the private linear components lie."""

import sys

from component_steps import COMPONENTS

for name in ("output_perturbation", "objective_perturbation", "linear_regression"):
    folder = str(COMPONENTS / "privatize/opendp" / name)
    if folder not in sys.path:
        sys.path.append(folder)
