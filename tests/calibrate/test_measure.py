"""Measuring kernels one by one, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archspec.calibrate.measure import Stopwatch, measure
from archspec.calibrate.sample import Sample
from archspec.devices.work import Work
from tests.calibrate.ticks import Ticks, half_broken


def watch(clock: Callable[[], float]) -> Stopwatch:
    return Stopwatch(clock, lambda: None)


def test_a_short_kernel_runs_often_and_its_time_is_that_of_one_run() -> None:
    clock, runs = Ticks(1e-6), []

    def run() -> None:
        runs.append(1)
        clock.now += 5e-6

    assert watch(clock).seconds([run]) == pytest.approx(5e-6, rel=0.01)
    assert len(runs) > 100


def test_the_time_is_one_that_nothing_disturbed() -> None:
    clock, durations = Ticks(0.0), iter([1.0, 1.0, 1.0, 0.02, 0.5, 0.03, 0.02])

    def run() -> None:
        clock.now += next(durations)

    assert watch(clock).seconds([run]) == pytest.approx(0.02)


def test_runs_take_turns_and_keep_their_results_for_a_round() -> None:
    """So that no run finds the memory of the last one in the caches, nor gets its freed memory again."""
    clock, order, alive = Ticks(0.01), [], set()

    class Result:
        def __init__(self, name: str) -> None:
            self.name = name
            order.append(name)
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    def turn(name: str) -> Callable[[], object]:
        def run() -> Result:
            assert len(alive) >= min(len(order), 2)
            return Result(name)

        return run

    watch(clock).seconds([turn(name) for name in "abc"])
    assert "".join(order).startswith("abcabcabc")


def test_the_turns_of_a_kernel_cover_more_than_the_caches() -> None:
    made: list[int] = []

    def make() -> Callable[[], object]:
        made.append(1)
        return lambda: None

    counts = []
    for nbytes in (1, 1 << 20, 1 << 23, 1 << 30):
        made.clear()
        clock = Ticks(0.01)
        work = Work("elementwise", False, nbytes, 0, 1)
        measure([Sample("a", "a/fp32", work, make)], watch(clock), 1e9, apart=1 << 24)
        counts.append(len(made))
    assert counts == [16, 16, 2, 1]


def test_measuring_stops_at_the_deadline_and_leaves_out_what_cannot_run() -> None:
    clock, seen = Ticks(0.01), []
    found = measure(half_broken(50), watch(clock), deadline=1.0, progress=seen.append)
    assert set(found) == {"a/fp32"}
    assert 0 < len(found["a/fp32"]) < 50
    assert seen == sorted(seen)
    assert clock.now < 1.8
