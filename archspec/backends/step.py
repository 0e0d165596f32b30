"""A training step without data: its loss, and whether it fits into memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archspec.analysis import check_batch, cost_report
from archspec.analysis.weights import weights as all_weights
from archspec.backends.built import layers_with
from archspec.backends.fits import SMALLER, check_fits
from archspec.backends.torch import build
from archspec.capacity import estimate
from archspec.execution import Setting
from archspec.execution.setting import Target
from archspec.ir import Graph, sites
from archspec.ir.edit import evaluation
from archspec.ops.traits import Normalises
from archspec.types import DTYPE_BYTES, FLOATS, TensorType

Inputs = tuple[int, ...] | tuple[TensorType, ...]  # the shape of one input, or the types of several
PLAIN: Final = Setting()  # fp32, on a CPU
COUNTABLE: Final = 2**61  # bytes; torch refuses a tensor of 2**63, even one that allocates nothing


def example_loss(outputs: Tensor | Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """A loss to differentiate: cross entropy of (N, classes) with labels (N,), or the mean of any other outputs.

    The loss of several outputs is the sum. Labels that are too large for an output are taken modulo its classes.
    """
    if isinstance(outputs, Tensor):
        return F.cross_entropy(outputs, labels) if outputs.ndim == 2 else outputs.mean()
    learned = (y for y in outputs.values() if y.is_floating_point())
    losses = [F.cross_entropy(y, labels % y.shape[1]) if y.ndim == 2 else y.mean() for y in learned]
    return torch.stack(losses).sum()


def check_step_fits(
    graph: Graph, batch_size: int, device: torch.device, *, states: int, dtype: str = "float32",
    what: str = "training", copies: int = 1, accumulate: int = 1,
    frozen: Collection[str] = (), recompute: Collection[str] = (), like: Setting = PLAIN,
) -> None:
    """Raise SpecError BUILD201 if training steps with this batch size would not fit on `device`. Allocates nothing.

    states, accumulate, frozen, recompute, like: see `step_bytes`. what: the activity, for the message. copies: the
    number of processes that do the same on this device.
    """
    needed = step_bytes(
        graph, batch_size, states=states, dtype=dtype, accumulate=accumulate, frozen=frozen, recompute=recompute,
        like=replace(like, target=target_of(device)),
    )
    several = f" in each of {copies} processes" if copies > 1 else ""
    hint = ("lower batch_size, and raise `accumulate` to keep the images per step; `archspec fit` shows what else "
            "makes it fit, and `train --fit` applies it")
    check_fits(
        needed * copies, device, what=f"{what} with batches of {batch_size}{several}",
        hint=hint if what == "training" else SMALLER,
    )


def step_bytes(
    graph: Graph, batch_size: int, *, states: int, dtype: str = "float32", accumulate: int = 1,
    frozen: Collection[str] = (), recompute: Collection[str] = (), like: Setting = PLAIN,
) -> int:
    """The peak memory of a training step in bytes, weights included. Allocates nothing.

    It is simulated (`archspec.execution`). For a network with an op that has no rule for its kernels, torch runs the
    step on the meta device in float32 instead (`step_peak_bytes`).
    states: the number of tensors that optimizer and averages keep for each parameter. like: has precision, layout and
    target. accumulate: the number of passes of `batch_size` images in a step, whose images are all in memory from the
    start. frozen: the names of parameters without a gradient, for which the optimizer keeps no state.
    recompute: the stages that run a second time in the backward pass.
    """
    setting = replace(
        like, batch_size=batch_size, dtype=dtype, accumulate=accumulate, frozen=frozenset(frozen),
        recompute=frozenset(recompute),
    )
    simulated = estimate.step_bytes(graph, setting, states=states)
    if simulated is not None:
        return simulated
    report, width = cost_report(graph), DTYPE_BYTES[dtype]
    held = sum(spec.numel for name, spec in all_weights(graph) if spec.learned and name in frozen) if frozen else 0
    weights, trained = report.params * width, (report.params - held) * width
    state = trained * states + report.buffers * width
    needed = max(weights + trained, weights + batch_size * width * _largest(graph)) + state  # at least
    if needed < COUNTABLE:
        model, inputs = _on_meta(graph, dtype, recompute).train(), inputs_of(graph, batch_size)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in frozen)
        needed = step_peak_bytes(model, inputs, states=states, passes=min(accumulate, 2))
    return needed + (accumulate - 1) * batch_size * width * sum(port.type.at(1).numel for port in graph.inputs)


def check_forward_fits(
    graph: Graph, batch_size: int, device: torch.device, *, dtype: str = "float32", what: str = "a forward pass"
) -> None:
    """Raise SpecError BUILD201 if a forward pass without gradients would not fit on `device`. Allocates nothing.

    BUILD203 where the batch is too small for a norm.
    """
    check_batch(graph, batch_size)
    needed = estimate.forward_bytes(graph, Setting(batch_size, dtype=dtype, target=target_of(device)))
    if needed is None:
        needed = _forward_on_meta(graph, batch_size, dtype)
    check_fits(needed, device, what=f"{what} with batches of {batch_size}")


def _forward_on_meta(graph: Graph, batch_size: int, dtype: str) -> int:
    report, width = cost_report(graph), DTYPE_BYTES[dtype]
    needed = (report.params + report.buffers + batch_size * _largest(evaluation(graph))) * width  # at least
    if needed < COUNTABLE:
        needed = forward_peak_bytes(_on_meta(graph, dtype).eval(), inputs_of(graph, batch_size))
    return needed


def target_of(device: torch.device) -> Target:
    """The kind of device whose kernels a simulation follows."""
    return "cuda" if device.type == "cuda" else "cpu"


def _largest(graph: Graph) -> int:
    """The number of elements of the largest activation of one image, or of the image itself."""
    types = [port.type for port in graph.inputs] + [x for site in sites(graph) for x in site.node.outputs]
    return max(x.at(1).numel for x in types)


def _on_meta(graph: Graph, dtype: str, recompute: Collection[str] = ()) -> nn.Module:
    with torch.device("meta"):
        model = build(graph, recompute=recompute).to(getattr(torch, dtype))
    for layer, norm in layers_with(model, Normalises):
        if norm.batch and getattr(layer.module, "momentum", 0.0) is None:
            layer.module.momentum = 0.0  # type: ignore[assignment]  # None needs a count of batches
    return model


def inputs_of(graph: Graph, batch_size: int) -> tuple[TensorType, ...]:
    """The types of the inputs of a network for a batch of `batch_size` samples."""
    return tuple(port.type.at(batch_size) for port in graph.inputs)


def step_peak_bytes(model: nn.Module, inputs: Inputs, *, states: int = 0, passes: int = 1) -> int:
    """The peak of a training step in bytes: images, parameters, gradients, optimizer state, buffers, activations.

    model: in train mode on the meta device, so that nothing is allocated; its gradients are removed. inputs: a shape,
    (N, C, H, W), or the types of several inputs. states: the number of tensors that the optimizer keeps for each
    parameter: 1 with momentum, 2 with Adam. passes: forward and backward passes; from the second on, the gradients of
    the first are in memory. The workspace of kernels is not known and not included.
    """
    batch, labels = _batch(model, inputs)
    living = _Living(model, *batch, labels)
    with living:
        for _ in range(passes):
            example_loss(model(*batch), labels).backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)
    return living.peak_bytes + states * sum(p.nbytes for p in model.parameters() if p.requires_grad)


def forward_peak_bytes(model: nn.Module, inputs: Inputs) -> int:
    """The peak of a forward pass without a graph for backward, in bytes. See `step_peak_bytes`."""
    batch, _ = _batch(model, inputs)
    living = _Living(model, *batch)
    with torch.no_grad(), living:
        model(*batch)
    return living.peak_bytes


def _batch(model: nn.Module, inputs: Inputs) -> tuple[list[Tensor], Tensor]:
    """Inputs, floating-point ones of the parameters' dtype, and labels."""
    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    types = [x for x in inputs if isinstance(x, TensorType)] or [TensorType(tuple(cast("tuple[int, ...]", inputs)))]
    with torch.device("meta"):
        return [
            torch.empty(x.shape, dtype=dtype if x.dtype in FLOATS else getattr(torch, x.dtype)) for x in types
        ], torch.empty(types[0].shape[0], dtype=torch.int64)


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of live storages within the context; each counts once, even if several tensors share it."""

    def __init__(self, model: nn.Module, *others: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes: int = 0
        self._bytes: int = 0
        self._known: set[int] = set()
        for tensor in (*model.parameters(), *model.buffers(), *others):
            self._count(tensor)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        for result in results if isinstance(results, (list, tuple)) else (results,):
            if isinstance(result, Tensor):
                self._count(result)
        return results

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self._bytes += storage.nbytes()
            self.peak_bytes = max(self.peak_bytes, self._bytes)
            weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, address: int, size: int) -> None:
        self._known.discard(address)
        self._bytes -= size
