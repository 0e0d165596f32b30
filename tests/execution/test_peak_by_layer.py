"""Each layer's part of a peak: what it has allocated then, with its weights and the optimizer's state of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archspec.api import load
from archspec.execution import Optimizer, Setting, execute
from archspec.execution.execute import LOSS

WIDE = {"archspec": 1, "input": [1000], "stages": {"s": [{"linear": 2000}, "relu", {"linear": 10}]}}
ACTIVATION = 500 * 2000 * 4  # bytes, of 500 samples


def parts(graph, setting):
    return {path: use.peak_bytes for path, use in execute(graph, setting, by_layer=True).layers.items()}


def test_in_inference_the_peak_is_where_the_activation_has_both_of_its_tensors():
    found = parts(load(WIDE).graph, Setting(batch_size=500, training=False))
    assert found == {
        "s.linear_1": 4 * (1000 * 2000 + 2000) + ACTIVATION, "s.relu_1": ACTIVATION, "s.linear_2": 4 * (2000 * 10 + 10),
        LOSS: 500 * 1000 * 4,  # the input
    }


@pytest.mark.parametrize("name", ["lenet", "resnet18", "siamese", "nasbench201"])
@pytest.mark.parametrize("changes", [
    {"target": "cpu"}, {"target": "cuda", "precision": "bf16", "channels_last": True}, {"target": "cuda", "ema": True},
    {"accumulate": 3}, {"training": False}, {"target": "meta"},
], ids=str)
def test_the_parts_add_up(name, changes):
    graph, setting = load(name).graph, replace(Setting(batch_size=2), **changes)
    whole = execute(graph, setting)
    assert sum(parts(graph, setting).values()) == whole.peak_bytes
    assert not any(use.peak_bytes for use in whole.layers.values())  # nobody asked


def test_recomputed_stages_have_their_part_too():
    graph = load("resnet18").graph
    setting = Setting(batch_size=2, recompute=frozenset({"b2", "b3"}), precision="bf16")
    assert sum(parts(graph, setting).values()) == execute(graph, setting).peak_bytes


def test_a_layer_has_the_optimizers_state_of_its_weights():
    loaded = load("resnet18")
    plain, adam = (parts(loaded.graph, Setting(batch_size=1, optimizer=Optimizer(kind))) for kind in ("sgd", "adam"))
    assert {path: adam[path] - plain.get(path, 0) for path in adam if path} == {
        path: 8 * next(x.params for x in loaded.report.layers() if x.path == path) for path in adam if path
    }
