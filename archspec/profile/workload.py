"""The workload to measure: a network with one batch of random images, its forward pass and its training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn

from archspec.analysis import check_batch, why_no_step
from archspec.backends.device import place
from archspec.backends.own_kernels import use_own_kernels
from archspec.backends.step import (
    check_forward_fits,
    check_step_fits,
    example_loss,
    inputs_of,
)
from archspec.backends.torch import build
from archspec.execution import Optimizer
from archspec.ir import Graph
from archspec.train.step.compile import compiled
from archspec.train.step.precision import LOW, Settings, autocast, check_settings, make_scaler, pick_precision
from archspec.types import FLOATS, TensorType

MOMENTUM: Final = 0.9
USUAL: Final = Optimizer("sgd", MOMENTUM)
# So small that thousands of steps on one batch barely change the weights: a diverging network would compute with NaN
# or subnormal numbers, which take a different time.
RATE: Final = 1e-6
# The parts of a step after its forward pass, as scopes; never paths, because paths consist of identifiers.
LOSS_SCOPE, BACKWARD_SCOPE, OPTIMIZER_SCOPE = "## loss ##", "## backward ##", "## optimizer ##"

Scope = Callable[[str], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What to build, and where.

    no_step: why it cannot be trained; None if it can. settings: as in training. optimizer: of training steps.
    """

    graph: Graph
    batch_size: int
    dtype: str
    device: torch.device
    no_step: str | None
    settings: Settings = field(default_factory=Settings)
    optimizer: Optimizer = USUAL


def setting(
    graph: Graph, batch_size: int, dtype: str, device: torch.device, settings: Settings | None = None,
    optimizer: Optimizer = USUAL,
) -> Setting:
    """Check a setting, without allocating anything. settings: those of `archspec train` on the device if None.

    Raises SpecError: BUILD201 if it would not fit into memory, BUILD203 if the batch is too small for a norm, RUN320 if
    the device does not support the settings.
    """
    settings = settings or Settings(pick_precision("auto", device))
    check_settings(settings, device)
    check_batch(graph, batch_size)
    no_step = why_no_step(graph, batch_size)
    if no_step is None:
        check_step_fits(graph, batch_size, device, states=optimizer.states, dtype=dtype, what="a training step")
    else:
        check_forward_fits(graph, batch_size, device, dtype=dtype)
    return Setting(graph, batch_size, dtype, device, no_step, settings, optimizer)


class Workload:
    """A new model, a batch of random inputs and labels on its device, and an optimizer.

    Weights, inputs and labels are drawn from torch's global random state.
    """

    def __init__(self, chosen: Setting) -> None:
        graph, batch_size, device, settings = chosen.graph, chosen.batch_size, chosen.device, chosen.settings
        dtype: torch.dtype = getattr(torch, chosen.dtype)
        self._settings, self._device = settings, device
        self.model = _model(graph, dtype, device, settings)
        self._network = compiled(self.model, batch_size, settings) if settings.compile else self.model
        self.inputs = [_placed(_random(x, dtype), device, settings) for x in inputs_of(graph, batch_size)]
        self.labels = torch.randint(max(graph.first_output.shape[1:2], default=1), (batch_size,)).to(device)
        self.passes: dict[str, Callable[[], object]] = {"forward": self.forward}
        if chosen.no_step is None:
            self.optimizer = _optimizer(self.model, chosen.optimizer)
            self.scaler = make_scaler(settings.precision, device)
            self.passes["step"] = self.step

    @torch.inference_mode()
    def forward(self) -> Tensor | dict[str, Tensor]:
        """The outputs of a forward pass in eval mode, without a graph for backward."""
        if self.model.training:  # setting the mode visits every module, which takes time
            self.model.eval()
        outputs: Tensor | dict[str, Tensor] = self._outputs()
        return outputs

    def training_forward(self) -> Any:
        """The outputs of a forward pass in train mode."""
        if not self.model.training:
            self.model.train()
        return self._outputs()

    def step(self, scope: Scope = nullcontext) -> None:
        """Forward in train mode, loss, backward and update, in the same order as the trainer.

        scope: a context manager around each part after the forward pass, by its name.
        """
        with scope(OPTIMIZER_SCOPE):
            self.optimizer.zero_grad(set_to_none=True)
        outputs = self.training_forward()
        with scope(LOSS_SCOPE):
            loss = example_loss(self._float32(outputs), self.labels)
        with scope(BACKWARD_SCOPE):
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        with scope(OPTIMIZER_SCOPE):
            self.scaler.step(self.optimizer)
            self.scaler.update()

    def _outputs(self) -> Any:
        with autocast(self._settings.precision, self._device):
            return self._network(*self.inputs)

    def _float32(self, outputs: Any) -> Any:
        """The outputs as the loss takes them: after autocast in float32, as in training."""
        if self._settings.precision not in LOW:
            return outputs
        return {k: y.float() for k, y in outputs.items()} if isinstance(outputs, Mapping) else outputs.float()


def _optimizer(model: nn.Module, chosen: Optimizer) -> torch.optim.Optimizer:
    parameters = model.parameters()
    if chosen.kind == "sgd":
        return torch.optim.SGD(parameters, lr=RATE, momentum=chosen.momentum, fused=True)
    kind = torch.optim.Adam if chosen.kind == "adam" else torch.optim.AdamW
    return kind(parameters, lr=RATE, fused=True)


def _model(graph: Graph, dtype: torch.dtype, device: torch.device, settings: Settings) -> nn.Module:
    model = build(graph).to(dtype=dtype)
    if settings.own_kernels:
        use_own_kernels(model, graph, channels_last=settings.channels_last)
    return place(model, device, channels_last=settings.channels_last)


def _placed(x: Tensor, device: torch.device, settings: Settings) -> Tensor:
    """The input on its device, images in the layout of the settings."""
    return x.to(device, memory_format=settings.layout) if x.ndim == 4 else x.to(device)


def _random(x: TensorType, dtype: torch.dtype) -> Tensor:
    """A random tensor: normal numbers of this dtype, or integers below the type's limit."""
    if x.dtype in FLOATS:
        return torch.randn(*x.shape).to(dtype)
    return torch.randint(x.below or 1, x.shape, dtype=getattr(torch, x.dtype))
