"""`profile --static` with a precision, layout, optimizer and device: memory and traffic of both passes."""

import json

import pytest

import archspec
from archspec.analysis.resources import resources
from archspec.execution import Optimizer, Setting

WITHOUT_RECIPE = "archspec: 1\ninput: [1, 8, 8]\nstages: {head: [flatten, linear: 8, relu, linear: 10]}\n"


def totals(cli, *arguments):
    done = cli("profile", *arguments, "--static", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_figures_are_those_of_the_simulation(cli):
    found = totals(cli, "lenet", "--batch-size=8", "--optimizer=adam")
    own = resources(archspec.load("lenet").graph, Setting(batch_size=8, optimizer=Optimizer("adam")))
    assert found["totals"]["training_peak_bytes"] == own.training.peak_bytes
    assert found["totals"]["inference_peak_bytes"] == own.inference.peak_bytes
    for key in ("saved_bytes", "read_bytes", "written_bytes"):
        of_loss = 10 * 8 * 4 + 8 * 8 + 4 if key == "saved_bytes" else None  # log-softmax, labels, a weight
        layers = sum(layer[key] for layer in found["layers"])
        assert found["totals"][key] - layers == of_loss if of_loss else found["totals"][key] > layers > 0


@pytest.mark.parametrize("arguments", [
    ("lenet", "--target=h200"), ("siamese", "--precision=bf16", "--channels-last", "--optimizer=adam"),
    ("nasbench201", "--target=rtx3090", "--set=train.momentum=0.9", "--precision=tf32"), ("textcnn", "--target=h200"),
], ids=str)
def test_layers_and_the_rest_add_up_to_the_totals(cli, arguments):
    found = totals(cli, *arguments, "--batch-size=3")
    wanted = {"saved_bytes", "read_bytes", "written_bytes", "inference_peak_bytes", "training_peak_bytes", "workspace_bytes"}
    times = {"predicted_forward_ms", "predicted_step_ms"} if "target" in str(arguments) else set()
    assert found["rest"].keys() == wanted | times
    for key in found["rest"].keys() - {"workspace_bytes"}:
        parts = [layer[key] for layer in found["layers"]]
        assert sum(parts) > 0 and min(parts) >= 0, key
        rounding = 1e-4 * len(parts) if key.endswith("_ms") else 0
        assert abs(sum(parts) + found["rest"][key] - found["totals"][key]) <= rounding, key
    assert max(layer["workspace_bytes"] for layer in found["layers"]) == found["totals"]["workspace_bytes"]
    assert sum(layer["backward_macs"] for layer in found["layers"]) == found["totals"]["backward_macs"]


@pytest.mark.parametrize(("arguments", "states"), [
    ((), 0), (("--optimizer=sgd", "--set=train.momentum=0.9"), 1), (("--set=train.momentum=0.9",), 1),
    (("--optimizer=adam",), 2), (("--set=train.optimizer=adamw",), 2),
])
def test_the_optimizer_of_a_spec_without_a_recipe(cli, tmp_path, arguments, states):
    (path := tmp_path / "net.yaml").write_text(WITHOUT_RECIPE)
    found, plain = totals(cli, path, *arguments)["totals"], totals(cli, path)["totals"]
    assert found["training_peak_bytes"] - plain["training_peak_bytes"] == states * 4 * found["params"]


def test_a_mistake_in_an_override_is_still_reported(cli, tmp_path):
    (path := tmp_path / "net.yaml").write_text(WITHOUT_RECIPE)
    for override in ("train.momentm=0.9", "train.momentum=2", "train.optimizer=sgdd"):
        done = cli("profile", path, "--static", "--set", override)
        assert done.code == 1
        assert "SPEC060" in done.err


def test_autocast_halves_what_is_kept_and_an_unknown_device_is_an_error(cli):
    full, half = (totals(cli, "alexnet28", "--batch-size=64", f"--precision={p}", "--target=h200")["totals"] for p in ("tf32", "bf16"))
    assert 0.45 < half["saved_bytes"] / full["saved_bytes"] < 0.65
    done = cli("profile", "lenet", "--static", "--target=h300")
    assert (done.code, "BUILD211" in done.err) == (1, True)


def test_autocast_and_another_dtype_do_not_go_together(cli):
    done = cli("profile", "lenet", "--static", "--precision=bf16", "--dtype=float16")
    assert done.code == 2
    assert "leave out --dtype float16" in done.err


def test_the_whole_run_of_the_recipe(cli, tmp_path):
    found = totals(cli, "lenet", "--target=h200", "--batch-size=4")
    run, step = found["run"], totals(cli, "lenet", "--target=h200", "--batch-size=256")["totals"]
    assert (run["data"], run["batch_size"], run["epochs"], run["steps_per_epoch"]) == ("fashion-mnist", 256, 10, 235)
    assert (run["predicted_step_ms"], run["peak_bytes"]) == (step["predicted_step_ms"], step["training_peak_bytes"])
    epoch_ms = 235 * step["predicted_step_ms"] + 40 * step["predicted_forward_ms"]  # 60,000 and 10,000 images
    assert run["epoch_s"] == pytest.approx(epoch_ms / 1000, rel=1e-3)
    assert run["total_s"] == pytest.approx(epoch_ms / 100, rel=1e-3)

    changes = ("--set=train.batch_size=64", "--set=train.accumulate=4", "--set=train.validation=0.1")
    run = totals(cli, "lenet", "--target=h200", *changes)["run"]
    part = totals(cli, "lenet", "--target=h200", "--batch-size=64")["totals"]
    assert (run["steps_per_epoch"], run["accumulate"]) == (211, 4)  # of 54,000 images
    assert run["predicted_step_ms"] > 2 * part["predicted_step_ms"]
    evaluation_ms = 1000 * (run["total_s"] - 10 * run["epoch_s"])  # the test set, at the end
    assert evaluation_ms == pytest.approx(157 * part["predicted_forward_ms"], rel=0.01)

    text = cli("profile", "lenet", "--static", "--target=h200").out
    assert " an epoch, " in text and "10 epochs of fashion-mnist; a step of 256 images takes " in text


def test_a_run_without_known_images_or_device_has_no_time(cli, tmp_path):
    (path := tmp_path / "net.yaml").write_text(WITHOUT_RECIPE)
    assert "run" not in totals(cli, path, "--target=h200")
    assert "run" not in totals(cli, "lenet", "--target=h200", f"--set=train.data=folder:{tmp_path}")
