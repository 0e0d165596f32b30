#!/usr/bin/env bash
# Fetches, on a machine with a package index, the wheels that benchmarks/cuda_check.sh installs on one without.
#
#   benchmarks/cuda_wheels.sh WHEELS_DIR [PYTHON_VERSION]
#
# Some 7 MiB, for x86-64 Linux and Python 3.12. torch, torchvision and numpy are expected to be there.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,/^set/p' "$0" | grep '^#'; exit 2; }
"${PYTHON:-python3}" -m pip download --quiet --only-binary=:all: --dest "$1" \
  --python-version "${2:-3.12}" --implementation cp \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
  pydantic pyyaml click rich safetensors pytest
