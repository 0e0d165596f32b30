"""The peak that `--fit` promises is the one that the allocator sees."""

from dataclasses import replace

import pytest
import torch

from archspec.api import load
from archspec.backends.step import example_loss, inputs_of
from archspec.backends.torch import build
from archspec.capacity import fitted
from archspec.execution import Optimizer, Setting
from archspec.profile.memory import peak_bytes

STAGE = "[conv2d: {out_channels: 16, kernel_size: 3, padding: 1, bias: false}, batch_norm2d, relu]"
SPEC = f"archspec: 1\ninput: [16, 32, 32]\nstages: {{a: {STAGE}, b: {STAGE}, c: {STAGE}, head: [global_avg_pool2d, flatten, linear: 4]}}\n"


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_on_a_cpu(share):
    graph, setting = load(SPEC).graph, Setting(batch_size=32, optimizer=Optimizer("sgd", 0.9))
    fitting = fitted(graph, setting, int(fitted(graph, setting, 2**40).after * share))
    chosen = replace(setting, recompute=frozenset(fitting.changes.get("recompute", ())))
    assert bool(chosen.recompute) == (share < 1)

    def passes():
        model = build(graph, recompute=chosen.recompute).train()
        optimizer = torch.optim.SGD(model.parameters(), 1e-6, momentum=0.9)
        inputs = [torch.randn(x.shape) for x in inputs_of(graph, 32)]

        def step():
            optimizer.zero_grad()
            example_loss(model(*inputs), torch.zeros(32, dtype=torch.int64)).backward()
            optimizer.step()

        return {"step": step}

    assert peak_bytes(passes, torch.device("cpu"))["step"] == pytest.approx(fitting.after, rel=0.03)
