#!/usr/bin/env bash
# miniwdl and kfp, each in an environment of its own under .bench/: neither's dependencies meet ours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for tool in miniwdl kfp; do
    [[ -e .bench/$tool/.made ]] && continue
    "${PYTHON:-python3}" -m venv ".bench/$tool"
    ".bench/$tool/bin/python" -m pip install --disable-pip-version-check --quiet "$tool"
    touch ".bench/$tool/.made"
done
