"""Runs beside each other."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from scipy import stats as scipy

from archspec.results.compare import MEASURES, OTHER_METRICS, compare
from archspec.results.find import find_runs
from archspec.results.formats import cells, titles, to_csv, to_json, to_latex, to_markdown
from archspec.results.report.data import page_data
from archspec.results.trials import Result, Store
from archspec.results.words import label, summary_lines
from tests.results.helpers import make_run


def runs(tmp_path, **groups):
    """A run for each accuracy of each group: `a=dict(lr=0.1, last=[0.5, 0.6])`."""
    for name, (changes, values) in groups.items():
        for seed, value in enumerate(values):
            make_run(tmp_path / f"{name}-{seed}", seed=seed, accuracies=(0.1, value), **changes)
    return find_runs([tmp_path])


def test_repetitions_are_one_row_and_only_what_varies_is_shown(tmp_path):
    found = compare(runs(tmp_path, a=({"lr": 0.1}, [0.5, 0.6]), b=({"lr": 0.2}, [0.7, 0.8])))
    assert found.varied == ("train.lr",)
    assert [(group.values["train.lr"], group.n) for group in found.groups] == [(0.1, 2), (0.2, 2)]
    assert found.groups[0].figures["test_accuracy"].mean == pytest.approx(0.55)
    assert found.baseline == 1


def test_a_difference_is_tested_in_pairs_and_corrected(tmp_path):
    a, b, c = [0.90, 0.91, 0.89, 0.92], [0.80, 0.82, 0.79, 0.81], [0.89, 0.915, 0.885, 0.92]
    found = compare(runs(tmp_path, a=({"lr": 0.1}, a), b=({"lr": 0.2}, b), c=({"lr": 0.3}, c)))
    by_rate = {group.values["train.lr"]: group for group in found.groups}
    raw = [scipy.ttest_rel(other, a).pvalue for other in (b, c)]
    assert by_rate[0.1].verdict == "baseline"
    assert by_rate[0.2].verdict == "worse"
    assert by_rate[0.2].p_adjusted == pytest.approx(2 * raw[0])  # Holm: the smallest of two counts twice
    assert by_rate[0.3].verdict == "within noise"
    assert by_rate[0.3].p_adjusted == pytest.approx(raw[1])


def test_with_one_seed_nothing_is_known(tmp_path):
    found = compare(runs(tmp_path, a=({"lr": 0.1}, [0.5]), b=({"lr": 0.2}, [0.9])))
    assert [group.verdict for group in found.groups] == ["not known", "baseline"]
    assert "not known: one seed" in to_markdown(found)


def test_a_baseline_has_the_seeds_that_a_test_needs(tmp_path):
    """The best row has one seed: with it as baseline nothing would be known."""
    records = runs(tmp_path, a=({"lr": 0.1}, [0.70, 0.71, 0.69]), b=({"lr": 0.2}, [0.5, 0.51, 0.52]), c=({"lr": 0.3}, [0.9]))
    found = compare(records)
    assert (found.best, found.baseline) == (2, 0)
    assert [group.verdict for group in found.groups] == ["baseline", "worse", "not known"]
    assert summary_lines(found)[:3] == [
        "best by test acc: lr 0.3: 0.9000 (1 seed)",
        "baseline: lr 0.1: 0.7000 ± 0.0100 (3 seeds), the best of the rows with at least 2 seeds",
        "2 differences to the baseline: 1 worse, 1 not known; one seed cannot show noise: use several, `--seeds 3`",
    ]
    data = to_json(found)
    assert (data["best"], data["baseline"], data["baseline_reason"]) == (2, 0, "the best of the rows with at least 2 seeds")
    named = compare(records, baseline=2)
    assert (named.baseline, to_json(named)["baseline_reason"]) == (2, "the row that was named")


@pytest.mark.parametrize(
    ("seeds", "baseline"),
    [
        ((1, 1, 1), 2),  # nothing is known whichever it is
        ((3, 3, 2), 2),  # a run that failed does not cost the best row its place
        ((10, 3, 2), 0),  # two of ten would call nearly all differences noise
        ((10, 5, 2), 1),
        ((2, 1, 1), 0),
        ((1, 1, 0), 1),
    ],
)
def test_the_best_row_is_the_baseline_unless_it_has_few_seeds(tmp_path, seeds, baseline):
    """Each row is better than the one before."""
    rows = {f"r{k}": ({"lr": 0.1 * (k + 1)}, [0.5 + 0.1 * k + 0.001 * s for s in range(n)]) for k, n in enumerate(seeds)}
    assert compare(runs(tmp_path, **rows)).baseline == baseline


def test_a_loss_has_its_best_row_too(tmp_path):
    records = runs(tmp_path, a=({"lr": 0.1}, [0.5]), b=({"lr": 0.2}, [0.3, 0.31]), c=({"lr": 0.3}, [0.4, 0.41]))
    found = compare(records, "last_train_loss")
    assert (found.best, found.baseline) == (0, 2)


def test_a_repeated_seed_is_no_further_evidence(tmp_path):
    for k in range(5):
        make_run(tmp_path / f"a-{k}", accuracies=(0.5,), lr=0.1)
        make_run(tmp_path / f"b-{k}", accuracies=(0.6,), lr=0.2)
    found = compare(find_runs([tmp_path]))
    assert [(group.n, group.verdict) for group in found.groups] == [(1, "not known"), (1, "baseline")]


def test_losses_are_better_when_lower(tmp_path):
    records = runs(tmp_path, a=({"lr": 0.1}, [0.5, 0.51, 0.52]), b=({"lr": 0.2}, [0.7, 0.72, 0.715]))
    found = compare(records, "last_train_loss", baseline=0)
    assert found.groups[1].verdict == "better"
    assert found.groups[1].against.mean < 0


def test_what_failed_is_a_row_with_its_reason(tmp_path):
    make_run(tmp_path / "a-0", lr=0.1)
    make_run(tmp_path / "b-0", lr=9, accuracies=(), finished=False,
             findings=[{"code": "RUN346", "title": "the loss blew up", "until": None}])
    found = compare(find_runs([tmp_path]))
    row = dict(zip(titles(found), cells(found, found.groups[1]), strict=True))
    assert row == {
        "lr": "9", "epochs": "1", "n": "0 of 1", "train loss, last epoch": "–", "train acc, last epoch": "–",
        "test acc": "–", "acc, best epoch": "–", "s": "–", "images/s": "–", "memory": "–", "Δ test acc": "–", "difference": "–",
        "diagnosis": "unfinished: 0 of 1 epoch; RUN346 the loss blew up",
    }


def test_networks_that_differ_in_nothing_that_has_a_name(tmp_path):
    make_run(tmp_path / "a")
    other = make_run(tmp_path / "b")
    (other / "spec.yaml").write_text((other / "spec.yaml").read_text().replace("relu, ", ""))
    found = compare(find_runs([tmp_path]))
    assert len(found.groups) == 2
    assert found.varied == ("path",)


def test_last_best_and_mean_figures_are_told_apart(tmp_path):
    make_run(tmp_path / "a", accuracies=(0.2, 0.8, 0.5))
    (group,) = compare(find_runs([tmp_path])).groups
    figures = {name: spread.mean for name, spread in group.figures.items()}
    assert figures["test_accuracy"] == 0.5
    assert figures["best_accuracy"] == 0.8
    assert figures["mean_train_accuracy"] == pytest.approx(0.5)
    assert figures["mean_train_loss"] == pytest.approx(0.5)


def test_every_format_holds_the_same_rows(tmp_path):
    found = compare(runs(tmp_path, a=({"lr": 0.1}, [0.5, 0.6]), b=({"lr": 0.2}, [0.7, 0.8])))
    lines = to_markdown(found).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert [float(row["test_accuracy_mean"]) for row in rows] == pytest.approx([0.55, 0.75])
    latex = to_latex(found)
    assert latex.count(r"\\") == 3
    assert r"$\pm$" in latex
    assert not re.search(r"(?<!\\)[%&_#](?! )", latex.replace(" & ", ""))
    data = json.loads(json.dumps(to_json(found)))
    assert [group["seeds"] for group in data["groups"]] == [[0, 1], [0, 1]]


def test_text_from_a_spec_cannot_break_a_table(tmp_path):
    make_run(tmp_path / "a", name="x | y & 50% {z}_$")
    make_run(tmp_path / "b", name="plain", lr=0.2)
    found = compare(find_runs([tmp_path]))
    lines = to_markdown(found).splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert r"x | y \& 50\% \{z\}\_\$" in to_latex(found)


def test_another_optimizer_varies_alone_not_with_its_own_fields(tmp_path):
    """sgd has a momentum and adam betas: that follows from the optimizer. Two momenta do vary."""
    sgd, adam = {"optimizer": "sgd", "momentum": 0.0}, {"optimizer": "adam", "betas": [0.9, 0.999], "eps": 1e-8}
    for name, recipe in (("a", sgd), ("b", adam)):
        make_run(tmp_path / name, **recipe)
    assert compare(find_runs([tmp_path])).varied == ("train.optimizer",)
    make_run(tmp_path / "c", **{**sgd, "momentum": 0.9})
    make_run(tmp_path / "d", clip_grad_norm=1.0, **sgd)
    assert compare(find_runs([tmp_path])).varied == ("train.optimizer", "train.momentum", "train.clip_grad_norm")


@pytest.mark.parametrize("measure", [name for name in MEASURES if not name.endswith(OTHER_METRICS)])
def test_an_unfinished_run_is_in_no_mean_and_says_how_far_it_is(tmp_path, measure):
    for seed in (0, 1):
        make_run(tmp_path / f"a-{seed}", lr=0.1, seed=seed)
        make_run(tmp_path / f"b-{seed}", lr=0.2, seed=seed, accuracies=(0.7, 0.8))
    make_run(tmp_path / "a-2", lr=0.1, seed=2, accuracies=(0.9,), finished=False, epochs=10)
    make_run(tmp_path / "c-0", lr=0.3, accuracies=(0.95, 0.96, 0.97), finished=False, epochs=10)
    runs = find_runs([tmp_path])
    runs = [replace(run, digest=runs[0].digest) if run.path.name == "a-2" else run for run in runs]
    comparison = compare(runs, measure)
    first, _, third = comparison.groups
    assert (first.n, first.finished, first.figures[measure].n) == (3, 2, 2)
    assert first.diagnosis == "unfinished: 1 of 10 epochs (1 of 3)"
    assert (third.figures, third.verdict, third.diagnosis) == ({}, "no figure", "unfinished: 3 of 10 epochs")
    assert comparison.baseline in (0, 1)
    data = to_json(comparison)["groups"]
    assert (data[0]["n"], data[0]["finished"], data[2]["figures"]) == (3, 2, {})
    assert "unfinished: 3 of 10 epochs" in to_markdown(comparison)
    page = page_data(runs, title="t", measure=measure)["runs"]
    assert [value is None for value in page["figures"][measure]] == [status != "finished" for status in page["status"]]
    assert sum(page["seconds"]) == 2.0 * (2 * 2 + 2 * 2 + 1 + 3)


def test_recipes_that_a_sweep_varies_name_its_rows(tmp_path):
    store = Store(tmp_path)
    trials = {"a" * 16: "lenet-01", "b" * 16: "lenet-02", "c" * 16: None}
    for k, (trial, recipe) in enumerate(trials.items()):
        make_run(tmp_path / "trials" / trial, lr=0.1 * (k + 1))
        if recipe is not None:  # the third is still being trained
            (tmp_path / "results").mkdir(exist_ok=True)
            store.save(Result(trial, "net", {"recipe": recipe}, 0, "done"))
    store.write_order(dict.fromkeys(trials, "net"))
    found = compare(find_runs([tmp_path]))
    assert found.varied == ("recipe", "train.lr")
    assert [group.values["recipe"] for group in found.groups] == ["lenet-01", "lenet-02", None]
    assert label(found, found.groups[0]) == "recipe lenet-01, lr 0.1"
    store.save(Result("c" * 16, "net", {"recipe": "lenet-03"}, 0, "done"))
    found = compare(find_runs([tmp_path]))
    assert [label(found, group) for group in found.groups] == ["lenet-01", "lenet-02", "lenet-03"]
    page = page_data(find_runs([tmp_path]), title="t")
    assert page["named"] == 0 and [one["param"] for one in page["importance"]["shares"]] == [1]  # a name explains nothing
