"""Training from Python: equal to the command line and to the textbook's loop, with any data, loss and module."""

import json
import math
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import archspec
from archspec.cli import run as command_line
from archspec.data.order import epoch_order
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback

QUIET = {"progress": False, "doctor": False, "device": "cpu"}
SMALL = """
archspec: 1
input: [1, 4, 4]
stages: {head: [flatten, dropout: 0.1, linear: 3]}
train: {data: digits, lr: 0.1, batch_size: 8, epochs: 2}
"""


def samples(n=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    images = torch.rand(n, 1, 4, 4, generator=generator)
    images[torch.arange(n), 0, labels] += 1
    return TensorDataset(images, labels)


def module(outputs=3, seed=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, outputs))


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


def test_regression_and_several_labels_of_a_graph():
    images, labels = samples().tensors
    numbers = TensorDataset(images, images.flatten(1)[:, :3])
    found = archspec.train(SMALL, numbers, numbers, loss="mse", epochs=8, **QUIET)
    assert found.metrics.keys() == {"loss", "mae", "r2"}
    assert found.history[-1].figure("r2") > found.history[0].figure("r2")
    bits = TensorDataset(images, F.one_hot(labels, 3))
    found = archspec.train(SMALL, bits, bits, loss={"bce": {"class_weights": "balanced"}}, early_stopping=2, **QUIET)
    assert found.metrics.keys() == {"loss", "f1", "exact_match"}
    assert found.summary.criterion == "f1"


def test_a_validation_set_decides_and_the_test_set_is_evaluated_once():
    found = archspec.fit(module(), samples(), samples(20, seed=1), validation=samples(12, seed=2), lr=0.1, epochs=2, **QUIET)
    assert {row.split for row in found.history} == {"validation"}
    assert found.metrics == found.summary.test.figures()
    share = archspec.fit(module(), samples(), samples(20, seed=1), validation=0.25, lr=0.1, epochs=1, **QUIET)
    assert share.recipe.validation == 0.25
    assert share.history[0].split == "validation"


class Pairs(Dataset):
    """Pairs of images as a mapping; 1 where both are of one class."""

    def __init__(self, n, seed):
        self.images, self.labels = samples(n, seed).tensors

    def __len__(self):
        return len(self.labels) - 1

    def __getitem__(self, k):
        same = float(self.labels[k] == self.labels[k + 1])
        return {"left": self.images[k], "right": self.images[k + 1], "same": torch.tensor([same])}


def test_a_siamese_network_with_a_data_set_of_mappings():
    text = """
    archspec: 1
    input: {left: [1, 4, 4], right: [1, 4, 4]}
    stages:
      tower: [{flatten: , from: left}, linear: 8, sigmoid]
      twin: {share: tower, from: right}
      distance: [sub: {a: {from: tower}, b: {from: twin}}, relu]
      head: {linear: 1}
    """
    found = archspec.train(text, Pairs(60, 0), Pairs(30, 1), loss="bce", lr=0.01, optimizer="adam", epochs=6, **QUIET)
    assert found.history[-1].train_loss < found.history[0].train_loss
    assert found.metrics.keys() == {"loss", "f1", "exact_match"}


def test_a_network_with_heads_for_training_and_two_outputs():
    text = """
    archspec: 1
    input: [1, 4, 4]
    stages:
      trunk: [flatten, linear: 8, relu]
      head: {linear: 3, from: trunk}
      depth: {linear: 1, from: trunk}
      aux: {linear: 3, from: trunk}
    outputs: {head: always, depth: always, aux: training}
    """
    images, labels = samples().tensors
    data = [{"input": images, "head": labels, "aux": labels, "depth": images.flatten(1)[:, 0]}]
    loss = {"head": "cross_entropy", "depth": "mse", "aux": {"cross_entropy": {"weight": 0.3}}}
    found = archspec.train(text, data, data, loss=loss, lr=0.1, epochs=2, **QUIET)
    model = archspec.build(text, seed=0)
    outputs = model(images)
    expected = (
        F.cross_entropy(outputs["head"], labels) + F.mse_loss(outputs["depth"][:, 0], images.flatten(1)[:, 0])
        + 0.3 * F.cross_entropy(outputs["aux"], labels)
    )
    assert found.history[0].train_loss == pytest.approx(expected.item(), rel=1e-5)
    assert found.metrics.keys() == {"loss", "accuracy"}
    with pytest.raises(SpecError, match="RUN326"):
        archspec.train(text, data, data, lr=0.1, **QUIET)


def test_an_own_function_for_one_output_of_two():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.depth = module(), module(1)

        def forward(self, x):
            return {"head": self.head(x), "depth": self.depth(x)}

    images, labels = samples().tensors
    data = [(images, {"head": labels, "depth": images.flatten(1)[:, :1]})]
    losses = {"head": "cross_entropy", "depth": lambda x, y: (x - y).abs().mean()}
    own = archspec.fit(Two(), data, data, loss=losses, lr=0.1, epochs=2, **QUIET)
    named = archspec.fit(Two(), data, data, loss={"head": "cross_entropy", "depth": "l1"}, lr=0.1, epochs=2, **QUIET)
    assert own.metrics["accuracy"] == named.metrics["accuracy"]
    assert own.metrics["loss"] == pytest.approx(named.metrics["loss"], rel=1e-5)


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


GOOD = samples()
IMAGES, LABELS = GOOD.tensors


@pytest.mark.parametrize(("options", "code", "message"), [
    ({"test": None}, "RUN322", "there is no test data"),
    ({"lr": 0}, "SPEC060", "`lr` must be more than 0"), ({"lrr": 1}, "SPEC060", "lrr"),
    ({"optimiser": "adam"}, "SPEC060", "has no field `optimiser`\n  = hint: a similar name exists: `optimizer`"),
    ({"epoch": 1}, "SPEC060", "has no field `epoch`\n  = hint: a similar name exists: `epochs`"),
    ({"freez": ["0"]}, "SPEC060", "has no field `freez`\n  = hint: a similar name exists: `freeze`"),
    ({"devise": "cpu"}, "SPEC060", "a similar name exists: `device`"),
    ({"learning_rate": 1}, "SPEC060", "remove it: `lr` is passed already"),
    ({"warmup_steps": 3}, "SPEC060", "pass `warmup={'steps': 3}`"),
    ({"early_stopping": {"patienc": 3}}, "SPEC060", "`early_stopping` has no field `patienc`\n  = hint: a similar name"),
    ({"early_stopping": {}}, "SPEC060", "`early_stopping` has no `patience`"),
    ({"schedule": {"step": {"every": 3, "gama": 0.1}}}, "SPEC060", "has no field `gama`"),
    ({"loss": "bce", "train": TensorDataset(IMAGES, torch.full((40, 3), 2.0))}, "RUN323",
     "bce takes targets from 0 to 1, the train data has 2"),
    ({"loss": "bce", "test": TensorDataset(IMAGES, torch.full((40, 3), -1.0)),
      "train": TensorDataset(IMAGES, torch.ones(40, 3))}, "RUN323", "the test data has -1"),
    ({"augment": ["horizontal_flip"]}, "RUN322", "`augment` works on the data sets that archspec reads"),
    ({"loss": lambda x, y: x}, "RUN325", "must return one number as a tensor, got (2, 3)"),
    ({"loss": lambda x, y: 1.0}, "RUN325", "got float"),
    ({"loss": lambda x, y: x.detach().mean()}, "RUN325", "does not depend on the network's outputs"),
    ({"freeze": ["1"]}, "RUN322", "`freeze` is for networks of a spec"), ({"init": "normal"}, "RUN322", "`init` is for"),
    ({"metric": "accuracy"}, "RUN323", "`metric` goes with a loss function"),
    ({"loss": F.cross_entropy, "metric": "acc"}, "RUN323", "there is no metric `acc`"),
    ({"loss": "mse"}, "RUN323", "mse takes targets (2, 3) for outputs (2, 3), got (2)"),
    ({"train": TensorDataset(IMAGES, LABELS + 1)}, "RUN323", "has the label 3, the network has 3 outputs"),
    ({"train": TensorDataset(IMAGES, LABELS.float())}, "RUN323", "cross_entropy takes class numbers"),
    ({"train": TensorDataset(IMAGES[:, :, :3], LABELS)}, "RUN322", "the network cannot take a batch of the train data"),
    ({"train": [{"image": IMAGES, "label": LABELS}]}, "RUN322", "the network's inputs are input"),
    ({"validation": 40}, "RUN370", "takes 40 of 40 training samples"),
    ({"train": [(IMAGES, LABELS)], "validation": 0.1}, "RUN371", "takes samples out of a Dataset"),
    ({"train": [(IMAGES, LABELS)], "accumulate": 2}, "RUN322", "`accumulate` needs a data set with samples"),
    ({"loss": {"a": "cross_entropy"}, "train": [(IMAGES, {"b": LABELS, "c": LABELS})]}, "RUN326", "no targets for the output `a`"),
    ({"mixup": 0.2, "train": [(IMAGES.flatten(1), LABELS)]}, "RUN322", "mixup and cutmix need one input with images"),
])
def test_mistakes_are_told(options, code, message):
    given = {"train": GOOD, "test": GOOD, "lr": 0.1, **options}
    with pytest.raises(SpecError, match=code) as caught:
        archspec.fit(module(), **given, **QUIET)
    assert message in str(caught.value)


def test_mistakes_with_a_spec():
    with pytest.raises(SpecError, match="there is test data and no train data"):
        archspec.train(SMALL, test=GOOD, **QUIET)
    with pytest.raises(SpecError, match="a loss function goes with data of your own"):
        archspec.train(SMALL, loss=F.cross_entropy, **QUIET)
    with pytest.raises(SpecError, match="RUN304"):
        archspec.train(SMALL, data="python:Mine", **QUIET)
    with pytest.raises(TypeError, match=r"for a spec use archspec\.train"):
        archspec.fit("lenet", GOOD, GOOD, lr=0.1)
    with pytest.raises(SpecError, match=r"has samples \(1, 4, 4\) for the input `input`"):
        archspec.train("lenet", GOOD, GOOD, epochs=1, **QUIET)


def test_a_misspelt_field_is_one_mistake():
    text = SMALL.replace("epochs: 2", "epochs: 1")
    for given in ({"lrate": 0.1}, {"epoch": 1, "lr": 0.1}):
        with pytest.raises(SpecError) as caught:
            archspec.fit(module(), GOOD, GOOD, **given, **QUIET)
        assert len(caught.value.diagnostics) == 1
    assert len(archspec.train(text, GOOD, GOOD, **QUIET).history) == 1


@pytest.mark.parametrize("start", [
    lambda text: archspec.train(text, GOOD, GOOD, loss="cross_entropy", epochs=1, **QUIET),
    lambda _: archspec.fit(module(), GOOD, GOOD, epochs=1, **QUIET),
], ids=["train", "fit"])
def test_own_data_without_a_rate(start):
    with pytest.raises(SpecError) as caught:
        start(SMALL.partition("train:")[0])
    (found,) = caught.value.diagnostics
    assert (found.message, found.hint) == ("the recipe has no `lr`", "pass `lr=…`")


@pytest.mark.parametrize(("inputs", "hint"), [
    ("[1, 28, 28]", "add `train: {data: fashion-mnist"), ("[3, 32, 32]", "add `train: {data: cifar10"),
    ("[12]", "train it from Python"), ("{tokens: {shape: [7], dtype: int64, below: 5}}", "train it from Python"),
])
def test_a_spec_without_a_recipe_is_given_data_that_it_takes(inputs, hint):
    first = "embedding: 4, " if "int64" in inputs else ""
    with pytest.raises(SpecError, match="SPEC011") as caught:
        archspec.train(f"archspec: 1\ninput: {inputs}\nstages: {{head: [{first}flatten, linear: 3]}}", **QUIET)
    assert caught.value.diagnostics[0].hint.startswith(hint)


def test_own_data_starts_from_trained_weights_and_says_so(tmp_path, capsys):
    first = archspec.train(SMALL, samples(), samples(), run_dir=tmp_path / "first", **QUIET)
    options = {"init": {"from": str(tmp_path / "first")}, "lr_scale": {"head": 2.0}, "epochs": 1, "lr": 1e-9}
    found = archspec.train(SMALL, samples(), samples(), run_dir=tmp_path / "b", device="cpu", doctor=False, **options)
    told = capsys.readouterr().err
    assert "note: init: 2 of 2 tensors" in told and "note: rates: head × 2" in told
    for a, b in zip(first.model.parameters(), found.model.parameters(), strict=True):
        torch.testing.assert_close(a, b)
    assert json.loads((tmp_path / "b" / "environment.json").read_text())["initial_weights"]["matched"] == 2


@pytest.mark.parametrize("outputs", ["flatten, linear: 3", "relu"])
def test_no_command_reads_data_that_was_given_in_python(tmp_path, capsys, outputs):
    """Neither evaluation nor another start, whether the network is a classifier or not."""
    text = f"archspec: 1\ninput: [1, 4, 4]\nstages: {{body: [conv2d: {{out_channels: 1, kernel_size: 1}}, {outputs}]}}"
    data = [(IMAGES, LABELS if "flatten" in outputs else IMAGES)]
    loss = "cross_entropy" if "flatten" in outputs else "mse"
    archspec.train(text, data, data, loss=loss, lr=0.1, epochs=1, run_dir=tmp_path / "run", **QUIET)
    for arguments in (["evaluate"], ["train", "--resume"]):
        assert command_line([*arguments, str(tmp_path / "run")]) == 1
        told = capsys.readouterr().err
        assert "error[RUN304]: `python:list` is data that was given in Python: no command can read it" in told
        assert "archspec.train(spec" in told and "RUN311" not in told


def test_nothing_is_left_of_a_failed_run(tmp_path):
    before = torch.random.get_rng_state()
    with pytest.raises(SpecError):
        archspec.fit(module(), samples(), samples(), lr=0.1, loss="mse", run_dir=tmp_path / "run", **QUIET)
    assert not (tmp_path / "run").exists()
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("fields", [{}, {"mixup": 0.2}, {"loss": "l1"}])
def test_targets_for_every_pixel(fields):
    text = """
    archspec: 1
    input: [3, 8, 8]
    stages: {body: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu, conv2d: {out_channels: 3, kernel_size: 1}]}
    """
    images = torch.rand(12, 3, 8, 8)
    data = TensorDataset(images, images if fields.get("loss") else images.argmax(1))
    found = archspec.train(text, data, data, lr=0.1, epochs=1, **fields, **QUIET)
    assert set(found.metrics) in ({"loss", "accuracy"}, {"loss", "mae", "r2"})
    with pytest.raises(SpecError, match="cutmix is for images with one label"):
        archspec.train(text, data, data, lr=0.1, cutmix=1.0, **(fields | {"mixup": None}), **QUIET)


def zoo(name, **inputs):
    """A network of the zoo at another size, for which its `expect` does not hold."""
    data = {key: value for key, value in archspec.load(f"zoo/{name}").data.items() if key != "expect"}
    return data | {"input": inputs or [3, 64, 64]}


def test_googlenet_trains_with_its_heads_and_is_evaluated_without_them():
    images, labels = torch.rand(4, 3, 64, 64), torch.tensor([0, 1, 2, 1])
    data = [(images[:2], labels[:2]), (images[2:], labels[2:])]
    found = archspec.train(zoo("googlenet_aux"), data, data, epochs=1, **QUIET)
    assert found.history[0].step == 2
    assert found.metrics.keys() == {"loss", "accuracy", "top5"}
    assert isinstance(found.model(images[:2]), torch.Tensor)
    assert found.model.train()(images[:2]).keys() == {"head", "aux1", "aux2"}


def test_the_siamese_network_of_the_zoo_takes_a_data_set_of_mappings():
    shape = [1, 85, 85]
    pairs = [{"left": torch.rand(2, *shape), "right": torch.rand(2, *shape), "same": torch.tensor([0.0, 1.0])}]
    found = archspec.train(zoo("siamese", left=shape, right=shape), pairs, pairs, loss="bce", lr=0.01, epochs=1, **QUIET)
    assert found.metrics.keys() == {"loss", "f1", "exact_match"}


def test_the_trained_model_is_in_evaluation_mode(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    trained = archspec.train(path, samples(), samples(20, seed=1), **QUIET)
    averaged = archspec.train(path, samples(), samples(20, seed=1), ema=0.9, **QUIET)
    given = module()
    archspec.fit(given, samples(), samples(20, seed=1), lr=0.1, epochs=1, **QUIET)
    assert (trained.model.training, averaged.model.training, given.training) == (False, False, False)
    assert archspec.build(path).training


def test_pixels_to_ignore_have_the_label_minus_100():
    spec = "archspec: 1\ninput: [1, 4, 4]\nstages: {body: [conv2d: {out_channels: 3, kernel_size: 1}]}\n"
    images, masks = torch.rand(8, 1, 4, 4), torch.randint(3, (8, 4, 4))
    masks[:, 0] = 255
    options = {"lr": 0.1, "epochs": 1, "batch_size": 4, **QUIET}
    with pytest.raises(SpecError, match="label 255") as caught:
        archspec.train(spec, TensorDataset(images, masks), TensorDataset(images, masks), **options)
    assert caught.value.diagnostics[0].code == "RUN323"
    assert "to ignore the value -100" in (caught.value.diagnostics[0].hint or "")
    data = TensorDataset(images, masks.masked_fill(masks == 255, -100))
    found = archspec.train(spec, data, data, **options)
    with torch.no_grad():
        right = found.model(images).argmax(1)[:, 1:] == masks[:, 1:]
    assert found.metrics["accuracy"] == pytest.approx(right.double().mean().item())
