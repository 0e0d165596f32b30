"""The sources' runs as sweeps, their table, and the leak that archspec does not have."""

import csv
import re
import shlex
from pathlib import Path

import click
import pytest

from archspec.analysis.resources import resources
from archspec.api import analyze
from archspec.api import load as load_spec
from archspec.cli import cli
from archspec.cli import run as archspec
from archspec.execution import Setting
from archspec.language.shipped import find_shipped
from archspec.results.trials import Result, Store
from archspec.source import read
from archspec.sweep.expand import expand
from archspec.sweep.read import read_sweep
from tests.results.helpers import make_run
from tests.sweep.helpers import make_its_own
from tests.test_benchmarks import load  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[1]
SWEEPS = ROOT / "benchmarks" / "sweeps"
with (ROOT / "tests" / "golden" / "experiments.csv").open(encoding="utf-8", newline="") as stream:
    IDS = [row["id"] for row in csv.DictReader(stream)]


def test_each_of_the_sources_runs_is_in_one_sweep(capsys):
    runs = [run for path in sorted(SWEEPS.glob("*.yaml")) for run in read(path).data.get("runs", ())]
    assert sorted(run["recipe"] for run in runs if "recipe" in run) == sorted(IDS)
    files = sorted(SWEEPS.rglob("*.yaml"))
    assert archspec(["validate", *map(str, files)]) == 0
    assert capsys.readouterr().out.strip() == f"{len(files)} sweeps valid"


def finish(store, trial, accuracies):
    """A trial that has ended so."""
    make_its_own(make_run(store.run_folder(trial.id), accuracies=accuracies), trial)
    store.save(Result(trial.id, trial.variant, dict(trial.varied), trial.seed, "done", summary={}))


@pytest.fixture
def finished(tmp_path):
    """A folder in which lenet-01 has two seeds, lenet-02 one that failed, and the rest nothing."""
    store, file = Store(tmp_path), str(SWEEPS / "lenet.yaml")
    trials = expand(read_sweep(file), file).trials
    by_name = {(trial.varied["recipe"], trial.seed): trial for trial in trials}
    with store.claimed():
        finish(store, by_name["lenet-01", 0], (0.2, 0.6))
        finish(store, by_name["lenet-01", 1], (0.4, 0.8))
        failed = by_name["lenet-02", 0]
        store.save(Result(failed.id, "lenet", dict(failed.varied), 0, "failed", "error[RUN310]: the loss is not finite (nan)"))
    return tmp_path


def test_ours_stand_beside_the_printed_figures(load, finished, monkeypatch, capsys):  # noqa: F811
    reproduction = load("reproduction")
    monkeypatch.setattr("sys.argv", ["reproduction.py", str(SWEEPS / "lenet.yaml"), "--dir", str(finished)])
    reproduction.main()
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert rule.count("|") == head.count("|") == rows[0].count("|")
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[0] for row in cells] == [f"lenet-{k:02}" for k in range(1, 11)]
    # printed: 0.830 and 0.677, means over the epochs; ours: the mean of 0.6 and 0.4, and at the end 0.6 and 0.8
    assert cells[0][1:] == [
        "sgd 0.9, batch 256, 10 epochs", "mean over all epochs", "0.830", "0.500 ± 0.141", "0.677", "0.500 ± 0.141", "–",
        "0.700 ± 0.141", "2", "−0.177, within the spread of ours (p 0.49)", "",
    ]
    assert cells[1][4:] == ["–", "0.100", "–", "–", "–", "1", "", "RUN310 the loss is not finite"]
    assert cells[2][4:] == ["–", "0.098", "–", "–", "–", "0", "", ""]


def test_a_last_epoch_is_compared_with_ours(load, tmp_path):  # noqa: F811
    reproduction = load("reproduction")
    file, store = str(SWEEPS / "lenet_relu.yaml"), Store(tmp_path)
    with store.claimed():
        finish(store, expand(read_sweep(file), file).trials[0], (0.2, 0.6))
    printed = dict.fromkeys(("loss", "train_acc", "test_acc"), "1") | {"loss_kind": "last epoch", "id": "x"}
    text = reproduction.table(list(reproduction.rows_of(file, reproduction.in_store(store), {"lenet_relu-01": printed})))
    assert "| 1 | 0.400 | 1 | 0.600 | 1 | 0.600 | 1 | −0.400, one run: not known |" in text


def test_ids_that_are_one_training_share_its_runs(load, tmp_path):  # noqa: F811
    reproduction = load("reproduction")
    file, store = str(SWEEPS / "vgg_small.yaml"), Store(tmp_path)
    with store.claimed():
        finish(store, expand(read_sweep(file), file).trials[0], (0.2, 0.6))
    rows = reproduction.rows_of(file, reproduction.in_store(store), reproduction.printed_rows())
    assert {row.printed["id"] for row in rows if row.records} == {"vgg-01", "vgg-09"}


def test_seeds_at_chance_are_counted_and_not_averaged_with_those_that_learn(load, tmp_path):  # noqa: F811
    reproduction = load("reproduction")
    file, store = str(SWEEPS / "lenet_relu.yaml"), Store(tmp_path)
    with store.claimed():
        for trial, accuracies in zip(expand(read_sweep(file), file).trials, [(0.4, 0.6), (-1.3, -1.3), (0.4, 0.7)], strict=False):
            finish(store, trial, accuracies)  # its loss is 1 - accuracy
    (row,) = reproduction.rows_of(file, reproduction.in_store(store), reproduction.printed_rows())
    assert (row.counts, row.values("train_acc")) == ("3, 1 of them at chance", [0.6, 0.7])


@pytest.mark.parametrize(
    ("printed", "values", "chance"),
    [
        (0.5, [0.5, 0.5], 1.0),  # nothing varies, and it is the same
        (0.5004, [0.5, 0.5], 1.0),  # to the printed digits
        (0.6, [0.5, 0.5], 0.0),
        (0.677, [0.6, 0.4], 0.4940),  # t = 0.1765 / (0.1414 √1.5) = 1.019; of one degree of freedom: 1 - 2 atan(t) / π
    ],
)
def test_the_chance_that_one_more_run_is_as_far_away(load, printed, values, chance):  # noqa: F811
    assert load("reproduction").chance(printed, values) == pytest.approx(chance, abs=1e-4)


def test_a_network_reset_without_its_biases_stays_at_chance(load):  # noqa: F811
    """The sources' leak: each figure is a loss, and chance is ln 10 = 2.303."""
    _, leaked, fresh = load("leak").outcomes().values()
    assert leaked > 2.25
    assert fresh < 0.6


def test_the_table_of_printed_figures_is_the_repository_s(load):  # noqa: F811
    assert list(load("reproduction").printed_rows(load("reproduction").PRINTED)) == IDS


@pytest.fixture
def archived(load, finished, tmp_path):  # noqa: F811
    """The archive of the runs of `finished`."""
    archive = load("archive")
    folder = tmp_path / "kept"
    rows = list(archive.runs_in(finished))
    assert archive.add(rows, folder) == 2
    assert archive.add(rows, folder) == 0  # nothing new
    return archive.Archive.read(folder)


def test_an_archived_run_is_found_by_its_network_recipe_seed_and_limits(archived):
    row = next(row for row in archived.rows.values() if row["seed"] == 1)
    assert (row["network"], row["train_accuracy"], row["test"]["accuracy"]) == ("lenet", [0.4, 0.8], 0.8)


def test_a_run_that_failed_is_kept_with_its_reason(load, tmp_path):  # noqa: F811
    archive, reproduction = load("archive"), load("reproduction")
    file, store = str(SWEEPS / "lenet.yaml"), Store(tmp_path)
    trial = expand(read_sweep(file), file).trials[0]
    with store.claimed():
        make_run(store.run_folder(trial.id), name="lenet", accuracies=(), finished=False)
        store.save(Result(trial.id, "lenet", dict(trial.varied), 0, "failed", "error[RUN310]: the loss is not finite (nan)"))
    (row,) = archive.runs_in(tmp_path)
    assert (row["status"], row["reason"], row["train_loss"]) == ("failed", "RUN310 the loss is not finite", [])
    record = archive.record_of(row)
    assert record.diagnosis == "RUN310 the loss is not finite"
    assert reproduction.is_dead(record)


def test_a_run_that_was_resumed_has_the_recipe_that_it_began_with(load, tmp_path):  # noqa: F811
    """A resumed run writes that the test set is its validation set, which goes without saying."""
    archive = load("archive")
    make_run(tmp_path / "a", validation="test", name="x")
    make_run(tmp_path / "b", name="x")
    (resumed,), (whole,) = archive.runs_in(tmp_path / "a"), archive.runs_in(tmp_path / "b")
    assert resumed["recipe"] == whole["recipe"]


def test_runs_of_another_network_are_not_taken_for_today_s(load, archived):  # noqa: F811
    """A spec that changes makes its committed results void."""
    file = str(SWEEPS / "lenet.yaml")
    trials = [trial for trial in expand(read_sweep(file), file).trials if trial.varied["recipe"] == "lenet-01"]
    rows = {key: row | {"macs": row["macs"] + 1, "recipe": trials[0].recipe.to_data(defaults=False)} for key, row in archived.rows.items()}
    keyed = {load("archive").key_of("lenet", row["recipe"], row["seed"], {}): row for row in rows.values()}
    with pytest.raises(ValueError, match="the runs of lenet in results/ are of another network: train it again"):
        load("archive").Archive(keyed).records(trials)


def test_a_folder_without_runs_is_refused(load, tmp_path, capsys):  # noqa: F811
    with pytest.raises(SystemExit):
        load("archive").main([str(tmp_path)])
    assert "holds no run that has ended" in capsys.readouterr().err


def test_the_committed_page_is_what_the_results_give_and_has_every_id_and_claim(load):  # noqa: F811
    text = load("page").page()
    assert (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8") == text
    assert [name for name in IDS if f"| {name} |" not in text] == []
    assert [claim.question for claim in load("claims").CLAIMS if f"### {claim.question}\n" not in text] == []


def test_the_committed_results_belong_to_today_s_recipes(load):  # noqa: F811
    """Each line is a trial of some sweep here: none is of a recipe that has changed since."""
    archive, claims = load("archive"), load("claims")
    known = set()
    for name in [*sweeps_of_networks(), *(str(path.relative_to(SWEEPS)) for path in SWEEPS.glob("*/*.yaml"))]:
        for trial in claims.trials_of(name):
            recipe = trial.recipe.to_data(defaults=False)
            known.add(archive.key_of(trial.loaded.name, recipe, trial.seed, trial.limits))
    assert set(archive.Archive.read().rows) <= known


@pytest.mark.parametrize(
    ("losses", "fate"),
    [
        ([2.3, 2.3, 2.3], "never learned"),
        ([2.3, 1.0, 0.5], "learned and kept it"),
        ([2.3, 1.0, 2.31], "collapsed and stayed at epoch 3"),
        ([1.0, float("nan"), float("nan")], "collapsed and stayed at epoch 2"),
        ([1.0, 2.3, 1.0], "collapsed and recovered at epoch 2"),
        ([1.0, 2.0, 1.0], "learned and kept it"),  # between the two thresholds
    ],
)
def test_what_became_of_a_run(load, losses, fate):  # noqa: F811
    assert load("claims").fate(losses) == fate


def test_a_step_moves_each_op_s_input_weights_and_output(load, tmp_path):  # noqa: F811
    exercises = load("exercises")
    spec = "archspec: 1\nname: x\ninput: [1, 2, 2]\nstages: {a: [flatten, linear: 3, relu], b: {linear: 5}}\n"
    report, forward = analyze(spec, batch_size=2), resources(load_spec(spec).graph, Setting(batch_size=2)).inference
    # flatten is a view; linear, 4 → 3 with 15 weights; relu, 3 → 3; linear, 3 → 5 with 20 weights; 4 bytes, two images
    assert exercises.moved_bytes(forward) == 4 * (2 * (4 + 3 + 3 + 3 + 3 + 5) + 15 + 20)
    assert exercises.shares(report, lambda node: node.cost.params) == [("b", 20 / 35), ("a", 15 / 35)]


def commands_of_sources():
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    return sorted({span for span in re.findall(r"`([^`]+)`", text) if span.startswith(("archspec ", "python "))})


@pytest.mark.parametrize("command", commands_of_sources())
def test_the_commands_for_the_sources_steps_exist(command):
    """Their options are known, their files and specs are there."""
    words = shlex.split(command)
    files = [word for word in words if word.endswith((".yaml", ".py"))]
    assert [name for name in files if not (ROOT / name).exists()] == []
    if words[0] == "archspec":
        subcommand = cli.get_command(click.Context(cli), words[1])
        options = {name for parameter in subcommand.params for name in parameter.opts}
        assert [word for word in words if word.startswith("-") and word not in options] == []
        if words[1] in ("profile", "train", "validate"):
            assert words[2] in ("NAME", "SPEC") or find_shipped(words[2]) is not None
        if "--recipe" in words:
            assert words[words.index("--recipe") + 1] in load_spec(words[2]).recipes


def sweeps_of_networks():
    return [path.name for path in SWEEPS.glob("*.yaml") if any("recipe" in run for run in read(path).data.get("runs", ()))]


def test_the_sources_page_names_every_run_and_every_sweep():
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert [name for name in IDS if f"`{name}`" not in text] == []
    sweeps = [path.relative_to(SWEEPS).as_posix() for path in SWEEPS.rglob("*.yaml")]
    claims = [name for name in sweeps if name.startswith("claims/") and "lenet_relu" not in name]
    assert [name for name in [*claims, *sweeps_of_networks()] if name not in text] == []
