"""Times between undisturbed moments, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from archspec.calibrate.pace import DISTURBED, KERNELS, Effort, Pace, Series, series
from archspec.calibrate.rounds import GROUP, measure_in_rounds
from archspec.calibrate.sample import Sample
from archspec.devices.work import Work
from tests.calibrate.ticks import Ticks

USUAL = {"product": 1e-4, "sum": 2e-5}


class Machine:
    """A machine whose speed depends on the time: `slow` says how slow it is then."""

    def __init__(self, slow: Callable[[float], float], usual: Mapping[str, float] | None = None) -> None:
        self.clock, self._slow = Ticks(0.0), slow
        self.pace = Pace(self.clock, usual)
        self.pace.runs = {"product": self.kernel(1e-4), "sum": self.kernel(2e-5)}

    def kernel(self, seconds: float) -> Callable[[], object]:
        def run() -> None:
            self.clock.now += seconds * self._slow(self.clock.now)

        return run


def test_runs_count_between_undisturbed_moments_only() -> None:
    """A machine that is 1.6 times as slow now and then, from one moment to the next."""
    machine = Machine(lambda now: 1.6 if int(now / 0.05) % 3 == 0 else 1.0)
    machine.pace.settle(1.0)
    found = series([machine.kernel(3e-3), machine.kernel(1e-5)], machine.pace, Effort(40, 60, 0.2, 5.0), ["fp32"] * 2)
    assert found.seconds(machine.pace) == pytest.approx([3e-3, 1e-5], rel=0.01)
    assert max(seconds for seconds, _ in found.times[0]) == pytest.approx(4.8e-3, rel=0.01)


def test_a_machine_that_stays_disturbed_counts_at_its_usual_pace() -> None:
    machine = Machine(lambda now: 2.0, usual=USUAL)
    found = series([machine.kernel(1e-3)], machine.pace, Effort(4, 12, 0.01, 0.1), ["fp32"])
    assert found.undisturbed(machine.pace) == [[]]
    assert found.seconds(machine.pace) == pytest.approx([1e-3])
    assert machine.clock.now < 0.3  # its patience ends


def test_runs_wait_for_the_undisturbed_machine() -> None:
    machine = Machine(lambda now: 2.0 if now < 0.5 else 1.0, usual=USUAL)
    found = series([machine.kernel(1e-3)], machine.pace, Effort(4, 12, 0.01, 2.0), ["fp32"])
    assert len(found.undisturbed(machine.pace)[0]) >= 4
    assert found.seconds(machine.pace) == pytest.approx([1e-3])


def test_nothing_waits_when_patience_is_over() -> None:
    machine = Machine(lambda now: 2.0, usual=USUAL)
    machine.pace.patient_until = 1.0
    taken = []
    for start in (0.0, 0.9, 3.0):
        machine.clock.now = start
        found = series([machine.kernel(1e-3)], machine.pace, Effort(4, 12, 0.01, 2.0), ["fp32"])
        assert len(found.times[0]) >= 4
        taken.append(machine.clock.now - start)
    assert taken == [pytest.approx(1.0, abs=0.05), pytest.approx(0.1, abs=0.05), pytest.approx(0.03, abs=0.03)]


def test_looks_are_apart_also_while_it_waits() -> None:
    """They take the place of small kernels in the caches: after each round, these would take several times as long."""
    machine = Machine(lambda now: 2.0, usual=USUAL)
    runs = [machine.kernel(1e-5)] * 20
    found = series(runs, machine.pace, Effort(4, 12, 0.0, 0.3), ["fp32"] * 20)
    rounds, looks = len(found.times[0]), len(found.looks)
    assert looks > 10
    assert rounds > 8 * looks  # at most two looks for each 20 rounds
    found = series([machine.kernel(5e-3)] * 3, machine.pace, Effort(4, 12, 0.0, 0.3), ["fp32"] * 3)
    assert len(found.times[0]) <= 14  # a round is longer than that anyway


def test_the_kernel_that_suffers_most_shows_how_slow_the_machine_is() -> None:
    pace = Pace(Ticks(), {"product": 1.0, "sum": 0.1})
    looks = [(1.0, 0.1), (1.2, 0.1), (1.0, 0.2), (0.9, 0.05)]
    for precision in ("fp32", "bf16"):  # without a product in bf16, the other one shows it
        assert pace.slow(looks, precision) == pytest.approx([1.0, 1.2, 2.0, 0.5])


def test_products_show_how_slow_kernels_of_their_precision_are() -> None:
    """Units that compute in bf16 alone may be slow while all else is as usual, and the other way round."""
    pace = Pace(Ticks(), {"product": 1.0, "bf16_product": 2.0, "sum": 0.1})
    looks = [(1.0, 2.0, 0.1), (1.0, 3.0, 0.1), (0.7, 2.0, 0.1), (1.0, 2.0, 0.13)]
    assert pace.slow(looks, "fp32") == pytest.approx([1.0, 1.0, 0.7, 1.3])
    assert pace.slow(looks, "bf16") == pytest.approx([1.0, 1.5, 1.0, 1.3])
    runs = Series(looks, [[(5.0, 0), (6.0, 1)], [(8.0, 0), (9.0, 1), (8.0, 2)]], ["fp32", "bf16"])
    assert runs.undisturbed(pace) == [[5.0], []]
    assert runs.seconds(pace)[0] == pytest.approx((5.0 + 6.0 / 0.7) / 2)


def test_moments_in_which_the_machine_is_quicker_than_usual_do_not_count_either() -> None:
    machine = Machine(lambda now: 0.5 if int(now / 0.05) % 5 == 1 else 1.0)
    machine.pace.settle(1.0)
    found = series([machine.kernel(3e-3)], machine.pace, Effort(40, 60, 0.2, 5.0), ["fp32"])
    assert min(seconds for seconds, _ in found.times[0]) < 2e-3
    assert found.seconds(machine.pace) == pytest.approx([3e-3], rel=0.01)


def test_a_look_does_not_count_the_run_that_fills_the_caches() -> None:
    clock, durations = Ticks(0.0), iter([9.0, 1.0, 3.0, 2.0] + [0.5] + [4.0] * 10 + [1.0])
    pace = Pace(clock, {"product": 2.0, "sum": 3.0})

    def run() -> None:
        clock.now += next(durations)

    pace.runs = dict.fromkeys(pace.runs, run)
    assert pace.look() == (1.0, 1.0)
    assert pace.usual == (2.0, 3.0)


def test_products_in_bf16_show_it_where_the_machine_has_instructions_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(seconds: float) -> set[str]:
        clock = Ticks(0.0)

        def kernel(seconds: float) -> Callable[[], None]:
            return lambda: setattr(clock, "now", clock.now + seconds)

        monkeypatch.setattr("archspec.calibrate.pace._kernels", lambda: {
            "product": kernel(1e-4), "bf16_product": kernel(seconds), "sum": kernel(1e-5)})
        return set(Pace(clock).runs)

    assert made(2e-4) == set(KERNELS)  # more multiply-adds, half of the time of each
    assert made(1e-2) == {"product", "sum"}


def test_kernels_in_rounds_have_the_times_of_the_undisturbed_machine() -> None:
    """A machine that becomes half as fast now and then: equal kernels have equal times."""
    machine = Machine(lambda now: 2.0 if int(now / 0.7) % 3 == 1 else 1.0)
    machine.pace.settle(0.5)
    samples = [Sample("a", "a/fp32", Work("elementwise", False, 8, 0, 1), lambda: machine.kernel(1e-3))] * (10 * GROUP)
    found = measure_in_rounds(samples, 1e9, pace=machine.pace)["a/fp32"]
    assert len(found) == len(samples)
    assert all(point.seconds == pytest.approx(1e-3, rel=0.01) for point in found)
    assert max(machine.pace.slow(machine.pace.seen, "fp32")) > DISTURBED
