"""Which kernels calibration measures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import archspec
from archspec.calibrate import cache
from archspec.calibrate.attention import attentions
from archspec.calibrate.passes import image_passes, passes
from archspec.calibrate.products import (
    convolution_shapes,
    convolutions,
    halton,
    late_shapes,
    linears,
    products,
    wide_shapes,
)
from archspec.calibrate.run import _in_order
from archspec.calibrate.sample import Place, in_caches
from archspec.devices.work import work_of
from archspec.execution import Setting, execute

CPU = torch.device("cpu")


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_sample_runs_and_says_which_bytes_it_moves(precision: str, layout: str) -> None:
    place = Place(CPU, precision, layout)
    samples = [
        *convolutions(place, convolution_shapes(3, 1e6)), *convolutions(place, convolution_shapes(3, 1e6, grouped=True)),
        *convolutions(place, wide_shapes(3, 1e8)), *products(place, 2, 1e6), *passes(place, 1 << 12), *image_passes(place, 1 << 16), *list(attentions(place))[:4],
    ]
    torch.manual_seed(0)
    with torch.no_grad():
        for sample in samples:
            result = sample.make()()
            tensors = [t for t in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(t, torch.Tensor)]
            assert sample.parts * sample.work.nbytes >= sum(t.nbytes for t in tensors), sample.curve
    kinds = {(s.curve.partition("_")[0], s.work.groups > 1, s.work.channels == 1) for s in samples if s.work.pixels}
    assert {("grouped", True, False), ("depthwise", True, True)} >= {k for k in kinds if k[1]} > set()
    assert all(s.work.macs == s.work.rows * s.work.columns * s.work.depth * s.work.groups
               for s in samples if s.work.macs and s.work.stride == 1 and "attention" not in s.name)


def test_shapes_fill_the_space_within_their_limit() -> None:
    assert [halton(k, 2) for k in (1, 2, 3, 4)] == [0.5, 0.25, 0.75, 0.125]
    shapes = convolution_shapes(60, 4e8)
    assert len(set(shapes)) > 55
    assert max(s.macs for s in shapes) <= 4e8
    assert {s.kernel for s in shapes} == {1, 3, 5, 7}
    assert min(s.channels for s in shapes) == 1
    grouped = convolution_shapes(20, 4e8, grouped=True)
    assert any(s.groups == s.channels for s in grouped)
    assert {s.kernel for s in grouped} == {3, 5, 7}
    late = late_shapes(40, 4e8)
    assert len(late) == 40
    assert max(s.macs for s in late) <= 4e8
    assert sum(s.channels >= 256 and s.output <= 7 and s.kernel == 3 for s in late) >= 5
    assert any(s.side == 1 for s in late)
    wide = wide_shapes(24, 2.8e9)
    assert max(s.macs for s in wide) <= 2.8e9
    assert all(s.output == s.side for s in wide)
    assert sum(s.dilation > 1 for s in wide) >= 8
    assert sum(s.channels * s.side > 8000 for s in wide) >= 8  # more than any network for classes has
    large = convolution_shapes(5, 3.2e9, least=4e8)
    assert all(4e8 <= s.macs <= 3.2e9 for s in large)


def test_linear_layers_are_measured_as_torch_lays_out_their_matrices() -> None:
    """Each product is that of a layer's forward pass, or of a gradient of its input or weight."""
    samples = list(linears(Place(CPU, "fp32"), 6, 1e6))
    assert len(samples) == 18
    for forward, back, weight in zip(*(samples[k::3] for k in range(3)), strict=True):
        layer = torch.nn.Linear(forward.work.depth, forward.work.columns)
        x = torch.ones(forward.work.rows, forward.work.depth, requires_grad=True)
        with torch.no_grad():
            assert forward.make()().shape == layer(x).shape  # type: ignore[attr-defined]
            assert back.make()().shape == x.shape  # type: ignore[attr-defined]
            assert weight.make()().shape == layer.weight.shape  # type: ignore[attr-defined]
        kernels = execute(archspec.load({
            "archspec": 1, "input": [forward.work.depth], "stages": {"a": [{"linear": forward.work.columns}, "relu", {
                "linear": forward.work.depth}]},
        }).graph, Setting(forward.work.rows)).kernels
        known = {(w.rows, w.columns, w.depth) for w in map(work_of, kernels) if w.macs}
        assert {(s.work.rows, s.work.columns, s.work.depth) for s in (forward, weight)} <= known


def test_the_first_input_of_a_kernel_is_in_memory_that_others_share() -> None:
    place = Place(CPU, "fp32")
    found = []
    for _ in range(2):
        place.warm()
        found.append([place.tensor(8).data_ptr() for _ in range(2)])
    assert found[0][0] == found[1][0]
    assert len({found[0][0], found[0][1], found[1][1]}) == 3


def test_the_caches_hold_what_is_read_again_at_the_rate_of_little_memory() -> None:
    """A machine whose memory beyond 48 MiB is read at a third of the rate."""
    now, read = [0.0], [0]

    def clock() -> float:
        return now[0]

    def summed(piece: torch.Tensor) -> None:
        read[0] += 1
        now[0] += piece.nbytes / 30e9

    def seconds(pieces: list[torch.Tensor], clock: Callable[[], float]) -> float:
        size = sum(piece.nbytes for piece in pieces)
        return size / (90e9 if size <= 4 << 20 else 30e9 if size <= 48 << 20 else 16e9)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "_seconds", seconds)
        assert cache.cache_bytes(clock) == 48 << 20
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.sum", summed)
        assert cache._seconds([torch.ones(8)] * 3, clock) == pytest.approx(3 * 32 / 30e9)
        assert read[0] == 18


def test_kernels_whose_data_are_in_the_caches_share_their_inputs() -> None:
    """A pass over memory reads what the others have read, and has a curve of its own; a product has its own weights."""
    place, places = Place(CPU, "fp32"), []
    for cold, hot in zip(passes(place, 1 << 10), in_caches(passes(place, 1 << 10), place), strict=True):
        assert hot.work == cold.work._replace(hot=True)
        assert hot.curve == f"{cold.name}_hot/fp32"
        hot.warm()
        places.append([place.tensor(8).data_ptr() for _ in range(3)])
    for cold, hot in zip(linears(place, 2, 1e6), in_caches(linears(place, 2, 1e6), place), strict=True):
        assert hot.work == cold.work._replace(hot=True)
        assert (hot.curve, hot.warm.args) == (cold.curve, cold.warm.args)
    assert all(each == places[0] for each in places)
    assert len(set(places[0])) == 3


def test_a_deadline_cuts_curves_of_many_kernels_alone() -> None:
    """Passes over memory, depthwise and dilated convolutions are few: all are among the first kernels, others among all."""
    place = Place(CPU, "fp32")
    few = [
        *convolutions(place, wide_shapes(8, 1e8)), *convolutions(place, convolution_shapes(20, 1e6, grouped=True)),
        *passes(place, 1 << 14),
    ]
    samples = [*convolutions(place, late_shapes(60, 1e7)), *few]
    order = _in_order(samples)
    assert {id(sample) for sample in order} == {id(sample) for sample in samples}
    many = "convolution/fp32/nchw"
    last = order[-len(order) // 8 :]
    assert all(sample.curve == many and sample.work.dilation == 1 for sample in last)
    first = order[: len(order) // 2]
    assert sum(sample.curve == many for sample in first) > 30
