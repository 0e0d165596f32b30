"""What a person sees: on a terminal, elsewhere, and in the table at the end."""

import io
import json
import re
from dataclasses import replace

import pytest

from archspec.train.loop import fit
from archspec.train.metrics import Metrics
from archspec.train.report.progress import LiveDisplay, PlainDisplay, clock, display
from archspec.train.report.table import epoch_line, summary_text
from archspec.train.summary import EpochResult, Summary, best_epoch, neutral_names
from tests.train.helpers import CPU, batches, data, network, recipe


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(watcher):
    chosen = recipe(epochs=2)
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    return fit(network(), batches(data(), chosen), test, chosen, device=CPU, callbacks=[watcher])


ROWS = (
    EpochResult(1, 2.0, 0.25, 1.5, 0.5, 12345.6, 1.25),
    EpochResult(2, 1.0, 0.5, 0.75, 0.875, 2000.0, 1.5),
    EpochResult(3, 0.75, 0.75, 0.5, 0.875, 3000.0, 1.75),
)
SUMMARY = Summary(ROWS)


def test_the_display_suits_the_stream(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(display(Terminal()), LiveDisplay)
    assert isinstance(display(io.StringIO()), PlainDisplay)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(display(Terminal()), PlainDisplay)


def test_plain_lines_one_an_epoch():
    stream = io.StringIO()
    summary = run(PlainDisplay(stream))
    assert stream.getvalue() == "".join(epoch_line(row, 2) + "\n" for row in summary.epochs)


def test_the_epochs_line():
    assert epoch_line(ROWS[0], 10) == (
        "epoch  1/10  train loss 2.0000 acc 0.2500  test loss 1.5000 acc 0.5000  1.2 s"
    )


@pytest.mark.parametrize("loss", [0.0, 9.9999, 9.99997, 23.026, 99.99999, 8123.4, 999.99])
@pytest.mark.parametrize("seconds", [0.04, 99.94, 99.96, 9999.4])
def test_the_epochs_line_fits_a_terminal(loss, seconds):
    line = epoch_line(EpochResult(999, loss, 1.0, loss, 1.0, 1e6, seconds), 999)
    assert len(line) <= 80
    found = re.fullmatch(r"epoch 999/999  train loss (\S+) acc 1.0000  test loss (\S+) acc 1.0000  (\S+) s", line)
    assert found is not None
    assert [float(x) for x in found.groups()] == pytest.approx([loss, loss, seconds], rel=1e-3, abs=0.05)


def test_a_huge_loss_does_not_break_the_figures():
    rows = [EpochResult(1, 1.0, 0.1, 4.54000523e25, 0.2, 1.0, 1.0), EpochResult(2, 1.0, 0.1, 1e300, 0.1, 1.0, 1.0)]
    text = summary_text(Summary(tuple(rows)))
    assert "4.54e+25" in text
    assert "last epoch (2): test loss 1e+300, " in text
    assert max(map(len, text.splitlines())) <= 80


def test_losses_that_are_no_numbers_or_huge():
    line = epoch_line(EpochResult(1, float("nan"), 0.1, 1.5e15, 0.1, 1.0, 1.0), 1)
    assert line == "epoch 1/1  train loss nan acc 0.1000  test loss 1.5e+15 acc 0.1000  1.0 s"


def test_the_validation_set_is_named():
    row = replace(ROWS[0], split="validation")
    assert epoch_line(row, 1) == "epoch 1/1  train loss 2.0000 acc 0.2500  val loss 1.5000 acc 0.5000  1.2 s"
    text = summary_text(Summary((row,), criterion="loss", test=Metrics(1.25, 0.5, 8)))
    assert text.splitlines() == [
        "last epoch (1): validation loss 1.5000, validation accuracy 0.5000",
        "best epoch by validation loss (1): validation loss 1.5000, validation accuracy 0.5000",
        "test set, after the last epoch: loss 1.2500, accuracy 0.5000",
        "1 epoch in 1.2 s, 12,346 images/s",
    ]


@pytest.mark.parametrize(("figures", "criterion", "best"), [
    ([(1.0, 0.5), (0.5, 0.9), (0.4, 0.9), (0.4, 0.9)], "accuracy", 3),  # equals: the lower loss, then the first
    ([(0.4, 0.9), (0.5, 0.9)], "accuracy", 1),
    ([(0.4, 0.8), (0.5, 0.9)], "loss", 1),
    ([(0.4, 0.8), (0.4, 0.9), (0.4, 0.9)], "loss", 2),
])
def test_the_best_epoch(figures, criterion, best):
    rows = [replace(ROWS[0], epoch=k, evaluated_loss=a, evaluated_accuracy=b) for k, (a, b) in enumerate(figures, 1)]
    assert best_epoch(rows, criterion).epoch == best
    summary = Summary(tuple(rows), criterion=criterion)
    assert (summary.best.epoch, summary.to_json()["best_by"]) == (best, f"test_{criterion}")


def test_a_stored_row_comes_back():
    for split in ("test", "validation"):
        row = replace(ROWS[0], split=split, step=5, learning_rate=0.1, gradient_norm=2.5)
        data = row.to_json()
        assert (data[f"{split}_loss"], data[f"{split}_accuracy"]) == (1.5, 0.5)
        assert EpochResult(**neutral_names(data)) == row
    old = {  # of archspec 0.1
        "epoch": 1, "train_loss": 2.0, "train_accuracy": 0.25, "test_loss": 1.5, "test_accuracy": 0.5,
        "images_per_s": 12345.6, "seconds": 1.25,
    }
    assert EpochResult(**neutral_names(old)) == ROWS[0]


def test_the_live_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    summary = run(display(stream))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert re.search(r"epoch 2/2 .*5/5.* loss \d\.\d{4}  acc \d\.\d{4}  [\d,]+ images/s  \d+:\d\d left", text)
    for row in summary.epochs:
        assert epoch_line(row, 2) in text
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def test_the_live_line_without_colour(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    run(display(stream))
    colours = [code for code in re.findall(r"\x1b\[([0-9;]*)m", stream.getvalue()) if re.search(r"[34]\d|38", code)]
    assert colours == []
    assert "epoch 2/2" in stream.getvalue()


def test_the_live_line_ends_with_the_run(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    live = LiveDisplay(Terminal())

    class Fail(PlainDisplay):
        def on_step(self, run):
            raise RuntimeError("stop")

    chosen = recipe()
    with pytest.raises(RuntimeError, match="stop"):
        fit(network(), batches(data(), chosen), batches(data(), chosen), chosen, device=CPU,
            callbacks=[live, Fail(io.StringIO())])
    assert live._progress.finished or not live._progress.live.is_started


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_the_summary_names_what_each_figure_is():
    assert summary_text(SUMMARY) == """\
last epoch (3): test loss 0.5000, test accuracy 0.8750
best epoch by test accuracy (3): test loss 0.5000, test accuracy 0.8750
3 epochs in 4.5 s, 3,281 images/s"""


def test_the_summary_as_json():
    plain = json.loads(json.dumps(SUMMARY.to_json()))
    assert plain["format"] == 2
    assert [row["epoch"] for row in plain["epochs"]] == [1, 2, 3]
    assert plain["last"] == plain["epochs"][2]
    assert plain["best"] == plain["epochs"][2]
    assert plain["test"] == {"loss": 0.5, "accuracy": 0.875}
    assert plain["mean_over_all_epochs"] == {"train_loss": 1.25, "train_accuracy": 0.5}
    assert plain["seconds"] == 4.5
