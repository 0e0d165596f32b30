"""`archspec sweep`: one real sweep of a tiny network, and what the command does around its trials."""

import json
import os
import shutil
import signal
import threading

import pytest

from archspec.cli.train import command as train
from archspec.sweep.trial import Forked
from tests.cli.conftest import swept_folder
from tests.sweep.helpers import Pretended, succeed, wait

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 1, batch_size: 32}
recipes:
  fast: {lr: 0.5}
"""
SWEEP = """\
archspec-sweep: 1
spec: tiny.yaml
grid: {train.lr: [0.1, 1.0e+30]}
seeds: 2
limit_train: 200
limit_test: 100
"""
OPTIONS = ("--device=cpu", "--jobs=1", "--threads=1")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder in which the sweep has run for real."""
    return swept_folder(tmp_path_factory, SPEC, SWEEP, OPTIONS)


@pytest.fixture
def again(swept, monkeypatch):
    """The folder again, and what would be trained in it now."""
    monkeypatch.chdir(swept)
    launcher = Pretended()
    monkeypatch.setattr(Forked, "start", lambda self, command: launcher.start(command))
    return launcher


@pytest.fixture
def kept(swept):
    """The results as the real sweep left them, whatever a test adds."""
    folder = swept / "runs" / "sweep-s"
    kept = {path: path.read_bytes() for path in [*folder.glob("results/*"), folder / "trials.json"]}
    yield
    for path in folder.glob("results/*"):
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with spec and sweep in which nothing has run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "s.yaml").write_text(SWEEP)
    return tmp_path


def test_every_trial_is_trained_and_a_diverging_one_is_a_row_with_its_code(swept):
    printed = json.loads((swept / "printed.json").read_text())
    assert printed["code"] == 1
    assert [line.partition("]")[0] for line in printed["err"].splitlines()] == ["[1/4", "[2/4", "[3/4", "[4/4"]
    found = json.loads(printed["out"])
    assert (found["varied"], found["missing"]) == (["train.lr"], [])
    good, bad = found["groups"]
    assert (good["values"], good["seeds"], good["finished"], good["diagnosis"]) == ({"train.lr": 0.1}, [0, 1], 2, "")
    assert (bad["values"], bad["n"], bad["finished"]) == ({"train.lr": 1e30}, 2, 0)
    assert bad["diagnosis"].startswith("RUN310 ")
    assert [trial["status"] for trial in found["trials"]] == ["done", "done", "failed", "failed"]
    accuracies = [trial["summary"]["last"]["test_accuracy"] for trial in found["trials"][:2]]
    assert good["figures"]["test_accuracy"]["mean"] == pytest.approx(sum(accuracies) / 2)
    runs = [swept / run for run in good["runs"]]
    assert all((run / "weights.safetensors").is_file() and (run / "curves.svg").is_file() for run in runs)


def test_no_time_goes_into_trials_of_advice(swept):
    """A trial that dies is a row of a table: its advice can be tried later, by `archspec diagnose`."""
    bad = [json.loads(path.read_text()) for path in swept.glob("runs/sweep-s/trials/*/findings.json")]
    findings = [finding for found in bad for finding in found["findings"]]
    assert findings
    assert [finding["trials"] for finding in findings] == [[]] * len(findings)


def test_a_repeated_sweep_runs_nothing_and_shows_the_table(cli, again):
    done = cli("sweep", "s.yaml", *OPTIONS)
    assert again.began == []
    assert (done.code, done.err) == (1, "")
    assert "RUN310" in done.out
    assert "best by test acc: lr 0.1: 0." in done.out
    assert "2 of 4 runs did not finish" in done.out


def test_compare_tells_the_same_of_the_folder_in_the_same_order(cli, again):
    shown = cli("sweep", "s.yaml", "--json", *OPTIONS)
    compared = cli("compare", "runs/sweep-s", "--json")
    keys = ("values", "n", "finished", "figures", "verdict", "diagnosis")
    groups = [[{key: g[key] for key in keys} for g in json.loads(done.out)["groups"]] for done in (shown, compared)]
    assert groups[0] == groups[1]
    assert compared.code == 0


def test_a_changed_file_runs_what_is_new(cli, again, swept, kept):
    (swept / "more.yaml").write_text(SWEEP.replace("1.0e+30", "0.2").replace("seeds: 2", "seeds: 3"))
    cli("sweep", "more.yaml", "--dir", "runs/sweep-s", *OPTIONS)
    assert len(again.began) == 4  # seed 2 of the old rate, three seeds of the new one


def test_retry_runs_what_failed(cli, again, kept):
    done = cli("sweep", "s.yaml", "--retry", *OPTIONS)
    assert len(again.began) == 2
    assert (done.code, done.err.count("loss 0.5")) == (0, 2)


def test_a_dry_run_counts_and_predicts_and_leaves_nothing(cli, work):
    done = cli("sweep", "s.yaml", "--dry-run", "--json", *OPTIONS)
    found = json.loads(done.out)
    assert (done.code, found["format"], found["invalid"], found["at_once"]) == (0, 1, 0, 1)
    assert [(trial["seed"], trial["done"], trial["steps"]) for trial in found["trials"]] == [
        (seed, False, 7) for seed in (0, 1, 0, 1)  # 200 images in batches of 32
    ]
    trained = sum(trial["seconds"] for trial in found["trials"])
    assert found["start_seconds"] > 0
    assert found["seconds"] >= (trained + 4 * found["start_seconds"]) * (1 - 1e-9)
    assert found["trials"][0]["forward_macs"] == 200 * (64 * 8 + 8 * 10)
    assert sorted(path.name for path in work.iterdir()) == ["s.yaml", "tiny.yaml"]


def test_recipes_and_seeds_are_a_sweep_without_a_file(cli, work, no_start):
    found = json.loads(cli("sweep", "tiny.yaml", "--recipes", "--seeds", "3,5", "--dry-run", "--json", *OPTIONS).out)
    assert [(trial["varied"], trial["seed"]) for trial in found["trials"]] == [
        ({}, 3), ({}, 5), ({"recipe": "fast"}, 3), ({"recipe": "fast"}, 5),
    ]


def test_a_combination_that_is_invalid_is_told_and_the_rest_is_planned(cli, work, no_start):
    (work / "s.yaml").write_text(SWEEP.replace("1.0e+30", "-1"))
    done = cli("sweep", "s.yaml", "--dry-run", *OPTIONS)
    assert done.code == 1
    assert "s.yaml:3:24" in done.err
    assert done.out.startswith("2 trials, 0 done; 1 combination cannot be trained\n")


@pytest.mark.parametrize(
    ("argument", "code", "said"),
    [
        ("tiny.yaml", 1, "error[SWEEP401]: this is a spec, not a sweep"),
        ("tiny.yaml", 1, "`archspec sweep tiny.yaml --recipes`"),
        ("lenet", 2, "archspec sweep lenet --recipes"),
        ("nothing.yaml", 1, "error[SPEC001]: nothing.yaml: no such file"),
    ],
)
def test_a_wrong_argument_is_answered_with_what_to_write(cli, work, argument, code, said):
    done = cli("sweep", argument)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not (work / "runs").exists()


def test_a_command_for_specs_says_what_a_sweep_is(cli, work):
    done = cli("train", "s.yaml")
    assert done.code == 1
    assert done.err.startswith("error[SPEC012]: this is a sweep, not a spec\n")
    assert done.err.count("error") == 1


def test_help_after_the_file_is_shown(cli, work):
    assert cli("sweep", "s.yaml", "--help").out.startswith("Usage: archspec sweep")


def test_ctrl_c_stops_the_trials_and_the_same_command_goes_on(cli, work, monkeypatch):
    began = threading.Event()
    launcher = Pretended(lambda command: wait())

    def start(self, command):
        began.set()
        return launcher.start(command)

    def interrupt():
        began.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Forked, "start", start)
    thread = threading.Thread(target=interrupt)
    thread.start()
    done = cli("sweep", "s.yaml", *OPTIONS)
    thread.join()
    assert done.code == 130
    assert "stopped: 4 trials left; the same command continues" in done.err
    assert len(launcher.began) == 1
    launcher.behaviour = lambda command: succeed()
    assert cli("sweep", "s.yaml", *OPTIONS).code == 0
    assert len(launcher.began) == 5


def test_what_no_trial_can_have_is_refused_before_any_starts(cli, work, monkeypatch):
    monkeypatch.setattr(Forked, "start", lambda self, command: pytest.fail("a trial was started"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = cli("sweep", "s.yaml", "--device=cuda")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[BUILD202]: there is no device cuda")
    assert cli("sweep", "s.yaml", "--precision=fp3").code == 2
    assert not list(work.glob("runs/*/results/*"))


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], ["--no-trials"]),
        (["--trials"], ["--trials"]),
        (["--channels-last", "--tune"], ["--no-trials", "--channels-last", "--tune"]),
        (["--no-channels-last", "--precision", "bf16"], ["--no-trials", "--precision=bf16", "--no-channels-last"]),
        (["--compile", "--no-own-kernels"], ["--no-trials", "--no-own-kernels", "--compile"]),
        (["--deterministic", "--no-cuda-graphs"], ["--no-trials", "--no-cuda-graphs", "--deterministic"]),
    ],
)
def test_options_of_train_reach_every_trial(cli, work, monkeypatch, given, passed):
    launcher = Pretended()
    monkeypatch.setattr(Forked, "start", lambda self, command: launcher.start(command))
    assert cli("sweep", "s.yaml", *OPTIONS, *given).code == 0
    assert len(launcher.began) == 4
    for command in launcher.began:
        assert command.arguments[-len(passed) - 1 :] == ["--device=cpu", *passed]
        context = train.make_context("train", list(command.arguments[1:]))  # `archspec train` takes them
        assert context.params["trials"] is ("--trials" in given)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (["--tune", "--deterministic"], 2, "tune without --deterministic"),
        (["--tune", "--devices-per-trial=2"], 2, "leave --tune out"),
        (["--cuda-graphs"], 1, "error[RUN320]: a CPU has no CUDA graphs"),
        (["--precision=tf32"], 1, "error[RUN320]: a CPU does not support tf32"),
    ],
)
def test_settings_that_fit_no_trial_are_refused_before_any_starts(cli, work, monkeypatch, given, code, said):
    monkeypatch.setattr(Forked, "start", lambda self, command: pytest.fail("a trial was started"))
    done = cli("sweep", "s.yaml", *OPTIONS, *given)
    assert (done.code, done.out) == (code, "")
    assert said in " ".join(done.err.split())


def test_a_sweep_stopped_before_its_first_result_says_so(cli, work, monkeypatch):
    monkeypatch.setattr("archspec.cli.sweep._run", lambda *arguments: True)
    done = cli("sweep", "s.yaml", *OPTIONS)
    assert (done.code, done.out.splitlines()[0]) == (130, "no trial has a result yet")


def test_a_folder_that_is_not_its_trials_is_left_and_the_trial_runs_beside_it(cli, again, swept, kept):
    """Real run folders: the two that are done, each with the other's run in it."""
    trials = swept / "runs" / "sweep-s" / "trials"
    found = json.loads(json.loads((swept / "printed.json").read_text())["out"])["trials"]
    first, second = (trial["id"] for trial in found if trial["status"] == "done")
    (trials / first).rename(trials / "aside")
    shutil.copytree(trials / second, trials / first)
    try:
        before = {path: path.read_bytes() for path in trials.glob("*/*") if path.is_file()}
        done = cli("sweep", "s.yaml", *OPTIONS)
        assert {path: path.read_bytes() for path in before} == before
    finally:
        shutil.rmtree(trials / first)
        (trials / "aside").rename(trials / first)
    assert done.err.startswith(f"warning[SWEEP415]: {trials.relative_to(swept) / first} is not the run of trial {first}\n")
    assert "its seed is 1, not 0" in done.err
    assert [command.arguments[1:4:2] for command in again.began] == [
        [str(trials.relative_to(swept).parent / "specs" / f"{first}.yaml"), str(trials.relative_to(swept) / f"{first}-2")],
    ]


def test_an_empty_name_is_a_mistake_of_the_command_line(cli):
    done = cli("sweep", "")
    assert (done.code, done.out) == (2, "") and "the path is empty" in done.err
