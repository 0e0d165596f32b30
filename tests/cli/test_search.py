"""`archspec sweep` of a search: a real one of a tiny network, paused at rungs and resumed, and what is printed."""

import io
import json

import pytest
from rich.console import Console

from archspec.cli.searching import print_table
from archspec.sweep.search.ranking import Ranking, Row
from archspec.sweep.trial import Forked
from tests.cli.conftest import cli, swept_folder  # noqa: F401 - a fixture
from tests.sweep.helpers import Pretended
from tests.sweep.test_search import pause_of, trained

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 2, batch_size: 32, schedule: cosine}
"""
SWEEP = """\
archspec-sweep: 1
spec: tiny.yaml
limit_train: 200
limit_test: 100
search: {trials: 3, space: {train.lr: {choice: [0.001, 0.01, 0.3]}}, prune: {asha: {reduction: 3}}}
"""
OPTIONS = ("--device=cpu", "--jobs=1", "--threads=1")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    return swept_folder(tmp_path_factory, SPEC, SWEEP, OPTIONS)


def test_one_trial_trains_to_the_end_and_is_tested(searched):
    code, out, err = json.loads((searched / "printed.json").read_text()).values()
    assert code == 0, err
    found = json.loads(out)
    trials = found["trials"]
    assert [(trial["epochs"], trial["status"], trial["test"] is not None) for trial in trials] == [
        (2, "done", True), (1, "paused", False), (1, "paused", False),
    ]
    assert found["winners"] == [trials[0]["id"]]
    assert (found["epochs"], found["finished"]) == (4, True)
    assert trials[0]["varied"] == {"train.lr": 0.3}
    runs = searched / "runs" / "sweep-s" / "trials"
    assert [(runs / trial["id"] / "weights.safetensors").exists() for trial in trials] == [True, False, False]
    assert "rungs after 1, 2 epochs: about 4 epochs instead of 6" in err
    assert "validation set (`validation: 0.1`)" in err


def test_a_search_that_is_done_shows_its_table(searched, cli, monkeypatch):  # noqa: F811
    monkeypatch.chdir(searched)
    done = cli("sweep", "s.yaml", *OPTIONS)
    assert done.code == 0
    head, first, *_ = done.out.splitlines()
    assert head.split() == ["train.lr", "epochs", "validation", "accuracy", "test", "accuracy", "status"]
    assert (first.split()[:4], first.split()[-1]) == (["0.3", "2", "of", "2"], "best")
    assert "3 trials, 4 of 6 epochs trained" in done.out
    assert "best: train.lr: 0.3: validation accuracy" in done.out


def test_a_winner_whose_run_was_removed_trains_again(searched, cli, monkeypatch):  # noqa: F811
    monkeypatch.chdir(searched)
    winner = json.loads(json.loads((searched / "printed.json").read_text())["out"])["winners"][0]
    folder, launcher = searched / "runs" / "sweep-s", Pretended(lambda command: trained(command, lambda epoch: 0.99))
    monkeypatch.setattr(Forked, "start", lambda self, command: launcher.start(command))
    kept = (folder / "results" / f"{winner}.json").read_bytes()
    (folder / "trials" / winner).rename(folder / "moved")
    try:
        assert cli("sweep", "s.yaml", *OPTIONS).code == 0
    finally:
        (folder / "moved").rename(folder / "trials" / winner)
        (folder / "results" / f"{winner}.json").write_bytes(kept)
    assert [pause_of(command) for command in launcher.began] == [1, 2, None]


def test_a_dry_run_says_what_a_search_will_do(searched, cli, monkeypatch, no_start):  # noqa: F811
    monkeypatch.chdir(searched)
    done = cli("sweep", "s.yaml", "--dry-run", "--dir", "nowhere", *OPTIONS)
    assert done.code == 0
    assert "search: 3 trials, sampler random; rungs after 1, 2 epochs" in done.err
    assert "estimated from these 3 points" in done.err
    assert not (searched / "nowhere").exists()


def test_seeds_are_for_the_winner(searched, cli, monkeypatch):  # noqa: F811
    monkeypatch.chdir(searched)
    done = cli("sweep", "s.yaml", "--seeds", 3)
    assert done.code == 2
    assert "leave --seeds out" in done.err


def test_a_space_without_a_valid_point_trains_nothing(searched, cli, monkeypatch):  # noqa: F811
    monkeypatch.chdir(searched)
    (searched / "bad.yaml").write_text(SWEEP.replace("[0.001, 0.01, 0.3]", "[-1, 0]"))
    done = cli("sweep", "bad.yaml", *OPTIONS)
    assert (done.code, done.out) == (1, "")
    assert "error[SPEC060]" in done.err
    assert not (searched / "runs" / "sweep-bad").exists()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_figure_of_the_table_is_cut(width):
    varied = {"train.lr": 0.012345, "train.weight_decay": 1.234e-05, "vars.activation": "leaky_relu", "vars.width": 64,
              "train.optimizer": "sgd", "train.momentum": 0.975}
    rows = tuple(
        Row(str(k), varied, 10, 20, {"validation_accuracy": 0.8123 + k / 1e4, "macs": 123456789.0 + k}, k == 0,
            "done", "", {"accuracy": 0.8101} if k == 0 else None, 3.0) for k in range(3)
    )
    stream = io.StringIO()
    print_table(Ranking(("validation_accuracy", "macs"), rows, 0, 0), Console(file=stream, width=width, markup=False))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert all(sum(f"{0.8123 + k / 1e4:.4f}" in line and f"{123456789 + k:,}" in line for line in lines) == 1 for k in range(3))
    assert ("no room for" in stream.getvalue()) == (width < 200)
