"""The tool is a folder of the checkout, no part of the package: it is imported from the root."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
