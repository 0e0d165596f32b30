"""What a CPU is measured to allocate lies within the tensors and the bound of what kernels take beside them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from archspec.api import load
from archspec.backends.device import place
from archspec.backends.step import example_loss, inputs_of
from archspec.backends.torch import build
from archspec.execution import Setting, execute
from archspec.profile.memory import peak_bytes

LOOSE = 1.35  # the bound of a step, divided by what is measured
CPU = torch.device("cpu")


def spec(image: list[int], *layers: Any) -> dict[str, Any]:
    return {"archspec": 1, "input": image, "stages": {"s": list(layers), "head": [f"global_avg_pool{len(image) - 1}d", "flatten", {"linear": 5}]}}


def conv(out: int, kernel: int = 3, rank: int = 2, transposed: str = "", **more: Any) -> dict[str, Any]:
    return {f"conv{transposed}{rank}d": {"out_channels": out, "kernel_size": kernel, **more}}


NETWORKS = {
    "few channels": spec([1, 64, 64], conv(6, 5), "sigmoid", conv(6, 5), "sigmoid"),
    "an image": spec([3, 96, 96], conv(32), "relu", conv(32), "relu"),
    "no multiples of 16": spec([20, 48, 48], conv(24), "relu", conv(40, 1), "relu"),
    "sequences": spec([100, 200], conv(100, 5, 1), "relu"),
    "volumes": spec([4, 20, 20, 20], conv(20, 3, 3), "relu"),
    "depthwise": spec([24, 64, 64], conv(24, groups=24, padding=1), "relu6"),
    "groups": spec([32, 48, 48], conv(48, groups=4), "relu"),
    "transposed": spec([16, 24, 24], conv(24, 2, stride=2, transposed="_transpose"), "relu"),
    "means": spec([64, 4096], {"permute": [0, 2, 1]}, {"linear": 64}, {"permute": [0, 2, 1]}),
    "largest values": {"archspec": 1, "input": [2, 20000], "stages": {
        "s": [{"permute": [0, 2, 1]}, {"linear": 16}, {"permute": [0, 2, 1]}, {"max": {"dim": 2}}], "head": {"linear": 5}}},
    "sums": {"archspec": 1, "input": [2, 20000], "stages": {
        "s": [{"permute": [0, 2, 1]}, {"linear": 16}, {"permute": [0, 2, 1]}, {"slice": {"dim": 2, "start": 0, "end": 9}}, "flatten"],
        "head": {"linear": 5}}},
    "large filters": spec([256, 6, 6], conv(512, padding=1), "relu"),
}


def measured(graph: Any, setting: Setting) -> int:
    """The peak of two training steps without an optimizer, in torch's allocator."""
    low = torch.bfloat16 if setting.low else None

    def workload() -> Any:
        model = place(build(graph), CPU, channels_last=setting.channels_last).train()
        batch = [torch.zeros(x.shape) for x in inputs_of(graph, setting.batch_size)]
        if setting.channels_last:
            batch = [x.to(memory_format=torch.channels_last, copy=True) if x.ndim == 4 else x for x in batch]
        labels = torch.zeros(setting.batch_size, dtype=torch.int64)

        def step() -> None:
            model.zero_grad(set_to_none=True)
            with torch.autocast("cpu", low, enabled=low is not None):
                loss = example_loss(model(*batch), labels)
            loss.backward()  # type: ignore[no-untyped-call]

        return {"step": step}

    found = peak_bytes(workload, CPU)["step"]
    assert found is not None
    return found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kinds", [{}, {"batch_size": 1}, {"precision": "bf16"}, {"channels_last": True}], ids=str)
def test_a_step_stays_within_the_bound(name: str, kinds: dict[str, Any]) -> None:
    graph, setting = load(NETWORKS[name]).graph, Setting(**{"batch_size": 16, **kinds})
    found, peak = execute(graph, setting), measured(graph, setting)
    most = found.peak_bytes + found.workspace_bytes
    assert peak <= most
    assert most <= LOOSE * peak + (1 << 20), (most, peak)


def test_the_bound_can_count_in_the_peak() -> None:
    graph = load(NETWORKS["few channels"]).graph
    apart, inside = (execute(graph, Setting(batch_size=16, libraries=x)) for x in (False, True))
    assert inside.peak_bytes == apart.peak_bytes + apart.workspace_bytes == max(inside.timeline)
    assert apart.workspace_bytes > 0 == inside.workspace_bytes
    assert inside.saved_bytes == apart.saved_bytes


def test_a_gpu_s_peak_has_no_copies_of_onednn() -> None:
    """What cuDNN takes beside the tensors stays a figure of its own: it takes less where there is less."""
    graph = load(NETWORKS["few channels"]).graph
    alone, beside = (execute(graph, Setting(target="cuda", libraries=libraries)) for libraries in (False, True))
    assert (beside.peak_bytes, beside.workspace_bytes) == (alone.peak_bytes, alone.workspace_bytes)
    assert alone.workspace_bytes
