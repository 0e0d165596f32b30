"""`archspec profile --static` as CSV, and of several batch sizes."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.cli import run
from archspec.text import bytes_text

from .conftest import Cli
from .test_profile import Terminal

NORM = """archspec: 1
name: small
input: [4, 8, 8]
stages: {{head: [global_avg_pool2d, batch_norm2d: {{track_running_stats: {stats}}}, flatten, linear: 2]}}
"""


@pytest.fixture(autouse=True)
def _without_a_calibration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def cell(value: Any) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# -- layers as CSV ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--target", "h200", "--batch-size", 8], ["--receptive-field"]], ids=str)
@pytest.mark.parametrize("spec", ["lenet", "siamese", "textcnn", "googlenet_aux"])
def test_the_layers_as_csv_are_those_of_the_json(cli: Cli, spec: str, options: list[str]) -> None:
    data = json.loads(cli("profile", spec, "--static", "--json", *options).out)
    *rows, rest = rows_of(cli("profile", spec, "--static", "--csv", *options).out)
    assert rest["path"] == "(rest)"
    assert len(rows) == len(data["layers"])
    for row, layer in zip(rows, data["layers"], strict=True):
        fields = layer.pop("receptive_field", None) or {}
        flat = {"receptive_field." + key: value for key, value in fields.items() if not isinstance(value, dict)}
        flat |= {f"receptive_field.{name}.{key}": value for name, each in fields.items() if isinstance(each, dict)
                 for key, value in each.items()}
        assert {key: text for key, text in row.items() if text} == {
            key: cell(value) for key, value in (layer | flat).items() if cell(value)
        }


def test_the_columns_add_up_to_the_totals(cli: Cli) -> None:
    options = ["profile", "resnet18", "--static", "--target", "h200", "--batch-size", 4]
    totals = json.loads(cli(*options, "--json").out)["totals"]
    rows = rows_of(cli(*options, "--csv").out)
    sums = ("params", "macs", "backward_macs", "saved_bytes", "read_bytes", "inference_peak_bytes", "training_peak_bytes")
    for name in sums:
        assert sum(int(row[name] or 0) for row in rows) == totals[name] > 0
    for name in ("predicted_forward_ms", "predicted_step_ms"):
        assert sum(float(row[name] or 0) for row in rows) == pytest.approx(totals[name], rel=1e-3)


# -- several batch sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--target", "h200", "--precision", "bf16", "--optimizer", "adam"]], ids=len)
@pytest.mark.parametrize("spec", ["resnet18", "textcnn"])
def test_each_batch_size_has_the_figures_of_a_profile_of_its_own(cli: Cli, spec: str, options: list[str]) -> None:
    sweep = ["profile", spec, "--static", "--batch-size", "1,8,8,64", *options]
    data = json.loads(cli(*sweep, "--json").out)
    assert [row["batch_size"] for row in data["batch_sizes"]] == [1, 8, 64]
    lines = rows_of(cli(*sweep, "--csv").out)
    for row, line in zip(data["batch_sizes"], lines, strict=True):
        alone = json.loads(cli("profile", spec, "--static", "--json", "--batch-size", row["batch_size"], *options).out)
        assert row["totals"] == alone["totals"]
        assert (row["problem"], row["code"], row["no_training_step"], line["problem"]) == (None, None, None, "")
        for name in ("inference_peak_bytes", "training_peak_bytes", "workspace_bytes"):
            assert int(line[name]) == alone["totals"][name]
        step = alone["totals"].get("predicted_step_ms")
        assert line["predicted_step_ms"] == cell(step)
        speed = None if step is None else 1000 * row["batch_size"] / step
        assert row["images_per_s"] == (None if speed is None else pytest.approx(speed, rel=1e-3))


def test_the_table_has_times_only_where_a_device_is_known(cli: Cli) -> None:
    counted = cli("profile", "lenet", "--static", "--batch-size", "1,64").out
    assert "lenet: memory against the batch size\ncounted, fp32\n" in counted
    assert "images/s" not in counted and "for times name a device" in counted
    data = json.loads(cli("profile", "lenet", "--static", "--batch-size", "64", "--json").out)["totals"]
    row = next(line for line in counted.splitlines() if line.strip().startswith("64"))
    assert bytes_text(data["inference_peak_bytes"]) in row and bytes_text(data["training_peak_bytes"]) in row
    timed = cli("profile", "lenet", "--static", "--batch-size", "1,64", "--target", "h200").out
    assert "predicted on NVIDIA H200 SXM, fp32\n" in timed and " images/s " in timed
    assert re.search(r"^fastest: batch of 64 with [\d,]+ images/s in a training step$", timed, re.MULTILINE)
    assert " samples/s " in cli("profile", "textcnn", "--static", "--batch-size", "1,64", "--target", "h200").out


@pytest.mark.parametrize("device", ["gtx1650", "xeon-8480"])
def test_a_batch_fits_where_fit_says_so(cli: Cli, device: str) -> None:
    used = archspec.fits("alexnet28", device=device, recipe=None).training
    assert used is not None
    largest = used.largest_batch
    sizes = f"{largest},{largest + 1}"
    sweep = ["profile", "alexnet28", "--static", "--batch-size", sizes, "--target", device, "--optimizer", "sgd"]
    data = json.loads(cli(*sweep, "--json").out)["batch_sizes"]
    assert [(row["code"], row["images_per_s"] is None) for row in data] == [(None, False), ("BUILD201", True)]
    out = cli(*sweep).out
    assert "does not fit" in out
    assert f"batch of {largest + 1}: a training step with batches of {largest + 1} needs" in out
    assert f"fastest: batch of {largest} with" in out


def test_a_batch_that_is_too_small(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(NORM.format(stats="false"), encoding="utf-8")
    sweep = ["profile", spec, "--static", "--batch-size", "1,2", "--target", "h200"]
    small, good = json.loads(cli(*sweep, "--json").out)["batch_sizes"]
    assert (small["code"], good["code"]) == ("BUILD203", None)
    assert "training_peak_bytes" not in small["totals"] and good["totals"]["training_peak_bytes"]
    assert "too small" in cli(*sweep).out
    assert rows_of(cli(*sweep, "--csv").out)[0]["inference_peak_bytes"] == ""
    spec.write_text(NORM.format(stats="true"), encoding="utf-8")  # runs, and does not train
    small, good = json.loads(cli(*sweep, "--json").out)["batch_sizes"]
    assert small["problem"] is None and small["no_training_step"].startswith("head.batch_norm2d_1 needs a batch of 2")
    assert small["totals"]["training_peak_bytes"] is None and small["images_per_s"] > 0
    assert "fastest: batch of 2 with" in cli(*sweep).out  # the speed of a forward pass is no training speed


def test_a_network_that_has_nothing_to_train(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "pool.yaml"
    spec.write_text("archspec: 1\ninput: [2, 8, 8]\nstages: {pool: {max_pool2d: 2}}\n", encoding="utf-8")
    out = cli("profile", spec, "--static", "--batch-size", "1,2", "--target", "h200").out
    assert out.count("no training step: the network has no parameters to train") == 1
    assert "images/s in a forward pass" in out


@pytest.mark.parametrize("options", [[], ["--target", "gtx1650"]], ids=["counted", "predicted"])
def test_the_picture(cli: Cli, tmp_path: Path, options: list[str]) -> None:
    sizes = (1, 8, 4096)
    picture = tmp_path / "curve.svg"
    done = cli("profile", "resnet18", "--static", "--batch-size", ",".join(map(str, sizes)), "-o", picture, *options)
    assert (done.code, done.err) == (0, f"{picture}\n")
    root = ET.fromstring(picture.read_text(encoding="utf-8"))
    tag = "{http://www.w3.org/2000/svg}"
    dots = root.findall(f"{tag}circle")
    assert len(dots) == (len(sizes) + 2 if options else len(sizes))  # memory, and speed where a batch fits
    width = float(root.get("viewBox", "").split()[2])
    assert all(0 < float(dot.get("cx", "")) < width for dot in dots)


def test_a_network_that_is_not_what_is_expected_is_counted_too(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "other.yaml"
    spec.write_text(NORM.format(stats="true") + "expect: {params: 1}\n", encoding="utf-8")
    for static in ([], ["--static"]):
        done = cli("profile", spec, "--batch-size", "1,2", "--json", *static)
        data = json.loads(done.out)
        assert (done.code, len(data["batch_sizes"]), data["diagnostics"][0]["code"]) == (1, 2, "SHAPE111")
        done = cli("profile", spec, "--csv", *static)
        assert done.code == 1 and rows_of(done.out)[-1]["path"] == "(rest)"


@pytest.mark.parametrize(("options", "message"), [
    (["--csv", "--depth", "1"], "--depth has no effect with --csv"),
    (["--csv", "--json"], "--csv and --json exclude each other"), (["--csv", "--tree"], "--tree has no effect with --csv"),
    (["--csv", "--sizes"], "--sizes belongs to no layer"), (["--csv", "--convention", "thop"], "--convention belongs to no"),
    (["--batch-size", "1,2", "--depth", "1"], "--depth needs one batch size"), (["-o", "x.svg"], "add --batch-size 1,8,64"),
    *((["--batch-size", "1,2", *flag], f"{flag[0]} needs one batch size")
      for flag in (["--tree"], ["--sizes"], ["--receptive-field"], ["--convention", "all"])),
], ids=str)
def test_options_that_do_not_go_together(cli: Cli, options: list[str], message: str) -> None:
    done = cli("profile", "lenet", "--static", *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize("options", [[], ["--target", "gtx1650"], ["--target", "h200", "--precision", "bf16"]], ids=len)
@pytest.mark.parametrize("spec", ["resnet152", "textcnn"])
def test_it_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, spec: str, options: list[str]) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert run(["profile", spec, "--static", "--batch-size", "1,100,10000,1000000", *options]) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert max(map(len, plain.splitlines())) <= 80
    assert "…" not in plain
