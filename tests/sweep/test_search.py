"""Searches: what the section means, every mistake at its place, what may start, and how the points are chosen."""

import json
import re
from pathlib import Path

import pytest

from archspec.cli import run as command_line
from archspec.diagnostics import SpecError
from archspec.results.trials import Store
from archspec.sweep.local import Local
from archspec.sweep.read import sweep_text
from archspec.sweep.runner import Runner
from archspec.sweep.search.candidates import Candidates
from archspec.sweep.search.queue import SearchQueue
from archspec.sweep.search.ranking import ranking
from archspec.sweep.search.samplers import sampler_of
from archspec.sweep.search.scores import front
from archspec.sweep.slots import Slots
from tests.sweep.helpers import Pretended, die, expanded, succeed

HEAD = "archspec-sweep: 1\nspec: lenet\nset: {train.epochs: 4}\n"
RATES = "{train.lr: {log_uniform: [0.001, 1]}}"


def mistakes(line):
    with pytest.raises(SpecError) as problem:
        sweep_text(HEAD + line + "\n")
    return [(d.code, d.span.line, d.message) for d in problem.value.diagnostics]


def rate_of(command):
    """The rate of the trial that a command trains."""
    return float(re.search(r"\blr: ([\d.e-]+)", Path(command.arguments[1]).read_text())[1])


def pause_of(command):
    """After how many epochs the trial pauses; None where it trains to its end."""
    found = [a.partition("=")[2] for a in command.arguments if a.startswith("--stop-after-epochs=")]
    return int(found[0]) if found else None


def trained(command, accuracy):
    """A trial of which `accuracy(epoch)` is known; the test set is evaluated only where it is not paused."""
    epochs = pause_of(command) or int(re.search(r"\bepochs: (\d+)", Path(command.arguments[1]).read_text())[1])
    rows = [
        {"epoch": k, "train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1 - accuracy(k), "validation_accuracy": accuracy(k)}
        for k in range(1, epochs + 1)
    ]
    test = None if pause_of(command) else {"loss": 0.5, "accuracy": accuracy(epochs) - 0.01}
    return succeed(epochs=rows, last=rows[-1], best=rows[-1], test=test)


def near(best):
    """Trials whose accuracy falls with the distance of their rate from the best one."""
    from math import log10

    return lambda command: trained(command, lambda epoch: round(0.9 - 0.1 * abs(log10(rate_of(command) / best)) - 0.1 / epoch, 6))


def search(folder, text, behaviour, slots=1):
    """Run what is left of a search; its queue and the commands that were started."""
    sweep = sweep_text(text)
    store, launcher = Store(folder / "sweep"), Pretended(behaviour)
    with store.claimed():
        queue = SearchQueue(Candidates(sweep, "sweep.yaml"), sampler_of(sweep.search), store.folder, lambda trial: store.result(trial.id))
        Runner(store, Local(Slots(({},) * slots, 1), launcher)).run_queue(queue)
    return queue, launcher.began


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("search: 3", "SWEEP401", "`search` must be a mapping, got 3"),
        (f"search: {{space: {RATES}}}", "SWEEP401", "`search` needs `trials`, the number of points to train"),
        ("search: {trials: 2}", "SWEEP401", "`search` needs a `space` to search"),
        ("search: {trials: 2, space: {}}", "SWEEP401", "`search` needs a `space` to search"),
        ("search: {trials: 2, space: {lr: {choice: [1]}}}", "SWEEP401", "a sweep cannot change `lr`"),
        ("search: {trials: 2, space: {train.lr: [1, 2]}}", "SWEEP401", "`train.lr` needs one distribution, got [1, 2]"),
        (f"search: {{trials: 0, space: {RATES}}}", "SWEEP401", "`trials` must be a whole number from 1 to 100,000, got 0"),
        (f"search: {{trials: true, space: {RATES}}}", "SWEEP401", "`trials` must be a whole number from 1 to 100,000, got true"),
        (f"search: {{trials: 2, sampler: tpee, space: {RATES}}}", "SWEEP401", '`sampler` must be random or tpe, got "tpee"'),
        (f"search: {{trials: 2, smapler: tpe, space: {RATES}}}", "SWEEP401", "`search` has no key `smapler`"),
        (f"search: {{trials: 2, space: {RATES}, constraints: {{param: 3}}}}", "SWEEP401", "`constraints` has no key `param`"),
        (f"search: {{trials: 2, space: {RATES}, constraints: {{params: -3}}}}", "SWEEP401", "`params` must be a number from 1 on, got -3"),
        (f"search: {{trials: 2, space: {RATES}, prune: {{asha: {{reduction: 1}}}}}}", "SWEEP401",
         "`reduction` must be a whole number from 2 on, got 1"),
        (f"search: {{trials: 2, space: {RATES}, prune: {{ahsa: {{}}}}}}", "SWEEP401", "`prune` has no key `ahsa`"),
        (f"search: {{trials: 2, space: {RATES}}}\nseeds: 3", "SWEEP406", "a sweep with `search` takes no `seeds`"),
        (f"search: {{trials: 2, space: {RATES}}}\nruns: [{{}}]", "SWEEP406", "a sweep with `search` takes no `runs`"),
        (f"search: {{trials: 2, space: {RATES}, objective: [validation_accuracy, macs], prune: {{asha: {{}}}}}}", "SWEEP406",
         "ASHA ranks trials by one figure, and `objective` has several"),
        ("search: {trials: 2, space: {train.epochs: {choice: [1, 2]}}, prune: {asha: {}}}", "SWEEP406",
         "ASHA compares trials after equal epochs, and `space` varies `train.epochs`"),
    ],
)
def test_mistakes_are_told_at_their_place(line, code, message):
    (found,) = mistakes(line)
    assert (found[0], found[2]) == (code, message)
    assert found[1] == (5 if code == "SWEEP406" and "\n" in line else 4)


def test_the_test_set_is_no_objective():
    with pytest.raises(SpecError) as problem:
        sweep_text(HEAD + f"search: {{trials: 2, space: {RATES}, objective: test_accuracy}}\n")
    assert problem.value.diagnostics[0].hint == "write `validation_accuracy`: only the winner is evaluated on the test set"


@pytest.mark.parametrize("objective", ["[macs]", "macs", "[validation_accuracy, validation_loss]", "[]", "7", "[[1]]", "{a: 1}"])
def test_an_objective_needs_one_figure(objective):
    (found,) = mistakes(f"search: {{trials: 2, space: {RATES}, objective: {objective}}}")
    assert found[2].startswith("`objective` must be validation_accuracy or validation_loss, alone or in a list with")


def test_a_recipe_without_a_validation_set_gets_one():
    found = expanded(HEAD + f"search: {{trials: 3, space: {RATES}}}\n")
    assert [trial.recipe.validation for trial in found.trials] == [0.1] * 3
    assert [trial.data["train"]["validation"] for trial in found.trials] == [0.1] * 3
    named = expanded(HEAD.replace("epochs: 4", "validation: 500") + f"search: {{trials: 1, space: {RATES}}}\n")
    assert named.trials[0].recipe.validation == 500


def test_constraints_and_conditions_rule_points_out_before_anything_starts(tmp_path):
    text = HEAD + (
        "where: $(train.lr < 0.5)\nsearch: {trials: 6, constraints: {params: 70000}, space: {train.lr: {uniform: [0.1, 1]}, "
        "vars.num_classes: {choice: [10, 1000]}}}\n"
    )
    queue, began = search(tmp_path, text, near(0.1))
    assert len(queue.trials) == 6
    assert {trial.varied["vars.num_classes"] for trial in queue.trials.values()} == {10}
    assert all(rate_of(command) < 0.5 for command in began)
    assert queue.unfit > 0
    assert ranking(queue).to_json()["unfit"] == queue.unfit


def test_memory_is_a_constraint():
    text = HEAD + "search: {trials: 4, constraints: {memory_bytes: 3000000}, space: {train.batch_size: {choice: [8, 512]}}}\n"
    assert [trial.recipe.batch_size for trial in expanded(text).trials] == [8]  # the only point that may start


def test_a_point_that_cannot_be_built_is_shown_where_it_is_written():
    found = expanded(HEAD + "search: {trials: 6, space: {stages.pool1: {choice: [{avg_pool2d: 2}, {avg_pool2d: 50}]}}}\n")
    assert len(found.trials) == 1
    assert {(d.code, d.span.line) for invalid in found.invalid for d in invalid.diagnostics} == {("SHAPE101", 4)}


def test_the_test_set_is_touched_by_the_winner_alone(tmp_path):
    queue, began = search(tmp_path, HEAD + f"search: {{trials: 8, space: {RATES}}}\n", near(0.1), slots=2)
    ends = [command for command in began if pause_of(command) is None]
    assert len(began) == 9
    assert [rate_of(command) for command in ends] == [queue.trials[queue.winners()[0]].varied["train.lr"]]
    found = ranking(queue)
    assert [row.test is not None for row in found.rows] == [True] + [False] * 7
    best = max(found.rows, key=lambda row: row.figures["validation_accuracy"])
    assert found.rows[0] is best
    assert queue.finished()


def test_a_loss_is_minimised(tmp_path):
    queue, _ = search(tmp_path, HEAD + f"search: {{trials: 6, objective: validation_loss, space: {RATES}}}\n", near(0.1))
    rows = ranking(queue).rows
    assert rows[0].figures["validation_loss"] == min(row.figures["validation_loss"] for row in rows)


def test_trials_that_fail_do_not_win_and_do_not_end_the_search(tmp_path):
    queue, _ = search(
        tmp_path, HEAD + f"search: {{trials: 6, space: {RATES}}}\n",
        lambda command: die() if rate_of(command) > 0.05 else near(0.1)(command),
    )
    rows = ranking(queue).rows
    assert {row.status for row in rows} == {"done", "paused", "killed"}
    assert rows[0].status == "done"
    assert rows[0].varied["train.lr"] == max(row.varied["train.lr"] for row in rows if row.status != "killed")


def test_several_objectives_give_a_front_and_each_of_it_is_tested(tmp_path):
    def behaviour(command):
        classes = int((re.search(r"num_classes: (\d+)", Path(command.arguments[1]).read_text()) or [0, 10])[1])
        return trained(command, lambda epoch: {10: 0.5, 20: 0.8, 30: 0.7, 40: 0.9}[classes])

    text = HEAD + "search: {trials: 4, objective: [validation_accuracy, macs], space: {vars.num_classes: {choice: [10, 20, 30, 40]}}}\n"
    queue, _ = search(tmp_path, text, behaviour)
    found = {row.varied["vars.num_classes"]: (row.winner, row.test is not None) for row in ranking(queue).rows}
    assert found == {10: (True, True), 20: (True, True), 30: (False, False), 40: (True, True)}


def test_a_front():
    assert front({"a": (1, -5), "b": (2, -9), "c": (1, -6), "d": (2, -9), "e": (0, -5)}) == ["a", "b", "d"]
    assert front({"a": (0.5,), "b": (0.7,), "c": (0.7,)}) == ["b"]
    assert front({}) == []


def test_a_repeated_search_trains_nothing_and_a_longer_one_the_rest(tmp_path):
    text = HEAD + f"search: {{trials: 5, space: {RATES}}}\n"
    first, began = search(tmp_path, text, near(0.1))
    again, none = search(tmp_path, text, near(0.1))
    assert (len(began), none) == (6, [])
    assert ranking(again) == ranking(first)
    longer, more = search(tmp_path, text.replace("trials: 5", "trials: 9"), near(0.1))
    assert list(longer.trials)[:5] == list(first.trials)
    assert 4 <= len(more) <= 5  # and the winner, if it is another one


def test_another_space_begins_a_new_list_of_points_and_keeps_the_results(tmp_path):
    text = HEAD + "search: {trials: 2, space: {train.lr: {choice: [0.1, 0.2]}}}\n"
    search(tmp_path, text, near(0.1))
    queue, began = search(tmp_path, text.replace("[0.1, 0.2]", "[0.1, 0.2, 0.4]").replace("trials: 2", "trials: 3"), near(0.1))
    assert {rate_of(command) for command in began} == {0.4}
    assert len(queue.results) == 3


def test_a_list_of_points_that_is_torn_is_made_anew(tmp_path):
    text = HEAD + f"search: {{trials: 3, space: {RATES}}}\n"
    search(tmp_path, text, near(0.1))
    path = tmp_path / "sweep" / "search.json"
    path.write_text(path.read_text()[:-20])
    _, began = search(tmp_path, text, near(0.1))
    assert began == []  # the same points again, and they have their results


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_space_with_fewer_points_than_trials_ends(tmp_path, sampler):
    if sampler == "tpe":
        pytest.importorskip("optuna")
    text = HEAD + f"search: {{sampler: {sampler}, trials: 500, space: {{train.lr: {{choice: [0.1, 0.2, 0.4]}}}}}}\n"
    queue, began = search(tmp_path, text, near(0.1))
    assert (len(queue.trials), len(began), queue.finished()) == (3, 4, True)
    assert len(json.loads((tmp_path / "sweep" / "search.json").read_text())["points"]) < 150
    assert search(tmp_path, text, near(0.1))[1] == []


def test_no_point_is_left():
    with pytest.raises(SpecError) as problem:
        expanded(HEAD + f"search: {{trials: 2, space: {RATES}, constraints: {{params: 1000, macs: 10}}}}\n")
    (found,) = problem.value.diagnostics
    assert (found.code, found.span.line) == ("SWEEP408", 4)
    assert [note.rpartition(",")[0][:22] for note in found.notes] == ["the nearest one has 61", "the nearest one has 41"]


# -- tpe -------------------------------------------------------------------------------------------------------


def asked(folder, trials, **options):
    queue, began = search(folder, HEAD + f"search: {{sampler: tpe, trials: {trials}, seed: 3, space: {RATES}}}\n", near(0.03), **options)
    return [trial.varied["train.lr"] for trial in queue.trials.values()], began


def test_tpe_goes_where_it_was_good_and_is_a_function_of_its_seed(tmp_path):
    pytest.importorskip("optuna")
    rates, _ = asked(tmp_path / "one", 20)
    assert asked(tmp_path / "two", 20)[0] == rates
    chance = [0.003 < rate < 0.3 for rate in rates[:10]]
    chosen = [0.003 < rate < 0.3 for rate in rates[10:]]
    assert sum(chosen) > sum(chance)


def test_tpe_goes_on_after_it_was_stopped(tmp_path):
    pytest.importorskip("optuna")
    rates, _ = asked(tmp_path, 8)
    more, began = asked(tmp_path, 14)
    assert more[:8] == rates
    assert 6 <= len(began) <= 7
    assert more == asked(tmp_path / "at once", 14)[0]


def test_tpe_learns_what_may_not_start(tmp_path):
    pytest.importorskip("optuna")
    text = HEAD + (
        "search: {sampler: tpe, trials: 16, constraints: {params: 70000}, "
        "space: {vars.num_classes: {uniform: [2, 400], whole: true}}}\n"
    )
    queue, _ = search(tmp_path, text, lambda command: trained(command, lambda epoch: 0.5))
    values = [point["vars.num_classes"] for point in json.loads((tmp_path / "sweep" / "search.json").read_text())["points"]]
    fits = {trial.varied["vars.num_classes"] for trial in queue.trials.values()}
    assert len(fits) == 16
    late = values[len(values) // 2:]
    assert sum(value in fits for value in late) / len(late) > sum(value in fits for value in values) / len(values)


def test_tpe_takes_stages_as_choices_and_several_objectives(tmp_path):
    pytest.importorskip("optuna")
    text = HEAD + (
        "search: {sampler: tpe, trials: 12, objective: [validation_accuracy, macs], "
        "space: {stages.pool1: {choice: [{avg_pool2d: 2}, {max_pool2d: 2}]}, train.lr: {uniform: [0.1, 1]}}}\n"
    )
    queue, _ = search(tmp_path, text, lambda command: die() if rate_of(command) > 0.8 else near(0.1)(command))
    assert len(queue.trials) == 12
    assert queue.winners()


def test_without_optuna_the_extra_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + f"search: {{sampler: tpe, trials: 2, space: {RATES}}}\n")
    assert command_line(["validate", str(path)]) == 0
    assert command_line(["sweep", str(path), "--dir", str(tmp_path / "out"), "--device", "cpu"]) == 1
    assert "pip install 'archspec-nn[search]'" in capsys.readouterr().err
