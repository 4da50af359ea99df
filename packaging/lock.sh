#!/usr/bin/env bash
# Make packaging/requirements*.txt anew: locks for all architectures and Pythons, with hashes. Needs `uv` on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
# backports-strenum 1.3 declares Python < 3.11; uv disregards that upper bound, pip does not.
constraints=$(mktemp); trap 'rm -f "$constraints"' EXIT
echo 'backports-strenum<1.3' >"$constraints"
compile() {
  UV_PYTHON_DOWNLOADS=never uv pip compile --quiet --python /usr/bin/python3 --universal --generate-hashes --no-header \
    --no-annotate pyproject.toml "$@"
}
compile --group dev --constraint "$constraints" -o packaging/requirements.txt
# TensorFlow comes on top of the others, at the very versions that they have.
compile --extra train --constraint "$constraints" --constraint packaging/requirements.txt -o packaging/requirements-train.txt
# Clients of the boards' protocol, for slow tests, likewise.
compile --group clients --constraint "$constraints" --constraint packaging/requirements-train.txt -o packaging/requirements-test.txt
