#!/usr/bin/env bash
# Set up what is missing, and only that: Debian packages, .venv, pinned Python packages, edged itself (editable).
# Asks nothing. Run twice, the second run does nothing. Needs root, or sudo, only when a Debian package is missing.
# With `train`: TensorFlow too, 2 GB. With `test`: also what only slow tests want: a browser, compilers and an emulator for
# boards, clients of their protocol.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3}
say() { printf 'setup: %s\n' "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

want() { case " $extras " in *" $1 "*) true ;; *) false ;; esac; }
extras=$*

wanted=$(grep -v '^#' packaging/apt.txt)
if want test; then wanted+=" $(grep -v '^#' packaging/apt-test.txt)"; fi
missing=()
for package in $wanted; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
  say "installing from Debian: ${missing[*]}"
  # A package may start a server or enable one for the next boot (mosquitto, pulseaudio). We want the programs, not the
  # servers: policy-rc.d forbids the start, and what came enabled is disabled again. Nothing that was there is touched.
  policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e "$policy" ]; then
    ours=yes
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    trap 'as_root rm -f "$policy"' EXIT
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  if [ "$ours" = yes ]; then as_root rm -f "$policy"; trap - EXIT; fi
  if command -v systemctl >/dev/null; then
    for package in "${missing[@]}"; do
      case $package in
        mosquitto) as_root systemctl disable --quiet mosquitto.service 2>/dev/null || true ;;
        pulseaudio) as_root systemctl --global disable --quiet pulseaudio.service pulseaudio.socket 2>/dev/null || true ;;
      esac
    done
  fi
fi

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
  say "$python is $("$python" -V): edged needs Python 3.11 to 3.13; name one: make setup PYTHON=/path/to/python3.11"; exit 2; }

stamp=.venv/.lock.sha256
lock=$(cat packaging/requirements.txt packaging/requirements-firmware.txt pyproject.toml "$(readlink -f "$python")" | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  say "installing pinned Python packages into .venv (a few minutes)"
  "$python" -m venv --clear .venv
  # The two source distributions must be built by a pinned setuptools, so it goes in first and builds without isolation.
  build=$(mktemp); trap 'rm -f "$build"' EXIT
  awk '/^(setuptools|wheel|packaging)==/ {on=1} on {print} on && !/\\$/ {on=0}' packaging/requirements.txt >"$build"
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r "$build"
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r packaging/requirements.txt
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
  # C sources that the firmware is built with. In a folder of their own: as a Python package it wants an older cbor2.
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps --target .venv/firmware \
    -r packaging/requirements-firmware.txt
  .venv/bin/python -m compileall -q edged >/dev/null
  printf '%s\n' "$lock" >"$stamp"
fi

# on_top NAME WHAT: what comes on top of the others, at the very versions that they have.
on_top() {
  local stamp=.venv/.$1.sha256 lock
  lock=$(sha256sum <"packaging/requirements-$1.txt")
  if want "$1" && [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
    say "installing $2 into .venv"
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r "packaging/requirements-$1.txt"
    printf '%s\n' "$lock" >"$stamp"
  fi
}
on_top train "TensorFlow (2 GB, a few minutes)"
on_top test "clients of the boards' protocol"
say "ready"
