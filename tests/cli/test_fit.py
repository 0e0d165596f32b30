"""`archspec fit` and `archspec train --fit` on the command line."""

import json
import re
import subprocess
import sys

import click
import pytest

from archspec.capacity import gpu_tensors
from archspec.cli.memory_size import MEMORY
from tests.cli.conftest import Cli

SPEC = """archspec: 1
input: [1, 16, 16]
stages:
  stem: [conv2d: {out_channels: 32, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  a: [conv2d: {out_channels: 32, kernel_size: 3, padding: 1}, batch_norm2d, relu, dropout: 0.2]
  b: [conv2d: {out_channels: 32, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  head: [global_avg_pool2d, flatten, linear: 10]
train: {data: digits, lr: 0.1, batch_size: 128, epochs: 1}
"""
NEEDS = 34 * 2**20  # bytes of a step of 128, about


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(SPEC)
    return tmp_path


@pytest.mark.parametrize(("text", "size"), [
    ("8GiB", 8 << 30), ("8 GiB", 8 << 30), ("8g", 8 << 30), ("8G", 8 << 30), ("8GB", 8 * 10**9), ("512MiB", 512 << 20),
    ("1.5GiB", 3 << 29), ("1500000", 1_500_000), ("64 kb", 64_000), ("2TiB", 2 << 40), ("1p", 1 << 50),
])
def test_sizes(text, size):
    assert MEMORY.convert(text, None, None) == size


@pytest.mark.parametrize("text", ["", "GiB", "8 apples", "-1GiB", "0", "1e9", "8iB", "0.1", "9" * 40, "8GiBs"])
def test_what_is_not_a_size(text):
    with pytest.raises(click.BadParameter, match="8GiB"):
        MEMORY.convert(text, None, None)


def test_yes(cli: Cli, net):
    out = cli("fit", "net.yaml", "--memory", "1GiB").out
    first, inference, about = out.splitlines()
    assert re.fullmatch(r"yes: training with the recipe's batches of 128 needs [0-9.]+ MiB of 1.00 GiB, [0-9.]+ MiB to spare; "
                        r"the largest batch is [0-9,]+", first)
    assert inference.startswith("inference: at most ")
    assert about.startswith("net, fp32, SGD; 1.00 GiB for tensors; most of it: activations, ")


def test_a_batch_where_the_search_ends_is_no_limit(cli: Cli, net):
    (net / "tiny.yaml").write_text("archspec: 1\ninput: [1]\nstages:\n  a: [linear: 1]\n")
    lines = cli("fit", "tiny.yaml", "--memory", "1TiB").out.splitlines()
    assert lines[0].startswith("yes: training fits with batches up to 16,777,216 or more, which need ")
    assert lines[1].startswith("inference: at most 16,777,216 or more ")


def test_no(cli: Cli, net):
    out = cli("fit", "net.yaml", "--memory", "24MiB", "--optimizer", "adam").out
    assert out.startswith("no: training with the recipe's batches of 128 needs ")
    assert "a batch of 128 fits with\n" in out
    rows = {line.strip().split("  ")[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert "results differ by rounding" in rows["--precision bf16"]
    assert "batch norm takes its statistics from 64 images" in rows["batch_size: 64, accumulate: 2"]
    assert re.search(r"\+\d+ % multiply-adds +the same results", rows["recompute: [stem, a]"])


def test_the_json(cli: Cli, net):
    found = json.loads(cli("fit", "net.yaml", "--memory", "24MiB", "--batch-size", "256", "--json").out)
    assert found.keys() >= {"largest_batch", "peak_bytes", "bound", "options", "training", "inference", "memory_bytes"}
    assert (found["batch_size"], found["fits"], found["bound"]) == (256, False, "activations")
    assert 0 < found["largest_batch"] < 256
    assert found["training"]["peak_bytes"] == found["peak_bytes"] > found["memory_bytes"] == 24 << 20
    assert found["options"][0]["fits"]
    largest = json.loads(cli("fit", "net.yaml", "--memory", "24MiB", "--json").out)
    assert largest["batch_size"] == largest["largest_batch"] == found["largest_batch"]
    assert largest["peak_bytes"] <= 24 << 20
    assert largest["recipe"]["batch_size"] == 128


def test_its_peak_is_that_of_the_static_profile(cli: Cli, net):
    options = ("--precision", "bf16", "--optimizer", "adam", "--channels-last", "--json")
    fits = json.loads(cli("fit", "net.yaml", "--device", "rtx3060", "--batch-size", "64", *options).out)
    counted = json.loads(cli("profile", "net.yaml", "--static", "--target", "rtx3060", "--batch-size", "64", *options).out)
    assert fits["training"]["peak_bytes"] == counted["totals"]["training_peak_bytes"]
    assert fits["inference"]["peak_bytes"] == counted["totals"]["inference_peak_bytes"]
    assert fits["device"] == "rtx3060"
    assert fits["memory_bytes"] == gpu_tensors(12 * 2**30 - 2**29)


def test_the_price_is_the_predicted_time_on_a_device(cli: Cli, net):
    out = cli("fit", "net.yaml", "--device", "t4", "--batch-size", "100000").out
    assert "NVIDIA T4: 14.82 GiB for tensors" in out
    assert re.search(r"--precision fp16 .* % predicted time", out)
    assert "bf16" not in out


def test_without_memory_or_with_an_unknown_device(cli: Cli, net):
    assert "give --memory, such as 8GiB, or --device" in cli("fit", "net.yaml").err
    assert "'8' is a number of bytes; name the unit: 8GiB" in cli("fit", "net.yaml", "--memory", "8").err
    assert "error[BUILD211]" in cli("fit", "net.yaml", "--device", "rtx306").err


def test_torch_is_not_imported(net):
    code = "import sys; from archspec.cli import run; run(['fit', 'net.yaml', '--memory', '24MiB']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_an_override_is_never_left_out_silently(cli: Cli, net):
    """Momentum belongs to no adamw: that is an error, and not an answer for the batch of the file."""
    (net / "net.yaml").write_text(SPEC.replace("lr: 0.1", "lr: 0.1, optimizer: adamw"))
    sets = ("--set", "train.batch_size=2", "--set", "train.momentum=0.5")
    assert "adamw takes no `momentum`" in cli("fit", "net.yaml", "--memory", "1GiB", *sets).err
    assert "batches of 2 needs" in cli("fit", "net.yaml", "--memory", "1GiB", *sets[:2]).out
    assert "SGD with momentum 0.5" in cli("fit", "zoo/unet", "--memory", "8GiB", "--set", "train.momentum=0.5").out


def test_another_recipe(cli: Cli, net):
    (net / "net.yaml").write_text(SPEC + "recipes: {large: {batch_size: 512, recompute: [stem, a]}}\n")
    assert "batches of 512 needs" in cli("fit", "net.yaml", "--memory", "1GiB", "--recipe", "large").out
    assert "error[" in cli("fit", "net.yaml", "--memory", "1GiB", "--recipe", "larg").err


@pytest.mark.parametrize("field", ["freeze: [steam]", "recompute: [steam]"])
def test_parts_that_the_network_does_not_have(cli: Cli, net, field):
    """They would count as nothing: the figures would be those of another run than the one that `train` refuses."""
    (net / "net.yaml").write_text(SPEC.replace("epochs: 1", f"epochs: 1, {field}") + "recipes: {plain: {freeze: null, recompute: null}}\n")
    for command in (("fit", "net.yaml", "--memory", "1GiB"), ("profile", "net.yaml", "--static", "--target", "h200")):
        found = cli(*command)
        assert found.code == 1 and "error[SPEC063]" in found.err and "--> net.yaml:8:" in found.err and "`stem`" in found.err
        assert cli(*command, "--recipe", "plain").code == 0
    overridden = cli("fit", "net.yaml", "--memory", "1GiB", "--set", "train." + field.replace(": ", "=").replace("steam", "stem, c"))
    assert overridden.code == 1 and "`c`" in overridden.err and "steam" not in overridden.err


TRAIN = ("train", "net.yaml", "--limit-train", "128", "--limit-test", "32", "--device", "cpu")


def test_training_with_fit_applies_it(cli: Cli, net):
    """The recomputed stages are in the run's spec; the results are those of the run without them."""
    plain = cli(*TRAIN, "--run-dir", "plain")
    less = cli(*TRAIN, "--run-dir", "less", "--fit", "29MiB")
    assert less.code == plain.code == 0
    assert re.search(r"to fit: recompute: \[a\]; a step needs about [0-9.]+ MiB instead of", less.err)
    assert "recompute: [a]" in (net / "less" / "spec.yaml").read_text()
    rows = [(net / run / "metrics.csv").read_text().splitlines()[1].split(",")[:5] for run in ("plain", "less")]
    assert rows[0] == rows[1]
    assert "fits: a step needs about" in cli(*TRAIN, "--run-dir", "more", "--fit", "1GiB").err


def test_training_that_cannot_fit(cli: Cli, net):
    done = cli(*TRAIN, "--run-dir", "run", "--fit", "4MiB")
    assert done.code == 1
    assert "error[BUILD201]: a step with batches of 128 needs about" in done.err
    assert not (net / "run").exists()
    (batch,) = re.findall(r"use (--batch-size \d+)", done.err)
    assert cli(*TRAIN, "--run-dir", "run", "--fit", "4MiB", *batch.split()).code == 0


def test_the_memory_of_a_cpu_has_to_hold_the_copies_of_onednn(cli: Cli, net):
    options = ("--memory", "24MiB", "--batch-size", "32", "--json")
    tensors = json.loads(cli("fit", "net.yaml", *options).out)["training"]
    cpu = json.loads(cli("fit", "net.yaml", "--device", "ryzen-7950x", *options).out)["training"]
    assert cpu["peak_bytes"] == tensors["peak_bytes"] + tensors["workspace_bytes"] > tensors["peak_bytes"]
    assert cpu["workspace_bytes"] == 0
    assert 0 < cpu["largest_batch"] < tensors["largest_batch"]
    assert "24.00 MiB for tensors and oneDNN's copies" in cli("fit", "net.yaml", "--device", "ryzen-7950x", *options[:-1]).out


@pytest.mark.parametrize("sets", [["train.batch_size=8"], ["train.batch_size=8", "train.optimizer=adam"]], ids=len)
def test_a_batch_size_needs_no_data(cli: Cli, sets):
    """Of a spec without a recipe: the same as `--batch-size`."""
    options = [word for text in sets for word in ("--set", text)]
    found = json.loads(cli("fit", "zoo/unet", "--memory", "8GiB", "--json", *options).out)
    adam = ["--optimizer", "adam"] if len(sets) > 1 else []
    assert found == json.loads(cli("fit", "zoo/unet", "--memory", "8GiB", "--json", "--batch-size", 8, *adam).out)
    assert found["batch_size"] == 8


WRONG = [
    ("batch_size=0", "batch_size"), ("batch_size=many", "batch_size"), ("momentum=2", "momentum"), ("epochs=-1", "epochs"),
    ("optimizer=sgdd", "sgdd"), ("lr=0", "lr"), ("accumulate=0", "accumulate"), ("batchsize=3", "batchsize"),
    ("freeze=[]", "freeze"), ("schedule=cos", "schedule"),
]


@pytest.mark.parametrize("command", [
    ["fit", "--memory", "1GiB"], ["profile", "--static"], ["show", "--format", "html"], ["diff"], ["validate"],
    ["train", "--data", "digits", "--device", "cpu"],
], ids=lambda words: words[0])
@pytest.mark.parametrize(("override", "named"), WRONG)
def test_a_wrong_override_of_a_spec_without_a_recipe_is_what_is_told(cli: Cli, tmp_path, monkeypatch, command, override, named):
    """And not only that a recipe would need data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text("archspec: 1\ninput: [1, 8, 8]\nstages: {a: [flatten, linear: 10]}\n")
    done = cli(command[0], "net.yaml", *command[1:], "--set", f"train.{override}")
    assert done.code == 1
    told = [line for line in done.err.splitlines() if line.startswith("error[")]
    assert any(named in line for line in told)
    assert not any("has no `data`" in line or "has no `lr`" in line for line in told)


def test_a_network_that_is_not_as_expected_has_its_mistakes_in_the_json(cli: Cli, net):
    (net / "other.yaml").write_text(SPEC + "expect: {params: 3}\n")
    done = cli("fit", "other.yaml", "--memory", "1GiB", "--json")
    found = json.loads(done.out)
    assert (done.code, found["fits"], [d["code"] for d in found["diagnostics"]]) == (1, True, ["SHAPE111"])
    assert "diagnostics" not in json.loads(cli("fit", "net.yaml", "--memory", "1GiB", "--json").out)
