"""Predicted times as text."""

import json
import re
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
    loaded = load("zoo/vit_b_16")
    times, equal = predict_times(resources(loaded.graph, setting), model), loaded.report.equal_layers()
    lines = plain_text(lambda console: prediction.show(times, setting, console, equal)).split("\n")
    assert max(map(len, lines)) <= 80
    names = [line[:prediction.INDENT].strip() for line in lines]
    assert [name for name in names if name] == ["predicted on NV", "forward", "training step", "slowest"]
    assert "" in names[names.index("slowest"):]


@pytest.mark.parametrize("spec", ["zoo/vit_b_16", "resnet152", "lenet"])
def test_the_slowest_are_equal_copies_together(cli: Cli, spec: str) -> None:
    options = ["profile", spec, "--static", "--target", "h200", "--batch-size", "64"]
    data = json.loads(cli(*options, "--json").out)
    times = {layer["path"]: layer["predicted_step_ms"] for layer in data["layers"]}
    (line,) = [line for line in cli(*options).out.splitlines() if line.startswith("slowest ")]
    found = re.findall(r"([\w.]+)(?: ×(\d+))? (\d+) %", line.removeprefix("slowest").strip())
    total, shares = data["totals"]["predicted_step_ms"], []
    for path, count, share in found:
        start = re.search(r"\.(\d+)\.", path)  # of the repeat, whose copies follow each other
        copies = [path if start is None else f"{path[:start.start()]}.{int(start[1]) + k}.{path[start.end():]}"
                  for k in range(int(count or 1))]
        shares.append(100 * sum(times[copy] for copy in copies) / total)
        assert int(share) == round(shares[-1])
    assert shares == sorted(shares, reverse=True)
    assert shares[0] >= 100 * max(times.values()) / total
    assert bool(found[0][1]) == (spec != "lenet")
