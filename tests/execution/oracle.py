"""What torch itself keeps and allocates, to hold the simulation against."""

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.distributed._tools.mem_tracker import MemTracker

from archspec.backends.step import _Living, _on_meta, example_loss, inputs_of
from archspec.backends.torch import build
from archspec.types import FLOATS


def saved_by_torch(graph, batch_size, *, precision="fp32", device="cpu", channels_last=False, frozen=(), dtype="float32"):
    """The bytes of all storages that autograd keeps in a training step's forward pass, each counted once."""
    from archspec.backends.device import place
    model = place(build(graph).to(getattr(torch, dtype)), torch.device(device), channels_last=channels_last).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    types = inputs_of(graph, batch_size)
    batch = [torch.zeros(x.shape, dtype=getattr(torch, dtype if x.dtype in FLOATS else x.dtype), device=device) for x in types]
    if channels_last:
        batch = [x.to(memory_format=torch.channels_last, copy=True) if x.ndim == 4 else x for x in batch]
    labels = torch.zeros(batch_size, dtype=torch.int64, device=device)
    storages = {}

    def pack(x):
        storages[x.untyped_storage()._cdata] = (x.untyped_storage().nbytes(), x)
        return x

    low = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    with saved_tensors_hooks(pack, lambda x: x), torch.autocast("cpu", low, enabled=low is not None):
        loss = example_loss(model(*batch), labels)
    found = sum(nbytes for nbytes, _ in storages.values())
    del loss
    return found


def tracked_by_torch(graph, batch_size, states=0, *, device="meta"):
    """The peak of a step, counted by a dispatch mode. Only a real device runs the attention that it would run."""
    model = _on_meta(graph, "float32") if device == "meta" else build(graph).to(device)
    batch = [torch.zeros(x.shape, dtype=getattr(torch, x.dtype), device=device) for x in inputs_of(graph, batch_size)]
    labels = torch.zeros(batch_size, dtype=torch.int64, device=device)
    living = _Living(model.train(), *batch, labels)
    with living:
        example_loss(model(*batch), labels).backward()
    return living.peak_bytes + states * sum(p.nbytes for p in model.parameters() if p.requires_grad)


def peak_by_kind(graph, batch_size, states=0):
    """What MemTracker finds live at the peak of a step on the meta device, by kind; optimizer state and inputs are OTH."""
    model = _on_meta(graph, "float32").train()
    batch = [torch.empty(x.shape, dtype=getattr(torch, x.dtype), device="meta") for x in inputs_of(graph, batch_size)]
    labels = torch.empty(batch_size, dtype=torch.int64, device="meta")
    state = [torch.empty_like(p) for p in model.parameters() if p.requires_grad for _ in range(states)]
    tracker = MemTracker()
    tracker.track_external(model, *batch, labels, *state)
    with tracker:
        example_loss(model(*batch), labels).backward()
    return tracker.get_tracker_snapshot("peak")[torch.device("meta")]
