"""`archspec calibrate`: what it prints and keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from archspec.devices.calibration import own_calibration
from tests.calibrate.made import few_kernels

from .conftest import Cli


def test_the_result_is_shown_and_kept_and_a_busy_machine_is_told(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    made = few_kernels()
    monkeypatch.setattr("archspec.calibrate.calibrate", lambda device, **_: made)
    done = cli("calibrate", "--device", "cpu")
    assert done.code == 0
    assert "GMAC/s in fp32" in done.out and "kept in" in done.out
    assert own_calibration() == made
    costs = {"forward/pool": 0.01, "forward/norm": 17.0, "evaluation/norm": 9.0, "step": 48.4}
    monkeypatch.setattr("archspec.calibrate.calibrate", lambda device, **_: replace(made, host_us=costs))
    assert "calls         forward/norm 17.0 µs, step 48.4 µs\n" in cli("calibrate", "--device", "cpu").out
    busy = replace(made, curves={name: replace(curve, deviation=2.0) for name, curve in made.curves.items()})
    monkeypatch.setattr("archspec.calibrate.calibrate", lambda device, **_: busy)
    done = cli("calibrate", "--device", "cpu", "--json")
    assert "warning: the times differ so much" in done.err
    assert json.loads(done.out)["curves"] == len(made.curves)


def test_a_machine_that_became_slower_is_told(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: tmp_path)
    usual = replace(few_kernels(), peak_gmacs={"fp32": 100.0, "bf16": 700.0}, bandwidth_gb_per_s=20.0, made="then")

    def notes(peak_gmacs: dict[str, float], bandwidth: float) -> str:
        found = replace(usual, peak_gmacs=peak_gmacs, bandwidth_gb_per_s=bandwidth)
        monkeypatch.setattr("archspec.calibrate.calibrate", lambda device, **_: found)
        done = cli("calibrate", "--device", "cpu")
        assert done.code == 0
        usual.save()
        return done.err

    assert notes({"fp32": 100.0, "bf16": 700.0}, 20.0) == ""
    assert notes({"fp32": 90.0, "bf16": 900.0}, 18.0) == ""
    told = notes({"fp32": 90.0, "bf16": 546.0}, 10.0)
    assert "slower than in the calibration before, of then: products in bf16 by 22 %, memory by 50 %\n" in told
    assert "slower" not in notes({"fp32": 100.0, "fp16": 1.0}, 20.0), "nothing to compare with"
