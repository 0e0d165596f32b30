"""What a sweep will cost: predicted from timed steps, evaluations and starts, here with a clock that is told the time."""

from types import SimpleNamespace

import pytest

from archspec.data.amounts import Images, run_images
from archspec.results.trials import Result, Store
from archspec.sweep import plan as plans
from archspec.sweep.plan import Timing, plan
from archspec.sweep.slots import Slots
from archspec.sweep.starts import Starts, measure_starts
from tests.sweep.helpers import begun, expanded

HEAD = "archspec-sweep: 1\nspec: lenet_relu\nset: {train.data: digits, train.batch_size: 100, train.epochs: 3}\n"
LIMITS = "limit_train: 1000\nlimit_test: 250\n"
TWO = Slots(({}, {}), 1)


@pytest.fixture
def timed(monkeypatch):
    """The trials whose network was timed; a step takes 2 s, a forward pass 0.5 s."""
    seen = []

    def timing(trial, device, threads):
        seen.append(trial)
        return Timing(2.0, 0.5)

    monkeypatch.setattr(plans, "timing", timing)
    return seen


def test_steps_evaluations_and_starts(tmp_path, timed):
    found = expanded(HEAD + LIMITS + "grid: {train.lr: [0.1, 0.2]}\nseeds: 2\n")
    planned = plan(found, Store(tmp_path), TWO, starts=lambda trial: Starts(10.0, 4.0))
    (each,) = {estimate.seconds for estimate in planned.estimates}
    assert each == 3 * (10 * 2.0 + 3 * 0.5)
    assert planned.seconds == 10.0 + 4 * (each + 4.0) / 2
    assert planned.to_json()["start_seconds"] == 4.0
    assert "2 at once, 4 s of each trial to start" in planned.text()
    assert len(timed) == 1  # one network and batch, whatever the rate


def test_accumulation_makes_fewer_steps_of_as_many_passes(tmp_path, timed):
    found = expanded(HEAD + LIMITS + "grid: {train.accumulate: [1, 4]}\n")
    plain, accumulated = plan(found, Store(tmp_path), TWO).estimates
    assert (plain.steps, accumulated.steps) == (3 * 10, 3 * 3)
    assert plain.seconds == accumulated.seconds
    assert len({trial.id for trial in found.trials}) == 2
    assert len(timed) == 1


def test_without_starts_it_says_so(tmp_path, timed):
    planned = plan(expanded(HEAD + LIMITS), Store(tmp_path), TWO)
    assert planned.seconds == planned.estimates[0].seconds / 2
    assert "without the starts of the trials" in planned.text()


def test_nothing_is_started_where_nothing_is_left(tmp_path, timed):
    found, store = expanded(HEAD + LIMITS), Store(tmp_path)
    (trial,) = found.trials
    with store.claimed():
        begun(store, trial)
        store.save(Result(trial.id, "lenet_relu", {}, 0, "done", summary={}))
    planned = plan(found, store, TWO, starts=lambda trial: pytest.fail("started"))
    assert planned.seconds == 0


@pytest.mark.parametrize(("recipe", "expected"), [
    ("", Images(1000, 250, 0)), ("train.validation: test", Images(1000, 250, 0)),
    ("train.validation: 0.2", Images(800, 200, 250)), ("train.validation: 50", Images(950, 50, 250)),
    ("train.early_stopping: 3", Images(900, 100, 250)),
])
def test_which_images_are_evaluated(recipe, expected):
    (trial,) = expanded(HEAD.replace("}\n", f", {recipe}}}\n" if recipe else "}\n") + LIMITS).trials
    assert run_images(trial.recipe, **trial.limits) == expected


class Clock:
    """A launcher whose processes take as long as they are told, by a clock that only sleeping moves."""

    def __init__(self, seconds, code=0):
        self.now, self.seconds, self.code, self.commands, self.closed = 0.0, list(seconds), code, [], False

    def start(self, command):
        self.commands.append(command)
        end = self.now + self.seconds.pop(0)
        return SimpleNamespace(poll=lambda: self.code if self.now >= end else None, kill=lambda: None)

    def close(self):
        self.closed = True

    def sleep(self, seconds):
        self.now += seconds


def measured(clock):
    (trial,) = expanded(HEAD).trials
    return measure_starts(
        trial, ["--device=cpu", "--tune"], 1, launcher=lambda: clock, clock=lambda: clock.now, sleep=clock.sleep
    )


def test_a_start_is_timed_by_a_training_of_one_step():
    clock = Clock([7.5, 2.5])
    found = measured(clock)
    assert (found.first_s, found.each_s) == pytest.approx((5.0, 2.5), abs=0.05)
    assert clock.closed
    for command in clock.commands:
        assert {"--limit-train=100", "--stop-after-epochs=1", "--device=cpu", "--threads=1"} <= {*command.arguments}
        assert "--tune" not in command.arguments  # which takes its time once, not for each trial


def test_a_trial_that_cannot_start_gives_no_time():
    assert measured(Clock([1, 1], code=1)) is None
    assert measured(Clock([1000, 1000])) is None
