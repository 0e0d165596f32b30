"""How much CPU time many specs and large networks take.

`archspec validate` of a folder of 1,000 specs, as a process of its own, from start to exit; wanted: at most 3 s. And
loading networks of 100,000 ops, in this process: one op, or a block of several, in a repeat, and a repeat in a repeat;
wanted: at most 1 s each.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, show_place, show_table

import archspec

OPS = 100_000
BASE = "archspec: 1\nname: large\ninput: [4, 8, 8]\n"
BLOCK = "[conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, batch_norm2d, relu, add: {main: relu, skip: []}]"
LARGE = {
    "an op": "stages: {all: {relu: , repeat: 100000}}",
    "a block": f"blocks: {{part: {BLOCK}}}\nstages: {{all: {{part: , repeat: 20000}}}}",
    "a repeat in a repeat": "stages: {all: {repeat: 500, sequential: [{repeat: 100, sequential: [gelu, relu]}]}}",
}


def write_specs(folder: Path, count: int) -> None:
    """Specs like lenet_relu, each with another number of classes and of channels."""
    text = (ROOT / "specs" / "lenet_relu.yaml").read_text(encoding="utf-8").partition("expect:")[0]
    for k in range(count):
        own = text.replace("num_classes: 10", f"num_classes: {2 + k}")
        own = own.replace("out_channels: 6,", f"out_channels: {4 + k % 13},")
        (folder / f"net{k}.yaml").write_text(own, encoding="utf-8")


def validate(folder: Path) -> float:
    """CPU seconds of `archspec validate` of a folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "archspec", "validate", str(folder)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def load(text: str) -> float:
    """CPU seconds of one load of a large network."""
    start = time.process_time()
    loaded = archspec.load(BASE + text)
    seconds = time.process_time() - start
    assert loaded.graph.op_count == OPS
    return seconds


def row(name: str, seconds: list[float], wanted: str) -> list[str]:
    return [name, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}–{max(seconds):.2f}", wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--specs", type=int, default=1000, metavar="N")
    options = parser.parse_args()
    show_place(["pydantic"])
    with tempfile.TemporaryDirectory() as folder:
        write_specs(Path(folder), options.specs)
        times = [validate(Path(folder)) for _ in range(options.rounds)]
    rows = [row(f"validate {options.specs:,} specs", times, "≤ 3")]
    archspec.load(BASE + "stages: {a: relu}")  # what is imported late
    for name, text in LARGE.items():
        rows.append(row(f"{OPS:,} ops, {name}", [load(text) for _ in range(options.rounds)], "≤ 1"))
    show_table(["work", "CPU s, median", "least–most", "wanted"], rows)


if __name__ == "__main__":
    main()
