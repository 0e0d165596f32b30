"""Metrics against recomputation; and a meter that asks the device for nothing while it counts."""


import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from archspec.train.metrics import Meter

CPU = torch.device("cpu")


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_every_image_counts_once(sizes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = [torch.randn(n, 5, generator=generator) for n in sizes]
    labels = [torch.randint(5, (n,), generator=generator) for n in sizes]
    meter = Meter(len(sizes), CPU)
    for x, y in zip(logits, labels, strict=True):
        meter.add(F.cross_entropy(x, y), x, y)
    metrics = meter.metrics()
    x, y = torch.cat(logits), torch.cat(labels)
    assert metrics.loss == pytest.approx(F.cross_entropy(x.double(), y).item(), rel=1e-6)
    assert metrics.accuracy == (x.argmax(1) == y).sum().item() / len(y)
    assert metrics.images == meter.images == sum(sizes)
    assert len(meter.losses()) == len(meter) == len(sizes)


class Waits(TorchDispatchMode):
    """Notes the operators that make the host wait for the device."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket in {torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.item}:
            self.seen.append(func)
        return func(*args, **(kwargs or {}))


def test_counting_never_waits_for_the_device():
    meter = Meter(3, CPU)
    x, y = torch.randn(4, 5), torch.randint(5, (4,))
    loss = F.cross_entropy(x, y)
    with Waits() as waits:
        for _ in range(3):
            meter.add(loss, x, y)
        assert waits.seen == []
        meter.metrics()
        assert waits.seen != []  # the probe works
