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


@contextmanager
def fake_cuda():
    """Yield the names of the functions that were asked for the CUDA device, as they come."""
    state = {"rng": torch.zeros(8, dtype=torch.uint8)}
    with (
        mock.patch.object(torch.cuda, "current_device", lambda: 0),
        mock.patch.object(torch.cuda, "get_rng_state", lambda device=None: state["rng"]),
        mock.patch.object(torch.cuda, "set_rng_state", lambda new, device=None: state.update(rng=new)),
        mock.patch.object(torch.cuda, "mem_get_info", lambda device=None: (2**34, 2**35)),
        mock.patch.object(torch.cuda, "get_device_name", lambda device=None: "Fake GPU"),
        mock.patch.object(torch.cuda, "synchronize", lambda device=None: None),
        _Disguise() as disguise,
    ):
        yield disguise.asked
