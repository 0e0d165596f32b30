"""`archspec runs`: listing, conditions, tags and removal."""

import io
import json
import math
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


@pytest.mark.parametrize("options", [["--where", "lr > 5"], ["--sort", "lr"], ["--limit", "1"], ["--rebuild"], ["--json"]], ids=lambda x: x[0])
@pytest.mark.parametrize("words", [["rm", "--yes", "runs/a", "runs/b"], ["tag", "x", "runs/a"]], ids=lambda x: x[0])
def test_an_option_of_the_list_before_a_subcommand_is_refused(cli, options, words):
    done = cli("runs", *options, *words)
    assert (done.code, done.out) == (2, "")
    assert f"{options[0]} before `{words[0]}` is for the list of runs" in done.err
    assert names(cli) == ["a", "b", "c"] and not Path("runs/a/tags.json").exists()


def test_a_run_that_is_named_twice_is_removed_once(cli):
    done = cli("runs", "rm", "--yes", "runs/a", "runs/../runs/a", "--where", "lr < 0.15")
    assert (done.code, done.out, done.err) == (0, "runs/a\n", "removed 1 run\n")
    assert names(cli) == ["b", "c"]


def test_a_condition_that_no_run_matches_removes_nothing(cli):
    done = cli("runs", "rm", "--yes", "--where", "epochs_done = 0")
    assert (done.code, done.out, done.err) == (0, "", "no run in runs matches the condition\n")
    assert names(cli) == ["a", "b", "c"]


@pytest.mark.parametrize("sort", ["last_train_loss", "-last_train_loss"])
def test_a_figure_that_is_not_a_number_comes_last(cli, sort):
    make_run(Path("runs/0"), accuracies=(0.5, math.nan))  # before the others: NaN would keep it where it is
    make_run(Path("runs/d"), accuracies=(0.1, 0.5))
    assert names(cli, "--sort", sort) == [*"abcd"[:: -1 if sort[0] == "-" else 1], "0"]


def test_what_is_not_a_number_is_null_in_json(cli):
    make_run(Path("runs/wild"), accuracies=(0.5, math.nan))
    text = cli("runs", "--json").out
    (row,) = [row for row in json.loads(text, parse_constant=pytest.fail)["runs"] if row["path"] == "wild"]
    assert row["last_train_loss"] is None and row["best_accuracy"] == 0.5


@pytest.mark.parametrize("name", ["[/x]", "[bold]", ":smile:", "a\x1b[31mb", "two\nlines"])
def test_names_are_printed_as_they_are_written(cli, name):
    """They are neither markup, nor emoji, nor do they control the terminal."""
    make_run(Path("runs") / f"e{name.replace('/', '')}", lr=0.9, name="net")
    assert cli("runs", "tag", name, "runs/a").code == 0
    for command in (("runs",), ("compare", "runs"), ("runs", "rm", "--where", "lr = 0.9", "--yes")):
        done = cli(*command)
        assert (done.code, "\x1b" in done.out) == (0, False)
        if command[0] == "runs":
            assert f"e{name.replace('/', '')}".replace("\x1b", "\\x1b").replace("\n", "\\n") in done.out
        if command == ("runs",):
            assert name.replace("\x1b", "\\x1b").replace("\n", "\\n") in done.out


def test_an_empty_tag_is_refused(cli):
    assert cli("runs", "tag", " ", "runs/a").code == 2 and not Path("runs/a/tags.json").exists()
