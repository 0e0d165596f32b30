"""Predicted times as text."""

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import load
from archspec.devices.targets import time_model
from archspec.execution import Setting
from archspec.printing import prediction
from archspec.printing.plain import plain_text


def test_predicted_times_are_wrapped_below_their_column() -> None:
    setting, model = Setting(), time_model("h200")
    assert model is not None
    times = predict_times(resources(load("zoo/vit_b_16").graph, setting), model)
    lines = plain_text(lambda console: prediction.show(times, setting, console)).split("\n")
    assert max(map(len, lines)) <= 80
    names = [line[:prediction.INDENT].strip() for line in lines]
    assert [name for name in names if name] == ["predicted on NV", "forward", "training step", "slowest"]
    assert "" in names[names.index("slowest"):]
