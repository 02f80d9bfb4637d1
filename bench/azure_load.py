"""Loads and validates a compiled pipeline with azure-ai-ml, offline: what mlp is measured against. Exit code 1 if it
is refused."""

import logging
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from azure.ai.ml import load_job  # noqa: E402 - after the warnings are off

job = load_job(sys.argv[1])
result = job._validate()  # the only offline validation it has
if not result.passed:
    sys.exit(f"azure-ai-ml refuses {sys.argv[1]}: {result.error_messages}")
print(len(job.jobs))
