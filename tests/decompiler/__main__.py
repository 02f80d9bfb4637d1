"""`python -m tests.decompiler [case …]` makes the expected programs anew."""

import sys

from tests.decompiler.cases import CASES, EXPECTED, program

for case in CASES:
    if not sys.argv[1:] or case.name in sys.argv[1:]:
        text = program(case)
        if not (case / EXPECTED).exists() or (case / EXPECTED).read_text("utf-8") != text:
            (case / EXPECTED).write_text(text, "utf-8")
            print(case.name)
