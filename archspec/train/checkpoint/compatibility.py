"""Compares a resumed run with the run that was stopped: what must be equal, and what affects bitwise equality."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from archspec.diagnostics import SpecError, error
from archspec.ir import Graph
from archspec.ir.diff import diff
from archspec.ir.digest import graph_digest
from archspec.train.checkpoint.digest import needs_length

# The entries of environment.json that affect bitwise reproducibility. All of `settings` counts.
_DECIDE: Final = ("versions", "cpu", "cpu_kernels", "device", "threads", "settings", "world", "fsdp", "flush_denormal")
UNRECORDED: Final[Mapping[str, JsonValue]] = {"flush_denormal": False}  # the value in 0.1.0, which did not record it
SHOWN: Final = 6  # changes in a message
_TEST: Final = ("validation", "test")  # `validation: test` in a recipe means the same as leaving it out
_SAME: Final = ("recompute",)  # fields of a recipe that change no result
_DATA: Final = ("train_images", "validation_images", "test_images")


def conditions(environment: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The settings in `environment.json` that affect bitwise reproducibility, name → value."""
    chosen = {key: environment[key] for key in _DECIDE if key in environment}
    chosen["data"] = {key: environment.get("data", {}).get(key) for key in _DATA}
    return dict(_flat(chosen, ""))


def _flat(data: Mapping[str, Any], prefix: str) -> list[tuple[str, JsonValue]]:
    found: list[tuple[str, JsonValue]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


def differences(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> list[str]:
    """What has changed, as texts: `threads was 4, is 2`."""
    return [
        f"{_label(key)} was {_value_text(then.get(key))}, is {_value_text(now.get(key))}"
        for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)
    ]


def _label(key: str) -> str:
    return "the number of processes" if key == "world" else key.removeprefix("versions.")


def _value_text(value: JsonValue) -> str:
    if value is None:
        return "nothing"
    return (value if isinstance(value, str) else json.dumps(value))[:80]  # as a spec writes it: true, not True


def check_same_data(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """Raise SpecError RUN315 if the number of training images has changed, because that changes their whole order."""
    key = "data.train_images"
    if then.get(key) is not None and then[key] != now.get(key):
        raise changed_spec(f"the run had {then[key]} training images, now it has {now.get(key)}", [])


def changed_spec(message: str, notes: Sequence[str], remedy: str = "") -> SpecError:
    """SpecError RUN315 for a run that would continue as a different one. remedy: how to undo the change."""
    more = [f"and {len(notes) - SHOWN} more"] if len(notes) > SHOWN else []
    return error("RUN315", message, notes=[*notes[:SHOWN], *more],
                 hint=f"{remedy or 'restore it'}, or add --allow-changes to continue with what fits")


def recipe_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a recipe that differ: name → `lr was 0.1, is 0.5`.

    now: a whole recipe. The number of epochs counts only if the schedule depends on it.
    """
    changes = {}
    then, now = ({key: value for key, value in data.items() if (key, value) != _TEST} for data in (then, now))
    for key in sorted((then.keys() | now.keys()).difference(_SAME)):
        if key == "epochs" and not needs_length(now):
            continue
        texts = differences(*(dict(_flat({key: data[key]} if key in data else {}, "")) for data in (then, now)))
        if texts:
            changes[key] = ", ".join(texts)
    if "epochs" in changes:
        changes["epochs"] += ": the schedule is stretched over all epochs, so its rates change"
    return changes


def network_change(then: Graph | None, now: Graph) -> str | None:
    """The first difference between two networks, as a text; None if they are equal or `then` is not known."""
    if then is None or graph_digest(then) == graph_digest(now):
        return None
    changes = diff(then, now)
    if not changes:
        return "the network is different: its layers are nested differently"
    more = f"; differences: {len(changes)}" if len(changes) > 1 else ""
    return f"the network is different: {changes[0]}{more}"
