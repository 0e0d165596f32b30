"""The sources' runs as sweeps, their table, and the leak that archspec does not have."""

import csv
from pathlib import Path

import pytest

from archspec.cli import run as archspec
from archspec.results.trials import Result, Store
from archspec.source import read
from archspec.sweep.expand import expand
from archspec.sweep.read import read_sweep
from tests.results.helpers import make_run
from tests.test_benchmarks import load  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[1]
SWEEPS = ROOT / "benchmarks" / "sweeps"
with (ROOT / "tests" / "golden" / "experiments.csv").open(encoding="utf-8", newline="") as stream:
    IDS = [row["id"] for row in csv.DictReader(stream)]


def test_each_of_the_sources_runs_is_in_one_sweep(capsys):
    chosen = [run["recipe"] for path in sorted(SWEEPS.glob("*.yaml")) for run in read(path).data["runs"]]
    assert sorted(chosen) == sorted(IDS)
    assert archspec(["validate", str(SWEEPS)]) == 0
    assert capsys.readouterr().out.strip() == "8 sweeps valid"


def finish(store, trial, accuracies):
    """A trial that has ended so."""
    make_run(store.run_folder(trial.id), seed=trial.seed, accuracies=accuracies, name="lenet")
    store.save(Result(trial.id, trial.variant, dict(trial.varied), trial.seed, "done", summary={}))


@pytest.fixture
def finished(tmp_path):
    """A folder in which lenet-01 has two seeds, lenet-02 one that failed, and the rest nothing."""
    store, file = Store(tmp_path), str(SWEEPS / "lenet.yaml")
    trials = expand(read_sweep(file), file).trials
    by_name = {(trial.varied["recipe"], trial.seed): trial for trial in trials}
    with store.claimed():
        finish(store, by_name["lenet-01", 0], (0.2, 0.6))
        finish(store, by_name["lenet-01", 1], (0.4, 0.8))
        failed = by_name["lenet-02", 0]
        store.save(Result(failed.id, "lenet", dict(failed.varied), 0, "failed", "error[RUN310]: the loss is not finite (nan)"))
    return tmp_path


def test_ours_stand_beside_the_printed_figures(load, finished, monkeypatch, capsys):  # noqa: F811
    reproduction = load("reproduction")
    monkeypatch.setattr("sys.argv", ["reproduction.py", str(SWEEPS / "lenet.yaml"), "--dir", str(finished)])
    reproduction.main()
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert rule.count("|") == head.count("|") == rows[0].count("|")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0] for row in cells] == [f"lenet-{k:02}" for k in range(1, 11)]
    # printed: 0.830 and 0.677, means over the epochs; ours: the mean of 0.6 and 0.4, and at the end 0.6 and 0.8
    assert cells[0][1:] == [
        "mean over all epochs", "0.830", "0.500 ± 0.141", "0.677", "0.500 ± 0.141", "–", "0.700 ± 0.141", "2", "",
    ]
    assert cells[1][3:] == ["–", "0.100", "–", "–", "–", "1", "RUN310 the loss is not finite"]
    assert cells[2][3:] == ["–", "0.098", "–", "–", "–", "0", ""]


def test_a_last_epoch_is_compared_with_ours(load, tmp_path):  # noqa: F811
    reproduction = load("reproduction")
    file, store = str(SWEEPS / "lenet_relu.yaml"), Store(tmp_path)
    sweep = read_sweep(file)
    with store.claimed():
        finish(store, expand(sweep, file).trials[0], (0.2, 0.6))
    printed = {"lenet_relu-01": dict.fromkeys(("loss", "train_acc", "test_acc"), "1") | {"loss_kind": "last epoch", "id": "x"}}
    text = reproduction.table(printed, list(reproduction.runs_by_id(sweep, file, store)))
    assert "| 1 | 0.400 | 1 | 0.600 | 1 | 0.600 | 1 |" in text


def test_ids_that_are_one_training_share_its_runs(load, tmp_path):  # noqa: F811
    reproduction = load("reproduction")
    file, store = str(SWEEPS / "vgg_small.yaml"), Store(tmp_path)
    sweep = read_sweep(file)
    with store.claimed():
        finish(store, expand(sweep, file).trials[0], (0.2, 0.6))
    counts = {name: len(records) for name, records in reproduction.runs_by_id(sweep, file, store)}
    assert {name for name, count in counts.items() if count} == {"vgg-01", "vgg-09"}


def test_a_network_reset_without_its_biases_stays_at_chance(load):  # noqa: F811
    """The sources' leak: each figure is a loss, and chance is ln 10 = 2.303."""
    _, leaked, fresh = load("leak").outcomes().values()
    assert leaked > 2.25
    assert fresh < 0.6


def test_the_table_of_printed_figures_is_the_repository_s(load):  # noqa: F811
    assert list(load("reproduction").printed_rows(load("reproduction").PRINTED)) == IDS
