"""The safetensors files that archspec writes: the bytes of the format's own library, which reads them too."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from archspec.train.checkpoint.tensor_file import _NAMES, tensor_bytes, tensor_file

TENSORS = {
    "conv.weight": torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
    "scalar": torch.tensor(3),
    "empty": torch.zeros(0, 3),
    "wäh.\"\\": torch.tensor([1.5, -0.0, float("nan"), float("inf")], dtype=torch.float64),
    **{str(dtype): torch.tensor([0, 1, 1, 0, 1]).to(dtype) for dtype in _NAMES},
}


def written(tensors):
    return b"".join(tensor_file(tensors))


def test_the_bytes_are_those_of_the_library():
    assert written(TENSORS) == save(TENSORS)


def test_what_is_read_is_what_was_written():
    found = load(written(TENSORS))
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(found[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))


@pytest.mark.parametrize("change", [
    lambda t: t.to(memory_format=torch.channels_last), lambda t: t.requires_grad_(), lambda t: t[:, 1:], torch.t_copy,
    lambda t: t.expand(7, *t.shape),
], ids=["channels-last", "parameter", "slice", "transposed", "expanded"])
def test_layout_does_not_matter(change):
    start = torch.arange(48.0).reshape(4, 3, 2, 2)
    tensor = change(start.reshape(4, 12) if change is torch.t_copy else start)
    found = load(written({"x": tensor}))["x"]
    assert torch.equal(found, tensor.detach())
    assert tensor_bytes(tensor) == found.nbytes


def test_a_dtype_without_a_place_is_refused():
    with pytest.raises(TypeError, match=r"pair has the dtype torch\.complex64"):
        written({"pair": torch.zeros(2, dtype=torch.complex64)})


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(list(_NAMES)), st.lists(st.integers(0, 3), max_size=3)), max_size=6,
))
def test_any_names_and_shapes(described):
    tensors = {name: torch.ones(shape).to(dtype) for name, (dtype, shape) in described.items()}
    assert written(tensors) == save(tensors)
