"""`archspec runs`: listing, conditions, tags and removal."""

import io
import json
from pathlib import Path

import pytest

from archspec.results.trials import Result, Store
from tests.results.helpers import make_run


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Three runs of rates 0.1, 0.2 and 0.3, the last one not finished."""
    monkeypatch.chdir(tmp_path)
    for k in range(3):
        make_run(Path("runs") / "abc"[k], lr=0.1 * (k + 1), seed=k, finished=k < 2, accuracies=(0.1, 0.9 - k / 10))
    return tmp_path


def names(cli, *options):
    return [row["path"] for row in json.loads(cli("runs", "--json", *options).out)["runs"]]


def test_all_runs_are_listed_with_what_varies(cli):
    done = cli("runs")
    assert (done.code, done.err) == (0, "")
    assert done.out.split()[:6] == ["path", "network", "lr", "test", "acc", "train"]
    assert "unfinished" in done.out
    assert (Path("runs") / "archspec.db").is_file()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--where", "lr > 0.15"], "bc"), (["--where", "lr > 0.15 and status = finished"], "b"),
        (["--where", "not (lr = 0.2)"], "ac"), (["--sort", "test_accuracy"], "cba"), (["--sort", "-lr"], "cba"),
        (["--limit", "2"], "ab"), (["--rebuild"], "abc"), (["--where", "network ~ NE"], "abc"), (["--root", "none"], ""),
    ],
)
def test_conditions_and_order(cli, options, found):
    assert names(cli, *options) == list(found)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--where", "lr >"], "error[RUN380]: the condition needs a value: the condition ends"),
        (["--where", "rl > 1"], "no run has a field `rl`"), (["--sort", "test_acc"], "`test_accuracy`"),
    ],
)
def test_a_wrong_condition_is_told(cli, options, said):
    done = cli("runs", *options)
    assert (done.code, done.out) == (1, "")
    assert said in done.err


def test_nothing_found_is_said(cli):
    assert cli("runs", "--where", "lr > 5").err == "no run in runs matches the condition\n"
    assert cli("runs", "--root", "none").err == "no run in none\n"


def test_a_tag_is_given_found_and_taken_away(cli):
    assert cli("runs", "tag", "good", "runs/a", "runs/b").code == 0
    assert names(cli, "--where", "tag = good") == ["a", "b"]
    assert "good" in cli("runs").out
    assert names(cli, "--rebuild", "--where", "tag = good") == ["a", "b"]  # tags lie in the run folders
    assert cli("runs", "tag", "--remove", "good", "runs/a").code == 0
    assert names(cli, "--where", "tag = good") == ["b"]


def test_a_folder_that_holds_no_run_is_neither_tagged_nor_removed(cli, place):
    (place / "photos").mkdir()
    (place / "photos" / "cat.jpg").touch()
    for arguments in (["tag", "x", "runs/a", "photos"], ["rm", "--yes", "runs/a", "photos"]):
        done = cli("runs", *arguments)
        assert done.code == 1
        assert "error[RUN360]: there is no run in photos" in done.err
    assert (place / "photos" / "cat.jpg").exists()
    assert names(cli) == ["a", "b", "c"]  # all or nothing
    assert "tags.json" not in [path.name for path in (place / "runs" / "a").iterdir()]


@pytest.mark.parametrize(("answer", "left"), [("y\n", "bc"), ("n\n", "abc"), ("", "abc")])
def test_removal_asks(cli, monkeypatch, answer, left):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done = cli("runs", "rm", "runs/a")
    assert done.out == "runs/a\n"
    assert "Remove 1 run? [y/N]: " in done.err
    assert (done.code == 0) == (answer == "y\n")
    assert names(cli) == list(left)


def test_runs_are_removed_by_name_and_by_condition(cli):
    done = cli("runs", "rm", "--yes", "--where", "status = unfinished", "runs/a")
    assert (done.code, done.out.split(), done.err) == (0, ["runs/a", "runs/c"], "removed 2 runs\n")
    assert names(cli) == ["b"]
    assert cli("runs", "rm").code == 2


def test_a_trial_that_is_removed_has_no_result_any_more(cli):
    store, trial = Store(Path("runs/sweep-s")), "a" * 16
    with store.claimed():
        make_run(store.run_folder(trial))
        store.save(Result(trial, "net", {}, 0, "done", summary={}))
    assert cli("runs", "rm", "--yes", store.run_folder(trial)).code == 0
    assert store.result(trial) is None
