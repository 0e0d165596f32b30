"""Predicted times as text."""

from pathlib import Path

import pytest

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import analyze, load
from archspec.devices.targets import time_model
from archspec.execution import Setting
from archspec.printing import prediction
from archspec.printing.plain import PIPED, plain_text
from tests.calibrate.made import few_kernels
from tests.cli.conftest import Cli, cli

__all__ = ["cli"]


def test_on_a_calibrated_machine_a_report_prints_as_the_command_does(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    few_kernels().save()
    for spec, recipe in (("lenet", True), ("zoo/vit_b_16", False)):
        printed = cli("profile", spec, "--static", "--batch-size", "3").out
        lines = [line.rstrip() for line in printed.rstrip("\n").split("\n")]
        assert plain_text(analyze(spec, batch_size=3).show, PIPED).split("\n") == lines
        assert ("\nrecipe         " in printed) == recipe
    assert "\nrecipe         " in str(load("lenet").report)


def test_predicted_times_are_wrapped_below_their_column() -> None:
    setting, model = Setting(), time_model("h200")
    assert model is not None
    times = predict_times(resources(load("zoo/vit_b_16").graph, setting), model)
    lines = plain_text(lambda console: prediction.show(times, setting, console)).split("\n")
    assert max(map(len, lines)) <= 80
    names = [line[:prediction.INDENT].strip() for line in lines]
    assert [name for name in names if name] == ["predicted on NV", "forward", "training step", "slowest"]
    assert "" in names[names.index("slowest"):]
