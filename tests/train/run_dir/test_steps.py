"""Figures within an epoch: the meter's own, thinned, and the same after a resume."""

import copy
import math

import pytest

from archspec.standard_json import json_text
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.loop import fit
from archspec.train.run_dir.step_points import NAME, StepPoint, read_steps
from archspec.train.run_dir.steps import MOST_AN_EPOCH, StepLog
from tests.train.helpers import CPU, batches, data, network, recipe


def run(chosen, callbacks, resume=None, images=48):
    return fit(
        network(), batches(data(images), chosen), batches(data(20, split="test", seed=1), chosen, shuffle=False), chosen,
        device=CPU, callbacks=callbacks, resume=resume,
    )


def test_each_step_of_a_short_run_is_there(tmp_path):
    chosen = recipe(epochs=3, schedule="cosine")
    summary = run(chosen, [StepLog(tmp_path)])
    points = read_steps(tmp_path / NAME)
    assert [point.step for point in points] == list(range(1, 16))
    assert [point.epoch for point in points[:5]] == [0.2, 0.4, 0.6, 0.8, 1.0]
    sizes = [10, 10, 10, 10, 8]
    for k, row in enumerate(summary.epochs):  # weighted by their images they come to the epoch's means
        part = points[5 * k : 5 * k + 5]
        loss = sum(point.loss * size for point, size in zip(part, sizes, strict=True)) / 48
        assert loss == pytest.approx(row.train_loss, rel=1e-4)
        assert sum(p.accuracy * s for p, s in zip(part, sizes, strict=True)) / 48 == pytest.approx(row.train_accuracy, rel=1e-4)
    rates = [point.learning_rate for point in points]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.1)


def test_many_steps_are_thinned_and_none_is_left_out(tmp_path):
    summary = run(recipe(epochs=1, batch_size=2), [StepLog(tmp_path)], images=480)
    points = read_steps(tmp_path / NAME)
    assert len(points) == MOST_AN_EPOCH
    assert points[-1].step == 240
    widths = [b.step - a for a, b in zip([0, *(point.step for point in points)], points, strict=False)]
    assert {*widths} == {2, 3}
    loss = sum(point.loss * width for point, width in zip(points, widths, strict=True)) / 240
    assert loss == pytest.approx(summary.last.train_loss, rel=1e-4)


def test_a_long_run_has_few_points_an_epoch(tmp_path):
    chosen = recipe(epochs=5000)

    class Enough(Callback):
        def on_epoch(self, run):
            if run.state.epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(chosen, [StepLog(tmp_path), Enough()])
    assert [point.step for point in read_steps(tmp_path / NAME)] == [2, 5, 7, 10, 12, 15]


def test_a_resumed_run_has_the_points_of_one_that_never_stopped(tmp_path):
    chosen = recipe(epochs=3)
    saved = []

    class Save(Callback):
        def on_step(self, run):
            if run.state.step == 8:  # in the middle of the second epoch
                saved.append(copy.deepcopy(capture(run)))

    for name in ("whole", "part"):
        (tmp_path / name).mkdir()
    run(chosen, [StepLog(tmp_path / "whole"), Save()])
    run(chosen, [StepLog(tmp_path / "part")])  # what was written after the checkpoint is forgotten
    run(chosen, [StepLog(tmp_path / "part")], resume=saved[0])
    assert read_steps(tmp_path / "part" / NAME) == read_steps(tmp_path / "whole" / NAME)


@pytest.mark.parametrize("text", ["", "x", "{}", '{"step": 1}\n', "[]"])
def test_a_file_that_is_none(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    assert read_steps(tmp_path / NAME) == []


def test_points_that_are_not_finite_are_read_again(tmp_path):
    text = json_text(StepPoint(1, 0.5, math.inf, 0.25, 0.1).to_json())
    (tmp_path / NAME).write_text(text + "\n" + text.replace("null", "2.5"))
    first, second = read_steps(tmp_path / NAME)
    assert math.isnan(first.loss)
    assert (first.accuracy, second.loss) == (0.25, 2.5)
