"""Real runs on real images: the source notes' own failures, each with its verdict, and runs that are sound.

Figures are of Fashion-MNIST and the seeds named here; where no package provides it, these are left out. The runs are
the source's recipes on fewer images; `pytest -m slow` does them on all 60,000.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import load
from archspec.cli import run as archspec
from archspec.train.doctor.stuck import CUT_OFF
from tests.train.doctor.helpers import diagnose, needs_fashion

NIN = """
archspec: 1
name: nin_small
input: [1, 28, 28]
stages:
  block1: [nin_block: [8, 5, 2], max_pool2d: 2]
  block2: [nin_block: [16, 3, 1, 1], max_pool2d: 2]
  block3: [nin_block: [10, 3, 1, 1], global_avg_pool2d, flatten]
train: {data: fashion-mnist, batch_size: 64, lr: 0.1, init: kaiming_normal}
"""
RESNET = """
archspec: 1
name: resnet_tiny
input: [1, 28, 28]
stages:
  stem: [conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}, batch_norm2d, relu]
  layer1: [residual: [8]]
  layer2: [residual: [16, 2]]
  head: [global_avg_pool2d, flatten, linear: 10]
train: {data: fashion-mnist, batch_size: 32, lr: 0.05}
"""
DIGITS = """
archspec: 1
name: digits_net
input: [1, 8, 8]
stages:
  conv: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, ACT, max_pool2d: 2]
  head: [flatten, linear: 32, ACT, dropout: 0.2, linear: 10]
train: {data: digits, batch_size: 32, lr: 0.1, init: xavier_uniform}
"""


def digits(activation="relu"):
    return load(DIGITS.replace("ACT", activation))


def verdict(*arguments, **fields):
    """The single finding, at which the run is broken off; it was told in one line."""
    _, findings, messages, _ = diagnose(*arguments, until_told=True, **fields)
    (finding,) = findings
    assert messages == [finding.line()]
    return finding


# -- the source's failures ------------------------------------------------------------------------------------


def too_low(**fields):
    """A weight would change by some 5 % in the source's 2,350 steps: it gets nowhere."""
    finding = verdict("lenet", 200, name="lenet-03", **fields)
    assert finding.code == "RUN345"
    assert finding.title == "nothing learned so far: the weights barely move: the rate 0.01 is too low"
    assert 140 <= finding.step <= 150
    assert finding.evidence[1].values["update_to_weight"] < 1e-4
    assert finding.advice == "raise the rate: try lr 0.1"  # tenfold, and no more: the source's other rate is 0.9


def adam_at_sgds_rate(**fields):
    finding = verdict("lenet", 100, name="lenet-02", **fields)
    assert finding.code == "RUN342"
    assert finding.title.removeprefix("nothing learned so far: ") == "saturated sigmoids: the rate 0.9 is too high"
    assert CUT_OFF <= finding.step <= 50
    assert finding.evidence[1].values["share"] == 1.0
    assert "adam's usual one is lr 0.001" in finding.advice
    assert finding.change == {"train.lr": 0.001}


def too_high(finding):
    """LeNet at 3: at this rate a plateau that may pass, see `test_lenet_05_in_full_size`."""
    assert (finding.code, finding.step) == ("RUN342", 100)
    assert finding.title == "nothing learned so far: saturated sigmoids: the rate 3 is too high"
    _, share, jump = finding.evidence
    assert share.values["layer"] == "head.sigmoid_2"
    assert share.values["share"] > 0.5 > share.values["first_share"] == 0
    assert jump.values["step"] == 2
    assert jump.values["loss_after"] > 1.4 * jump.values["loss_before"]
    assert finding.advice.startswith("start again with a lower rate: try lr 0.6")


def dead(finding):
    assert finding.code == "RUN341"
    assert finding.title.endswith("dead ReLUs: the rate 0.6 is too high")
    assert finding.title.startswith("nothing learned so far: ") is not finding.final
    assert finding.evidence[1].values["share"] > 0.6 > finding.evidence[1].values["first_share"] + 0.2
    assert "lower rate: try lr 0.1" in finding.advice


def started_badly(spec, **fields):
    finding = verdict(spec, 60, **fields)
    assert (finding.code, finding.step) == ("RUN343", 50)
    title = finding.title.removeprefix("nothing learned so far: ")
    assert title == "the gradient vanishes on its way to the first layers"
    values = finding.evidence[1].values
    if values["greatest_gradient"]:  # else it is 0 in every weight
        assert values["least_in"].startswith(("block1.", "b1."))
        assert values["least_gradient"] <= 1e-6 * values["greatest_gradient"]
    assert finding.change == {"train.init": "kaiming_normal"}


@needs_fashion
def test_lenet_03_at_a_rate_too_low():
    too_low(epochs=2350 // 8)


@needs_fashion
def test_lenet_02_with_adam_at_sgds_rate():
    adam_at_sgds_rate()


@needs_fashion
def test_lenet_05_at_a_rate_too_high():
    too_high(verdict("lenet", 100, name="lenet-05", seed=0))


@needs_fashion
def test_lenet_relu_at_the_sources_rate_where_it_dies():
    """At which of the seeds it does depends on the last bits of the arithmetic."""
    runs = (diagnose("lenet_relu", 160, name="lenet_relu-01", seed=seed, until_told=True)[1] for seed in (5, 2, 1, 4, 7))
    dead(next(findings for findings in runs if findings)[0])


@needs_fashion
def test_lenet_relu_at_the_sources_rate_where_it_learns():
    assert silent("lenet_relu", 160, name="lenet_relu-01", seed=0).last(20).accuracy > 0.6


BAD_START = pytest.mark.parametrize("init", ["normal", {"weights": "normal", "biases": "zeros"}], ids=str)


@needs_fashion
@BAD_START
def test_nin_started_badly(init):
    started_badly(load(NIN), init=init)


@needs_fashion
def test_a_network_that_collapses_when_the_rate_rises():
    """As nin-02 to nin-04 did in the source, here made to: after 200 steps the rate is 20 times as high."""
    finding = verdict("lenet_relu", 300, optimizer="sgd", lr=0.1, change=(200, 20.0), images=3000)
    assert (finding.code, finding.step) == ("RUN347", 250)
    best, jump, now = finding.evidence[:3]
    assert best.values["loss"] < 1.2
    assert 200 < jump.values["step"] < 215
    assert now.values["accuracy"] < 0.2
    assert "schedule: cosine" in finding.advice


@needs_fashion
def test_raw_pixels():
    finding = verdict("lenet_relu", 40, normalize={"mean": 0.0, "std": 1 / 255})
    assert (finding.code, finding.step) == ("RUN349", 1)
    assert 60 < finding.evidence[0].values["mean"] < 85


def train(capsys, folder, *options):
    code = archspec(["train", *options, "--run-dir", str(folder), "--limit-train", "2000", "--limit-test", "200",
                     "--threads", "1", "--stop-when-dead", "--no-trials"])
    epochs = len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return code, capsys.readouterr(), epochs


def test_stop_when_dead_ends_a_run_of_which_nothing_can_come(tmp_path: Path, capsys):
    """A single update kills every ReLU, for every image: that is proven, and not a matter of patience."""
    spec = tmp_path / "digits.yaml"
    spec.write_text(DIGITS.replace("ACT", "relu").replace("dropout: 0.2, ", ""), encoding="utf-8")
    code, printed, epochs = train(capsys, tmp_path / "run", str(spec), "--lr", "100", "--epochs", "20")
    assert code == 1, printed.err
    assert "error[RUN341]: dead ReLUs: the rate 100 is too high (step " in printed.err
    assert epochs < 10


@needs_fashion
def test_stop_when_dead_lets_lenet_05_go_on(tmp_path: Path, capsys):
    code, printed, epochs = train(capsys, tmp_path / "run", "lenet", "--recipe", "lenet-05", "--epochs", "14")
    assert code == 0, printed.err
    assert "doctor[RUN342]: step 100: nothing learned so far: saturated sigmoids" in printed.err
    assert epochs == 14


# -- failures of a small network ------------------------------------------------------------------------------


def test_a_run_that_diverges():
    finding = verdict(digits(), 60, images=800, lr=1e6)
    assert finding.code == "RUN346"
    assert finding.step < 10


def test_dead_relus_on_digits():
    assert verdict(digits(), 150, images=800, lr=20.0, seed=1).code == "RUN341"


def test_saturated_tanh_on_digits():
    assert verdict(digits("tanh"), 150, images=800, optimizer="adam", lr=3.0).code == "RUN342"


def test_few_images_memorised():
    finding = verdict(digits(), 2500, images=60, test=100, batch_size=20, lr=0.2)
    assert finding.code == "RUN348"
    best, now = (fact.values for fact in finding.evidence)
    assert now["test_loss"] > 1.15 * best["test_loss"]
    assert now["train_loss"] < best["train_loss"]


# -- sound runs: silence --------------------------------------------------------------------------------------


def silent(*arguments, **fields):
    codes, _, messages, doctor = diagnose(*arguments, **fields)
    assert (codes, messages) == ([], [])
    return doctor._history


@needs_fashion
def test_lenet_on_its_plateau_is_sound():
    """The source's recipe: hundreds of steps at ln 10 before it learns, and no word of warning."""
    assert silent("lenet", 160, name="lenet-09").last(20).loss > 2.2


@needs_fashion
@pytest.mark.parametrize(("seed", "fields"), [
    (0, {}), (4, {"optimizer": "adam", "lr": 1e-4}),
], ids=str)
def test_lenet_relu_is_sound(seed, fields):
    silent("lenet_relu", 160, seed=seed, batch_size=64, **fields)


@needs_fashion
@pytest.mark.parametrize(("seed", "fields"), [
    (0, {}), (1, {"lr": 0.5}), (2, {"optimizer": "adam", "lr": 0.001}),
    (3, {"lr": 0.05, "momentum": 0.9, "label_smoothing": 0.1}),
], ids=str)
def test_a_resnet_is_sound(seed, fields):
    silent(load(RESNET), 80, images=1000, seed=seed, **fields)


@needs_fashion
def test_cnn28_is_sound():
    assert silent("cnn28", 25, batch_size=64).last(10).loss < 2.0


@needs_fashion
def test_nin_started_well_is_sound():
    silent(load(NIN), 150)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "gelu"])
@pytest.mark.parametrize("fields", [
    {"lr": 0.1}, {"optimizer": "adam", "lr": 0.003}, {"lr": 0.1, "batch_size": 4}, {"lr": 0.2, "schedule": "one_cycle"},
    {"lr": 0.1, "mixup": 0.2}, {"lr": 0.1, "warmup": 5},
], ids=str)
def test_digits_are_sound(activation, fields):
    silent(digits(activation), 160, images=1000, **fields)


# -- the source's runs on all images --------------------------------------------------------------------------

ALL = {"images": None, "test": None}


@pytest.mark.slow
@needs_fashion
def test_the_failures_in_full_size():
    too_low(epochs=10, **ALL)
    adam_at_sgds_rate(**ALL)


@pytest.mark.slow
@needs_fashion
@pytest.mark.parametrize("seed", [0, 1])
def test_lenet_05_in_full_size(seed):
    """The verdict comes at step 100, and is taken back when the network begins to learn, in the source's run too."""
    _, (finding,), messages, doctor = diagnose("lenet", 1000, name="lenet-05", seed=seed, **ALL)
    too_high(finding)
    assert 300 < finding.until <= 900
    assert len(messages) == 2
    assert doctor._history.last(20).accuracy > 0.4


@pytest.mark.slow
@needs_fashion
@pytest.mark.parametrize("seed", [1, 4, 7])
def test_lenet_relu_where_it_dies_in_full_size(seed):
    """In the end either no gradient arrives, or three epochs have passed."""
    _, (finding,), messages, doctor = diagnose("lenet_relu", 1500, name="lenet_relu-01", seed=seed, **ALL)
    dead(finding)
    assert finding.until is None
    assert len(messages) in (1, 2)
    assert doctor._history.last(100).accuracy < 0.12


@pytest.mark.slow
@needs_fashion
@pytest.mark.parametrize("seed", [2, 5, 9])
def test_lenet_relu_where_it_dies_and_comes_back_in_full_size(seed):
    _, (finding,), messages, doctor = diagnose("lenet_relu", 600, name="lenet_relu-01", seed=seed, **ALL)
    dead(finding)
    assert not finding.final
    assert 200 < finding.until < 500
    assert len(messages) == 2
    assert doctor._history.last(20).accuracy > 0.5


@pytest.mark.slow
@needs_fashion
@pytest.mark.parametrize("seed", [0, 3, 6, 8])
def test_lenet_relu_where_it_learns_in_full_size(seed):
    assert silent("lenet_relu", 600, name="lenet_relu-01", seed=seed, **ALL).last(20).accuracy > 0.7


@pytest.mark.slow
@needs_fashion
@pytest.mark.parametrize("name", [None, "lenet-04"])
def test_lenet_learns_in_full_size(name):
    assert silent("lenet", 1200, name=name, **ALL).last(20).accuracy > 0.5


@pytest.mark.slow
@needs_fashion
@BAD_START
def test_nin_started_badly_in_full_size(init):
    """At 224×224, on batches of 16 for the time that it takes."""
    started_badly("nin", init=init, batch_size=16, images=2000)
