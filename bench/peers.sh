#!/usr/bin/env bash
# The tools that mlp is timed beside, each in an environment of its own under .bench/: no dependency of theirs meets ours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for tool in miniwdl kfp dvc snakemake; do
    [[ -e .bench/$tool/.made ]] && continue
    "${PYTHON:-python3}" -m venv ".bench/$tool"
    ".bench/$tool/bin/python" -m pip install --disable-pip-version-check --quiet "$tool"
    touch ".bench/$tool/.made"
done
