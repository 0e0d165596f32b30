"""What every adapter is given."""

import json
import shutil
from dataclasses import replace

import pytest

from archspec.results.export.run import exported, safe_name
from archspec.results.record import read_record
from tests.results.export.helpers import goes_on, read, some_runs
from tests.results.helpers import make_run


def test_settings_are_flat_and_figures_are_numbers(tmp_path):
    run = read(some_runs(tmp_path))[0]
    assert run.settings["early_stopping.patience"] == 3 and run.settings["augment"] == '["flip"]'
    assert (run.settings["network"], run.settings["seed"], run.settings["lr"], run.settings["vars.width"]) == ("net", 0, 0.1, 4)
    assert (run.figures["test_accuracy"], run.figures["seconds"], run.figures["params"]) == (0.75, 4.0, 310)
    assert run.figures["peak_memory_bytes"] == 301 << 20
    assert [(epoch, step) for epoch, step, _, _ in run.epochs()] == [(1, 10), (2, 20)]
    assert run.ended - run.started == 4.0
    assert {path.name for path in run.files()} == {"spec.yaml", "environment.json", "steps.jsonl", "summary.json", "findings.json"}


def test_each_run_has_a_name_of_its_own_and_seeds_share_a_group(tmp_path):
    runs = read(some_runs(tmp_path))
    assert len({run.name for run in runs}) == len({run.id for run in runs}) == 5
    assert runs[0].group == runs[1].group and len({run.group for run in runs}) == 4
    assert runs[-1].name.startswith("größe-中文-seed0-")


def test_a_copy_is_the_same_run_and_one_that_goes_on_has_another_content(tmp_path):
    first = make_run(tmp_path / "a")
    before = exported(read_record(first))
    shutil.copytree(first, tmp_path / "b")
    goes_on(first)
    after, copy = exported(read_record(first)), exported(read_record(tmp_path / "b"))
    assert before.id == after.id == copy.id
    assert before.content == copy.content != after.content


def test_a_trial_that_never_became_a_run(tmp_path):
    record = read_record(make_run(tmp_path / "a"))
    failed = replace(record, path=tmp_path / "gone", environment={}, epochs=(), test=None, started="", status="failed", reason="no room")
    run = exported(failed)
    assert (run.tags["status"], run.tags["diagnosis"], run.figures, run.epochs(), list(run.files())) == (
        "failed", "no room", {"params": 310, "macs": 296}, [], [])
    assert (run.started, run.ended) == (0.0, 0.0)


@pytest.mark.parametrize("recipe", [
    {"": 1, "..": 2, "a/b": 3, "=x()": 4, "seed": 10**400}, {"x": {"y": {"z": None}}, "n" * 999: "v" * 9999}, [], "text", {"lr": 10**400},
])
def test_any_recipe_at_all(tmp_path, recipe):
    run = make_run(tmp_path / "a")
    about = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(about | {"recipe": recipe, "started": "soon"}))
    (run / "metrics.jsonl").write_text(json.dumps({
        "epoch": 10**30, "train_loss": 1, "train_accuracy": 1, "test_loss": 1, "test_accuracy": 1, "images_per_s": 0, "seconds": -1e300,
    }) + "\n")
    (run / "steps.jsonl").write_text('{"step": "x", "epoch": 1, "loss": 1, "accuracy": 1, "learning_rate": []}\n')
    found = exported(read_record(run))
    assert all(len(key) <= 999 and not key.startswith(".") and "/" not in key for key in found.settings)
    assert all(not isinstance(value, str) or len(value) <= 500 for value in found.settings.values())
    assert all(not isinstance(value, int) or abs(value) < 2**63 for value in found.settings.values())
    assert found.epochs() == [] and found.steps == ()


@pytest.mark.parametrize(("text", "name"), [("../../etc", "etc"), ("", "run"), ("a b/c", "a-b-c"), ("x" * 99, "x" * 60), ("...", "run")])
def test_names_lead_nowhere(text, name):
    assert safe_name(text) == name
