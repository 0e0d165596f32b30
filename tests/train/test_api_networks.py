"""Training from Python: regression, several inputs and outputs, targets for every pixel, networks of the zoo."""


import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import archspec
from archspec.diagnostics import SpecError
from tests.train.api_helpers import QUIET, SMALL, module, samples


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
