"""How long the static analysis takes, beside the tools that run or trace the network.

In one process, imports done and parsed expressions known from the round before; `cold_start.py` measures the first
time. Ours: read the YAML, check, lower, infer shapes, price every op. Then memory and time: a training step and a
forward pass simulated, and their times on an H200 predicted. FlopCounterMode, MemTracker, torchinfo and ptflops run
torchvision's network on `meta`, which allocates nothing; thop and fvcore need a CPU. Wanted: at most 1/5 of
FlopCounterMode's time for resnet18 and 1/20 for resnet152; memory and time of resnet152 in 40 ms.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable

import torch
import torchvision
from common import ROOT, alternate, rounds_option, show_place, show_table
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.devices.targets import time_model
from archspec.execution import Optimizer, Setting

NETWORKS = ("resnet18", "resnet152")
IMAGE = (3, 224, 224)


def flop_counter(model: nn.Module, image: torch.Tensor) -> None:
    with FlopCounterMode(display=False):
        model(image)


def mem_tracker(model: nn.Module, image: torch.Tensor) -> None:
    """Peak of a training step."""
    tracker = MemTracker()
    tracker.track_external(model, image)
    with tracker:
        model.train()(image).mean().backward()
    tracker.get_tracker_snapshot("peak")


def torchinfo(model: nn.Module, image: torch.Tensor) -> None:
    from torchinfo import summary

    summary(model, input_data=image, verbose=0)


def ptflops(model: nn.Module, image: torch.Tensor) -> None:
    from ptflops import get_model_complexity_info

    get_model_complexity_info(model, IMAGE, as_strings=False, print_per_layer_stat=False, backend="pytorch",
                              input_constructor=lambda _: {"x": image})


def thop(model: nn.Module, image: torch.Tensor) -> None:
    from thop import profile

    profile(model, inputs=(image,), verbose=False)


def fvcore(model: nn.Module, image: torch.Tensor) -> None:
    from fvcore.nn import FlopCountAnalysis

    FlopCountAnalysis(model, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()


def built_and(tool: Callable[[nn.Module, torch.Tensor], None], name: str, device: str) -> Callable[[], None]:
    """Build torchvision's network and run a tool on it, without what the tool prints."""

    def run() -> None:
        with torch.device(device), contextlib.redirect_stdout(io.StringIO()):
            tool(getattr(torchvision.models, name)().eval(), torch.empty(1, *IMAGE))

    return run


def contestants(name: str) -> dict[str, Callable[[], object]]:
    """Ours and the tools, by name."""
    graph = archspec.load(ROOT / "specs" / f"{name}.yaml").graph
    setting = Setting(32, optimizer=Optimizer("sgd", 0.9), target="cuda")
    model = time_model("h200")
    assert model is not None
    return {
        "archspec": lambda: archspec.load(ROOT / "specs" / f"{name}.yaml").report.macs,
        "archspec, memory and time": lambda: predict_times(resources(graph, setting), model).totals(),
        "FlopCounterMode": built_and(flop_counter, name, "meta"),
        "MemTracker": built_and(mem_tracker, name, "meta"),
        "torchinfo": built_and(torchinfo, name, "meta"),
        "ptflops": built_and(ptflops, name, "meta"),
        "thop": built_and(thop, name, "cpu"),
        "fvcore": built_and(fvcore, name, "cpu"),
    }


def main() -> None:
    """Print a table for each network."""
    logging.disable(logging.WARNING)
    rounds = rounds_option(10).rounds
    show_place(["torch", "torchvision", "torchinfo", "ptflops", "thop", "fvcore"])
    for name in NETWORKS:
        times = alternate(contestants(name), rounds)
        rows = [[who, sample.text(1000), sample.over(times["archspec"]).text()] for who, sample in times.items()]
        show_table([name, "ms", "times archspec's analysis"], rows)
        tracker = times["MemTracker"].over(times["archspec, memory and time"])
        print(f"\nMemTracker takes {tracker.text()} times as long as archspec's memory and time")
        print()


if __name__ == "__main__":
    main()
