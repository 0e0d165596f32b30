"""`archspec export`."""

import csv
import json
import shutil

import pytest

from tests.cli.conftest import cli  # noqa: F401 - a fixture
from tests.results.helpers import SPEC, make_run


def test_tables_of_a_folder(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "a")
    make_run(tmp_path / "runs" / "b", lr=0.2)
    done = cli("export", "runs", "--to", "csv")
    assert (done.code, done.out) == (0, "column -s, -t export/csv/runs.csv\n")
    assert "2 written; to view them:" in done.err
    with (tmp_path / "export" / "csv" / "runs.csv").open() as file:
        assert [row["lr"] for row in csv.DictReader(file)] == ["0.1", "0.2"]


def test_a_copy_is_left_out_and_said(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    shutil.copytree(make_run(tmp_path / "runs" / "a"), tmp_path / "runs" / "b")
    done = cli("export", "runs", "--to", "csv")
    assert "note: 1 run left out: copies of others" in done.err and "1 written" in done.err


def test_trials_of_a_sweep_that_failed_are_rows(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rates.yaml").write_text(
        "archspec-sweep: 1\nspec: lenet\nset: {train.data: digits}\nruns: [{train.lr: 0.1}]\n", encoding="utf-8"
    )
    sweep = tmp_path / "runs" / "sweep-rates"
    for name in ("results", "specs", "trials", "logs"):
        (sweep / name).mkdir(parents=True)
    trial = "0123456789abcdef"
    (sweep / "specs" / f"{trial}.yaml").write_text(SPEC.format(name="lenet", width=4, lr=0.1, epochs=1, seed=0))
    (sweep / "results" / f"{trial}.json").write_text(json.dumps({
        "id": trial, "variant": "lenet", "varied": {}, "seed": 0, "status": "killed", "reason": "killed by SIGKILL", "format": 1,
    }))
    done = cli("export", "rates.yaml", "--to", "csv", "--into", "out")
    assert done.code == 0, done.err
    (row,) = csv.DictReader((tmp_path / "out" / "runs.csv").read_text().splitlines())
    assert (row["status"], row["diagnosis"], row["network"]) == ("failed", "killed by SIGKILL", "lenet")


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (("empty", "--to", "csv"), 2, "there is no run in empty"),
    (("runs", "--to", "excel"), 2, "'excel' is not one of"),
    (("runs",), 2, "name the target tool: --to csv|tensorboard|mlflow|trackio|wandb"),
    (("runs", "--to", "csv", "--into", "http://x"), 1, "error[RUN382]: http://x is not a folder: this export writes files"),
    (("runs", "--to", "csv", "--into", "runs/a/spec.yaml"), 1, "error[RUN382]: the folder runs/a/spec.yaml cannot be written to: File exists"),
])
def test_what_cannot_be(cli, tmp_path, monkeypatch, arguments, code, text):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "runs" / "a")
    done = cli("export", *arguments)
    assert done.code == code and text in done.err


@pytest.mark.parametrize(("tool", "extra"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow"), ("trackio", "trackio"), ("wandb", "wandb")])
def test_without_the_library(cli, tmp_path, monkeypatch, tool, extra):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "runs" / "a")
    monkeypatch.setattr("archspec.results.export.target.find_spec", lambda name: None)
    done = cli("export", "runs", "--to", tool)
    assert done.code == 1 and f"error[RUN381]: this export needs the package {tool}" in done.err
    assert f"pip install 'archspec-nn[{extra}]'" in done.err
    assert not (tmp_path / "export").exists()
