"""The local engine: whatever becomes of a trial, the sweep goes on, and no result is lost or made twice."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from archspec.diagnostics import SpecError
from archspec.results.trials import Store
from archspec.sweep.local import Local
from archspec.sweep.runner import Runner
from archspec.sweep.slots import Slots, core_count, cpu_slots
from tests.sweep.helpers import SUMMARY, Pretended, begun, die, expanded, fail, succeed, wait

SWEEP = "archspec-sweep: 1\nspec: lenet\nset: {train.data: digits}\ngrid: {train.lr: [0.1, 0.2, 0.3, 0.4]}\n"
TWO = Slots(({}, {}), 1)


def rate_of(command):
    """The rate of the trial that a command trains."""
    text = Path(command.arguments[1]).read_text()
    return re.search(r"\blr: ([\d.]+)", text)[1]


def run(tmp_path, behaviour=None, trials=None, **options):
    store, launcher, results = Store(tmp_path / "sweep"), Pretended(behaviour), []
    trials = expanded(SWEEP).trials if trials is None else trials
    with store.claimed():
        Runner(store, Local(TWO, launcher), on_result=results.append, **options).run(trials)
    return store, launcher, results


def test_each_trial_trains_its_own_spec_with_the_given_options(tmp_path):
    store, launcher, results = run(tmp_path, options=["--precision=bf16"])
    trials = expanded(SWEEP).trials
    assert [rate_of(command) for command in launcher.began] == ["0.1", "0.2", "0.3", "0.4"]
    command = launcher.began[0]
    assert command.arguments[0] == "train"
    assert command.arguments[2:] == [
        "--run-dir", str(tmp_path / "sweep" / "trials" / trials[0].id), "--json", "--threads=1", "--precision=bf16",
    ]
    assert {result.status for result in results} == {"done"}
    saved = store.results(trial.id for trial in trials)
    assert [(r.varied, r.summary["last"], r.params) for r in saved.values()] == [
        (dict(trial.varied), SUMMARY["last"], 61706) for trial in trials
    ]


def test_what_goes_wrong_in_one_trial_is_its_row(tmp_path):
    ends = {
        "0.1": die(), "0.2": fail("error[RUN310]: the gradient is not finite\n  = hint: lower it"),
        "0.3": fail("Traceback (most recent call last):\nValueError: oh", 70), "0.4": "print('no JSON')",
    }
    _, _, results = run(tmp_path, lambda command: ends[rate_of(command)])
    found = {result.varied["train.lr"]: (result.status, result.reason) for result in results}
    assert found == {
        0.1: ("killed", "killed by SIGKILL, most likely because memory ran out"),
        0.2: ("failed", "error[RUN310]: the gradient is not finite"),
        0.3: ("failed", "ValueError: oh"),
        0.4: ("failed", "it ended without a message"),
    }


def test_a_stop_ends_what_runs_and_begins_no_more(tmp_path):
    started = []
    store, launcher, results = run(
        tmp_path, lambda command: started.append(command) or wait(), stopped=lambda: len(started) == 2,
    )
    assert len(launcher.began) == 2
    assert [result.status for result in results] == ["stopped", "stopped"]
    assert store.results(trial.id for trial in expanded(SWEEP).trials) == {}


def test_a_training_that_was_begun_is_resumed(tmp_path):
    trials = expanded(SWEEP).trials[:2]
    store = Store(tmp_path / "sweep")
    with store.claimed():
        store.write_spec(trials[0])
    begun(store, trials[0])
    killed = store.folder / "trials" / trials[1].id
    killed.mkdir()
    (killed / "environment.json").write_text("x")
    _, launcher, _ = run(tmp_path, trials=trials, options=["--tune", "--precision=bf16"])
    assert [command.arguments[-2:] for command in launcher.began] == [
        ["--threads=1", "--precision=bf16"], ["--tune", "--precision=bf16"],  # what goes on keeps its settings
    ]
    ways = [command.arguments[1:4] for command in launcher.began]
    assert ways[0][:2] == ["--resume", str(store.folder / "trials" / trials[0].id)]
    assert ways[1][1:] == ["--run-dir", str(store.folder / "trials" / f"{trials[1].id}-2")]  # nothing to go on from


def test_one_process_at_a_time_runs_a_sweep(tmp_path):
    store = Store(tmp_path / "sweep")
    with store.claimed(), pytest.raises(SpecError, match="another process runs trials"), store.claimed():
        pass


def test_a_damaged_result_counts_as_none(tmp_path):
    store, _, _ = run(tmp_path)
    trials = [trial.id for trial in expanded(SWEEP).trials]
    paths = [store.folder / "results" / f"{trial}.json" for trial in trials]
    paths[0].write_text(paths[0].read_text()[:40])
    paths[1].write_text(json.dumps(json.loads(paths[2].read_text())))  # another trial's
    assert list(store.results(trials)) == trials[2:]


def test_slots_use_each_core_once():
    cores = core_count()
    assert cpu_slots(1, None, None).threads == cores
    many = cpu_slots(1000, None, None)
    assert len(many.environments) * many.threads == cores
    assert len(cpu_slots(1000, 3, None).environments) == 3
    assert len(cpu_slots(1000, None, cores).environments) == 1


def drive(folder, trials):
    """Another process that runs what has no result yet; its number."""
    process = os.fork()
    if process == 0:
        try:
            store = Store(folder)
            with store.claimed():
                known = store.results(trial.id for trial in trials)
                launcher = Pretended(lambda command: f"import time; time.sleep(0.05); {succeed()}")
                Runner(store, Local(TWO, launcher)).run([trial for trial in trials if trial.id not in known])
        finally:
            os._exit(0)
    return process


def results_of(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "results").glob("*.json")}


def test_a_driver_killed_at_any_time_loses_no_result_and_makes_none_twice(tmp_path):
    """20 kills: what had a result keeps it, untouched, and the rest comes with the next start."""
    rates = ", ".join(str(k / 100) for k in range(1, 61))
    trials = expanded(f"archspec-sweep: 1\nspec: lenet\ngrid: {{train.lr: [{rates}]}}\n").trials
    kept = {}
    for kill in range(20):
        process = drive(tmp_path, trials)
        limit = time.monotonic() + 60
        while len(results_of(tmp_path)) < len(kept) + 1 + kill % 2:
            assert time.monotonic() < limit
            time.sleep(0.01)
        time.sleep(0.003 * kill)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        now = results_of(tmp_path)
        assert kept.items() <= now.items()
        kept = now
    assert 20 <= len(kept) < 60
    os.waitpid(drive(tmp_path, trials), 0)
    now = results_of(tmp_path)
    assert len(now) == 60
    assert kept.items() <= now.items()
    assert len(Store(tmp_path).results(trial.id for trial in trials)) == 60


def test_a_trial_that_is_stopped_before_it_can_save_has_no_result(tmp_path):
    """SIGTERM ends a process that is still importing."""
    started = []
    store, _, results = run(
        tmp_path, lambda command: started.append(command) or "import time; time.sleep(60)",
        stopped=lambda: bool(started),
    )
    assert {result.status for result in results} == {"stopped"}
    assert store.results(trial.id for trial in expanded(SWEEP).trials) == {}
