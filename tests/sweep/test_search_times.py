"""`milliseconds` in a search: measured once for each network, before a trial starts; kept for the next start."""

import json

import pytest

from archspec.diagnostics import SpecError, error
from archspec.results.trials import Store
from archspec.sweep.local import Local
from archspec.sweep.read import sweep_text
from archspec.sweep.runner import Runner
from archspec.sweep.search.candidates import Candidates
from archspec.sweep.search.costs import Costs
from archspec.sweep.search.queue import SearchQueue
from archspec.sweep.search.ranking import ranking
from archspec.sweep.search.samplers import sampler_of
from archspec.sweep.search.times import Times
from archspec.sweep.slots import Slots
from tests.sweep.helpers import Pretended, expanded
from tests.sweep.test_search import near

HEAD = "archspec-sweep: 1\nspec: lenet\nset: {train.epochs: 4}\n"
SPACE = "space: {train.lr: {uniform: [0.1, 1]}, vars.num_classes: {choice: [10, 20, 1000]}}"


class Stopwatch:
    """Gives a network of n outputs n / 10 ms, and remembers whom it timed."""

    def __init__(self):
        self.timed = []

    def __call__(self, trial):
        self.timed.append(trial.loaded.report.output_shape[0])
        return self.timed[-1] / 10


def searched(folder, text, stopwatch, threads=1):
    sweep, store, launcher = sweep_text(text), Store(folder / "sweep"), Pretended(near(0.1))
    with store.claimed():
        costs = Costs(Times(store.folder, "cpu", threads, stopwatch))
        queue = SearchQueue(Candidates(sweep, "s.yaml", costs), sampler_of(sweep.search), store.folder, lambda trial: store.result(trial.id))
        Runner(store, Local(Slots(({},), 1), launcher)).run_queue(queue)
    return queue, launcher.began


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_network_that_is_too_slow_never_starts(tmp_path, sampler):
    if sampler == "tpe":
        pytest.importorskip("optuna")
    watch = Stopwatch()
    text = HEAD + f"search: {{sampler: {sampler}, trials: 6, constraints: {{milliseconds: 2.5}}, {SPACE}}}\n"
    queue, began = searched(tmp_path, text, watch)
    assert {trial.varied["vars.num_classes"] for trial in queue.trials.values()} == {10, 20}
    assert len(queue.trials) == 6
    assert queue.unfit > 0
    assert sorted(watch.timed) == [10, 20, 1000]  # once each
    assert len(began) == 7  # and the winner's test


def test_what_is_known_without_measuring_goes_first(tmp_path):
    watch = Stopwatch()
    text = HEAD + f"search: {{trials: 4, constraints: {{milliseconds: 1.5, params: 70000}}, {SPACE}}}\n"
    queue, _ = searched(tmp_path, text, watch)
    assert {trial.varied["vars.num_classes"] for trial in queue.trials.values()} == {10}
    assert 1000 not in watch.timed


def test_a_search_that_goes_on_measures_nothing_again(tmp_path):
    text = HEAD + f"search: {{trials: %d, constraints: {{milliseconds: 2.5}}, {SPACE}}}\n"
    first, _ = searched(tmp_path, text % 3, Stopwatch())
    again = Stopwatch()
    second, _ = searched(tmp_path, text % 6, again)
    assert [*second.trials][:3] == [*first.trials]
    assert not {*again.timed} & {t.loaded.report.output_shape[0] for t in first.trials.values()}
    other = Stopwatch()
    searched(tmp_path, text % 6, other, threads=2)
    assert {*other.timed} >= {10, 20}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 1}', '{"format": 1, "milliseconds": 3}'])
def test_a_file_of_times_that_is_broken_is_measured_anew(tmp_path, content):
    (tmp_path / "times.json").write_text(content)
    (trial,) = expanded("archspec-sweep: 1\nspec: lenet\n").trials
    assert Times(tmp_path, "cpu", 1, lambda trial: 3.0).of(trial) == 3.0
    assert Times(tmp_path, "cpu", 1, lambda trial: pytest.fail("measured")).of(trial) == 3.0


def test_accuracy_against_milliseconds(tmp_path):
    text = HEAD + f"search: {{trials: 6, objective: [validation_accuracy, milliseconds], {SPACE}}}\n"
    queue, _ = searched(tmp_path, text, Stopwatch())
    found = ranking(queue)
    assert {row.figures["milliseconds"] for row in found.rows} == {
        trial.loaded.report.output_shape[0] / 10 for trial in queue.trials.values()
    }
    fastest = min(row.figures["milliseconds"] for row in found.rows)
    assert any(row.winner and row.figures["milliseconds"] == fastest for row in found.rows)
    assert "1 milliseconds" in found.text()


def test_a_network_that_cannot_run_here_is_not_ruled_out_by_its_time(tmp_path):
    def refuse(trial):
        raise error("BUILD201", "it does not fit")

    (trial,) = expanded("archspec-sweep: 1\nspec: lenet\n").trials
    costs = Costs(Times(tmp_path, "cpu", 1, refuse))
    assert costs.of(trial, "milliseconds") is None
    assert costs.excess(trial, {"milliseconds": 1.0}) == {}


def test_a_real_measurement(tmp_path):
    (trial,) = expanded("archspec-sweep: 1\nspec: lenet\n").trials
    times = Times(tmp_path, "cpu", 1)
    assert 0 < times.of(trial) < 10_000
    assert json.loads((tmp_path / "times.json").read_text())["device"] == times.device


@pytest.mark.parametrize("value", ["0", "-1", "fast", "true"])
def test_mistakes_of_the_constraint(value):
    with pytest.raises(SpecError) as problem:
        sweep_text(HEAD + f"search: {{trials: 1, constraints: {{milliseconds: {value}}}, {SPACE}}}\n")
    assert "`milliseconds` must be a number above 0" in problem.value.diagnostics[0].message


def test_a_dry_run_and_validate_measure_nothing():
    text = HEAD + f"search: {{trials: 4, constraints: {{milliseconds: 0.000001}}, {SPACE}}}\n"
    assert len(expanded(text).trials) == 4
