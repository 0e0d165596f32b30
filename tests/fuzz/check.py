"""Every static figure of a network against torch: counts, saved tensors, peaks, forward and backward MACs."""

from __future__ import annotations

from contextlib import nullcontext
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from archspec.analysis import cost_report, lone_value
from archspec.analysis.weights import weights
from archspec.backends.device import place
from archspec.backends.step import _on_meta, example_loss, inputs_of
from archspec.backends.torch import build
from archspec.execution import Execution, Optimizer, Setting, execute
from archspec.ir import Graph, sites
from archspec.ir.edit import evaluation
from tests.fuzz.allocations import peak_beside

Figures = dict[str, Any]
BATCH = 2
THREADS = 2  # at least: with a single one, torch itself computes small convolutions that oneDNN computes otherwise
PEAKS = ("peak", "peak_bf16", "forward_peak", "forward_peak_bf16")


class Circumstances(NamedTuple):
    """How a network trains. frozen: parameters that do not learn. recompute: stages that run again in backward."""

    channels_last: bool = False
    frozen: frozenset[str] = frozenset()
    recompute: frozenset[str] = frozenset()
    accumulate: int = 1


PLAIN = Circumstances()


def circumstances(seed: int, graph: Graph) -> Circumstances:
    """Of half of the seeds the plain ones; some parameters are frozen, but not all, or no figure would be left."""
    random = Random(seed)
    if random.random() < 0.5:
        return PLAIN
    stages, learned = [node.name for node in graph.nodes], [name for name, spec in weights(graph) if spec.learned]
    some = random.sample(learned[:-1], random.randint(0, len(learned) - 1)) if learned else []
    first = learned[: len(learned) // 2]
    return Circumstances(
        random.random() < 0.5, frozenset(random.choice([[], some, first])),
        frozenset(random.choice([[], [], random.sample(stages, random.randint(1, len(stages)))])), random.choice([1, 1, 2]),
    )


def learns(graph: Graph) -> bool:
    return bool(cost_report(graph).params) and lone_value(graph, BATCH, training=True) is None


def static_figures(graph: Graph, given: Circumstances = PLAIN) -> Figures:
    """What archspec says, without torch."""
    report = cost_report(graph, batch_size=BATCH)
    figures: Figures = {
        "params": report.params, "macs": report.training_macs, "shapes": [port.type.at(BATCH).shape for port in graph.outputs],
    }
    if not learns(graph):
        return figures
    plain, low = (_executed(graph, given, precision=x) for x in ("fp32", "bf16"))
    forward, low_forward = (_executed(graph, given, precision=x, training=False) for x in ("fp32", "bf16"))
    figures |= {"peak": plain.peak_bytes, "peak_bf16": low.peak_bytes}
    figures |= {"forward_peak": forward.peak_bytes, "forward_peak_bf16": low_forward.peak_bytes}
    if not given.recompute:
        figures |= {"saved": plain.saved_bytes, "saved_bf16": low.saved_bytes}
    once = execute(graph, Setting(batch_size=BATCH, frozen=given.frozen, target="meta"))  # where torch counts them
    figures["backward"] = sum(x.backward_macs for x in once.layers.values()) if given.frozen else report.backward_macs
    figures["executed"] = sum(x.forward_macs for x in once.layers.values())
    return figures


def _executed(graph: Graph, given: Circumstances, *, training: bool = True, **precision: Any) -> Execution:
    how = given._asdict() if training else {"channels_last": given.channels_last, "frozen": given.frozen}
    return execute(graph, Setting(batch_size=BATCH, optimizer=Optimizer("sgd", 0.9), training=training, **precision, **how))


def torch_figures(graph: Graph, given: Circumstances = PLAIN) -> Figures:
    """The same from runs of the built network."""
    meta = frozen(_on_meta(graph, "float32").train(), given)  # where torch's counter sees fused attention
    macs, outputs = flops(lambda: meta(*inputs(graph, PLAIN, "meta")))
    shapes = [tuple(y.shape) for y in (outputs.values() if isinstance(outputs, dict) else [outputs])]
    figures: Figures = {"params": sum(p.numel() for p in meta.parameters()), "macs": macs // 2, "shapes": shapes}
    if not learns(graph):
        return figures
    backward, _ = flops(example_loss(outputs, labels("meta")).backward)
    grouped = any(getattr(site.node.op, "groups", 1) > 1 for site in sites(graph))  # torch's counter ignores groups in backward
    figures["backward"] = None if grouped else backward // 2
    figures["executed"] = macs // 2  # in backward, attention computes its scores again
    if torch.get_num_threads() < THREADS:
        torch.set_num_threads(THREADS)
    model = frozen(build(graph, recompute=given.recompute), given)
    model = place(model, torch.device("cpu"), channels_last=given.channels_last)
    for suffix, low in (("", None), ("_bf16", torch.bfloat16)):
        if not given.recompute:
            figures["saved" + suffix] = saved(model.train(), graph, given, low)
        figures["peak" + suffix] = peak(model.train(), graph, given, low)
        figures["forward_peak" + suffix] = forward_peak(model.eval(), graph, given, low)
    return figures


def flops(run: Any) -> tuple[int, Any]:
    with FlopCounterMode(display=False) as counter:
        result = run()
    return counter.get_total_flops(), result


def frozen(model: nn.Module, given: Circumstances) -> nn.Module:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in given.frozen)
    return model


def inputs(graph: Graph, given: Circumstances, device: str = "cpu") -> list[Tensor]:
    batch = [torch.zeros(x.shape, dtype=getattr(torch, x.dtype), device=device) for x in inputs_of(graph, BATCH)]
    return [x.to(memory_format=torch.channels_last, copy=True) if given.channels_last and x.ndim == 4 else x for x in batch]


def labels(device: str = "cpu") -> Tensor:
    return torch.zeros(BATCH, dtype=torch.int64, device=device)


def autocast(low: torch.dtype | None) -> Any:
    return nullcontext() if low is None else torch.autocast("cpu", low)


def saved(model: nn.Module, graph: Graph, given: Circumstances, low: torch.dtype | None) -> int:
    storages: dict[int, Tensor] = {}

    def pack(x: Tensor) -> Tensor:
        storages[x.untyped_storage()._cdata] = x
        return x

    with saved_tensors_hooks(pack, lambda x: x), autocast(low):
        loss = example_loss(model(*inputs(graph, given)), labels())
    found = sum(x.untyped_storage().nbytes() for x in storages.values())
    del loss
    return found


def peak(model: nn.Module, graph: Graph, given: Circumstances, low: torch.dtype | None) -> int:
    """Of a training step with momentum, as a CPU allocates it."""
    batches = [inputs(graph, given) for _ in range(given.accumulate)]
    targets = labels()

    def step() -> None:
        for batch in batches:
            with autocast(low):
                loss = example_loss(model(*batch), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            del loss

    beside = peak_beside(step)
    model.zero_grad(set_to_none=True)
    state = [p for p in model.parameters() if p.requires_grad]
    return beside + size(*model.parameters(), *model.buffers(), *state, *[x for batch in batches for x in batch], targets)


def forward_peak(model: nn.Module, graph: Graph, given: Circumstances, low: torch.dtype | None) -> int:
    """Of a forward pass in inference mode, without the inputs that only training needs."""
    kept = {port.name for port in evaluation(graph).inputs}
    batch = {port.name: x for port, x in zip(graph.inputs, inputs(graph, given), strict=True) if port.name in kept}
    positional, named = (list(batch.values()), {}) if len(graph.inputs) == 1 else ([], batch)
    with torch.inference_mode(), autocast(low):
        beside = peak_beside(lambda: model(*positional, **named))
    return beside + size(*model.parameters(), *model.buffers(), *batch.values())


def size(*tensors: Tensor) -> int:
    return sum(x.nbytes for x in tensors)


def differences(graph: Graph, given: Circumstances = PLAIN) -> dict[str, tuple[Any, Any]]:
    """The figures that are not torch's: archspec's and torch's. Peaks may differ by 0.5 %, or 16 bytes: a few numbers."""
    mine, theirs = static_figures(graph, given), torch_figures(graph, given)
    found = {}
    for name, value in theirs.items():
        if value is not None and mine[name] != value and not (name in PEAKS and abs(mine[name] - value) <= max(16, value // 200)):
            found[name] = (mine[name], value)
    return found
