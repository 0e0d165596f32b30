"""What a figure of another tool says: the sum, the reasons, what is left out; without the tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import archspec
from archspec.analysis.conventions import CONVENTIONS, Convention, counted
from archspec.analysis.conventions.tally import modules_of
from archspec.cli.counting_options import TOOLS
from archspec.ops import OPS, register_op
from archspec.ops.base import Op
from archspec.types import Cost, TensorType
from tests.ops.draw import types_of

COUNTS = json.loads((Path(__file__).parents[2] / "golden" / "counts.json").read_text(encoding="utf-8"))
KEYS = {
    "flop_counter_mode": "flopcounter", "fvcore": "fvcore", "ptflops_aten_macs": "ptflops-aten",
    "ptflops_pytorch_macs": "ptflops-pytorch", "thop_macs": "thop", "torchinfo_mult_adds": "torchinfo",
}
# torchvision's networks that are those of the zoo, module for module. In others it pools or flattens by function.
SAME = ("vgg16_bn", "squeezenet1_1", "resnet50", "resnext50_32x4d", "wide_resnet50_2")
ALL = [each for conventions in CONVENTIONS.values() for each in conventions]
NETWORKS = ("lenet", "resnet18", "zoo/swin_t", "zoo/vit_b_16", "zoo/siamese", "zoo/textcnn", "zoo/unet", "zoo/googlenet_aux")


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("key", KEYS)
def test_what_the_tools_printed_for_torchvisions_network(name: str, key: str) -> None:
    (convention,) = CONVENTIONS[KEYS[key]]
    assert counted(archspec.load(f"zoo/{name}").graph, convention).total == COUNTS[name][key]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("convention", ALL, ids=lambda c: f"{c.name} {c.unit}")
def test_the_differences_add_up_and_have_reasons(name: str, convention: Convention) -> None:
    loaded = archspec.load(name)
    figure = counted(loaded.graph, convention)
    assert figure.macs == loaded.report.macs
    missing = sum(each.macs for each in figure.left_out)
    assert figure.total == convention.per_mac * (figure.macs - missing) + sum(d.amount for d in figure.differences)
    assert all(each.reason for each in (*figure.differences, *figure.left_out))
    assert all(each.macs or each.elementwise_flops for each in figure.left_out)


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_that_computes_is_left_out_in_silence(name: str) -> None:
    """Every layer with work is in the number, or in the list of what is left out."""
    loaded = archspec.load(name)
    working = [x for x in loaded.report.layers() if (x.macs or x.elementwise_flops) and not x.training_only]
    (thop,) = CONVENTIONS["thop"]
    modules, _ = modules_of(loaded.graph, 1)
    counted_layers = sum(any(c.amount for part in m.walk() for c in thop.count(part)) for m in modules)
    listed = sum(each.layers for each in counted(loaded.graph, thop).left_out)
    assert counted_layers + listed >= len(working)


def test_the_command_knows_every_convention() -> None:
    assert tuple(CONVENTIONS) == TOOLS


def test_no_tool_is_imported() -> None:
    code = ("import sys, archspec; from archspec.analysis.conventions import *\n"
            "[counted(archspec.load('lenet').graph, c) for cs in CONVENTIONS.values() for c in cs]\n"
            "assert not {'torch', 'fvcore', 'ptflops', 'thop', 'torchinfo', 'deepspeed'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [None, "Softplus", "Linear", "Attention", "WindowAttention"])
def test_the_op_of_a_plugin_is_said_to_be_unknown(name: str | None) -> None:
    class Mystery(Op):
        op = "mystery"
        torch_name = name

        def infer(self, x: TensorType) -> tuple[TensorType]:
            return (x,)

        def cost(self, x: TensorType, y: TensorType) -> Cost:
            return Cost(macs=x.numel, elementwise_flops=7)

        def build(self, x: TensorType) -> None: ...

    register_op(Mystery)
    try:
        graph = archspec.load("archspec: 1\nname: n\ninput: [4]\nstages: {a: mystery, b: {linear: 2}}\n").graph
    finally:
        del OPS["mystery"]
    for convention in ALL:
        figure = counted(graph, convention)
        assert not figure.exact
        assert [(x.macs, x.elementwise_flops) for x in figure.left_out if x.what == "mystery"] == [(4, 7)]


def test_training_only_layers_do_not_run() -> None:
    graph = archspec.load("zoo/googlenet_aux").graph
    modules, _ = modules_of(graph, 1)
    assert sum(part.macs for module in modules for part in module.walk()) == archspec.analyze("zoo/googlenet_aux").macs


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_states_the_class_of_its_module(name: str) -> None:
    from tests.analysis.conventions.test_ops import network
    from tests.ops.strategies import STRATEGIES

    def accepted(case: object) -> bool:
        return network(name, *case) is not None  # type: ignore[misc]

    from hypothesis import HealthCheck, given, settings

    @settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(STRATEGIES[name].filter(accepted))
    def check(case: tuple[dict[str, object], tuple[tuple[int, ...], ...]]) -> None:
        graph = network(name, *case)
        assert graph is not None
        op = graph.nodes[0].op
        assert op is not None
        assert type(op.build(*types_of(name, case[1]))).__name__ == op.torch_name

    check()


def test_the_figures_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "cost-model.md").read_text(encoding="utf-8")
    graphs = [archspec.load(name).graph for name in ("resnet18", "zoo/vit_b_16")]
    for convention in ALL:
        figures = " | ".join(f"{counted(graph, convention).total:,}" for graph in graphs)
        assert f"| `{convention.name}`, {convention.unit} | {figures} |" in text


def test_the_text_fits_80_columns() -> None:
    from archspec.printing.conventions import show
    from archspec.printing.plain import plain_text

    graph = archspec.load("zoo/vit_b_16").graph
    text = plain_text(lambda console: show([counted(graph, each) for each in ALL], console))
    assert max(map(len, text.splitlines())) <= 80
    assert "  − 12,485,338,136  Linear ×37: each parameter counts once" in text
