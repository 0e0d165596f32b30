"""Asynchronous successive halving: most trials end early, the best one does not, and a kill changes nothing."""

import math
import os
import signal
import time
from pathlib import Path

import pytest

from archspec.diagnostics import SpecError
from archspec.sweep.search.asha import Ladder
from archspec.sweep.search.model import Asha
from archspec.sweep.search.ranking import ranking
from tests.sweep.helpers import die, expanded
from tests.sweep.test_search import pause_of, rate_of, search, trained

RATES = [round(0.01 * k, 2) for k in range(1, 28)]


def sweep(epochs=27, asha="{min_epochs: 1, reduction: 3}", trials=27):
    rates = ", ".join(map(str, RATES))
    return (
        f"archspec-sweep: 1\nspec: lenet\nset: {{train.epochs: {epochs}, train.schedule: cosine}}\n"
        f"search: {{trials: {trials}, space: {{train.lr: {{choice: [{rates}]}}}}, prune: {{asha: {asha}}}}}\n"
    )


def curves(command):
    """A larger rate is better at every epoch."""
    rate = rate_of(command)
    return trained(command, lambda epoch: round(rate * (1 - 0.5 / epoch), 6))


def test_rungs():
    assert Ladder.of(Asha(1, 3, None), 27).rungs == (1, 3, 9, 27)
    assert Ladder.of(Asha(1, 3, None), 10).rungs == (1, 3, 9, 10)
    assert Ladder.of(Asha(5, 2, None), 4).rungs == (4,)
    assert Ladder.of(Asha(1, 3, None), 27).expected_epochs(27) == 27 + 9 * 2 + 3 * 6 + 18


def test_a_rung_lets_its_share_go_on():
    ladder = Ladder((1, 3, 9), 3)
    assert ladder.promoted({"a": [0.5], "b": [0.6]}) is None  # one of three goes on
    assert ladder.promoted({"a": [0.5], "b": [0.6], "c": [0.1]}) == "b"
    assert ladder.promoted({"a": [0.5], "b": [0.6], "c": [0.1]}, {"b"}) is None  # it is on its way
    assert ladder.promoted({"a": [0.5], "b": [0.6, 0.7], "c": [0.1]}) is None
    six = {"a": [0.5], "b": [0.6, 0.7], "c": [0.1], "d": [0.2], "e": [0.3], "f": [0.4]}
    assert ladder.promoted(six) == "a"
    assert ladder.promoted({"a": [0.5], "b": [0.5], "c": [0.5]}) == "a"  # of equals the first


def test_higher_rungs_go_first():
    ladder = Ladder((1, 3, 9), 3)
    scores = {"a": [0.9, 0.5], "b": [0.8, 0.7], "c": [0.7, 0.6], **{name: [0.1] for name in "defghijkl"}}
    assert ladder.promoted(scores) == "b"
    assert ladder.promoted(scores | {"b": [0.8, 0.7, 0.7]}) == "d"  # a fourth of twelve at the first rung


def test_what_failed_never_goes_on():
    ladder = Ladder((1, 3), 2)
    assert ladder.promoted({"a": [-math.inf], "b": [-math.inf]}) is None
    assert ladder.promoted({"a": [-math.inf]}, closing=True) is None


def test_at_the_close_the_best_of_each_rung_goes_on():
    ladder = Ladder((1, 3, 9), 3)
    scores = {"a": [0.5], "b": [0.6]}
    assert ladder.promoted(scores, closing=True) == "b"
    assert ladder.promoted({"a": [0.5], "b": [0.6, 0.7]}, closing=True) == "b"
    assert ladder.promoted({"a": [0.5], "b": [0.6, 0.7, 0.8]}, closing=True) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_is_found_with_a_fraction_of_the_epochs(tmp_path, seed):
    queue, began = search(tmp_path, sweep(epochs=9).replace("{trials", f"{{seed: {seed}, trials"), curves)
    rates = [trial.varied["train.lr"] for trial in queue.trials.values()]
    found = ranking(queue)
    assert found.rows[0].varied["train.lr"] == max(rates)
    reached = {rate_of(command): pause_of(command) for command in began if pause_of(command)}  # the last start counts
    total = sum(reached.values())
    assert total == sum(row.epochs for row in found.rows)
    whole = 9 * len(rates)
    assert Ladder((1, 3, 9), 3).expected_epochs(len(rates)) <= total < 0.55 * whole  # asynchronous: some go on too early
    assert {row.epochs for row in found.rows} == {1, 3, 9}
    assert [row.test is not None for row in found.rows] == [True] + [False] * (len(rates) - 1)


def test_one_slot_makes_it_a_function_of_the_seed(tmp_path):
    commands = [[(rate_of(c), pause_of(c)) for c in search(tmp_path / name, sweep(9, trials=9), curves)[1]] for name in "ab"]
    assert commands[0] == commands[1]


def test_each_start_names_its_rung_and_the_whole_schedule(tmp_path):
    _, began = search(tmp_path, sweep(9, trials=4), curves)
    assert {pause_of(c) for c in began} == {1, 3, 9, None}
    assert all("epochs: 9" in Path(c.arguments[1]).read_text() for c in began)  # a cosine over 9 epochs, not over 1


def test_a_trial_that_dies_at_a_later_rung_does_not_win(tmp_path):
    def behaviour(command):
        return die() if pause_of(command) != 1 and rate_of(command) > 0.15 else curves(command)

    queue, _ = search(tmp_path, sweep(9, trials=12), behaviour)
    rows = ranking(queue).rows
    assert rows[0].status == "done"
    assert rows[0].varied["train.lr"] <= 0.15
    assert "killed" in {row.status for row in rows}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("set: {train.epochs: 1}", "ASHA ends no trial: `min_epochs` is 1, the recipe has 1"),
        ("space", "ASHA compares trials after equal epochs, and the recipes have 10 to 20"),
    ],
)
def test_epochs_that_do_not_suit(change, message):
    space = "{recipe: {choice: [null, lenet-06]}}" if change == "space" else "{train.lr: {log_uniform: [0.1, 1]}}"
    line = "description: x" if change == "space" else change
    with pytest.raises(SpecError) as problem:
        expanded(f"archspec-sweep: 1\nspec: lenet\n{line}\nsearch: {{trials: 8, space: {space}, prune: {{asha: {{}}}}}}\n")
    (found,) = problem.value.diagnostics
    assert (found.code, found.message, found.span.line) == ("SWEEP406", message, 4)


def test_the_hint_of_too_few_epochs_works():
    text = (
        "archspec-sweep: 1\nspec: lenet\nSET\nsearch: {trials: 2, space: {train.lr: {log_uniform: [0.1, 1]}}, "
        "prune: {asha: {min_epochs: 30}}}\n"
    )
    with pytest.raises(SpecError) as problem:
        expanded(text.replace("SET", "name: x"))
    hint = problem.value.diagnostics[0].hint
    assert len(expanded(text.replace("SET", hint.split("`")[3])).trials) == 2


def test_a_search_killed_at_any_time_trains_no_rung_twice(tmp_path):
    """Kills of the driver: each result stays, and every rung of a trial is reached once."""
    text = sweep(9, trials=9)
    log = tmp_path / "starts"

    def behaviour(command):
        return (
            f"import os, time; time.sleep(0.03)\n{curves(command)}\n"
            f"open({str(log)!r}, 'a').write('{rate_of(command)} {pause_of(command)}\\n')"
        )

    results = tmp_path / "sweep" / "results"
    for kill in range(6):
        process = os.fork()
        if process == 0:
            try:
                search(tmp_path, text, behaviour)
            finally:
                os._exit(0)
        before = {path: path.stat().st_mtime_ns for path in results.glob("*.json")}
        limit = time.monotonic() + 60
        while {path: path.stat().st_mtime_ns for path in results.glob("*.json")} == before:
            assert time.monotonic() < limit
            time.sleep(0.01)
        time.sleep(0.005 * kill)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    time.sleep(0.3)  # a trial that outlived its driver
    queue, _ = search(tmp_path, text, behaviour)
    finished = log.read_text().splitlines()
    assert len(finished) - len({*finished}) <= 6  # at most what ran at a kill comes again
    at_once, _ = search(tmp_path / "at once", text, curves)
    assert list(queue.trials) == list(at_once.trials)
    assert [(row.id, row.epochs) for row in ranking(queue).rows] == [(row.id, row.epochs) for row in ranking(at_once).rows]
