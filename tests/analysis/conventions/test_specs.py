"""The shipped specs, counted by each installed tool."""

from __future__ import annotations

from pathlib import Path

import pytest

import archspec
from archspec.analysis.conventions import CONVENTIONS, counted

from .tools import printed

ROOT = Path(__file__).parents[3] / "specs"
SPECS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in sorted(ROOT.rglob("*.yaml"))]
SMALL = {  # smaller inputs, where the network takes them
    "alexnet": (1, 64, 64), "alexnet_simplified": (1, 64, 64), "vgg11": (1, 32, 32),
}
FAST = {"lenet", "cnn28", "zoo/nasbench201", "zoo/shufflenet_v2_x1_0", "zoo/mobilenet_v3_small", "zoo/textcnn", "zoo/googlenet_aux"}


@pytest.mark.filterwarnings("ignore:.*jit")
@pytest.mark.parametrize("tool", CONVENTIONS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in SPECS])
def test_a_spec_is_counted_as_the_tool_counts_it(name: str, tool: str) -> None:
    graph = archspec.load(name).graph
    numbers = printed(tool, graph, 1)
    for convention in CONVENTIONS[tool]:
        figure = counted(graph, convention)
        assert figure.exact
        assert figure.total == numbers.get(convention.unit, numbers.get("")), convention.unit
