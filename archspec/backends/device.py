"""Selects the device that the command line names."""

from __future__ import annotations

import platform
from pathlib import Path

import torch
from torch import nn

from archspec.diagnostics import error, plural


def pick_device(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N`; `auto` is the first GPU, or the CPU if there is none.

    Raises SpecError BUILD202 if the device does not exist, ValueError for any other name.
    """
    kind, colon, index = name.partition(":")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if name != "auto" and (kind != "cuda" or (colon and not index.isdecimal())):
        raise ValueError(f"a device is auto, cpu, cuda or cuda:N, not {name!r}")
    number = int(index or 0)
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= found:
        has = plural(found, "GPU") if found else "no GPU that torch can use"
        raise error("BUILD202", f"there is no device {name}: this machine has {has}", hint="use --device auto")
    return torch.device("cuda", number)


def place(model: nn.Module, device: torch.device, *, channels_last: bool) -> nn.Module:
    """Move the model to the device; with `channels_last` its tensors of four dimensions become NHWC.

    `nn.Module.to` would reject a model that also has a tensor of five dimensions.
    """
    model = model.to(device)
    if channels_last:
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                if tensor.dim() == 4:
                    tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return model


def device_name(device: torch.device) -> str:
    """A name for people: the name of the GPU, or `CPU`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def cpu_name() -> str:
    """The name of the processor, as the system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
