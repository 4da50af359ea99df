#!/usr/bin/env bash
# Make packaging/requirements.txt anew: one lock for all architectures and Pythons, with hashes. Needs `uv` on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
# backports-strenum 1.3 declares Python < 3.11; uv disregards that upper bound, pip does not.
constraints=$(mktemp); trap 'rm -f "$constraints"' EXIT
echo 'backports-strenum<1.3' >"$constraints"
UV_PYTHON_DOWNLOADS=never uv pip compile --quiet --python /usr/bin/python3 --universal --generate-hashes --no-header \
  --group dev --constraint "$constraints" --no-annotate pyproject.toml -o packaging/requirements.txt
