"""Linear layers in a row that are one linear layer."""

import pytest

from archspec.analysis.linear_chains import linear_chains
from archspec.api import load
from archspec.language.shipped import shipped_specs


def chains(stages, shape=(1, 8, 8)):
    return linear_chains(load({"archspec": 1, "input": list(shape), "stages": stages}).graph)


@pytest.mark.parametrize(("stages", "found"), [
    ({"a": ["flatten", {"linear": 32}, {"linear": 16}]}, [("a.linear_1", "a.linear_2")]),
    ({"a": ["flatten", {"linear": 32}], "b": {"linear": 16}, "c": ["dropout", {"linear": 4}]}, [("a.linear_1", "b", "c.linear_1")]),
    ({"a": ["flatten", {"linear": 32}, "batch_norm1d", {"linear": 16}]}, [("a.linear_1", "a.linear_2")]),
    ({"a": ["flatten", {"linear": 32}, "relu", {"linear": 16}, {"linear": 4}]}, [("a.linear_2", "a.linear_3")]),
    ({"a": ["flatten", {"sequential": [{"linear": 32}], "repeat": 2}, {"linear": 4}]}, None),
], ids=["two", "across-stages", "batch-norm", "the-last-two", "repeat"])
def test_found(stages, found):
    assert chains(stages) == found if found else len(chains(stages)) == 1


@pytest.mark.parametrize("stages", [
    {"a": ["flatten", {"linear": 10}]},
    {"a": ["flatten", {"linear": 32}, "relu", {"linear": 16}, "tanh", {"linear": 4}]},
    {"a": ["flatten", {"linear": 3}, {"linear": 10}]},
    {"a": ["flatten", {"linear": 32}, "layer_norm", {"linear": 10}]},
    {"a": [{"conv2d": {"out_channels": 4, "kernel_size": 3}}, "flatten", {"linear": 10}]},
], ids=["one", "bent", "bottleneck", "layer-norm", "after-a-convolution"])
def test_left_alone(stages):
    assert chains(stages) == []


@pytest.mark.parametrize("name", shipped_specs())
def test_no_shipped_spec_has_any(name):
    assert linear_chains(load(name).graph) == []
