"""What is measured: a network with one batch of random images, its forward pass and its training step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from archspec.backends.step import check_batch, check_forward_fits, check_step_fits, example_loss, why_no_step
from archspec.backends.torch import build
from archspec.ir import Graph

MOMENTUM: Final = 0.9
STATES: Final = 1  # tensors of a parameter's size that momentum keeps
OPTIMIZER: Final = f"SGD with momentum {MOMENTUM}"
# So small that thousands of steps on one batch leave the weights where they were: a diverging network computes
# with NaN or denormal numbers, which take other times.
RATE: Final = 1e-6

Scope = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What is to be built, and where. no_step: why it cannot be trained, None if it can."""

    graph: Graph
    batch_size: int
    dtype: str
    device: torch.device
    no_step: str | None


def setting(graph: Graph, batch_size: int, dtype: str, device: torch.device) -> Setting:
    """A setting that can be run; allocates nothing.

    Raises SpecError: BUILD201 where it would not fit into memory, BUILD203 where the batch is too small for a norm.
    """
    check_batch(graph, batch_size)
    no_step = why_no_step(graph, batch_size)
    if no_step is None:
        check_step_fits(graph, batch_size, device, states=STATES, dtype=dtype, what="a training step")
    else:
        check_forward_fits(graph, batch_size, device, dtype=dtype)
    return Setting(graph, batch_size, dtype, device, no_step)


class Workload:
    """A new model, a batch of random images and labels on its device, and an optimizer.

    Weights, images and labels are drawn from torch's global random state.
    """

    def __init__(self, chosen: Setting) -> None:
        graph, batch_size = chosen.graph, chosen.batch_size
        dtype: torch.dtype = getattr(torch, chosen.dtype)
        self.model = build(graph).to(device=chosen.device, dtype=dtype)
        self.images = torch.randn(batch_size, *graph.input.shape[1:]).to(device=chosen.device, dtype=dtype)
        self.labels = torch.randint(graph.output.shape[1], (batch_size,)).to(chosen.device)
        self.passes: dict[str, Callable[[], object]] = {"forward": self.forward}
        if chosen.no_step is None:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=RATE, momentum=MOMENTUM, fused=True)
            self.passes["step"] = self.step

    @torch.inference_mode()
    def forward(self) -> Tensor:
        """The output of a forward pass in eval mode, nothing kept for a backward pass."""
        if self.model.training:  # to set it every time would take time: it visits every module
            self.model.eval()
        output: Tensor = self.model(self.images)
        return output

    def step(self, scope: Scope = nullcontext) -> None:
        """Forward in training mode, loss, backward and update, in the trainer's order.

        scope: what surrounds each part, by its name; see `archspec.profile.trace`.
        """
        if not self.model.training:
            self.model.train()
        outputs = self.model(self.images)
        with scope("## loss ##"):
            loss = example_loss(outputs, self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        with scope("## backward ##"):
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
