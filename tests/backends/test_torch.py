"""The torch backend: the module is the spec, and does what people do with modules."""

import copy
import io
import pickle

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
