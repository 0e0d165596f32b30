"""The workload to measure: a network with one batch of random images, its forward pass and its training step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from archspec.backends.step import (
    check_batch,
    check_forward_fits,
    check_step_fits,
    example_loss,
    inputs_of,
    why_no_step,
)
from archspec.backends.torch import build
from archspec.ir import Graph
from archspec.types import FLOATS, TensorType

MOMENTUM: Final = 0.9
STATES: Final = 1  # tensors that momentum keeps for each parameter
OPTIMIZER: Final = f"SGD with momentum {MOMENTUM}"
# So small that thousands of steps on one batch barely change the weights: a diverging network would compute with NaN
# or subnormal numbers, which take a different time.
RATE: Final = 1e-6

Scope = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What to build, and where. no_step: why it cannot be trained; None if it can."""

    graph: Graph
    batch_size: int
    dtype: str
    device: torch.device
    no_step: str | None


def setting(graph: Graph, batch_size: int, dtype: str, device: torch.device) -> Setting:
    """Check a setting, without allocating anything.

    Raises SpecError: BUILD201 if it would not fit into memory, BUILD203 if the batch is too small for a norm.
    """
    check_batch(graph, batch_size)
    no_step = why_no_step(graph, batch_size)
    if no_step is None:
        check_step_fits(graph, batch_size, device, states=STATES, dtype=dtype, what="a training step")
    else:
        check_forward_fits(graph, batch_size, device, dtype=dtype)
    return Setting(graph, batch_size, dtype, device, no_step)


class Workload:
    """A new model, a batch of random inputs and labels on its device, and an optimizer.

    Weights, inputs and labels are drawn from torch's global random state.
    """

    def __init__(self, chosen: Setting) -> None:
        graph, batch_size = chosen.graph, chosen.batch_size
        dtype: torch.dtype = getattr(torch, chosen.dtype)
        self.model = build(graph).to(device=chosen.device, dtype=dtype)
        self.inputs = [_random(x, dtype).to(chosen.device) for x in inputs_of(graph, batch_size)]
        self.labels = torch.randint(max(graph.first_output.shape[1:2], default=1), (batch_size,)).to(chosen.device)
        self.passes: dict[str, Callable[[], object]] = {"forward": self.forward}
        if chosen.no_step is None:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
            self.passes["step"] = self.step

    @torch.inference_mode()
    def forward(self) -> Tensor | dict[str, Tensor]:
        """The outputs of a forward pass in eval mode, without a graph for backward."""
        if self.model.training:  # setting the mode visits every module, which takes time
            self.model.eval()
        outputs: Tensor | dict[str, Tensor] = self.model(*self.inputs)
        return outputs

    def step(self, scope: Scope = nullcontext) -> None:
        """Forward in train mode, loss, backward and update, in the same order as the trainer.

        scope: a context manager around each part, by its name; see `archspec.profile.trace`.
        """
        if not self.model.training:
            self.model.train()
        outputs = self.model(*self.inputs)
        with scope("## loss ##"):
            loss = example_loss(outputs, self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        with scope("## backward ##"):
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()


def _random(x: TensorType, dtype: torch.dtype) -> Tensor:
    """A random tensor: normal numbers of this dtype, or integers below the type's limit."""
    if x.dtype in FLOATS:
        return torch.randn(*x.shape).to(dtype)
    return torch.randint(x.below or 1, x.shape, dtype=getattr(torch, x.dtype))
