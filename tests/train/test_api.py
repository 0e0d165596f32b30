"""Training from Python: equal to the command line and to the textbook's loop, with any data, loss and module."""

import json
import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.utils.data import DataLoader, TensorDataset

import archspec
from archspec.cli import run as command_line
from archspec.data.order import epoch_order
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.report.table import summary_text
from tests.train.api_helpers import QUIET, SMALL, module, samples


def figures(path):
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if "loss" in key or "accuracy" in key} for row in rows]


def test_a_built_in_data_set_trains_as_on_the_command_line_to_the_last_bit(tmp_path):
    limits = ["--limit-train", "60", "--limit-test", "40", "--device", "cpu"]
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.replace("linear: 3", "linear: 10"))
    assert command_line(["train", str(path), "--run-dir", str(tmp_path / "a"), *limits]) == 0
    found = archspec.train(path, run_dir=tmp_path / "b", limit_train=60, limit_test=40, **QUIET)
    alone = archspec.train(path, limit_train=60, limit_test=40, **QUIET)
    assert figures(tmp_path / "a") == figures(tmp_path / "b")
    assert [row.evaluated_loss for row in alone.history] == [row["test_loss"] for row in figures(tmp_path / "a")]
    weights = load_file(tmp_path / "a" / "weights.safetensors")
    for other in (load_file(tmp_path / "b" / "weights.safetensors"), alone.model.state_dict()):
        assert all(torch.equal(other[name], weights[name]) for name in weights)
    assert (found.run_dir, alone.run_dir) == (tmp_path / "b", None)
    assert found.metrics.keys() == {"loss", "accuracy"}


def test_a_module_trains_as_in_the_textbooks_loop():
    train, test = samples(), samples(20, seed=1)
    model, other = module(), module()
    found = archspec.fit(model, train, test, lr=0.5, epochs=3, batch_size=8, momentum=0.9, **QUIET)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.5, momentum=0.9, fused=True)
    images, labels = train.tensors
    for epoch in range(3):
        for rows in epoch_order(len(train), 0, epoch).split(8):
            optimizer.zero_grad()
            F.cross_entropy(other(images[rows]), labels[rows]).backward()
            optimizer.step()
    assert found.model is model
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with torch.no_grad():
        logits = other(test.tensors[0])
    assert found.metrics["accuracy"] == (logits.argmax(1) == test.tensors[1]).double().mean().item()
    assert found.metrics["loss"] == pytest.approx(F.cross_entropy(logits, test.tensors[1]).item(), rel=1e-5)
    assert [row.epoch for row in found.history] == [1, 2, 3]
    text, page = str(found), found._repr_html_()
    assert summary_text(found.summary).split() == text.split()[-len(summary_text(found.summary).split()):]
    assert [line.split()[0] for line in text.split("\n")[4:7]] == ["1", "2", "3"]
    assert page.count("<tr>") == 4 and page.count("data:image/svg+xml;base64,") == 1


def test_a_loss_function_is_the_named_loss_to_the_bit():
    train, test = samples(), samples(20, seed=1)
    settings = {"lr": 0.1, "epochs": 2, "batch_size": 8, **QUIET}
    named = archspec.fit(module(), train, test, **settings)
    own = archspec.fit(module(), train, test, loss=F.cross_entropy, metric="accuracy", **settings)
    without = archspec.fit(module(), train, test, loss=F.cross_entropy, **settings)
    assert own.metrics == named.metrics
    assert without.metrics == {"loss": named.metrics["loss"]}
    assert without.summary.to_json()["best_by"] == "test_loss"


@pytest.mark.parametrize("make", [
    lambda data: DataLoader(data, batch_size=8), lambda data: list(DataLoader(data, batch_size=8)),
    lambda data: [{"input": x, "label": y} for x, y in DataLoader(data, batch_size=8)],
], ids=["loader", "tuples", "dicts"])
def test_batches_in_their_own_order(make):
    data = samples()
    text = SMALL.replace("dropout: 0.1, ", "")  # a DataLoader draws from the random numbers that dropout uses
    rows = archspec.train(text, make(data), make(data), **QUIET).history
    model = archspec.build(text, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    losses = []
    for images, labels in DataLoader(data, batch_size=8):
        losses.append(F.cross_entropy(model(images), labels))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert rows[0].train_loss == pytest.approx(torch.stack(losses).mean().item(), rel=1e-6)


def test_a_validation_set_decides_and_the_test_set_is_evaluated_once():
    found = archspec.fit(module(), samples(), samples(20, seed=1), validation=samples(12, seed=2), lr=0.1, epochs=2, **QUIET)
    assert {row.split for row in found.history} == {"validation"}
    assert found.metrics == found.summary.test.figures()
    share = archspec.fit(module(), samples(), samples(20, seed=1), validation=0.25, lr=0.1, epochs=1, **QUIET)
    assert share.recipe.validation == 0.25
    assert share.history[0].split == "validation"


def test_callbacks_see_every_event_in_order():
    class Counts(Callback):
        def __init__(self):
            self.seen = Counter()

        def on_start(self, run):
            self.seen["start"] += 1

        def on_step(self, run):
            self.seen["step"] += 1

        def on_epoch(self, run):
            self.seen["epoch"] += 1
            assert run.state.results[-1].epoch == self.seen["epoch"]

        def on_finish(self, run):
            self.seen["finish"] += 1

    counts = Counts()
    archspec.fit(module(), samples(), samples(), lr=0.1, epochs=2, batch_size=8, callbacks=[counts], **QUIET)
    assert counts.seen == {"start": 1, "step": 10, "epoch": 2, "finish": 1}


def test_a_run_folder_of_own_data(tmp_path):
    archspec.train(SMALL, samples(), samples(), run_dir=tmp_path / "spec", loss="cross_entropy", **QUIET)
    archspec.fit(module(1), TensorDataset(*[t.float() for t in samples().tensors]), samples(), loss="mse", lr=0.01, epochs=2,
                 run_dir=tmp_path / "module", **QUIET)
    assert "python:TensorDataset" in (tmp_path / "spec" / "spec.yaml").read_text()
    assert (tmp_path / "module" / "weights.safetensors").exists()
    rows = [json.loads(line) for line in (tmp_path / "module" / "metrics.jsonl").read_text().splitlines()]
    assert {"train_mae", "test_mae", "train_r2", "test_r2"} <= rows[-1].keys()
    from archspec.results.find import find_runs

    found = {record.path.name: record for record in find_runs([tmp_path])}
    assert found["module"].last.figure("mae") == pytest.approx(rows[-1]["test_mae"])
    assert found["module"].criterion == "mae"
    assert math.isnan(found["module"].last.evaluated_accuracy)
    with pytest.raises(SpecError, match="RUN312"):
        archspec.train(SMALL, samples(), samples(), run_dir=tmp_path / "spec", **QUIET)


def test_the_averaged_weights_are_returned():
    model = module()
    found = archspec.fit(model, samples(), samples(), lr=0.5, epochs=1, batch_size=8, ema=0.9, **QUIET)
    assert found.model is not model
    logits = found.model(samples().tensors[0])
    assert found.metrics["loss"] == pytest.approx(F.cross_entropy(logits, samples().tensors[1]).item(), rel=1e-5)


def test_progress_and_notes_go_to_stderr(capsys):
    archspec.fit(module(), samples(), samples(), lr=0.1, epochs=1, device="cpu", doctor=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 1/1  train loss" in err


def test_own_data_starts_from_trained_weights_and_says_so(tmp_path, capsys):
    first = archspec.train(SMALL, samples(), samples(), run_dir=tmp_path / "first", **QUIET)
    options = {"init": {"from": str(tmp_path / "first")}, "lr_scale": {"head": 2.0}, "epochs": 1, "lr": 1e-9}
    found = archspec.train(SMALL, samples(), samples(), run_dir=tmp_path / "b", device="cpu", doctor=False, **options)
    told = capsys.readouterr().err
    assert "note: init: 2 of 2 tensors" in told and "note: rates: head × 2" in told
    for a, b in zip(first.model.parameters(), found.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert json.loads((tmp_path / "b" / "environment.json").read_text())["initial_weights"]["matched"] == 2


def test_the_trained_model_is_in_evaluation_mode(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    trained = archspec.train(path, samples(), samples(20, seed=1), **QUIET)
    averaged = archspec.train(path, samples(), samples(20, seed=1), ema=0.9, **QUIET)
    given = module()
    archspec.fit(given, samples(), samples(20, seed=1), lr=0.1, epochs=1, **QUIET)
    assert (trained.model.training, averaged.model.training, given.training) == (False, False, False)
    assert archspec.build(path).training
