"""CSV: a row a run, a row an epoch."""

import csv
import math

from archspec.results.export.csv_tables import export, table
from tests.results.export.helpers import read, some_runs


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_both_tables(tmp_path):
    runs = read(some_runs(tmp_path / "runs"))
    done = export(runs, str(tmp_path / "out"), "p")
    assert done.written == 5
    listed, curves = rows(tmp_path / "out" / "runs.csv"), rows(tmp_path / "out" / "curves.csv")
    assert [row["run"] for row in listed] == [run.name for run in runs]
    assert (listed[0]["lr"], listed[0]["test_accuracy"], listed[0]["early_stopping.patience"]) == ("0.1", "0.75", "3")
    assert (listed[2]["diagnosis"], listed[3]["status"], listed[3]["test_accuracy"]) == ("RUN346 the loss blew up", "unfinished", "")
    assert len(curves) == 2 + 2 + 2 + 0 + 2
    bad = [row for row in curves if row["run"] == runs[2].name]
    assert all(math.isnan(float(row["train_loss"])) and math.isinf(float(row["test_loss"])) for row in bad)


def test_once_more_is_the_same(tmp_path):
    runs = read(some_runs(tmp_path / "runs"))
    export(runs, str(tmp_path / "out"), "p")
    before = (tmp_path / "out" / "runs.csv").read_bytes(), (tmp_path / "out" / "curves.csv").read_bytes()
    export(runs, str(tmp_path / "out"), "p")
    assert ((tmp_path / "out" / "runs.csv").read_bytes(), (tmp_path / "out" / "curves.csv").read_bytes()) == before


def test_a_text_is_never_a_formula():
    assert table([{"a": "=cmd()", "b": -1.5}, {"a": "@x", "c": "+1"}]) == "a,b,c\n'=cmd(),-1.5,\n'@x,,'+1\n"
    assert table([]) == ""
