"""Reads `sample`: which combinations of a sweep to train."""

from __future__ import annotations

from typing import Any, Final

from archspec.diagnostics import listing
from archspec.language.message_text import did_you_mean, short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.draws import MAX_TRIALS
from archspec.sweep.model import FIGURES, Sample
from archspec.sweep.repeats import is_count

KEYS: Final = ("by", "trials", "seed")
_EXAMPLE: Final = "sample: {by: macs, trials: 20}"


def read_sample(raw: Any, at: At, errors: Errors) -> Sample | None:
    """Read the `sample` section; None if it is missing or not valid."""
    if raw is None or raw is BROKEN:
        return None
    if not isinstance(raw, dict):
        errors.add("SWEEP401", f"`sample` must be a mapping, got {value_text(raw)}", at, hint=f"write `{_EXAMPLE}`")
        return None
    for key in raw:
        if key not in KEYS:
            errors.add("SWEEP401", f"`sample` has no key `{short(key)}`", at / key, key=True,
                       hint=did_you_mean(key, KEYS) or f"its keys: {listing(KEYS)}")
    by, trials, seed = raw.get("by", "macs"), raw.get("trials"), raw.get("seed", 0)
    if by not in FIGURES and by is not BROKEN:
        errors.add("SWEEP401", f"`by` must be {' or '.join(FIGURES)}, got {value_text(by)}", at / "by",
                   hint=did_you_mean(str(by), FIGURES))
    if "trials" not in raw:
        errors.add("SWEEP401", "`sample` needs `trials`, the number of combinations to train", at,
                   hint=f"write `{_EXAMPLE}`")
    elif not is_count(trials, MAX_TRIALS) and trials is not BROKEN:
        errors.add("SWEEP401", f"`trials` must be a number from 1 to {MAX_TRIALS:,}, got {value_text(trials)}",
                   at / "trials", hint="write `trials: 20`")
    if (type(seed) is not int or seed < 0) and seed is not BROKEN:
        errors.add("SWEEP401", f"`seed` of `sample` must be a number from 0 on, got {value_text(seed)}", at / "seed",
                   hint="write `seed: 0`")
    return Sample(str(by), trials if isinstance(trials, int) else 1, seed if type(seed) is int else 0, at)
