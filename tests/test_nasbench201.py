"""NAS-Bench-201's network against modules that are written here after the paper's figure 1 and its text."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import archspec
from tests.test_zoo import copy_in_order_, scramble_

OPERATIONS = ("none", "skip", "conv_1x1", "conv_3x3", "avg_pool_3x3")
EDGES = ("01", "02", "12", "03", "13", "23")  # from node, to node
CELLS = list(itertools.product(OPERATIONS, repeat=len(EDGES)))


class Nothing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def operation(name: str, channels: int) -> nn.Module:
    if name.startswith("conv"):
        return relu_conv_bn(channels, channels, int(name[-1]))
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return nn.Identity() if name == "skip" else Nothing()


def relu_conv_bn(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(after)
    )


class Cell(nn.Module):
    def __init__(self, cell: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(operation(name, channels) for name in cell)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nodes = [x]
        for target in "123":
            into = [(k, edge) for k, edge in enumerate(EDGES) if edge[1] == target]
            nodes.append(sum(self.edges[k](nodes[int(edge[0])]) for k, edge in into))
        return nodes[-1]


class Reduction(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(relu_conv_bn(channels, 2 * channels, 3, 2), relu_conv_bn(2 * channels, 2 * channels, 3))
        self.skip = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(channels, 2 * channels, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.main(x) + self.skip(x)


def twin(cell: tuple[str, ...]) -> nn.Module:
    stages = [nn.Sequential(*(Cell(cell, channels) for _ in range(5))) for channels in (16, 32, 64)]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), stages[0], Reduction(16), stages[1],
        Reduction(32), stages[2], nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 10),
    )


def variables(cell: tuple[str, ...]) -> dict[str, str]:
    return {f"edge_{edge}": name for edge, name in zip(EDGES, cell, strict=True)}


SAMPLE = [*random.Random(201).sample(CELLS, 6), ("conv_3x3",) * 6, ("none",) * 6, ("avg_pool_3x3",) * 6]


@pytest.fixture(scope="module")
def cells() -> archspec.Template:
    return archspec.Template("nasbench201")


@pytest.mark.parametrize("cell", SAMPLE, ids="-".join)
def test_counts_equal_the_twins(cells: archspec.Template, cell: tuple[str, ...]) -> None:
    with torch.device("meta"):
        model = twin(cell).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            model(torch.empty(1, 3, 32, 32))
    found = cells.totals(variables(cell))
    assert found.params == sum(p.numel() for p in model.parameters())
    assert found.cost.buffers == sum(b.numel() for b in model.buffers())
    assert found.macs == flops.get_total_flops() // 2


@pytest.mark.parametrize("cell", SAMPLE[:2] + SAMPLE[-2:], ids="-".join)
def test_outputs_equal_the_twins(cells: archspec.Template, cell: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    theirs = twin(cell).eval()
    scramble_(theirs)
    ours = archspec.build(cells.load(variables(cell))).eval()
    copy_in_order_(ours, theirs)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected, actual = theirs(images), ours(images)
    assert (actual - expected).abs().max() <= 1e-5 * max(1.0, expected.abs().max().item())


def test_a_network_trains_whose_cells_let_nothing_through(cells: archspec.Template) -> None:
    model = archspec.build(cells.load(variables(("none",) * 6)), seed=0)
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
