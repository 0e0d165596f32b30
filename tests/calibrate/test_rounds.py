"""Measuring kernels in rounds of different kernels, with a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch

from archspec.calibrate.pace import Pace
from archspec.calibrate.products import Shape, convolutions
from archspec.calibrate.rounds import GROUP, _groups, measure_in_rounds
from archspec.calibrate.sample import Place, Sample
from archspec.devices.work import Work
from tests.calibrate.ticks import Ticks, half_broken

CPU = torch.device("cpu")
USUAL = {"product": 0.01, "sum": 0.01}  # of a clock with as long a tick


def test_kernels_of_a_size_take_turns() -> None:
    """As in a network, another kernel runs before each, and small ones follow small ones."""
    clock, order = Ticks(0.01), list[int]()
    pace = Pace(clock, USUAL)

    def sample(size: int) -> Sample:
        return Sample("a", "a/fp32", Work("elementwise", False, size, 0, 1), lambda: lambda: order.append(size))

    sizes = list(range(1, 2 * GROUP + 1))
    Random(0).shuffle(sizes)
    points = measure_in_rounds([sample(size) for size in sizes], 1e9, pace=pace)["a/fp32"]
    assert sorted(p.work.nbytes for p in points) == sorted(sizes)
    small = order[: order.index(GROUP + 1)]
    assert set(small) == set(range(1, GROUP + 1))
    rounds = [small[k : k + GROUP] for k in range(0, len(small), GROUP)]
    assert len(rounds) >= 5
    assert all(row == sorted(row) for row in rounds)


def test_kernels_whose_data_are_in_the_caches_take_turns_among_themselves() -> None:
    """They touch little in a round, so that they stay there."""
    def sample(size: int, *, hot: bool) -> Sample:
        return Sample("a", "a/fp32", Work("elementwise", False, size, 0, 1, hot=hot), lambda: lambda: None)

    sizes = [1 << (10 + k % 13) for k in range(5 * GROUP)]
    samples = [sample(size, hot=hot) for size in sizes for hot in (True, False)]
    groups = list(_groups(samples))
    assert sorted(map(id, samples)) == sorted(id(s) for group in groups for s in group)
    for group in groups:
        assert len({s.work.hot for s in group}) == 1
        assert len(group) <= GROUP
        assert not group[0].work.hot or sum(s.work.nbytes for s in group) <= 1 << 24
    assert sum(group[0].work.hot for group in groups) < len(sizes) / 4


def test_backward_of_a_convolution_is_one_run_but_for_a_first_layer() -> None:
    """Its two products share copies: a run of both is not that of one and then of the other."""
    place = Place(CPU, "bf16")
    for channels, gradients in ((8, 2), (3, 1)):
        _, backward = convolutions(place, [Shape(1, channels, 8, 8, 3, 1, 1)])
        with torch.no_grad():
            found = backward.make()()
        assert isinstance(found, (tuple, list))
        assert sum(y is not None for y in found) == backward.parts == gradients
    pace = Pace(Ticks(0.01), USUAL)
    (alone,), (half,) = (
        measure_in_rounds([replace(backward, make=lambda: lambda: None, parts=parts)], 1e9, pace=pace).popitem()[1]
        for parts in (1, 2)
    )
    assert half.seconds == pytest.approx(alone.seconds / 2, rel=0.01)


def test_rounds_stop_at_the_deadline_and_leave_out_what_cannot_run() -> None:
    clock, seen = Ticks(0.01), []
    found = measure_in_rounds(half_broken(50), 2.0, seen.append, pace=Pace(clock, USUAL))
    assert set(found) == {"a/fp32"}
    assert 0 < len(found["a/fp32"]) < 50
    assert seen == sorted(seen)
