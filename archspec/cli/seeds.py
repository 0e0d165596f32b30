"""`archspec train --seeds`: a run for each seed, and their statistics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from archspec.cli.console import print_diagnostics, tell
from archspec.cli.json_output import print_json
from archspec.cli.options import ParamType
from archspec.cli.saving import resume_command

if TYPE_CHECKING:
    from archspec.cli.training import Training
    from archspec.language.recipe import Recipe
    from archspec.train.distributed.process_group import ProcessGroup
    from archspec.train.seeds import SeedRun, SeedRuns

MOST: Final = 1000  # the most runs of one command
_LARGEST: Final = 2**63 - 1  # the largest seed of a recipe


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds: `count` seeds that start with the recipe's own, or those in `listed`."""

    count: int | None
    listed: tuple[int, ...] = ()

    def of(self, recipe: Recipe) -> tuple[int, ...]:
        """The seeds for a recipe, which has a seed of its own."""
        if self.count is None:
            return self.listed
        return tuple(range(recipe.seed, recipe.seed + self.count))

    def check(
        self, *, given: Mapping[str, Any], resumed: bool, find_lr: bool, group: ProcessGroup | None,
        paused: bool = False,
    ) -> None:
        """Raise UsageError for options that contradict --seeds. given: the recipe's fields that have options."""
        if given.get("seed") is not None:
            raise click.UsageError("--seeds sets the seed of each run: leave --seed out; --seeds 3,4,5 lists them")
        if resumed:
            raise click.UsageError("--seeds starts new runs: leave it out to continue one: --resume RUN_DIR/seed-K")
        if paused:
            raise click.UsageError("--seeds trains each run to its end: leave --stop-after-epochs out")
        if find_lr:
            raise click.UsageError("--find-lr tests rates with one seed: leave --seeds out")
        if group is not None and not group.alone:
            raise click.UsageError("--seeds runs in one process: leave torchrun out, or train one seed at a time")


class SeedsType(ParamType):
    """`5`, or `0,1,7`."""

    name = "N|S,S,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Seeds:
        """See click."""
        if isinstance(value, Seeds):
            return value
        if not re.fullmatch(r" *\d{1,19} *(, *\d{1,19} *)*,? *", str(value)):
            self.fail(f"{value!r}: write a number of seeds (5), or the seeds themselves (0,1,7)", param, ctx)
        numbers = [int(text) for text in str(value).split(",") if text.strip()]
        if "," not in str(value):
            if not 1 <= numbers[0] <= MOST:
                remedy = "for seed K alone write K and a comma: 0,"  # a sweep has no --seed
                self.fail(f"{value!r}: a number of seeds is 1 to {MOST}; {remedy}", param, ctx)
            return Seeds(numbers[0])
        if twice := sorted({number for number in numbers if numbers.count(number) > 1}):
            self.fail(f"{value!r} has the seed {twice[0]} twice", param, ctx)
        if len(numbers) > MOST or max(numbers) > _LARGEST:
            self.fail(f"{value!r}: write at most {MOST} seeds of at most {_LARGEST}", param, ctx)
        return Seeds(None, tuple(numbers))


def train_seeds(training: Training, recipe: Recipe, folder: Path, seeds: Seeds, *, as_json: bool) -> None:
    """Train once for each seed, in `folder/seed-K`; print the statistics, even after a failure.

    If a run fails, the others continue, and the exit code is 1. A signal ends all of them.
    """
    from archspec.train.seeds import SeedRuns

    runs, chosen = SeedRuns(folder), seeds.of(recipe)
    about: dict[str, Any] = {}
    try:
        for number, seed in enumerate(chosen, 1):
            tell(f"seed {seed} ({number} of {len(chosen)})")
            runs.add(_run(training, recipe, seed, runs, about))
    finally:
        if runs.runs and as_json:
            print_json(about | runs.to_json())
        elif runs.runs:
            click.echo(runs.text())
    if any(run.state == "failed" for run in runs.runs):
        click.get_current_context().exit(1)


def _run(training: Training, recipe: Recipe, seed: int, runs: SeedRuns, about: dict[str, Any]) -> SeedRun:
    """Run one seed. about: receives what all runs share. A mistake before the first run starts is raised."""
    from archspec.diagnostics import SpecError
    from archspec.train.seeds import SeedRun
    from archspec.train.signals import Stopped

    path = runs.folder / f"seed-{seed}"
    try:
        one = replace(training, changes={**training.changes, "seed": seed}, known_cost=bool(runs.runs))
        outcome = one.run(recipe.model_copy(update={"seed": seed}), path)
    except SpecError as problem:
        if not runs.runs and not path.exists():
            raise
        print_diagnostics(problem.diagnostics)
        first = problem.diagnostics[0]
        return SeedRun(seed, path, None, "failed", f"{first.code}: {first.message}")
    except (Stopped, KeyboardInterrupt):
        if path.exists():
            resume = resume_command(path)
            runs.add(SeedRun(seed, path, None, "stopped", f"`{resume}` resumes it"))
        raise
    about.update({key: value for key, value in outcome.about.items() if key != "run_dir"})
    about["recipe"].pop("seed")
    return SeedRun(seed, path, outcome.summary)
