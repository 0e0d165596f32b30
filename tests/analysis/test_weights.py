"""The tensors of every shipped network, from its graph alone, against the state_dict that torch makes of it."""

from __future__ import annotations

import pytest
import torch

import archspec
from archspec.analysis.weights import weights
from archspec.language.shipped import shipped_specs


@pytest.mark.parametrize("name", shipped_specs())
def test_names_order_shapes_and_types_are_the_state_dict_s(name: str) -> None:
    loaded = archspec.load(name)
    with torch.device("meta"):
        model = archspec.build(loaded)
    found = [(key, spec.shape, f"torch.{spec.dtype}") for key, spec in weights(loaded.graph)]
    assert found == [(key, tuple(tensor.shape), str(tensor.dtype)) for key, tensor in model.state_dict().items()]
    assert {key for key, spec in weights(loaded.graph) if spec.learned} == {key for key, _ in model.named_parameters()}
    assert sum(spec.numel for _, spec in weights(loaded.graph) if spec.learned) == loaded.report.params
