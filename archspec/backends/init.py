"""Seeded initialisation: the initial weights of a run only depend on its seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from archspec.backends.built import layers
from archspec.ops.parameters import Bias, Computed, Glorot, Init, Kernel, Normal, TruncatedNormal

if TYPE_CHECKING:
    from archspec.language.finetuning import Initialisation, WeightsInit

NORMAL_STD: Final = 0.01

_RULES: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "default": lambda weight: weight,
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "kaiming_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "normal": lambda weight: nn.init.normal_(weight, std=NORMAL_STD),
}


def initialise(model: nn.Module, init: Initialisation | WeightsInit, seed: int) -> None:
    """Initialise every parameter and buffer of `model`: by the `parameters` of its ops, then by the rules of `init`.

    init: the name of a rule sets the weights only. The result is a function of the layers' order, `init` and `seed`,
    on any device to which the model is moved afterwards. The global random state does not change. Modules that archspec
    did not build keep their values.

    Raises ValueError if a parameter is not on the CPU, because each device draws different numbers.
    Sources: Glorot & Bengio 2010, section 4.2.1 (xavier); He et al. 2015, "Delving deep into rectifiers",
    section 2.2 (kaiming, fan-in).
    """
    for name, parameter in model.named_parameters():
        if parameter.device.type != "cpu":
            raise ValueError(f"initialise on the CPU, then move: {name} is on {parameter.device}")
    weights, biases = (init, "default") if isinstance(init, str) else (init.weights, init.biases)
    tensors = [(tensor, spec.init) for layer in layers(model) for _, tensor, spec in layer.parameters()]
    with seeded(stream_seed(seed, "initialisation")), torch.no_grad():
        for tensor, start in tensors:
            _start(tensor, start)
        for tensor, start in tensors:
            if isinstance(start, (Kernel, Glorot)):
                _RULES[weights](tensor)
            elif isinstance(start, Bias) and biases == "zeros":
                nn.init.zeros_(tensor)


def _start(tensor: Tensor, init: Init) -> None:
    """Fill a tensor as PyTorch does, with the same numbers from the same random state."""
    if isinstance(init, Kernel):
        nn.init.kaiming_uniform_(tensor, a=math.sqrt(5))  # within ±1/√fan_in
    elif isinstance(init, Bias):
        bound = 1 / math.sqrt(init.fan_in)
        nn.init.uniform_(tensor, -bound, bound)
    elif isinstance(init, Glorot):
        bound = math.sqrt(6 / (init.fan_in + init.fan_out))
        nn.init.uniform_(tensor, -bound, bound)
    elif isinstance(init, Normal):
        nn.init.normal_(tensor, std=init.std)
    elif isinstance(init, TruncatedNormal):
        nn.init.trunc_normal_(tensor, std=init.std)
    elif not isinstance(init, Computed):
        tensor.fill_(init)


def stream_seed(seed: int, stream: str) -> int:
    """A seed of 63 bits for one use of randomness, so that different uses of a run's seed are independent."""
    digest = hashlib.sha256(f"{seed} {stream}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed the CPU's random numbers, and those of `device` if it is a CUDA device, within the block."""
    devices = []
    if device is not None and device.type == "cuda":
        devices.append(torch.cuda.current_device() if device.index is None else device.index)
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
