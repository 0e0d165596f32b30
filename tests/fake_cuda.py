"""A CUDA device that is the CPU in disguise, so that the path of a GPU runs where there is none."""

from contextlib import contextmanager
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

CUDA = torch.device("cuda", 0)


def _here(value):
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device("cpu")
    return "cpu" if isinstance(value, str) and value.startswith("cuda") else value


class _Disguise(TorchFunctionMode):
    """Every function that is given the CUDA device gets the CPU; notes which were."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        given = [*args, *kwargs.values()]
        if any(isinstance(v, torch.device) and v.type == "cuda" for v in given):
            self.asked.append(getattr(func, "__name__", str(func)))
        return func(*map(_here, args), **{key: _here(value) for key, value in kwargs.items()})


def _on_cpu(original, asked):
    """A class whose first argument is the type of a device."""

    def made(device, *args, **kwargs):
        asked.extend([original.__name__] * (_here(device) != device))
        return original(_here(device), *args, **kwargs)

    return made


@contextmanager
def fake_cuda(capability=(9, 0)):
    """Yield the names of the functions that were asked for the CUDA device, as they come.

    capability: what the device says that it can do; its arithmetic is the CPU's.
    """
    state = {"rng": torch.zeros(8, dtype=torch.uint8)}
    disguise = _Disguise()
    with (
        mock.patch.object(torch.cuda, "current_device", lambda: 0),
        mock.patch.object(torch.cuda, "get_rng_state", lambda device=None: state["rng"]),
        mock.patch.object(torch.cuda, "set_rng_state", lambda new, device=None: state.update(rng=new)),
        mock.patch.object(torch.cuda, "mem_get_info", lambda device=None: (2**34, 2**35)),
        mock.patch.object(torch.cuda, "get_device_name", lambda device=None: "Fake GPU"),
        mock.patch.object(torch.cuda, "synchronize", lambda device=None: None),
        mock.patch.object(torch.cuda, "reset_peak_memory_stats", lambda device=None: None),
        mock.patch.object(torch.cuda, "max_memory_allocated", lambda device=None: 2**20),
        mock.patch.object(torch.cuda, "get_device_capability", lambda device=None: capability),
        mock.patch.object(torch, "autocast", _on_cpu(torch.autocast, disguise.asked)),
        mock.patch.object(torch.amp, "GradScaler", _on_cpu(torch.amp.GradScaler, disguise.asked)),
        disguise,
    ):
        yield disguise.asked
