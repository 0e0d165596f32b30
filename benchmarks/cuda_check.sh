#!/usr/bin/env bash
# Checks archspec on a machine with a GPU: tests/cuda and the throughput table, in at most 8 minutes, unattended.
#
#   benchmarks/cuda_check.sh WHEELS_DIR DATA_DIR OUT_DIR [PART…]
#
# The machine needs Python 3.11 or newer with torch and torchvision, and no network. WHEELS_DIR holds what else archspec
# needs (benchmarks/cuda_wheels.sh fetches it), DATA_DIR the four files of Fashion-MNIST. OUT_DIR gets cuda_check.json
# and cuda_check.log. PARTs, such as `kill throughput-lenet`, run alone; default all. Exit code 0: all that was run has passed. ARCHSPEC_CHECK_DEVICE=cpu rehearses without a GPU;
# PYTHON names another interpreter than python3.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,/^set/p' "$0" | grep '^#'; exit 2; }
wheels=$(realpath "$1") data=$(realpath "$2") out=$(realpath -m "$3") root=$(realpath "$(dirname "$0")/..")
python=${PYTHON:-python3}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
mkdir -p "$out"
"$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir \
  --target "$site" "$wheels"/*.whl
PYTHONPATH="$root:$site" PYTHONUNBUFFERED=1 "$python" "$root/benchmarks/cuda_check.py" "$data" "$out" "${@:4}"
