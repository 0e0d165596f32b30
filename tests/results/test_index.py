"""The index of runs: always what the folders say."""

import json
import os
import shutil
import sqlite3
import threading

import pytest

from archspec.diagnostics import SpecError
from archspec.results.index import NAME, Index, read_tags, write_tags
from archspec.results.remove import check_removable, remove_run
from archspec.results.where import check_fields, parse_where
from tests.results.helpers import make_run


def paths(rows):
    return [row["path"] for row in rows]


def test_the_index_follows_the_folders(tmp_path):
    make_run(tmp_path / "a", seed=0)
    make_run(tmp_path / "b" / "c", seed=1)
    index = Index(tmp_path)
    assert paths(index.rows()) == ["a", "b/c"]
    make_run(tmp_path / "d", seed=2)
    shutil.rmtree(tmp_path / "a")
    metrics = tmp_path / "d" / "metrics.jsonl"
    assert paths(index.rows()) == ["b/c", "d"]
    metrics.write_text(metrics.read_text().replace("0.6", "0.65"))
    assert index.rows()[1]["test_accuracy"] == 0.65


def test_what_has_not_changed_is_not_read_again(tmp_path, monkeypatch):
    make_run(tmp_path / "a")
    Index(tmp_path).rows()
    monkeypatch.setattr("archspec.results.index.read_record", lambda path: pytest.fail("read again"))
    assert paths(Index(tmp_path).rows()) == ["a"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_index_is_made_anew(tmp_path, content):
    make_run(tmp_path / "a")
    (tmp_path / NAME).write_bytes(content)
    assert paths(Index(tmp_path).rows()) == ["a"]


def test_an_index_of_another_version_is_made_anew(tmp_path):
    make_run(tmp_path / "a")
    with sqlite3.connect(tmp_path / NAME) as database:
        database.execute("CREATE TABLE runs (something TEXT)")
        database.execute("PRAGMA user_version = 99")
    assert paths(Index(tmp_path).rows()) == ["a"]


def test_rebuilt_it_is_the_same_tags_included(tmp_path):
    write_tags(make_run(tmp_path / "a"), ["baseline", "paper", "paper"])
    index = Index(tmp_path)
    before = index.rows()
    assert before[0]["tags"] == ["baseline", "paper"]
    assert index.rebuild() == before


def test_several_at_once(tmp_path):
    for k in range(8):
        make_run(tmp_path / f"r{k}", seed=k)
    found = []
    threads = [threading.Thread(target=lambda: found.append(paths(Index(tmp_path).rows()))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[f"r{k}" for k in range(8)]] * 6


ROW = {
    "path": "a", "network": "lenet", "test_accuracy": 0.9, "status": "finished", "tags": ["best"], "diagnosis": "RUN341 dead",
    "settings": {"train.lr": 0.5, "train.optimizer": "adam", "train.nesterov": False, "vars.width": 2},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("lr > 0.1 and network = lenet", True), ("lr > 0.1 and network = nin", False), ("lr > 0.5", False),
        ("lr >= 0.5", True), ("lr = 5e-1", True), ("train.lr < 1", True), ("vars.width = 2", True), ("width != 2", False),
        ("optimizer = 'adam'", True), ('optimizer = "ADAM"', True), ("optimizer ~ ada", True), ("nesterov = false", True),
        ("tag = best", True), ("tag = worst", False), ("not tag = worst", True), ("diagnosis ~ dead", True),
        ("lr > 1 or test_accuracy > 0.8", True), ("lr > 1 or test_accuracy > 0.8 and network = nin", False),
        ("(lr > 1 or test_accuracy > 0.8) and network = lenet", True), ("not (lr > 1 or width = 2)", False),
        ("missing = 3", False), ("missing != 3", True), ("missing > 3", False), ("network > 3", False),
    ],
)
def test_conditions(text, holds):
    assert parse_where(text)(ROW) is holds


@pytest.mark.parametrize(
    "text",
    ["", "lr", "lr >", "> 3", "lr > 3 and", "lr > 3 lr", "(lr > 3", "lr > 3)", "lr ! 3", "and", "lr == = 3", "a" * 1001, "(" * 60 + "a=1"],
)
def test_what_is_no_condition(text):
    with pytest.raises(SpecError) as problem:
        parse_where(text)
    assert problem.value.diagnostics[0].code == "RUN380"


def test_a_misspelt_field_is_answered():
    with pytest.raises(SpecError, match="no run has a field `optimiser`"):
        check_fields("optimiser = adam", [ROW])
    check_fields("optimizer = adam and lr > 1 and vars.width = 2 and tag = x and train.lr < 3", [ROW])


def test_only_runs_are_removed_and_no_link_is_followed(tmp_path):
    run, outside = make_run(tmp_path / "a"), tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    os.symlink(outside, run / "checkpoints")
    os.symlink(run, tmp_path / "link")
    for other in (outside, tmp_path / "link", tmp_path / "nothing"):
        with pytest.raises(SpecError, match="there is no run"):
            check_removable(other)
    check_removable(run)
    remove_run(run)
    assert not run.exists()
    assert (outside / "kept").read_text() == "x"


@pytest.mark.parametrize("content", ["{", "{}", "[1, null]", "3"])
def test_tags_that_are_none(tmp_path, content):
    run = make_run(tmp_path / "a")
    (run / "tags.json").write_text(content)
    assert read_tags(run) == []
    assert json.dumps(Index(tmp_path).rows())
