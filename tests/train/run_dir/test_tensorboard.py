"""What TensorBoard will read, read by its own library."""

import copy

import pytest

from archspec.train.callbacks import Callback
from archspec.train.checkpoint.state import capture
from archspec.train.loop import fit
from archspec.train.run_dir.tensorboard import Scalars, check_tensorboard
from tests.cli.conftest import cli  # noqa: F401 - a fixture
from tests.train.helpers import CPU, batches, data, network, recipe

pytest.importorskip("tensorboard")


def read(folder):
    """Tag → [(step, value)], as TensorBoard shows it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def run(chosen, callbacks, resume=None):
    return fit(
        network(), batches(data(), chosen), batches(data(20, split="test", seed=1), chosen, shuffle=False), chosen,
        device=CPU, callbacks=callbacks, resume=resume,
    )


def test_every_epoch_is_there(tmp_path):
    summary = run(recipe(epochs=3, schedule={"step": 1}), [Scalars(tmp_path)])
    found = read(tmp_path)
    assert set(found) == {
        "loss/train", "loss/test", "accuracy/train", "accuracy/test", "learning_rate", "gradient_norm", "images_per_s",
        "peak_memory_bytes",
    }
    fields = {"loss/test": "evaluated_loss", "accuracy/train": "train_accuracy", "loss/train": "train_loss"}
    for tag, field in fields.items():
        assert found[tag] == [(row.epoch, pytest.approx(getattr(row, field))) for row in summary.epochs]
    assert [value for _, value in found["learning_rate"]] == pytest.approx([0.1, 0.01, 0.001])


def test_the_validation_set_after_each_epoch_and_the_test_set_at_the_end(tmp_path):
    chosen = recipe(epochs=2)
    held, test = (batches(data(20, split="test", seed=seed), chosen, shuffle=False) for seed in (2, 1))
    summary = fit(
        network(), batches(data(), chosen), test, chosen, validation=held, device=CPU, callbacks=[Scalars(tmp_path)]
    )
    found = read(tmp_path)
    assert found["loss/validation"] == [(row.epoch, pytest.approx(row.evaluated_loss)) for row in summary.epochs]
    assert found["gradient_norm"] == [(row.epoch, pytest.approx(row.gradient_norm)) for row in summary.epochs]
    assert found["accuracy/test"] == [(2, pytest.approx(summary.test.accuracy))]


class Fail(Callback):
    """Keeps the state in the second epoch, and ends the run after the third."""

    def on_step(self, run):
        if run.state.step == 7:
            self.state = copy.deepcopy(capture(run))

    def on_epoch(self, run):
        if run.state.epoch == 3:
            raise RuntimeError("power cut")


def test_a_resumed_run_shows_each_epoch_once(tmp_path):
    fail = Fail()
    with pytest.raises(RuntimeError, match="power cut"):
        run(recipe(epochs=4), [Scalars(tmp_path), fail])
    summary = run(recipe(epochs=4), [Scalars(tmp_path)], fail.state)
    assert read(tmp_path)["loss/test"] == [(row.epoch, pytest.approx(row.evaluated_loss)) for row in summary.epochs]
    assert [step for step, _ in read(tmp_path / "steps")["steps/loss"]] == list(range(1, 21))  # 5 an epoch


def test_points_within_epochs_are_means_over_steps(tmp_path):
    summary = run(recipe(epochs=2), [Scalars(tmp_path)])
    points = read(tmp_path / "steps")
    assert set(points) == {"steps/loss", "steps/accuracy", "steps/learning_rate"}
    images = [10, 10, 10, 10, 8]  # of each step
    for k, row in enumerate(summary.epochs):
        losses = [value for _, value in points["steps/loss"][5 * k : 5 * k + 5]]
        assert sum(loss * n for loss, n in zip(losses, images, strict=True)) / 48 == pytest.approx(row.train_loss, rel=1e-4)


def test_the_option(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(
        "archspec: 1\ninput: [1, 8, 8]\nstages: {head: [flatten, linear: 10]}\n"
        "train: {data: digits, lr: 0.1, epochs: 2}\n", encoding="utf-8",
    )
    few = ("--limit-train", 100, "--limit-test", 50)
    assert cli("train", "s.yaml", *few, "--run-dir", "r", "--tensorboard").code == 0
    assert [step for step, _ in read("r/tensorboard")["accuracy/test"]] == [1, 2]
    assert cli("train", "s.yaml", *few, "--run-dir", "plain").code == 0
    assert not (tmp_path / "plain" / "tensorboard").exists()


def test_without_the_package_it_is_refused_before_anything_is_done(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    check_tensorboard()
    monkeypatch.setattr("archspec.train.run_dir.tensorboard.find_spec", lambda name: None)
    done = cli("train", "lenet", "--data", "digits", "--run-dir", "r", "--tensorboard")
    assert (done.code, done.out) == (1, "")
    assert "error[RUN362]: --tensorboard needs the package tensorboard" in done.err
    assert "pip install 'archspec-nn[tensorboard]'" in done.err
    assert not (tmp_path / "r").exists()
