"""What the sources claim, each judged by runs of `benchmarks/results/` or by counting.

Each function returns the lines of its section of docs/reproduction.md. A verdict is made of the figures here: nothing
is written down that the runs do not say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import exercises
from archive import RESULTS, Archive
from reproduction import LEARNT, LOST, is_dead

from archspec.api import load
from archspec.results.compare import MEASURES, Comparison, compare
from archspec.results.formats import delta_text, spread_text, title_of, value_text, verdict_text
from archspec.results.record import RunRecord
from archspec.sweep.expand import Trial, expand
from archspec.sweep.read import read_sweep
from archspec.train.statistics import Statistic

SWEEPS: Final = Path(__file__).parent / "sweeps"
MiB: Final = 1 << 20
LEAK: Final = RESULTS / "leak.json"


@dataclass(frozen=True)
class Claim:
    """A question of the sources. said: their claim. body: the lines of the answer."""

    question: str
    said: str
    body: Callable[[Archive], list[str]]


def trials_of(file: str) -> tuple[Trial, ...]:
    """The trials of a sweep of benchmarks/sweeps/."""
    path = str(SWEEPS / file)
    return expand(read_sweep(path), path).trials


def command(file: str) -> str:
    """What runs a sweep."""
    return f"`archspec sweep benchmarks/sweeps/{file}`"


def missing(trials: Sequence[Trial], records: Sequence[RunRecord], file: str) -> list[str]:
    """What a reader has to know of a sweep that is not run, or not to its end."""
    left = len(trials) - len(records)
    if not left:
        return []
    what = "not run here" if not records else f"{left} of {len(trials)} runs are missing"
    return ["", f"{what[0].upper()}{what[1:]}: {command(file)} runs the rest."]


def brief(comparison: Comparison, *measures: str) -> list[str]:
    """A comparison as a Markdown table with few columns: what varied, n, the figures, the difference."""
    names = [*measures, comparison.measure.name]
    varied = [title_of(key) for key in comparison.varied]
    head = [*varied, "n", *(MEASURES[name].title for name in names), "Δ", "verdict"]
    lines = [head, ["---"] * len(varied) + ["---:"] * (len(names) + 2) + ["---"]]
    for group in comparison.groups:
        settings = [value_text(group.values[key]) for key in comparison.varied]
        figures = [spread_text(group.figures.get(name), name) for name in names]
        lines.append([*settings, str(group.n), *figures, delta_text(group, comparison), verdict_text(group)])
    return [f"| {' | '.join(line)} |" for line in lines]


def sgd_or_adam(archive: Archive) -> list[str]:
    """At SGD's rate, and when each has its own."""
    rows = [trial for trial in trials_of("lenet.yaml") if trial.varied["recipe"] in ("lenet-01", "lenet-02")]
    lines = ["At SGD's rate, as in the sources:", "", *_compared(archive.records(rows))]
    for network in ("lenet", "lenet_relu"):
        searches = [f"claims/{network}_{optimizer}.yaml" for optimizer in ("sgd", "adam")]
        lines += ["", f"`{network}`, each with its best rate. Searches of equal budgets, on validation images:", ""]
        for file in searches:
            lines += [f"- {_searched(archive, file)}"]
        file = f"claims/{network}_sgd_adam.yaml"
        if not (SWEEPS / file).exists():  # the searches are not at their end
            continue
        trials = trials_of(file)
        records = archive.records(trials)
        if records:
            lines += ["", f"The two rates with new seeds, trained on {_images(records[0])}, on the test set:", ""]
        lines += [*_compared(records), *missing(trials, records, file)]
    return lines


def _compared(records: Sequence[RunRecord]) -> list[str]:
    if not records:
        return []
    found = compare(records, baseline=0)
    lines = brief(found, "last_train_loss")
    if len(found.groups) == 2:
        other = found.groups[1]
        first, second = (group.records[0].settings.get("train.optimizer") for group in found.groups)
        names = {"sgd": "SGD", "adam": "Adam"}
        says = {
            "worse": f"Here {names.get(first, first)} is better than {names.get(second, second)}.",
            "better": f"Here {names.get(second, second)} is better than {names.get(first, first)}.",
            "within noise": "The difference is within noise.",
        }
        lines += ["", says.get(other.verdict, "Whether they differ is not known.")]
        for group in found.groups:
            if any(map(is_dead, group.records)):
                optimizer = str(group.records[0].settings.get("train.optimizer"))
                lines.append(f"With {names.get(optimizer, optimizer)} {_at_chance(group.records)}")
    return lines


def _searched(archive: Archive, file: str) -> str:
    trials = trials_of(file)
    records = archive.records(trials)
    if not records:
        return f"{command(file)}: not run here"
    best = max(records, key=lambda record: (len(record.epochs), record.last.evaluated_accuracy if record.last else 0.0))
    assert best.last is not None
    return (
        f"{command(file)}: {len(records)} of {len(trials)} rates tried on {_images(best)}; best"
        f" {best.settings['train.lr']:.3g}, validation accuracy {best.last.evaluated_accuracy:.4f}"
        f" after {len(best.epochs)} epochs"
    )


def _images(record: RunRecord) -> str:
    return f"{record.environment['data']['train_images']:,} images"


def large_batch(archive: Archive) -> list[str]:
    """Equal epochs, equal steps, a scaled rate."""
    file = "claims/lenet_batch.yaml"
    trials = trials_of(file)
    records = archive.records(trials)
    if not records:
        return missing(trials, records, file)[1:]
    found = compare(records, baseline=0)
    lines = [*brief(found, "mean_train_accuracy", "last_train_loss"), ""]
    said = {
        "worse": "is worse than", "better": "is better than", "within noise": "cannot be distinguished from",
        "not known": "has too few seeds to be compared with", "no figure": "has no figure beside",
    }
    settings = {
        (512, 10, 0.9): "at equal epochs", (512, 20, 0.9): "at equal steps",
        (512, 10, 1.8): "with a rate that is scaled with the batch",
    }
    for group in found.groups[1:]:
        recipe = group.records[0].settings
        how = settings.get((recipe["train.batch_size"], recipe["train.epochs"], recipe["train.lr"]))
        if how:
            lines.append(f"- {how}, a batch of 512 {said[group.verdict]} one of 256")
    return lines + missing(trials, records, file)


def at_chance(archive: Archive) -> list[str]:
    """The row of 2.303, fresh and leaked."""
    lines = ["With a fresh network, as in every run of archspec:", ""]
    for file, recipe in (("lenet_relu.yaml", "lenet_relu-01"), ("lenet.yaml", "lenet-02"), ("lenet.yaml", "lenet-03")):
        records = archive.records([trial for trial in trials_of(file) if trial.varied.get("recipe") == recipe])
        if records:
            lines.append(f"- `{recipe}`: {_at_chance(records)} {command(file)}")
    leak: Mapping[str, float] = json.loads(LEAK.read_text(encoding="utf-8"))
    return [
        *lines, "",
        "From one network that is trained repeatedly, with new weights but the old biases, the loss of the"
        " last epoch (`python benchmarks/leak.py`, on digits):",
        "", *(f"- {run}: {loss:.3f}" for run, loss in leak.items()), "",
        "In the sources `alexnet-05`, `-06` and `-08` are at chance at a rate with which `alexnet-01`, `-10` and `-12`"
        " learn, and all of them follow `alexnet-04`, which is dead. The leak explains that; over-fitting and the batch"
        " size do not.",
    ]


def _at_chance(records: Sequence[RunRecord]) -> str:
    """How many of the runs end at chance, what the doctor says of them, and what the others reach."""
    dead = [record for record in records if is_dead(record)]
    text = f"{len(dead)} of {len(records)} seeds end at chance"
    findings = Counter(record.diagnosis for record in dead if record.diagnosis)
    text += "".join(f"; {finding} ({count} of {len(dead)})" for finding, count in findings.items())
    alive = [record.test["accuracy"] for record in records if record not in dead and record.test]
    if not alive:
        return f"{text}."
    return f"{text}; the others reach {spread_text(Statistic.of(alive), 'test_accuracy')} on the test set."


def collapse(archive: Archive) -> list[str]:
    """NiN over ten seeds."""
    file = "claims/nin_mini.yaml"
    trials = trials_of(file)
    records = archive.records(trials)
    if not records:
        return missing(trials, records, file)[1:]
    fates = {record.seed: fate([row.train_loss for row in record.epochs]) for record in records}
    counts = Counter(text.split(" at ")[0] for text in fates.values())
    lines = [f"A small NiN ([nin_mini.yaml](../benchmarks/nin_mini.yaml)) on {_images(records[0])}: "
             + ", ".join(f"{count} of {len(records)} {text}" for text, count in counts.most_common()) + ".", ""]
    lines += ["| seed | outcome | lowest train loss | last train loss | diagnosis |"]
    lines += ["| ---: | --- | ---: | ---: | --- |"]
    for record in records:
        losses = [row.train_loss for row in record.epochs]
        figures = f"{min(losses):.3f} | {losses[-1]:.3f}"
        lines.append(f"| {record.seed} | {fates[record.seed]} | {figures} | {record.diagnosis} |")
    return lines + missing(trials, records, file)


def fate(losses: Sequence[float]) -> str:
    """The course of a run by its mean training losses: it never learned, learned and kept it, or collapsed."""
    learnt = next((k for k, loss in enumerate(losses) if loss < LEARNT), None)
    if learnt is None:
        return "never learned"
    lost = next((k for k, loss in enumerate(losses) if k > learnt and not loss < LOST), None)
    if lost is None:
        return "learned and kept it"
    recovered = any(loss < LEARNT for loss in losses[lost:])
    return f"collapsed and {'recovered' if recovered else 'stayed'} at epoch {lost + 1}"


def simplified(_: Archive) -> list[str]:
    """Counted, not timed."""
    ours, theirs = load("alexnet_simplified").report, load("alexnet").report
    ratio = ours.macs / theirs.macs
    return [
        f"{'It costs more, not less' if ratio > 1 else 'It costs less'}: {ours.macs / 1e6:,.0f} M MACs an image against"
        f" {theirs.macs / 1e6:,.0f} M, {ratio:.2f} times as many, {ours.params / 1e6:.1f} M parameters against"
        f" {theirs.params / 1e6:.1f} M, and {ours.activation_bytes / MiB:.1f} MiB of activations an image against"
        f" {theirs.activation_bytes / MiB:.1f} MiB. `archspec profile alexnet_simplified --static` and"
        " `archspec profile alexnet --static` show this in a second.",
    ]


def workers(_: Archive) -> list[str]:
    """Ids whose recipes are one training."""
    lines = []
    for file, first, second in (("alexnet.yaml", "alexnet-01", "alexnet-09"), ("vgg_small.yaml", "vgg-01", "vgg-09")):
        path = str(SWEEPS / file)
        sweep = read_sweep(path)
        ids = {}
        for run in sweep.runs:
            one = expand(replace(sweep, runs=(run,)), path)
            ids[run.changes["recipe"].value] = [trial.id for trial in one.trials]
        what = "one training, with one digest" if ids[first] == ids[second] else "two trainings"
        lines.append(f"- `{first}` (4 workers) and `{second}` (8) are {what}")
    return [
        *lines, "",
        "They do not: Fashion-MNIST is decoded once and held in memory, so there is no loader for workers to speed up."
        " For a folder of images `--workers` sets the number of decoding processes; the images, their order and so the"
        " result do not depend on it.",
    ]


def overfitting(archive: Archive) -> list[str]:
    """The gap between training and test accuracy."""
    file = "claims/overfitting.yaml"
    trials = trials_of(file)
    records = archive.records(trials)
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.network, []).append(record)
    for trial in trials_of("lenet.yaml"):
        if trial.varied["recipe"] in ("lenet-01", "lenet-08"):
            groups.setdefault(f"lenet, {trial.recipe.epochs} epochs", []).extend(archive.records([trial]))
    lines = ["| network | n | train acc, last epoch | test acc | gap |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, members in groups.items():
        alive = [record for record in members if not is_dead(record)]  # a dead network over-fits nothing
        pairs = [(run.last.train_accuracy, run.test["accuracy"]) for run in alive if run.last and run.test]
        if pairs:
            figures = [a for a, _ in pairs], [b for _, b in pairs], [a - b for a, b in pairs]
            cells = [spread_text(Statistic.of(values), "test_accuracy") for values in figures]
            lines.append(f"| {name} | {len(pairs)} | {' | '.join(cells)} |")
    return [
        *lines, "",
        "The gaps of the sources' own rows are 0.001 (`alexnet-10`), 0.009 (`alexnet-11`, 15 epochs), −0.002"
        " (`alexnet28-01`) and 0.004 (`lenet_relu-01`). The training figure is a mean over the epoch with dropout on,"
        " so a gap near 0 only means that nothing over-fits yet: ten epochs at these rates are too few to distinguish"
        " the networks.",
        *missing(trials, records, file),
    ]


def exercise(_: Archive) -> list[str]:
    """The AlexNet note's exercises."""
    return [
        *exercises.answers("alexnet"), "",
        "`python benchmarks/exercises.py` prints this, `archspec profile alexnet --static --batch-size 256` the costs"
        " by layer. The source's 4 GB GPU was full at 256, because libraries need additional workspaces. Accuracy"
        " against batch: `archspec sweep benchmarks/sweeps/alexnet.yaml` (`alexnet-07`, `-01`, `-08`), and at "
        "LeNet's size the section"
        " on batches above.",
    ]


CLAIMS: Final = (
    Claim("Is SGD better than Adam?",
          "Adam is worse (`lenet-02`, `alexnet-02`, `vgg-02`, `resnet-02`). It was run at SGD's rate.", sgd_or_adam),
    Claim("Is a large batch worse?",
          "Accuracy falls with the batch at equal epochs (`lenet-09`, `-01`, `-10`).", large_batch),
    Claim("Where does the row of 2.303 come from?",
          "Eight runs end at ln 10 = 2.303; the authors suspect over-fitting and the batch size.", at_chance),
    Claim("How often does NiN collapse, and when?",
          "With batches of 256 some runs never converge, some collapse at epoch 5 (`nin-02` to `-04`).", collapse),
    Claim("Is the simplified AlexNet cheaper?", "17 minutes against 29; the 29 are an outlier.", simplified),
    Claim("Do loader workers matter?", "4 and 8 workers are compared (`alexnet-09`, `vgg-09`).", workers),
    Claim("Does AlexNet over-fit less than LeNet?", "An open question of the AlexNet note.", overfitting),
    Claim("The AlexNet note's exercises",
          "Which layer dominates memory, which compute, what bandwidth is needed, how memory grows with the batch.",
          exercise),
)
