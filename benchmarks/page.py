"""docs/reproduction.md, made of `benchmarks/results/`: the goals, the sources' tables beside ours, claims judged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from archive import RESULTS, Archive
from claims import CLAIMS, SWEEPS, trials_of
from reproduction import printed_rows, rows_of, table

from archspec.api import load
from archspec.results.compare import compare
from archspec.results.formats import spread_text, verdict_text
from archspec.results.record import RunRecord
from archspec.sweep.read import read_sweep
from archspec.train.statistics import Statistic

NOTE: Final = "<!-- written by benchmarks/reproduction.py from benchmarks/results/: edit that -->"
# network → its goal on the test set, the sources' best figure, and the sweeps: of the search, and of the recipe found
GOALS: Final = {
    "lenet_relu": (0.915, "0.883", "tuned/lenet_relu.yaml", "tuned/lenet_relu_final.yaml"),
    "alexnet28": (0.93, "0.843", "tuned/alexnet28.yaml", "tuned/alexnet28_final.yaml"),
    "cnn28": (0.935, "–", "tuned/cnn28.yaml", "tuned/cnn28_final.yaml"),
    "googlenet": (0.945, "0.921", "tuned/googlenet.yaml", "tuned/googlenet_final.yaml"),
    "resnet18_96": (0.945, "–", "tuned/resnet18_96.yaml", "tuned/resnet18_96_final.yaml"),
}
SPECS: Final = {"resnet18": "resnet18_96"}  # the sources' network → the spec and sweep of its input size
IMAGES: Final = 60_000  # of Fashion-MNIST's training set
SMALL: Final = ("lenet", "lenet_relu")  # too small for its MACs to say how long it takes
INTRO: Final = """\
# The sources' runs, and ours

This page compares every run that the source notes report, by its number, with ours, and then judges their claims.
[sources.md](sources.md) has the command for each of their steps, figures, tables and exercises.

**How to read the tables.** Some printed figures are means over all epochs, including the first steps; others are those
of the last epoch. Our figures use the same definition as the printed ones. They are mean ± standard deviation over
seeds. If some seeds stay at chance and others learn, the figures are those of the seeds that learn, and the table says
how many stay at chance. The column *judged* compares the printed training accuracy (or the test accuracy, if only that
is printed) with ours: it gives the difference, and the probability p that another run of ours is as far from our mean,
adjusted for the number of rows in the table (Holm). With three seeds only large differences show. Differences between
our own rows are tested in pairs of equal seeds (t-test), with the same adjustment.

For runs that we have not done, the page gives the predicted time on this machine, with nothing else running and with
`--tune`, which trains in bf16 (based on the images per second that `python benchmarks/train_throughput.py` measured).
"""


def page() -> str:
    """The page."""
    archive = Archive.read()
    lines = [NOTE, INTRO, *_place(archive), "", "## Better than the sources", "", *_goals(archive), ""]
    lines += ["## Every run of the sources", ""]
    for network in sorted({SPECS.get(row["network"], row["network"]) for row in printed_rows().values()}):
        lines += [*_network(f"{network}.yaml", archive), ""]
    lines += ["## Their claims", ""]
    for claim in CLAIMS:
        lines += [f"### {claim.question}", "", f"*The sources:* {claim.said}", "", *claim.body(archive), ""]
    return "\n".join(lines).rstrip() + "\n"


def _place(archive: Archive) -> list[str]:
    """Where and with what the runs were trained."""
    keys = ("cpu", "device", "threads", "precision", "versions")
    places = Counter(tuple(str(row[key]) for key in keys) for row in archive.rows.values())
    versions = {str(row["versions"]): row["versions"] for row in archive.rows.values()}
    lines = ["The runs:", ""]
    for (cpu, device, threads, precision, used), count in places.most_common():
        where = f"{cpu}, threads: {threads}" if device == "CPU" else device
        names = ", ".join(f"{name} {number}" for name, number in versions[used].items())
        lines.append(f"- {count} on {where}, {precision}, {names}")
    return [
        *lines, "",
        "The machine did other work at the same time, so durations mean nothing and are not shown. `lenet-01`,"
        " `-06`, `-07` and `-08` only differ in their epochs. With a constant rate a longer run begins with the shorter"
        " one, bit for bit, so the shared epochs are trained once for all of them.",
    ]


def _network(file: str, archive: Archive) -> list[str]:
    """The table of one network."""
    path = str(SWEEPS / file)
    sweep = read_sweep(path)
    rows = list(rows_of(path, archive.records, printed_rows()))
    lines = [f"### {sweep.name}", "", f"{sweep.description}. `archspec sweep benchmarks/sweeps/{file}`"]
    lines += ["", table(rows)]
    left = [row for row in rows if not row.records]
    if left:
        names = ", ".join(row.printed["id"] for row in left)
        trainings = {row.recipe: row.recipe.epochs for row in left}  # some ids are one training
        lines += ["", f"Not run here: {names}. One seed of each: {_duration(sweep.name, sum(trainings.values()))}."]
    return lines


def _duration(network: str, epochs: float) -> str:
    """How long so many epochs are predicted to take on this machine when it does nothing else.

    By the speed that was measured of the network, else by its MACs and the slowest MACs a second of those measured.
    """
    speeds: dict[str, float] = json.loads((RESULTS / "speeds.json").read_text(encoding="utf-8"))["images_per_s"]
    slowest = min(speed * load(name).report.macs for name, speed in speeds.items() if name not in SMALL)
    images_per_s = speeds.get(network, slowest / load(network).report.macs)
    hours = epochs * IMAGES / images_per_s / 3600
    return f"{hours:,.1f} predicted hours" if hours >= 1 else f"{60 * hours:,.0f} predicted minutes"


def _goals(archive: Archive) -> list[str]:
    """What was aimed at on the test set, and what was reached."""
    lines = ["| network | sources | goal | reached, test acc | n | by |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for network, (goal, printed, search, final) in GOALS.items():
        files = [file for file in (search, final) if file and (SWEEPS / file).exists()]
        records = archive.records(trials_of(final)) if final in files else []
        by = ", ".join(f"[{file}](../benchmarks/sweeps/{file})" for file in files) or "no recipe was tuned here"
        reached = _reached(records, goal) or _by_search(archive, search) or (
            f"not run here; five runs of ten epochs: {_duration(network, 50)}"
        )
        lines.append(f"| {network} | {printed} | {goal} | {reached} | {len(records)} | {by} |")
    return lines + [line for network in GOALS for line in _beside_default(network, archive)]


def _by_search(archive: Archive, search: str) -> str:
    """How far a search came whose winner has not been trained on all images yet."""
    trials = trials_of(search) if (SWEEPS / search).is_file() else ()
    records = [record for record in archive.records(trials) if record.epochs]
    tested = [record for record in records if record.test]
    if tested:
        return f"the search's winner, trained on nine tenths of the images: {tested[0].test['accuracy']:.4f}"
    if not records:
        return ""
    best = max(records, key=lambda record: (len(record.epochs), record.epochs[-1].evaluated_accuracy))
    epochs = next(trial.recipe.epochs for trial in trials)
    return (
        f"the search is unfinished: validation accuracy {best.epochs[-1].evaluated_accuracy:.4f} after"
        f" {len(best.epochs)} of {epochs} epochs"
    )


def _beside_default(network: str, archive: Archive) -> list[str]:
    """The recipe that was found, against the one that the spec has without a search."""
    files = [f"tuned/{network}_{name}.yaml" for name in ("default", "final")]
    if not all((SWEEPS / file).exists() for file in files):
        return []
    own, found = (archive.records(trials_of(file)) for file in files)
    if not own or not found:
        return []
    first, second = compare([*own, *found], baseline=0).groups
    by = "test_accuracy"
    figures = [f"{spread_text(group.figures.get(by), by)} (n = {group.n})" for group in (first, second)]
    link = f"[{files[0]}](../benchmarks/sweeps/{files[0]})"
    return [
        "", f"`{network}` by its spec's own recipe, without a search ({link}): {figures[0]}. With the "
        f"recipe that the search found: {figures[1]}, {verdict_text(second)}.",
    ]


def _reached(records: Sequence[RunRecord], goal: float) -> str:
    values = [record.test["accuracy"] for record in records if record.test]
    if not values:
        return ""
    found = Statistic.of(values)
    return f"{spread_text(found, 'test_accuracy')}, {'reached' if found.mean >= goal else 'missed'}"
