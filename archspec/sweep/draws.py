"""Reads `random`, and draws values from ranges and lists by seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from archspec.language.message_text import short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.model import Changes, Draw, Random, Value

KINDS: Final = ("uniform", "log_uniform", "choice")
MAX_TRIALS: Final = 100_000
_HINT: Final = "write `{log_uniform: [0.001, 1]}`, `{uniform: [0, 0.5]}` or `{choice: [sgd, adam]}`"


def read_random(raw: Any, at: At, errors: Errors, allowed: Callable[[str, At], bool]) -> Random | None:
    """Read the `random` section: `trials`, `seed`, and a distribution for each key."""
    if not isinstance(raw, dict):
        errors.add("SWEEP401", f"`random` must be a mapping, got {value_text(raw)}", at,
                   hint="write `random: {trials: 20, train.lr: {log_uniform: [0.001, 1]}}`")
        return None
    trials, seed = raw.get("trials"), raw.get("seed", 0)
    if type(trials) is not int or not 1 <= trials <= MAX_TRIALS:
        place, what = (at / "trials", f", got {value_text(trials)}") if "trials" in raw else (at, "")
        errors.add("SWEEP401", f"`random` needs `trials`, a number from 1 to {MAX_TRIALS:,}{what}", place,
                   hint="write `trials: 20`")
        trials = 1
    if type(seed) is not int or seed < 0:
        errors.add("SWEEP401", f"`seed` of `random` must be a number from 0 on, got {value_text(seed)}", at / "seed")
        seed = 0
    draws = {}
    for key, value in raw.items():
        if key in ("trials", "seed") or not allowed(key, at / key):
            continue
        draw = read_draw(key, value, at / key, errors)
        if draw is not None:
            draws[key] = draw
    if not draws and len(raw.keys() - {"trials", "seed"}) == 0:
        errors.add("SWEEP401", "`random` draws nothing", at, hint="add `train.lr: {log_uniform: [0.001, 1]}`")
    return Random(trials, seed, draws)


def read_draw(key: str, raw: Any, at: At, errors: Errors) -> Draw | None:
    """Read the distribution of one key; reports a mistake and returns None if it is not valid."""
    if raw is BROKEN:
        return None
    kinds = [kind for kind in KINDS if isinstance(raw, dict) and kind in raw]
    if len(kinds) != 1 or not raw.keys() <= {kinds[0], "whole"}:
        errors.add("SWEEP401", f"`{short(key)}` needs one distribution, got {value_text(raw)}", at, hint=_HINT)
        return None
    (kind,), whole = kinds, raw.get("whole", False)
    values = raw[kind]
    if type(whole) is not bool:
        errors.add("SWEEP401", f"`whole` must be true or false, got {value_text(whole)}", at / "whole")
        return None
    if kind == "choice":
        if isinstance(values, list) and values and not whole:
            return Draw(kind, None, tuple(values), False, at / kind)
        errors.add("SWEEP401", f"`choice` needs a list of values, got {value_text(values)}", at / kind, hint=_HINT)
        return None
    low = math.nextafter(0, 1) if kind == "log_uniform" else -math.inf
    sound = isinstance(values, list) and len(values) == 2 and all(type(v) in (int, float) for v in values)
    if not sound or not (math.isfinite(values[1]) and low <= values[0] < values[1]):
        rule = "two numbers above 0, the lower first" if kind == "log_uniform" else "two numbers, the lower first"
        errors.add("SWEEP401", f"`{kind}` needs {rule}, got {value_text(values)}", at / kind, hint=_HINT)
        return None
    if whole and math.ceil(values[0]) > math.floor(values[1]):
        errors.add("SWEEP401", f"no whole number lies in {value_text(values)}", at / kind,
                   hint="widen the bounds, or leave `whole` out")
        return None
    return Draw(kind, (float(values[0]), float(values[1])), (), whole, at / kind)


def draw_points(plan: Random) -> list[Changes]:
    """Draw `plan.trials` points, as a function of `plan.seed`. With more trials the first points stay the same."""
    return [*islice(points_of(plan.draws, plan.seed), plan.trials)]


def points_of(draws: Mapping[str, Draw], seed: int) -> Iterator[Changes]:
    """An endless sequence of points, as a function of `seed`."""
    source = random.Random(seed)  # noqa: S311
    while True:
        yield {key: Value(_drawn(draw, source), draw.at) for key, draw in draws.items()}


def _drawn(draw: Draw, source: random.Random) -> Any:
    if draw.bounds is None:
        return draw.options[int(source.random() * len(draw.options))]
    low, high = draw.bounds
    share = source.random()
    return as_written(draw, low * (high / low) ** share if draw.kind == "log_uniform" else low + share * (high - low))


def as_written(draw: Draw, value: float) -> Any:
    """A number that was drawn between bounds, rounded to four significant digits."""
    assert draw.bounds is not None
    low, high = draw.bounds
    if draw.whole:
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return float(f"{value:.4g}")  # so that tables show the exact value
