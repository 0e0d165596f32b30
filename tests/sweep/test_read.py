"""Sweep files: what they mean, and every mistake at its place."""

import pytest

from archspec.diagnostics import SpecError
from archspec.sweep.read import read_sweep, spec_path, sweep_text

HEAD = "archspec-sweep: 1\nspec: lenet\n"


def mistakes(text):
    with pytest.raises(SpecError) as problem:
        sweep_text(text)
    return [(d.span.line, d.span.column, d.message, d.hint) for d in problem.value.diagnostics]


def test_the_parts_of_a_sweep(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(HEAD + "grid: {train.lr: [0.1, 1]}\nruns: [{recipe: lenet-07}]\nseeds: 3\nlimit_train: 100\n")
    sweep = read_sweep(file)
    assert sweep.name == "mine"
    assert [variant.label for variant in sweep.variants] == ["lenet"]
    assert [[point["train.lr"].value for point in axis] for axis in sweep.axes] == [[0.1, 1]]
    assert sweep.runs[0].changes["recipe"].value == "lenet-07"
    assert sweep.seeds == (0, 1, 2)
    assert sweep.limits == {"limit_train": 100}


def test_lists_of_zip_advance_together():
    sweep = sweep_text(HEAD + "zip: {train.lr: [0.1, 1], train.batch_size: [64, 128]}\n")
    (axis,) = sweep.axes
    assert [{key: value.value for key, value in point.items()} for point in axis] == [
        {"train.lr": 0.1, "train.batch_size": 64}, {"train.lr": 1, "train.batch_size": 128},
    ]


def test_variants_have_different_labels():
    sweep = sweep_text(
        "archspec-sweep: 1\nvariants: [{spec: a/net.yaml}, {spec: b/net.yaml}, {spec: alexnet, set: {vars.width: 0.5}}]\n"
    )
    assert [variant.label for variant in sweep.variants] == ["net", "net (2)", "alexnet width=0.5"]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("random: {trials: 2, train.epochs: {uniform: [0.2, 0.9], whole: true}}", "no whole number lies in [0.2, 0.9]",
         "widen the bounds, or leave `whole` out"),
        ("grid: {lr: [1]}", "a sweep cannot change `lr`", "write `train.lr`"),
        ("grid: {train.lr: 1}", "`train.lr` must be a list of values, got 1", "write `train.lr: [1]`"),
        ("grid: {train.lr: []}", "`train.lr` must be a list of values, got []", None),
        ("grid: {train.lr: [1, 2, 1]}", "`train.lr` has 1 twice", "delete one; `seeds` repeats a trial"),
        ("grid: [1]", "`grid` must be a mapping, got [1]", "write `grid: {train.lr: [0.01, 0.1]}`"),
        ("gird: {}", "a sweep has no key `gird`", "a similar name exists: `grid`"),
        ("zip: {train.lr: [1, 2], train.epochs: [1]}",
         "lists of `zip` must be equally long: `train.lr` has 2, `train.epochs` has 1", "use `grid` for every combination"),
        ("seeds: 0", "`seeds` must be a number of seeds or a list of different ones, got 0", None),
        ("seeds: [1, 1]", "`seeds` must be a number of seeds or a list of different ones, got [1, 1]", None),
        ("seeds: true", "`seeds` must be a number of seeds or a list of different ones, got true", None),
        ("runs: [{recipe: lenet-07, seeds: 0}]",
         "`seeds` must be a number of seeds or a list of different ones, got 0",
         "write `seeds: 3` for the seeds 0, 1 and 2, or `seeds: [1, 5]`"),
        ("runs: [{recipe: lenet-07, seed: 1}]", "a sweep cannot change `seed`", "write `train.seed`"),
        ("grid: {seeds: [1, 2]}", "a sweep cannot change `seeds`", "`seeds` belongs at the top of the file or in an entry of `runs`"),
        ("runs: [{train.seed: 7, seeds: 2}]", "`train.seed` has no effect beside `seeds`", None),
        ("grid: {train.seed: [1, 2]}\nseeds: 2", "`train.seed` has no effect beside `seeds`", None),
        ("sample: 20", "`sample` must be a mapping, got 20", "write `sample: {by: macs, trials: 20}`"),
        ("sample: {by: macs}", "`sample` needs `trials`, the number of combinations to train",
         "write `sample: {by: macs, trials: 20}`"),
        ("sample: {by: mac, trials: 3}", '`by` must be params or macs or memory_bound_bytes, got "mac"',
         "a similar name exists: `macs`"),
        ("sample: {trials: 0}", "`trials` must be a number from 1 to 100,000, got 0", "write `trials: 20`"),
        ("sample: {trials: 3, seed: -1}", "`seed` of `sample` must be a number from 0 on, got -1", "write `seed: 0`"),
        ("sample: {trials: 3, sed: 1}", "`sample` has no key `sed`", "a similar name exists: `seed`"),
        ("where: train.lr < 1", '`where` must be a condition, got "train.lr < 1"', None),
        ("runs: {train.lr: 1}", "`runs` must be a list, got a mapping", "write `runs: [{train.lr: 0.1}]`"),
        ("random: {train.lr: {log_uniform: [1, 2]}}", "`random` needs `trials`, a number from 1 to 100,000", "write `trials: 20`"),
        ("random: {trials: 2}", "`random` draws nothing", None),
        ("random: {trials: 2, train.lr: {log_uniform: [0, 2]}}",
         "`log_uniform` needs two numbers above 0, the lower first, got [0, 2]", None),
        ("random: {trials: 2, train.lr: {uniform: [2, 1]}}", "`uniform` needs two numbers, the lower first, got [2, 1]", None),
        ("random: {trials: 2, train.lr: [1, 2]}", "`train.lr` needs one distribution, got [1, 2]", None),
        ("limit_train: -5", "`limit_train` must be a number of images, got -5", None),
        ("variants: [{spec: lenet}]", "give `spec` or `variants`, not both", None),
    ],
)
def test_mistakes_are_at_their_line(line, message, hint):
    (found,) = mistakes(HEAD + line + "\n")
    assert found[0] == 3
    assert found[2] == message
    assert hint is None or found[3] == hint


def test_all_mistakes_of_a_file_in_one_run():
    text = "archspec-sweep: 2\nspec: lenet\ngrid: {lr: [1], vars.x: 2}\nseeds: 0\nseed: 1\n"
    assert [line for line, *_ in mistakes(text)] == [1, 3, 3, 4, 5]


@pytest.mark.parametrize("text", ["", "[1, 2]", "archspec-sweep: 1\n", "spec: lenet\n", "archspec-sweep: 1\nspec:\n"])
def test_what_is_no_sweep_is_refused(text):
    with pytest.raises(SpecError):
        sweep_text(text)


def test_one_key_varies_in_one_place():
    (found,) = mistakes(HEAD + "grid: {train.lr: [1, 2]}\nrandom: {trials: 2, train.lr: {uniform: [1, 2]}}\n")
    assert found[2] == "`train.lr` varies in two places"


def test_a_spec_beside_the_sweep_goes_before_a_shipped_one(tmp_path):
    assert spec_path("lenet", tmp_path / "s.yaml") == "lenet"
    (tmp_path / "mine.yaml").write_text("")
    assert spec_path("mine.yaml", tmp_path / "s.yaml") == str(tmp_path / "mine.yaml")
