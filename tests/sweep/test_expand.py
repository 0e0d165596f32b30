"""Trials: every combination, checked, with an identity that only what matters changes."""

import pytest

from archspec.diagnostics import SpecError
from archspec.sweep.draws import draw_points
from archspec.sweep.expand import expand
from archspec.sweep.read import sweep_text
from tests.sweep.helpers import expanded

HEAD = "archspec-sweep: 1\nspec: lenet\n"


def test_the_product_of_the_axes_and_the_single_runs_at_each_seed():
    found = expanded(
        HEAD + "grid: {train.lr: [0.1, 1], train.batch_size: [64, 128]}\nruns: [{recipe: lenet-06}]\nseeds: [3, 5]\n"
    )
    assert [(t.varied, t.seed) for t in found.trials] == [
        ({"train.lr": lr, "train.batch_size": size}, seed) for lr in (0.1, 1) for size in (64, 128) for seed in (3, 5)
    ] + [({"recipe": "lenet-06"}, 3), ({"recipe": "lenet-06"}, 5)]
    first, last = found.trials[0].recipe, found.trials[-1].recipe
    assert (first.lr, first.batch_size, first.epochs, first.seed) == (0.1, 64, 10, 3)
    assert (last.lr, last.batch_size, last.epochs, last.seed) == (0.9, 256, 20, 5)


def test_a_run_may_have_seeds_of_its_own():
    found = expanded(
        HEAD + "runs: [{recipe: lenet-06}, {recipe: lenet-07, seeds: 1}, {train.lr: 2, seeds: [4, 9]}, {seeds: null}]\nseeds: 2\n"
    )
    assert [(t.varied, t.seed) for t in found.trials] == [
        ({"recipe": "lenet-06"}, 0), ({"recipe": "lenet-06"}, 1), ({"recipe": "lenet-07"}, 0),
        ({"train.lr": 2}, 4), ({"train.lr": 2}, 9), ({}, 0), ({}, 1),
    ]


def test_the_product_has_the_sweeps_seeds_and_not_those_of_a_run():
    found = expanded(HEAD + "grid: {train.lr: [0.1, 1]}\nruns: [{train.lr: 2, seeds: [7]}]\n")
    assert [(t.recipe.lr, t.seed) for t in found.trials] == [(0.1, 1), (1, 1), (2, 7)]


def test_other_seeds_for_the_whole_sweep_replace_those_of_its_runs():
    sweep = sweep_text(HEAD + "runs: [{recipe: lenet-07, seeds: 1}, {recipe: lenet-06}]\nseeds: 3\n").with_seeds((5,))
    assert [trial.seed for trial in expand(sweep, "sweep.yaml").trials] == [5, 5]


def test_runs_alone_are_all_there_is():
    found = expanded(HEAD + "runs: [{train.lr: 0.5}, {}]\n")
    assert [trial.recipe.lr for trial in found.trials] == [0.5, 0.9]


def test_without_seeds_a_trial_has_its_recipes_own():
    (trial,) = expanded(HEAD).trials
    assert trial.seed == trial.recipe.seed == 1  # lenet's recipe names it


def test_equal_trainings_are_there_once():
    found = expanded(HEAD + "runs: [{train.epochs: 20}, {recipe: lenet-06}, {recipe: lenet-06, train.lr: 0.9}]\n")
    assert len(found.trials) == 1


def test_a_change_of_the_network():
    found = expanded(HEAD + "grid: {stages.pool1: [{avg_pool2d: 2}, {max_pool2d: 2}], vars.num_classes: [10, 20]}\n")
    assert not found.invalid
    assert len({trial.id for trial in found.trials}) == 4
    assert [trial.loaded.report.params for trial in found.trials] == [61706, 61706 + 850, 61706, 61706 + 850]


def test_a_change_that_is_null_removes_a_stage():
    (trial,) = expanded(HEAD + "set: {stages.pool2: null}\n").trials
    assert list(trial.data["stages"]) == ["conv1", "pool1", "conv2", "flatten", "head"]


def test_what_cannot_be_trained_is_told_at_the_sweeps_own_place():
    found = expanded(HEAD + "grid:\n  train.lr: [0.1, -1]\n  stages.pool1: [{avg_pool2d: 2}, {avg_pool2d: 50}]\n")
    assert [trial.varied for trial in found.trials] == [{"train.lr": 0.1, "stages.pool1": {"avg_pool2d": 2}}]
    places = [sorted((d.code, d.span.line, d.span.column) for d in invalid.diagnostics) for invalid in found.invalid]
    shape, rate = ("SHAPE101", 5, 35), ("SPEC060", 4, 19)
    assert places == [[shape], [rate], [shape, rate]]


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        ("runs: [{recipe: lenet-99}]", "SPEC010", None),
        ("runs: [{vars.num_clases: 3}]", "SWEEP403", "a similar name exists: `num_classes`"),
        ("runs: [{train.momentm: 0.3}]", "SPEC060", "a similar name exists: `momentum`"),
        ("runs: [{stages.hed: flatten}]", "SWEEP403", "a similar name exists: `head`"),
    ],
)
def test_a_single_departure_that_is_none(line, code, hint):
    (invalid,) = expanded(HEAD + line + "\n").invalid
    (found,) = invalid.diagnostics
    assert (found.code, found.span.line) == (code, 3)
    assert hint is None or found.hint == hint


def test_conditions_see_recipe_vars_and_figures():
    found = expanded(
        HEAD + "grid: {train.lr: [0.1, 1], vars.num_classes: [10, 100]}\n"
        "where: [$(train.lr < 1 or vars.num_classes > 10), $(params < 69000 and macs < 500000)]\n"
    )
    assert [trial.varied for trial in found.trials] == [{"train.lr": 0.1, "vars.num_classes": 10}]
    assert found.left_out == 3


@pytest.mark.parametrize(
    ("condition", "code"),
    [("$(train.lrr < 1)", "SPEC032"), ("$(lr < 1)", "SPEC031"), ("$(train.lr)", "SWEEP404"), ("$(1 <)", "SPEC030")],
)
def test_a_wrong_condition_is_shown_where_it_is_wrong(condition, code):
    with pytest.raises(SpecError) as problem:
        expanded(HEAD + f"where: {condition}\n")
    (found,) = problem.value.diagnostics
    assert (found.code, found.span.line) == (code, 3)


def test_random_points_are_a_function_of_the_seed_and_more_begin_with_the_same():
    def drawn(trials, seed=0):
        text = HEAD + f"random: {{trials: {trials}, seed: {seed}, train.lr: {{log_uniform: [0.001, 1]}}, " \
            "train.batch_size: {uniform: [16, 512], whole: true}, train.optimizer: {choice: [sgd, adam]}}\n"
        points = draw_points(sweep_text(text).random)
        return [{key: value.value for key, value in point.items()} for point in points]

    assert drawn(20)[:5] == drawn(5)
    assert drawn(5) != drawn(5, seed=1)
    values = drawn(400)
    assert all(0.001 <= point["train.lr"] <= 1 for point in values)
    assert 0.4 < sum(point["train.lr"] < 0.0316 for point in values) / 400 < 0.6  # half of them below the middle decade
    assert all(type(point["train.batch_size"]) is int and 16 <= point["train.batch_size"] <= 512 for point in values)
    assert {point["train.optimizer"] for point in values} == {"sgd", "adam"}


def test_spelling_does_not_change_a_trials_identity(tmp_path):
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "archspec: 1\nname: other\ninput: [1, 28, 28]\nvars: {c: 10}\nstages: {head: [flatten, linear: $c]}\n"
        "train: {data: digits, lr: 0.1, momentum: 0.0}\n"
    )
    first = expand(sweep_text("archspec-sweep: 1\nspec: net.yaml\n"), str(tmp_path / "s.yaml")).trials
    spec.write_text(
        "# the same\narchspec: 1\ninput: [1, 28, 28]\nstages:\n  head: [flatten, linear: {out_features: 10}]\n"
        "train: {lr: 0.1, data: digits, batch_size: 64}\n"
    )
    second = expand(sweep_text("archspec-sweep: 1\nspec: net.yaml\n"), str(tmp_path / "s.yaml")).trials
    assert [trial.id for trial in first] == [trial.id for trial in second]


@pytest.mark.parametrize("change", ["train.lr: 0.2", "train.epochs: 11", "train.seed: 5", "vars.num_classes: 11"])
def test_what_matters_changes_it(change):
    (first,), (second,) = expanded(HEAD).trials, expanded(HEAD + f"set: {{{change}}}\n").trials
    assert first.id != second.id


def test_limits_of_the_data_change_it():
    (first,), (second,) = expanded(HEAD).trials, expanded(HEAD + "limit_train: 100\n").trials
    assert first.id != second.id


def test_too_many_combinations_are_refused_before_any_is_made():
    lists = ", ".join(f"train.{key}: {list(range(1, 100))}" for key in ("epochs", "batch_size", "lr"))
    with pytest.raises(SpecError, match="970,299 combinations"):
        expanded(HEAD + f"grid: {{{lists}}}\n")


def test_a_spec_that_is_not_there_is_shown_where_it_is_named():
    with pytest.raises(SpecError) as problem:
        expanded("archspec-sweep: 1\nspec: [lenet, lenett]\n")
    (found,) = problem.value.diagnostics
    assert (found.code, found.span.line, found.span.column) == ("SPEC001", 2, 15)
