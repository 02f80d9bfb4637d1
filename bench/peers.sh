#!/usr/bin/env bash
# The tools that mlp is timed and measured beside, each in an environment of its own under .bench/: no dependency of theirs meets ours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for tool in miniwdl kfp dvc snakemake; do
    [[ -e .bench/$tool/.made ]] && continue
    "${PYTHON:-python3}" -m venv ".bench/$tool"
    ".bench/$tool/bin/python" -m pip install --disable-pip-version-check --quiet "$tool"
    touch ".bench/$tool/.made"
done
# diffprivlib 0.6.6 does not import beside scikit-learn 1.6 or later
if [[ ! -e .bench/diffprivlib/.made ]]; then
    "${PYTHON:-python3}" -m venv .bench/diffprivlib
    .bench/diffprivlib/bin/python -m pip install --disable-pip-version-check --quiet diffprivlib==0.6.6 scikit-learn==1.5.2
    touch .bench/diffprivlib/.made
fi
