"""`archspec report`: from folders of runs and sweeps to a page."""

import json
import re
from pathlib import Path

import pytest

import archspec.cli.report as command
from archspec.results.report.reader import Reader
from tests.cli.conftest import Cli
from tests.results.helpers import make_run


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', Path(path).read_text(), re.DOTALL)[1])


def make_sweep(folder):
    """Two finished trials, one that was killed within its run, one that never became a run."""
    for k, trial in enumerate(("a" * 16, "b" * 16, "c" * 16)):
        make_run(folder / "trials" / trial, lr=0.1, seed=k, finished=k < 2)
    (folder / "specs").mkdir()
    (folder / "results").mkdir()
    for trial in ("a" * 16, "b" * 16, "c" * 16, "d" * 16):
        text = (folder / "trials" / ("a" * 16) / "spec.yaml").read_text()
        (folder / "specs" / f"{trial}.yaml").write_text(text.replace("seed: 0", f"seed: {ord(trial[0]) - ord('a')}"))
        failed = trial[0] in "cd"
        result = {
            "id": trial, "variant": "net", "varied": {}, "seed": ord(trial[0]) - ord("a"), "status": "failed" if failed else "done",
            "reason": "error[RUN310]: the loss is not finite at step 7 (nan)" if failed else "", "summary": None, "params": 1, "macs": 1, "seconds": 1.0, "format": 1,
        }
        (folder / "results" / f"{trial}.json").write_text(json.dumps(result))


def test_a_page_of_runs(cli: Cli):
    for k, lr in enumerate((0.1, 0.1, 0.3)):
        make_run(Path("runs") / str(k), lr=lr, seed=k)
    done = cli("report", "runs", "-o", "page.html")
    assert done.code == 0, done.err
    assert done.out == "page.html\n" and done.err.strip().endswith("KB of 3 runs")
    data = data_of("page.html")
    assert (data["title"], data["reload"], data["folder"]) == ("runs", 0, "runs")
    assert [(group["values"]) for group in data["groups"]] == [[0.1], [0.3]]
    assert {path.name for path in Path().iterdir()} == {"runs", "page.html"}


def test_trials_that_failed_are_rows_with_their_reason(cli: Cli):
    make_sweep(Path("runs/sweep-x"))
    assert cli("report", "runs/sweep-x").code == 0
    data = data_of("report.html")
    assert data["runs"]["status"] == ["finished", "finished", "failed", "failed"]
    reasons = [data["runs"]["diagnosis"]["texts"][k] for k in data["runs"]["diagnosis"]["of"]]
    assert reasons == ["", "", "RUN310 the loss is not finite", "RUN310 the loss is not finite"]
    assert data["runs"]["seed"] == [0, 1, 2, 3] and data["runs"]["path"][3] == "d" * 16


def test_a_sweeps_file_means_its_folder(cli: Cli):
    Path("sweep.yaml").write_text("archspec-sweep: 1\nname: x\nspec: lenet\ngrid: {train.lr: [0.1, 0.2]}\n")
    done = cli("report", "sweep.yaml")
    assert done.code == 2 and "has no folder runs/sweep-x yet" in done.err and "archspec sweep sweep.yaml" in done.err
    make_sweep(Path("runs/sweep-x"))
    assert cli("report", "sweep.yaml").code == 0 and len(data_of("report.html")["runs"]["seed"]) == 4


@pytest.mark.parametrize(("arguments", "text"), [
    (["nowhere"], "nowhere is neither a folder of runs nor a sweep's file"),
    (["empty"], "there is no run in empty"),
    (["empty", "--by", "test_acuracy"], "a similar name exists: test_accuracy"),
])
def test_mistakes(cli: Cli, arguments, text):
    Path("empty").mkdir()
    done = cli("report", *arguments)
    assert done.code == 2 and text in " ".join(done.err.split())
    assert not Path("report.html").exists()


def test_a_page_that_cannot_be_written(cli: Cli):
    make_run(Path("run"))
    done = cli("report", "run", "-o", "nowhere/page.html")
    assert done.code == 1 and "error[RUN313]: the page could not be written to nowhere/page.html" in done.err


def test_a_reader_reads_again_only_what_has_changed(monkeypatch):
    import archspec.results.report.reader as module

    seen = []
    real = module.read_record
    monkeypatch.setattr(module, "read_record", lambda folder: seen.append(folder.name) or real(folder))
    for k in range(3):
        make_run(Path("runs") / str(k), seed=k)
    reader = Reader([Path("runs"), Path("runs/0")])
    assert len(reader.records()) == 3 and reader.changed and seen == ["0", "1", "2"]
    assert len(reader.records()) == 3 and not reader.changed and len(seen) == 3
    (Path("runs/1/metrics.jsonl")).write_text("")
    make_run(Path("runs/3"), seed=3)
    assert len(reader.records()) == 4 and reader.changed and seen[3:] == ["1", "3"]


def test_watching(cli: Cli, monkeypatch):
    """The page follows the runs; after Ctrl-C it no longer reloads."""
    pages = []

    def sleep(seconds):
        pages.append(data_of("report.html") | {"written": Path("report.html").stat().st_ino})
        if len(pages) == 1:
            make_run(Path("runs/0"))
        elif len(pages) == 3:
            raise KeyboardInterrupt

    Path("runs").mkdir()
    monkeypatch.setattr(command.time, "sleep", sleep)
    done = cli("report", "runs", "--watch")
    assert done.code == 0, done.err
    assert [len(page["runs"]["seed"]) for page in pages] == [0, 1, 1] and all(page["reload"] for page in pages)
    assert pages[1]["written"] == pages[2]["written"]  # nothing had changed
    assert data_of("report.html")["reload"] == 0
