"""`archspec compare`: rows, verdicts and what they come to, in every format and at every width."""

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from archspec.atomic_files import write_text
from archspec.results.compare import compare
from archspec.results.find import find_runs
from archspec.results.report.data import page_data
from archspec.results.report.reader import Reader
from archspec.results.table import comparison_table
from archspec.results.trials import Result, Store
from tests.results.helpers import SPEC, make_run


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Two rates of three seeds that can be told apart, and a third one that failed."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        make_run(Path("runs") / f"low-{seed}", lr=0.01, seed=seed, accuracies=(0.2, 0.50 + seed / 100))
        make_run(Path("runs") / f"mid-{seed}", lr=0.1, seed=seed, accuracies=(0.5, 0.90 + seed / 100 + seed**2 / 1000))
    make_run(Path("runs") / "wild", lr=99, finished=False, accuracies=(), epochs=2,
             findings=[{"code": "RUN346", "title": "the loss blew up", "until": None}])
    return tmp_path


def test_the_table_is_summed_up(cli):
    done = cli("compare", "runs")
    assert (done.code, done.err) == (0, "")
    *_, best, differences, failed = done.out.splitlines()
    assert best == "best by test acc: lr 0.1: 0.9117 ± 0.0120 (3 seeds)"
    assert differences == "2 differences to the best: 1 worse, 1 without the figure"
    assert failed == "1 of 7 runs did not finish"


@pytest.mark.parametrize("form", ["markdown", "csv", "latex", "json"])
def test_each_format_has_every_row(cli, form):
    done = cli("compare", "runs", "--format", form)
    rows = {
        "markdown": lambda: done.out.splitlines()[2:], "csv": lambda: list(csv.DictReader(io.StringIO(done.out))),
        "latex": lambda: [line for line in done.out.splitlines() if line.endswith(r"\\")][1:],
        "json": lambda: json.loads(done.out)["groups"],
    }[form]()
    assert (done.code, len(rows)) == (0, 3)


def test_another_figure_and_another_baseline(cli):
    found = json.loads(cli("compare", "runs", "--by", "last_train_loss", "--baseline", "1", "--json").out)
    assert found["measure"] == "last_train_loss"
    assert [group["verdict"] for group in found["groups"]] == ["baseline", "better", "no figure"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "--by", "test_acuracy"], "a similar name exists: test_accuracy"),
        (["runs", "--baseline", "4"], "--baseline 4: there are 3 rows"),
        (["runs", "--format", "csv", "--json"], "--format csv and --json exclude each other"),
        (["empty"], "there is no run in empty"), (["nowhere"], "'nowhere' does not exist"),
        (["note.txt"], "note.txt is neither a folder of runs nor a sweep's file"),
        (["s.yaml"], "run `archspec sweep s.yaml`"), ([], "missing argument"),
    ],
)
def test_mistakes_of_the_command_line(cli, runs, arguments, said):
    (runs / "empty").mkdir()
    (runs / "note.txt").touch()
    (runs / "s.yaml").write_text("archspec-sweep: 1\nspec: lenet\n")
    done = cli("compare", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_sweep_is_compared_by_its_file_in_its_order(cli, runs):
    store, names = Store(Path("runs/sweep-s")), ("f" * 16, "0" * 16, "a" * 16)
    with store.claimed():
        store.write_order(dict.fromkeys(names, ""))
        for k, name in enumerate(names[:2]):
            make_run(store.run_folder(name), lr=0.1 + k)
        make_run(store.run_folder(names[2]), lr=9, finished=False, accuracies=())
        store.save(Result(names[2], "net", {}, 0, "failed", "error[RUN310]: the loss is not finite (nan)"))
    (runs / "s.yaml").write_text("archspec-sweep: 1\nspec: lenet\n")
    found = json.loads(cli("compare", "s.yaml", "--json").out)["groups"]
    assert [group["values"]["train.lr"] for group in found] == [0.1, 1.1, 9]
    assert found[2]["diagnosis"] == "RUN310 the loss is not finite"


def test_runs_of_different_amounts_of_data_are_told_apart(cli, runs):
    whole, half = make_run(runs / "a"), make_run(runs / "b")
    environment = json.loads((half / "environment.json").read_text())
    environment["data"] |= {"train_images": 50, "limit_train": 50}
    (half / "environment.json").write_text(json.dumps(environment))
    found = json.loads(cli("compare", whole, half, "--json").out)
    assert [group["values"] for group in found["groups"]] == [{"train_images": 100}, {"train_images": 50}]


def test_no_two_rows_look_alike(cli, runs):
    """Networks of one name, as variants of a sweep have it that change a stage; runs of one thing, trained otherwise."""
    small, large = make_run(runs / "a"), make_run(runs / "b")
    spec = large / "spec.yaml"
    spec.write_text(spec.read_text().replace("relu, linear: 10", "relu, linear: 7, relu, linear: 10"))
    third = make_run(runs / "c", lr=0.2)
    values = [group["values"] for group in json.loads(cli("compare", small, large, third, "--json").out)["groups"]]
    assert [list(one) for one in values] == [["train.lr", "params"]] * 3
    assert len({tuple(one.values()) for one in values}) == 3


def test_a_variant_of_a_sweep_keeps_its_name(cli, runs):
    store, names = Store(Path("runs/sweep-v")), ("a" * 16, "b" * 16)
    with store.claimed():
        store.write_order(dict.fromkeys(names, ""))
        for name, variant, lr in zip(names, ("wide", "narrow"), (0.1, 0.2), strict=True):
            make_run(store.run_folder(name), lr=lr)
            store.save(Result(name, variant, {"spec": variant}, 0, "done", summary={}))
    found = json.loads(cli("compare", store.folder, "--json").out)["groups"]
    assert [group["values"]["network"] for group in found] == ["wide", "narrow"]


def test_an_optimizer_s_own_settings_do_not_vary_with_it(cli, runs):
    make_run(runs / "a", optimizer="sgd", momentum=0.0)
    make_run(runs / "b", optimizer="adam", eps=1e-8)
    make_run(runs / "c", optimizer="adam", eps=1e-4, seed=1)
    varied = [json.loads(cli("compare", *paths, "--json").out)["varied"] for paths in (["a", "b"], ["a", "b", "c"])]
    assert varied == [["train.optimizer"], ["train.optimizer", "train.eps"]]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_figures_are_whole_at_every_width(width):
    table, left_out = comparison_table(compare(find_runs([Path("runs")])), width)
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    assert "0.9117 ± 0.0120" in text
    assert max(len(line) for line in text.splitlines()) <= width
    assert all(title not in text for title in left_out if title not in ("s", "diagnosis"))
    assert ("train loss, last epoch" in left_out) == (width < 100)
    assert (left_out == []) == (width == 200)
    assert ("RUN346" in text) == (width >= 80)


def test_a_sweep_s_page_and_table_have_its_order_and_its_names_whatever_became_of_the_trials(cli, runs):
    """One has failed before it became a run, one is done, one still trains."""
    order = {"f" * 16: "middle", "0" * 16: "last", "a" * 16: "first"}
    store = Store(Path("runs/sweep-o"))
    failed, done, running = order
    with store.claimed():
        store.write_order(order)
        write_text(store.spec(failed), SPEC.format(name="net", width=4, lr=9, epochs=2, seed=0))
        store.save(Result(failed, order[failed], {}, 0, "failed", "error[RUN310]: the loss is not finite (nan)"))
        make_run(store.run_folder(done), lr=5)
        store.save(Result(done, order[done], {}, 0, "done", summary={}))
        make_run(store.run_folder(running), lr=7, accuracies=(0.5,), finished=False)
    groups = json.loads(cli("compare", store.folder, "--json").out)["groups"]
    assert [group["values"]["network"] for group in groups] == ["middle", "last", "first"]
    records = Reader([store.folder]).records()
    assert [group["values"][0] for group in page_data(records, title="t")["groups"]] == ["middle", "last", "first"]
