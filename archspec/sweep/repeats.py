"""Reads `seeds`: how many seeds, or which, a trial is repeated with."""

from __future__ import annotations

from typing import Any, Final

from archspec.language.message_text import value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.model import Sweep

MAX_SEEDS: Final = 1000
MAX_SEED: Final = 2**63


def read_seeds(raw: Any, at: At, errors: Errors) -> tuple[int, ...]:
    """The seeds in order: 0, 1, … for a number, or those of a list; empty if `seeds` is not set."""
    if raw is None or raw is BROKEN:
        return ()
    if is_count(raw, MAX_SEEDS):
        return tuple(range(raw))
    if isinstance(raw, list) and 1 <= len(raw) <= MAX_SEEDS and all(map(_is_seed, raw)) and len({*raw}) == len(raw):
        return tuple(raw)
    errors.add("SWEEP401", f"`seeds` must be a number of seeds or a list of different ones, got {value_text(raw)}", at,
               hint="write `seeds: 3` for the seeds 0, 1 and 2, or `seeds: [1, 5]`")
    return ()


def check_seeds(sweep: Sweep, errors: Errors) -> None:
    """Report `train.seed` beside `seeds`, which would replace it."""
    of_all = [sweep.base, *(variant.changes for variant in sweep.variants), *(p for axis in sweep.axes for p in axis)]
    replaced = [changes for changes in of_all if sweep.seeds]
    replaced += [run.changes for run in sweep.runs if run.seeds or sweep.seeds]
    for changes in replaced:
        if "train.seed" in changes:
            errors.add("SWEEP401", "`train.seed` has no effect beside `seeds`", changes["train.seed"].at,
                       hint="leave `train.seed` out, and write its value in `seeds`: `seeds: [1, 5]`")
            return


def is_count(value: Any, most: int) -> bool:
    """Whether a value is a whole number from 1 to `most`."""
    return type(value) is int and 1 <= value <= most


def _is_seed(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_SEED
