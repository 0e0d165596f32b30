"""Reads the `search` section of a sweep file into a `Search`, and reports every mistake at its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, get_args

from archspec.diagnostics import listing
from archspec.language.message_text import did_you_mean, short, value_text
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN
from archspec.sweep.draws import MAX_TRIALS, read_draw
from archspec.sweep.model import Draw
from archspec.sweep.search.model import COSTS, FIGURES, Asha, Sampler, Search

_KEYS: Final = ("sampler", "trials", "seed", "space", "objective", "prune", "constraints")
_SAMPLERS: Final = get_args(Sampler)
_ALONE: Final[Mapping[str, str]] = {
    "variants": "name one network with `spec`, and let `space` vary it",
    "grid": "move its keys to `space`: `{choice: [0.1, 1]}`",
    "zip": "move its keys to `space`: `{choice: [0.1, 1]}`",
    "random": "move its keys to `space`",
    "runs": "put them into a separate sweep file",
    "sample": "leave it out: `sampler` chooses the points",
    "seeds": "train the winner with several seeds in a separate sweep file",
}


def read_search(raw: Any, at: At, errors: Errors, allowed: Callable[[str, At], bool]) -> Search | None:
    """Read the section. allowed: whether a sweep can change a key; reports the key otherwise."""
    if isinstance(raw, dict):
        return _Reader(raw, at, errors).search(allowed)
    errors.add("SWEEP401", f"`search` must be a mapping, got {value_text(raw)}", at,
               hint="write `search: {trials: 30, space: {train.lr: {log_uniform: [0.001, 1]}}}`")
    return None


def check_alone(data: Mapping[str, Any], top: At, errors: Errors) -> None:
    """Report keys that cannot be used together with `search`."""
    for key, remedy in _ALONE.items():
        if data.get(key) not in (None, BROKEN):
            errors.add("SWEEP406", f"a sweep with `search` takes no `{key}`", top / key, key=True, hint=remedy)
    spec = data.get("spec")
    if isinstance(spec, list) and len(spec) > 1:
        errors.add("SWEEP406", f"a search needs one network, `spec` names {len(spec)}", top / "spec",
                   hint="write a sweep file for each, or vary one network by its vars, blocks and stages")


class _Reader:
    def __init__(self, raw: dict[str, Any], at: At, errors: Errors) -> None:
        self.raw, self.at, self.errors = raw, at, errors

    def fail(
        self, message: str, *path: str, hint: str | None = None, code: str = "SWEEP401", at_key: bool = False
    ) -> None:
        """Report one mistake at `path` in the section."""
        at = self.at
        for key in path:
            at = at / key
        self.errors.add(code, message, at, key=at_key, hint=hint)

    def search(self, allowed: Callable[[str, At], bool]) -> Search:
        """The section, with defaults in place of mistakes."""
        self._known("search", self.raw, _KEYS)
        sampler = self.raw.get("sampler", "random")
        if sampler not in _SAMPLERS and sampler is not BROKEN:
            self.fail(f"`sampler` must be {' or '.join(_SAMPLERS)}, got {value_text(sampler)}", "sampler",
                      hint=did_you_mean(str(sampler), _SAMPLERS))
        if "trials" not in self.raw:
            self.fail("`search` needs `trials`, the number of points to train", hint="add `trials: 30`")
        objective = self._objective()
        asha, draws = self._asha(), self._space(allowed)
        if asha is not None and len(objective) > 1:
            self.fail("ASHA ranks trials by one figure, and `objective` has several", "prune", code="SWEEP406",
                      hint=f"leave `prune` out, or write `objective: {objective[0]}`")
        if asha is not None and "train.epochs" in draws:
            self.fail("ASHA compares trials after equal epochs, and `space` varies `train.epochs`", "space",
                      "train.epochs", code="SWEEP406",
                      hint=f"fix it: `set: {{train.epochs: {asha.three_rungs}}}`; ASHA ends trials early")
        return Search(
            "tpe" if sampler == "tpe" else "random", self._number("trials", 1, 1, MAX_TRIALS),
            self._number("seed", 0, 0, 2**31), draws, objective, asha, self._constraints(), self.at,
        )

    def _known(self, what: str, found: Mapping[str, Any], keys: Sequence[str], *path: str) -> None:
        for key in found:
            if key not in keys:
                self.fail(f"`{what}` has no key `{short(key)}`", *path, key, at_key=True,
                          hint=did_you_mean(key, keys) or f"its keys: {listing(keys)}")

    def _number(self, key: str, default: int, least: int, most: int) -> int:
        value = self.raw.get(key, default)
        if type(value) is int and least <= value <= most:
            return value
        if value is not BROKEN:
            self.fail(f"`{key}` must be a whole number from {least} to {most:,}, got {value_text(value)}", key)
        return default

    def _section(self, key: str, example: str) -> dict[str, Any] | None:
        raw = self.raw.get(key)
        if raw is None or raw is BROKEN:
            return None
        if isinstance(raw, dict):
            return raw
        self.fail(f"`{key}` must be a mapping, got {value_text(raw)}", key, hint=f"write `{example}`")
        return None

    def _space(self, allowed: Callable[[str, At], bool]) -> dict[str, Draw]:
        example = "space: {train.lr: {log_uniform: [0.001, 1]}}"
        raw = self._section("space", example)
        if not raw and self.raw.get("space") in (None, {}):
            self.fail("`search` needs a `space` to search", *(["space"] if "space" in self.raw else []),
                      hint=f"add `{example}`")
        draws = {}
        for key, value in (raw or {}).items():
            place = self.at / "space" / key
            draw = read_draw(key, value, place, self.errors) if allowed(key, place) else None
            if draw is not None:
                draws[key] = draw
        return draws

    def _objective(self) -> tuple[str, ...]:
        raw = self.raw.get("objective", FIGURES[0])
        names = raw if isinstance(raw, list) else [raw]
        figures = [name for name in names if name in FIGURES]
        known = all(isinstance(name, str) and name in (*FIGURES, *COSTS) for name in names)
        if raw is BROKEN or (known and len(figures) == 1 and len({*names}) == len(names)):
            return tuple(names) if raw is not BROKEN else FIGURES[:1]
        if "test_accuracy" in names or "test_loss" in names:
            hint: str | None = "write `validation_accuracy`: only the winner is evaluated on the test set"
        else:
            hint = "write `validation_accuracy`, or `[validation_accuracy, macs]` for a Pareto front"
        rule = f"{' or '.join(FIGURES)}, alone or in a list with {listing(COSTS)}"
        self.fail(f"`objective` must be {rule}, got {value_text(raw)}", "objective", hint=hint)
        return FIGURES[:1]

    def _asha(self) -> Asha | None:
        raw = self._section("prune", "prune: {asha: {min_epochs: 1, reduction: 3}}")
        if raw is None:
            return None
        self._known("prune", raw, ("asha",), "prune")
        fields = raw.get("asha")
        if fields is None or fields is BROKEN:
            return Asha(1, 3, self.at / "prune") if "asha" in raw and fields is not BROKEN else None
        if not isinstance(fields, dict):
            self.fail(f"`asha` must be a mapping, got {value_text(fields)}", "prune", "asha",
                      hint="write `asha: {min_epochs: 1, reduction: 3}`")
            return None
        self._known("asha", fields, ("min_epochs", "reduction"), "prune", "asha")
        values = {"min_epochs": 1, "reduction": 3}
        for key, least in (("min_epochs", 1), ("reduction", 2)):
            value = fields.get(key, values[key])
            if type(value) is int and least <= value <= MAX_TRIALS:
                values[key] = value
            elif value is not BROKEN:
                self.fail(f"`{key}` must be a whole number from {least} on, got {value_text(value)}",
                          "prune", "asha", key)
        return Asha(values["min_epochs"], values["reduction"], self.at / "prune")

    def _constraints(self) -> dict[str, float]:
        raw = self._section("constraints", "constraints: {params: 1000000}") or {}
        self._known("constraints", raw, COSTS, "constraints")
        found: dict[str, float] = {}
        for key, value in raw.items():
            if key not in COSTS or value is BROKEN:
                continue
            timed, number = key == "milliseconds", type(value) in (int, float)
            if number and (value > 0 if timed else value >= 1) and value < 2**63:
                found[key] = float(value) if timed else int(value)
            else:
                rule = "a number above 0" if timed else "a number from 1 on"
                self.fail(f"`{key}` must be {rule}, got {value_text(value)}", "constraints", key,
                          hint=f"write the upper limit: `{key}: {5 if timed else 1000000}`")
        return found
