"""What training on one's own data calls a batch's parts: images only where images flow in, otherwise samples."""

import math
import re

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import archspec
from archspec.diagnostics import SpecError
from archspec.train.report.progress import LiveDisplay
from tests.train.api_helpers import QUIET
from tests.train.report.test_progress import Terminal

INPUTS = {
    "vectors": (torch.rand(24, 4), nn.Linear(4, 2), "samples"),
    "texts": (torch.randint(9, (24, 5)), nn.Sequential(nn.Embedding(9, 2), nn.Flatten(), nn.Linear(10, 2)), "samples"),
    "maps of integers": (
        torch.randint(9, (24, 1, 2, 2)), nn.Sequential(nn.Embedding(9, 2), nn.Flatten(), nn.Linear(8, 2)), "samples"),
    "volumes": (torch.rand(24, 1, 2, 2, 2), nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), "samples"),
    "images": (torch.rand(24, 1, 2, 2), nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "images"),
}
OPTIONS = {**QUIET, "lr": 0.1, "batch_size": 8, "epochs": 1}


@pytest.mark.parametrize("name", INPUTS)
def test_the_summary_and_the_live_line(name, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    inputs, network, samples = INPUTS[name]
    data, stream = TensorDataset(inputs, torch.arange(24) % 2), Terminal()
    trained = archspec.fit(network, data, data, callbacks=[LiveDisplay(stream)], **OPTIONS)
    for text in (str(trained), stream.getvalue()):
        assert set(re.findall(r"\d (\w+)/s", text)) == {samples}
    assert trained.summary.to_json()["images_per_s"] > 0  # files keep their names


def test_of_a_graph():
    spec = "archspec: 1\ninput: [4]\nstages: {a: {linear: 2}}\n"
    data = TensorDataset(INPUTS["vectors"][0], torch.arange(24) % 2)
    assert " samples/s" in str(archspec.train(spec, data, data, **OPTIONS))


def test_in_an_error():
    inputs = torch.rand(24, 4)
    inputs[:, 0] = math.nan
    data = TensorDataset(inputs, torch.arange(24) % 2)
    with pytest.raises(SpecError) as caught:
        archspec.fit(nn.Linear(4, 2), data, data, **OPTIONS)
    notes = "\n".join(caught.value.diagnostics[0].notes)
    assert "the step's samples: " in notes
    assert "image" not in str(caught.value)
