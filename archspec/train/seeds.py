"""The same training with several seeds: the results of each run, and their mean, standard deviation and interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from archspec.atomic_files import make_folder, write_text
from archspec.language.loss import FIGURES
from archspec.standard_json import json_text
from archspec.train.run_dir.full_disk import explain_write_failures
from archspec.train.statistics import Statistic
from archspec.train.summary import SHORT, Summary, loss_text

SEEDS_FORMAT: Final = 1
FILE: Final = "seeds.json"  # in the folder of all runs
_HEADS: Final = ("seed", "epochs", "test loss", "test {1}", "best epoch", "its {0} {1}", "seconds")


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One of the runs. summary: None if the run has not finished; `reason` is then the cause."""

    seed: int
    folder: Path
    summary: Summary | None = None
    state: Literal["finished", "failed", "stopped"] = "finished"
    reason: str | None = None

    def figures(self) -> dict[str, float]:
        """The figures that are averaged over the runs: of the last epoch, the final test, and the best epoch."""
        if self.summary is None:
            return {}
        last, best, test = self.summary.last, self.summary.best, self.summary.test_figures()
        figures = {f"train_{name}": last.figure(name, "train") for name in last.evaluated() if name != "top5"}
        if last.split == "validation":
            figures |= {f"validation_{name}": value for name, value in last.evaluated().items()}
        figures |= {f"test_{name}": value for name, value in (test or {}).items()}
        return figures | {f"best_{best.split}_{name}": value for name, value in best.evaluated().items()}

    def to_json(self) -> dict[str, object]:
        """As plain data; `figures` is empty for a run that has not finished."""
        about: dict[str, object] = {
            "seed": self.seed, "run_dir": str(self.folder), "state": self.state, "reason": self.reason,
            "figures": self.figures(),
        }
        if self.summary is not None:
            about |= {
                "epochs": len(self.summary.epochs), "best_epoch": self.summary.best.epoch,
                "stopped_early": self.summary.stopped, "seconds": self.summary.seconds,
                "findings": [finding.to_json() for finding in self.summary.findings],
            }
        return about


@dataclass(slots=True)
class SeedRuns:
    """All runs so far, in the order of their starts. folder: contains their run folders."""

    folder: Path
    runs: list[SeedRun] = field(default_factory=list)

    def add(self, run: SeedRun) -> None:
        """Append a run and write `seeds.json`, so the results so far survive a failure of the next run."""
        self.runs.append(run)
        text, path = json_text(self.to_json(), indent=2) + "\n", self.folder / FILE
        with explain_write_failures("the figures of all seeds", path, len(text)):
            make_folder(self.folder)
            write_text(path, text)

    def statistics(self) -> dict[str, Statistic]:
        """The statistics of each figure over the finished runs."""
        finished = [run.figures() for run in self.runs if run.summary is not None]
        return {name: Statistic.of([figures[name] for figures in finished]) for name in (finished or [{}])[0]}

    def to_json(self) -> dict[str, object]:
        """The versioned JSON form."""
        return {
            "format": SEEDS_FORMAT,
            "run_dir": str(self.folder),
            "seeds": [run.to_json() for run in self.runs],
            "statistics": {name: statistic.to_json() for name, statistic in self.statistics().items()},
        }

    def _heads(self) -> list[str]:
        last = next(run.summary.last for run in self.runs if run.summary is not None)
        return [head.format(SHORT[last.split], FIGURES[last.metric].short) for head in _HEADS]

    def text(self) -> str:
        """A table with a row for each run, and the statistics below it."""
        rows = [_cells(run.seed, run.summary) for run in self.runs if run.summary is not None]
        lines = list(_aligned([self._heads(), *rows])) if rows else []
        lines += [f"seed {run.seed} {run.state}: {run.reason}" for run in self.runs if run.summary is None]
        statistics = self.statistics()
        names = [name for name in statistics if "train" not in name]
        reported = [f"{_figure_text(name)}: {statistics[name].text()}" for name in names]
        return "\n".join([*lines, *([""] if reported else []), *reported, f"run folders: {self.folder}"])


def _figure_text(figure: str) -> str:
    """`test accuracy`, `validation loss of the best epoch`."""
    name = figure.removeprefix("best_").replace("_", " ")
    return name if name == figure.replace("_", " ") else f"{name} of the best epoch"


def _cells(seed: int, summary: Summary) -> tuple[str, ...]:
    test, best = summary.test_figures() or {}, summary.best
    return (
        str(seed), str(len(summary.epochs)), loss_text(test["loss"]), f"{test[best.metric]:.4f}",
        str(best.epoch), f"{best.figure(best.metric):.4f}", f"{summary.seconds:.1f}",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
