"""What the traits say of the ops, against what torch computes."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from archspec.ops import OPS, Merge, Operation
from archspec.ops.traits import (
    RECTIFIED,
    Affine,
    Convolves,
    Drops,
    Elementwise,
    KeepsLayout,
    Normalises,
    Projects,
    Saturates,
    SquashesLogits,
    Stochastic,
    Trait,
    Windowed,
)
from tests.ops.draw import BELOW, Case, random_of
from tests.ops.strategies import STRATEGIES
from tests.ops.test_registry import arguments, ours

BENT = 1e-6


def ops_with(kind: type[Trait]) -> list[str]:
    return sorted(name for name, op in OPS.items() if op.trait(kind) is not None)


def ops_without(kind: type[Trait]) -> list[str]:
    return sorted(set(OPS) - set(ops_with(kind)))


def each_case(name: str, body: Any, count: int = 8) -> int:
    """Run `body(module, inputs, op)` on accepted cases, in float64 and evaluation; how many there were."""
    seen = 0

    def one(case: Case) -> None:
        nonlocal seen
        found = ours(name, case)
        if found is None:
            return
        op, types = found[0], found[1]
        torch.manual_seed(0)
        module = op.build(*types).double().eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_()
        body(module, [3 * random_of(x, torch.float64) if x.dtype != "int64" else random_of(x) for x in types], op)
        seen += 1

    settings(deadline=None, max_examples=count, database=None, derandomize=True)(given(STRATEGIES[name])(one))()
    return seen


@torch.no_grad()
def call(module: torch.nn.Module, inputs: list[torch.Tensor]) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of slow paths
        return module(*arguments(module, inputs))


def changed_elsewhere(module: torch.nn.Module, x: torch.Tensor) -> bool:
    """Whether a change of one element changes the output anywhere but there."""
    place = tuple(size // 2 for size in x.shape)
    other = x.clone()
    other[place] += 1 if x.is_floating_point() else -1 if x[place] else 1
    before, after = call(module, [x]), call(module, [other])
    if before.shape != x.shape:
        return True
    differs = before != after
    differs[place] = False
    return bool(differs.any())


@pytest.mark.parametrize("name", ops_with(Elementwise))
def test_an_elementwise_op_looks_at_each_element_alone(name: str) -> None:
    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        assert not changed_elsewhere(module, inputs[0])

    assert each_case(name, body)


@pytest.mark.parametrize("name", [name for name in ops_without(Elementwise) if not issubclass(OPS[name], Merge)])
def test_any_other_op_does_not(name: str) -> None:
    found = []

    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        if not isinstance(module, torch.nn.modules.batchnorm._NormBase) or module.track_running_stats is False:
            found.append(changed_elsewhere(module, inputs[0]) or call(module, inputs).shape != inputs[0].shape)

    each_case(name, body, 40)
    assert any(found) or OPS[name].trait(Normalises)


def bends(module: torch.nn.Module, x: torch.Tensor) -> bool:
    """Whether it is no affine function: the value between two points is not between their values."""
    y = torch.randn_like(x) - x
    between = call(module, [0.25 * x + 0.75 * y])
    line = 0.25 * call(module, [x]) + 0.75 * call(module, [y])
    return bool(((between - line).abs() > BENT).any())


@pytest.mark.parametrize("name", sorted({*ops_with(Affine), *ops_with(Projects)}))
def test_an_affine_op_does_not_bend(name: str) -> None:
    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        if OPS[name].trait(Normalises) is None or getattr(op, "track_running_stats", True):
            assert not bends(module, inputs[0])

    assert each_case(name, body)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.is_activation()])
def test_an_activation_bends(name: str) -> None:
    found: list[bool] = []
    each_case(name, lambda module, inputs, op: found.append(bends(module, inputs[0])))
    assert any(found)


def test_the_activations_are_those_of_their_file() -> None:
    assert {name for name, op in OPS.items() if op.is_activation()} == {
        name for name, op in OPS.items() if op.__module__ == "archspec.ops.activation"
    }


def ramp(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Of x's shape, with values that change along one dimension only."""
    view = [-1 if d == dim else 1 for d in range(x.ndim)]
    return torch.linspace(0.2, 0.9, x.shape[dim], dtype=x.dtype).view(view).expand(x.shape)


@pytest.mark.parametrize("name", ops_with(KeepsLayout))
def test_a_kept_layout_keeps_each_dimension_in_its_place(name: str) -> None:
    """What changes along one dimension of the input changes along no other of the output."""

    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        assert call(module, inputs).ndim == inputs[0].ndim
        if list(module.parameters()) or name == "local_response_norm":  # which differ from place to place, at edges too
            return
        for dim in range(1, inputs[0].ndim):
            y = call(module, [ramp(x, dim) for x in inputs])
            for other in {*range(1, y.ndim)} - {dim, getattr(op, "dim", dim) % y.ndim}:
                torch.testing.assert_close(y, y.narrow(other, 0, 1).expand_as(y), equal_nan=True)

    assert each_case(name, body)


@pytest.mark.parametrize("name", ops_with(Projects))
def test_a_projection_maps_its_dimension_by_a_kernel(name: str) -> None:
    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        trait = op.trait(Projects)
        assert trait is not None
        dim = trait.dim % inputs[0].ndim
        width = next(getattr(op, field) for field in type(op).model_fields if type(op).affects(field) is not None and "out_" in field)
        assert call(module, inputs).shape[dim] == width
        assert "weight" in op.parameters(*map(_type, inputs))
        assert isinstance(trait, Convolves) == (op.ndim is not None)

    assert each_case(name, body)


def _type(x: torch.Tensor) -> Any:
    from archspec.types import TensorType

    return TensorType(tuple(x.shape))


@pytest.mark.parametrize("name", ops_with(Windowed))
def test_windows_count_the_output(name: str) -> None:
    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        trait = op.trait(Windowed)
        assert trait is not None
        places = [w.positions(size) for w, size in zip(trait.windows(op), inputs[0].shape[2:], strict=True)]
        assert list(call(module, inputs).shape[2:]) == places

    assert each_case(name, body)


@pytest.mark.parametrize("name", sorted(OPS))
def test_which_ops_normalise_over_the_batch(name: str) -> None:
    """In training a sample's output then depends on the others."""
    found = []

    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        torch.manual_seed(1)
        before = call(module.train(), inputs)
        others = [torch.cat([x[:1], x[1:] + 1 + x[1:].abs() if x.is_floating_point() else (x[1:] + 1) % BELOW]) for x in inputs]
        torch.manual_seed(1)
        found.append(not torch.allclose(call(module, others)[0], before[0], equal_nan=True))

    each_case(name, body)
    norm = OPS[name].trait(Normalises)
    assert any(found) == (norm is not None and norm.batch)


@pytest.mark.parametrize("name", sorted(OPS))
def test_which_ops_draw_random_numbers(name: str) -> None:
    trait = OPS[name].trait(Stochastic)
    found = []

    def body(module: torch.nn.Module, inputs: list[torch.Tensor], op: Operation) -> None:
        before = torch.get_rng_state()
        call(module, inputs)
        assert torch.equal(before, torch.get_rng_state()), "in evaluation"
        call(module.train(), inputs)
        drew = not torch.equal(before, torch.get_rng_state())
        found.append(drew)
        if trait is not None and trait.share(op) == 0:
            assert not drew

    each_case(name, body, 12)
    assert any(found) == (trait is not None)


@pytest.mark.parametrize("name", ops_with(Drops))
def test_a_drop_sets_its_share_to_zero(name: str) -> None:
    trait = OPS[name].trait(Drops)
    assert trait is not None and trait.probability is not None
    op = OPS[name].model_validate({trait.probability: 0.3})
    x = torch.ones(400, 50, 1, 1)
    share = (call(op.build(_type(x)).train(), [x]) == 0).float().mean()
    assert float(share) == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("name", ops_with(Saturates))
def test_a_saturating_op_is_flat_where_its_family_says(name: str) -> None:
    trait = OPS[name].trait(Saturates)
    assert trait is not None
    module, far = OPS[name]().build(_type(torch.zeros(1, 2))), torch.tensor([[-50.0, 50.0]])
    low, high = call(module, [far])[0].tolist()
    assert low == pytest.approx(trait.family.low, abs=1e-9)
    assert high == trait.family.high or trait.family is RECTIFIED


def test_what_squashes_logits_gives_probabilities() -> None:
    x = 9 * torch.randn(50, 7)
    unit = {
        name for name in OPS if OPS[name].ndim is None and not OPS[name].trait(Stochastic)
        and (fields := {"dim": 1} if name in ("softmax", "log_softmax") else {}) is not None
        and all(not f.is_required() or n in fields for n, f in OPS[name].model_fields.items())
        and not issubclass(OPS[name], Merge) and name != "zero"
        and (y := call(OPS[name].model_validate(fields).build(_type(x)), [x])).min() >= 0 and y.max() <= 1
    }
    assert unit == set(ops_with(SquashesLogits))


@pytest.mark.parametrize("name", sorted(OPS))
def test_aliases_are_plain_and_no_names(name: str) -> None:
    own = vars(OPS[name]).get("aliases", ())
    assert all(alias == alias.lower() and alias not in OPS for alias in own)
    others = {alias for other, op in OPS.items() if other != name for alias in vars(op).get("aliases", ())}
    assert not others & set(own)
