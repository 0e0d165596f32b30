"""The modules of attention against those of PyTorch and torchvision, with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archspec.attention import MultiHeadAttention, WindowAttention
from archspec.backends.built import build_layer
from archspec.backends.init import initialise
from archspec.ops import make_op
from archspec.types import TensorType


@pytest.mark.parametrize("bias", [True, False])
def test_multi_head_attention_is_that_of_torch(bias: bool) -> None:
    theirs = nn.MultiheadAttention(12, 3, bias=bias, batch_first=True).double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    ours = MultiHeadAttention(12, 3, bias=bias).double()
    assert [(k, v.shape) for k, v in ours.state_dict().items()] == [(k, v.shape) for k, v in theirs.state_dict().items()]
    ours.load_state_dict(theirs.state_dict())
    x, memory = torch.randn(2, 5, 12).double(), torch.randn(2, 7, 12).double()
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])
    torch.testing.assert_close(ours(x, memory), theirs(x, memory, memory)[0])


def test_a_causal_one_sees_no_later_place() -> None:
    theirs, ours = nn.MultiheadAttention(8, 2, batch_first=True), MultiHeadAttention(8, 2, causal=True)
    ours.load_state_dict(theirs.state_dict())
    x, later = torch.randn(2, 5, 8), torch.ones(5, 5).triu(1).bool()
    torch.testing.assert_close(ours(x), theirs(x, x, x, attn_mask=later)[0])
    assert torch.equal(ours(x)[:, :2], ours(torch.cat([x[:, :2], torch.randn(2, 3, 8)], 1))[:, :2])


def test_dropout_of_the_weights_is_only_for_training() -> None:
    module, x = MultiHeadAttention(8, 2, dropout=0.5), torch.randn(2, 5, 8)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


def test_it_starts_as_that_of_torch_does() -> None:
    torch.manual_seed(3)
    theirs = nn.MultiheadAttention(64, 4, batch_first=True)
    ours = build_layer(make_op("multi_head_attention", {"num_heads": 4}), (TensorType((2, 5, 64)),))
    initialise(ours, "default", 3)
    for key, tensor in theirs.state_dict().items():
        mine = ours.state_dict()[key]
        torch.testing.assert_close(mine.std(), tensor.std(), rtol=0.05, atol=0)
        torch.testing.assert_close(mine.abs().max(), tensor.abs().max(), rtol=0.02, atol=0)


@pytest.mark.parametrize(("size", "window", "shift"), [
    ((8, 8), (4, 4), (0, 0)), ((8, 8), (4, 4), (2, 2)),
    ((7, 10), (4, 3), (2, 1)),  # padded
    ((7, 10), (4, 3), (0, 1)), ((3, 9), (4, 4), (2, 2)),  # no shift where a window covers an axis
    ((4, 4), (4, 4), (2, 2)), ((5, 5), (2, 3), (1, 2)),
])  # fmt: skip
def test_window_attention_is_that_of_torchvision(size: tuple[int, int], window: tuple[int, int], shift: tuple[int, int]) -> None:
    swin = pytest.importorskip("torchvision.models.swin_transformer")
    theirs = swin.ShiftedWindowAttention(12, list(window), list(shift), 3)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    ours = WindowAttention(12, 3, window, shift)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert torch.equal(ours.relative_position_index, theirs.relative_position_index)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, *size, 12)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_initialise_leaves_the_index_of_positions_as_it_is() -> None:
    op = make_op("window_attention", {"num_heads": 2, "window_size": [2, 3]})
    module = build_layer(op, (TensorType((1, 4, 6, 8)),))
    before = module.get_buffer("relative_position_index").clone()
    initialise(module, "kaiming_normal", 0)
    assert torch.equal(module.get_buffer("relative_position_index"), before) and before.max() == 14
    assert module.get_parameter("relative_position_bias_table").std().item() == pytest.approx(0.02, rel=0.4)


@pytest.mark.parametrize("module", [MultiHeadAttention(8, 2), WindowAttention(8, 2, (2, 2), (1, 1))], ids=lambda m: type(m).__name__)
def test_lower_precision(module: nn.Module) -> None:
    """The bias of the scores follows the precision of what the projections give."""
    x = torch.randn(2, 6, 8) if isinstance(module, MultiHeadAttention) else torch.randn(2, 6, 6, 8)
    with torch.autocast("cpu", torch.bfloat16):
        lower = module(x)
    assert lower.dtype == torch.bfloat16
    torch.testing.assert_close(lower.float(), module(x), rtol=0.1, atol=0.05)
