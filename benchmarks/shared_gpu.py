"""How fast trainings are that share one device: so many of one network at once, each a process of its own.

    python benchmarks/shared_gpu.py googlenet resnet18_96 --jobs 1 5 --precision tf32 --batch-size 128

prints, for each number of trainings, the images/s of one (median) and of all together. The speed is that of the last
epoch; trainings that end earlier leave the device to the others, so the sum is a little too high.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import show_place, show_table


def speeds(network: str, jobs: int, options: Sequence[str]) -> list[float]:
    """Images/s of each of so many trainings at once, in the last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / str(k) for k in range(jobs)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "archspec", "train", network, "--seed", str(k), "--threads", "1", "--no-trials",
                 "--run-dir", str(run), *options],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for k, run in enumerate(runs)
        ]
        codes = [process.wait() for process in processes]
        if any(codes):
            raise SystemExit(f"a training of {network} failed: exit codes {codes}")
        return [_last(run / "metrics.jsonl") for run in runs]


def _last(metrics: Path) -> float:
    return float(json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])["images_per_s"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", help="shipped specs")
    parser.add_argument("--jobs", nargs="+", type=int, default=[1, 5], metavar="N", help="trainings at once; 1 and 5")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=19_200, help="training images of an epoch")
    given, options = parser.parse_known_args()
    options += ["--epochs", str(given.epochs), "--limit-train", str(given.images), "--limit-test", "1000"]
    show_place(("torch",))
    rows = []
    for network in given.networks:
        for jobs in given.jobs:
            found = speeds(network, jobs, options)
            rows.append([network, str(jobs), f"{statistics.median(found):,.0f}", f"{sum(found):,.0f}"])
    show_table(("network", "at once", "images/s of one", "of all"), rows)


if __name__ == "__main__":
    main()
