"""The torch backend: the module is the spec, and does what people do with modules."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import fx, nn

import archspec
from archspec.backends.torch import build, example_input
from archspec.testing import assert_built_shapes

SKIP = """\
archspec: 1
input: [2, 8, 8]
blocks:
  up: {params: {skip: layer}, body: [interpolate: {scale_factor: 2}, concat: {skip: $skip, up: []}]}
  res:
    params: {channels: int}
    body:
      - add: {main: [conv2d: {out_channels: $channels, kernel_size: 3, padding: 1}, batch_norm2d], skip: []}
      - relu
stages:
  enc: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu]
  mid: [max_pool2d: 2, {res: 4, repeat: 2}]
  dec: {up: {skip: {from: enc}}}
  head: [conv2d: {out_channels: 3, kernel_size: 1}, global_avg_pool2d, flatten]
"""


LISTS = """\
archspec: 1
input: [4, 8, 8]
stages:
  a: [{concat: {b: {conv2d: {out_channels: 4, kernel_size: 1}}, c: relu, d: []}}]
  same: {add: {b: [], c: []}}
"""

DENSE = """\
archspec: 1
input: [4, 8, 8]
blocks:
  layer: [concat: {old: [], new: [batch_norm2d, relu, conv2d: {out_channels: 4, kernel_size: 3, padding: 1}]}]
stages: {block: [{layer: {}, repeat: 3}], head: [global_avg_pool2d, flatten, linear: 3]}
"""


@pytest.fixture
def model() -> nn.Module:
    return archspec.build(SKIP, seed=3).eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def by_hand(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The network of SKIP, written out over the model's own parameters."""
    part = dict(model.named_modules())

    def res(name: str, h: torch.Tensor) -> torch.Tensor:
        main = part[f"{name}.add_1.main.batch_norm2d_1"](part[f"{name}.add_1.main.conv2d_1"](h))
        return torch.relu(main + h)

    enc = torch.relu(part["enc.conv2d_1"](x))
    mid = res("mid.res_1.1", res("mid.res_1.0", torch.max_pool2d(enc, 2)))
    dec = torch.cat([enc, nn.functional.interpolate(mid, scale_factor=2)], dim=1)
    return part["head.conv2d_1"](dec).mean((2, 3))


def test_it_computes_what_the_spec_says(model: nn.Module, x: torch.Tensor) -> None:
    torch.testing.assert_close(model(x), by_hand(model, x))


def test_chains_are_sequential_and_the_rest_graph_modules(model: nn.Module) -> None:
    assert isinstance(model, fx.GraphModule)  # a skip runs across its stages
    assert isinstance(model.enc, nn.Sequential) and isinstance(model.mid, nn.Sequential)
    assert isinstance(model.get_submodule("mid.res_1.0.add_1"), fx.GraphModule)
    assert isinstance(archspec.build("lenet"), nn.Sequential)


def test_a_stage_is_callable(model: nn.Module, x: torch.Tensor) -> None:
    assert model.mid(model.enc(x)).shape == (2, 4, 4, 4)


def test_print_mirrors_the_spec(model: nn.Module) -> None:
    printed = str(model)
    for name in ("(enc)", "(mid)", "(res_1)", "(0)", "(1)", "(add_1)", "(main)", "(dec)", "(head)"):
        assert name in printed
    assert "def forward" not in printed


def test_print_shows_where_values_come_from(model: nn.Module) -> None:
    """An identity branch is no module: it shows as what the merge takes."""
    assert "(add_1): Add(\n          add(main, x)\n          (main): Sequential(" in str(model)
    assert "dec(mid, enc)" in str(model) and "concat_1(x1_enc, interpolate_1)" in str(model.dec)
    branches = archspec.build(LISTS)
    assert repr(branches.a.concat_1).startswith(
        "Concat(\n  c(x), concat(b, c, x)\n  (b): Conv2d(4, 4, kernel_size=(1, 1), stride=(1, 1))\n  (c): ReLU()\n"
    )
    assert "same(a, a)" in str(branches)
    assert "dec(mid, enc)" in str(copy.deepcopy(model))


@pytest.mark.parametrize("source", ["resnet18_96", "googlenet", SKIP, LISTS, DENSE], ids=lambda s: s if len(s) < 20 else None)
def test_it_can_be_scripted(source: str) -> None:
    model, shape = archspec.build(source, seed=0).eval(), archspec.load(source).graph.input.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have torch.export
        scripted = torch.jit.script(model)
        torch.jit.save(scripted, buffer := io.BytesIO())
        buffer.seek(0)
        again = torch.jit.load(buffer)
    x = torch.randn(2, *shape[1:])
    with torch.no_grad():
        assert torch.equal(scripted(x), model(x)) and torch.equal(again(x), model(x))


def test_onnx(model: nn.Module, x: torch.Tensor) -> None:
    """With torch.export alone where the packages that write ONNX are missing: `test_export_and_compile`."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(model, (x,), dynamo=True, verbose=False, dynamic_shapes=({0: "batch"},))
    assert program is not None
    assert [str(size) for size in program.model.graph.inputs[0].shape][1:] == ["2", "8", "8"]
    operators = {node.op_type for node in program.model.graph}
    assert {"Conv", "Add", "Concat"} <= operators


@pytest.mark.parametrize("twin", [
    copy.deepcopy,
    lambda m: pickle.loads(pickle.dumps(m)),
    lambda m: torch.load(io.BytesIO(_saved(m)), weights_only=False),
], ids=["deepcopy", "pickle", "torch.save"])
def test_copies_compute_the_same(model: nn.Module, x: torch.Tensor, twin) -> None:
    other = twin(model)
    assert torch.equal(other(x), model(x))
    assert list(other.state_dict()) == list(model.state_dict())
    assert all(a is not b for a, b in zip(other.parameters(), model.parameters(), strict=True))


def _saved(model: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    return buffer.getvalue()


def test_state_dict_round_trip(model: nn.Module, x: torch.Tensor) -> None:
    other = archspec.build(SKIP, seed=4).eval()
    assert not torch.equal(other(x), model(x))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


def test_export_and_compile(model: nn.Module, x: torch.Tensor) -> None:
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), model(x))
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), model(x))


def test_equal_copies_have_parameters_of_their_own(model: nn.Module) -> None:
    first, second = model.get_submodule("mid.res_1.0"), model.get_submodule("mid.res_1.1")
    assert {id(p) for p in first.parameters()}.isdisjoint(id(p) for p in second.parameters())


def test_seed() -> None:
    state = torch.get_rng_state()
    one, same, other = (archspec.build("lenet", seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["head.linear_1.weight"], other["head.linear_1.weight"])


def test_gradients_reach_every_parameter(model: nn.Module, x: torch.Tensor) -> None:
    model.train()
    model(x).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize("name", ["lenet", "googlenet", "resnet18_96", "zoo/shufflenet_v2_x1_0"])
def test_stages_really_give_the_inferred_shapes(name: str) -> None:
    assert_built_shapes(name)


def test_example_input() -> None:
    graph = archspec.load(SKIP).graph
    assert example_input(graph, 3).shape == (3, 2, 8, 8)
    assert build(graph)(example_input(graph, 3)).shape == (3, 3)
