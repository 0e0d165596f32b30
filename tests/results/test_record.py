"""Run folders as data."""

import json
import os

import pytest

from archspec.results.find import find_runs, run_folders
from archspec.results.record import read_record
from tests.results.helpers import make_run


def test_what_a_run_was_and_came_to(tmp_path):
    record = read_record(make_run(tmp_path / "a", accuracies=(0.5, 0.7, 0.6), momentum=0.9))
    assert (record.network, record.status, record.seed, record.params) == ("net", "finished", 0, 64 * 4 + 4 + 4 * 10 + 10)
    assert record.macs == 64 * 4 + 4 * 10
    assert (record.settings["train.lr"], record.settings["train.momentum"], record.settings["vars.width"]) == (0.1, 0.9, 4)
    assert "train.seed" not in record.settings
    assert (record.last.evaluated_accuracy, record.best.epoch) == (0.6, 2)
    assert record.test == {"loss": pytest.approx(0.5), "accuracy": 0.6}
    assert (record.seconds, record.images_per_s) == (6.0, 100.0)


def test_seeds_share_a_digest_and_nothing_else_does(tmp_path):
    runs = [
        make_run(tmp_path / "a"), make_run(tmp_path / "b", seed=1), make_run(tmp_path / "c", lr=0.2),
        make_run(tmp_path / "d", width=5), make_run(tmp_path / "e", momentum=0.9),
    ]
    digests = [read_record(run).digest for run in runs]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


def test_of_a_broken_folder_what_can_be_read(tmp_path):
    run = make_run(tmp_path / "a", accuracies=(0.5, 0.6), finished=False)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "train_l')
    (run / "findings.json").write_text("[")
    (run / "spec.yaml").write_text("archspec: 1\n")
    record = read_record(run)
    assert (record.status, len(record.epochs), record.findings, record.params) == ("unfinished", 2, (), None)
    assert record.diagnosis == "unfinished: 2 of 2 epochs"


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"recipe": 3}', '{"recipe": {"seed": "x"}}'])
def test_any_environment_at_all(tmp_path, content):
    run = make_run(tmp_path / "a")
    (run / "environment.json").write_text(content)
    record = read_record(run)
    assert record is None or record.seed is None


def test_a_finding_that_was_taken_back_is_no_diagnosis(tmp_path):
    taken_back = {"code": "RUN345", "title": "the rate is too low", "until": 300}
    stands = {"code": "RUN341", "title": "dead ReLUs", "until": None}
    assert read_record(make_run(tmp_path / "a", findings=[taken_back])).diagnosis == ""
    assert read_record(make_run(tmp_path / "b", findings=[taken_back, stands])).diagnosis == "RUN341 dead ReLUs"


def test_runs_are_found_below_folders_and_links_are_not_followed(tmp_path):
    inside = make_run(tmp_path / "runs" / "sweep" / "trials" / "x")
    first = make_run(tmp_path / "runs" / "a")
    other = make_run(tmp_path / "elsewhere")
    os.symlink(other, tmp_path / "runs" / "link")
    (tmp_path / "runs" / "notes").mkdir()
    make_run(first / "checkpoints" / "no-run")  # what lies in a run is not looked through
    assert run_folders(tmp_path / "runs") == [first, inside]
    assert [record.path for record in find_runs([tmp_path / "runs", first])] == [first, inside]


def test_special_files_are_not_waited_for(tmp_path):
    run = make_run(tmp_path / "a")
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    assert read_record(run).epochs == ()


def test_a_validated_runs_own_test_figures(tmp_path):
    run = make_run(tmp_path / "a")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    renamed = [{key.replace("test", "validation"): value for key, value in row.items()} for row in rows]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in renamed))
    record = read_record(run)
    assert record.test is None
    assert record.last.split == "validation"


def test_a_run_that_was_resumed_with_changes_is_what_it_became(tmp_path):
    plain, run = make_run(tmp_path / "a", lr=0.2), make_run(tmp_path / "b", lr=0.1)
    about = json.loads((run / "environment.json").read_text())
    again = about | {"step": 5, "started": "2026-02-01T00:00:00+00:00", "recipe": about["recipe"] | {"lr": 0.2, "validation": "test"}}
    (run / "environment.json").write_text(json.dumps(about | {"resumes": [again]}))
    changed = read_record(run)
    assert (changed.settings["train.lr"], changed.started) == (0.2, about["started"])
    assert changed.digest == read_record(plain).digest
    (run / "environment.json").write_text(json.dumps(about | {"resumes": [3]}))
    assert read_record(run).settings["train.lr"] == 0.1
