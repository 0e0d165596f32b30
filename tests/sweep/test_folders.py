"""A trial's folder counts only if its own training is in it; what belongs to another stays as it is."""

import json
import shutil

import pytest

from archspec.results.trials import Result, Store
from archspec.source import dump
from archspec.sweep.folders import differences, free_folder, is_due, own_folder, result_of, strangers
from archspec.sweep.records import records_of
from tests.sweep.helpers import begun, expanded

SWEEP = """\
archspec-sweep: 1
spec: lenet_relu
set: {train.data: digits}
grid: {train.lr: [0.1, 0.2]}
seeds: 2
limit_train: 200
"""


@pytest.fixture
def store(tmp_path):
    """A sweep's folder."""
    found = Store(tmp_path / "sweep")
    with found.claimed():
        yield found


@pytest.fixture
def trials():
    """Two rates, two seeds each."""
    return expanded(SWEEP).trials


def finished(store, trial, **environment):
    """A trial that is done."""
    folder = begun(store, trial, **environment)
    store.save(Result(trial.id, trial.variant, dict(trial.varied), trial.seed, "done", summary={}))
    return folder


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_of_a_trial_is_its_own(store, trials):
    folder = finished(store, trials[0])
    assert differences(trials[0], folder) == []
    assert (own_folder(store, trials[0]), strangers(store, trials[0])) == (folder, [])
    assert not is_due(store, trials[0], retry=False)
    assert free_folder(store, trials[0]) == (folder, True)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (1, "its seed is 1, not 0"),
        (2, "its lr is 0.2, not 0.1"),
    ],
)
def test_a_folder_that_was_copied_from_another_trial_does_not_count(store, trials, other, said):
    folder = finished(store, trials[0])
    source = finished(store, trials[other])
    shutil.rmtree(folder)
    shutil.copytree(source, folder)
    before = content(folder)
    assert differences(trials[0], folder) == [said]
    (warning,) = strangers(store, trials[0])
    assert (warning.code, warning.severity, warning.notes) == ("SWEEP415", "warning", (said,))
    assert str(folder) in warning.message
    assert is_due(store, trials[0], retry=False)
    assert result_of(store, trials[0]) is None
    assert free_folder(store, trials[0]) == (folder.with_name(f"{trials[0].id}-2"), False)
    assert content(folder) == before


def test_of_two_folders_the_trial_has_its_own(store, trials):
    """Whichever is the newer one."""
    mine = finished(store, trials[0])
    begun(store, trials[1], f"{trials[0].id}-2")
    assert own_folder(store, trials[0]) == mine
    assert free_folder(store, trials[0]) == (mine, True)
    assert len(strangers(store, trials[0])) == 1
    assert not is_due(store, trials[0], retry=False)
    (record,) = records_of(trials[:1], {trials[0].id: store.result(trials[0].id)}, store)
    assert record.path == mine


def test_a_table_shows_no_figure_of_a_stranger(store, trials):
    folder = finished(store, trials[0])
    (folder / "spec.yaml").write_text(dump(dict(trials[2].data)))
    (folder / "metrics.jsonl").write_text(json.dumps({
        "epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.99, "seconds": 1.0,
    }) + "\n")
    (record,) = records_of(trials[:1], {trials[0].id: store.result(trials[0].id)}, store)
    assert (record.epochs, record.test) == ((), None)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"data": {"limit_train": None, "limit_test": None}}, "its limit_train is all images, not 200"),
        ({"data": {"limit_train": 200, "limit_test": 50}}, "its limit_test is 50, not all images"),
        ({"world": 2}, "it trained on 2 devices, not 1"),
        ({"resumes": [{"recipe": {"data": "digits", "lr": 0.1, "epochs": 99}}]}, "its epochs is 99, not 10"),
    ],
)
def test_what_the_environment_says_of_a_run_counts_too(store, trials, environment, said):
    """Somebody has resumed the trial's run with more epochs, say."""
    folder = finished(store, trials[0], **environment)
    assert said in differences(trials[0], folder)


def test_another_network_is_named(store, trials):
    folder = finished(store, trials[0])
    data = dict(trials[0].data)
    data["stages"] = {"head": ["flatten", {"linear": 10}]}
    for key in ("expect", "vars", "blocks"):
        data.pop(key, None)
    (folder / "spec.yaml").write_text(dump(data))
    (said,) = differences(trials[0], folder)
    assert said.startswith("its network is different: ")


def test_a_spec_that_cannot_be_read_is_nobodys(store, trials):
    folder = finished(store, trials[0])
    (folder / "spec.yaml").write_text("stages: [")
    (said,) = differences(trials[0], folder)
    assert said.startswith("its spec.yaml is not valid: ")
    assert is_due(store, trials[0], retry=False)


@pytest.mark.parametrize("environment", [None, "[]", '{"recipe": 3, "data": 4, "world": "x"}', '{"recipe": {"lr": -1}}'])
def test_an_environment_that_cannot_be_read_is_not_held_against_a_run(store, trials, environment):
    """Its spec says what it trains."""
    folder = finished(store, trials[0])
    path = folder / "environment.json"
    if environment is None:
        path.unlink()
    else:
        path.write_text(environment)
    assert differences(trials[0], folder) == []


def test_the_validation_set_that_a_run_chose_is_the_trials(store):
    """Where the recipe leaves it open, and once it is resumed."""
    (trial,) = expanded(SWEEP.replace("grid: {train.lr: [0.1, 0.2]}\nseeds: 2", "runs: [{train.early_stopping: 3}]")).trials
    for chosen in (0.1, "test"):
        folder = begun(store, trial, recipe=trial.recipe.to_data() | {"validation": chosen})
        assert differences(trial, folder) == []
        shutil.rmtree(folder)


def test_a_file_in_the_place_of_a_folder_is_no_run(store, trials):
    place = store.folder / "trials" / trials[0].id
    place.write_text("mine")
    folder, begun = free_folder(store, trials[0])
    assert (folder.name, begun, place.read_text()) == (f"{trials[0].id}-2", False, "mine")


def test_a_trial_whose_first_folder_was_removed_is_found_in_its_second(store, trials):
    folder = begun(store, trials[0], f"{trials[0].id}-2")
    store.save(Result(trials[0].id, "lenet", {}, 0, "done", summary={}))
    assert own_folder(store, trials[0]) == folder
    assert store.run_folder(trials[0].id) == folder
    assert not is_due(store, trials[0], retry=False)
