"""The installed tools: what each prints for a built network."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from archspec.backends.torch import build, example_inputs
from archspec.ir import Graph

Inputs = tuple[Tensor, ...]


@contextlib.contextmanager
def unpatched() -> Iterator[None]:
    """Put back what tools replace in torch: DeepSpeed leaves some of its functions there, which count twice later."""
    places = [F, torch, Tensor]
    before = [dict(vars(place)) for place in places]
    try:
        yield
    finally:
        for place, old in zip(places, before, strict=True):
            for key in [key for key, value in vars(place).items() if key not in old or old[key] is not value]:
                if key in old:
                    setattr(place, key, old[key])
                else:
                    delattr(place, key)


def imported(name: str) -> Any:
    """A tool's module; skips the test without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
        return pytest.importorskip(name)


def fvcore(model: nn.Module, inputs: Inputs) -> int:
    analysis = imported("fvcore.nn").FlopCountAnalysis(model, inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()


def ptflops(model: nn.Module, inputs: Inputs, backend: str) -> int | None:
    names = getattr(model, "_arguments", None) or list(inspect.signature(model.forward).parameters)
    given = inputs[0] if len(inputs) == 1 else dict(zip(names, inputs, strict=True))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return imported("ptflops").get_model_complexity_info(
            model, (1,), as_strings=False, print_per_layer_stat=False, backend=backend, input_constructor=lambda _: given,
        )[0]


def thop(model: nn.Module, inputs: Inputs) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return imported("thop").profile(model, inputs=inputs, verbose=False)[0]


def torchinfo(model: nn.Module, inputs: Inputs) -> int:
    return imported("torchinfo").summary(model, input_data=list(inputs), verbose=0).total_mult_adds


def deepspeed(model: nn.Module, inputs: Inputs) -> tuple[int, int]:
    profiler = imported("deepspeed.profiling.flops_profiler")
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    flops, macs, _ = profiler.get_model_profile(
        model, args=list(inputs), print_profile=False, as_string=False, warm_up=0
    )
    return flops, macs


def flopcounter(model: nn.Module, inputs: Inputs) -> int:
    with FlopCounterMode(display=False) as mode, torch.no_grad():
        model(*inputs)
    return mode.get_total_flops()


TOOLS: dict[str, Callable[[nn.Module, Inputs], Any]] = {
    "flopcounter": flopcounter, "fvcore": fvcore, "thop": thop, "torchinfo": torchinfo, "deepspeed": deepspeed,
    "ptflops-aten": lambda model, inputs: ptflops(model, inputs, "aten"),
    "ptflops-pytorch": lambda model, inputs: ptflops(model, inputs, "pytorch"),
}


def printed(name: str, graph: Graph, batch_size: int, device: str = "cpu") -> dict[str, Any]:
    """The numbers of a tool by their unit."""
    device = "meta" if name == "flopcounter" else device
    with torch.device(device):
        model = build(graph).eval()
    size = 1 if name.startswith("ptflops") else batch_size
    with unpatched():
        found = TOOLS[name](model, example_inputs(graph, size, device))
    return dict(zip(("FLOPs", "MACs"), found, strict=True)) if name == "deepspeed" else {"": found}
