"""`python -m tests.baselines [case …]` makes the baselines of all cases, or of the named ones, anew."""

import sys

from tests.baselines.produce import CASES, rewrite

wanted = sys.argv[1:]
unknown = set(wanted) - {c.name for c in CASES}
if unknown:
    sys.exit(f"no such case: {', '.join(sorted(unknown))}")
for case in CASES:
    if not wanted or case.name in wanted:
        for path in rewrite(case):
            print(f"{case.name}/{path}")
