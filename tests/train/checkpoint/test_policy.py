"""Which checkpoints are written and kept."""

import shutil
from dataclasses import replace

import pytest

from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import (
    checkpoints,
    newest,
    read_checkpoint,
)
from archspec.train.loop import fit
from tests.train.faults import system
from tests.train.helpers import CPU, batches, data, network, recipe


class Accuracies(Callback):
    """Gives the epochs these test accuracies."""

    phase = Phase.UPDATE

    def __init__(self, values):
        self.values = values

    def on_epoch(self, run):
        run.state.results[-1] = replace(run.state.results[-1], evaluated_loss=1.0, evaluated_accuracy=self.values[run.state.epoch - 1])


def kept(folder, accuracies, *, keep=2, every=None, resume=None, callbacks=()):
    chosen = recipe(epochs=len(accuracies))
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    saves = Checkpointer(folder, keep=keep, every=every or Every())
    if resume is not None:
        saves.goes_on_from(resume)
    fit(
        network(), batches(data(), chosen), test, chosen, device=CPU,
        callbacks=[Accuracies(accuracies), saves, *callbacks], resume=resume and resume.saved,
    )
    return [int(path.name.partition("-step-")[2]) for path in checkpoints(folder)], saves


@pytest.mark.parametrize(("accuracies", "expected"), [
    ([0.1, 0.2, 0.3, 0.4], [15, 20]),
    ([0.1, 0.5, 0.3, 0.4], [10, 15, 20]),
    ([0.5, 0.5, 0.5, 0.5], [5, 15, 20]),
])
def test_the_last_ones_and_the_best_are_kept(tmp_path, accuracies, expected):
    steps, saves = kept(tmp_path, accuracies)
    assert steps == expected
    best = accuracies.index(max(accuracies)) + 1
    assert read_checkpoint(saves.last).state.best == f"{best:05d}-step-{5 * best}"


def test_the_best_stays_across_a_resume(tmp_path):
    kept(tmp_path, [0.5, 0.1, 0.1])
    steps, _ = kept(tmp_path, [0.5, 0.1, 0.1, 0.2, 0.2, 0.2], resume=newest(tmp_path))
    assert steps == [5, 25, 30]


def test_damaged_ones_do_not_count(tmp_path):
    kept(tmp_path, [0.5, 0.1, 0.1], keep=3)
    last = checkpoints(tmp_path)[-1]
    (last / "state.json").write_text("")
    found = newest(tmp_path)
    assert found.saved.state.step == 10
    steps, _ = kept(tmp_path, [0.5, 0.1, 0.1], resume=found)
    assert steps == [5, 10, 15]
    assert not last.exists()


@pytest.mark.parametrize(("every", "expected"), [
    (Every(4, None, None), [4, 5, 8, 10, 12, 15]),  # each epoch is the best so far
    (Every(None, 2, None), [5, 10, 15]),
    (Every(None, None, 1e9), [5, 10, 15]),
    (Every(None, None, None), []),
    (Every(1, None, None), [*range(1, 16)]),
])
def test_when_it_saves(tmp_path, every, expected):
    steps, _ = kept(tmp_path, [0.1, 0.2, 0.3], keep=100, every=every)
    assert sorted(set(steps)) == expected


def test_seconds(tmp_path, monkeypatch):
    """A step takes a second: every third is saved, the clock starting anew at each."""
    clock = [0.0]
    monkeypatch.setattr("archspec.train.checkpoint.policy.time.monotonic", lambda: clock[0])

    class Slow(Callback):
        def on_step(self, run):
            clock[0] += 1

    steps, _ = kept(tmp_path, [0.3, 0.2, 0.1], keep=100, every=Every(None, None, 3), callbacks=[Slow()])
    assert steps == [4, 5, 9, 12, 15, 15]  # after step 4 three seconds are over; epoch 1 is the best so far


def test_a_full_disk_ends_nothing(tmp_path, monkeypatch):
    """The failure is told, the run goes on, the next save is tried, and the checkpoint before stays."""
    notices = []

    class Notices(Callback):
        def on_notice(self, text):
            notices.append(text)

    class Full(Callback):
        phase = Phase.UPDATE

        def on_epoch(self, run):
            if run.state.epoch == 2:
                self.system.at = self.system.count + 12

    full = Full()
    with system(how="full") as full.system:
        steps, _ = kept(tmp_path, [0.1, 0.2, 0.3], callbacks=[Notices()], every=Every())
        assert (steps, notices) == ([10, 15], [])
        shutil.rmtree(tmp_path / "00003-step-15")
    with system(how="full") as full.system:
        chosen = recipe(epochs=3)
        test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
        fit(network(), batches(data(), chosen), test, chosen, device=CPU,
            callbacks=[full, Checkpointer(tmp_path / "c", keep=5), Notices()])
    assert [path.name for path in checkpoints(tmp_path / "c")] == ["00001-step-5", "00002-step-15"]
    (text,) = notices
    assert text.startswith("warning[RUN313]: a checkpoint could not be written: the disk is full (")
    assert text.endswith(f"; the last checkpoint is {tmp_path / 'c' / '00001-step-5'}")
    assert " KiB needed, " in text


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        Checkpointer(tmp_path, keep=0)
