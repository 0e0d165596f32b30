"""Training from Python: every mistake in the arguments and the data is named, and nothing is left of a failed run."""


import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import TensorDataset

import archspec
from archspec.cli import run as command_line
from archspec.diagnostics import SpecError
from tests.train.api_helpers import QUIET, SMALL, module, samples

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
