"""How long it takes to analyse a population of networks: NAS-Bench-201's 15,625 cells, and variants of lenet_relu.

On one core, in CPU time, since other processes may share the machine; wall time beside it. Each is done once. Wanted:
all cells in at most 60 s, 100,000 variants of lenet_relu a minute.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from collections.abc import Callable
from pathlib import Path

from common import ROOT, show_place, show_table

import archspec
from archspec.sweep.population import population
from archspec.sweep.read import read_sweep

SWEEP = ROOT / "benchmarks" / "spaces" / "nasbench201.yaml"
MIB = 2**20


def cells() -> int:
    """Every cell of the sweep, as `archspec population` analyses it."""
    return len(population(read_sweep(Path(SWEEP)), str(SWEEP)).members)


def variants(count: int) -> int:
    """lenet_relu with other numbers of classes."""
    template = archspec.Template("lenet_relu")
    for classes in itertools.islice(itertools.cycle(range(2, 1002)), count):
        template.totals({"num_classes": classes})
    return count


def row(name: str, work: Callable[[], int], wanted: str) -> list[str]:
    """Run it once and time it."""
    cpu, wall = time.process_time(), time.perf_counter()
    count = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB
    figures = [f"{cpu:.1f}", f"{wall:.1f}", f"{1000 * cpu / count:.2f}", f"{60 * count / cpu:,.0f}"]
    return [name, f"{count:,}", *figures, wanted, f"{peak:.0f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", type=int, default=20_000, metavar="N", help="of lenet_relu")
    count = parser.parse_args().variants
    show_place(["pydantic"])
    rows = [
        row("lenet_relu, classes", lambda: variants(count), "≥ 100,000 a minute"),
        row("nasbench201, all cells", cells, "≤ 60 s"),
    ]
    show_table(
        ["population", "networks", "CPU s", "wall s", "ms each", "a minute", "wanted", "peak MiB of the process"], rows
    )


if __name__ == "__main__":
    main()
