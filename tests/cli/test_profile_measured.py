"""`archspec profile` without `--static`: it runs the network too, unless only `expect` fails."""

from __future__ import annotations

import csv
import io
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from .conftest import Cli
from .profile_table import totals_of


def test_without_static_it_also_runs_the_network(cli: Cli, quick_peaks: None) -> None:
    done = cli("profile", "lenet", "--device", "cpu", "--batch-size", 2, "--steps", 3, "--warmup", 1, "--threads", 1)
    assert done.code == 0, done.err
    assert "61,706 parameters" in done.out
    rows = {
        name: re.search(rf"^ {name} +([\d.,]+) ms +([\d.,]+)–([\d.,]+) ms +\S.*? +(\d+) $", done.out, re.MULTILINE)
        for name in ("forward", "training step")
    }
    for row in rows.values():
        assert row is not None
        median, low, high = (float(row[k].replace(",", "")) for k in (1, 2, 3))
        assert 0 < low <= median <= high
        assert row[4] == "3"
    assert "batch of 2" in done.out
    assert "1 thread, torch" in done.out
    assert "time of each layer in a training step, fp32\n" in done.out
    assert re.search(r"^besides: .*optimizer [\d.]+ ms", done.out, re.MULTILINE)
    assert re.search(r"^in all [\d.]+ ms; without hooks the same training step takes [\d.]+ ms", done.out, re.MULTILINE)
    assert re.search(r"^slowest: [\w.]+, \d+ % of the training step", done.out, re.MULTILINE)
    assert "(measured)" in done.out.splitlines()[-1]


def test_measured_json(cli: Cli, quick_peaks: None) -> None:
    done = cli("profile", "lenet", "--json", "--device", "cpu", "--steps", 2, "--warmup", 1, "--threads", 1)
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["totals"]["params"] == 61706
    assert data["measured"]["training_step"]["runs"] == 2
    assert data["measured"]["forward"]["median_ms"] > 0
    found = data["measured"]["layers"]
    assert [layer["path"] for layer in found["layers"]] == [layer["path"] for layer in data["layers"]]
    assert sum(x["ms"] for x in found["layers"]) + sum(found["rest_ms"].values()) == pytest.approx(found["total_ms"])
    assert sum(x["share"] for x in found["layers"]) < 1
    assert found["total_ms"] == pytest.approx(found["unmeasured_ms"] * (1 + found["cost_of_measuring"]))
    assert {trial["settings"] for trial in found["trials"]} >= {"channels-last", "bf16"}
    assert all((x["share_of_roof"] or 0) <= 1 + 1e-5 for x in found["layers"])


def test_csv_has_every_layer_and_adds_up(cli: Cli, quick_peaks: None) -> None:
    done = cli("profile", "lenet", "--csv", "--steps", 1, "--warmup", 1, "--batch-size", 2, "--precision", "bf16",
               "--channels-last")
    assert done.code == 0, done.err
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["path"] for row in rows[:2]] == ["conv1.conv2d_1", "conv1.sigmoid_1"]
    assert [row["path"] for row in rows if row["path"].startswith("(")][-1] == "(hooks)"
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)


def test_layers_by_time(cli: Cli, quick_peaks: None) -> None:
    done = cli("profile", "lenet", "--sort", "time", "--steps", 1, "--warmup", 1, "--batch-size", 2)
    table = done.out.partition("time of each layer")[2].split("─ \n")[1].splitlines()
    times = [sum(float(ms.replace(",", "")) for ms in re.findall(r"([\d.,]+) ms", line)[:2]) for line in table[:-1]]
    assert len(times) == 12
    assert all(a >= b - 0.02 * a for a, b in pairwise(times))  # of rounded figures


@pytest.mark.parametrize(("options", "message"), [
    (["--csv", "--json"], "--csv and --json exclude each other"),
    (["--json", "--sort", "time"], "--sort has no effect with --json"), (["--csv", "--depth", "1"], "--depth has no effect with --csv"),
    (["--output-format", "json", "--depth", "1"], "--depth has no effect with --json"),
    (["-o", "x.png", "--batch-size", "1,2"], "give it a name that ends in .svg"),
    (["-o", "x.svg"], "add --batch-size 1,8,64"),
    (["--depth", "1", "--batch-size", "1,2"], "--depth needs one batch size"),
    (["--static", "--sort", "time"], "--sort has no effect with --static"),
    (["--static", "--own-kernels"], "--own-kernels has no effect with --static"),
    (["--trace", "x", "--batch-size", "1,2"], "--trace needs one batch size"),
    (["--batch-size", "0"], "is not a batch size"), (["--batch-size", "1,,2"], "is not a batch size"),
    (["--batch-size", "1e3"], "is not a batch size"),
])
def test_options_that_do_not_go_together(cli: Cli, options: list[str], message: str) -> None:
    done = cli("profile", "lenet", *options)
    assert done.code == 2
    assert message in done.err


def test_a_precision_that_the_device_lacks(cli: Cli) -> None:
    done = cli("profile", "lenet", "--precision", "tf32", "--device", "cpu")
    assert done.code == 1
    assert "error[RUN320]" in done.err


# -- batch sizes -----------------------------------------------------------------------------------------------


def test_several_batch_sizes(cli: Cli, folder: Path) -> None:
    small = ["profile", "good.yaml", "--steps", 1, "--warmup", 1, "--batch-size", f"1,4,{10**30}"]
    done = cli(*small, "-o", "curve.svg")
    assert done.code == 0, done.err
    rows = {row.split()[0]: row for row in done.out.splitlines() if re.match(r" +\d", row)}
    assert set(rows) == {"1", "4", str(10**30)}
    assert "does not fit" in rows[str(10**30)]
    assert "█" in rows["1"] + rows["4"]
    assert f"batch of {10**30}: a training step with batches of" in done.out
    assert "fastest: batch of" in done.out
    assert (folder / "curve.svg").read_text(encoding="utf-8").startswith("<svg")
    data = json.loads(cli(*small, "--json").out)["batch_sizes"]
    assert [row["batch_size"] for row in data] == [1, 4, 10**30]
    assert data[1]["measured"]["training_step"]["images_per_s"] > 0
    lines = list(csv.DictReader(io.StringIO(cli(*small, "--csv").out)))
    assert [line["batch_size"] for line in lines] == ["1", "4", str(10**30)]
    assert lines[2]["problem"]


def test_a_device_that_is_not_there(cli: Cli) -> None:
    done = cli("profile", "lenet", "--device", "cuda:99")
    assert done.code == 1
    assert "error[BUILD202]" in done.err
    assert cli("profile", "lenet", "--device", "gpu").code == 2


# -- where only `expect` fails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--static"], []], ids=["static", "measured"])
def test_a_network_that_is_not_what_is_expected_is_shown_and_not_run(
    cli: Cli, folder: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archspec.profile.measure", None)
    spec = folder / "other.yaml"
    spec.write_text((folder / "good.yaml").read_text() + "expect: {params: 1, output: [11]}\n", encoding="utf-8")
    plain = cli("profile", "good.yaml", "--static", "--json")
    done = cli("profile", spec, *options)
    assert done.code == 1
    assert totals_of(done.out)["params"] == json.loads(plain.out)["totals"]["params"]
    assert re.findall(r"^error\[(\w+)\]", done.err, re.MULTILINE) == ["SHAPE111", "SHAPE110"]
    done = cli("profile", spec, "--json", *options)
    assert (done.code, json.loads(done.out)["totals"]) == (1, json.loads(plain.out)["totals"])


def test_beside_another_mistake_there_is_no_table(cli: Cli, folder: Path) -> None:
    spec = folder / "other.yaml"
    spec.write_text((folder / "good.yaml").read_text() + "expect: {params: 1}\nvars: {n: 1}\n", encoding="utf-8")
    done = cli("profile", spec, "--static")
    assert (done.code, done.out) == (1, "")
    assert re.findall(r"^error\[(\w+)\]", done.err, re.MULTILINE) == ["SHAPE111", "SPEC025"]


# -- predicted beside measured ---------------------------------------------------------------------------------


def test_the_prediction_stands_beside_the_measurement(cli: Cli, quick_peaks: None) -> None:
    """Of a device that is named here, of this machine once it is calibrated."""
    words = ["profile", "lenet", "--steps", 1, "--warmup", 1, "--batch-size", 2, "--target", "xeon-8480"]
    done = cli(*words)
    assert done.code == 0, done.err
    assert re.search(r"^ layer +forward +backward +predicted +share", done.out, re.MULTILINE)
    assert re.search(r"^predicted for the training step on .*Xeon.*: [\d.]+ ms \([\d.]+ to [\d.]+\), .*; measured [\d.]+ ms, "
                     r"[\d.]+ % (more|less)$", done.out, re.MULTILINE)
    data = json.loads(cli(*words, "--json").out)
    assert data["totals"]["predicted_step_ms"] > 0
    layers = {layer["path"]: layer["predicted_ms"] for layer in data["measured"]["layers"]["layers"]}
    assert layers == {layer["path"]: layer["predicted_ms"] for layer in data["layers"]}
    assert 0 < sum(layers.values()) <= data["totals"]["predicted_step_ms"] + 1e-3


def test_this_machine_s_calibration_is_used_for_its_own_threads_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    import archspec
    from archspec.analysis.resources import resources
    from archspec.cli.measuring import times_here
    from archspec.devices import calibration
    from archspec.execution import Setting

    graph = archspec.load("lenet").graph
    on_cpu, on_gpu = resources(graph, Setting()), resources(graph, Setting(target="cuda"))
    asked = []

    def own(device: str | None) -> None:
        asked.append(device)

    monkeypatch.setattr(calibration, "own_calibration", own)
    assert times_here(on_cpu, None, None) is None
    assert times_here(on_gpu, None, None) is None
    assert asked == ["cpu", None]
    of_cpu = SimpleNamespace(machine=SimpleNamespace(device="cpu", threads=2))
    monkeypatch.setattr(calibration, "own_calibration", lambda device: of_cpu)
    assert times_here(on_gpu, None, None) is None
    assert times_here(on_cpu, None, 1) is None
