"""How often is a final verdict of the doctor wrong? Three NiN blocks at a rate of 0.3, seed by seed.

At most seeds the network converges, at some it collapses for good, at some it collapses and comes back, hundreds of
steps later. A final verdict on a run that afterwards learns is wrong: none is wanted. Each run is recorded in
`--folder`, so that changed rules are replayed on what was seen, without training again.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from common import show_place, show_table

from archspec.api import load
from archspec.language.recipe import Recipe, merge_recipe
from archspec.train.doctor import Doctor, Finding, Patient
from archspec.train.doctor.history import Activation, Facts, FirstBatch, History, Sample, Weight
from archspec.train.doctor.verdicts import Verdicts
from archspec.train.loop import fit
from archspec.train.run import Run
from archspec.train.setup import Machine, prepare
from archspec.train.summary import EpochResult

SPEC = """\
archspec: 1
name: nin_mini
input: [1, 28, 28]
stages:
  b1: {nin_block: [16, 5, 2, 2]}
  pool1: {max_pool2d: 2}
  b2: {nin_block: [32, 3, 1, 1]}
  pool2: {max_pool2d: 2}
  dropout: {dropout: 0.5}
  b4: {nin_block: [10, 3, 1, 1]}
  head: [global_avg_pool2d, flatten]
train: {data: fashion-mnist, batch_size: 64, epochs: 12, optimizer: sgd, lr: 0.3, init: xavier_uniform}
"""
LEARNT = 0.8  # of chance, over BLOCK steps
BLOCK = 40
CHANCE = 2.302585


class Recorder(Doctor):
    """A doctor that notes all that it sees, step by step."""

    def __init__(self, patient: Patient) -> None:
        super().__init__(patient=patient)
        self.looks: list[dict[str, Any]] = []

    def on_step(self, run: Run) -> None:
        looked = self._probe is not None
        super().on_step(run)
        if looked:
            self._note(asdict(self._history.samples[-1]))

    def on_epoch(self, run: Run) -> None:
        super().on_epoch(run)
        self._note(None)

    def _note(self, sample: dict[str, Any] | None) -> None:
        seen = self._history
        labels = {str(label): count for label, count in seen.labels.items()}
        self.looks.append({
            "steps": len(seen), "sample": sample, "labels": labels, "epochs": len(seen.epochs), "sealed": seen.sealed,
        })

    def recording(self, seed: int) -> dict[str, Any]:
        seen = self._history
        names = ("lr", "optimizer", "init", "steps_per_epoch", "total_steps")
        series = {name: getattr(seen, name).tolist() for name in ("losses", "hits", "sizes")}
        assert seen.inputs is not None
        return {
            "seed": seed, **{name: getattr(seen, name) for name in names}, **series, "inputs": asdict(seen.inputs),
            "facts": asdict(seen.facts), "epochs": [asdict(row) for row in seen.epochs], "looks": self.looks,
        }


def record(seed: int, path: Path, images: int) -> None:
    """Train with this seed, and write what the doctor saw."""
    loaded = load(SPEC)
    recipe = Recipe.model_validate(merge_recipe(loaded.recipe().to_data(), {"seed": seed}))
    device = torch.device("cpu")
    task = prepare(loaded.graph, recipe, Machine(device, limit_train=images, limit_test=1000))
    doctor = Recorder(Patient(loaded.data, loaded.graph, recipe, task.machine, task.train, task.test))
    fit(task.model, task.train, task.test, recipe, device=device, callbacks=(doctor,))
    path.write_bytes(gzip.compress(json.dumps(doctor.recording(seed)).encode(), mtime=0))


def replay(path: Path) -> tuple[History, Verdicts, list[tuple[int, str, Finding | None]]]:
    """The rules applied to a recording as in the run: the history, what holds at its end, and what was said."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    history = History(**{name: data[name] for name in ("lr", "optimizer", "init", "steps_per_epoch", "total_steps")})
    history.facts = Facts(dropout=0.5, norms=("batch_norm2d",))
    verdicts, said = Verdicts(), []
    for look in data["looks"]:
        start, end = len(history), look["steps"]
        history.add_steps(*(data[name][start:end] for name in ("losses", "hits", "sizes")))
        history.inputs = FirstBatch(**data["inputs"])
        history.labels.clear()
        history.labels.update({int(label): count for label, count in look["labels"].items()})
        if look["sample"] is not None:
            history.add_sample(_sample(look["sample"]))
        if look["epochs"] > len(history.epochs):
            history.end_epoch(_row(data["epochs"][look["epochs"] - 1]))
        history.sealed = look.get("sealed")
        said += [(history.step, text, finding) for text, finding in verdicts.examine(history)]
    said += [(history.step, text, finding) for text, finding in verdicts.at_the_end(history)]
    return history, verdicts, said


def _recipe() -> Recipe:
    return load(SPEC).recipe()


def _sample(data: dict[str, Any]) -> Sample:
    activations = tuple(Activation(**row) for row in data["activations"])
    return Sample(data["step"], data["rate"], activations, tuple(Weight(**row) for row in data["weights"]))


def _row(data: dict[str, Any]) -> EpochResult:
    return EpochResult(**{key.replace("test_", "evaluated_"): value for key, value in data.items()})


@dataclass(frozen=True)
class Course:
    """What a run came to. collapsed: the step at which it was at chance after it had learnt. back: it learnt again."""

    kind: str
    collapsed: int | None
    back: int | None


def course(history: History) -> Course:
    """converged, never learnt, collapsed, came back."""
    learnt = [history.block(end, BLOCK).loss < LEARNT * CHANCE for end in range(BLOCK, len(history) + 1)]
    lost = [history.block(end, BLOCK).loss > 0.97 * CHANCE for end in range(BLOCK, len(history) + 1)]
    first = learnt.index(True) if True in learnt else None
    if first is None:
        return Course("never learnt", None, None)
    collapsed = next((k for k in range(first, len(lost)) if lost[k]), None)
    if collapsed is None:
        return Course("converged", None, None)
    back = next((k for k in range(collapsed, len(learnt)) if learnt[k]), None)
    kind = "collapsed" if not any(learnt[-BLOCK:]) else "came back"
    return Course(kind, collapsed + BLOCK, None if back is None else back + BLOCK)


def wrong_finals(history: History, said: list[tuple[int, str, Finding | None]]) -> list[int]:
    """Steps of final verdicts after which the network learnt."""
    finals = [step for step, _, finding in said if finding is not None and finding.final]
    return [
        step for step in finals
        if any(history.block(end, BLOCK).loss < LEARNT * CHANCE for end in range(step + BLOCK, len(history) + 1))
    ]


def _rows(paths: list[Path]) -> Iterator[tuple[list[str], bool, bool]]:
    for path in paths:
        history, _, said = replay(path)
        found = course(history)
        text = ", ".join(
            f"{finding.code} at {step}{' final' if finding.final else ''}" for step, _, finding in said
            if finding is not None
        )
        taken_back = ", ".join(str(step) for step, _, finding in said if finding is None)
        wrong = bool(wrong_finals(history, said))
        final = any(finding is not None and finding.final for _, _, finding in said)
        cells = [
            path.name.removesuffix(".json.gz"), found.kind, str(found.collapsed or "–"), str(found.back or "–"),
            text or "–", taken_back or "–", "wrong" if wrong else "–",
        ]
        yield cells, wrong, final


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path("runs/doctor-finals"), metavar="DIR")
    parser.add_argument("--images", type=int, default=12_000, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = [options.folder / f"seed-{seed:02}.json.gz" for seed in range(options.seeds)]
    for seed, path in enumerate(paths):
        if not path.exists():
            record(seed, path, options.images)
    show_place(["torch"])
    rows = list(_rows(paths))
    heads = ["seed", "course", "collapsed at", "back at", "verdicts", "taken back at", "final"]
    show_table(heads, [cells for cells, _, _ in rows])
    wrong, finals = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print(f"\n{len(rows)} runs, {finals} final verdicts, {wrong} wrong (0 wanted)")


if __name__ == "__main__":
    main()
