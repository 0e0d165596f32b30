"""Networks on sequences and volumes against modules written by hand, with the same weights in the same order."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.api import Loaded

ZOO = Path(__file__).parents[1] / "specs" / "zoo"


class TextCNN(nn.Module):
    """Kim 2014, figure 1."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20000, 300)
        self.grams = nn.ModuleList(nn.Conv1d(300, 100, width) for width in (3, 4, 5))
        self.head = nn.Linear(300, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens).transpose(1, 2)
        return self.head(torch.cat([gram(x).relu().amax(2) for gram in self.grams], 1))


class Unit(nn.Module):
    """A residual unit of two convolutions over a sequence."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(before, after, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm1d(after)
        self.conv2 = nn.Conv1d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm1d(after)
        self.skip = nn.Sequential()
        if before != after or stride != 1:
            self.skip = nn.Sequential(nn.Conv1d(before, after, 1, stride, bias=False), nn.BatchNorm1d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        return (y + self.skip(x)).relu()


class ResNet1d(nn.Sequential):
    """A residual network on signals of two channels."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv1d(2, 16, 7, 2, padding=3, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(3, 2, padding=1),
            Unit(16, 16, 1), Unit(16, 32, 2), Unit(32, 64, 2), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 5),
        )


RESNET_1D = """
archspec: 1
name: resnet1d
input: [2, 256]
blocks:
  conv:
    params: {channels: int, stride: 1}
    body: [conv1d: {out_channels: $channels, kernel_size: 3, stride: $stride, padding: 1, bias: false}, batch_norm1d]
  unit:
    params: {channels: int, stride: 1}
    body:
      - add:
          main: [conv: [$channels, $stride], relu, conv: $channels]
          skip:
            sequential: [conv1d: {out_channels: $channels, kernel_size: 1, stride: $stride, bias: false}, batch_norm1d]
            when: $(stride != 1 or in.channels != channels)
      - relu
stages:
  stem:
    - conv1d: {out_channels: 16, kernel_size: 7, stride: 2, padding: 3, bias: false}
    - batch_norm1d
    - relu
    - max_pool1d: {kernel_size: 3, stride: 2, padding: 1}
  body: [unit: 16, unit: [32, 2], unit: [64, 2]]
  head: [global_avg_pool1d, flatten, linear: 5]
expect: {stem: [16, 64], body: [64, 16], output: [5]}
"""


def assert_equal(loaded: Loaded, theirs: nn.Module, x: Tensor) -> None:
    """In training, so that batch norm takes part, and in counts."""
    ours = archspec.build(loaded)
    state = list(theirs.state_dict().values())
    assert [t.shape for t in ours.state_dict().values()] == [t.shape for t in state]
    ours.load_state_dict(dict(zip(ours.state_dict(), state, strict=True)))
    for each in (ours, theirs):
        for module in each.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    with FlopCounterMode(display=False) as flops:
        theirs(x[:1].repeat(2, *[1] * (x.ndim - 1)))
    report = loaded.report
    assert report.params == sum(p.numel() for p in theirs.parameters())
    assert report.buffers == sum(b.numel() for b in theirs.buffers())
    assert report.macs == flops.get_total_flops() // 4


def test_a_text_cnn() -> None:
    torch.manual_seed(0)
    assert_equal(archspec.load(ZOO / "textcnn.yaml"), TextCNN(), torch.randint(20000, (3, 64)))


def test_a_residual_network_on_sequences() -> None:
    torch.manual_seed(0)
    assert_equal(archspec.load(RESNET_1D), ResNet1d(), torch.randn(4, 2, 256))


def test_an_encoder_with_positions_and_windows_of_words() -> None:
    """Attention, `memory`, slices and reductions of integers' vectors, against the same by hand."""
    text = """
archspec: 1
input: {words: {shape: [10], dtype: int64, below: 30}}
stages:
  embed: [embedding: 16, scale: 4, add: {words: [], places: {parameter: {shape: [10, 16], init: {normal: 0.02}}}}]
  encoder: {add: {main: [layer_norm, multi_head_attention: 4], skip: []}, repeat: 2}
  query: [slice: {dim: 1, start: -3}, multi_head_attention: {num_heads: 2, memory: encoder}]
  head: [mean: 1, linear: 3]
"""
    loaded = archspec.load(text)
    model, words = archspec.build(loaded), torch.randint(30, (2, 10))
    layers = dict(model.named_modules())
    x = layers["embed.embedding_1"].weight[words] * 4 + next(p for n, p in model.named_parameters() if n.endswith("places.value"))
    for k in range(2):
        norm, own = layers[f"encoder.{k}.main.layer_norm_1"](x), layers[f"encoder.{k}.main.multi_head_attention_1"]
        x = x + attention(own, norm, norm, 4)
    y = attention(layers["query.multi_head_attention_1"], x[:, -3:], x, 2).mean(1)
    torch.testing.assert_close(model(words), layers["head.linear_1"](y))
    assert loaded.report.params == sum(p.numel() for p in model.parameters())


def attention(module: nn.Module, x: Tensor, memory: Tensor, heads: int) -> Tensor:
    """What nn.MultiheadAttention gives with these weights."""
    theirs = nn.MultiheadAttention(x.shape[-1], heads, batch_first=True)
    theirs.load_state_dict(module.state_dict())
    y: Tensor = theirs(x, memory, memory)[0]
    return y
