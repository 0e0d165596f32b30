"""Runs to export: ordinary ones, and what may go wrong with one."""

import json

from archspec.results.export.run import exported
from archspec.results.find import find_runs
from tests.results.helpers import make_run


def some_runs(folder, few=False):
    """Two seeds with points within their epochs; unless they are to be few, one that diverged, one that has not finished an epoch, one with a name of its own."""
    for seed in (0, 1):
        run = make_run(folder / f"a{seed}", seed=seed, accuracies=(0.5, 0.75), early_stopping={"patience": 3, "metric": "accuracy"}, augment=["flip"])
        edit_rows(run, lambda row: row | {"step": 10 * row["epoch"], "learning_rate": 0.1})
        points = [{"step": s, "epoch": s / 10, "loss": 2 - s / 20, "accuracy": s / 20, "learning_rate": 0.1} for s in (5, 10, 15, 20)]
        (run / "steps.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
        (run / "summary.json").write_text("{}")
    if few:
        return folder
    bad = make_run(folder / "bad", lr=9, accuracies=(0.1, 0.1), findings=[{"code": "RUN346", "title": "the loss blew up", "until": None}])
    edit_rows(bad, lambda row: row | {"train_loss": float("nan"), "test_loss": float("inf")})
    make_run(folder / "begun", lr=0.3, accuracies=(), finished=False)
    make_run(folder / "größe", name="größe – 中文", width=7)
    return folder


def edit_rows(run, edit):
    path = run / "metrics.jsonl"
    path.write_text("".join(json.dumps(edit(json.loads(line))) + "\n" for line in path.read_text().splitlines()))


def goes_on(run):
    """Another epoch."""
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row | {"epoch": row["epoch"] + 1, "test_accuracy": 0.9}) + "\n")


def read(folder):
    return [exported(record) for record in find_runs([folder])]
