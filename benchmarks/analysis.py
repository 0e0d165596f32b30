"""How long the static analysis takes, beside running the network on the meta device under FlopCounterMode.

In one process, imports done and parsed expressions known from the round before; `cold_start.py` measures the first
time. Ours: read the YAML, check, lower, infer shapes, price every op. The others: build the
network on `meta`, which allocates nothing, and run it once; torchvision's network, and ours. Wanted: at most 1/5 of
the time for resnet18 and 1/20 for resnet152.
"""

from __future__ import annotations

import torch
import torchvision
from common import ROOT, alternate, rounds_option, show_place, show_table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.backends.torch import build

WANTED = {"resnet18": 5, "resnet152": 20}


def count(model: nn.Module, channels: int) -> int:
    """FLOPs of one image, by running the model on meta."""
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, channels, 224, 224, device="meta"))
    return counter.get_total_flops()


def contestants(name: str):
    loaded = archspec.load(ROOT / "specs" / f"{name}.yaml")

    def ours() -> int:
        return archspec.load(ROOT / "specs" / f"{name}.yaml").report.macs

    def torchvision_on_meta() -> int:
        with torch.device("meta"):
            return count(getattr(torchvision.models, name)(), 3)

    def ours_on_meta() -> int:
        with torch.device("meta"):
            return count(build(loaded.graph), 1)

    assert 2 * ours() == ours_on_meta(), "the two must count the same network"
    return {"ours": ours, "torchvision": torchvision_on_meta, "built": ours_on_meta}


def main() -> None:
    rounds = rounds_option(30).rounds
    show_place(["torch", "torchvision"])
    rows = []
    for name, wanted in WANTED.items():
        times = alternate(contestants(name), rounds)
        rows.append([
            name, *(times[who].text(1000) for who in ("ours", "torchvision", "built")),
            *(times[who].over(times["ours"]).text() for who in ("torchvision", "built")), f"≥ {wanted}", str(rounds),
        ])
    show_table(
        ["network", "archspec's analysis, ms", "torchvision's on meta, ms", "archspec's on meta, ms",
         "times faster than torchvision's", "than archspec's", "wanted", "rounds"], rows,
    )


if __name__ == "__main__":
    main()
